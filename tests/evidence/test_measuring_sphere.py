"""Directions, sizes, polar angles and inverses on arrays that were made up."""

from types import SimpleNamespace

import numpy as np
import pytest

from minitx import measure
from minitx.evidence import inverses, sphere
from minitx.evidence.evidence import EVIDENCE, Untestable


class Made:
    """A reading with made-up states of one window and a made-up unembedding."""

    def __init__(self, x_TD, rows_VD):
        before_T = np.zeros((1, *x_TD.shape[1:]))
        self.trace = SimpleNamespace(after_final_norm_BTD=np.concatenate([before_T, x_TD])[None])
        self.unembedding_VD = rows_VD


def rows_of_many_lengths(V=13, D=7):
    rng = np.random.default_rng(2)
    return rng.standard_normal((V, D)) * rng.uniform(0.7, 1.4, (V, 1))


def states(T=5, D=7):
    return np.random.default_rng(3).standard_normal((T, D))


def test_every_row_moves_equally_far_in_all_three_ways(monkeypatch):
    monkeypatch.setattr(sphere, "PIECE", 4)  # so that the last piece is a short one
    rows_VD = rows_of_many_lengths()
    length_V = measure.norms(rows_VD)
    moved = sphere.moved_rows(rows_VD)
    for name, moved_VD in moved.items():
        far_V = measure.norms(moved_VD - rows_VD)
        np.testing.assert_allclose(far_V, np.abs(length_V - length_V.mean()), atol=1e-5)
        expected = length_V.mean() if name == "one_length" else length_V
        np.testing.assert_allclose(measure.norms(moved_VD), np.broadcast_to(expected, 13), 1e-5)
    np.testing.assert_allclose(measure.cosines(moved["one_length"], rows_VD), 1, atol=1e-6)
    assert np.abs(moved["random"] - moved["towards"]).max() > 0.01


def test_b1_measures_the_predictions_of_moved_rows():
    rows_VD, x_TD = rows_of_many_lengths(), states()
    found = EVIDENCE["B1"].measure(Made(x_TD, rows_VD), 0)
    length_V1 = measure.norms(rows_VD)[:, None]
    equal_VD = rows_VD / length_V1 * length_V1.mean()
    expected = measure.kl(x_TD @ rows_VD.T, x_TD @ equal_VD.T).mean()
    assert found["one_length"] == pytest.approx(expected, rel=1e-3)
    away = np.abs(length_V1 - length_V1.mean()).mean() / length_V1.mean()
    assert found["share_moved"] == pytest.approx(away)


def test_b1_cannot_be_asked_of_rows_of_one_length():
    with pytest.raises(Untestable):
        EVIDENCE["B1"].measure(Made(states(), sphere.unit(rows_of_many_lengths())), 0)


def test_points_serve_as_well_where_rows_have_one_length():
    rows_VD = sphere.unit(rows_of_many_lengths())
    found = EVIDENCE["B25"].measure(Made(states(), rows_VD), 0)
    assert found["points"] < 1e-6 and found["directions"] < 1e-6 < found["equal_chances"]


def test_directions_alone_cannot_tell_rows_of_one_direction_apart():
    row_D = np.arange(1, 8)
    found = EVIDENCE["B25"].measure(Made(states(), np.stack([row_D, 3 * row_D])), 0)
    assert found["directions"] == pytest.approx(found["equal_chances"])


def test_what_is_lost_is_measured_at_the_best_temperature():
    logits_TV = states() @ rows_of_many_lengths().T
    assert sphere.lost(logits_TV, 7 * logits_TV) < 1e-9
    assert sphere.lost(logits_TV, -logits_TV) > 0.1


def test_polar_angles_go_there_and_back():
    x_ZD = np.random.default_rng(0).standard_normal((11, 6))
    radius_Z, angle_ZA = sphere.to_polar(x_ZD)
    assert angle_ZA.shape == (11, 5)
    np.testing.assert_allclose(radius_Z, measure.norms(x_ZD))
    np.testing.assert_allclose(sphere.from_polar(radius_Z, angle_ZA), x_ZD, atol=1e-12)


def test_tails_are_how_far_a_step_in_an_angle_moves_the_point():
    x_ZD = sphere.unit(np.random.default_rng(1).standard_normal((1, 6)))
    radius_Z, angle_ZA = sphere.to_polar(x_ZD)
    for a in range(5):
        stepped_ZA = angle_ZA + 1e-6 * (np.arange(5) == a)
        moved = measure.norms(sphere.from_polar(radius_Z, stepped_ZA) - x_ZD) / 1e-6
        assert sphere.tails(x_ZD)[0, a] == pytest.approx(moved[0], rel=1e-4)


def test_the_volume_element_is_that_of_the_formula():
    """Its median log10 is about that of sqrt(D! / D^D)."""
    found = sphere.polar_troubles(64)
    from_factorial = 0.5 * (np.log10(np.arange(1, 65)).sum() - 64 * np.log10(64))
    assert found["volume"] == pytest.approx(from_factorial, abs=1.0)
    assert 0 < found["error_by_dividing"] < 1e-6 and 0 < found["error"] < 1e-4


def made_table(table_VD, tied=True):
    config = SimpleNamespace(tied=tied, vocab=len(table_VD))
    return SimpleNamespace(config=config, embedding_VD=np.asarray(table_VD, float))


def two_bases(D=9):
    """Two orthonormal bases: W^T W is twice the identity."""
    rotation_DD = np.linalg.qr(np.random.default_rng(4).standard_normal((D, D)))[0]
    return np.concatenate([np.eye(D), rotation_DD])


def test_transpose_and_inverse_are_alike_for_a_table_that_spreads_evenly():
    found = EVIDENCE["B13"].measure(made_table(3 * two_bases()))
    assert found["alike"] == pytest.approx(1) and found["near_1"] == 0
    assert found["transpose_stands_out"] == pytest.approx(found["inverse_stands_out"])
    assert EVIDENCE["B13"].measure(made_table(two_bases()))["near_1"] == 1


def test_a_common_direction_changes_the_transpose_alone():
    table_VD = np.random.default_rng(6).standard_normal((61, 9)) * np.array([9, *[1] * 8])
    found = EVIDENCE["B13"].measure(made_table(table_VD))
    assert found["alike"] < 0.7 < found["alike_at_random"]


def test_how_far_a_peak_stands_out_is_counted_in_standard_deviations():
    values_VN = np.array([[8.0, 3], [2, 6], [0, 1], [2, 3], [0, 1]])
    assert inverses.standing_out(values_VN[:, :1], np.array([0])) == pytest.approx(7)
    assert inverses.standing_out(values_VN, np.array([0, 1])) == pytest.approx(
        (7 + 4) / 2
    )  # the other values: 0 and 2, then 1 and 3


def test_the_two_formulas_differ_except_for_rows_at_right_angles():
    found = EVIDENCE["B20"].measure(made_table(rows_of_many_lengths()))
    assert found["peak_inverse"] == pytest.approx(7 / 13)
    assert found["peak_normalised"] == pytest.approx(1)
    assert found["error_at_right_angles"] < 1e-9 and found["apart"] > 0.1
    right_VD = np.eye(7)[:4] * np.array([[1], [2], [3], [5]])
    found = EVIDENCE["B20"].measure(made_table(right_VD))
    assert found["apart"] < 1e-9
    assert found["back_inverse"] == found["back_normalised"] == found["back_transpose"] == 1


def test_a_longer_row_takes_a_token_away_from_the_transpose():
    table_VD = np.array([[1.0, 0, 0], [0.9, 3, 0], [0, 0, 1], [2, 0.1, 0]])
    found = EVIDENCE["B20"].measure(made_table(table_VD))
    assert found["back_transpose"] == 0.75  # row 0 has a larger product with row 3
