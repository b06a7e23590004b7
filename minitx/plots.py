"""Pictures of a report: lists in, matplotlib Axes out; computes nothing. `save` writes a figure.

Nothing goes through pyplot, so no display is needed and no figure outlives its caller. None in a
list is a gap in its line. Every curve differs from its neighbours in colour (Okabe and Ito's, which
colour-blind people can tell apart) and in line style or marker, for print in grey.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from minitx import files
from minitx.tables import to_csv

SMALL = 8  # points, for legends and notes; 10 is the rest's size
HIGH = 0.9  # "almost the same direction" in the articles
LOG_FROM = 10  # the axis of norms is logarithmic when the largest is this many times the smallest

# Broad lines lie below thin ones, so that of two equal curves both are seen.
MAIN = {"color": "#0072B2", "linestyle": "-", "marker": "o", "linewidth": 2.2, "zorder": 3}
OTHER = {"color": "#D55E00", "linestyle": "-.", "marker": "s", "zorder": 4, "mfc": "white"}
THIRD = {"color": "#009E73", "linestyle": "-", "marker": "^", "linewidth": 1.2, "zorder": 4}
CHANCE = {"color": "#CC79A7", "linestyle": ":", "marker": ".", "zorder": 4}
NULL = {"color": "black", "linestyle": "--", "marker": "d", "linewidth": 1.3, "zorder": 5}
STEP_NULL = {"color": "#E69F00", "linestyle": "--", "marker": "v", "linewidth": 1.3, "zorder": 5}
UNTRAINED = {"color": "0.5", "linestyle": "--", "marker": "x", "linewidth": 1.1, "zorder": 5}
LEGEND = {"loc": "lower left", "bbox_to_anchor": (-0.02, 0.98), "frameon": False, "fontsize": SMALL}
RULE = {"color": "0.6", "linestyle": "-", "linewidth": 0.8, "zorder": 1}


def png(figure: Figure) -> bytes:
    """Return the figure as PNG, without the line that names the version of matplotlib."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def svg(figure: Figure) -> str:
    """Return the figure as SVG, without a background, the same bytes whenever it is drawn."""
    drawing = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "minitx"}):
        nameless = {"Date": None, "Creator": None}
        figure.savefig(drawing, format="svg", transparent=True, metadata=nameless)
    return drawing.getvalue()


def save(figure: Figure, path: Path, *, rows: Iterable[Iterable[Any]] | None = None) -> None:
    """Write the figure to `path` as PNG, and the numbers that it shows beside it as CSV.

    The first of the `rows` is the heading; without rows, no CSV is written. Raises InputError if a
    file cannot be written.
    """
    path = Path(path)
    files.write(path, png(figure))
    if rows is not None:
        files.write(path.with_suffix(".csv"), to_csv(rows))


def dashboard(report: dict, title: str) -> Figure:
    """Return a report of `report.inspect` as four panels on 1600 x 1100 pixels, with verdicts."""
    fig = Figure(figsize=(80 / 7, 55 / 7), dpi=140, layout="constrained")
    fig.get_layout_engine().set(w_pad=0.1, h_pad=0.06, wspace=0.03, hspace=0.03)
    fig.suptitle(title, fontsize=14, fontweight="bold")
    a, b, c, d = fig.subplots(2, 2).flat
    norms(a, report["layers"], report["untrained"])
    directions(b, report["layers"], report["untrained"])
    confidence(c, report["scale"])
    lens(d, report["layers"], report["untrained"])
    for ax, finding in zip((a, b, c), report["findings"], strict=True):
        verdict(ax, finding)
    note = (
        f"Measured on {report['tokens']:,} tokens. Shaded: the middle 80 % of them. Upper panels: "
        "medians without position 0, random pairs of tokens their mean; lower panels: means.\n"
        "Untrained: the same model before training. Baselines: the cosine if every update u stood "
        "at right angles to the state x, for the observed growth or the observed step |u|/|x|."
    )
    fig.supxlabel(note, fontsize=SMALL, color="0.35")
    fig.draw_without_rendering()  # lays out the panels; kept, so that every saving is the same
    fig.set_layout_engine("none")
    return fig


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "black")


def comparison(models: dict[str, dict]) -> Figure:
    """Return the tables of several models over the share of their depth as three panels."""
    fig = Figure(figsize=(80 / 7, 32 / 7), dpi=140, layout="constrained")
    panels = {
        "norm_median": ("How long is the state?", "norm of the state"),
        "cos_prev": ("How far is it turned?", "cosine with the layer before"),
        "cos_random_pairs": ("How alike are all states?", "cosine of random pairs"),
    }
    for ax, (quantity, words) in zip(fig.subplots(1, 3), panels.items(), strict=True):
        for n, (name, layers) in enumerate(models.items()):
            share = np.linspace(0, 1, len(layers[quantity]))
            style = {"color": COLOURS[n % len(COLOURS)], "marker": "osd^vx."[n % 7]}
            curve(ax, layers[quantity], name, style, x=share)
        ax.set_xlabel("share of the depth (0: embedding, 1: last block)")
        dress(ax, *words)
    fig.axes[0].set_yscale("log")
    return fig


def norms(ax: Axes, layers: dict, untrained: dict | None) -> Axes:
    """Draw the norm of the state by layer, position 0 apart, beside the untrained model."""
    models = [("trained", layers, MAIN), ("untrained", untrained, UNTRAINED)]
    for label, columns, style in models if untrained else models[:1]:
        curve(ax, columns["norm_median"], label, style, (columns["norm_p10"], columns["norm_p90"]))
    curve(ax, layers["norm_first_position"], "trained, position 0 alone", OTHER)
    shown = np.concatenate([line.get_ydata() for line in ax.lines])
    low = np.min(shown, initial=np.inf, where=np.isfinite(shown))
    high = np.max(shown, initial=0, where=np.isfinite(shown))
    if 0 < low * LOG_FROM <= high:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
        ax.minorticks_off()
    else:
        from_zero(ax)
    ax.yaxis.set_major_formatter("{x:,.7g}")
    layer_axis(ax, layers)
    return dress(ax, "How long is the state after each layer?", "norm of the state")


def directions(ax: Axes, layers: dict, untrained: dict | None) -> Axes:
    """Draw the cosine between a layer's state and the one before, with its baselines."""
    bounds = layers["cos_prev_p10"], layers["cos_prev_p90"]
    curve(ax, layers["cos_prev"], "the layer before", MAIN, bounds)
    if untrained:
        curve(ax, untrained["cos_prev"], "the same, untrained", UNTRAINED)
    curve(ax, layers["null_cos"], "baseline: growth given", NULL)
    curve(ax, layers["step_null_cos"], "baseline: step given", STEP_NULL)
    curve(ax, layers["cos_random_pairs"], "random pairs", CHANCE)
    curve(ax, layers["cos_embedding"], "the embedding", THIRD)
    ax.axhline(HIGH, **RULE)
    note = f"{HIGH}: the articles'\nthreshold"
    ax.text(1.01, HIGH, note, transform=ax.get_yaxis_transform(), va="center", fontsize=SMALL)
    ax.set_ylim(min(-0.05, ax.get_ylim()[0]), 1.05)
    layer_axis(ax, layers)
    return dress(ax, "Does a layer keep the state's direction?", "cosine of the state with ...")


def confidence(ax: Axes, scale: dict) -> Axes:
    """Draw the entropy of the prediction when the last state is scaled by c."""
    for place, style in (("after", MAIN), ("before", OTHER)):
        mean, *bounds = (scale[f"entropy_{place}_norm{bound}"] for bound in ("", "_p10", "_p90"))
        curve(ax, mean, f"scaled {place} the final norm", style, bounds, x=scale["c"])
    ax.axvline(1, **RULE)
    ax.set_xscale("log", base=2)
    ax.set_xticks([1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8], ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    ax.set_xlabel("scale c of the last state (1: as it is)")
    from_zero(ax)
    return dress(ax, "Does a longer last state make the model surer?", "entropy (nats)")


def lens(ax: Axes, layers: dict, untrained: dict | None) -> Axes:
    """Draw what each layer would predict if it were the last; bars: how often top tokens agree."""
    share = ax.twinx()
    top1 = np.array(layers["lens_top1"], float)
    bars = share.bar(range(len(top1)), top1, color="0.88", width=0.7)
    bars.set_label("same top token (right axis)")
    share.set_ylim(0, 1.05)
    share.set_ylabel("share with the same top token")
    share.spines["top"].set_visible(False)
    share.set_zorder(ax.get_zorder() - 1)  # bars lie behind the lines
    ax.patch.set_visible(False)
    curve(ax, layers["lens_kl"], "KL to the final prediction", MAIN)
    curve(ax, layers["lens_entropy"], "entropy", OTHER)
    if untrained:
        curve(ax, untrained["lens_kl"], "untrained, KL", UNTRAINED)
    from_zero(ax)
    layer_axis(ax, layers)
    title = "What would each layer predict if it were the last?"
    return dress(ax, title, "KL, entropy (nats)", [bars])


def curve(ax: Axes, values, label: str, style: dict, bounds=None, x=None) -> None:
    """Draw one line, with a band between the two lists of `bounds`; x is 0, 1, ... by default."""
    y = np.array(values, float)
    x = np.arange(len(y)) if x is None else x
    style = {"linewidth": 1.8, "markersize": 4.5, "markevery": stride(len(y) - 1)} | style
    ax.plot(x, y, label=label, **style)
    if bounds is not None:
        low, high = (np.array(bound, float) for bound in bounds)
        fill, edge = (style["color"], 0.18), (style["color"], 0.4)
        ax.fill_between(x, low, high, facecolor=fill, edgecolor=edge, linewidth=0.8, zorder=2)


def layer_axis(ax: Axes, layers: dict) -> None:
    """Put layers along x: the embedding, then 1 to N; fewer ticks if there are many layers."""
    depth = len(layers["norm_median"]) - 1
    ticks = range(0, depth + 1, stride(depth))
    ax.set_xticks(ticks, ["emb", *map(str, ticks[1:])])
    ax.set_xlim(-0.5, depth + 0.5)
    ax.set_xlabel("layer" if depth else "layer (a model without blocks)")


def from_zero(ax: Axes) -> None:
    """Start the y axis at 0, so that noise on a constant looks constant."""
    ax.update_datalim([(0, 0)], updatex=False)
    ax.autoscale_view(scalex=False)
    ax.set_ylim(bottom=0)


def stride(depth: int) -> int:
    """Return every how many layers there is room for a tick."""
    return max(1, -(-depth // 12))


def dress(ax: Axes, title: str, ylabel: str, also=()) -> Axes:
    """Set title and y label, and a legend of two rows between them, where it hides no data."""
    ax.set_title(title, loc="left", pad=34, fontweight="bold", fontsize=11)
    ax.set_ylabel(ylabel)
    handles = [*ax.get_legend_handles_labels()[0], *also]
    legend = ax.legend(handles=handles, ncols=(len(handles) + 1) // 2, handlelength=3, **LEGEND)
    legend.set_in_layout(False)  # the title's pad keeps the space free
    tidy(ax)
    return ax


def tidy(ax: Axes, grid: str = "y") -> None:
    """Leave out the frame's upper and right side, and put a faint grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=grid, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)


def verdict(ax: Axes, finding: dict) -> None:
    """Write the claim that a panel tests, and its verdict, in small type under the panel."""
    below = {"xycoords": ax.xaxis.label, "textcoords": "offset points", "fontsize": SMALL}
    below |= {"ha": "center", "va": "top"}
    claim = ax.annotate(f"“{finding['claim']}”", (0.5, 0), (0, -4), style="italic", **below)
    claim.set_in_layout(False)  # as wide as the panel; the line below it keeps the space free
    ax.annotate(f"{finding['verdict']} here", (0.5, 0), (0, -15), fontweight="bold", **below)
