"""Statistics, each recomputed the slow way; planted effects are found, planted nulls are not."""

import itertools

import numpy as np
import pytest

from minitx.ablation import effects
from minitx.ablation.effects import estimate, holm, interactions, main_effects
from minitx.ablation.settings import levels

CELLS = [
    dict(zip(("norm", "tied", "depth"), values, strict=True))
    for values in itertools.product(("none", "ln", "rms"), (True, False), (1, 2))
]
T_4 = 2.7764451  # Student's t, 4 degrees of freedom, 97.5 %: from a printed table
SEEDS = 5


def noise(seed=0, rows=12):
    return np.random.default_rng(seed).normal(size=(rows, SEEDS))


def test_the_interval_is_students():
    values = [1.0, 2.0, 4.0, 5.0, 3.0]
    e = estimate(values)
    error = np.sqrt(sum((v - 3) ** 2 for v in values) / 4) / np.sqrt(5)
    assert (e.mean, e.count) == (3.0, 5)
    assert e.low == pytest.approx(3 - T_4 * error) and e.high == pytest.approx(3 + T_4 * error)
    assert estimate(np.array(values) - 3 + T_4 * error).p == pytest.approx(0.05)


def test_of_one_seed_there_is_no_interval():
    assert estimate([2.0]) == (2.0, None, None, None, 1)


def test_a_main_effect_is_the_paired_difference_averaged_over_the_others():
    values = noise()
    family = {e.name: e for e in main_effects(CELLS, values)}
    assert len(family) == 3 + 1 + 1
    by_hand = []
    for seed in range(SEEDS):
        pairs = []
        for tied, depth in itertools.product((True, False), (1, 2)):
            a = CELLS.index({"norm": "none", "tied": tied, "depth": depth})
            b = CELLS.index({"norm": "rms", "tied": tied, "depth": depth})
            pairs.append(values[b, seed] - values[a, seed])
        by_hand.append(sum(pairs) / 4)
    assert family["norm: none → rms"].differences_E == pytest.approx(by_hand)


def test_an_interaction_is_a_difference_of_differences():
    values = noise()
    family = {e.name: e for e in interactions(CELLS, values)}
    assert len(family) == 3 * 1 + 3 * 1 + 1

    def mean(norm, tied):
        rows = [m for m, c in enumerate(CELLS) if (c["norm"], c["tied"]) == (norm, tied)]
        return values[rows].mean(axis=0)

    by_hand = (mean("ln", False) - mean("none", False)) - (mean("ln", True) - mean("none", True))
    effect = family["norm: none → ln, by tied: true → false"]
    assert effect.differences_E == pytest.approx(by_hand)


def test_what_all_seeds_share_cancels():
    """A seed that is good or bad everywhere says nothing about a switch."""
    values = noise()
    moved = values + 100 * noise(1, rows=1)
    for a, b in zip(main_effects(CELLS, values), main_effects(CELLS, moved), strict=True):
        assert a.differences_E == pytest.approx(b.differences_E)


def test_a_simple_effect_is_the_effect_in_the_cells_that_share_a_value():
    values = noise()
    change = effects.Change("norm", "none", "ln")
    by_depth = dict(effects.simple_effects(CELLS, values, change, "depth"))
    for depth in (1, 2):
        of = {norm: [m for m, c in enumerate(CELLS) if (c["norm"], c["depth"]) == (norm, depth)]
              for norm in ("none", "ln")}  # fmt: skip
        by_hand = values[of["ln"]].mean(axis=0) - values[of["none"]].mean(axis=0)
        assert by_depth[depth] == pytest.approx(estimate(by_hand))
    values[[m for m, c in enumerate(CELLS) if c["depth"] == 2]] = np.nan
    assert list(dict(effects.simple_effects(CELLS, values, change, "depth"))) == [1]


def test_additive_switches_have_no_interaction_and_a_joint_one_is_found():
    values = 1e-3 * noise() + np.array([[c["depth"] + 2.0 * c["tied"]] for c in CELLS])
    family = holm(main_effects(CELLS, values) + interactions(CELLS, values))
    shown = {e.name for e in family if e.adjusted_p < 0.05}
    assert shown == {"tied: true → false", "depth: 1 → 2"}
    joint = values + np.array([[0.1 * (c["depth"] == 2 and c["tied"])] for c in CELLS])
    family = holm(main_effects(CELLS, joint) + interactions(CELLS, joint))
    shown = {e.name: e.estimate.mean for e in family if e.adjusted_p < 0.05}
    assert shown["tied: true → false, by depth: 1 → 2"] == pytest.approx(-0.1, abs=0.01)
    assert shown["tied: true → false"] == pytest.approx(-2.05, abs=0.01)


def test_the_same_numbers_under_two_names_are_no_effect():
    cells = [{"name": "one"}, {"name": "other"}]
    (effect,) = holm(main_effects(cells, np.repeat(noise(rows=1), 2, axis=0)))
    assert effect.differences_E == (0.0,) * SEEDS
    assert (effect.estimate.low, effect.estimate.high, effect.adjusted_p) == (0, 0, 1)


def test_chance_alone_seldom_makes_one_of_many_an_effect():
    """Over 400 grids of pure noise, a family has a false alarm in about 5 %, never in 10 %."""
    alarms = 0
    for seed in range(400):
        values = noise(seed)
        family = holm(main_effects(CELLS, values) + interactions(CELLS, values))
        alarms += any(e.adjusted_p < 0.05 for e in family)
    assert 0 < alarms < 40


def test_holm_by_hand():
    def effect(p):
        return effects.Effect(
            effects.Change("a", 1, 2), None, (), effects.Estimate(1, 0, 2, p, 5), ()
        )

    adjusted = [e.adjusted_p for e in holm([effect(p) for p in (0.04, 0.01, 0.03)])]
    assert adjusted == pytest.approx([0.06, 0.03, 0.06])


def test_a_cell_without_a_number_takes_its_partner_out_and_both_are_named():
    values = noise()
    values[0, 2] = np.nan  # one seed of norm=none tied=true depth=1
    by_change = {e.name: e for e in main_effects(CELLS, values)}
    effect = by_change["tied: true → false"]
    partner = CELLS.index({"norm": "none", "tied": False, "depth": 1})
    assert effect.left_out == (0, partner)
    rows = [m for m, c in enumerate(CELLS) if m not in (0, partner)]
    off = np.mean([values[m] for m in rows if not CELLS[m]["tied"]], axis=0)
    on = np.mean([values[m] for m in rows if CELLS[m]["tied"]], axis=0)
    assert effect.differences_E == pytest.approx(off - on)
    assert by_change["norm: ln → rms"].left_out == ()


def test_where_no_pair_is_whole_nothing_is_claimed():
    (effect,) = main_effects([{"a": 1}, {"a": 2}], np.array([[1.0, 2.0], [np.nan, 3.0]]))
    assert effect.estimate is None and effect.left_out == (0, 1)
    assert holm([effect])[0].adjusted_p is None


def test_one_and_true_are_two_values():
    cells = [{"a": 1}, {"a": True}]
    assert levels(cells) == {"a": [1, True]}
    (effect,) = main_effects(cells, np.array([[1.0, 1.0], [3.0, 3.0]]))
    assert effect.estimate.mean == 2


# --- nearly tied rates ---------------------------------------------------------------------------

TWO = [{"norm": "none"}, {"norm": "ln"}]


def test_an_effect_is_computed_at_every_combination_of_rates_and_its_interval_covers_all():
    """The audit's case: growth at two rates of one cell, and at one rate of the other."""
    rng = np.random.default_rng(3)
    values_MAE = np.full((2, 3, SEEDS), np.nan)
    values_MAE[0, 0] = 1 + 0.1 * rng.normal(size=SEEDS)
    values_MAE[0, 1] = 1.5 + 0.3 * rng.normal(size=SEEDS)
    values_MAE[1, 0] = 3 + 0.1 * rng.normal(size=SEEDS)
    values_MAE[1, 1] = 7 + 0.2 * rng.normal(size=SEEDS)
    values_MAE[1, 2] = 5 + 0.9 * rng.normal(size=SEEDS)
    (effect,) = main_effects(TWO, values_MAE)
    by_hand = [estimate(values_MAE[1, b] - values_MAE[0, a]) for a in (0, 1) for b in (0, 1, 2)]
    assert effect.combinations == 6
    assert effect.differences_E == pytest.approx(values_MAE[1, 0] - values_MAE[0, 0])
    assert effect.estimate.mean == pytest.approx(by_hand[0].mean)
    assert effect.estimate.low == pytest.approx(min(e.low for e in by_hand))
    assert effect.estimate.high == pytest.approx(max(e.high for e in by_hand))
    assert effect.estimate.p == pytest.approx(max(e.p for e in by_hand))
    assert effect.lowest == pytest.approx(min(e.mean for e in by_hand))
    assert effect.highest == pytest.approx(max(e.mean for e in by_hand))


def test_a_sign_that_depends_on_the_rate_is_not_a_finding():
    values_MAE = np.zeros((2, 2, SEEDS)) + 0.01 * noise(rows=4).reshape(2, 2, SEEDS)
    values_MAE[1, 0] += 1
    values_MAE[1, 1] -= 1
    values_MAE[0, 1] = np.nan
    (effect,) = holm(main_effects(TWO, values_MAE))
    assert effect.estimate.p == 1 and effect.estimate.low < -0.9 and effect.estimate.high > 0.9
    assert not effect.is_shown(0.001) and effect.combinations == 2


def test_a_rate_at_which_a_seed_has_no_number_is_not_a_combination():
    values_MAE = noise(rows=4).reshape(2, 2, SEEDS)
    values_MAE[1, 1, 2] = np.nan
    (effect,) = main_effects(TWO, values_MAE)
    assert effect.combinations == 2
    values_MAE[1, 0, 2] = np.nan  # at the chosen rate: then the cell is left out
    (effect,) = main_effects(TWO, values_MAE)
    assert effect.estimate is None and effect.left_out == (0, 1)


def test_an_interaction_has_the_combinations_of_four_cells():
    cells = [{"norm": n, "tied": t} for n in ("none", "ln") for t in (True, False)]
    values_MAE = noise(rows=8).reshape(4, 2, SEEDS)
    (effect,) = interactions(cells, values_MAE)
    means = [
        (values_MAE[3, d] - values_MAE[1, b] - values_MAE[2, c] + values_MAE[0, a]).mean()
        for a, b, c, d in itertools.product((0, 1), repeat=4)
    ]
    assert effect.combinations == 16
    assert (effect.lowest, effect.highest) == pytest.approx((min(means), max(means)))


def test_of_too_many_combinations_the_extreme_ones_are_kept():
    parts = list(noise(5, rows=24).reshape(12, 2, SEEDS))
    assert effects.COMBINATIONS < 2**12
    first, lowest, highest = effects.at_all_rates(parts)
    np.testing.assert_allclose(first, sum(part[0] for part in parts))
    assert lowest.mean() == pytest.approx(sum(part.mean(axis=1).min() for part in parts))
    assert highest.mean() == pytest.approx(sum(part.mean(axis=1).max() for part in parts))
    few = effects.at_all_rates(parts[:10])
    assert len(few) == 1024


def test_without_tied_rates_an_effect_is_that_of_the_chosen_ones():
    values = noise()
    with_axis = np.stack([values, np.full_like(values, np.nan)], axis=1)
    for a, b in zip(main_effects(CELLS, values), main_effects(CELLS, with_axis), strict=True):
        assert a == b and a.combinations == 1 and a.lowest == a.highest == a.estimate.mean
