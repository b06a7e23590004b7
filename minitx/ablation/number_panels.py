"""The figure of the numbers behind the verdicts: how they change with the switches of a grid.

The first switch is along x, the last one across, and all others make the lines.
"""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minitx.ablation.dependence import State, claims_of, states_of
from minitx.ablation.headlines import HEADLINES, Headline, by_seed
from minitx.ablation.settings import levels, name_of, show
from minitx.plots import COLOURS, RULE, SMALL, UNTRAINED, tidy

MARKERS = "osd^vx."


def numbers(table) -> tuple[Figure, list[list[Any]]]:
    """Draw what the verdicts were read from, after all steps and before training."""
    ids = claims_of(table)
    shown = {name: line for name, line in HEADLINES.items() if line.claim in ids}
    states = states_of(table)
    values = levels(table.cells)
    last = list(values)[-1]
    columns = [show(value) for value in values[last]]
    size = (2.9 * len(columns) + 1.2, 1.75 * len(shown) + 1.5)
    fig = Figure(figsize=size, dpi=110, layout="constrained")
    axes = fig.subplots(len(shown), len(columns), sharex=True, sharey="row", squeeze=False)
    for row_axes, headline in zip(axes, shown.values(), strict=True):
        for ax, column in zip(row_axes, columns, strict=True):
            some = [state for state in states if show(table.cells[state.m][last]) == column]
            panel(ax, table, some, headline)
        if headline.is_logarithmic:
            row_axes[0].set_yscale("log")
        row_axes[0].set_ylabel(f"{headline.claim}: {headline.words}", fontsize=SMALL)
    for ax, column in zip(axes[0], columns, strict=True):
        ax.set_title(f"{last}={column}", fontsize=9.5, fontweight="bold")
    for ax in axes[-1]:
        ax.set_xlabel(next(iter(values)), fontsize=SMALL + 1)
    handles, labels = axes[0][0].get_legend_handles_labels()
    note = "Circles: one seed each. Pale: has not learned. Grey line: the threshold of the rule."
    fig.legend(
        handles, labels, title=note, title_fontsize=9, loc="outside lower center", ncols=4,
        frameon=False, fontsize=9,
    )  # fmt: skip
    fig.suptitle("The numbers behind the verdicts, at the end of training", fontweight="bold")
    return fig, csv_rows(table, states, shown)


def panel(ax: Axes, table, states: list[State], headline: Headline) -> None:
    """Draw one number over the first switch, a line for each combination of those between."""
    first, *between = list(table.cells[0])[:-1] or list(table.cells[0])
    ticks = [show(value) for value in levels(table.cells)[first]]
    ax.axhline(headline.threshold, **RULE)
    lines: dict[str, list[State]] = {}
    for state in states:
        if state.step:
            cell = table.cells[state.m]
            lines.setdefault(name_of({name: cell[name] for name in between}), []).append(state)
    start = [state for state in states if not state.step]
    draw_line(ax, table, start, headline, ticks, first, UNTRAINED | {"label": "before training"})
    for k, (name, members) in enumerate(lines.items()):
        final = [s for s in members if s.step == max(t.step for t in members if t.m == s.m)]
        style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
        style |= {"linewidth": 1.5, "markersize": 5, "label": name or "trained"}
        draw_line(ax, table, final, headline, ticks, first, style)
    ax.set_xticks(range(len(ticks)), ticks)
    ax.set_xlim(-0.4, len(ticks) - 0.6)
    ax.tick_params(labelsize=SMALL)
    tidy(ax)


def draw_line(ax, table, states, headline, ticks, first, style) -> None:
    """Draw means over seeds as a line, and every seed as a small circle."""
    means: dict[int, list[float]] = {}
    for state in states:
        x = ticks.index(show(table.cells[state.m][first]))
        values = list(by_seed(state.seeds, headline).values())
        means.setdefault(x, []).extend(values)
        alpha = 0.8 if state.learned or not state.step else 0.25
        seed = {"marker": "o", "markersize": 2.5, "linestyle": "none", "mfc": "white"}
        ax.plot([x] * len(values), values, color=style["color"], alpha=alpha, **seed)
    xs = sorted(means)
    ax.plot(xs, [np.mean(means[x]) for x in xs], **style)


def csv_rows(table, states: list[State], shown: dict[str, Headline]) -> list[list[Any]]:
    """Return every number at every judged moment, one line each, the heading first."""
    rows: list[list[Any]] = [
        ["cell", *table.cells[0], "steps", "learned", "claim", "number", "seed", "value"]
    ]
    for state in states:
        settings = [show(value) for value in table.cells[state.m].values()]
        for name, headline in shown.items():
            for seed, value in by_seed(state.seeds, headline).items():
                rows.append([
                    state.m + 1, *settings, state.step, show(state.learned), headline.claim, name,
                    seed, value if math.isfinite(value) else None,
                ])  # fmt: skip
    return rows
