"""Figures of an ablation: a table in, matplotlib figures out, each with the rows of its CSV.

Every seed is a circle beside the mean of the seeds and its interval; baselines are dashed lines.
"""

import math
import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minitx.ablation.dependence import claims_of
from minitx.ablation.effects import estimate_level
from minitx.ablation.layer_panels import gradients, layers
from minitx.ablation.measures import END, EQUAL, MEASURES
from minitx.ablation.number_panels import numbers
from minitx.ablation.settings import levels, name_of, show
from minitx.ablation.verdict_panels import verdicts
from minitx.plots import MAIN, NULL, SMALL, tidy

DRAWN = ("growth", "cos_prev", "size_effect", "direction_swap", "length_swap")
BASELINES = {
    "growth": "before training",
    "cos_prev": "updates at right angles",
    "size_effect": "no effect",
}
LEAST = 1e-6  # smaller divergences after a swap are rounding; they are drawn here
SWAPS = ("direction_swap", "length_swap")
LOG_FROM = 30  # an axis is logarithmic if the largest value is this many times the smallest

SEED = {"marker": "o", "markersize": 3.5, "linestyle": "none", "mfc": "white"}
SEED |= {"color": MAIN["color"]}
MEAN = {"fmt": "D", "color": "black", "markersize": 3.5, "capsize": 2.5, "linewidth": 1.2}
DASH = {"color": NULL["color"], "linestyle": "--", "linewidth": 1.1, "marker": ""}
GREY = "0.4"

Rows = list[list[Any]]  # of a CSV file, the heading first


def figures(table) -> dict[str, tuple[Figure, Rows]]:
    """Return all figures of a table by name, each with the rows of its CSV."""
    drawn_figures = {
        "switches": switches(table),
        "cells": cells(table),
        "layers": layers(table),
        "gradients": gradients(table),
    }
    if claims_of(table):
        drawn_figures |= {"verdicts": verdicts(table), "numbers": numbers(table)}
    return drawn_figures


# --- what each switch does -----------------------------------------------------------------------


def switches(table) -> tuple[Figure, Rows]:
    """Draw measures down and switches across: the value of a measure at each value of a switch.

    A circle is one seed, averaged over the cells with this value; a line joins the same seed. The
    loss is that after equal steps; what happens inside is read at equal loss. A cell without a
    number is left out, together with the cells that differ from it in this switch alone.
    """
    names = drawn(table)
    switch_names = list(table.cells[0])
    width = max(6.4, 2.6 * len(switch_names) + 1)
    fig = Figure(figsize=(width, 1.9 * len(names) + 1.1), dpi=130, layout="constrained")
    axes = fig.subplots(len(names), len(switch_names), sharey="row", sharex="col", squeeze=False)
    rows: Rows = [["measure", "switch", "value", "seed", "mean_over_cells", "baseline"]]
    for row_axes, name in zip(axes, names, strict=True):
        at = END if name == table.yardstick or table.target is None else EQUAL
        for ax, switch in zip(row_axes, switch_names, strict=True):
            rows += switch_panel(ax, table, switch, name, at)
            tidy(ax)
            ax.tick_params(labelsize=SMALL)
        lines = [line for ax in row_axes for line in ax.lines]
        if spans_far([line.get_ydata() for line in lines]):
            row_axes[0].set_yscale("log")
        elif not MEASURES[name].ratio:
            widen(row_axes[0], 20 * MEASURES[name].negligible)
        row_axes[0].set_ylabel(axis_label(table, name, at), fontsize=SMALL)
    for ax, switch in zip(axes[-1], switch_names, strict=True):
        ax.set_xlabel(switch, fontweight="bold")
    fig.suptitle("What each switch does, averaged over the others", fontweight="bold")
    only = "\nBelow the loss: only cells in which every seed learned." if table.not_learned else ""
    fig.supxlabel(note(table) + only, fontsize=SMALL, color="0.35")
    return fig, rows


def switch_panel(ax: Axes, table, switch: str, name: str, at: str) -> Rows:
    """Draw one measure at every value of one switch; return the numbers."""
    ratio = MEASURES[name].ratio
    values_ME = table.learned_values(name, at)
    baseline_ME = baseline_of(table, name, at)
    values = levels(table.cells)[switch]
    groups = complete_groups(table, switch, values_ME)
    shifts = np.linspace(-0.12, 0.12, len(table.seeds)) if len(table.seeds) > 1 else [0.0]
    means = np.full((len(values), len(table.seeds)), math.nan)
    rows: Rows = []
    for k, value in enumerate(values):
        members = [group[k] for group in groups]
        baseline = mean_of(baseline_ME[members], ratio)
        ax.plot([k - 0.35, k + 0.35], [baseline, baseline], **DASH)
        for e, seed in enumerate(table.seeds):
            means[k, e] = mean_of(values_ME[members, e], ratio)
            rows.append([name, switch, show(value), seed, number(means[k, e]), number(baseline)])
        draw_mean(ax, k + 0.24, means[k], ratio)
    for e, shift in enumerate(shifts):
        ax.plot(np.arange(len(values)) + shift, means[:, e], color="0.75", lw=0.7)
        ax.plot(np.arange(len(values)) + shift, means[:, e], **SEED)
    if not groups:
        say_in(ax, "no pair of cells\nhas a number")
    ax.set_title(averaged_over(table, switch, groups, name, at), fontsize=SMALL - 1, loc="left",
                 color="0.35")  # fmt: skip
    ax.set_xticks(range(len(values)), map(show, values), fontsize=SMALL)
    ax.set_xlim(-0.5, len(values) - 0.5)
    return rows


def complete_groups(table, switch: str, values_ME) -> list[list[int]]:
    """Return the groups of cells that differ in one switch alone and that all have numbers.

    The cells of a group are in the order of the switch's values.
    """
    groups: dict[tuple, list[int]] = {}
    for value in levels(table.cells)[switch]:
        for m, cell in enumerate(table.cells):
            if show(cell[switch]) == show(value):
                others = tuple(show(v) for name, v in cell.items() if name != switch)
                groups.setdefault(others, []).append(m)
    count = len(levels(table.cells)[switch])
    return [g for g in groups.values() if len(g) == count and np.isfinite(values_ME[g]).all()]


def averaged_over(table, switch: str, groups: list[list[int]], name: str, at: str) -> str:
    """Return over which cells a panel averages, and whether opposite effects are averaged."""
    used = [table.cells[m] for group in groups for m in group]
    if not used:
        return ""
    cells_used = f"{len(used)} of {len(table.cells)} cells"
    for other, values in levels(table.cells).items():
        values_used = levels(used)[other]
        if other != switch and len(values_used) < len(values):
            cells_used += f", {other}={' or '.join(map(show, values_used))}"
    lines = [cells_used]
    for effect in table.effects(name, at):
        if effect.change.switch == switch and table.opposed(effect, name, at):
            lines.append("mixed: opposite effects averaged, see table.md")
            break
    return "\n".join(textwrap.fill(line, 44) for line in lines)


# --- every cell ----------------------------------------------------------------------------------


def cells(table) -> tuple[Figure, Rows]:
    """Draw cells down and measures across: every seed a circle."""
    names = drawn(table)
    count = len(table.cells)
    fig = Figure(figsize=(2.5 * len(names) + 2.5, 0.3 * count + 1.9), dpi=130, layout="constrained")
    axes = fig.subplots(1, len(names), sharey=True, squeeze=False)[0]
    rows: Rows = [["cell", "measure", "seed", "value", "baseline"]]
    for ax, name in zip(axes, names, strict=True):
        for m in range(count):
            rows += cell_row(ax, table, m, name)
        label = axis_label(table, name, END)
        if spans_far([line.get_xdata() for line in ax.lines]):
            ax.set_xscale("log")
            if name in SWAPS:
                label += "\n(at the left edge: $10^{-6}$ or less)"
        ax.set_xlabel(label, fontsize=SMALL)
        tidy(ax, "both")
        ax.tick_params(labelsize=SMALL)
    labels = []
    for m, cell in enumerate(table.cells):
        labels.append(name_of(cell) + (" (did not learn)" if m in table.not_learned else ""))
    axes[0].set_yticks(range(count), labels, fontsize=SMALL)
    for m in table.not_learned:
        axes[0].get_yticklabels()[m].set_color("0.5")
    axes[0].set_ylim(count - 0.5, -0.5)
    fig.suptitle("Every cell, every seed, after equal steps", fontweight="bold")
    grey = " Grey: cells in which not every seed learned." if table.not_learned else ""
    fig.supxlabel(note(table) + grey, fontsize=SMALL, color="0.35")
    return fig, rows


def cell_row(ax: Axes, table, m: int, name: str) -> Rows:
    """Draw one measure of one cell; return the numbers."""
    values_E = table.values(name)[m]
    baseline_E = baseline_of(table, name, END)[m]
    shown_E = np.maximum(values_E, LEAST) if name in SWAPS else values_E
    learned = m not in table.not_learned
    style = SEED if learned else {**SEED, "color": "0.6"}
    ax.plot(shown_E, np.full(len(table.seeds), m - 0.12), **style)
    if learned or not MEASURES[name].inside:
        draw_mean(ax, m + 0.2, shown_E, MEASURES[name].ratio, across=True)
    baseline = mean_of(baseline_E, MEASURES[name].ratio)
    ax.plot([baseline, baseline], [m - 0.4, m + 0.4], **DASH)
    if not np.isfinite(values_E).any():
        say_in(ax, "no number", m)
    return [
        [name_of(table.cells[m]), name, seed, number(value), number(baseline)]
        for seed, value, baseline in zip(table.seeds, values_E, baseline_E, strict=True)
    ]


# --- shared --------------------------------------------------------------------------------------


def drawn(table) -> list[str]:
    """Return the measures that figures show: the loss, then those of DRAWN that the table has."""
    available = table.measures()
    return [table.yardstick, *(name for name in DRAWN if name in available)]


def baseline_of(table, name: str, at: str) -> np.ndarray:
    """Return what a measure would be without the effect in question, (M, E); NaN if unknown."""
    if name == "growth":
        return table.values("growth", at) / table.values("trained_growth", at)
    if name == "cos_prev":
        return table.values("cos_prev", at) - table.values("cos_excess", at)
    constant = {"size_effect": 0.0, table.yardstick: table.baseline_loss}.get(name, math.nan)
    return np.full((len(table.cells), len(table.seeds)), constant)


def mean_of(values, ratio: bool) -> float:
    """Return the mean of the values that are numbers, geometric for ratios; NaN for none."""
    mean = estimate_level(np.ravel(values), ratio)
    return math.nan if mean is None else mean.mean


def draw_mean(ax: Axes, place: float, values_E, ratio: bool, across: bool = False) -> None:
    """Draw the mean over seeds and its interval, if there are at least two seeds."""
    e = estimate_level(values_E, ratio)
    if e is None or e.low is None:
        return
    error = [[e.mean - e.low], [e.high - e.mean]]
    if across:
        ax.errorbar([e.mean], [place], xerr=error, **MEAN)
    else:
        ax.errorbar([place], [e.mean], yerr=error, **MEAN)


def spans_far(curves: list) -> bool:
    """Return whether positive values span so far that their axis should be logarithmic."""
    values = np.concatenate([np.ravel(curve).astype(float) for curve in curves])
    values = values[np.isfinite(values)]
    return bool(values.size) and 0 < values.min() * LOG_FROM < values.max()


def widen(ax: Axes, least: float) -> None:
    """Widen the y axis to at least this range, so that negligible differences look negligible."""
    low, high = ax.get_ylim()
    if high - low < least:
        middle = (low + high) / 2
        ax.set_ylim(middle - least / 2, middle + least / 2)


def axis_label(table, name: str, at: str) -> str:
    """Return a measure's name, the moment if it is not the end, and what its dashed line is."""
    label = name.replace("_", " ")
    if at != END:
        label += f"\nat a loss of {table.target:.3f}"
    if name == table.yardstick:
        return f"{label}\n(dashed: baseline, {table.baseline_loss:.3f})"
    return f"{label}\n(dashed: {BASELINES[name]})" if name in BASELINES else label


def note(table) -> str:
    seeds = len(table.seeds)
    spread = f"black: mean and 95 % t interval over {seeds} seeds" if seeds > 1 else "one seed"
    rates = " Nearly tied learning rates are not drawn." if table.rates > 1 else ""
    return f"Circles: one seed each; {spread}; dashed: the baseline that the axis names.{rates}"


def say_in(ax: Axes, text: str, y: float | None = None) -> None:
    """Write into the middle of a panel, or of its row y."""
    transform = ax.transAxes if y is None else ax.get_yaxis_transform()
    ax.text(0.5, 0.5 if y is None else y, text, transform=transform, fontsize=SMALL, color=GREY,
            ha="center", va="center")  # fmt: skip


def number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
