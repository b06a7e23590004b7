"""The parts of the transformer, written out by hand: linear maps, norms, positions, attention, MLP,
and the heads that compare the last state with the unembedding.

Letters in names are dimensions; `minitx/__init__.py` has their key.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from minitx.config import ModelConfig

# Cosines lie between -1 and 1, so a scale of 1 could not make any token likely. After `minitx
# train --preset demo --width 128 --heads 4 --mlp gelu --steps 150 --head cosine` the validation
# loss was 2.79 from a scale of 1, 1.78 from 5, 1.70 from 10, 1.71 from 16, 1.72 from 22 and 1.75
# from 30; under head=dot 1.71.
COSINE_SCALE = 10.0  # at which the learned scale of a cosine head begins
SHORTEST = 1e-6  # a norm below it counts as this, so that no cosine divides by zero


class Linear(nnx.Module):
    """x @ weight + bias over the last axis; weight has shape (inputs, outputs)."""

    def __init__(self, inputs: int, outputs: int, bias: bool, std: float | None, key: jax.Array):
        self.weight = nnx.Param(_normal(key, (inputs, outputs), std, fan_in=inputs))
        self.bias = nnx.Param(jnp.zeros(outputs)) if bias else None

    def __call__(self, x):
        # Two axes, because XLA's CPU backend makes a transposed copy of every 3-axis activation
        # for the weight's gradient: a step of `nanogpt-cpu` took 1.4 times as long with three.
        y = x.reshape(-1, x.shape[-1]) @ self.weight[...]
        if self.bias is not None:
            y = y + jnp.broadcast_to(self.bias[...], y.shape)
        return y.reshape(*x.shape[:-1], -1)


class Table(nnx.Module):
    """One vector of width D for each of `rows` ids."""

    def __init__(self, rows: int, width: int, std: float | None, key: jax.Array):
        self.table = nnx.Param(_normal(key, (rows, width), std, fan_in=width))

    def __call__(self, ids):
        return self.table[...][ids]


def _std(std: float | None, fan_in: int) -> float:
    """Return the standard deviation of initial weights; by default it depends on the inputs."""
    return 1 / math.sqrt(fan_in) if std is None else std


def _normal(key, shape, std: float | None, fan_in: int):
    std = _std(std, fan_in)
    return _scaled_normal(key, shape, std) if std else jnp.zeros(shape)


@functools.partial(jax.jit, static_argnums=1)
def _scaled_normal(key, shape, std):
    """Return random normal numbers, by one small program for all weights of a shape."""
    return std * jax.random.normal(key, shape, jnp.float32)


class Identity(nnx.Module):
    """norm=none."""

    def frozen(self, part, x):
        return part

    def __call__(self, x):
        return x


class LayerNorm(nnx.Module):
    """Remove the mean over the last axis, divide by the standard deviation: length sqrt(D)."""

    def __init__(self, width: int, gain: bool, bias: bool, epsilon: float):
        self.gain = nnx.Param(jnp.ones(width)) if gain else None
        self.bias = nnx.Param(jnp.zeros(width)) if gain and bias else None
        self.epsilon = epsilon

    def frozen(self, part, x):
        """Apply the norm to `part` with the divisor that x has: then the norm is a linear map."""
        variance = jnp.var(x.astype(jnp.float32), axis=-1, keepdims=True)
        part = part - jnp.mean(part, axis=-1, keepdims=True)
        return _times(part * jax.lax.rsqrt(variance + self.epsilon).astype(x.dtype), self.gain)

    def __call__(self, x):
        y = self.frozen(x, x)
        return y if self.bias is None else y + jnp.broadcast_to(self.bias[...], y.shape)


class RMSNorm(nnx.Module):
    """Divide by the root of the mean square over the last axis: length sqrt(D), mean kept."""

    def __init__(self, width: int, gain: bool, epsilon: float):
        self.gain = nnx.Param(jnp.ones(width)) if gain else None
        self.epsilon = epsilon

    def frozen(self, part, x):
        """Apply the norm to `part` with the divisor that x has: then the norm is a linear map."""
        square = jnp.mean(jnp.square(x.astype(jnp.float32)), axis=-1, keepdims=True)
        return _times(part * jax.lax.rsqrt(square + self.epsilon).astype(x.dtype), self.gain)

    def __call__(self, x):
        return self.frozen(x, x)


def _times(x, gain):
    return x if gain is None else x * jnp.broadcast_to(gain[...], x.shape)


def make_norm(config: ModelConfig, place: str, width: int | None = None):
    """Return the norm at `place` ("block", "final" or "head"): the identity if there is none."""
    c, width = config, width or config.width
    if place == "head":
        return RMSNorm(width, c.norm_gain, c.norm_epsilon) if c.qk_norm else Identity()
    absent = {"pre": (), "post": ("final",), "final": ("block",)}[c.norm_place]
    if c.norm == "none" or place in absent:
        return Identity()
    if c.norm == "layernorm":
        return LayerNorm(width, c.norm_gain, c.bias, c.norm_epsilon)
    return RMSNorm(width, c.norm_gain, c.norm_epsilon)


class Sinusoids(nnx.Module):
    """Sines and cosines of wavelengths from 2 pi to 10000 x 2 pi (Vaswani 2017)."""

    def __init__(self, width: int):
        self.width = width

    def __call__(self, position_T):
        frequency = 10000.0 ** (-jnp.arange(0, self.width, 2) / self.width)
        angle = position_T[:, None] * frequency[None, :]
        return jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1).reshape(-1, self.width)


class NoPositions(nnx.Module):
    """Nothing is added to the stream: positions=none, and rope, which turns heads instead."""

    def __init__(self, width: int):
        self.width = width

    def __call__(self, position_T):
        return jnp.zeros((len(position_T), self.width))


def rope(x_BTHK, position_T, base: float):
    """Turn channel pairs (k, k + K/2) by an angle that grows with the position (Su 2021)."""
    half = x_BTHK.shape[-1] // 2
    frequency = base ** (-jnp.arange(half) / half)
    angle = position_T[None, :, None, None] * frequency[None, None, None, :]
    cos, sin = jnp.cos(angle).astype(x_BTHK.dtype), jnp.sin(angle).astype(x_BTHK.dtype)
    a, b = x_BTHK[..., :half], x_BTHK[..., half:]
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def drop(x, rate: float, key: jax.Array | None):
    """Set a share `rate` of x to zero and scale up the rest; without a key, return x."""
    if key is None or rate == 0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


class Seen(NamedTuple):
    """What one attention did, for the trace and for the cache."""

    pattern_BHTS: jax.Array
    key_BSGK: jax.Array
    value_BSGK: jax.Array


class Attention(nnx.Module):
    """Causal self-attention; G key/value heads serve H query heads in groups."""

    def __init__(self, config: ModelConfig, key: jax.Array):
        c, size = config, config.sizes
        bias = c.bias if c.qkv_bias is None else c.qkv_bias
        q, k, v, out = jax.random.split(key, 4)
        q_width = size["H"] * size["K"]
        kv_width = size["G"] * size["K"]
        self.query = Linear(c.width, q_width, bias, c.init_std, q)
        self.key = Linear(c.width, kv_width, bias, c.init_std, k)
        self.value = Linear(c.width, kv_width, bias, c.init_std, v)
        self.out = make_output(c, q_width, c.bias, out)
        self.query_norm = make_norm(c, "head", size["K"])
        self.key_norm = make_norm(c, "head", size["K"])
        self.rotary = c.positions == "rope"
        self.config = c

    def __call__(self, x_BTD, position_T, past=None, key=None):
        """Return the update y_BTD and what was `Seen`; `past` may hold (key_BSGK, value_BSGK)."""
        B, T, _ = x_BTD.shape
        K = self.config.sizes["K"]
        q_BTHK = self.query_norm(self.query(x_BTD).reshape(B, T, -1, K))
        k_BTGK = self.key_norm(self.key(x_BTD).reshape(B, T, -1, K))
        v_BSGK = self.value(x_BTD).reshape(B, T, -1, K)
        if self.rotary:
            q_BTHK = rope(q_BTHK, position_T, self.config.rope_base)
            k_BTGK = rope(k_BTGK, position_T, self.config.rope_base)
        k_BSGK, source_S = k_BTGK, position_T
        if past is not None:  # the new tokens take their slots among the remembered ones
            slot = (0, position_T[0], 0, 0)
            k_BSGK = jax.lax.dynamic_update_slice(past[0], k_BTGK, slot)
            v_BSGK = jax.lax.dynamic_update_slice(past[1], v_BSGK, slot)
            source_S = jnp.arange(k_BSGK.shape[1])

        share = q_BTHK.shape[2] // k_BSGK.shape[2]
        k_BSHK, v_BSHK = (jnp.repeat(a, share, axis=2) for a in (k_BSGK, v_BSGK))
        scores_BHTS = jnp.einsum("BTHK,BSHK->BHTS", q_BTHK, k_BSHK) / math.sqrt(K)
        visible_TS = position_T[:, None] >= source_S[None, :]
        scores_BHTS = jnp.where(visible_TS[None, None], scores_BHTS, -jnp.inf)
        pattern_BHTS = jax.nn.softmax(scores_BHTS.astype(jnp.float32), axis=-1)
        weight_BHTS = drop(pattern_BHTS, self.config.dropout, key).astype(x_BTD.dtype)
        y_BTHK = jnp.einsum("BHTS,BSHK->BTHK", weight_BHTS, v_BSHK)
        return self.out(y_BTHK.reshape(B, T, -1)), Seen(pattern_BHTS, k_BSGK, v_BSGK)


def make_output(config: ModelConfig, inputs: int, bias: bool, key: jax.Array) -> Linear:
    """Return a projection that writes to the stream, with the initial weights of `config.init`."""
    scale = {"plain": 1.0, "scaled": (2 * config.depth) ** -0.5, "zero": 0.0}[config.init]
    return Linear(inputs, config.width, bias, scale * _std(config.init_std, inputs), key)


NONLINEARITIES = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
    "relu2": lambda x: jnp.square(jax.nn.relu(x)),
    "swiglu": jax.nn.silu,
}


class MLP(nnx.Module):
    """Widen, apply the nonlinearity, narrow, at every position alike; swiglu gates the middle."""

    def __init__(self, config: ModelConfig, key: jax.Array):
        c, F = config, config.sizes["F"]
        bias = c.bias if c.mlp_bias is None else c.mlp_bias
        up, down, gate = jax.random.split(key, 3)
        self.up = Linear(c.width, F, bias, c.init_std, up)
        self.gate = Linear(c.width, F, bias, c.init_std, gate) if c.mlp == "swiglu" else None
        self.down = make_output(c, F, bias, down)
        self.nonlinearity = NONLINEARITIES[c.mlp]

    def __call__(self, x_BTD):
        if self.gate is None:
            return self.down(self.nonlinearity(self.up(x_BTD)))
        return self.down(self.nonlinearity(self.gate(x_BTD)) * self.up(x_BTD))


class Dot(nnx.Module):
    """head=dot: the dot product x . w, which grows with both norms."""

    def __call__(self, x_ZD, w_VD):
        """Return the logits_ZV of Z states compared with V rows of the unembedding."""
        return x_ZD @ w_VD.T


class Cosine(nnx.Module):
    """head=cosine: scale * x . w / (|x| |w|), which only the directions decide."""

    def __init__(self):
        self.scale = nnx.Param(jnp.full((), COSINE_SCALE))

    def __call__(self, x_ZD, w_VD):
        """Return the logits_ZV of Z states compared with V rows of the unembedding."""
        return self.scale[...] * (_unit(x_ZD) @ _unit(w_VD).T)


class Distance(nnx.Module):
    """head=distance: -|x - w|^2 / 2, the dot product x . w less |w|^2 / 2 and |x|^2 / 2.

    The logits are float32 even in a model of bfloat16. They contain |x|^2 / 2, about 64 after a
    norm of width 128: that far from zero bfloat16 has steps of 0.5, and the differences between
    tokens, which are all that the softmax sees, would be lost.
    """

    def __call__(self, x_ZD, w_VD):
        """Return the logits_ZV of Z states compared with V rows of the unembedding."""
        dot_ZV = jnp.matmul(x_ZD, w_VD.T, preferred_element_type=jnp.float32)
        return dot_ZV - (_squares(x_ZD)[:, None] + _squares(w_VD)[None, :]) / 2


def _unit(x_ZD):
    """Return vectors of norm 1; those shorter than SHORTEST become shorter than 1."""
    # Below the floor the divisor is constant. So zero stays zero, and its gradient is finite.
    square_Z = jnp.maximum(_squares(x_ZD), SHORTEST**2)
    return x_ZD * jax.lax.rsqrt(square_Z)[:, None].astype(x_ZD.dtype)


def _squares(x_ZD):
    """Return the squared norms, in float32."""
    return jnp.sum(jnp.square(x_ZD.astype(jnp.float32)), axis=-1)


HEADS = {"dot": Dot, "cosine": Cosine, "distance": Distance}
