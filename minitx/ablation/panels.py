"""Pictures of an ablation: a table in, matplotlib Figures out, each with the numbers that it shows.

Every seed is a dot, beside the mean of the seeds and its interval; nulls are dashed. Colours,
markers and lines are those of plots.py, so that they can be told apart by everybody and in grey.
"""

import itertools
import math
import textwrap

import numpy as np
from matplotlib.figure import Figure

from minitx.ablation.effects import estimate, levels
from minitx.ablation.grid import name_of, show
from minitx.ablation.moments import END, EQUAL, MEASURES, OUTSIDE
from minitx.ablation.sentences import mixed
from minitx.plots import MAIN, NULL, SMALL, UNTRAINED

NULLS = {
    "growth": "before training",
    "cos_prev": "null:\nupdates at right angles",
    "size_effect": "none",
}
PANELS = ("growth", "cos_prev", "size_effect", "direction_swap", "length_swap")
SWAPS = ("direction_swap", "length_swap")
LEAST = 1e-6  # of a swap: below it the divergence of two predictions is rounding
ACROSS = 4  # panels beside each other
LOG_FROM = 30  # an axis is logarithmic when the largest is this many times the smallest
DOT = {"marker": "o", "markersize": 3.5, "linestyle": "none", "mfc": "white"}
DOT |= {"color": MAIN["color"]}
BAR = {"fmt": "D", "color": "black", "markersize": 3.5, "capsize": 2.5, "linewidth": 1.2}


def figures(table) -> dict[str, tuple[Figure, list[list]]]:
    """All pictures of a table by name, each with the lines of its CSV."""
    return {"switches": switches(table), "cells": cells(table), "layers": layers(table)}


def null_of(table, name: str, at: str) -> np.ndarray | None:
    """What a measure would be if nothing were there, for each cell and seed: (M, E)."""
    shape = len(table.cells), len(table.seeds)
    if name == "growth":
        return table.values("growth", at) / table.values("trained_growth", at)
    if name == "cos_prev":
        return table.values("cos_prev", at) - table.values("cos_excess", at)
    if name == "size_effect":
        return np.zeros(shape)
    return np.full(shape, table.ignorant) if name == table.yardstick else None


def switches(table) -> tuple[Figure, list[list]]:
    """Measures down, switches across: what each value of a switch comes to, seed by seed.

    Each dot is one seed, averaged over the cells with this value; lines join the same seed. Losses
    are those after equal steps; what is measured inside is taken at equal loss, so that models that
    do not work have no part in it. Cells without a number are left out, and with them their
    partners at the switch's other values.
    """
    names = [table.yardstick, *(n for n in PANELS if n in table.measures())]
    switch_names = list(table.cells[0])
    width = max(6.4, 2.6 * len(switch_names) + 1)
    fig = Figure(figsize=(width, 1.9 * len(names) + 1.1), dpi=130, layout="constrained")
    axes = fig.subplots(len(names), len(switch_names), sharey="row", sharex="col", squeeze=False)
    lines = [["measure", "switch", "value", "seed", "mean_over_cells", "null"]]
    for row, name in zip(axes, names, strict=True):
        at = END if name == table.yardstick or table.target is None else EQUAL
        values_ME, null_ME = table.learned_values(name, at), null_of(table, name, at)
        for ax, switch in zip(row, switch_names, strict=True):
            steps = list({show(cell[switch]): None for cell in table.cells})
            groups = whole_groups(table, switch, values_ME)
            per_level = [
                [average(values_ME[[g[k] for g in groups], e], MEASURES[name].ratio)
                 for e in range(len(table.seeds))]
                for k in range(len(steps))
            ] if groups else [[math.nan] * len(table.seeds)] * len(steps)  # fmt: skip
            y_KE = np.array(per_level, float)
            shift = np.linspace(-0.12, 0.12, len(table.seeds)) if len(table.seeds) > 1 else [0]
            for e in range(len(table.seeds)):
                ax.plot(np.arange(len(steps)) + shift[e], y_KE[:, e], color="0.75", lw=0.7)
                ax.plot(np.arange(len(steps)) + shift[e], y_KE[:, e], **DOT)
            for k, level in enumerate(steps):
                interval(ax, k + 0.24, y_KE[k], MEASURES[name].ratio)
                null = math.nan
                if null_ME is not None and groups:
                    rows = [g[k] for g in groups]
                    null = average(null_ME[rows].ravel(), MEASURES[name].ratio)
                    ax.plot([k - 0.35, k + 0.35], [null, null], **(DASH))
                for seed, value in zip(table.seeds, y_KE[k], strict=True):
                    lines.append([name, switch, level, seed, *map(plain, (value, null))])
            if not groups:
                ax.text(0.5, 0.5, "no pair of cells\nhas a number", fontsize=SMALL, color="0.4",
                        ha="center", va="center", transform=ax.transAxes)  # fmt: skip
            ax.set_title(averaged(table, switch, groups, name, at), fontsize=SMALL - 1, loc="left",
                         color="0.35")  # fmt: skip
            ax.set_xticks(range(len(steps)), steps, fontsize=SMALL)
            ax.set_xlim(-0.5, len(steps) - 0.5)
            tidy(ax)
        scale(row, row[0])
        low, high = row[0].get_ylim()
        small = 20 * MEASURES[name].least - (high - low)
        if not MEASURES[name].ratio and row[0].get_yscale() == "linear" and small > 0:
            # What is too small to tell shall look so.
            row[0].set_ylim(low - small / 2, high + small / 2)
        row[0].set_ylabel(words(table, name, at), fontsize=SMALL)
    for ax, switch in zip(axes[-1], switch_names, strict=True):
        ax.set_xlabel(switch, fontweight="bold")
    fig.suptitle("What each switch does, averaged over the others", fontweight="bold")
    only = "\nBelow the loss: only cells of which every seed learned." if table.idle else ""
    fig.supxlabel(note(table) + only, fontsize=SMALL, color="0.35")
    return fig, lines


def averaged(table, switch: str, groups: list[list[int]], name: str, at: str) -> str:
    """Over which cells a panel averages, and whether what is averaged has opposite signs."""
    used = [table.cells[m] for group in groups for m in group]
    if not used:
        return ""
    told = [f"{len(used)} of {len(table.cells)} cells"]
    for other, values in levels(table.cells).items():
        kept = levels(used)[other]
        if other != switch and len(kept) < len(values):
            told[0] += f", {other}={' or '.join(map(show, kept))}"
    effects = [e for e in table.effects(name, at) if e.kind == "main" and e.switches == (switch,)]
    if any(mixed(table, e, name, at) for e in effects):
        told.append("mixed: opposite effects averaged, see table")
    return "\n".join(textwrap.fill(line, 44) for line in told)


def cells(table) -> tuple[Figure, list[list]]:
    """Cells down, measures across: every seed a dot."""
    names = [table.yardstick, *(n for n in PANELS if n in table.measures())]
    M = len(table.cells)
    fig = Figure(figsize=(2.5 * len(names) + 2.5, 0.3 * M + 1.9), dpi=130, layout="constrained")
    axes = fig.subplots(1, len(names), sharey=True, squeeze=False)[0]
    lines = [["cell", "measure", "seed", "value", "null"]]
    for ax, name in zip(axes, names, strict=True):
        values_ME, null_ME = table.values(name), null_of(table, name, END)
        shown_ME = np.maximum(values_ME, LEAST) if name in SWAPS else values_ME
        for m in range(M):
            faint = {"color": "0.6"} if m in table.idle else {}
            ax.plot(shown_ME[m], np.full(len(table.seeds), m - 0.12), **{**DOT, **faint})
            if not faint or name in OUTSIDE:
                interval(ax, m + 0.2, shown_ME[m], MEASURES[name].ratio, across=True)
            if null_ME is not None:
                null = average(null_ME[m][np.isfinite(null_ME[m])], MEASURES[name].ratio)
                ax.plot([null, null], [m - 0.4, m + 0.4], **DASH)
            if not np.isfinite(values_ME[m]).any():
                ax.text(0.5, m, "no number", transform=ax.get_yaxis_transform(), fontsize=SMALL,
                        ha="center", va="center", color="0.4")  # fmt: skip
            for e, seed in enumerate(table.seeds):
                null = math.nan if null_ME is None else null_ME[m, e]
                told = map(plain, (values_ME[m, e], null))
                lines.append([name_of(table.cells[m]), name, seed, *told])
        least = "\n(at the left edge: $10^{-6}$ or less)" if name in SWAPS else ""
        ax.set_xlabel(words(table, name, END) + least, fontsize=SMALL)
        tidy(ax, "both")
        scale([ax], ax, across=True)
    marks = [" (did not learn)" if m in table.idle else "" for m in range(M)]
    axes[0].set_yticks(range(M), map(str.__add__, map(name_of, table.cells), marks), fontsize=SMALL)
    for m in table.idle:
        axes[0].get_yticklabels()[m].set_color("0.5")
    axes[0].set_ylim(M - 0.5, -0.5)
    fig.suptitle("Every cell, every seed, after equal steps", fontweight="bold")
    grey = " Grey: cells of which not every seed learned." if table.idle else ""
    fig.supxlabel(note(table) + grey, fontsize=SMALL, color="0.35")
    return fig, lines


def layers(table) -> tuple[Figure, list[list]]:
    """A panel for each cell: the median length of the state by layer, after and before training.

    One range for all, so that panels can be compared; what cells of a row or of a column have in
    common stands at its head.
    """
    places, tops, sides = arrangement(table.cells)
    down, across = (1 + max(place[i] for place in places) for i in (0, 1))
    size = (2.3 * across + 1.6, 1.55 * down + 1.5)
    fig = Figure(figsize=size, dpi=130, layout="constrained")
    axes = fig.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    lines = [["cell", "seed", "layer", "trained", "untrained", "cos_prev", "null_cos"]]
    for ax in axes.flat:
        ax.set_axis_off()
    for m, place in enumerate(places):
        ax, idle = axes[place], m in table.idle
        ax.set_axis_on()
        for entry in table.entries(m):
            first, last = entry["history"][0], entry["history"][-1]
            columns = [last["norm_median_by_layer"], first["norm_median_by_layer"]]
            trained, untrained = (np.array(c, float) for c in columns)
            trained[trained <= 0] = untrained[untrained <= 0] = np.nan
            ax.plot(untrained, **{**UNTRAINED, "linewidth": 0.8, "markersize": 3})
            if not entry["failure"]:
                faint = {"alpha": 0.35} if idle else {}
                ax.plot(trained, **{**MAIN, "linewidth": 0.9, "markersize": 3, **faint})
            told = (last["cos_prev_by_layer"], last["null_cos_by_layer"])
            for n, numbers in enumerate(zip(*columns, *told, strict=True)):
                values = ["" if v is None else v for v in numbers]
                lines.append([name_of(table.cells[m]), entry["seed"], n, *values])
        ax.set_yscale("log")
        if idle:
            ax.text(0.03, 0.05, "did not learn", fontsize=SMALL, color="0.3",
                    transform=ax.transAxes)  # fmt: skip
        ax.set_title(tops[m], fontsize=SMALL + 1)
        if sides[m]:
            ax.set_ylabel(sides[m], fontsize=SMALL + 1, rotation=0, ha="right", va="center")
        ax.xaxis.get_major_locator().set_params(integer=True)
        tidy(ax)
    fig.suptitle("How long the state is, layer by layer", fontweight="bold")
    fig.supylabel("median length of the state", fontsize=10)
    key = "blue circles: trained, a line for each seed; grey crosses: untrained"
    fig.supxlabel(f"layer (0: the embedding)\n{key}", fontsize=9)
    return fig, lines


def arrangement(cells) -> tuple[list[tuple[int, int]], list[str], list[str]]:
    """For each cell its row and column, what stands above it, and what stands to the left.

    Columns are the combinations of those switches that fill up to ACROSS of them best; the later
    ones, where they are equal. If no switch is so small, panels follow each other, named by cell.
    """
    names = list(cells[0])
    sizes = {name: len(values) for name, values in levels(cells).items()}
    sets = [c for n in range(1, len(names) + 1) for c in itertools.combinations(names, n)]
    fitting = [c for c in sets if math.prod(sizes[n] for n in c) <= ACROSS]
    if not fitting or len(cells) < math.prod(sizes.values()):
        titles = [textwrap.fill(name_of(cell), 30) for cell in cells]
        return [divmod(m, ACROSS) for m in range(len(cells))], titles, [""] * len(cells)
    chosen = max(fitting, key=lambda c: (math.prod(sizes[n] for n in c), sets.index(c)))

    def heads(keep):
        parts = [{n: v for n, v in cell.items() if keep(n)} for cell in cells]
        return ["\n".join(name_of({n: v}) for n, v in part.items()) for part in parts]

    tops, sides = heads(lambda n: n in chosen), heads(lambda n: n not in chosen)
    rows, columns = ({head: i for i, head in enumerate(dict.fromkeys(h))} for h in (sides, tops))
    places = [(rows[side], columns[top]) for side, top in zip(sides, tops, strict=True)]
    return (
        places,
        [top if place[0] == 0 else "" for top, place in zip(tops, places, strict=True)],
        [side if place[1] == 0 else "" for side, place in zip(sides, places, strict=True)],
    )


DASH = {"color": NULL["color"], "linestyle": "--", "linewidth": 1.1, "marker": ""}


def whole_groups(table, switch: str, values_ME) -> list[list[int]]:
    """Cells that differ in one switch alone, in its values' order, where all have numbers."""
    levels = list({show(cell[switch]): None for cell in table.cells})
    groups: dict[tuple, dict[str, int]] = {}
    for m, cell in enumerate(table.cells):
        rest = tuple(show(value) for name, value in cell.items() if name != switch)
        groups.setdefault(rest, {})[show(cell[switch])] = m
    found = [[g[level] for level in levels] for g in groups.values() if len(g) == len(levels)]
    return [rows for rows in found if np.isfinite(values_ME[rows]).all()]


def average(values, ratio: bool) -> float:
    """The mean, geometric for ratios; not a number for none."""
    values = np.asarray(values, float)
    if not values.size or (ratio and not (values > 0).all()):
        return math.nan
    return float(np.exp(np.log(values).mean()) if ratio else values.mean())


def interval(ax, place: float, values_E, ratio: bool, across: bool = False) -> None:
    """The mean over seeds and its interval, if there are two of them."""
    values_E = values_E[np.isfinite(values_E)]
    if len(values_E) < 2 or (ratio and not (values_E > 0).all()):
        return
    e = estimate(np.log(values_E) if ratio else values_E)
    low, mean, high = np.exp([e.low, e.mean, e.high]) if ratio else (e.low, e.mean, e.high)
    error = [[mean - low], [high - mean]]
    if across:
        ax.errorbar([mean], [place], xerr=error, **BAR)
    else:
        ax.errorbar([place], [mean], yerr=error, **BAR)


def scale(axes, first, across: bool = False) -> None:
    """A logarithmic axis where what is shown spans far."""
    curves = [line for ax in axes for line in ax.lines]
    data = [np.ravel(c.get_xdata() if across else c.get_ydata()) for c in curves]
    shown = np.concatenate(data).astype(float)
    shown = shown[np.isfinite(shown)]
    if shown.size and shown.min() > 0 and shown.max() > LOG_FROM * shown.min():
        (first.set_xscale if across else first.set_yscale)("log")


def words(table, name: str, at: str) -> str:
    """A measure's name, the moment if it is not the end, and what its dashed line is."""
    when = "" if at == END else f"\nat a loss of {table.target:.3f}"
    null = f"frequencies only: {table.ignorant:.3f}" if name == table.yardstick else NULLS.get(name)
    return name.replace("_", " ") + when + (f"\n(dashed: {null})" if null else "")


def note(table) -> str:
    seeds = len(table.seeds)
    spread = f"black: mean and 95 % t interval over {seeds} seeds" if seeds > 1 else "one seed"
    return f"Circles: one seed each; {spread}; dashed: what the axis names."


def tidy(ax, grid: str = "y") -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=grid, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=SMALL)


def plain(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""
