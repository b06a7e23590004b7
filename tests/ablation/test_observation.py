"""What is observed of a model, against the slow and obvious way, and where the answer is known."""

import dataclasses
import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from minitx import compiled, geometry, measure
from minitx.ablation import observation
from minitx.ablation.measures import LEAST_GRADIENT, measure_model, read_at_end
from minitx.config import ModelConfig, TrainConfig
from minitx.model import Transformer
from minitx.objective import batch_loss, make_batch, step_keys
from minitx.step import initial_params
from minitx.text import sources

CONFIG = ModelConfig(width=8, depth=2, heads=2, context=6, vocab=5, init_std=None)
TEXT = np.random.default_rng(0).integers(0, 5, 200).astype(np.int32)


def sample_of(stream, config=CONFIG, generator=None):
    """A sample of the second half of a stream of tokens."""
    middle = len(stream) // 2
    data = SimpleNamespace(
        train_tokens=stream[:middle], val_tokens=stream[middle:], generator=generator
    )
    return observation.draw_sample(data, config)


@functools.cache
def numbers_of(**switches):
    """All measures of an untrained model."""
    config = dataclasses.replace(CONFIG, **switches)
    return measure_model(config, initial_params(config, 3), sample_of(TEXT))


def are_numbers(record):
    return all(v is None or isinstance(v, list) or np.isfinite(v) for v in record.values())


def test_an_exchange_moves_norms_or_directions_and_nothing_else():
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    order = geometry.derangement(9)
    norms, directions = observation.exchange(x, order)
    for swapped in (norms, directions):
        np.testing.assert_array_equal(swapped[:, 0], x[:, 0])
    flat = {n: a[:, 1:].reshape(9, 5) for n, a in (("x", x), ("n", norms), ("d", directions))}
    np.testing.assert_allclose(measure.cosines(flat["n"], flat["x"]), 1, atol=1e-6)
    np.testing.assert_allclose(measure.norms(flat["n"]), measure.norms(flat["x"])[order], rtol=1e-5)
    np.testing.assert_allclose(measure.norms(flat["d"]), measure.norms(flat["x"]), rtol=1e-5)
    np.testing.assert_allclose(measure.cosines(flat["d"], flat["x"][order]), 1, atol=1e-6)


def test_a_state_of_zero_makes_no_nan():
    order = geometry.derangement(4)
    assert np.isfinite(observation.exchange(np.zeros((2, 3, 4), np.float32), order)).all()


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_in_a_derangement_every_place_changes(count):
    order = geometry.derangement(count)
    assert sorted(order) == list(range(count)) and (order != np.arange(count)).all()


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_before_a_final_norm_the_norm_of_a_state_means_nothing(norm):
    """Exactly so for rmsnorm; LayerNorm divides by the norm without the mean, which is close."""
    numbers = numbers_of(norm=norm, norm_epsilon=1e-12)
    last = numbers["length_swap_by_station"][-1]
    assert last < (1e-9 if norm == "rmsnorm" else 1e-3)
    assert abs(numbers["size_effect"]) < 1e-5
    assert numbers["direction_swap_by_station"][-1] > 1e-3


def test_without_a_norm_the_norm_of_a_state_is_confidence():
    numbers = numbers_of(norm="none")
    assert numbers["length_swap_by_station"][-1] > 1e-6 and numbers["size_effect"] > 1e-3


def test_a_swap_at_a_station_is_trace_edit_continue():
    switches = {"norm": "layernorm", "norm_epsilon": 1e-12}
    numbers = numbers_of(**switches)
    config = dataclasses.replace(CONFIG, **switches)
    model = Transformer.of(config, initial_params(config, 3))
    few = sample_of(TEXT).tokens_BT[: observation.SWAPPED]
    trace = model.trace(few)
    order = geometry.derangement(few.shape[0] * 5)
    station = 3
    pair = observation.exchange(trace.stream_RBTD[station], order)
    for name, x in zip(("length_swap", "direction_swap"), pair, strict=True):
        logits_BTV = model.continue_from(station, x)
        kl = measure.kl(trace.logits_BTV[:, 1:], logits_BTV[:, 1:]).mean()
        assert numbers[f"{name}_by_station"][station] == pytest.approx(kl, rel=1e-3, abs=1e-7)


def test_growth_is_by_the_embedding_and_later_growth_and_cosines_leave_the_first_block_out():
    numbers = numbers_of(norm="rmsnorm", norm_epsilon=1e-12)
    norms = numbers["norm_median_by_layer"]
    cosine = numbers["cos_prev_by_layer"][2]
    assert numbers["growth"] == pytest.approx(norms[2] / norms[0])
    assert numbers["later_growth"] == pytest.approx(norms[2] / norms[1])
    assert numbers["cos_prev"] == pytest.approx(cosine)
    assert numbers["cos_excess"] == pytest.approx(cosine - min(1, norms[1] / norms[2]))


def test_updates_are_compared_with_their_states_from_the_second_block_on():
    config = dataclasses.replace(CONFIG, norm="rmsnorm", norm_epsilon=1e-12)
    numbers = numbers_of(norm="rmsnorm", norm_epsilon=1e-12)
    model = Transformer.of(config, initial_params(config, 3))
    states_LBTD = compiled.states(model, sample_of(TEXT).tokens_BT)
    x_BTD, u_BTD = states_LBTD[1, :, 1:], (states_LBTD[2] - states_LBTD[1])[:, 1:]
    step = np.median(measure.norms(u_BTD) / measure.norms(x_BTD))
    excess = numbers["cos_prev"] - 1 / np.sqrt(1 + step**2)
    assert numbers["step_excess"] == pytest.approx(excess, abs=1e-5)
    cosine = np.median(measure.cosines(x_BTD, u_BTD))
    assert numbers["cos_update"] == pytest.approx(cosine, abs=1e-5)


def test_without_residual_connections_updates_have_no_baseline():
    numbers = numbers_of(norm="none", residual=False)
    assert numbers["cos_prev"] is not None
    assert numbers["cos_excess"] is numbers["step_excess"] is numbers["cos_update"] is None
    assert set(numbers["null_cos_by_layer"]) == {None}


def test_a_dead_stream_has_no_number_that_is_not_finite():
    config = dataclasses.replace(CONFIG, norm="none", residual=False)
    dead = jax.tree.map(jnp.zeros_like, initial_params(config, 0))
    numbers = measure_model(config, dead, sample_of(TEXT))
    assert numbers["growth"] is None and numbers["entropy"] == pytest.approx(np.log(5))
    assert are_numbers(numbers)


# --- judged by what its scores mean --------------------------------------------------------------

CHAIN = sources.chain("random", vocab=5, seed=1)
STREAM = CHAIN.sample(3000, seed=0)
TABLE = ModelConfig(width=5, heads=1, depth=0, context=6, vocab=5, norm="none", positions="none")


def judged(scores_VV, loss, sample):
    """The measures of a model whose scores after token v are row v, read as after this loss."""
    params = {"embedding": {"table": np.eye(5, dtype=np.float32)},
              "unembedding": {"table": np.asarray(scores_VV, np.float32).T}}  # fmt: skip
    return measure_model(TABLE, params, sample, loss)


def test_models_that_know_the_same_are_judged_equal_whichever_loss_taught_them():
    """Cross-entropy is least where scores are log-probabilities, squared error where they are the
    probabilities. For frequencies alone, and for the true transitions.
    """
    sample = sample_of(STREAM, generator=CHAIN)
    frequencies_VV = np.tile(np.bincount(STREAM, minlength=5) / 3000, (5, 1))
    for truth_VV in (frequencies_VV, np.maximum(CHAIN.transition_VV, 1e-4)):
        by_log = judged(np.log(truth_VV), "cross_entropy", sample)
        by_square = judged(truth_VV, "squared_error", sample)
        names = ("fitted_loss", "accuracy", "entropy", "temperature", "calibration_gap",
                 "calibration_error", "kl_truth", "length_swap", "direction_swap")  # fmt: skip
        for name in names:
            assert by_square[name] == pytest.approx(by_log[name], abs=1e-3), name
    assert by_square["direction_swap"] > 0.1 and by_square["entropy"] < np.log(5) - 0.1


def test_a_probability_below_zero_is_read_as_the_floor():
    sample = sample_of(STREAM[:600], generator=CHAIN)
    assert are_numbers(judged(CHAIN.transition_VV - 0.3, "squared_error", sample))
    small = 1e-7 * CHAIN.transition_VV  # all below any floor, yet one is still the largest
    by_square, by_log = (judged(small, loss, sample) for loss in ("squared_error", "cross_entropy"))
    assert by_square["entropy"] == pytest.approx(np.log(5))
    assert by_square["accuracy"] == by_log["accuracy"] > 0.3


def test_the_truth_of_a_generated_corpus_is_what_calibration_is_compared_with():
    sample = sample_of(STREAM[:300], generator=CHAIN)
    assert sample.is_exact and sample.tokens_BT.shape[1] == 6
    for row, truth in zip(sample.tokens_BT, sample.truth_BTV, strict=True):
        np.testing.assert_allclose(truth, CHAIN.transition_VV[row])
    logits_VV = np.log(np.maximum(CHAIN.transition_VV, 1e-12)).astype(np.float32)
    true = judged(logits_VV, "cross_entropy", sample)
    assert true["kl_truth"] == pytest.approx(0, abs=1e-5)
    assert true["calibration_gap"] == pytest.approx(0, abs=1e-5)
    assert true["temperature"] == pytest.approx(1, abs=0.01)
    overconfident = judged(2 * logits_VV, "cross_entropy", sample)
    assert overconfident["temperature"] == pytest.approx(2, abs=0.02)
    assert overconfident["calibration_gap"] > 0.01 and overconfident["kl_truth"] > 0.01
    half = len(sample.tokens_BT) // 2
    own = logits_VV[sample.tokens_BT[half:]], sample.truth_BTV[half:]
    assert overconfident["fitted_loss"] == pytest.approx(measure.cross_entropy(*own), abs=1e-4)


# --- the first gradient --------------------------------------------------------------------------


def test_the_first_gradient_is_that_of_the_first_step_with_its_dropout():
    config = dataclasses.replace(
        CONFIG, depth=1, norm="none", mlp="none", positions="rope", dropout=0.2
    )
    recipe = TrainConfig(steps=5, batch=3, lr=0.1, seed=9)
    params = initial_params(config, 9)
    norms = observation.first_gradient(config, recipe, params, 9, TEXT)
    batch_key, dropout_key = step_keys(9, 0)
    batch = make_batch(jnp.asarray(TEXT), batch_key, 0, recipe.batch, config.context)
    whole = jax.jit(jax.grad(lambda p: batch_loss(config, recipe, p, *batch, dropout_key)))(params)
    assert len(norms) == 2
    parts = (whole["embedding"], whole["blocks"][0])
    assert norms == pytest.approx([float(optax.tree.norm(part)) for part in parts], rel=1e-4)


@pytest.mark.parametrize(
    ("residual", "least_fall", "most_fall"), [(False, 1e6, 1e30), (True, 0.2, 5)]
)
def test_a_gradient_that_vanishes_with_depth_is_seen(residual, least_fall, most_fall):
    """Without norm and residual connections it falls by orders of magnitude in all blocks alike."""
    first = {}
    ratio = {}
    for depth in (4, 12):
        config = dataclasses.replace(CONFIG, norm="none", residual=residual, depth=depth)
        recipe = TrainConfig(batch=3)
        norms = observation.first_gradient(config, recipe, initial_params(config, 2), 2, TEXT)
        first[depth] = read_at_end({"gradient_by_layer": norms}, "first_block_gradient")
        ratio[depth] = norms[1] / norms[-1]
    assert least_fall < first[4] / first[12] < most_fall
    assert 0.01 < ratio[12] < 100  # which is why the ratio is not the measure


def test_a_gradient_below_the_square_root_of_the_smallest_number_is_not_zero():
    tiny = np.array([3e-25, 4e-25], np.float32)
    assert float(observation._norm([tiny])) == pytest.approx(5e-25, rel=1e-5)
    assert float(observation._norm([np.zeros(3, np.float32)])) == 0
    entry = {"gradient_by_layer": [1.0, 0.0, 1.0]}
    assert read_at_end(entry, "first_block_gradient") == LEAST_GRADIENT
    for gradients in ([1.0], [1.0, None]):
        assert np.isnan(read_at_end({"gradient_by_layer": gradients}, "first_block_gradient"))
