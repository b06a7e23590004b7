"""The page of an ablation, of made-up cells, so that the truth is known."""

import pytest
from made_up import GRID, disputed, make_table, opposite

from minitx.ablation import page, wording
from minitx.ablation.measures import EQUAL


@pytest.fixture(scope="module")
def table():
    return disputed()


def rows_of(text: str, start: str) -> list[list[str]]:
    """The rows of all tables of a page whose first cell is `start`."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines() if line.startswith("|")]  # fmt: skip
    return [row for row in rows if row[0] == start]


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_the_short_page_fits_a_screen_and_a_half(table):
    lines = table.summary().splitlines()
    assert len(lines) <= 75 and max(map(len, lines)) <= 115
    large = make_table(
        {"norm": ("a", "b", "c"), **{n: (True, False) for n in ("tied", "residual", "loss")}},
        lambda s: 2.0, opposite_of_many,
    )  # fmt: skip
    assert len(large.summary().splitlines()) <= 90  # 24 of them are the cells'


def opposite_of_many(settings) -> float:
    return 2.0 ** (
        settings["tied"] * settings["residual"] + settings["loss"] * (settings["norm"] == "b")
    )


def test_the_page_says_what_ran(table):
    text = unwrapped(wording.what_ran(table))
    for part in (
        "8 cells, 5 seeds each", "width 8, depth 2, context 16, 1,234 parameters",
        "fables, 100 tokens", "40 steps of 4 sequences", "learning rate best of 0.1, 0.3, 1",
        "a val loss of 3.000",
    ):  # fmt: skip
        assert part in text, part


def test_the_page_has_an_effect_for_each_change_with_star_interval_and_mark(table):
    text = table.summary()
    (residual,) = [r for r in rows_of(text, "val loss") if r[1] == "residual: true → false"]
    assert residual[2] == "+1.01*" and residual[3].startswith("+1.01 to ")
    (growth,) = rows_of(text, "growth")[:1]
    assert growth[1] == "norm: none → ln" and growth[4] == "(mixed), without 4 cells"
    assert growth[2].startswith("x2") and growth[2].endswith("*")
    assert rows_of(text, "val loss (learned)")
    assert not [r for r in rows_of(text, "growth") if "residual" in r[1]]  # it has no number


def test_the_page_begins_with_what_cannot_be_answered(table):
    (message,) = wording.unanswered(table)
    assert message == (
        "what residual: true → false does inside: no two cells that differ only in it both learned "
        "in 40 steps"
    )
    text = unwrapped(table.summary())
    assert text.index("every cell with residual=false") < text.index(message)
    assert text.index(message) < text.index("## Cells")
    nothing = make_table(GRID, lambda s: 3.2, opposite)
    assert wording.unanswered(nothing) == [
        "what any switch does inside: no cell learned in 40 steps"
    ]
    nothing.markdown()


def test_a_cell_that_is_too_fast_is_named():
    fast = make_table(
        {"a": (1, 2)},
        lambda s: 2.0 if s["a"] == 1 else 2.6,
        lambda s: 2.0,
        middle_loss=lambda s: 2.3 if s["a"] == 1 else 2.9,
    )
    text = fast.summary()
    assert "about a=1: the loss passed" in unwrapped(text)
    assert rows_of(text, "a=1")[0][-1] == "before 20" and "never" not in text


def test_a_run_that_was_measured_at_its_ends_only_is_not_said_to_never_get_there():
    ends = make_table({"a": (1, 2)}, lambda s: 1.9 + 0.1 * s["a"], lambda s: 2.0)
    for record in ends.records:
        for entry in record["seeds"]:
            del entry["history"][1]["val_loss"]
    assert ends.early == {0: 40, 1: 40} and "never" not in page.cells_table(ends)


def test_interactions_that_are_shown_are_listed_with_their_parts(table):
    summary, listed = page.interactions(table, [page.View("growth", EQUAL)], limit=None)
    text = unwrapped(listed)
    assert summary == (
        "Interactions: 1 of 1 shown. 2 more cannot be computed, because cells lack a number."
    )
    assert text.startswith("- growth: norm: none → ln, by loss: ce → se: x15.8*")
    assert text.endswith("x0.503 with loss=ce, x7.94 with loss=se")


def test_an_interaction_of_one_change_is_not_told_of_another():
    """The text of one change, depth: 1 → 2, is the beginning of another's, depth: 1 → 24."""
    table = make_table(
        {"depth": (1, 2, 24), "norm": ("none", "ln")},
        lambda s: 2.0,
        lambda s: 40.0 if s == {"depth": 24, "norm": "ln"} else 2.0,
    )
    _, listed = page.interactions(table, [page.View("growth", EQUAL)], limit=None)
    lines = unwrapped(listed).split("- growth: ")[1:]
    assert [line.split(": x")[0] for line in lines] == [
        "depth: 1 → 24, by norm: none → ln",
        "depth: 2 → 24, by norm: none → ln",
    ]


def test_the_first_interactions_are_listed_and_the_others_counted(table):
    views = [page.View("growth", EQUAL)] * 3
    assert "2 more are in the full tables" in page.interactions(table, views, limit=1)[1]
    assert "more are in" not in page.interactions(table, views, limit=3)[1]


def test_a_learning_rate_at_an_end_of_its_set_has_a_mark():
    table = make_table(GRID, lambda s: 2.0, opposite)
    table.records[0]["train"]["lr"] = 1.0
    text = page.cells_table(table)
    assert text.count("(edge)") == 1 and rows_of(text, "norm=none residual=true loss=ce")[0][1] == (
        "1 (edge)"
    )


def test_the_same_numbers_in_every_seed_are_said_to_be_identical():
    table = make_table({"a": (1, 2)}, lambda s: 2.0, lambda s: 2.0)
    table.records[1]["seeds"] = table.records[0]["seeds"]
    rows = rows_of(table.summary(), "val loss") + rows_of(table.summary(), "growth")
    assert [row[4] for row in rows] == ["identical in every seed"] * 2
    assert "*" not in "".join(row[2] for row in rows)


def test_one_seed_has_no_intervals_and_says_so():
    table = make_table({"a": (1, 2)}, lambda s: 1.9 + 0.1 * s["a"], lambda s: 2.0 * s["a"])
    for record in table.records:
        del record["seeds"][1:]
    text = table.markdown()
    assert "With one seed there are no intervals" in text
    for row in rows_of(text, "val loss") + rows_of(text, "growth"):
        assert row[3:] == ["", "one seed"] and "*" not in row[2]


def test_the_full_page_has_every_measure_and_what_it_is(table):
    text = table.markdown()
    assert text.startswith(table.summary())
    (row,) = rows_of(text, "norm=none residual=false loss=ce (did not learn)")
    assert len(row) == len(table.measures())
    for name in table.measures():
        assert f"- {name.replace('_', ' ')}: " in text, name
    assert "e-0" not in "".join(r[2] for r in rows_of(text, "size effect"))
