"""The page and the pictures of an ablation, of made-up cells, so that the truth is known."""

import itertools

import numpy as np
import pytest

from minitx.ablation import opening, panels, prose
from minitx.ablation.moments import EQUAL
from minitx.ablation.sentences import depending, mixed, named
from minitx.ablation.table import Table

SEEDS = 5
IGNORANT = 3.0
GRID = {"norm": ("none", "ln"), "residual": (True, False), "loss": ("ce", "se")}


def made(vary, end, growth, at=(0, 20, 40), middle=None):
    """A table of cells whose losses and growth after training follow from their settings."""
    noise = np.random.default_rng(0)
    records = []
    for values in itertools.product(*vary.values()):
        cell = dict(zip(vary, values, strict=True))
        seeds = []
        for seed in range(SEEDS):
            history = []
            for i, step in enumerate(at):
                part = i / (len(at) - 1)
                loss = 4 + part * (end(cell) - 4)
                if middle and 0 < i < len(at) - 1:
                    loss = middle(cell)
                long = growth(cell) ** part * (1 + 0.01 * noise.normal())
                history.append({
                    "step": step, "val_loss": loss + 0.001 * noise.normal(), "growth": long,
                    "cos_prev": 0.9, "null_cos": 0.5,
                    "cos_excess": 0.4, "size_effect": 0.5 * part, "direction_swap": 1e-9 + part,
                    "norm_median_by_layer": [1.0, long], "cos_prev_by_layer": [None, 0.9],
                    "null_cos_by_layer": [None, 0.5],
                })  # fmt: skip
            gradients = [1.0, 1.0, 1.0]
            seeds.append({"seed": seed, "failure": None, "history": history,
                          "gradient_by_layer": gradients})  # fmt: skip
        records.append({
            "settings": cell, "seeds": seeds, "rates": [0.1, 0.3, 1.0], "parameters": 1234,
            "model": {"width": 8, "depth": 2, "context": 16},
            "train": {"loss": "cross_entropy", "lr": 0.3, "steps": at[-1], "batch": 4,
                      "eval_every": at[1]},
        })  # fmt: skip
    return Table(records, "A grid", IGNORANT, None, "fables, 100 tokens")


def end(cell):
    return 2.0 if cell["residual"] else 3.01


def dispute(cell):
    """A norm makes growth smaller after one loss and larger after the other; dead cells explode."""
    if not cell["residual"]:
        return 1000.0 if cell["norm"] == "none" else 1.0
    if cell["norm"] == "none":
        return 8.0
    return 4.0 if cell["loss"] == "ce" else 64.0


@pytest.fixture(scope="module")
def table():
    return made(GRID, end, dispute, middle=lambda cell: 2.5 if cell["residual"] else 3.02)


def effect_of(table, change, name, at):
    return {e.change: e for e in table.effects(name, at)}[change]


def test_cells_that_did_not_learn_are_part_of_the_loss_and_of_nothing_inside(table):
    dead = [m for m, cell in enumerate(table.cells) if not cell["residual"]]
    assert table.idle == dead
    assert effect_of(table, "residual: true → false", "val_loss", "equal steps").estimate.mean > 1
    for at in ("equal steps", EQUAL):
        assert effect_of(table, "residual: true → false", "growth", at).estimate is None
        norm = effect_of(table, "norm: none → ln", "growth", at)
        assert set(norm.left_out) == set(dead) and norm.estimate
    end_growth = effect_of(table, "norm: none → ln", "growth", "equal steps").estimate.mean
    assert end_growth == pytest.approx((np.log(4 / 8) + np.log(64 / 8)) / 2, abs=0.02)
    assert np.isfinite(table.values("growth")).all()  # cell by cell they are told
    assert "residual=false loss=ce (did not learn)" in prose.means(table)


def test_what_cannot_be_answered_stands_at_the_top(table):
    (told,) = opening.unanswered(table)
    assert told == (
        "residual: what it does inside cannot be said: with residual=false no cell learns in 40 "
        "steps"
    )
    text = table.markdown()
    assert text.index(told) < text.index("## In short") < text.index("## Cells")
    nothing = made(GRID, lambda cell: 3.2, dispute)
    assert opening.unanswered(nothing) == [
        "What any switch does inside cannot be said: no cell learns in 40 steps"
    ]
    nothing.markdown()
    alone = made({"a": (1, 2), "b": (1, 2)}, lambda c: 2.0 if c["a"] == c["b"] else 3.2,
                 lambda c: 2.0)  # fmt: skip
    assert all("no two cells that differ in it alone both learn" in t
               for t in opening.unanswered(alone)[:2])  # fmt: skip


def test_the_opening_says_what_ran(table):
    text = opening.opening(table)
    for part in (
        "8 cells, 5 seeds each", "width 8, depth 2, context 16, 1,234 parameters",
        "fables, 100 tokens", "40 steps of 4 sequences", "rates tried: 0.1, 0.3, 1",
        "evaluated every 20 steps", "every cell with residual=false",
    ):  # fmt: skip
        assert part in text, part


def test_in_short_there_is_an_answer_for_each_switch(table):
    short = opening.in_short(table)
    norm, residual, loss = short.values()
    assert next(iter(short)) == "norm (none → ln)"
    assert norm[0].startswith("val loss: nothing shown, among cells that learn ")
    assert norm[1].startswith("growth: x") and "opposite things (" in norm[1]
    assert "with loss=ce" in norm[1] and "with loss=se" in norm[1]
    assert residual[0].startswith("val loss: +1.01") and "that learn" not in residual[0]
    assert residual[1:] == ["what it does inside cannot be said here"]
    assert loss[1].startswith("growth: x") and "size effect: nothing shown" in loss


def test_in_short_an_average_is_taken_apart_where_its_parts_are_far_from_each_other():
    def growth(more):
        return lambda c: 4.0 * (1 if c["norm"] == "none" else more if c["loss"] == "se" else 2)

    for more, told in ((16, True), (3, False)):
        uneven = made({"norm": ("none", "ln"), "loss": ("ce", "se")}, lambda c: 2.0, growth(more))
        answer = opening.in_short(uneven)["norm (none → ln)"][1]
        assert ("on average (x2" in answer) == told, answer
        assert "opposite" not in answer


def test_rates_at_an_end_of_their_set_are_counted():
    table = made(GRID, end, dispute)
    for m, record in enumerate(table.records):
        record["train"]["lr"] = 1.0 if m % 2 else 0.3
    (told,) = opening.unanswered(table)
    dead = [m for m, cell in enumerate(table.cells) if not cell["residual"]]
    edge = sum(m % 2 for m in dead)
    assert edge and told.endswith(f" ({edge} of {len(dead)} at the smallest or largest rate tried)")


def test_in_short_an_average_of_nothing_tells_of_its_opposite_parts():
    """Up after one loss and as far down after the other: the average shows nothing."""
    even = made({"norm": ("none", "ln"), "loss": ("ce", "se")}, lambda c: 2.0,
                lambda c: 8.0 if (c["norm"] == "ln") == (c["loss"] == "se") else 4.0)  # fmt: skip
    growth = opening.in_short(even)["norm (none → ln)"][1]
    assert growth.startswith("growth: nothing shown on average, but opposite things (x0.5")
    assert "with loss=se" in growth


def test_what_is_rounding_is_zero_on_the_page(table):
    assert [prose.figure(v, "+") for v in (8e-7, -0.25, 1.0)] == ["0", "-0.25", "+1"]
    assert "e-0" not in prose.inside(table, ["size_effect", "cos_prev"], EQUAL)


def test_an_average_over_opposite_signs_has_a_mark(table):
    effect = effect_of(table, "norm: none → ln", "growth", EQUAL)
    (told,) = mixed(table, effect, "growth", EQUAL)
    assert told.startswith("x0.") and told.endswith("with loss=se")
    row = next(r for r in prose.matrix(table, ["growth"], EQUAL).splitlines() if "norm:" in r)
    assert "* (mixed) (" in row
    same = made(GRID, end, lambda c: 8.0 if c["norm"] == "none" else 4.0 + 2 * (c["loss"] == "se"))
    assert "(mixed)" not in prose.matrix(same, ["growth"], "equal steps")


def test_a_sign_that_is_not_known_is_no_opposite_sign():
    noisy = made(GRID, lambda c: 2.0, lambda c: 4.0 if c["loss"] == "ce" and c["norm"] == "ln"
                 else 1.0)  # fmt: skip
    effect = effect_of(noisy, "norm: none → ln", "growth", "equal steps")
    assert not mixed(noisy, effect, "growth", "equal steps")


def test_only_interactions_that_could_be_computed_are_counted(table):
    told = depending(table, "growth", EQUAL)
    assert "norm: none → ln, by loss: ce → se" in told[0]
    assert told[1].startswith("  with loss=ce: norm: none → ln: x0.")
    assert told[2].startswith("  with loss=se: norm: none → ln: x")
    assert told[3:] == [
        "2 of 3 interactions cannot be computed, for want of cells with numbers",
    ]
    inside = prose.inside(table, ["growth", "cos_prev"], EQUAL)
    assert "- growth: norm: none → ln, by loss" in inside
    assert "- growth, cos prev: 2 of 3 interactions cannot be computed" in inside


def test_what_lies_between_an_untrained_model_and_the_first_evaluation_is_refused():
    """One cell passes the target before it is evaluated: no number at equal loss, and why."""
    fast = made({"a": (1, 2)}, lambda c: 2.0 if c["a"] == 1 else 2.6, lambda c: 2.0,
                middle=lambda c: 2.3 if c["a"] == 1 else 2.9)  # fmt: skip
    assert fast.target == pytest.approx(2.6, abs=0.01) and fast.early == {0: 20}
    assert np.isnan(fast.values("growth", EQUAL)[0]).all()
    assert np.isnan(fast.values("steps_to_loss")[0]).all()
    assert np.isfinite(fast.values("growth", EQUAL)[1]).all()
    assert "before they are first measured, at step 20: a=1" in opening.opening(fast)
    assert "before 20" in prose.cells(fast) and "never" not in prose.cells(fast)
    assert "Left out, having no number: a=1." in prose.inside(fast, ["growth"], EQUAL)


def test_a_run_that_was_measured_at_its_ends_only_is_not_said_to_never_get_there():
    ends = made({"a": (1, 2)}, lambda c: 1.9 + 0.1 * c["a"], lambda c: 2.0)
    for record in ends.records:
        for entry in record["seeds"]:
            del entry["history"][1]["val_loss"]
    assert ends.early == {0: 40, 1: 40} and "never" not in prose.cells(ends)


def test_cells_are_named_by_what_they_share(table):
    assert named(table.cells, table.idle) == "every cell with residual=false"
    assert named(table.cells, [0, *table.idle]).endswith("; norm=none residual=true loss=ce")
    assert named([{"a": 1}, {"a": 2}], [1]) == "a=2"


# --- pictures ------------------------------------------------------------------------------------


def test_panels_of_layers_stand_by_row_and_column(table):
    places, tops, sides = panels.arrangement(table.cells)
    assert places == [(r, c) for r in range(2) for c in range(4)]
    assert tops[:2] == ["residual=true\nloss=ce", "residual=true\nloss=se"] and not any(tops[4:])
    assert [side for side in sides if side] == ["norm=none", "norm=ln"]
    figure, _ = panels.layers(table)
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    marked = [any(t.get_text() == "did not learn" for t in ax.texts) for ax in figure.axes]
    assert marked == [m in table.idle for m in range(8)]


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_one_switch_of_any_size_has_a_panel_for_each_value(count):
    cells = [{"lr": 0.1 * n} for n in range(count)]
    places, tops, sides = panels.arrangement(cells)
    assert len(set(places)) == count and max(c for _, c in places) < panels.ACROSS
    assert all(tops) or count <= panels.ACROSS
    assert not any(sides)


def test_a_switch_says_which_cells_it_averages(table):
    figure, _ = panels.switches(table)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "8 of 8 cells"
    assert "4 of 8 cells, residual=true\nmixed: opposite effects averaged, see" in titles[3]
    assert titles[4] == ""  # residual: no pair of cells


def test_cells_mark_the_dead_and_swaps_have_a_logarithmic_axis(table):
    figure, _ = panels.cells(table)
    ticks = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert [t.endswith("(did not learn)") for t in ticks] == [m in table.idle for m in range(8)]
    spread = made(GRID, end, dispute)
    for record in spread.records:
        long = 1e-12 if record["settings"]["norm"] == "ln" else 1.0
        for entry in record["seeds"]:
            entry["history"][-1]["direction_swap"] = long
    figure, lines = panels.cells(spread)
    (ax,) = (a for a in figure.axes if a.get_xlabel().startswith("direction swap"))
    assert ax.get_xscale() == "log" and ax.get_xlim()[0] > panels.LEAST / 10
    assert any(line[1] == "direction_swap" and line[3] == "1e-12" for line in lines)


def test_no_word_or_axis_says_one_over_growth(table):
    text = table.markdown() + "".join(
        a.get_xlabel() + a.get_ylabel()
        for figure, _ in panels.figures(table).values()
        for a in figure.axes
    )
    assert "1/growth" not in text and "updates at right angles" in text.replace("\n", " ")
