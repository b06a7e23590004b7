"""Which tensor was the first that is not finite, and what to do."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training import (
    NOISE,
    TWO_BLOCKS,
    WILD,
)

from minitx.explain import explain, forward_order
from minitx.parameters import named_arrays
from minitx.step import init_state, initial_params

NAMES = [name for name, _ in forward_order(initial_params(TWO_BLOCKS, 0))]


def explained(**planted) -> str:
    """What `explain` says once a parameter, named with __ for dots, begins with this value."""
    params = initial_params(TWO_BLOCKS, 0)
    names, structure = list(named_arrays(params)), jax.tree.structure(params)
    leaves = [
        leaf.at[(0,) * leaf.ndim].set(planted[name]) if name in planted else leaf
        for name, leaf in zip(names, jax.tree.leaves(params), strict=True)
    ]
    return why(structure.unflatten(leaves))


def why(params, recipe=WILD) -> str:
    state = init_state(TWO_BLOCKS, recipe)._replace(params=params, step=jnp.int32(4))
    return explain(TWO_BLOCKS, recipe, state, jnp.asarray(NOISE, jnp.int32))


def larger(scales: dict[str, float]):
    """The first parameters, those whose names end so multiplied."""
    params = initial_params(TWO_BLOCKS, 0)
    leaves = []
    for name, leaf in named_arrays(params).items():
        factors = [factor for end, factor in scales.items() if name.endswith(end)]
        leaves.append(leaf * math.prod(factors))
    return jax.tree.structure(params).unflatten(leaves)


@pytest.mark.parametrize("name", NAMES)
def test_a_nan_in_a_parameter_is_named_first(name):
    said = explained(**{name: np.nan})
    assert f"stopped at step 4: the parameter {name} is not finite first; lower --lr" in said


@pytest.mark.parametrize(
    ("scales", "first"),
    [
        ({"blocks.1.attention.query.weight": 1e22, "blocks.1.attention.key.weight": 1e22},
         "the attention pattern of block 1"),
        ({"blocks.1.attention.value.weight": 1e22, "blocks.1.attention.out.weight": 1e22},
         "the attention update of block 1"),
        ({"blocks.0.mlp.up.weight": 1e22, "blocks.0.mlp.down.weight": 1e22},
         "the MLP update of block 0"),
        ({"final_norm.gain": 3e38}, "the final norm's output"),
        ({"final_norm.gain": 1e22, "unembedding.table": 1e22}, "the logits"),
        ({"unembedding.table": 1e25}, "the gradient's norm overflows"),
    ],
)  # fmt: skip
def test_the_first_tensor_of_the_forward_pass_that_overflows_is_named(scales, first):
    assert f"step 4: {first}" in why(larger(scales))


def test_a_loss_that_overflows_is_named():
    recipe = dataclasses.replace(WILD, loss="squared_error")
    assert "step 4: the loss is not finite first" in why(
        larger({"unembedding.table": 1e25}), recipe
    )


def test_the_first_gradient_on_the_way_back_that_overflows_is_named():
    # Large rows of the unembedding, which the final norm amplifies: all before it overflows.
    assert "step 4: the gradient of blocks.1.mlp." in why(larger({"unembedding.table": 1e38}))


def test_parameters_are_listed_in_the_order_in_which_the_forward_pass_meets_them():
    parts = list(dict.fromkeys(name.split(".")[0] for name in NAMES))
    assert parts == ["embedding", "position", "blocks", "final_norm", "unembedding"]
    params = initial_params(dataclasses.replace(TWO_BLOCKS, head="cosine"), 0)
    assert [name for name, _ in forward_order(params)][-1] == "head.scale"


def test_the_cure_mentions_clipping_only_where_it_is_off():
    params = larger({"unembedding.table": np.nan})
    assert "or clip gradients with --clip 1" in why(params)
    assert "clip" not in why(params, dataclasses.replace(WILD, clip=0.5))
