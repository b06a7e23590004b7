"""The parameters of a model: how many there are, what they cost, and what they are called."""

import math
from typing import Any

import jax
import numpy as np

from minitx.config import ModelConfig
from minitx.model import init_params


def count_params(config: ModelConfig) -> int:
    """Return how many numbers a model of this config learns."""
    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def flops_per_token(config: ModelConfig) -> int:
    """Return the floating-point operations of a training step in matrix products, per token.

    A weight multiplies and adds once forward and twice backward. Attention is counted whole, also
    what the mask hides (Chowdhery 2022, appendix B); the optimizer is not counted.
    """
    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    weights = 0
    for path, leaf in jax.tree_util.tree_flatten_with_path(shapes)[0]:
        if path[-1].key == "weight":
            weights += leaf.size
    attention = 2 * config.depth * config.context * config.heads * config.sizes["K"]
    return 6 * (weights + config.vocab * config.width + attention)


def named_arrays(tree: Any) -> dict[str, np.ndarray]:
    """Return the leaves of a tree under their dotted paths, as numpy arrays."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    # In C order, because safetensors writes the memory as it lies and reads it back in C order.
    return {name_of(path): np.asarray(leaf, order="C") for path, leaf in leaves}


def name_of(path) -> str:
    """Return 'blocks.0.attention.query.weight' from the path that JAX gives a leaf."""
    return ".".join(str(getattr(p, "key", getattr(p, "name", getattr(p, "idx", p)))) for p in path)
