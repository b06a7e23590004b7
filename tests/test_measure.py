"""Measurements against numbers worked out by hand, by double loops, or by theory."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitx import measure

L, B, T, D = 4, 3, 5, 7  # pairwise distinct, so that no axis can stand in for another

logits = st.lists(st.floats(-50, 50), min_size=2, max_size=9)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def probabilities(z) -> list[float]:
    """Softmax in plain Python."""
    e = [math.exp(value - max(z)) for value in z]
    return [value / sum(e) for value in e]


def cosine(a, b) -> float:
    """The cosine of two vectors in plain Python."""
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


# --- vectors ---------------------------------------------------------------------------------


def test_a_norm_is_the_euclidean_length():
    assert measure.norms([[3, 4], [5, -12], [0, 0]]).tolist() == [5, 13, 0]


def test_norms_of_small_integers_do_not_wrap_around():
    assert measure.norms(np.array([100, 100], np.int8)) == pytest.approx(math.sqrt(20000))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([2, 0], [7, 0], 1),
        ([2, 0], [0, 3], 0),
        ([1, 1], [-4, -4], -1),
        ([1, 0], [1, 1], math.sqrt(0.5)),
        ([3, 4], [4, 3], 24 / 25),
    ],
)
def test_cosines_known_by_hand(a, b, expected):
    assert measure.cosines(a, b) == pytest.approx(expected, abs=1e-15)


def test_cosines_broadcast_over_all_axes_but_the_last(rng):
    x, y = rng.normal(size=(B, T, D)), rng.normal(size=(T, D))
    found = measure.cosines(x, y[None])
    assert found.shape == (B, T)
    for b, t in itertools.product(range(B), range(T)):
        assert found[b, t] == pytest.approx(cosine(x[b, t], y[t]))


def test_the_cosine_with_a_zero_vector_is_zero_without_a_warning():
    assert measure.cosines([[0, 0], [1, 2]], [[1, 1], [0, 0]]).tolist() == [0, 0]


def test_the_orthogonal_null_is_the_cosine_that_orthogonal_updates_leave(rng):
    x, u = rng.normal(size=(2, D))
    u -= x * (u @ x) / (x @ x)
    for size in (0.0, 0.1, 1.0, 30.0):
        new = x + size * u
        growth = np.linalg.norm(new) / np.linalg.norm(x)
        assert measure.orthogonal_null(growth) == pytest.approx(cosine(x, new))


def test_the_orthogonal_null_of_a_shrinking_state_is_one():
    assert measure.orthogonal_null([0.25, 0.999, 1.0]).tolist() == [1, 1, 1]


def test_the_top_component_is_gone_and_all_else_is_kept(rng):
    top_D = np.array([0.6, 0.0, 0.8, 0.0, 0.0])
    rest_ZD = rng.standard_normal((12, 5))
    rest_ZD -= np.outer(rest_ZD @ top_D, top_D)
    rest_ZD -= rest_ZD.mean(axis=0)
    along_Z = np.linalg.qr(np.column_stack([np.ones(12), rest_ZD, rng.standard_normal(12)]))[0][
        :, -1
    ]
    x_ZD = rest_ZD + 1000 * np.outer(along_Z, top_D) + 7  # along: at right angles to all of rest
    found_ZD = measure.without_top_component(x_ZD.reshape(4, 3, 5))
    np.testing.assert_allclose(found_ZD, rest_ZD, atol=1e-9)


def test_the_random_pair_cosine_is_the_mean_over_all_pairs_of_two_tokens(rng):
    a, b = rng.normal(size=(2, 6, D))
    pairs = [cosine(a[i], b[j]) for i in range(6) for j in range(6) if i != j]
    assert len(pairs) == 30
    assert measure.random_pair_cosine(a, b) == pytest.approx(np.mean(pairs), abs=1e-14)


def test_the_random_pair_cosine_ignores_lengths(rng):
    a, b = rng.normal(size=(2, 6, D))
    longer = a * rng.uniform(0.1, 10, size=(6, 1))
    assert measure.random_pair_cosine(longer, b) == pytest.approx(measure.random_pair_cosine(a, b))


def test_the_random_pair_cosine_counts_a_zero_vector_as_cosine_zero():
    a = np.array([[1.0, 0], [0, 0], [1, 0]])  # of the six pairs, 0-2 and 2-0 have cosine 1
    assert measure.random_pair_cosine(a, a) == pytest.approx(2 / 6)


# --- softmaxes -------------------------------------------------------------------------------


@given(logits)
def test_softmax_and_its_logarithm_agree_with_plain_python(z):
    assert measure.softmax(z) == pytest.approx(probabilities(z), abs=1e-14)
    assert np.exp(measure.log_softmax(z)) == pytest.approx(probabilities(z), abs=1e-14)


def test_softmax_is_over_the_last_axis(rng):
    z = rng.normal(size=(B, T, D))
    assert measure.softmax(z).shape == z.shape
    assert measure.softmax(z)[1, 2] == pytest.approx(probabilities(z[1, 2]))
    assert measure.log_softmax(z)[1, 2] == pytest.approx(np.log(probabilities(z[1, 2])))


@pytest.mark.parametrize("size", [1e4, -1e4, 1e300])
def test_huge_logits_neither_overflow_nor_turn_into_nan(size):
    z = np.array([size, 0.0, 0.0])
    expected = [1, 0, 0] if size > 0 else [0, 0.5, 0.5]
    assert measure.softmax(z).tolist() == expected
    assert measure.entropy(z) == pytest.approx(0 if size > 0 else math.log(2), abs=1e-12)
    assert measure.kl(z, z) == 0
    assert measure.log_softmax(z).max() == pytest.approx(0 if size > 0 else -math.log(2))


def test_float32_logits_are_measured_in_float64():
    z = np.array([0, -30], np.float32)  # 1 - p is far below what float32 can tell from 1
    assert measure.entropy(z) == pytest.approx(31 * math.exp(-30), rel=1e-6)


@given(logits)
def test_entropy_agrees_with_plain_python_and_stays_within_its_bounds(z):
    expected = -sum(p * math.log(p) for p in probabilities(z) if p > 0)
    assert measure.entropy(z) == pytest.approx(expected, abs=1e-12)
    assert -1e-12 <= measure.entropy(z) <= math.log(len(z)) + 1e-12


def test_the_entropy_of_equal_logits_is_the_logarithm_of_their_number():
    assert measure.entropy(np.full((2, 9), 5.0)) == pytest.approx([math.log(9)] * 2)


@given(st.integers(2, 9).flatmap(lambda n: st.tuples(*[st.lists(
    st.floats(-20, 20), min_size=n, max_size=n)] * 2)))  # fmt: skip
def test_kl_agrees_with_plain_python_and_is_never_negative(pair):
    p, q = (probabilities(z) for z in pair)
    expected = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert measure.kl(*pair) == pytest.approx(expected, abs=1e-12)
    assert measure.kl(*pair) >= -1e-12


def test_kl_has_a_direction():
    sure, even = np.log([0.9, 0.1]), np.log([0.5, 0.5])
    assert measure.kl(sure, even) == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2))
    assert measure.kl(even, sure) == pytest.approx(0.5 * math.log(1 / 1.8) + 0.5 * math.log(5))


def test_a_larger_inverse_temperature_lowers_the_entropy_as_theory_says(rng):
    z, step = 2 * rng.normal(size=11), 1e-5
    for beta in (0.3, 1.0, 2.5):
        p = measure.softmax(beta * z)
        variance = p @ z**2 - (p @ z) ** 2
        above, below = (measure.confidence((beta + s) * z) for s in (step, -step))
        slope = (above["entropy"] - below["entropy"]) / (2 * step)
        assert slope == pytest.approx(-beta * variance, rel=1e-6)
        slope = (above["top"] - below["top"]) / (2 * step)
        assert slope == pytest.approx(p.max() * (z.max() - p @ z), rel=1e-6)


def test_confidence_averages_over_all_predictions(rng):
    z = 3 * rng.normal(size=(B, T, D))
    rows = [probabilities(row) for row in z.reshape(-1, D)]
    entropies = [-sum(p * math.log(p) for p in row) for row in rows]
    found = measure.confidence(z)
    assert list(found) == ["entropy", "entropy_p10", "entropy_p90", "top"]
    assert found["entropy"] == pytest.approx(np.mean(entropies))
    assert found["top"] == pytest.approx(np.mean([max(row) for row in rows]))
    assert found["entropy_p10"] == pytest.approx(np.quantile(entropies, 0.1))
    assert found["entropy_p90"] == pytest.approx(np.quantile(entropies, 0.9))


def test_the_lens_compares_each_prediction_with_the_final_one():
    early, final = np.log([[[0.7, 0.3], [0.6, 0.4]]]), np.log([[[0.8, 0.2], [0.1, 0.9]]])
    found = measure.lens(early, final)
    assert found["lens_top1"] == 0.5
    assert found["lens_entropy"] == pytest.approx(np.mean(measure.entropy(early)))
    by_hand = [0.8 * math.log(8 / 7) + 0.2 * math.log(2 / 3),
               0.1 * math.log(1 / 6) + 0.9 * math.log(9 / 4)]  # fmt: skip
    assert found["lens_kl"] == pytest.approx(np.mean(by_hand))


def test_the_lens_on_the_last_layer_sees_no_difference(rng):
    z = rng.normal(size=(B, T, D))
    assert measure.lens(z, z)["lens_kl"] == 0
    assert measure.lens(z, z)["lens_top1"] == 1


# --- a stream, layer by layer ----------------------------------------------------------------

GROWTH, ANGLE = (1.5, 0.8, 3.0), (0.3, 0.5, 0.2)  # of each layer after the first
ALWAYS = ("norm_median", "norm_p10", "norm_p90", "norm_first_position", "cos_embedding")
AFTER = ("growth", "cos_prev", "cos_prev_p10", "cos_prev_p90", "null_cos", "cos_prev_centred",
         "cos_random_pairs", "update_norm")  # fmt: skip


def turning_stream(rng):
    """Every token turns in a plane of its own by ANGLE and grows by GROWTH; its first lengths."""
    x = rng.normal(size=(B, T, D))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    n = rng.normal(size=(B, T, D))
    n -= x * np.sum(x * n, axis=-1, keepdims=True)
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    length = np.exp(rng.normal(size=(B, T)))
    angle, size = np.cumsum([0, *ANGLE]), np.cumprod([1, *GROWTH])
    stream = [
        s * length[..., None] * (math.cos(a) * x + math.sin(a) * n)
        for a, s in zip(angle, size, strict=True)
    ]
    return np.stack(stream), length, size


def test_layers_find_the_growth_and_the_angles_that_a_stream_was_made_with(rng):
    stream, length, size = turning_stream(rng)
    found = measure.layers(stream)
    assert set(found) == {*ALWAYS, *AFTER}
    assert found["growth"] == [None, *map(pytest.approx, GROWTH)]
    for name in ("cos_prev", "cos_prev_p10", "cos_prev_p90"):
        assert found[name] == [None, *(pytest.approx(math.cos(a)) for a in ANGLE)]
    assert found["null_cos"] == [None, *map(pytest.approx, (1 / 1.5, 1, 1 / 3))]
    assert found["cos_embedding"] == pytest.approx(np.cos(np.cumsum([0, *ANGLE])))
    later = length[:, 1:]
    assert found["norm_median"] == pytest.approx(np.median(later) * size)
    assert found["norm_p10"] == pytest.approx(np.quantile(later, 0.1) * size)
    assert found["norm_p90"] == pytest.approx(np.quantile(later, 0.9) * size)
    assert found["norm_first_position"] == pytest.approx(np.median(length[:, 0]) * size)
    stretched = [s * math.sqrt(1 + g * g - 2 * g * math.cos(a))
                 for s, g, a in zip(size, GROWTH, ANGLE, strict=False)]  # fmt: skip
    expected = [None, *(pytest.approx(np.median(later) * s) for s in stretched)]
    assert found["update_norm"] == expected


def test_layers_agree_with_loops_over_a_stream_of_noise(rng):
    stream = rng.normal(size=(L, B, T, D)) + 0.5  # not centred, so that centring matters
    tokens = [(b, t) for b in range(B) for t in range(1, T)]
    found = measure.layers(stream)
    for n in range(L):
        here = [stream[n, b, t] for b, t in tokens]
        lengths = [np.linalg.norm(x) for x in here]
        assert found["norm_median"][n] == pytest.approx(np.median(lengths))
        first = [cosine(x, stream[0, b, t]) for x, (b, t) in zip(here, tokens, strict=True)]
        assert found["cos_embedding"][n] == pytest.approx(np.median(first))
        if n == 0:
            continue
        before = [stream[n - 1, b, t] for b, t in tokens]
        both = list(zip(here, before, strict=True))
        cosines = [cosine(x, y) for x, y in both]
        assert found["cos_prev"][n] == pytest.approx(np.median(cosines))
        assert found["cos_prev_p10"][n] == pytest.approx(np.quantile(cosines, 0.1))
        assert found["cos_prev_p90"][n] == pytest.approx(np.quantile(cosines, 0.9))
        updates = [np.linalg.norm(x - y) for x, y in both]
        assert found["update_norm"][n] == pytest.approx(np.median(updates))
        mean_here, mean_before = np.mean(here, axis=0), np.mean(before, axis=0)
        centred = [cosine(x - mean_here, y - mean_before) for x, y in both]
        assert found["cos_prev_centred"][n] == pytest.approx(np.median(centred))
        others = [cosine(x, y) for i, x in enumerate(here) for j, y in enumerate(before) if i != j]
        assert found["cos_random_pairs"][n] == pytest.approx(np.mean(others))
        assert found["growth"][n] == pytest.approx(
            found["norm_median"][n] / found["norm_median"][n - 1]
        )
        assert found["null_cos"][n] == pytest.approx(min(1, 1 / found["growth"][n]))


def test_a_giant_first_position_moves_nothing_but_its_own_norm(rng):
    stream = rng.normal(size=(L, B, T, D))
    giant = stream.copy()
    giant[:, :, 0] = 1e5 * rng.normal(size=D)
    before, after = measure.layers(stream), measure.layers(giant)
    assert min(after.pop("norm_first_position")) > 1e4
    before.pop("norm_first_position")
    assert before == after


def test_the_embedding_has_none_where_a_layer_is_compared_with_the_one_before(rng):
    found = measure.layers(rng.normal(size=(L, B, T, D)))
    for name in AFTER:
        assert found[name][0] is None
        assert all(type(value) is float for value in found[name][1:])
    for name in ALWAYS:
        assert all(type(value) is float for value in found[name])
    assert {len(values) for values in found.values()} == {L}


def test_an_embedding_alone_has_no_layer_to_compare(rng):
    found = measure.layers(rng.normal(size=(1, B, T, D)))
    assert all(found[name] == [None] for name in AFTER)
    assert found["cos_embedding"] == [pytest.approx(1)]


def test_dead_states_are_cosine_zero_and_growth_none_without_a_warning(rng):
    stream = rng.normal(size=(3, B, T, D))
    stream[1] = 0
    found = measure.layers(stream)
    assert found["growth"] == [None, 0, None]  # to nothing, and from nothing
    assert found["cos_prev"] == [None, 0, 0]
    assert found["cos_prev_centred"] == [None, 0, 0]
    assert found["cos_random_pairs"] == [None, 0, 0]
    assert found["cos_embedding"][1] == 0


def test_float32_streams_are_measured_in_float64():
    stream = np.full((2, B, T, D), 1e30, np.float32)  # squares overflow float32
    assert measure.layers(stream)["norm_median"] == pytest.approx([1e30 * math.sqrt(D)] * 2)


def test_independent_updates_already_look_rigid(rng):
    """A random walk has cosine sqrt(l / (l + 1)) with its last state, yet drifts from its start."""
    steps, width = 8, 4000
    walk = np.cumsum(rng.normal(size=(steps, 2, 9, width)), axis=0)
    found = measure.layers(walk)
    n = np.arange(1, steps)
    theory = np.sqrt(n / (n + 1))
    assert found["cos_prev"][1:] == pytest.approx(theory, abs=0.01)
    assert found["null_cos"][1:] == pytest.approx(theory, abs=0.01)
    assert found["growth"][1:] == pytest.approx(1 / theory, abs=0.01)
    assert found["cos_embedding"] == pytest.approx(1 / np.sqrt(np.arange(steps) + 1), abs=0.03)
    assert found["cos_random_pairs"][1:] == pytest.approx(np.zeros(steps - 1), abs=0.01)
    assert found["update_norm"][1:] == pytest.approx([math.sqrt(width)] * (steps - 1), rel=0.02)


def test_plain_numbers_are_floats_and_none_stands_for_what_is_not_finite():
    found = measure.plain(np.array([1, np.nan, np.inf, -np.inf, 2.5], np.float32))
    assert found == [1.0, None, None, None, 2.5]
    assert type(found[0]) is float


def test_scores_that_are_probabilities_are_their_own_logits():
    p = np.array([[0.7, 0.2, 0.1]] * 4)
    np.testing.assert_allclose(measure.softmax(measure.log_scores(p, 1e-5)), p)
    low = measure.log_scores([[-3.0, 0.0, 0.5]], 0.01)
    np.testing.assert_allclose(low, np.log([[0.01, 0.01, 0.5]]))


def test_the_fitted_floor_is_the_best_of_all():
    """A model that says 0 to what comes in one case of a hundred."""
    scores, truth = np.array([[1.0, 0.0]] * 100), np.eye(2)[[0] * 99 + [1]]
    floor = measure.fitted_floor(scores, truth)

    def loss(floor):
        z = measure.log_scores(scores, floor)
        return measure.cross_entropy(z / measure.fitted_temperature(z, truth), truth)

    assert loss(floor) == pytest.approx(min(map(loss, 10 ** np.arange(-5, -0.9, 0.25))))
    three = np.array([[0.6, 0.4, 0.0]] * 100)  # a temperature alone cannot mend this
    truth = np.eye(3)[[0] * 60 + [1] * 39 + [2]]
    assert measure.fitted_floor(three, truth) == pytest.approx(0.01)
    twice = np.eye(3)[[0] * 59 + [1] * 39 + [2] * 2]
    assert measure.fitted_floor(three, twice) == pytest.approx(10**-1.75)
    assert measure.fitted_floor(three, np.eye(3)[[0] * 60 + [1] * 40]) == pytest.approx(1e-5)


def test_a_table_of_layers_is_summed_up_without_its_first_block():
    layers = {
        "norm_median": [2.0, 6.0, 9.0, 12.0],
        "cos_prev": [None, 0.1, 0.8, 0.9],
        "null_cos": [None, 1 / 3, 2 / 3, 3 / 4],
    }
    overall = measure.overall(layers)
    assert (overall["growth"], overall["later_growth"]) == (6.0, 2.0)
    assert overall["cos_prev"] == pytest.approx(0.85)
    assert overall["cos_excess"] == pytest.approx(0.85 - (2 / 3 + 3 / 4) / 2)


def test_what_cannot_be_said_of_a_table_of_layers_is_none():
    one_block = {"norm_median": [2.0, 6.0], "cos_prev": [None, 0.1], "null_cos": [None, None]}
    assert measure.overall(one_block) == {
        "growth": 3.0, "later_growth": None, "cos_prev": 0.1, "null_cos": None, "cos_excess": None,
    }  # fmt: skip
    no_block = {"norm_median": [2.0], "cos_prev": [None], "null_cos": [None]}
    assert set(measure.overall(no_block).values()) == {None}
    dead = {"norm_median": [0.0, 0.0], "cos_prev": [None, 0.0], "null_cos": [None, None]}
    assert measure.overall(dead)["growth"] is None


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
    result = measure.calibration(logits, truth, bins=2)
    assert result["calibration_error"] == pytest.approx((0.4 * 2 + 0.4 * 2) / 4)
    assert result["accuracy"] == 0.75
