"""What a model does on held-out text: the observation that `measures.py` computes its numbers from.

All models of an ablation are observed on the same tokens, so any difference between cells comes
from the models. A swap gives every token the norm, or the direction, of another token's state
at one station, and lets the rest of the model go on: how far the predictions move shows how much
the model uses the norms, or the directions, of that station.

Predictions are read from the scores according to the loss (`score_reader`). Cross-entropy makes the
scores logits. Squared error makes them the probabilities themselves: their softmax is nearly flat
at any temperature, so that even a perfect model would seem to know little.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from minitx import compiled, geometry, measure
from minitx.config import ModelConfig, TrainConfig
from minitx.model import Params, Transformer
from minitx.objective import batch_loss, make_batch, step_keys
from minitx.report import sequences
from minitx.text.data import Data

SWAPPED = 8  # sequences on which swaps are measured; each needs 2R forward passes


class Sample(NamedTuple):
    """Held-out text to measure on: inputs, and the distribution of the token after each of them.

    `truth_BTV` is the true distribution where the corpus is generated (`is_exact`); otherwise it is
    1 at the token that came next.
    """

    tokens_BT: np.ndarray
    truth_BTV: np.ndarray
    is_exact: bool


def draw_sample(data: Data, config: ModelConfig) -> Sample:
    """Return windows of the validation split, spread evenly over it.

    The true distribution of a generated corpus depends on all tokens before; a model sees only its
    window.
    """
    index_BT = sequences(np.arange(len(data.val_tokens)), config.context + 1)
    inputs_BT = data.val_tokens[index_BT[:, :-1]]
    if data.generator is None:
        return Sample(inputs_BT, np.eye(config.vocab)[data.val_tokens[index_BT[:, 1:]]], False)
    stream = np.concatenate([data.train_tokens, data.val_tokens])
    truth_TV = data.generator.next_probs(stream)[len(data.train_tokens) :]
    return Sample(inputs_BT, truth_TV[index_BT[:, :-1]], True)


@dataclass(frozen=True)
class Observation:
    """What one model does on one sample: all that the measures are computed from.

    Temperature, and the floor of `score_reader`, are fitted on the first `fitted` predictions.
    """

    layers: dict[str, list]  # `measure.layers` and `geometry.updates`
    overall: dict[str, float | None]  # `measure.overall`
    scores_ZV: np.ndarray  # as the model gives them
    logits_ZV: np.ndarray  # as they are read
    truth_ZV: np.ndarray
    truth_is_exact: bool
    fitted: int
    temperature: float
    calibration: dict[str, float]  # `measure.calibration`
    entropy_fall: float  # when the last state grows from half to twice its norm
    norm_swap_R: np.ndarray  # mean KL, in nats, from the predictions to those after the swap
    direction_swap_R: np.ndarray


def observe(
    config: ModelConfig, params: Params, sample: Sample, loss: str = "cross_entropy"
) -> Observation:
    """Run a model that was trained on this loss over the sample."""
    params = jax.tree.map(np.asarray, params)  # wherever they lie, one compiled program fits
    model = Transformer.of(config, params)
    names = ("states_LBTD", "stream_RBTD", "logits_BTV")
    fields = compiled.trace_fields(config, names, params, sample.tokens_BT)
    states_LBTD, stream_RBTD, scores_BTV = map(np.asarray, fields)
    layers = measure.layers(states_LBTD)
    updates = geometry.updates(states_LBTD)
    if not config.residual:  # nothing is carried over, so there is no update at right angles to it
        layers["null_cos"] = [None] * len(layers["null_cos"])
        updates = {name: [None] * len(column) for name, column in updates.items()}
    layers |= updates

    truth_ZV = sample.truth_BTV.reshape(-1, config.vocab)
    scores_ZV = scores_BTV.reshape(truth_ZV.shape)
    fitted = len(sample.tokens_BT) // 2 * sample.tokens_BT.shape[1]
    read = score_reader(loss, scores_ZV[:fitted], truth_ZV[:fitted])
    logits_ZV = read(scores_ZV)

    few = min(SWAPPED, len(sample.tokens_BT))
    before_BTV = read(scores_BTV[:few, 1:])
    after_norms_RBTV, after_directions_RBTV = swapped_scores(config, params, stream_RBTD[:, :few])

    def divergence_R(after_RBTV):
        return np.array([measure.kl(before_BTV, read(x_BTV)[:, 1:]).mean() for x_BTV in after_RBTV])

    last_BTD = states_LBTD[-1]
    half_BTV = read(compiled.readout(model, 0.5 * last_BTD))
    twice_BTV = read(compiled.readout(model, 2.0 * last_BTD))
    return Observation(
        layers=layers,
        overall=measure.overall(layers),
        scores_ZV=scores_ZV,
        logits_ZV=logits_ZV,
        truth_ZV=truth_ZV,
        truth_is_exact=sample.is_exact,
        fitted=fitted,
        temperature=measure.fitted_temperature(logits_ZV[:fitted], truth_ZV[:fitted]),
        calibration=measure.calibration(logits_ZV, truth_ZV),
        entropy_fall=measure.entropy(half_BTV).mean() - measure.entropy(twice_BTV).mean(),
        norm_swap_R=divergence_R(after_norms_RBTV),
        direction_swap_R=divergence_R(after_directions_RBTV),
    )


def score_reader(loss: str, scores_ZV, truth_ZV) -> Callable:
    """Return the function from scores to logits for a model that was trained on this loss.

    What it needs to fit is fitted on these scores. This is the only place where the two losses
    differ in how they are judged.
    """
    if loss == "cross_entropy":
        return np.asarray
    some = slice(None, None, 3)  # enough for one number; the fit takes longer than all else
    floor = measure.fitted_floor(scores_ZV[some], truth_ZV[some])
    return functools.partial(measure.log_scores, floor=floor)


# --- swaps ---------------------------------------------------------------------------------------


def exchange(x_BTD, order) -> tuple[np.ndarray, np.ndarray]:
    """Return the states with norms, and with directions, exchanged among tokens; position 0 stays.

    `order` says from which of the B (T - 1) later tokens each token takes its own. A state of zero
    has no direction: it gives zero and stays zero.
    """
    x_BTD = np.asarray(x_BTD, np.float64)
    later_ZD = x_BTD[:, 1:].reshape(-1, x_BTD.shape[-1])
    norm_Z1 = measure.norms(later_ZD)[:, None]
    direction_ZD = later_ZD / np.where(norm_Z1 > 0, norm_Z1, 1)

    def with_first_position(states_ZD):
        states_BTD = states_ZD.reshape(x_BTD[:, 1:].shape)
        return np.concatenate([x_BTD[:, :1], states_BTD], axis=1).astype(np.float32)

    norms_exchanged_BTD = with_first_position(direction_ZD * norm_Z1[order])
    return norms_exchanged_BTD, with_first_position(direction_ZD[order] * norm_Z1)


def swapped_scores(
    config: ModelConfig, params: Params, stream_RBTD
) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores_RBTV after an exchange of norms at each station, and of directions."""
    batch, length = stream_RBTD.shape[1:3]
    order = geometry.derangement(batch * (length - 1))
    pairs = np.stack([np.concatenate(exchange(x_BTD, order)) for x_BTD in stream_RBTD])
    scores_RBTV = np.asarray(_continue_everywhere(config, params, pairs))
    return scores_RBTV[:, :batch], scores_RBTV[:, batch:]


@functools.partial(jax.jit, static_argnums=0)
def _continue_everywhere(config: ModelConfig, params: Params, stream_RBTD):
    model = Transformer.of(config, params)
    return jnp.stack([model.continue_from(r, x_BTD) for r, x_BTD in enumerate(stream_RBTD)])


# --- the first gradient --------------------------------------------------------------------------


@functools.partial(jax.jit, static_argnums=(0, 1))
def _gradient_norms(config: ModelConfig, recipe: TrainConfig, params, seed, tokens):
    batch_key, dropout_key = step_keys(seed, 0)
    inputs_BT, targets_BT = make_batch(tokens, batch_key, 0, recipe.batch, config.context)
    loss = functools.partial(batch_loss, config, recipe)
    gradient = jax.grad(loss)(params, inputs_BT, targets_BT, dropout_key)
    blocks = [gradient["blocks"][n] for n in range(config.depth)]
    return [_norm(part) for part in (gradient["embedding"], *blocks)]


def _norm(tree):
    """Return the norm of all numbers in a tree; the squares of small ones must not become 0."""
    leaves = jax.tree.leaves(tree)
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in leaves]))
    scale = jnp.where(largest > 0, largest, 1)
    return scale * jnp.sqrt(sum(jnp.sum(jnp.square(leaf / scale)) for leaf in leaves))


def first_gradient(config: ModelConfig, recipe: TrainConfig, params, seed: int, tokens) -> list:
    """Return the norm of the gradient of the embedding, then of each block, at the first step."""
    program = TrainConfig(batch=recipe.batch, loss=recipe.loss, precision=recipe.precision)
    return measure.plain(_gradient_norms(config, program, params, np.uint32(seed), tokens))
