"""Margins: what an interval says about them, where they are kept, and when they came too late."""

import csv
import dataclasses
import io
import math

import pytest
from made_up import make_table

from minitx import files
from minitx.ablation import folder, margin
from minitx.ablation.effects import Change, Estimate
from minitx.ablation.margin import BEYOND, EQUAL, UNDECIDED, judge, parse_margins
from minitx.errors import InputError


def interval(low, high):
    return Estimate((low + high) / 2, low, high, 0.5, 5)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.02, 0.02, EQUAL),
        (0.001, 0.019, EQUAL),  # surely not zero, and yet small enough
        (0.0, 0.0, EQUAL),
        (0.021, 0.5, BEYOND),
        (-0.5, -0.021, BEYOND),
        (0.019, 0.021, UNDECIDED),
        (-0.021, 0.0, UNDECIDED),
        (-0.5, 0.5, UNDECIDED),
    ],
)
def test_an_interval_is_within_beyond_or_neither(low, high, verdict):
    assert judge(interval(low, high), 0.02) == verdict


def test_without_an_interval_or_a_margin_nothing_is_said():
    assert judge(None, 0.02) is None
    assert judge(Estimate(1.0, None, None, None, 1), 0.02) is None
    assert judge(interval(-1, 1), None) is None


def test_the_margin_of_a_ratio_is_a_factor_and_holds_both_ways():
    size = margin.margin_of({"growth": 1.1}, "growth")
    assert size == pytest.approx(math.log(1.1))
    assert judge(interval(-math.log(1.09), math.log(1.09)), size) == EQUAL
    assert judge(interval(-math.log(1.11), 0), size) == UNDECIDED


def test_one_margin_is_for_both_losses_unless_one_has_its_own():
    margins = parse_margins(["0.02", "val-loss=0.3"])
    assert margin.margin_of(margins, "val_loss") == 0.3
    assert margin.margin_of(margins, "fitted_loss") == 0.02
    assert margin.margin_of(margins, "growth") is None
    assert margin.write_margins(margins) == "loss 0.02, val loss 0.3"
    assert margin.write_margins({}) == "none"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("big", "'big' is not a number: write 0.02 or growth=1.1"),
        ("growth=", "'' is not a number"),
        ("growht=1.1", "no measure 'growht'; did you mean 'growth'"),
        ("growth=1", "growth=1 is out of range: it is a factor, so it must be above 1"),
        ("0", "loss=0 is out of range: it is a difference, so it must be above 0"),
        ("-1", "out of range"),
        ("nan", "out of range"),
        ("inf", "out of range"),
    ],
)
def test_an_impossible_margin_is_refused(word, message):
    with pytest.raises(InputError, match=message):
        parse_margins([word])


def test_a_margin_given_twice_is_refused():
    with pytest.raises(InputError, match="loss is given twice"):
        parse_margins(["0.02", "loss=0.03"])


@pytest.fixture(scope="module")
def table():
    """Growth differs by a factor of 1.05 between `a`, of 2 between `b`; the loss not at all."""
    made = make_table(
        {"a": (1, 2), "b": (1, 2)},
        lambda s: 2.0,
        lambda s: 4 * 1.05 ** (s["a"] - 1) * 2.0 ** (s["b"] - 1),
    )
    return dataclasses.replace(made, margins={"loss": 0.01, "growth": 1.2})


def test_the_page_and_the_files_have_a_verdict_for_each_effect(table):
    effects = {(e.change, e.by): e for e in table.effects("growth")}
    a = effects[Change("a", 1, 2), None]
    b = effects[Change("b", 1, 2), None]
    assert table.judge(a, "growth") == EQUAL and table.is_shown(a, "growth")
    assert table.judge(b, "growth") == BEYOND
    (loss,) = [e for e in table.effects("val_loss") if (e.change, e.by) == (a.change, None)]
    assert table.judge(loss, "val_loss") == EQUAL
    assert all(table.judge(e, "cos_prev") is None for e in table.effects("cos_prev"))
    text = " ".join(table.markdown().split())
    assert "| a: 1 → 2 | x1.05* |" in text and "Margin (loss 0.01, growth x1.2)" in text
    rows = [r for r in csv.DictReader(io.StringIO(table.effects_csv()))
            if (r["measure"], r["at"]) == ("growth", "equal steps")]  # fmt: skip
    assert [r["verdict"] for r in rows if r["kind"] == "main"] == [EQUAL, BEYOND]
    assert {float(r["margin"]) for r in rows} == {math.log(1.2)}
    listed = table.json()["effects"]["growth, at equal steps"]
    assert [e["verdict"] for e in listed if e["kind"] == "main"] == [EQUAL, BEYOND]


def test_the_note_of_an_effect_ends_with_the_verdict(table):
    (row,) = [line for line in table.summary().splitlines()
              if line.startswith("| growth") and "b: 1 → 2" in line]  # fmt: skip
    assert row.split("|")[-2].strip() == BEYOND


# --- the folder ----------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path):
    files.write_json(tmp_path / folder.MARK, {"format": folder.FORMAT})
    (tmp_path / "cells").mkdir()
    return tmp_path


def test_margins_that_were_set_before_results_stay_and_need_no_remark(home):
    folder.set_margins(home, {"loss": 0.05})
    folder.set_margins(home, {"loss": 0.02})  # nothing has finished: nobody has seen a result
    (home / "cells" / "a.json").write_text("{}")
    before = (home / folder.MARK).read_bytes()
    folder.set_margins(home, {})
    folder.set_margins(home, {"loss": 0.02})
    assert folder.read_margins(home) == ({"loss": 0.02}, "")
    assert (home / folder.MARK).read_bytes() == before


def test_margins_that_came_after_results_are_said_to(home, table):
    (home / "cells" / "a.json").write_text("{}")
    folder.set_margins(home, {"loss": 0.02})
    (home / "cells" / "b.json").write_text("{}")
    folder.set_margins(home, {"loss": 0.5})
    margins, remark = folder.read_margins(home)
    assert margins == {"loss": 0.5} and remark == (
        "margin changed after results (before: none, up to 1 finished cell; loss 0.02, up to "
        "2 finished cells)"
    )
    late = dataclasses.replace(table, margins=margins, margins_remark=remark)
    assert f"**The {remark}.**" in " ".join(late.summary().split())
