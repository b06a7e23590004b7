"""Generation with a key/value cache: earlier states never change, so they are computed once.

A model reads at most `context` tokens. When a prediction would need more, the older half is
dropped and the rest is read again, so each prediction sees between half a context and a whole one.
What it sees depends on its position alone (`window_start`), not on the cache.
"""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from minitx.config import ModelConfig
from minitx.devices.mesh import sparing
from minitx.errors import InputError
from minitx.model import Cache, Transformer

STRETCH = 32  # tokens that are made before they are shown


def window_start(length: int, context: int) -> int:
    """Return the first token that the prediction after `length` tokens sees.

    >>> [window_start(length, context=4) for length in range(1, 12)]
    [0, 0, 0, 0, 3, 3, 3, 6, 6, 6, 9]
    """
    if length <= context:
        return 0
    kept = max(1, context // 2)
    stride = context + 1 - kept
    return context + 1 - kept + (length - context - 1) // stride * stride


def pick(logits_BV, key_B, position, temperature, top_k: int | None):
    """Draw a token for each row of logits from softmax(logits / temperature) among the top k.

    Temperature 0 takes the largest logit. The row's key and the position fix the draw.
    """
    best_B = jnp.argmax(logits_BV, axis=-1)
    if top_k is not None:
        least_B1 = jax.lax.top_k(logits_BV, min(top_k, logits_BV.shape[-1]))[0][:, -1:]
        logits_BV = jnp.where(logits_BV < least_B1, -jnp.inf, logits_BV)
    # Subtracting the largest logit first keeps a small temperature from overflowing.
    scaled_BV = logits_BV - jnp.max(logits_BV, axis=-1, keepdims=True)
    scaled_BV = scaled_BV / jnp.where(temperature > 0, temperature, 1)
    keys = jax.vmap(jax.random.fold_in, (0, None))(key_B, position)
    drawn_B = jax.vmap(jax.random.categorical)(keys, scaled_BV)
    return jnp.where(temperature > 0, drawn_B, best_B).astype(jnp.int32)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _read(config: ModelConfig, params, tokens_BT, length, slots: int) -> Cache:
    """Return a cache of the first `length` of T tokens; the others are padding, never read."""
    model = Transformer.of(config, params)
    _, cache = model.extend(tokens_BT, model.empty_cache(len(tokens_BT), slots))
    return cache._replace(length=length)


@functools.partial(jax.jit, static_argnums=(0, 7), donate_argnums=2)
def _write(config, params, cache, token_B, key_B, position, temperature, top_k, count):
    """Return the cache, and STRETCH slots made_BS whose first `count` follow token_B."""
    model = Transformer.of(config, params)

    def body(i, carry):
        cache, token_B, made_BS = carry
        logits_BTV, cache = model.extend(token_B[:, None], cache)
        token_B = pick(logits_BTV[:, 0], key_B, position + i, temperature, top_k)
        return cache, token_B, made_BS.at[:, i].set(token_B)

    made_BS = jnp.zeros((len(token_B), STRETCH), jnp.int32)
    cache, _, made_BS = jax.lax.fori_loop(0, count, body, (cache, token_B, made_BS))
    return cache, made_BS


def generate(
    model: Transformer,
    prompt_BT: np.ndarray,
    count: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Continue each row of the prompt by `count` tokens; yield them in stretches (B, up to 32).

    Row b of a seed is the same for any number of rows. A prompt longer than the context is read
    from its end. Raises InputError for an empty prompt or settings out of range.
    """
    tokens_BT = np.asarray(prompt_BT, np.int32)[:, -model.config.context :]
    if tokens_BT.shape[1] == 0:
        raise InputError("the prompt is empty: give at least one token to continue")
    if not (np.isfinite(temperature) and temperature >= 0):
        raise InputError(f"temperature={temperature} is out of range: it must be 0 or more")
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k={top_k} is out of range: it must be at least 1")
    if not 1 <= count < 2**31:
        raise InputError(f"tokens={count} is out of range: it must be at least 1 and below 2^31")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed={seed} is out of range: it must be between 0 and 2^32 - 1")

    return _generate(model, tokens_BT, count, temperature, top_k, seed)


def power_of_two(length: int) -> int:
    """Return the least power of two that is at least `length`: texts share a few programs so.

    >>> [power_of_two(length) for length in (0, 1, 2, 3, 8, 9)]
    [1, 1, 2, 4, 8, 16]
    """
    return 1 << max(0, length - 1).bit_length()


def _generate(model, tokens_BT, count, temperature, top_k, seed):
    config, params = model.config, model.params()
    key = jax.random.key(seed)
    key_B = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(len(tokens_BT)))
    first = tokens_BT.shape[1]
    slots = min(config.context, power_of_two(first + count))
    cache, start = None, None
    while (length := tokens_BT.shape[1]) < first + count:
        if start != window_start(length, config.context):
            start = window_start(length, config.context)
            known_BT = tokens_BT[:, start : length - 1]  # the last token is read when writing
            known = known_BT.shape[1]
            padding = min(slots, power_of_two(known)) - known
            padded_BT = np.pad(known_BT, ((0, 0), (0, padding)))
            with sparing(params):
                cache = _read(config, params, padded_BT, np.int32(known), slots)
        room = start + config.context + 1 - length
        stretch = min(STRETCH, room, first + count - length)
        with sparing(params):
            cache, made_BS = _write(
                config, params, cache, tokens_BT[:, -1], key_B, length - first,
                temperature, top_k, stretch,
            )  # fmt: skip
        made_BT = np.asarray(made_BS)[:, :stretch]
        tokens_BT = np.concatenate([tokens_BT, made_BT], axis=1)
        yield made_BT
