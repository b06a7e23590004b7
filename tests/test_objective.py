"""Losses, batches, keys, and the loss on a whole text."""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from training import (
    CONTEXT,
    NOISE,
    TINY,
    VOCAB,
)

from minitx import objective
from minitx.step import initial_params

LOGITS_BTV = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
TARGET_BT = np.random.default_rng(2).integers(0, 5, (3, 4))


def test_cross_entropy_is_minus_the_log_probability_of_the_target():
    found = objective.losses("cross_entropy", LOGITS_BTV, TARGET_BT)
    assert found.shape == (3, 4)
    for b, t in itertools.product(range(3), range(4)):
        z = LOGITS_BTV[b, t].astype(float)
        expected = math.log(np.exp(z).sum()) - z[TARGET_BT[b, t]]
        assert found[b, t] == pytest.approx(expected, rel=1e-5)


def test_squared_error_is_half_the_squared_distance_to_the_one_hot_target():
    found = objective.losses("squared_error", LOGITS_BTV, TARGET_BT)
    assert found.shape == (3, 4)
    for b, t in itertools.product(range(3), range(4)):
        hot = [float(v == TARGET_BT[b, t]) for v in range(5)]
        expected = sum((LOGITS_BTV[b, t].astype(float) - hot) ** 2) / 2
        assert found[b, t] == pytest.approx(expected, rel=1e-5)


def batch_of(tokens, seed: int, step: int, batch: int = 3, context: int = CONTEXT):
    tokens = jnp.asarray(tokens, jnp.int32)
    inputs, targets = objective.make_batch(tokens, jax.random.key(seed), step, batch, context)
    return np.asarray(inputs), np.asarray(targets)


def test_targets_are_the_tokens_after_the_inputs():
    inputs, targets = batch_of(10 + np.arange(50), seed=0, step=0)
    assert inputs.shape == targets.shape == (3, CONTEXT)
    np.testing.assert_array_equal(inputs, inputs[:, :1] + np.arange(CONTEXT))  # a run of the text
    np.testing.assert_array_equal(targets, inputs + 1)
    assert inputs.min() >= 10 and targets.max() < 60


def test_a_batch_follows_from_the_key_and_the_step_alone():
    text = np.arange(1000)
    first = batch_of(text, seed=0, step=5)
    for step in (0, 4, 6):
        assert (batch_of(text, seed=0, step=step)[0] != first[0]).any()
    assert (batch_of(text, seed=1, step=5)[0] != first[0]).any()
    np.testing.assert_array_equal(batch_of(text, seed=0, step=5), first)
    assert len(np.unique(first[0][:, 0])) == 3  # and its rows are not all the same


@pytest.mark.parametrize("spare", [0, 1, 4])
def test_every_place_of_the_text_can_be_drawn_and_no_other(spare):
    text = np.arange(CONTEXT + 1 + spare)
    inputs, targets = batch_of(text, seed=0, step=0, batch=300)
    assert set(inputs[:, 0]) == set(range(spare + 1))
    assert targets.max() == text[-1]


@given(st.integers(2, 60), st.integers(1, 17))
def test_windows_hold_every_prediction_of_a_text_exactly_once(length, context):
    text = np.arange(100, 100 + length)
    inputs, targets, counts = objective.windows(text, context)
    assert inputs.shape == targets.shape == counts.shape == (math.ceil((length - 1) / context),
                                                             context)  # fmt: skip
    np.testing.assert_array_equal(inputs[counts == 1], text[:-1])
    np.testing.assert_array_equal(targets[counts == 1], text[1:])
    assert set(np.unique(counts)) <= {0, 1}


def loss_by_loop(kind: str, params, text) -> float:
    """Window by window, prediction by prediction, with the numpy model."""
    total, predictions = 0.0, 0
    for start in range(0, len(text) - 1, CONTEXT):
        piece = text[start : start + CONTEXT + 1]
        [logits_TV] = reference.run(TINY, params, piece[None, :-1])["logits_BTV"]
        for z_V, target in zip(logits_TV, piece[1:], strict=True):
            if kind == "cross_entropy":
                total += math.log(np.exp(z_V).sum()) - z_V[target]
            else:
                total += 0.5 * np.sum((z_V - np.eye(VOCAB)[target]) ** 2)
            predictions += 1
    assert predictions == len(text) - 1
    return total / predictions


@pytest.fixture(scope="module")
def sharp():
    """Parameters whose predictions are far from even, so that each position matters."""
    return initial_params(dataclasses.replace(TINY, init_std=0.7), 0)


@pytest.mark.parametrize(
    ("kind", "length"),  # in windows of 6 predictions: 2 are left over, 1 is, none is
    [("cross_entropy", 21), ("cross_entropy", 20), ("cross_entropy", 19), ("squared_error", 21)],
)
def test_an_evaluation_is_the_mean_over_every_prediction_of_the_text(kind, length, sharp):
    found = objective.evaluate(TINY, kind, sharp, NOISE[:length])
    assert found == pytest.approx(loss_by_loop(kind, sharp, NOISE[:length]), rel=1e-5)


@pytest.mark.parametrize("at_once", [1, 8])  # 4 windows one by one; 2, 2 and none
def test_how_much_an_evaluation_reads_at_once_does_not_matter(at_once, sharp, monkeypatch):
    whole = objective.evaluate(TINY, "cross_entropy", sharp, NOISE[:21])
    monkeypatch.setattr(objective, "EVAL_TOKENS", at_once)
    parts = objective.evaluate(TINY, "cross_entropy", sharp, NOISE[:21])
    assert parts == pytest.approx(whole, rel=1e-6)
