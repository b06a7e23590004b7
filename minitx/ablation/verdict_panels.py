"""The figure of the claims' verdicts: a map for each claim, and on what the verdicts depend.

Rows of a map are the combinations of all switches but the last; columns are the values of the last
switch, and within each the steps trained. A sign as well as a colour says the verdict, so that the
figure can be read in grey.
"""

import textwrap
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from minitx.ablation.dependence import (
    STEPS,
    State,
    changes,
    claims_of,
    crossings,
    states_of,
    strongest,
)
from minitx.ablation.grid import FIELDS
from minitx.ablation.headlines import HEADLINES
from minitx.ablation.settings import name_of, show
from minitx.config import TrainConfig
from minitx.evidence.claims import known_claims
from minitx.plots import SMALL

ACROSS = 3  # maps beside each other
GAP = 0.3  # between groups of tiles, as a share of a tile
HATCH = "/////"
TITLE = {"fontsize": 9.5, "loc": "left", "fontweight": "bold", "pad": 14}


class Style(NamedTuple):
    """How a verdict looks: its sign, its colour, and the colour of the sign on it."""

    sign: str
    colour: str
    ink: str


# From light to dark, so that they also differ in grey.
STYLES = {
    "undecided": Style("?", "#ffffff", "0.35"),
    "qualified": Style("~", "#f6e3a1", "black"),
    "supported": Style("\N{CHECK MARK}", "#56b4e9", "black"),
    "refuted": Style("\N{BALLOT X}", "#8c2d04", "white"),
    "by algebra": Style("=", "0.75", "black"),
    "untested": Style("-", "0.92", "black"),
}


class Places(NamedTuple):
    """Where the states stand on a map, and the words beside and below them."""

    of: dict[tuple[int, int], tuple[float, float]]  # by cell and step: x, y
    rows: list[tuple[float, str]]
    row_groups: list[tuple[float, str, int]]  # the last is the number of rows
    columns: list[tuple[float, str]]
    column_groups: list[tuple[float, str]]


def verdicts(table) -> tuple[Figure, list[list[Any]]]:
    """Draw a map of the verdicts for each claim, one of the losses, and the changes by factor."""
    ids = claims_of(table)
    states = states_of(table)
    places = arrange(table, states)
    down = -(-(len(ids) + 2) // ACROSS)
    wide = 1.2 + places.columns[-1][0] * 0.3
    high = 1.5 + places.rows[-1][0] * 0.26
    size = (max(3.4, wide) * ACROSS + 1.6, high * down + 0.9)
    fig = Figure(figsize=size, dpi=100, layout="constrained")
    fig.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    axes = list(fig.subplots(down, ACROSS, squeeze=False).flat)
    for ax, id in zip(axes, ids, strict=False):
        verdict_map(ax, states, places, id)
    loss_map(axes[len(ids)], states, places)
    change_table(axes[len(ids) + 1], changes(table), crossings(table))
    for ax in axes[len(ids) + 2 :]:
        ax.set_axis_off()
    for ax in axes[: len(ids) + 1]:
        label_map(ax, table, places)
    shown = [v for v in STYLES if any(v in state.verdicts.values() for state in states)]
    handles = []
    for verdict in shown:
        style = STYLES[verdict]
        label = f"{style.sign}  {verdict}"
        handles.append(Patch(facecolor=style.colour, edgecolor="0.6", label=label))
    hatched = Patch(facecolor="white", edgecolor="0.6", hatch=HATCH, label="has not learned")
    words = f"{len(table.seeds)} seeds" if len(table.seeds) > 1 else "one seed"
    note = (
        f"A tile is one cell after so many steps, with the verdict of {words}. Undecided: seeds "
        "disagree, or another sample of windows could change the verdict. 0 steps: before training."
    )
    fig.legend(
        handles=[*handles, hatched], title=note, title_fontsize=9, loc="outside lower center",
        ncols=7, frameon=False, fontsize=10,
    )  # fmt: skip
    fig.suptitle("What the articles claim, judged in every cell", fontweight="bold")
    return fig, csv_rows(table, states, ids)


def arrange(table, states: list[State]) -> Places:
    """Return the place of each cell at each moment.

    What differs in training alone cannot show before training: if the last switch is one of
    training, the untrained models stand once, at the left of all groups.
    """
    *down, across = table.cells[0]
    rows: dict[tuple, float] = {}
    row_groups: dict[str, list[float]] = {}
    for cell in table.cells:
        row = tuple(show(cell[name]) for name in down)
        if row not in rows:
            group = name_of({name: cell[name] for name in down[:-1]})
            y = max(rows.values(), default=-1.0) + 1
            if rows and group not in row_groups:
                y += GAP
            rows[row] = y
            row_groups.setdefault(group, []).append(y)
    is_shared = FIELDS.get(across) is TrainConfig
    steps = sorted({state.step for state in states})
    columns: dict[tuple[str, int], float] = {}
    column_groups: dict[str, list[float]] = {}
    x = 0.0
    if is_shared:
        columns["", 0] = x
        x += 1 + GAP
    for value in dict.fromkeys(show(cell[across]) for cell in table.cells):
        for step in steps[1:] if is_shared else steps:
            columns[value, step] = x
            column_groups.setdefault(value, []).append(x)
            x += 1
        x += GAP
    of: dict[tuple[int, int], tuple[float, float]] = {}
    for state in states:
        cell = table.cells[state.m]
        value = "" if is_shared and state.step == 0 else show(cell[across])
        row = tuple(show(cell[name]) for name in down)
        of[state.m, state.step] = columns[value, state.step], rows[row]
    return Places(
        of=of,
        rows=[(y, row[-1] if row else "") for row, y in rows.items()],
        row_groups=[(float(np.mean(ys)), group, len(ys)) for group, ys in row_groups.items()],
        columns=[(x, str(step)) for (_, step), x in columns.items()],
        column_groups=[(float(np.mean(xs)), value) for value, xs in column_groups.items()],
    )


def once_each(states: list[State], places: Places) -> list[State]:
    """Return the states without those that stand where another one does."""
    return list({places.of[state.m, state.step]: state for state in reversed(states)}.values())


def verdict_map(ax: Axes, states: list[State], places: Places, id: str) -> None:
    """Draw the verdict on one claim in every state."""
    for state in once_each(states, places):
        style = STYLES[state.verdicts[id]]
        tile(ax, places.of[state.m, state.step], style.colour, style.sign, style.ink, state.learned)
    claim = known_claims()[id]["claim"]
    ax.set_title(textwrap.fill(f"{id}: {claim}", 44), **TITLE)


def loss_map(ax: Axes, states: list[State], places: Places) -> None:
    """Draw the loss in every state: the darker, the lower."""
    losses = [state.loss for state in states if state.step and np.isfinite(state.loss)]
    scale = Normalize(min(losses, default=0), max(losses, default=1))
    for state in once_each(states, places):
        known = np.isfinite(state.loss)
        share = float(np.clip(scale(state.loss), 0, 1)) if known else 1.0
        colour = colormaps["Greys"](0.05 + 0.6 * (1 - share))
        words = f"{state.loss:.2f}" if known else "-"
        ink = "white" if share < 0.3 else "black"
        tile(ax, places.of[state.m, state.step], colour, words, ink, state.learned, size=6.5)
    title = "Validation loss (nats, mean over seeds)\nThe darker, the lower"
    ax.set_title(title, **TITLE)


def tile(ax: Axes, place, colour, words: str, ink: str, learned: bool, size: float = 8.5) -> None:
    """Draw one state, hatched if it has not learned."""
    x, y = place
    corner = (x - 0.48, y - 0.48)
    ax.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=colour, edgecolor="0.7", linewidth=0.5))
    if not learned:
        style = {"facecolor": "none", "edgecolor": "0.6", "hatch": HATCH, "linewidth": 0}
        ax.add_patch(Rectangle(corner, 0.96, 0.96, **style))
    ax.text(x, y, words, ha="center", va="center_baseline", fontsize=size, color=ink)


def label_map(ax: Axes, table, places: Places) -> None:
    """Write the values of the switches beside and below a map."""
    *down, across = table.cells[0]
    ax.set_xlim(-0.6, places.columns[-1][0] + 0.6)
    ax.set_ylim(places.rows[-1][0] + 0.6, -0.6)
    ax.set_xticks([x for x, _ in places.columns], [text for _, text in places.columns])
    ax.set_yticks([y for y, _ in places.rows], [text for _, text in places.rows])
    ax.tick_params(length=0, labelsize=7, pad=2)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(STEPS, fontsize=SMALL, labelpad=13)
    below = {"textcoords": "offset points", "ha": "center", "va": "top", "fontsize": SMALL}
    for x, value in places.column_groups:
        at = ax.get_xaxis_transform()
        ax.annotate(f"{across}={value}", (x, 0), (0, -11), xycoords=at, **below)
    if down:
        above = {"textcoords": "offset points", "ha": "right", "va": "bottom", "fontsize": SMALL}
        ax.annotate(down[-1], (0, 1), (-3, 2), xycoords="axes fraction", **above)
    for y, group, count in places.row_groups:
        at = ax.get_yaxis_transform()
        words = group.replace(" ", "\n")
        style = {"textcoords": "offset points", "va": "center", "fontsize": SMALL, "xycoords": at}
        if count > 2:  # tall enough for upright words
            style |= {"rotation": 90, "ha": "center"}
            ax.annotate(words, (0, y), (-34, 0), **style)
        else:
            ax.annotate(words, (0, y), (-28, 0), ha="right", **style)


def change_table(ax: Axes, verdicts_found: dict[str, dict], numbers_found: dict[str, dict]) -> None:
    """Draw in how many pairs of neighbours each factor changes each verdict, and each number."""
    ticks = {}
    y = 0.0
    for found in (verdicts_found, numbers_found):
        for name, by_factor in found.items():
            ticks[y] = f"{name} verdict" if found is verdicts_found else number_label(name)
            change_row(ax, y, by_factor)
            y += 1
        y += GAP
    factors = list(next(iter(verdicts_found.values())))
    ax.set_xlim(-0.6, len(factors) - 0.4)
    ax.set_ylim(max(ticks) + 0.6, -0.6)
    labels = [factor.replace("_", " ").replace(" ", "\n") for factor in factors]
    ax.set_xticks(range(len(factors)), labels, fontsize=SMALL)
    ax.set_yticks(list(ticks), list(ticks.values()), fontsize=SMALL)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    title = "On what does it depend? Changes / pairs\nof neighbours that learned (see table.md)"
    ax.set_title(title, x=-0.6, **TITLE)


def number_label(name: str) -> str:
    """Return the name of a number with its claim and its threshold."""
    words = name.replace("cosine minus", "cos -").replace("cosine with", "cos with")
    return f"{HEADLINES[name].claim} {words} > {HEADLINES[name].threshold:g}"


def change_row(ax: Axes, y: float, by_factor: dict) -> None:
    """Draw one row of the table of changes."""
    for x, (factor, change) in enumerate(by_factor.items()):
        colour = colormaps["Oranges"](0.7 * change.share) if change.pairs else "0.95"
        style = {"facecolor": colour, "edgecolor": "0.7", "linewidth": 0.5}
        ax.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, **style))
        weight = "bold" if factor in strongest(by_factor) else "normal"
        words = f"{change.changed}/{change.pairs}" if change.pairs else "no pair"
        centred = {"ha": "center", "va": "center_baseline", "fontsize": SMALL}
        ax.text(x, y, words, fontweight=weight, **centred)


def csv_rows(table, states: list[State], ids: list[str]) -> list[list[Any]]:
    """Return the numbers of the figure, a line for each state and claim, the heading first."""
    seeds = [f"seed {seed}" for seed in table.seeds]
    rows: list[list[Any]] = [
        ["cell", *table.cells[0], "steps", "loss", "learned", "claim", "verdict", *seeds]
    ]
    for state in states:
        settings = [show(value) for value in table.cells[state.m].values()]
        loss = state.loss if np.isfinite(state.loss) else None
        for id in ids:
            single = []
            for seed in table.seeds:
                single.append(state.seeds[seed][id]["verdict"] if seed in state.seeds else None)
            rows.append([
                state.m + 1, *settings, state.step, loss, show(state.learned), id,
                state.verdicts[id], *single,
            ])  # fmt: skip
    return rows
