"""The geometry of updates and of the last state, against streams made to have a known one."""

import itertools
import math

import numpy as np
import pytest

from minitx import geometry, measure

L, B, T, D = 4, 3, 6, 9  # pairwise distinct, so that no axis can stand in for another
Z = B * (T - 1)
COLUMNS = ["step", "step_null_cos", "cos_update", "cos_update_centred", "cos_update_rest"]


@pytest.fixture
def rng():
    return np.random.default_rng(1)  # not the seed that `displaced` turns states with


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def stream(rng, steps, angle):
    """Updates of steps[l] |x| that stand at the angle to the state."""
    states = [rng.normal(size=(B, T, D))]
    for step in steps:
        x = states[-1]
        aside = rng.normal(size=x.shape)
        aside = unit(aside - np.sum(aside * unit(x), axis=-1, keepdims=True) * unit(x))
        direction = math.cos(angle) * unit(x) + math.sin(angle) * aside
        states.append(x + step * np.linalg.norm(x, axis=-1, keepdims=True) * direction)
    return np.stack(states)


# --- updates -------------------------------------------------------------------------------------


def test_orthogonal_updates_have_cosine_zero_and_leave_both_baselines(rng):
    steps = (0.3, 0.8, 2.0)
    states_LBTD = stream(rng, steps, math.pi / 2)
    found, layers = geometry.updates(states_LBTD), measure.layers(states_LBTD)
    assert found["step"] == [None, *map(pytest.approx, steps)]
    assert found["cos_update"][1:] == pytest.approx([0] * 3, abs=1e-12)
    expected = [1 / math.sqrt(1 + r * r) for r in steps]
    assert found["step_null_cos"][1:] == pytest.approx(expected)
    assert layers["null_cos"][1:] == pytest.approx(expected)
    assert layers["cos_prev"][1:] == pytest.approx(expected)


def test_parallel_updates_have_cosine_one_and_beat_both_baselines(rng):
    found = geometry.updates(stream(rng, (0.5, 0.5), 0.0))
    for name in ("cos_update", "cos_update_centred", "cos_update_rest"):
        assert found[name] == [None, *map(pytest.approx, (1, 1))]
    assert found["step_null_cos"][1] == pytest.approx(1 / math.sqrt(1.25))


@pytest.mark.parametrize("angle", [0.4, 1.2, 2.5])
def test_updates_at_an_angle_have_its_cosine(rng, angle):
    found = geometry.updates(stream(rng, (0.7,), angle))
    assert found["cos_update"] == [None, pytest.approx(math.cos(angle))]


def test_an_update_towards_a_common_mean_is_seen_raw_and_gone_when_centred(rng):
    x_ZD = rng.normal(size=(4000, D))
    common_D = 20 * np.eye(D)[0]
    states = np.stack([x_ZD + common_D, x_ZD + 2 * common_D])
    states_LBTD = np.concatenate([states[:, :1], states], axis=1)[:, None]  # one sequence
    found = geometry.updates(states_LBTD)
    assert found["cos_update"][1] > 0.95
    assert found["cos_update_centred"][1] == found["cos_update_rest"][1] == 0


def test_an_update_along_the_top_components_is_gone_without_them(rng):
    scale_D = np.where(np.arange(D) < geometry.TOP, 50.0, 1.0)
    x_ZD = scale_D * rng.normal(size=(500, D))
    x_ZD -= x_ZD.mean(axis=0)
    top_XD = geometry.top_directions(x_ZD)
    u_ZD = 0.5 * x_ZD @ top_XD.T @ top_XD
    states = np.stack([x_ZD, x_ZD + u_ZD])
    found = geometry.updates(np.concatenate([states[:, :1], states], axis=1)[:, None])
    assert found["cos_update"][1] > 0.95 and found["cos_update_centred"][1] > 0.95
    assert found["cos_update_rest"][1] == pytest.approx(0, abs=1e-9)


def test_updates_agree_with_loops_over_a_stream_of_noise(rng):
    states_LBTD = rng.normal(size=(L, B, T, D)) + 0.5  # not centred, so that centring matters
    found = geometry.updates(states_LBTD)
    assert list(found) == COLUMNS
    assert {len(column) for column in found.values()} == {L}
    for n in range(1, L):
        x_ZD = states_LBTD[n - 1, :, 1:].reshape(Z, D)
        u_ZD = states_LBTD[n, :, 1:].reshape(Z, D) - x_ZD
        steps = [np.linalg.norm(u) / np.linalg.norm(x) for x, u in zip(x_ZD, u_ZD, strict=True)]
        assert found["step"][n] == pytest.approx(np.median(steps))
        cx_ZD, cu_ZD = x_ZD - x_ZD.mean(axis=0), u_ZD - u_ZD.mean(axis=0)
        top_DX = np.linalg.eigh(cx_ZD.T @ cx_ZD)[1][:, -geometry.TOP :]
        away_DD = np.eye(D) - top_DX @ top_DX.T
        pairs = {
            "cos_update": (x_ZD, u_ZD),
            "cos_update_centred": (cx_ZD, cu_ZD),
            "cos_update_rest": (cx_ZD @ away_DD, cu_ZD @ away_DD),
        }
        for name, (a_ZD, b_ZD) in pairs.items():
            cosines = [unit(a) @ unit(b) for a, b in zip(a_ZD, b_ZD, strict=True)]
            assert found[name][n] == pytest.approx(np.median(cosines)), name


def test_a_giant_first_position_changes_nothing(rng):
    states_LBTD = rng.normal(size=(L, B, T, D))
    giant = states_LBTD.copy()
    giant[:, :, 0] = 1e5 * rng.normal(size=D)
    assert geometry.updates(giant) == geometry.updates(states_LBTD)
    assert geometry.accounts(giant) == geometry.accounts(states_LBTD)


def test_what_is_left_of_few_tokens_is_zero_and_not_rounding_noise(rng):
    few = rng.normal(size=(2, 1, 4, D)).astype(np.float32)  # three tokens span two directions
    assert geometry.updates(few)["cos_update_rest"] == [None, 0]


def test_dead_states_have_no_step_and_cosine_zero(rng):
    states_LBTD = rng.normal(size=(3, B, T, D))
    states_LBTD[1] = 0
    found = geometry.updates(states_LBTD)
    assert found["step"][1] == pytest.approx(1) and found["step"][2] is None
    assert found["step_null_cos"][2] is None
    assert found["cos_update"][1:] == [pytest.approx(-1), 0]


def test_one_dead_token_leaves_the_step_of_the_others(rng):
    states_LBTD = stream(rng, (0.3,), 1.0)
    states_LBTD[0, 1, 2] = 0
    assert geometry.updates(states_LBTD)["step"] == [None, pytest.approx(0.3)]


@pytest.mark.parametrize("tokens", [5, 200])  # fewer and more than the width
def test_top_directions_are_orthonormal_and_hold_the_most_variance(rng, tokens):
    x_ZD = rng.normal(size=(tokens, D)) * np.arange(1, D + 1)
    x_ZD -= x_ZD.mean(axis=0)
    top_XD = geometry.top_directions(x_ZD)
    np.testing.assert_allclose(top_XD @ top_XD.T, np.eye(geometry.TOP), atol=1e-9)
    variances = np.linalg.eigvalsh(x_ZD.T @ x_ZD)[::-1]
    np.testing.assert_allclose(np.sum((x_ZD @ top_XD.T) ** 2, axis=0), variances[: geometry.TOP])


# --- accounts ------------------------------------------------------------------------------------


def test_the_accounts_add_up_to_the_whole_exactly(rng):
    shares = geometry.accounts(rng.normal(size=(L, B, T, D)) + 0.5)
    assert list(shares) == ["share_embedding", "share_updates", "share_cross"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-14)


def test_the_cross_terms_are_all_pairs_of_different_terms(rng):
    terms = rng.normal(size=(L, B, T, D))  # the embedding, then the updates
    shares = geometry.accounts(np.cumsum(terms, axis=0))
    later = terms[:, :, 1:]
    whole = np.sum(later.sum(axis=0) ** 2)
    pairs = [np.sum(later[i] * later[j]) for i, j in itertools.permutations(range(L), 2)]
    assert shares["share_cross"] == pytest.approx(sum(pairs) / whole)
    assert shares["share_embedding"] == pytest.approx(np.sum(later[0] ** 2) / whole)
    assert shares["share_updates"] == pytest.approx(np.sum(later[1:] ** 2) / whole)


def test_orthogonal_updates_have_no_cross_terms(rng):
    shares = geometry.accounts(stream(rng, (1.0, 1.0), math.pi / 2))  # lengths 1, 2, 4, squared
    assert list(shares.values()) == pytest.approx([1 / 4, 3 / 4, 0])


def test_parallel_updates_owe_most_to_cross_terms(rng):
    shares = geometry.accounts(stream(rng, (1.0, 1.0), 0.0))  # x, then 2x, then 4x
    assert list(shares.values()) == pytest.approx([1 / 16, 5 / 16, 10 / 16])


def test_a_last_state_of_zero_has_no_accounts(rng):
    states_LBTD = rng.normal(size=(L, B, T, D))
    states_LBTD[-1] = 0
    assert set(geometry.accounts(states_LBTD).values()) == {None}


# --- length and entropy --------------------------------------------------------------------------


def test_correlations_known_by_hand():
    x_ZD = np.array([[1.0, 0], [0, 2], [0, -3], [4, 0]])
    found = geometry.length_and_entropy(x_ZD, np.array([1.0, 4, 9, 16]))
    assert found["spearman"] == pytest.approx(1)
    assert found["pearson"] == pytest.approx(25 / math.sqrt(5 * 129))
    assert geometry.length_and_entropy(x_ZD, [3.0, 2, 1, 0])["pearson"] == pytest.approx(-1)


def test_rank_correlation_agrees_with_scipy_also_with_ties(rng):
    from scipy import stats

    length = rng.integers(1, 5, 30)
    entropy = length + rng.integers(0, 4, 30)
    found = geometry.length_and_entropy(length[:, None], entropy)
    assert found["spearman"] == pytest.approx(stats.spearmanr(length, entropy).statistic)
    assert found["pearson"] == pytest.approx(stats.pearsonr(length, entropy).statistic)


def test_equal_lengths_go_with_nothing(rng):
    x_ZD = unit(rng.normal(size=(Z, D))).astype(np.float32)  # equal up to rounding
    found = geometry.length_and_entropy(x_ZD, rng.normal(size=Z))
    assert found == {"pearson": None, "spearman": None}


# --- moving the last state -----------------------------------------------------------------------


@pytest.mark.parametrize("distance", geometry.DISTANCES)
def test_every_move_covers_the_same_distance_and_turns_keep_the_length(rng, distance):
    x_ZD = rng.normal(size=(Z, D)) * rng.uniform(0.1, 10, size=(Z, 1))
    length_Z = np.linalg.norm(x_ZD, axis=-1)
    moved = geometry.displaced(x_ZD, distance)
    assert tuple(moved) == geometry.MOVES
    for move, moved_ZD in moved.items():
        assert np.linalg.norm(moved_ZD - x_ZD, axis=-1) == pytest.approx(distance * length_Z), move
        factor = 1 + distance if move == "longer" else 1
        assert np.linalg.norm(moved_ZD, axis=-1) == pytest.approx(factor * length_Z), move
    assert measure.cosines(moved["longer"], x_ZD) == pytest.approx(np.ones(Z))


def test_a_turn_goes_towards_the_other_state_in_the_plane_of_both():
    moved_ZD = geometry.turned([[2.0, 0, 0]], [[5.0, 7, 0]], 1.0)  # 60 degrees
    assert moved_ZD == pytest.approx(np.array([[1, math.sqrt(3), 0]]))
    assert geometry.turned([[2.0, 0, 0]], [[-3.0, 0, 0]], 1.0).tolist() == [[2, 0, 0]]


def test_another_token_is_another_one_and_random_turns_are_always_the_same(rng):
    x_ZD = rng.normal(size=(Z, D))
    moved = geometry.displaced(x_ZD, 0.5)
    other_ZD = x_ZD[geometry.derangement(Z)]
    assert (measure.cosines(moved["towards"], other_ZD) > measure.cosines(x_ZD, other_ZD)).all()
    np.testing.assert_array_equal(moved["random"], geometry.displaced(x_ZD, 0.5)["random"])


def layer_norm(x_ZD):
    centred_ZD = x_ZD - x_ZD.mean(axis=-1, keepdims=True)
    return centred_ZD / np.linalg.norm(centred_ZD, axis=-1, keepdims=True)


def test_a_longer_state_before_a_norm_predicts_the_same_and_a_turned_one_does_not(rng):
    x_ZD, table_VD = rng.normal(size=(Z, D)), rng.normal(size=(7, D))
    found = geometry.dose_response(x_ZD, lambda x: layer_norm(x) @ table_VD.T, 100)
    assert list(found) == ["distance", *geometry.MOVES]
    assert found["distance"] == [0.1, 0.2, 0.5, 1.0]
    assert found["longer"] == pytest.approx([0] * 4, abs=1e-12)
    for move in ("towards", "random"):
        assert found[move][0] > 1e-4 and (np.diff(found[move]) > 0).all()


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_a_dose_response_is_the_mean_divergence_in_pieces_of_any_size(rng, at_once):
    x_ZD, table_VD = rng.normal(size=(Z, D)), rng.normal(size=(7, D))
    sizes = []

    def read(x):
        sizes.append(len(x))
        return x @ table_VD.T

    found = geometry.dose_response(x_ZD, read, at_once)
    assert max(sizes) == min(at_once, Z)
    for number, distance in enumerate(found["distance"]):
        for move, moved_ZD in geometry.displaced(x_ZD, distance).items():
            expected = measure.kl(x_ZD @ table_VD.T, moved_ZD @ table_VD.T).mean()
            assert found[move][number] == pytest.approx(expected), move
