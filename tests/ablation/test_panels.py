"""The figures of an ablation, of made-up cells, so that the truth is known."""

import pytest
from made_up import GRID, disputed, make_table, only_with_residual, opposite

from minitx.ablation import layer_panels, panels


@pytest.fixture(scope="module")
def table():
    return disputed()


def test_panels_of_layers_stand_by_row_and_column(table):
    places = layer_panels.arrange(table.cells)
    assert [(p.row, p.column) for p in places] == [(r, c) for r in range(2) for c in range(4)]
    tops = [p.top for p in places]
    assert tops[:2] == ["residual=true\nloss=ce", "residual=true\nloss=se"] and not any(tops[4:])
    assert [p.side for p in places if p.side] == ["norm=none", "norm=ln"]
    figure, rows = panels.layers(table)
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    marked = [any(t.get_text() == "did not learn" for t in ax.texts) for ax in figure.axes]
    assert marked == [m in table.not_learned for m in range(8)]
    assert len(rows) == 1 + 8 * 5 * 2


def test_gradients_are_drawn_from_the_first_block_on_and_listed_from_the_embedding_on(table):
    figure, rows = panels.gradients(table)
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    (line, *_) = figure.axes[0].lines
    assert list(line.get_xdata()) == [1, 2] and list(line.get_ydata()) == [2.0, 3.0]
    assert [row[2:] for row in rows[1:4]] == [[0, 1.0], [1, 2.0], [2, 3.0]]
    assert len(rows) == 1 + 8 * 5 * 3


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_one_switch_of_any_size_has_a_panel_for_each_value(count):
    places = layer_panels.arrange([{"lr": 0.1 * n} for n in range(count)])
    assert len({(p.row, p.column) for p in places}) == count
    assert max(p.column for p in places) < layer_panels.ACROSS
    assert all(p.top for p in places) and not any(p.side for p in places)


def test_a_switch_says_which_cells_it_averages(table):
    figure, rows = panels.switches(table)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "8 of 8 cells"
    assert "4 of 8 cells, residual=true\nmixed: opposite effects averaged, see" in titles[3]
    assert titles[4] == ""  # residual: no pair of cells
    mean = [row[4] for row in rows if row[:3] == ["val_loss", "residual", "true"]]
    assert mean == pytest.approx(table.values("val_loss")[[0, 1, 4, 5]].mean(axis=0))


def test_cells_mark_those_that_did_not_learn_and_swaps_have_a_logarithmic_axis(table):
    figure, rows = panels.cells(table)
    ticks = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert [t.endswith("(did not learn)") for t in ticks] == [
        m in table.not_learned for m in range(8)
    ]
    losses = [row[3] for row in rows if row[1] == "val_loss"]
    assert losses == pytest.approx(table.values("val_loss").ravel())
    spread = make_table(GRID, only_with_residual, opposite)
    for record in spread.records:
        moved = 1e-12 if record["settings"]["norm"] == "ln" else 1.0
        for entry in record["seeds"]:
            entry["history"][-1]["direction_swap"] = moved
    figure, rows = panels.cells(spread)
    (ax,) = (a for a in figure.axes if a.get_xlabel().startswith("direction swap"))
    assert ax.get_xscale() == "log" and ax.get_xlim()[0] > panels.LEAST / 10
    assert "or less" in ax.get_xlabel()
    assert any(row[1] == "direction_swap" and row[3] == 1e-12 for row in rows)


def test_every_dashed_line_is_named(table):
    labels = "".join(
        ax.get_xlabel() + ax.get_ylabel()
        for figure, _ in panels.figures(table).values()
        for ax in figure.axes
    )
    assert "updates at right angles" in labels and "before training" in labels
    assert "1/growth" not in labels
