"""The figure of `minitx bench --growth`: time and memory over each axis, and the operations."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from minitx import plots

COLUMNS = ("sizes", "seconds", "bytes", "operations")


def save(found: dict[str, Any], path: Path) -> None:
    """Write what `growth.growth` returned as a figure, and as CSV beside it: one row a size."""
    rows: list[list] = [["axis", "size", "seconds", "bytes", "operations"]]
    for axis, measured in found["axes"].items():
        for values in zip(*(measured[name] for name in COLUMNS), strict=True):
            rows.append([axis, *values])
    plots.save(figure(found), path, rows=rows)


def figure(found: dict[str, Any]) -> Figure:
    """Return a column of two panels for each axis: milliseconds above, MiB below."""
    axes = found["axes"]
    fig = Figure(figsize=(3.1 * len(axes), 6.2), dpi=100, layout="constrained")
    fig.suptitle("A training step over size", fontsize=14, fontweight="bold")
    panels = fig.subplots(2, len(axes), squeeze=False)
    for column, (axis, measured) in enumerate(axes.items()):
        milliseconds = [1e3 * seconds for seconds in measured["seconds"]]
        mebibytes = [size / 2**20 for size in measured["bytes"]]
        exponents = measured["exponents"]
        above, below = panels[:, column]
        panel(above, axis, measured, milliseconds, "time", exponents["seconds"]["median"])
        panel(below, axis, measured, mebibytes, "memory", exponents["bytes"])
    panels[0, 0].set_ylabel("ms a step")
    panels[1, 0].set_ylabel("MiB")
    base = found["base"]
    fig.supxlabel(
        f"One axis at a time is changed in a model of width {base['width']}, depth "
        f"{base['depth']}, context {base['context']}, vocabulary {base['vocab']}, batch "
        f"{base['batch']}. Both scales are logarithmic. The dashed line grows as the\noperations "
        "do, and ends where the measured one does: where time grows faster than the operations, "
        "the measured line is below it at small sizes.",
        fontsize=plots.SMALL,
        color="0.35",
    )
    return fig


def panel(
    ax: Axes, axis: str, measured: dict[str, Any], values: list[float], name: str, exponent: float
) -> None:
    """Draw measured values over the sizes of an axis, and the operations scaled to the last one."""
    sizes = measured["sizes"]
    operations = measured["operations"]
    scaled = [values[-1] * count / operations[-1] for count in operations]
    counted = measured["exponents"]["operations"]
    ax.plot(sizes, values, label=f"{name} ~ size^{exponent:.2f}", **plots.MAIN)
    ax.plot(sizes, scaled, label=f"operations ~ size^{counted:.2f}", **plots.NULL)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(axis)
    ax.legend(fontsize=plots.SMALL, frameon=False)
