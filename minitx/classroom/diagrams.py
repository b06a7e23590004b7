"""A diagram of a transformer's pieces, with the shape of every array that passes between them."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from minitx.classroom.figures import Picture
from minitx.model import Trace
from minitx.plots import COLOURS, SMALL

WIDE, HIGH = 15.0, 7.0  # of a box; the diagram is 100 wide and 60 high
TOP, MIDDLE, BOTTOM = 50.0, 30.0, 5.5  # heights of the three rows
FIRST, LAST = 9.0, 91.0  # middles of the outermost boxes of a row
LEFT, RIGHT, STREAM = 4.0, 96.0, 21.5  # where the stream begins and ends, and its height
SHAPES = {"family": "monospace", "fontsize": SMALL, "color": "0.25", "ha": "center"}
ARROW = {"arrowstyle": "->", "shrinkA": 1, "shrinkB": 1}
TABLE, SUBLAYER, NORM, PLAIN = COLOURS[0], COLOURS[1], COLOURS[4], "0.6"
MEANINGS = {
    TABLE: "a table with learned rows",
    SUBLAYER: "adds to the stream",
    NORM: "sets the length",
    PLAIN: "no weights",
}


def draw_pieces(name: str, text: str, seen: Trace) -> Picture:
    """Draw the way of a text through a model with added positions, and save it.

    The shapes are those of a trace. The figure is saved as figures/NAME.png, its shapes as CSV.
    """
    blocks, _, heads, _, _ = seen.pattern_NBHTS.shape
    tokens = seen.token_BTD.shape[:2]
    stream = seen.stream_RBTD.shape[1:]
    logits = seen.logits_BTV.shape
    picture = Picture(name, "The pieces of a transformer")
    ax = picture.axes[0]
    ax.set(xlim=(0, 100), ylim=(0, 60))
    ax.set_axis_off()

    _explain_colours(ax)
    embed = [f"text\n{text!r}", "tokenizer", "row of the\nembedding", "row for\nthe place"]
    x = _row(ax, TOP, embed, (PLAIN, PLAIN, TABLE, TABLE))
    _arrow(ax, (x[0], TOP), (x[1], TOP))
    _arrow(ax, (x[1], TOP), (x[2], TOP), f"B T\n{_shape(tokens)}")
    plus = (x[2] + x[3]) / 2
    for edge, side in ((x[2] + WIDE / 2, -1), (x[3] - WIDE / 2, 1)):
        ax.annotate("", (plus + side, TOP), (edge, TOP), arrowprops=ARROW)
    _plus(ax, plus, TOP)

    ax.add_patch(Rectangle((1, 18.5), 98, 20.5, fill=False, linestyle="--", edgecolor="0.5"))
    ax.text(6, 36.3, f"one block; the model has {blocks}, one after the other", fontsize=SMALL)
    _elbow(ax, plus, TOP, LEFT, 42, STREAM)
    ax.plot([LEFT, RIGHT], [STREAM, STREAM], color="black", linewidth=2.5)
    block = ["LayerNorm", f"attention\n({heads} heads)", "LayerNorm", "MLP"]
    x = _row(ax, MIDDLE, block, (NORM, SUBLAYER, NORM, SUBLAYER), inset=6)
    for start, end in ((0, 1), (2, 3)):
        _arrow(ax, (x[start], STREAM), (x[start], MIDDLE))
        _arrow(ax, (x[start], MIDDLE), (x[end], MIDDLE))
        _arrow(ax, (x[end], MIDDLE), (x[end], STREAM + 1))
        _plus(ax, x[end], STREAM)
    ax.text(50, 15.8, f"the stream of states: B T D, {_shape(stream)}", **SHAPES)
    _elbow(ax, RIGHT, STREAM, FIRST, 14.5, BOTTOM + HIGH / 2)

    end = ["LayerNorm", "unembedding", "softmax", "probabilities"]
    x = _row(ax, BOTTOM, end, (NORM, TABLE, PLAIN, PLAIN))
    _arrow(ax, (x[0], BOTTOM), (x[1], BOTTOM))
    _arrow(ax, (x[1], BOTTOM), (x[2], BOTTOM), f"B T V\n{_shape(logits)}")
    _arrow(ax, (x[2], BOTTOM), (x[3], BOTTOM))
    for piece, shape in (("tokens", tokens), ("stream", stream), ("logits", logits)):
        picture.rows.append((1, piece, _shape(shape), "", "", ""))
    return picture.save()


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _explain_colours(ax: Axes) -> None:
    """Say above the diagram what each colour means."""
    for place, (colour, meaning) in enumerate(MEANINGS.items()):
        x = FIRST - WIDE / 2 + 25 * place
        ax.add_patch(Rectangle((x, 57), 2, 2, facecolor=colour, alpha=0.25, edgecolor="black"))
        ax.text(x + 3, 58, meaning, va="center", fontsize=SMALL)


def _row(ax: Axes, y: float, labels: list[str], colours: tuple[str, ...], inset=0.0) -> list[float]:
    """Draw boxes in a row, which is shorter by an inset on each side; return their middles."""
    step = (LAST - FIRST - 2 * inset) / (len(labels) - 1)
    middles = [FIRST + inset + step * place for place in range(len(labels))]
    for x, label, colour in zip(middles, labels, colours, strict=True):
        ax.add_patch(
            FancyBboxPatch(
                (x - WIDE / 2, y - HIGH / 2), WIDE, HIGH, boxstyle="round,pad=0.2",
                facecolor=colour, alpha=0.25, edgecolor="black", linewidth=0.8,
            )
        )  # fmt: skip
        ax.text(x, y, label, ha="center", va="center", fontsize=9)
    return middles


def _arrow(ax: Axes, start, end, label: str = "") -> None:
    """Draw an arrow between two boxes, each given by its middle, from edge to edge."""
    (x0, y0), (x1, y1) = start, end
    if y0 == y1:
        x0, x1 = x0 + WIDE / 2, x1 - WIDE / 2
    elif y1 > y0:
        y1 -= HIGH / 2
    else:
        y0 -= HIGH / 2
    ax.annotate("", (x1, y1), (x0, y0), arrowprops=ARROW)
    ax.text((x0 + x1) / 2, y0 + 1, label, va="bottom", **SHAPES)


def _elbow(ax: Axes, x0: float, y0: float, x1: float, turn: float, y1: float) -> None:
    """Draw an arrow that goes down to the height `turn`, sideways, and down again."""
    ax.plot([x0, x0, x1], [y0, turn, turn], color="black", linewidth=1)
    ax.annotate("", (x1, y1), (x1, turn + 0.05), arrowprops={"arrowstyle": "->", "shrinkA": 0})


def _plus(ax: Axes, x: float, y: float) -> None:
    style = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black"}
    ax.text(x, y, "+", ha="center", va="center", fontsize=9, bbox=style, zorder=5)
