"""A figure of a lesson as data: the drawing, its numbers, and where a reader's number would lie."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minitx import plots, tables
from minitx.classroom.awaited import Awaited
from minitx.classroom.figures import Picture

HEADING = ("panel", "series", "x", "mean", "low", "high")


def as_data(picture: Picture) -> dict[str, Any]:
    """Return a picture as plain JSON.

    `svg` is the drawing, `panels` the title and labels of each panel, `rows` its numbers (panel,
    series, x, mean, lowest and highest seed), `csv` the same as a file, and `guesses` say where in
    the drawing a prediction belongs.
    """
    svg = plots.svg(picture.figure)  # this lays out the panels, so it comes first
    return {
        "name": picture.name,
        "title": picture.figure.get_suptitle(),
        "svg": svg,
        "panels": [panel_in_words(axes) for axes in picture.axes],
        "rows": [[_number(cell) for cell in row] for row in picture.rows],
        "csv": tables.to_csv([HEADING, *picture.rows]),
        "guesses": [guess(picture.figure, *awaited) for awaited in picture.awaited],
    }


def panel_in_words(axes: Axes) -> dict[str, str]:
    """Return the title of a panel and what its axes show."""
    return {"title": axes.get_title("left"), "x": axes.get_xlabel(), "y": axes.get_ylabel()}


def guess(
    figure: Figure, axes: Axes, axis: str, at: float | None, value: Awaited
) -> dict[str, Any]:
    """Return where a prediction belongs: the ends of its axis, as shares of width and height.

    The prediction times `scale`, plus `shift`, is the number on the axis. Shares count from the
    upper left corner. `from` is the point of the axis's lower limit, `to` that of its upper one; a
    line across the panel has the `length` of the other side.
    """
    box = axes.get_position()
    side = axes.yaxis if axis == "y" else axes.xaxis
    low, high = (float(limit) for limit in side.get_view_interval())
    found = {
        "id": value.id, "axis": axis, "scale": value.scale, "shift": value.shift,
        "low": low, "high": high, "is_log": side.get_scale() == "log",
        "left": box.x0, "right": box.x1, "top": 1 - box.y1, "bottom": 1 - box.y0,
    }  # fmt: skip
    if at is not None:
        place = figure.transFigure.inverted().transform(axes.transData.transform((at, low)))
        found["at"] = float(place[0])
    return {name: round(v, 5) if isinstance(v, float) else v for name, v in found.items()}


def _number(cell: Any) -> Any:
    """Return a cell of the numbers without numpy's types; None for a number that is not finite."""
    if isinstance(cell, (float, np.floating)):
        return float(cell) if np.isfinite(cell) else None
    return cell.item() if isinstance(cell, np.generic) else cell
