"""How a gradient becomes an update: clip it, choose a direction, decay weights, scale by a rate."""

import collections
import math

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util

from minitx.config import TrainConfig


def rate(recipe: TrainConfig, step):
    """The learning rate of a step, as a share of its peak: warm-up, then decay."""
    warm = (step + 1) / (recipe.warmup + 1)
    done = jnp.clip((step - recipe.warmup) / max(1, recipe.steps - recipe.warmup), 0, 1)
    fall = {"cosine": (1 + jnp.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}
    return jnp.minimum(warm, recipe.final_lr + (1 - recipe.final_lr) * fall[recipe.decay])


def make_optimizer(recipe: TrainConfig, peak=None) -> optax.GradientTransformation:
    """Clip, choose a direction, add weight decay, scale by the rate.

    A `peak` takes the place of the recipe's; one that is an array needs no compiling of its own.
    """
    peak = recipe.lr if peak is None else peak
    adam = optax.scale_by_adam(recipe.beta1, recipe.beta2)
    if recipe.optimizer == "adamw":
        direction = adam
    elif recipe.optimizer == "sgd":
        direction = optax.trace(recipe.momentum)
    else:
        adam_share = (recipe.adam_lr or recipe.lr) / recipe.lr
        direction = optax.partition(
            {"muon": muon(recipe.momentum), "adam": optax.chain(adam, optax.scale(adam_share))},
            lambda params: traverse_util.path_aware_map(
                lambda path, _: "muon" if path[-1] == "weight" else "adam", params
            ),
        )
    return optax.chain(
        optax.clip_by_global_norm(recipe.clip) if recipe.clip else optax.identity(),
        direction,
        optax.add_decayed_weights(
            recipe.weight_decay, lambda params: jax.tree.map(lambda p: p.ndim >= 2, params)
        ),
        optax.scale_by_learning_rate(lambda step: peak * rate(recipe, step)),
    )


def muon(momentum: float) -> optax.GradientTransformation:
    """Momentum with all singular values brought near 1 (Jordan 2024), for matrices (in, out).

    Matrices of one shape are stacked and go through it together: one batched product in place of
    many small ones. Three iterations after a bound on the largest singular value that is closer
    than the Frobenius norm (Boissin 2025) train as well as five after that norm.
    """
    dimensions = optax.contrib.MuonDimensionNumbers(reduction_axis=1, output_axis=2)
    orthogonalise = optax.contrib.scale_by_muon(
        beta=momentum,
        ns_steps=3,
        preconditioning="aol",
        weight_dimension_numbers=lambda stacks: jax.tree.map(lambda _: dimensions, stacks),
    )

    def update(updates, state, params=None):
        stacks, state = orthogonalise.update(_stack(updates), state, params)
        leaves, structure = jax.tree.flatten(updates)
        rows = {shape: iter(stack) for shape, stack in stacks.items()}
        made = [
            next(rows[_shape(leaf)]) * math.sqrt(max(1.0, leaf.shape[1] / leaf.shape[0]))
            for leaf in leaves
        ]
        return jax.tree.unflatten(structure, made), state

    return optax.GradientTransformation(lambda params: orthogonalise.init(_stack(params)), update)


def _stack(matrices) -> dict[str, jax.Array]:
    """The matrices of a tree, those of one shape as one array (count, in, out)."""
    groups = collections.defaultdict(list)
    for leaf in jax.tree.leaves(matrices):
        groups[_shape(leaf)].append(leaf)
    return {shape: jnp.stack(group) for shape, group in groups.items()}


def _shape(matrix) -> str:
    return "x".join(map(str, matrix.shape))
