"""The forward pass compiled once for all models of a config: numpy arrays in, numpy arrays out.

Whoever looks into a model uses these. The dimension key is in `minitx/__init__.py`.
"""

import dataclasses
import functools

import jax
import numpy as np
from flax import nnx

from minitx.config import ModelConfig
from minitx.model import Params, Trace, Transformer


@functools.partial(jax.jit, static_argnums=(0, 1))
def trace_fields(config: ModelConfig, names: tuple[str, ...], params: Params, tokens_BT):
    """Return the named fields of a trace, as arrays on the device; the others are not computed."""
    trace = Transformer.of(config, params).trace(tokens_BT)
    return tuple(getattr(trace, name) for name in names)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _continue_from(config: ModelConfig, station: int, params: Params, stream_BTD):
    return Transformer.of(config, params).continue_from(station, stream_BTD)


@functools.partial(jax.jit, static_argnums=0)
def _readout(config: ModelConfig, params: Params, x_BTD):
    return Transformer.of(config, params).readout(x_BTD)


@functools.partial(jax.jit, static_argnums=0)
def _final_norm(config: ModelConfig, params: Params, x_BTD):
    return Transformer.of(config, params).final_norm(x_BTD)


@functools.partial(jax.jit, static_argnums=0)
def _unembed(config: ModelConfig, params: Params, x_BTD):
    return Transformer.of(config, params).unembed(x_BTD)


def trace(model: Transformer, tokens_BT) -> Trace:
    """Return `model.trace(tokens_BT)`."""
    fields = trace_fields(model.config, Trace._fields, model.params(), np.asarray(tokens_BT))
    return Trace(*map(np.asarray, fields))


def states(model: Transformer, tokens_BT) -> np.ndarray:
    """Return the states by layer alone, states_LBTD: less memory than a whole trace."""
    tokens_BT = np.asarray(tokens_BT)
    (states_LBTD,) = trace_fields(model.config, ("states_LBTD",), model.params(), tokens_BT)
    return np.asarray(states_LBTD)


def continue_from(model: Transformer, station: int, stream_BTD) -> np.ndarray:
    """Return the logits_BTV that follow if the stream at `station` is `stream_BTD`."""
    config, params = model.config, model.params()
    return np.asarray(_continue_from(config, station, params, np.asarray(stream_BTD)))


def readout(model: Transformer, x_BTD) -> np.ndarray:
    """Return the logits_BTV that the final norm and the unembedding make of any states."""
    return np.asarray(_readout(*_without_blocks(model), np.asarray(x_BTD)))


def final_norm(model: Transformer, x_BTD) -> np.ndarray:
    """Return what the unembedding reads of any states: the states after the final norm."""
    return np.asarray(_final_norm(*_without_blocks(model), np.asarray(x_BTD)))


def unembed(model: Transformer, x_BTD) -> np.ndarray:
    """Return the logits_BTV that the unembedding alone makes of states after the final norm."""
    return np.asarray(_unembed(*_without_blocks(model), np.asarray(x_BTD)))


def _without_blocks(model: Transformer) -> tuple[ModelConfig, Params]:
    """Return config and parameters of the model without its blocks, which reads states alike.

    To collect the parameters of all blocks of a deep model would take longer than the reading.
    """
    params = {}
    for name in ("embedding", "position", "final_norm", "unembedding", "head"):
        part = getattr(model, name)
        own = {} if part is None else nnx.to_pure_dict(nnx.state(part, nnx.Param))
        if own:
            params[name] = own
    return dataclasses.replace(model.config, depth=0), params
