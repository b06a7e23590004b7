"""The figures of lessons: curves with bands over seeds, baselines, and the learner's prediction.

A `Picture` is drawn curve by curve. It is saved as PNG, with a CSV of all that was drawn beside
it; a notebook shows it in place. Curves differ in colour (Okabe and Ito's), line style and marker,
so that colour-blind people and readers of a print in grey can tell them apart.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from minitx import plots
from minitx.classroom.answers import attempt, folder
from minitx.classroom.awaited import Awaited
from minitx.classroom.learner import collected, in_notebook, session
from minitx.plots import CHANCE, COLOURS, MAIN, NULL, OTHER, SMALL, THIRD, UNTRAINED

FOURTH = {"color": "#E69F00", "linestyle": "-.", "marker": "v", "linewidth": 1.5}
FIFTH = {"color": "#56B4E9", "linestyle": "--", "marker": "*", "linewidth": 1.5}
STYLES = (MAIN, OTHER, THIRD, CHANCE, FOURTH, FIFTH)  # of a panel's curves, in turn
BASELINES = (NULL, NULL | {"color": "0.4", "linestyle": ":", "marker": "^"})
HATCHES = ("", "//", "..", "xx", "--", "oo")
PREDICTION = "#7B3294"
HEIGHT = 5.0  # inches
WIDTHS = {1: 7.6, 2: 11.4, 3: 15.2}  # by number of panels
LONG_LABEL = 36  # characters; a legend with a longer label has one column
# Of a mark, on which its word can stand: how the word is aligned.
SIDES = (("left", "bottom"), ("left", "top"), ("right", "bottom"), ("right", "top"))


class Picture:
    """One to three panels side by side; a method call draws, `save` writes PNG and CSV.

    Values of several seeds, `y`, have one row for each seed.
    """

    def __init__(self, name: str, title: str, panels: int = 1):
        self.name = name
        self.figure = Figure(figsize=(WIDTHS[panels], HEIGHT), dpi=120, layout="constrained")
        self.figure.get_layout_engine().set(w_pad=0.1)
        self.figure.suptitle(title, fontsize=13, fontweight="bold")
        self.axes: list[Axes] = list(self.figure.subplots(1, panels, squeeze=False).flat)
        self.rows: list[tuple] = []  # of the CSV
        self.words: list[Annotation] = []  # beside marks
        self.curves = [0] * panels  # drawn so far in a style of STYLES
        self.baselines = [0] * panels  # drawn so far
        self.guesses: list[tuple[Axes, str, float]] = []  # panel, axis, value
        self.awaited: list[tuple[Axes, str, float | None, Awaited]] = []  # panel, axis, x, value

    def line(self, panel: int, x, y, label: str, style: dict | None = None) -> None:
        """Draw a curve over x: the mean of y, in a band from its lowest to its highest seed."""
        mean, low, high = self._over_seeds(panel, x, y, label)
        style = style or self._next_style(panel)
        defaults = {"linewidth": 1.8, "markersize": 5, "markevery": max(1, len(mean) // 12)}
        ax = self.axes[panel]
        ax.plot(x, mean, label=label, **(defaults | style))
        if len(np.atleast_2d(y)) > 1:
            ax.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)

    def baseline(self, panel: int, x, y, label: str) -> None:
        """Draw what chance or arithmetic alone would give: a dashed or dotted line."""
        self.line(panel, x, y, f"baseline: {label}", self._next_baseline(panel))

    def untrained(self, panel: int, x, y, label: str = "untrained") -> None:
        """Draw the same model before training: a dashed grey line."""
        self.line(panel, x, y, label, UNTRAINED)

    def dots(self, panel: int, x, y, label: str, words: Sequence[str] = ()) -> None:
        """Draw one mark for each pair of x and y; each of the `words` stands beside its mark."""
        x = np.asarray(x, float).ravel()
        y = np.asarray(y, float).ravel()
        style = self._next_style(panel)
        ax = self.axes[panel]
        ax.scatter(
            x, y, s=16, alpha=0.7, linewidths=0.8, label=label, zorder=3,
            color=style["color"], marker=style["marker"],
        )  # fmt: skip
        for x_here, y_here, word in zip(x, y, words, strict=False):
            offset = {"xytext": (3, 3), "textcoords": "offset points"}
            self.words.append(ax.annotate(word, (x_here, y_here), **offset, fontsize=SMALL))
        self._record(panel, label, x, y, y, y)

    def bars(
        self, panel: int, names: Sequence[str], y, label: str = "", of: int = 1, place: int = 0
    ) -> None:
        """Draw a bar for each name: the mean of y, and a whisker from lowest to highest seed.

        If several groups stand side by side, `of` is their number, and `place` counts from 0.
        """
        mean, low, high = self._over_seeds(panel, names, y, label)
        middles = np.arange(len(mean)) + (place - (of - 1) / 2) * 0.8 / of
        ax = self.axes[panel]
        ax.bar(
            middles, mean, 0.76 / of, label=label or None, color=COLOURS[place % len(COLOURS)],
            hatch=HATCHES[place % len(HATCHES)], edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        if len(np.atleast_2d(y)) > 1:
            reach = (mean - low, high - mean)
            ax.errorbar(middles, mean, reach, fmt="none", color="black", capsize=3)
        ax.set_xticks(range(len(mean)), names)

    def level(self, panel: int, y: float, label: str, axis: str = "y") -> None:
        """Draw a baseline that is one number: a dashed or dotted line across the panel."""
        style = self._next_baseline(panel)
        self._line_across(
            panel, y, axis, color=style["color"], linestyle=style["linestyle"], linewidth=1.2,
            zorder=1, label=f"baseline: {label}",
        )  # fmt: skip
        self._record(panel, f"baseline: {label}", [""], [y], [y], [y])

    def guess(
        self, panel: int, value: float | Awaited | None, axis: str = "y", words: str = "", at=None
    ) -> None:
        """Draw the learner's prediction, if there is one: a star at x = `at`, or a dotted line."""
        if value is None:
            return
        ax = self.axes[panel]
        if isinstance(value, Awaited):
            self.awaited.append((ax, axis, at, value))
            return
        about = f", {words}" if words else ""
        style = {"color": PREDICTION, "label": f"your prediction{about}: {value:g}", "zorder": 6}
        if at is None:
            self._line_across(panel, value, axis, linestyle=(0, (1, 1.5)), linewidth=2.6, **style)
        else:
            ax.plot(
                [at], [value], linestyle="", marker="*", markersize=17, markeredgecolor="white",
                **style,
            )  # fmt: skip
            ax.annotate(
                words, (at, value), (9, -3), textcoords="offset points", fontsize=SMALL,
                color=PREDICTION, zorder=6,
            )  # fmt: skip
        self.guesses.append((ax, axis, value))
        self._record(panel, "your prediction", [words], [value], [value], [value])

    def dress(self, panel: int, title: str, x: str, y: str, **settings) -> None:
        """Set title and labels of a panel; `settings` are those of matplotlib's Axes.set."""
        ax = self.axes[panel]
        ax.set_title(title, loc="left", fontsize=11)
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        ax.set(**settings)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="0.9", linewidth=0.6)
        ax.set_axisbelow(True)

    def save(self) -> None:
        """Write figures/NAME.png and .csv into the folder of answers, and print the path.

        A notebook shows the picture in place.
        """
        for ax, axis, value in self.guesses:
            _bring_into_view(ax, axis, value)
        for ax in self.axes:
            _add_legend(ax)
        if self.words:
            self.figure.draw_without_rendering()  # places on paper are known only after it
            _part(self.words)
        if collected("figure", picture=self):
            return
        path = folder() / "figures" / f"{self.name}.png"
        rows = [("panel", "series", "x", "mean", "low", "high"), *self.rows]
        if attempt(plots.save, self.figure, path, rows=rows):
            print(f"FIGURE {path}")
            session.figures.append(path)
        if in_notebook():
            from IPython.display import display

            display(self)

    def _repr_png_(self) -> bytes:
        """Return what a notebook shows of the picture."""
        return plots.png(self.figure)

    def _next_style(self, panel: int) -> dict:
        style = STYLES[self.curves[panel] % len(STYLES)]
        self.curves[panel] += 1
        return style

    def _next_baseline(self, panel: int) -> dict:
        style = BASELINES[self.baselines[panel] % len(BASELINES)]
        self.baselines[panel] += 1
        return style

    def _over_seeds(self, panel: int, x, y, label: str) -> tuple:
        """Record and return mean, lowest and highest seed of y."""
        by_seed = np.atleast_2d(np.asarray(y, float))
        summary = (by_seed.mean(0), by_seed.min(0), by_seed.max(0))
        self._record(panel, label, x, *summary)
        return summary

    def _record(self, panel: int, series: str, x, mean, low, high) -> None:
        for values in zip(x, mean, low, high, strict=True):
            self.rows.append((panel + 1, series, *values))

    def _line_across(self, panel: int, value: float, axis: str, **style) -> None:
        ax = self.axes[panel]
        draw = ax.axhline if axis == "y" else ax.axvline
        draw(value, **style)


def _bring_into_view(ax: Axes, axis: str, value: float) -> None:
    """Widen the limits of an axis so that they hold the value."""
    if axis == "y":
        side, set_limits = ax.yaxis, ax.set_ylim
    else:
        side, set_limits = ax.xaxis, ax.set_xlim
    if value <= 0 and side.get_scale() == "log":
        return  # it has no place on the axis; the legend names it
    scale = side.get_transform()
    low, high, here = scale.transform([*side.get_view_interval(), value])
    margin = 0.06 * (high - low)
    wider = [min(low, here - margin), max(high, here + margin)]
    set_limits(scale.inverted().transform(wider))


def _part(words: Sequence[Annotation]) -> None:
    """Move words that would hide an earlier word to another side of their marks, if one is free."""
    taken: list[Bbox] = []
    for word in words:
        for side in SIDES:
            _put_beside_mark(word, *side)
            if not word.get_window_extent().count_overlaps(taken):
                break
        else:
            _put_beside_mark(word, *SIDES[0])
        taken.append(word.get_window_extent())


def _put_beside_mark(word: Annotation, horizontal: str, vertical: str) -> None:
    """Let a word begin or end at its mark, and stand above or below it."""
    word.set(horizontalalignment=horizontal, verticalalignment=vertical)
    x = 3 if horizontal == "left" else -3
    y = 3 if vertical == "bottom" else -3
    word.xyann = (x, y)


def _add_legend(ax: Axes) -> None:
    """Put the legend under the panel, where it hides no data."""
    handles, labels = ax.get_legend_handles_labels()
    if not handles:
        return
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False, fontsize=SMALL,
        ncols=1 if max(map(len, labels)) > LONG_LABEL else 2, handlelength=3.4,
    )  # fmt: skip
