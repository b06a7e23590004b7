"""Pictures: what is given is what is drawn, for any report, without a word of warning."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from minitx import plots
from minitx.plots import png

VERDICTS = ("supported", "qualified", "untested")


def columns(depth: int, first: float, ratio: float) -> dict[str, list]:
    """A table of layers as measure.layers and measure.lens make it; every list is its own."""
    norm = [first * ratio**n for n in range(depth + 1)]
    cos = [0.5 + 0.4 * n / depth for n in range(1, depth + 1)]
    return {
        "norm_median": norm,
        "norm_p10": [0.8 * n for n in norm],
        "norm_p90": [1.3 * n for n in norm],
        "norm_first_position": [2.5 * n for n in norm],
        "cos_embedding": [0.9**n for n in range(depth + 1)],
        "cos_prev": [None, *cos],
        "cos_prev_p10": [None, *(c - 0.2 for c in cos)],
        "cos_prev_p90": [None, *(c + 0.05 for c in cos)],
        "null_cos": [None, *(c - 0.1 for c in cos)],
        "step_null_cos": [None, *(c - 0.07 for c in cos)],
        "cos_random_pairs": [None, *(0.1 * c for c in cos)],
        "lens_entropy": [4 - n / (depth + 1) for n in range(depth + 1)],
        "lens_kl": [3 * (depth - n) / (depth + 1) for n in range(depth + 1)],
        "lens_top1": [(n + 1) / (depth + 1) for n in range(depth + 1)],
    }


def report(depth: int, first=0.5, ratio=1.8) -> dict:
    c = [2.0 ** (e / 2) for e in range(-6, 7)]
    scale: dict[str, list] = {"c": c}
    for place, entropy in (("after", [3 / (1 + x) for x in c]), ("before", [1.5 for _ in c])):
        scale[f"entropy_{place}_norm"] = entropy
        scale[f"entropy_{place}_norm_p10"] = [0.5 * h for h in entropy]
        scale[f"entropy_{place}_norm_p90"] = [1.2 * h for h in entropy]
    return {
        "tokens": 4096,
        "layers": columns(depth, first, ratio),
        "untrained": columns(depth, 0.9 * first, 1.01),
        "scale": scale,
        "findings": [{"claim": f"Claim {v}.", "verdict": v} for v in VERDICTS],
    }


def replaced(made: dict, part: str, prefix: str, value) -> dict:
    """A report in which every list of a part that starts so is `value` all along."""
    lists = made[part]
    constant = {k: [value] * len(v) for k, v in lists.items() if k.startswith(prefix)}
    return made | {part: lists | constant}


def drawn(ax) -> dict:
    """The labelled lines of a panel."""
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def band(ax, n: int) -> np.ndarray:
    """The corners of the nth band, as (points, 2)."""
    return ax.collections[n].get_paths()[0].vertices


@pytest.fixture(scope="module")
def made():
    return report(6)


@pytest.fixture(scope="module")
def fig(made):
    return plots.dashboard(made, "A title")


@pytest.fixture
def ax():
    return Figure().subplots()


def check_lines(ax, expected: dict):
    lines = drawn(ax)
    assert lines.keys() == expected.keys()
    for label, values in expected.items():
        np.testing.assert_array_equal(lines[label].get_ydata(), np.array(values, float), label)


def test_norms(ax, made):
    layers, untrained = made["layers"], made["untrained"]
    assert plots.norms(ax, layers, untrained) is ax
    check_lines(
        ax,
        {
            "trained": layers["norm_median"],
            "untrained": untrained["norm_median"],
            "trained, position 0 alone": layers["norm_first_position"],
        },
    )
    assert drawn(ax)["untrained"].get_linestyle() == "--"
    for n, part in enumerate((layers, untrained)):
        edges = set(np.round(band(ax, n)[:, 1], 12))
        assert edges == set(np.round(part["norm_p10"] + part["norm_p90"], 12))


def test_directions(ax, made):
    layers, untrained = made["layers"], made["untrained"]
    assert plots.directions(ax, layers, untrained) is ax
    check_lines(
        ax,
        {
            "the layer before": layers["cos_prev"],
            "the same, untrained": untrained["cos_prev"],
            "baseline: growth given": layers["null_cos"],
            "baseline: step given": layers["step_null_cos"],
            "random pairs": layers["cos_random_pairs"],
            "the embedding": layers["cos_embedding"],
        },
    )
    styles = {label: line.get_linestyle() for label, line in drawn(ax).items()}
    assert styles["baseline: step given"] == "--"
    assert styles["baseline: growth given"] == styles["the same, untrained"] == "--"
    assert styles["random pairs"] == ":"
    (threshold,) = (line for line in ax.lines if line.get_label() not in drawn(ax))
    assert set(threshold.get_ydata()) == {0.9}
    assert [t.get_text() for t in ax.texts] == ["0.9: the articles'\nthreshold"]


def test_confidence(ax, made):
    scale = made["scale"]
    assert plots.confidence(ax, scale) is ax
    check_lines(
        ax,
        {
            "scaled after the final norm": scale["entropy_after_norm"],
            "scaled before the final norm": scale["entropy_before_norm"],
        },
    )
    for line in drawn(ax).values():
        np.testing.assert_array_equal(line.get_xdata(), scale["c"])
    (as_it_is,) = (line for line in ax.lines if line.get_label() not in drawn(ax))
    assert set(as_it_is.get_xdata()) == {1}
    assert ax.get_xscale() == "log"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1/8", "1/4", "1/2", *"1248"]
    assert len(ax.collections) == 2
    for n, place in enumerate(("after", "before")):
        edges = [scale[f"entropy_{place}_norm_{bound}"] for bound in ("p10", "p90")]
        assert {*np.round(band(ax, n)[:, 1], 12)} == {*np.round(edges, 12).flat}


def test_lens(ax, made):
    layers, untrained = made["layers"], made["untrained"]
    assert plots.lens(ax, layers, untrained) is ax
    check_lines(
        ax,
        {
            "KL to the final prediction": layers["lens_kl"],
            "entropy": layers["lens_entropy"],
            "untrained, KL": untrained["lens_kl"],
        },
    )
    assert drawn(ax)["untrained, KL"].get_linestyle() == "--"
    (share,) = (other for other in ax.figure.axes if other is not ax)
    assert [bar.get_height() for bar in share.patches] == layers["lens_top1"]
    assert share.get_zorder() < ax.get_zorder(), "bars would hide the lines"


def test_every_axis_is_named_and_every_line_is_in_the_legend(fig):
    assert fig.get_suptitle() == "A title"
    *panels, share = fig.axes
    assert len(panels) == 4
    assert share.get_ylabel()
    for ax in panels:
        assert ax.get_title(loc="left") and ax.get_xlabel() and ax.get_ylabel()
        legend = {text.get_text() for text in ax.get_legend().get_texts()}
        assert drawn(ax).keys() <= legend
        assert len({(line.get_linestyle(), line.get_marker()) for line in drawn(ax).values()}) == (
            len(drawn(ax))
        ), "two lines look the same in grey print"


def test_verdicts_stand_under_their_panels(fig):
    texts = [[t.get_text() for t in ax.texts] for ax in fig.axes]
    for verdict, panel in zip(VERDICTS, texts, strict=False):
        assert panel[-2:] == [f"“Claim {verdict}.”", f"{verdict} here"]
    assert not texts[3]


def test_nothing_overlaps(fig):
    """From the top: title, legend, data, name of the x axis, claim, verdict; all on the page."""
    stacks = []
    for ax in fig.axes[:4]:
        heading = ax.get_title(loc="left")
        (title,) = ax.findobj(lambda a, t=heading: isinstance(a, Text) and a.get_text() == t)
        words = [t for t in ax.texts if t.get_text().endswith((".”", "here"))]
        parts = [title, ax.get_legend(), ax, ax.xaxis.label, *words]
        stacks.append([part.get_window_extent() for part in parts])
    slack = 6  # pixels: the box of a legend has an empty margin
    for boxes in stacks:
        assert all(low.y1 <= high.y0 + slack for high, low in itertools.pairwise(boxes))
        assert all(box.x0 >= 0 and box.x1 <= fig.bbox.x1 for box in boxes)
    for high, low in ((stacks[0], stacks[2]), (stacks[1], stacks[3])):
        assert high[-1].y0 > low[0].y1


CASES = {
    "no blocks": report(0),
    "one block": report(1),
    "huge": replaced(report(3, first=1e5, ratio=1.0), "layers", "cos_prev", -1.0),
    "equal": replaced(replaced(report(4), "layers", "norm", 8.0), "scale", "entropy", 3.0),
    "zero": replaced(replaced(report(4), "layers", "", 0.0), "scale", "entropy", 0.0),
    "nothing finite": replaced(replaced(report(4), "layers", "", None), "scale", "e", None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_any_report_can_be_drawn(case):
    plots.dashboard(case, "A title")  # warnings are errors here, see conftest.py


def test_the_same_report_gives_the_same_bytes():
    """A deep one, whose tick labels would move the panels when it is saved again."""
    fig, again = (plots.dashboard(report(48, ratio=1.3), "A title") for _ in range(2))
    first = png(fig)
    assert first == png(fig) == png(again)
    assert [int.from_bytes(first[n : n + 4], "big") for n in (16, 20)] == [1600, 1100]


@pytest.mark.parametrize(("ratio", "kind"), [(1.0, "linear"), (1.2, "linear"), (3.0, "log")])
def test_norms_are_on_a_log_axis_where_the_range_calls_for_it(ax, ratio, kind):
    layers = columns(4, 1.0, ratio)
    assert plots.norms(ax, layers, layers).get_yscale() == kind


def test_noise_on_a_constant_looks_constant(ax):
    layers = columns(4, 1.0, 1.0)
    noisy = [8 + 1e-9 * n for n in range(5)]
    layers |= {name: noisy for name in layers if name.startswith("norm")}
    low, high = plots.norms(ax, layers, layers).get_ylim()
    assert low == 0 and 8.1 < high < 10


@pytest.mark.parametrize(
    ("depth", "labels"),
    [
        (0, "emb"),
        (1, "emb 1"),
        (6, "emb 1 2 3 4 5 6"),
        (48, "emb 4 8 12 16 20 24 28 32 36 40 44 48"),
    ],
)
def test_layers_are_numbered_from_the_embedding(ax, depth, labels):
    layers = columns(depth, 1.0, 1.1)
    plots.norms(ax, layers, layers)
    assert [t.get_text() for t in ax.get_xticklabels()] == labels.split()
    assert [*ax.get_xticks()] == [0 if t == "emb" else int(t) for t in labels.split()]


def test_plots_needs_neither_jax_nor_pyplot():
    code = (
        "import sys; from minitx import plots;"
        "print(*(m for m in ('jax', 'flax', 'matplotlib.pyplot') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_threshold_is_the_one_that_the_findings_use():
    source = (Path(plots.__file__).parent / "findings.py").read_text()
    assert re.search(rf"^HIGH = {plots.HIGH}\b", source, re.MULTILINE)


def test_a_saved_figure_lies_beside_the_numbers_that_it_shows(tmp_path):
    figure = Figure()
    figure.subplots().plot([1, 2])
    plots.save(figure, tmp_path / "new" / "line.png", rows=[["x", "y"], [0, 1.5], [1, None]])
    assert (tmp_path / "new" / "line.png").read_bytes() == png(figure)
    assert (tmp_path / "new" / "line.csv").read_text() == "x,y\n0,1.5\n1,\n"
    assert b"matplotlib" not in png(figure)
    plots.save(figure, tmp_path / "alone.png")
    assert not (tmp_path / "alone.csv").exists()
