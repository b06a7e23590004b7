"""Figures of an ablation with a panel for each cell: its states and first gradients, by layer."""

import math
import textwrap
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minitx.ablation.settings import Settings, levels, name_of
from minitx.plots import MAIN, SMALL, UNTRAINED, tidy

ACROSS = 4  # panels beside each other


class Place(NamedTuple):
    """Where a cell's panel stands, and what is written above it and to its left."""

    row: int
    column: int
    top: str
    side: str


def layers(table) -> tuple[Figure, list[list]]:
    """Draw a panel for each cell: the median norm of the state by layer, trained and untrained."""
    rows: list[list] = [["cell", "seed", "layer", "trained", "untrained", "cos_prev", "null_cos"]]
    fig = draw_cells(table, layers_panel, rows)
    fig.suptitle("How long the state is, layer by layer", fontweight="bold")
    fig.supylabel("median norm of the state", fontsize=10)
    key = "blue circles: trained, a line for each seed; grey crosses: untrained"
    fig.supxlabel(f"layer (0: the embedding)\n{key}", fontsize=9)
    return fig, rows


def gradients(table) -> tuple[Figure, list[list]]:
    """Draw a panel for each cell: the norm of each block's gradient at the first step."""
    rows: list[list] = [["cell", "seed", "layer", "gradient"]]
    fig = draw_cells(table, gradients_panel, rows)
    fig.suptitle("How large the first gradient is, block by block", fontweight="bold")
    fig.supylabel("norm of the gradient", fontsize=10)
    key = "a line for each seed, at the first step of training"
    fig.supxlabel(f"block\n{key}", fontsize=9)
    return fig, rows


def draw_cells(table, draw: Callable, rows: list[list]) -> Figure:
    """Call `draw(ax, table, m)` on a panel for each cell m, and add the numbers that it returns.

    All panels have the same axes, so that they can be compared.
    """
    places = arrange(table.cells)
    down = 1 + max(place.row for place in places)
    across = 1 + max(place.column for place in places)
    size = (2.3 * across + 1.6, 1.55 * down + 1.5)
    fig = Figure(figsize=size, dpi=130, layout="constrained")
    axes = fig.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for m, place in enumerate(places):
        ax = axes[place.row, place.column]
        ax.set_axis_on()
        rows += draw(ax, table, m)
        ax.set_yscale("log")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if m in table.not_learned:
            ax.text(0.03, 0.05, "did not learn", fontsize=SMALL, color="0.3",
                    transform=ax.transAxes)  # fmt: skip
        ax.set_title(place.top, fontsize=SMALL + 1)
        if place.side:
            ax.set_ylabel(place.side, fontsize=SMALL + 1, rotation=0, ha="right", va="center")
        tidy(ax)
        ax.tick_params(labelsize=SMALL, which="both")
    return fig


def layers_panel(ax: Axes, table, m: int) -> list[list]:
    """Draw the norms of one cell by layer; return the numbers."""
    learned = m not in table.not_learned
    trained_style = {**MAIN, "linewidth": 0.9, "markersize": 3, "alpha": 1 if learned else 0.35}
    untrained_style = {**UNTRAINED, "linewidth": 0.8, "markersize": 3}
    rows: list[list] = []
    for entry in table.entries(m):
        first = entry["history"][0]
        last = entry["history"][-1]
        columns = [
            last["norm_median_by_layer"], first["norm_median_by_layer"],
            last["cos_prev_by_layer"], last["null_cos_by_layer"],
        ]  # fmt: skip
        ax.plot(positive(first["norm_median_by_layer"]), **untrained_style)
        if not entry["failure"]:
            ax.plot(positive(last["norm_median_by_layer"]), **trained_style)
        for layer, numbers in enumerate(zip(*columns, strict=True)):
            rows.append([name_of(table.cells[m]), entry["seed"], layer, *numbers])
    return rows


def gradients_panel(ax: Axes, table, m: int) -> list[list]:
    """Draw the first gradient of one cell by block; return the numbers, the embedding's first."""
    rows: list[list] = []
    style = {**MAIN, "linewidth": 0.9, "markersize": 3}
    for entry in table.entries(m):
        blocks = positive(entry["gradient_by_layer"][1:])
        ax.plot(np.arange(1, 1 + len(blocks)), blocks, **style)
        for layer, gradient in enumerate(entry["gradient_by_layer"]):
            rows.append([name_of(table.cells[m]), entry["seed"], layer, gradient])
    return rows


def arrange(cells: list[Settings]) -> list[Place]:
    """Return the place of each cell's panel.

    The last switches go across, as many as fit into ACROSS columns, and the others down. If the
    last switch alone does not fit, or a combination is missing, panels follow each other by name.
    """
    across: list[str] = []
    columns = 1
    for switch, values in reversed(levels(cells).items()):
        if columns * len(values) > ACROSS:
            break
        columns *= len(values)
        across.append(switch)
    if not across or len(cells) < math.prod(map(len, levels(cells).values())):
        return [
            Place(m // ACROSS, m % ACROSS, textwrap.fill(name_of(cell), 30), "")
            for m, cell in enumerate(cells)
        ]
    row_of: dict[str, int] = {}
    column_of: dict[str, int] = {}
    places = []
    for cell in cells:
        top = "\n".join(name_of({n: v}) for n, v in cell.items() if n in across)
        side = "\n".join(name_of({n: v}) for n, v in cell.items() if n not in across)
        row = row_of.setdefault(side, len(row_of))
        column = column_of.setdefault(top, len(column_of))
        places.append(Place(row, column, "" if row else top, "" if column else side))
    return places


def positive(values: list) -> np.ndarray:
    """Return the values with NaN for those that a logarithmic axis cannot show."""
    values_L = np.array(values, float)
    values_L[values_L <= 0] = math.nan
    return values_L
