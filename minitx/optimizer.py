"""How a gradient becomes an update: clip it, choose a direction, decay weights, scale by a rate."""

import collections
import functools
import math

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util

from minitx.config import TrainConfig


@functools.partial(jax.jit, static_argnums=0)
def schedule(recipe: TrainConfig, step):
    """Return the learning rate of a step as a share of its peak: warm-up, then decay."""
    warm = (step + 1) / (recipe.warmup + 1)
    done = jnp.clip((step - recipe.warmup) / max(1, recipe.steps - recipe.warmup), 0, 1)
    fall = {"cosine": (1 + jnp.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}
    return jnp.minimum(warm, recipe.final_lr + (1 - recipe.final_lr) * fall[recipe.decay])


def make_optimizer(recipe: TrainConfig, peak_lr=None) -> optax.GradientTransformation:
    """Clip the gradient, choose a direction, add weight decay, scale by the learning rate.

    `peak_lr` is the recipe's by default. As an array it may change from call to call of a compiled
    function; adam_lr keeps its ratio to it.
    """
    peak_lr = recipe.lr if peak_lr is None else peak_lr
    adam = optax.scale_by_adam(recipe.beta1, recipe.beta2)
    if recipe.optimizer == "adamw":
        direction = adam
    elif recipe.optimizer == "sgd":
        direction = optax.trace(recipe.momentum)
    else:
        scaled_adam = optax.chain(adam, optax.scale(recipe.adam_share))
        direction = optax.partition({"muon": muon(recipe.momentum), "adam": scaled_adam}, _kinds)
    return optax.chain(
        optax.clip_by_global_norm(recipe.clip) if recipe.clip else optax.identity(),
        direction,
        optax.add_decayed_weights(
            recipe.weight_decay, lambda params: jax.tree.map(lambda p: p.ndim >= 2, params)
        ),
        optax.scale_by_learning_rate(lambda step: peak_lr * schedule(recipe, step)),
    )


def _kinds(params):
    """Return "muon" for each weight matrix of a tree, "adam" for tables, gains and biases."""
    return traverse_util.path_aware_map(
        lambda path, _: "muon" if path[-1] == "weight" else "adam", params
    )


ITERATIONS = 3  # of Newton-Schulz


def muon(momentum: float) -> optax.GradientTransformation:
    """Return momentum for matrices (in, out), all singular values brought near 1 (Jordan 2024).

    Matrices of one shape are stacked, because one batched product is faster than many small ones;
    tall ones are turned over, which commutes with all of this, and so share a stack with wide ones.
    The usual five iterations start from the Frobenius norm. Three train as well here, because they
    start from a closer bound on the largest singular value (Boissin 2025).
    """
    dimensions = optax.contrib.MuonDimensionNumbers(reduction_axis=1, output_axis=2)
    orthogonalise = optax.contrib.scale_by_muon(
        beta=momentum,
        ns_steps=ITERATIONS,
        preconditioning="aol",
        weight_dimension_numbers=lambda stacks: jax.tree.map(lambda _: dimensions, stacks),
    )

    def update(updates, state, params=None):
        stacks, state = orthogonalise.update(_stack(updates), state, params)
        leaves, structure = jax.tree.flatten(updates)
        matrices = {shape: iter(stack) for shape, stack in stacks.items()}
        scaled = []
        for leaf in leaves:
            inputs, outputs = leaf.shape
            matrix = next(matrices[_shape(leaf)])
            matrix = matrix.T if inputs > outputs else matrix
            scaled.append(matrix * math.sqrt(max(1.0, outputs / inputs)))
        return jax.tree.unflatten(structure, scaled), state

    return optax.GradientTransformation(lambda params: orthogonalise.init(_stack(params)), update)


def _stack(matrices) -> dict[str, jax.Array]:
    """Return the matrices of a tree by shape: one array (count, m, n) for each, with m <= n."""
    groups = collections.defaultdict(list)
    for leaf in jax.tree.leaves(matrices):
        groups[_shape(leaf)].append(leaf.T if leaf.shape[0] > leaf.shape[1] else leaf)
    return {shape: jnp.stack(group) for shape, group in groups.items()}


def _shape(matrix) -> str:
    return "x".join(map(str, sorted(matrix.shape)))
