"""Do gradients reach the first block of a deep model, and what keeps them alive?"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from minitx.config import ModelConfig
from minitx.evidence.evidence import evidence, three_way
from minitx.evidence.training import windows_of
from minitx.model import Params, Transformer, init_params
from minitx.objective import losses
from minitx.runs.zoo import Family

DEPTHS = (4, 12, 24)
KEPT = 0.8  # of a gradient by each block: 20 blocks would leave a hundredth
WINDOWS = 4


@functools.partial(jax.jit, static_argnums=0)
def through_block(config: ModelConfig, params: Params, x_BTD):
    """Return what the only block of a model makes of the stream."""
    block = Transformer.of(config, params).blocks[0]
    x_BTD, _, _ = block.attend(x_BTD, jnp.arange(x_BTD.shape[1]), None, None)
    return block.feed(x_BTD, None)[0]


@functools.partial(jax.jit, static_argnums=0)
def back_through_block(config: ModelConfig, params: Params, x_BTD, gradient_BTD):
    """Return the norm of the block's own gradient, and the gradient of the stream before it."""
    _, pull_back = jax.vjp(functools.partial(through_block, config), params, x_BTD)
    of_params, of_stream_BTD = pull_back(gradient_BTD)
    squares = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(of_params["blocks"])]
    return jnp.sqrt(sum(squares)), of_stream_BTD


@functools.partial(jax.jit, static_argnums=0)
def loss_gradient(config: ModelConfig, params: Params, x_BTD, target_BT):
    """Return the gradient of the mean loss with respect to the last station."""

    def loss(x_BTD):
        logits_BTV = Transformer.of(config, params).readout(x_BTD)
        return losses("cross_entropy", logits_BTV, target_BT).mean()

    return jax.grad(loss)(x_BTD)


def first_block_gradient(config: ModelConfig, seed: int, tokens_BT) -> float:
    """Return the norm of the first block's gradient in an untrained model.

    One compiled block serves all blocks and depths; the whole model would have to be compiled for
    each depth.
    """
    inputs_BT, target_BT = tokens_BT[:, :-1], tokens_BT[:, 1:]
    one = dataclasses.replace(config, depth=1)
    whole = init_params(config, jax.random.key(seed))
    params_N = [whole | {"blocks": {0: whole["blocks"][n]}} for n in range(config.depth)]
    embedded = Transformer.of(one, params_N[0]).embed(inputs_BT, jnp.arange(inputs_BT.shape[1]))
    states = [sum(embedded)]
    for params in params_N:
        states.append(through_block(one, params, states[-1]))
    gradient_BTD = loss_gradient(one, params_N[0], states[-1], target_BT)
    norm = 0.0
    for n in reversed(range(config.depth)):
        norm, gradient_BTD = back_through_block(one, params_N[n], states[n], gradient_BTD)
    return float(norm)


def kept_by_block(norms: list[float]) -> float:
    """Return the factor by which each further block changes a gradient: a line through the logs.

    >>> round(kept_by_block([1.0, 0.5**8, 0.5**20]), 6)
    0.5
    """
    smallest = float(np.finfo(np.float32).tiny)  # smaller ones are zero in training
    return float(np.exp(np.polyfit(DEPTHS, np.log(np.maximum(norms, smallest)), 1)[0]))


def a12(kept_residual, kept_unscaled, kept_norm, kept_both, kept_neither, deep_neither):
    """A gradient dies if each further block leaves 80 % of it or less. Then 20 blocks leave a
    hundredth, and no learning rate suits both ends of the model: a step that is right for one end
    is far too large or too small for the other. The gradient lives if each further block leaves
    more than 80 %. The claim says that the residual connection is what keeps it alive. Then the
    gradient should live with residual connections, with and without LayerNorms. And it should die
    without residual connections, with and without LayerNorms. If it lives with neither, the
    residual connection is not needed. If it dies with residual connections alone, they are not
    enough. The weights start as is usual: with a standard deviation of 1/sqrt(n) if they read n
    numbers. With residual connections, the weights that write the updates are divided by sqrt(2N)
    for N blocks, so deeper models start with smaller updates. The width and the text are those of
    the family fables. Each seed draws other weights, and nothing is trained. Supported if each
    further block leaves more than 80 % with residual connections alone and with both, and at most
    80 % with LayerNorms alone and with neither. Refuted if it leaves at most 80 % with residual
    connections alone, or more than 80 % with neither. Qualified if the gradient lives with residual
    connections alone and dies with neither, but it also lives with LayerNorms alone, or it dies
    with both."""
    lives_with = min(kept_residual, kept_both) > KEPT
    return three_way(
        supported=lives_with and max(kept_norm, kept_neither) <= KEPT,
        refuted=kept_residual <= KEPT or kept_neither > KEPT,
    )


@evidence(
    "A12",
    rule=a12,
    baseline="the same blocks without residual connections and without LayerNorms",
    sentence="In untrained models of 4, 12 and 24 blocks, each further block leaves "
    "{kept_residual:.0%} of the first block's gradient with residual connections alone "
    "({kept_unscaled:.0%} if deeper models do not start with smaller updates), {kept_norm:.0%} "
    "with LayerNorms alone and {kept_both:.0%} with both. With neither, it leaves "
    "{kept_neither:.0%}: at 24 blocks the norm of the gradient is then {deep_neither:.0e}.",
    of="families",
)
def measure_a12(seed: int, family: Family) -> dict[str, float]:
    tokens_BT = windows_of(family, WINDOWS)

    def gradients(norm: str, residual: bool, init: str) -> list[float]:
        models = dataclasses.replace(
            family.config, norm=norm, residual=residual, init=init, init_std=None
        )
        deep = [dataclasses.replace(models, depth=depth) for depth in DEPTHS]
        return [first_block_gradient(config, seed, tokens_BT) for config in deep]

    neither = gradients("none", False, "plain")
    return {
        "kept_residual": kept_by_block(gradients("none", True, "scaled")),
        "kept_unscaled": kept_by_block(gradients("none", True, "plain")),
        "kept_norm": kept_by_block(gradients("layernorm", False, "plain")),
        "kept_both": kept_by_block(gradients("layernorm", True, "scaled")),
        "kept_neither": kept_by_block(neither),
        "deep_neither": neither[-1],
    }
