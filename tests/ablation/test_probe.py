"""What is measured of a cell, against the slow and obvious way, and where the answer is known."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from minitx import measure
from minitx.ablation import probe
from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import make_mesh
from minitx.model import Transformer
from minitx.text import sources
from minitx.train import init_state, initial_params, run_steps

CONFIG = ModelConfig(width=8, depth=2, heads=2, context=6, vocab=5, init_std=None)
TEXT = np.random.default_rng(0).integers(0, 5, 200).astype(np.int32)


def looked(sample=None, **switches):
    config = dataclasses.replace(CONFIG, **switches)
    sample = sample or probe.sample(TEXT[:100], TEXT[100:], 6, 5)
    return probe.measure_model(config, initial_params(config, 3), sample)


def test_an_exchange_moves_lengths_or_directions_and_nothing_else():
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    order = probe.derangement(9)
    lengths, directions = (np.asarray(a) for a in probe.exchange(x, order))
    for swapped in (lengths, directions):
        np.testing.assert_array_equal(swapped[:, 0], x[:, 0])
    flat = {n: a[:, 1:].reshape(9, 5) for n, a in (("x", x), ("l", lengths), ("d", directions))}
    np.testing.assert_allclose(measure.cosines(flat["l"], flat["x"]), 1, atol=1e-6)
    np.testing.assert_allclose(measure.norms(flat["l"]), measure.norms(flat["x"])[order], rtol=1e-5)
    np.testing.assert_allclose(measure.norms(flat["d"]), measure.norms(flat["x"]), rtol=1e-5)
    np.testing.assert_allclose(measure.cosines(flat["d"], flat["x"][order]), 1, atol=1e-6)


def test_a_state_of_zero_makes_no_nan():
    assert np.isfinite(probe.exchange(np.zeros((2, 3, 4), np.float32), probe.derangement(4))).all()


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_in_a_derangement_everybody_moves(count):
    order = probe.derangement(count)
    assert sorted(order) == list(range(count)) and (order != np.arange(count)).all()


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_before_a_final_norm_length_means_nothing(norm):
    """For rmsnorm exactly; LayerNorm divides by the length without the mean, which is about it."""
    found = looked(norm=norm, norm_epsilon=1e-12)
    last = found["length_swap_by_station"][-1]
    assert last < (1e-9 if norm == "rmsnorm" else 1e-3)
    assert abs(found["size_effect"]) < 1e-5
    assert found["direction_swap_by_station"][-1] > 1e-3


def test_without_a_norm_length_is_confidence():
    found = looked(norm="none")
    assert found["length_swap_by_station"][-1] > 1e-6 and found["size_effect"] > 1e-3


def test_a_swap_at_a_station_is_trace_edit_continue():
    sample = probe.sample(TEXT[:100], TEXT[100:], 6, 5)
    found, model = looked(sample), Transformer.of(CONFIG, initial_params(CONFIG, 3))
    few = sample.tokens_BT[: probe.SWAPPED]
    trace = model.trace(few)
    order = probe.derangement(few.shape[0] * 5)
    for r in range(5):
        for kind, x in enumerate(probe.exchange(trace.stream_RBTD[r], order)):
            kl = measure.kl(trace.logits_BTV[:, 1:], model.continue_from(r, x)[:, 1:]).mean()
            name = ("length_swap_by_station", "direction_swap_by_station")[kind]
            assert found[name][r] == pytest.approx(kl, rel=1e-3, abs=1e-7)


def test_growth_is_by_the_embedding_and_later_growth_and_cosines_leave_the_first_block_out():
    found = looked()
    norms, cos = found["norm_median_by_layer"], found["cos_prev_by_layer"]
    assert found["growth"] == pytest.approx(norms[2] / norms[0])
    assert found["later_growth"] == pytest.approx(norms[2] / norms[1])
    assert found["cos_prev"] == pytest.approx(cos[2])
    assert found["cos_excess"] == pytest.approx(cos[2] - min(1, norms[1] / norms[2]))


def test_without_residual_connections_there_is_no_null_of_updates():
    found = looked(residual=False)
    assert found["cos_prev"] is not None
    assert found["cos_excess"] is None and found["null_cos"] is None
    assert set(found["null_cos_by_layer"]) == {None}


def judged(scores_VV, loss, sample):
    """A model whose scores after token v are the row v, measured as trained on this loss."""
    config = ModelConfig(width=5, heads=1, depth=0, context=6, vocab=5, norm="none",
                         positions="none")  # fmt: skip
    params = {"embedding": {"table": np.eye(5, dtype=np.float32)},
              "unembedding": {"table": np.asarray(scores_VV, np.float32).T}}  # fmt: skip
    return probe.measure_model(config, params, sample, loss)


def test_who_knows_the_same_is_judged_equal_whichever_loss_taught_it():
    """Cross-entropy is least where scores are log-probabilities, squared error where they are the
    probabilities. Of frequencies alone, and of the true transitions.
    """
    chain = sources.chain("random", vocab=5, seed=1)
    stream = chain.sample(3000, seed=0)
    sample = probe.sample(stream[:1500], stream[1500:], 6, 5, chain)
    frequencies_VV = np.tile(np.bincount(stream, minlength=5) / 3000, (5, 1))
    for truth_VV in (frequencies_VV, np.maximum(chain.transition_VV, 1e-4)):
        by_log = judged(np.log(truth_VV), "cross_entropy", sample)
        by_square = judged(truth_VV, "squared_error", sample)
        names = ("fitted_loss", "accuracy", "entropy", "temperature", "calibration_gap",
                 "calibration_error", "kl_truth", "length_swap", "direction_swap")  # fmt: skip
        for name in names:
            assert by_square[name] == pytest.approx(by_log[name], abs=1e-3), name
    assert by_square["direction_swap"] > 0.1 and by_square["entropy"] < np.log(5) - 0.1


def test_a_probability_below_zero_is_read_as_the_floor():
    chain = sources.chain("random", vocab=5, seed=1)
    stream = chain.sample(600, seed=0)
    sample = probe.sample(stream[:300], stream[300:], 6, 5, chain)
    found = judged(chain.transition_VV - 0.3, "squared_error", sample)
    assert all(v is None or isinstance(v, list) or np.isfinite(v) for v in found.values())
    small = 1e-7 * chain.transition_VV  # all of it is below any floor, and yet some is likeliest
    by_square, by_log = (judged(small, loss, sample) for loss in ("squared_error", "cross_entropy"))
    assert by_square["entropy"] == pytest.approx(np.log(5))
    assert by_square["accuracy"] == by_log["accuracy"] > 0.3


def test_a_dead_stream_is_measured_without_a_number_that_is_none():
    config = dataclasses.replace(CONFIG, norm="none", residual=False)
    dead = jax.tree.map(jnp.zeros_like, initial_params(config, 0))
    found = probe.measure_model(config, dead, probe.sample(TEXT[:100], TEXT[100:], 6, 5))
    assert found["growth"] is None and found["entropy"] == pytest.approx(np.log(5))
    assert all(v is None or isinstance(v, list) or np.isfinite(v) for v in found.values())


def test_the_truth_of_a_generated_corpus_is_what_calibration_is_held_against():
    chain = sources.chain("random", vocab=5, seed=1)
    stream = chain.sample(300, seed=0)
    sample = probe.sample(stream[:150], stream[150:], 6, 5, chain)
    assert sample.known and sample.tokens_BT.shape[1] == 6
    for row, truth in zip(sample.tokens_BT, sample.truth_BTV, strict=True):
        np.testing.assert_allclose(truth, chain.transition_VV[row])
    # A bigram model that is the truth: unembedding the log-probabilities of a one-hot embedding.
    config = ModelConfig(width=5, heads=1, depth=0, context=6, vocab=5, norm="none",
                         positions="none")  # fmt: skip
    logits_VV = np.log(np.maximum(chain.transition_VV, 1e-12)).astype(np.float32)
    params = {"embedding": {"table": np.eye(5, dtype=np.float32)},
              "unembedding": {"table": logits_VV.T}}  # fmt: skip
    found = probe.measure_model(config, params, sample)
    assert found["kl_truth"] == pytest.approx(0, abs=1e-5)
    assert found["calibration_gap"] == pytest.approx(0, abs=1e-5)
    assert found["temperature"] == pytest.approx(1, abs=0.01)
    params["unembedding"]["table"] = 2 * logits_VV.T  # twice as sure as it should be
    found = probe.measure_model(config, params, sample)
    assert found["temperature"] == pytest.approx(2, abs=0.02)
    assert found["calibration_gap"] > 0.01 and found["kl_truth"] > 0.01
    half = len(sample.tokens_BT) // 2
    own = logits_VV[sample.tokens_BT[half:]], sample.truth_BTV[half:]
    assert found["fitted_loss"] == pytest.approx(measure.cross_entropy(*own), abs=1e-4)


def test_the_first_gradient_is_that_of_the_first_step():
    config = dataclasses.replace(CONFIG, tied=True, norm="none", positions="rope")
    recipe = TrainConfig(steps=5, batch=3, lr=0.1, seed=9)
    lengths = probe.first_gradient(config, recipe, initial_params(config, 9), 9, TEXT)
    state = jax.tree.map(lambda a: jnp.asarray(a)[None], init_state(config, recipe))
    after = run_steps(config, recipe, make_mesh(1), state, jnp.asarray(TEXT), 1)
    assert len(lengths) == 3
    assert optax.tree.norm([jnp.asarray(n) for n in lengths]) == pytest.approx(
        float(after.grad_norm[0]), rel=1e-4
    )


def test_the_best_temperature_makes_cross_entropy_and_entropy_equal():
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(500, 7))
    truth = np.eye(7)[[rng.choice(7, p=p) for p in measure.softmax(logits / 1.7)]]
    fitted = measure.fitted_temperature(logits, truth)
    assert fitted == pytest.approx(1.7, abs=0.25)
    gap = measure.calibration(logits / fitted, truth)["calibration_gap"]
    assert gap == pytest.approx(0, abs=1e-5)
    losses = [measure.cross_entropy(logits / t, truth) for t in (0.95 * fitted, 1.05 * fitted)]
    assert measure.cross_entropy(logits / fitted, truth) < min(losses)


def test_a_temperature_without_bound_stops_at_its_bounds():
    logits = np.array([[5.0, 0.0]] * 4)
    assert measure.fitted_temperature(logits, np.eye(2)[[0] * 4]) == 0.01
    assert measure.fitted_temperature(logits, np.eye(2)[[1] * 4]) == 100.0


def test_calibration_error_by_hand():
    """Two bins: 0.6 sure and right, 0.9 sure and right in half the cases."""
    logits = np.log([[0.6, 0.4]] * 2 + [[0.9, 0.1]] * 2)
    truth = np.array([[1, 0], [1, 0], [1, 0], [0, 1.0]])
    found = measure.calibration(logits, truth, bins=2)
    assert found["calibration_error"] == pytest.approx((0.4 * 2 + 0.4 * 2) / 4)
    assert found["accuracy"] == 0.75
