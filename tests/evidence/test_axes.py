"""A model in other axes predicts the same, or is refused."""

import dataclasses

import jax
import numpy as np
import pytest

from minitx import compiled
from minitx.config import ModelConfig
from minitx.errors import InputError
from minitx.evidence import linear_maps
from minitx.evidence.axes import in_other_axes
from minitx.model import Transformer

# All sizes differ, so that a matrix that was multiplied on the wrong side does not fit.
CONFIG = ModelConfig(
    width=10, depth=2, heads=3, head_width=4, mlp_width=14, context=7, vocab=11, bias=True,
    qk_norm=True, init_std=0.5,
)  # fmt: skip
BARE = dataclasses.replace(CONFIG, norm="rmsnorm", norm_gain=False)
TOKENS = np.random.default_rng(0).integers(11, size=(5, 6))


def random_model(config):
    """A model in which gains and biases are random too, or a mistake with them would not show."""
    rng = np.random.default_rng(1)

    def weights(leaf):
        return (leaf + 0.3 * rng.standard_normal(leaf.shape)).astype(np.float32)

    return Transformer.of(config, jax.tree.map(weights, Transformer(config).params()))


def permutation():
    return np.eye(10)[np.random.default_rng(2).permutation(10)]


def rotation():
    return linear_maps.rotation(10, np.random.default_rng(3))


@pytest.mark.parametrize(
    "config, axes_DD",
    [
        (CONFIG, permutation()),
        (dataclasses.replace(CONFIG, mlp="swiglu", tied=True, norm="rmsnorm"), permutation()),
        (BARE, rotation()),
        (dataclasses.replace(CONFIG, norm="none", positions="rope"), rotation()),
    ],
)
def test_other_axes_change_the_states_and_not_the_logits(config, axes_DD):
    model = random_model(config)
    here, there = (compiled.trace(m, TOKENS) for m in (model, in_other_axes(model, axes_DD)))
    np.testing.assert_allclose(there.stream_RBTD, here.stream_RBTD @ axes_DD, atol=2e-4)
    np.testing.assert_allclose(there.logits_BTV, here.logits_BTV, atol=2e-3)
    assert np.abs(there.stream_RBTD - here.stream_RBTD).max() > 0.1


@pytest.mark.parametrize(
    "changes, axes_DD",
    [
        ({}, rotation()),
        ({"norm": "rmsnorm"}, rotation()),
        ({"norm_gain": False}, rotation()),
        ({"positions": "sinusoidal"}, permutation()),
    ],
)
def test_axes_that_a_model_knows_are_refused(changes, axes_DD):
    model = Transformer(dataclasses.replace(CONFIG, **changes))
    with pytest.raises(InputError, match=r"turned axes|fixed to their channels"):
        in_other_axes(model, axes_DD)
