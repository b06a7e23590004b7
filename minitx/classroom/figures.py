"""The figures of lessons: curves with bands over seeds, nulls dashed, the learner's guess marked.

A `Picture` is drawn curve by curve, and saved as PNG with a CSV of all that was drawn beside it;
in a notebook it shows itself. Colours are Okabe and Ito's; lines differ in style and marker too,
for print in grey.
"""

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minitx.classroom.lesson import folder, keep
from minitx.plots import CHANCE, COLOURS, MAIN, NULL, OTHER, SMALL, THIRD, UNTRAINED
from minitx.tables import to_csv

FOURTH = {"color": "#E69F00", "linestyle": "-.", "marker": "v", "linewidth": 1.5}
FIFTH = {"color": "#56B4E9", "linestyle": "--", "marker": "*", "linewidth": 1.5}
STYLES = (MAIN, OTHER, THIRD, CHANCE, FOURTH, FIFTH)
GUESS = "#7B3294"
HATCHES = ("", "//", "..", "xx", "--", "oo")


class Picture:
    """One or more panels side by side; a method call draws, `save` writes PNG and CSV."""

    def __init__(self, name: str, title: str, panels: int = 1):
        self.name = name
        width = {1: 7.6, 2: 11.4}.get(panels, 15.2)
        self.figure = Figure(figsize=(width, 5.0), dpi=120, layout="constrained")
        self.figure.get_layout_engine().set(w_pad=0.1)
        self.figure.suptitle(title, fontsize=13, fontweight="bold")
        self.axes = list(self.figure.subplots(1, panels, squeeze=False).flat)
        self.rows: list[tuple] = []
        self.drawn = [0] * panels
        self.guesses: list[tuple] = []

    def line(self, panel: int, x, y, label: str, style: dict | None = None) -> None:
        """A curve over x (X): the mean of y (E, X), its band from lowest to highest seed."""
        ax, y_EX = self.axes[panel], np.atleast_2d(np.asarray(y, float))
        mean_X, low_X, high_X = y_EX.mean(0), y_EX.min(0), y_EX.max(0)
        if style is None:
            style = STYLES[self.drawn[panel] % len(STYLES)]
            self.drawn[panel] += 1
        every = {"markevery": max(1, len(mean_X) // 12)}
        ax.plot(x, mean_X, label=label, **({"linewidth": 1.8, "markersize": 5} | every | style))
        if len(y_EX) > 1:
            ax.fill_between(x, low_X, high_X, color=style["color"], alpha=0.2, linewidth=0)
        self._note(panel, label, x, mean_X, low_X, high_X)

    def null(self, panel: int, x, y, label: str) -> None:
        """What chance alone would give: a dashed black line."""
        self.line(panel, x, y, f"null: {label}", NULL)

    def untrained(self, panel: int, x, y, label: str = "untrained") -> None:
        """The same model before training: dashed grey."""
        self.line(panel, x, y, label, UNTRAINED)

    def dots(self, panel: int, x, y, label: str, style: dict | None = None, words=()) -> None:
        """One mark for each pair; `words`, if any, stand beside the first of them."""
        x, y = np.asarray(x, float).ravel(), np.asarray(y, float).ravel()
        if style is None:
            style = STYLES[self.drawn[panel] % len(STYLES)]
            self.drawn[panel] += 1
        kept = {"color": style["color"], "marker": style["marker"], "zorder": 3}
        self.axes[panel].scatter(x, y, s=16, alpha=0.7, linewidths=0.8, label=label, **kept)
        for px, py, word in zip(x, y, words, strict=False):
            self.axes[panel].annotate(
                word, (px, py), (3, 3), textcoords="offset points", fontsize=SMALL
            )
        self._note(panel, label, x, y, y, y)

    def bars(self, panel: int, names, y, label: str = "", of: int = 1, place: int = 0) -> None:
        """A bar for each name: the mean of y (E, names), a whisker from lowest to highest seed.

        `place` counts from 0 to `of` - 1 where several groups stand side by side.
        """
        ax, y_EX = self.axes[panel], np.atleast_2d(np.asarray(y, float))
        mean_X, low_X, high_X = y_EX.mean(0), y_EX.min(0), y_EX.max(0)
        at_X = np.arange(len(mean_X)) + (place - (of - 1) / 2) * 0.8 / of
        ax.bar(
            at_X, mean_X, 0.76 / of, label=label or None, color=COLOURS[place % len(COLOURS)],
            hatch=HATCHES[place % len(HATCHES)], edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        if len(y_EX) > 1:
            reach = mean_X - low_X, high_X - mean_X
            ax.errorbar(at_X, mean_X, reach, fmt="none", color="black", capsize=3)
        ax.set_xticks(range(len(mean_X)), names)
        self._note(panel, label, names, mean_X, low_X, high_X)

    def level(self, panel: int, y: float, label: str, axis: str = "y") -> None:
        """A null that is one number: a dashed line across the panel."""
        draw = self.axes[panel].axhline if axis == "y" else self.axes[panel].axvline
        draw(y, color="black", linestyle="--", linewidth=1.2, zorder=1, label=f"null: {label}")
        self._note(panel, f"null: {label}", [""], [y], [y], [y])

    def guess(self, panel: int, value: float | None, axis: str = "y", words: str = "", at=None):
        """The learner's prediction, if there is one: a star where x is `at`, or a dotted line."""
        if value is None:
            return
        ax, label = self.axes[panel], f"your prediction{words and ', ' + words}: {value:g}"
        if at is not None:
            star = {"marker": "*", "markersize": 17, "markeredgecolor": "white"}
            ax.plot([at], [value], color=GUESS, linestyle="", label=label, zorder=6, **star)
            place = {"xytext": (9, -3), "textcoords": "offset points"}
            ax.annotate(words, (at, value), **place, fontsize=SMALL, color=GUESS, zorder=6)
        else:
            draw = ax.axhline if axis == "y" else ax.axvline
            draw(value, color=GUESS, linestyle=(0, (1, 1.5)), linewidth=2.6, label=label, zorder=6)
        self.guesses.append((ax, axis, value))
        self._note(panel, "your prediction", [words], [value], [value], [value])

    def dress(self, panel: int, title: str, x: str, y: str, **settings) -> None:
        """Title and axis labels; `settings` as for matplotlib's Axes.set."""
        ax = self.axes[panel]
        ax.set_title(title, loc="left", fontsize=11)
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        ax.set(**settings)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="0.9", linewidth=0.6)
        ax.set_axisbelow(True)

    def save(self) -> "Picture":
        """Write figures/NAME.png and .csv among the answers, and say where."""
        for ax, axis, value in self.guesses:  # far off, it is to be seen all the same
            side, limit = (ax.yaxis, ax.set_ylim) if axis == "y" else (ax.xaxis, ax.set_xlim)
            if value <= 0 and side.get_scale() == "log":
                continue  # it has no place there; the legend says it
            scale = side.get_transform()
            low, high, here = scale.transform([*side.get_view_interval(), value])
            room = 0.06 * (high - low)
            limit(scale.inverted().transform([min(low, here - room), max(high, here + room)]))
        for ax in self.axes:  # under the panel, where a legend hides no data
            handles, labels = ax.get_legend_handles_labels()
            if handles:
                columns = 1 if max(map(len, labels)) > 36 else 2
                ax.legend(
                    loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns, frameon=False,
                    fontsize=SMALL, handlelength=3.4,
                )  # fmt: skip
        text = to_csv([["panel", "series", "x", "mean", "low", "high"], *self.rows])
        path = folder() / "figures" / f"{self.name}.png"
        if keep(path, self._repr_png_()) and keep(path.with_suffix(".csv"), text):
            print(f"FIGURE {path}")
        return self

    def _repr_png_(self) -> bytes:
        """What a notebook shows of it."""
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", metadata={"Software": None})
        return picture.getvalue()

    def _note(self, panel: int, series: str, x, mean, low, high) -> None:
        title = str(panel + 1)
        for values in zip(x, mean, low, high, strict=True):
            self.rows.append((title, series, *values))


def path_of(line: str) -> Path | None:
    """The file that a line of output names as a figure, if it does."""
    return Path(line.removeprefix("FIGURE ").strip()) if line.startswith("FIGURE ") else None
