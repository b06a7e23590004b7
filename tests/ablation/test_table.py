"""The table of made-up cells: who learned, what is compared, and what it is as CSV and JSON."""

import csv
import io
import json

import numpy as np
import pytest
from made_up import GRID, disputed, make_table, only_with_residual

from minitx.ablation import panels
from minitx.ablation.effects import Change
from minitx.ablation.measures import END, EQUAL

NORM = Change("norm", "none", "ln")
RESIDUAL = Change("residual", True, False)


@pytest.fixture(scope="module")
def table():
    return disputed()


def effect_of(table, change, name, at=END):
    (effect,) = [e for e in table.effects(name, at) if (e.change, e.by) == (change, None)]
    return effect


def test_cells_that_did_not_learn_count_for_the_loss_and_for_nothing_inside(table):
    dead = [m for m, settings in enumerate(table.cells) if not settings["residual"]]
    assert table.not_learned == dead
    assert effect_of(table, RESIDUAL, "val_loss").estimate.mean > 1
    for at in (END, EQUAL):
        assert effect_of(table, RESIDUAL, "growth", at).estimate is None
        norm = effect_of(table, NORM, "growth", at)
        assert set(norm.left_out) == set(dead) and norm.estimate
    growth = effect_of(table, NORM, "growth").estimate.mean
    assert growth == pytest.approx((np.log(4 / 8) + np.log(64 / 8)) / 2, abs=0.02)
    assert np.isfinite(table.values("growth")).all()  # cell by cell they are there


def test_opposite_effects_under_an_average_are_found(table):
    effect = effect_of(table, NORM, "growth", EQUAL)
    assert table.opposed(effect, "growth", EQUAL) == ["loss"]
    same_sign = make_table(
        GRID,
        only_with_residual,
        lambda s: 8.0 if s["norm"] == "none" else 4.0 + 2 * (s["loss"] == "se"),
    )
    assert not same_sign.opposed(effect_of(same_sign, NORM, "growth"), "growth")


def test_a_sign_that_is_not_known_is_no_opposite_sign():
    noisy = make_table(
        GRID,
        lambda s: 2.0,
        lambda s: 4.0 if s["loss"] == "ce" and s["norm"] == "ln" else 1.0,
    )
    assert not noisy.opposed(effect_of(noisy, NORM, "growth"), "growth")


def test_a_number_between_an_untrained_model_and_the_first_evaluation_is_refused():
    """One cell passes the target before it is evaluated: it has no number at equal loss."""
    fast = make_table(
        {"a": (1, 2)},
        lambda s: 2.0 if s["a"] == 1 else 2.6,
        lambda s: 2.0,
        middle_loss=lambda s: 2.3 if s["a"] == 1 else 2.9,
    )
    assert fast.target == pytest.approx(2.6, abs=0.01) and fast.early == {0: 20}
    assert np.isnan(fast.values("growth", EQUAL)[0]).all()
    assert np.isnan(fast.values("steps_to_loss")[0]).all()
    assert np.isfinite(fast.values("growth", EQUAL)[1]).all()


def test_every_effect_carries_its_changes_as_data(table):
    effects = table.json()["effects"]["growth, at equal loss"]
    (effect,) = [e for e in effects if e["by"] and (e["switch"], e["by"]["switch"]) ==
                 ("norm", "loss")]  # fmt: skip
    assert (effect["before"], effect["after"]) == ("none", "ln")
    assert effect["by"] == {"switch": "loss", "before": "ce", "after": "se"}
    assert effect["estimate"]["mean"] == pytest.approx(np.log(16), abs=0.05)
    assert effect["kind"] == "interaction"
    json.dumps(table.json(), allow_nan=False)
    rows = list(csv.DictReader(io.StringIO(table.effects_csv())))
    (row,) = [r for r in rows if (r["measure"], r["at"], r["switch"], r["by_switch"]) ==
              ("growth", "equal loss", "norm", "loss")]  # fmt: skip
    assert float(row["mean"]) == effect["estimate"]["mean"]


# --- nearly tied rates ---------------------------------------------------------------------------


def tied_table(final=2.0):
    """Growth with `ln` is 3 times that with `none` at the chosen rate, and 8 times at another."""
    made = make_table({"norm": ("none", "ln")}, lambda s: 2.0, growth_by_norm)
    other = make_table({"norm": ("ln",)}, lambda s: final, lambda s: 16.0)
    training = {"train": {**other.records[0]["train"], "lr": 1.0},
                "seeds": other.records[0]["seeds"]}  # fmt: skip
    made.records[1]["tied"] = [training]
    return made


def growth_by_norm(settings) -> float:
    return 2.0 if settings["norm"] == "none" else 6.0


def test_an_effect_covers_the_nearly_tied_rates():
    table = tied_table()
    effect = effect_of(table, NORM, "growth")
    assert effect.combinations == 2
    assert np.exp(effect.estimate.mean) == pytest.approx(3, rel=0.02)
    assert np.exp([effect.lowest, effect.highest]) == pytest.approx([3, 8], rel=0.02)
    assert np.exp(effect.estimate.high) > 7.9 and np.exp(effect.estimate.low) < 3
    (row,) = [line for line in table.summary().splitlines() if line.startswith("| growth")]
    effect = effect_of(table, NORM, "growth", EQUAL)
    bounds = f"x{np.exp(effect.lowest):.3g} to x{np.exp(effect.highest):.3g}"
    assert row.split("|")[-2].strip() == f"{bounds} over 2 combinations of rates"
    text = " ".join(table.summary().split())
    assert "| 1: 2.000 |" in text and "nearly tied lr: another rate whose loss" in text


def test_figures_say_that_they_show_chosen_rates_only():
    assert "Nearly tied learning rates are not drawn" in panels.note(tied_table())
    assert "Nearly tied learning rates are not drawn" not in panels.note(disputed())


def test_the_files_have_both_rates_and_say_which_was_chosen():
    table = tied_table()
    rows = [r for r in csv.DictReader(io.StringIO(table.results_csv()))
            if (r["measure"], r["at"], r["norm"]) == ("growth", "equal steps", "ln")]  # fmt: skip
    rates = [(r["lr"], r["chosen_lr"]) for r in rows]
    assert rates == [("0.3", "true")] * 5 + [("1.0", "false")] * 5
    assert [float(r["value"]) for r in rows[5:]] == pytest.approx([16] * 5, rel=0.05)
    (row,) = [r for r in csv.DictReader(io.StringIO(table.effects_csv()))
              if (r["measure"], r["at"]) == ("growth", "equal steps")]  # fmt: skip
    assert row["combinations"] == "2" and float(row["lowest"]) < float(row["highest"])
    assert table.json()["cells"][1]["tied"][0]["train"]["lr"] == 1.0


def test_a_nearly_tied_rate_at_which_nothing_was_learned_counts_for_the_loss_alone():
    table = tied_table(final=2.95)
    assert table.not_learned == []
    assert effect_of(table, NORM, "growth").combinations == 1
    assert effect_of(table, NORM, "val_loss").combinations == 2


def test_the_common_loss_is_reached_at_nearly_tied_rates_too():
    table = tied_table(final=2.2)
    assert table.target == table.values_at_rates("val_loss")[1, 1].max()
    assert np.isfinite(table.values_at_rates("growth", EQUAL)[1]).all()
    assert effect_of(table, NORM, "growth", EQUAL).combinations == 2
