"""The figures of lessons: bands over seeds, baselines, the learner's guess, and their CSV."""

import csv

import numpy as np
import pytest

from minitx import plots
from minitx.classroom import Picture
from minitx.classroom.learner import session


@pytest.fixture
def unsaved(monkeypatch):
    """Drawing a PNG takes most of a test's time, and most tests do not look at it."""
    monkeypatch.setattr(plots, "png", lambda figure: b"")


def rows(answers, name="p"):
    with open(answers / "figures" / f"{name}.csv") as file:
        return list(csv.DictReader(file))


def drawn(ax):
    """The lines of a panel by their label."""
    return {line.get_label(): line for line in ax.lines}


def test_a_curve_is_the_mean_over_seeds_in_its_band(answers, unsaved):
    y_EX = np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 8.0]])
    p = Picture("p", "title")
    p.line(0, [10, 20, 30], y_EX, "both")
    p.baseline(0, [10, 20, 30], y_EX[0], "nothing")
    p.save()
    ax, table = p.axes[0], rows(answers)
    np.testing.assert_array_equal(drawn(ax)["both"].get_ydata(), [2, 4.5, 5])
    assert drawn(ax)["baseline: nothing"].get_linestyle() == "--"
    (band,) = ax.collections  # one seed alone has none
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (1, 8)
    assert [(r["series"], r["x"], r["mean"], r["low"], r["high"]) for r in table[:3]] == [
        ("both", "10", "2.0", "1.0", "3.0"), ("both", "20", "4.5", "4.0", "5.0"),
        ("both", "30", "5.0", "2.0", "8.0"),
    ]  # fmt: skip
    assert {r["series"] for r in table[3:]} == {"baseline: nothing"}


def test_bars_have_whiskers_and_stand_beside_each_other(answers):
    p = Picture("p", "title")
    for place, name in enumerate(("left", "right")):
        p.bars(0, ["a", "b", "c"], [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]], name, of=2, place=place)
    p.save()
    left, right = (b for b in p.axes[0].containers if hasattr(b, "patches") and b.patches)
    assert [bar.get_height() for bar in left] == [1.5, 3, 4.5]
    for a, b in zip(left, right, strict=True):
        assert a.get_x() + a.get_width() <= b.get_x()
    whiskers = [segments.get_segments() for segments in p.axes[0].collections]
    assert [list(w[:, 1]) for w in whiskers[0]] == [[1, 2], [2, 4], [3, 6]]
    assert rows(answers)[1]["low"] == "2.0" and rows(answers)[1]["high"] == "4.0"


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("axis", ["y", "x"])
@pytest.mark.parametrize("value", [0.003, 0.5, 900.0])
def test_a_guess_is_in_sight_however_far_off(answers, unsaved, value, axis, scale):
    p = Picture("p", "title", panels=2)
    p.line(1, [0.1, 0.5, 0.9], [0.2, 0.4, 0.8], "curve")
    p.dress(1, "t", "x", "y", **{f"{axis}scale": scale, f"{axis}lim": (0.1, 1.0)})
    p.guess(1, value, axis=axis)
    p.save()
    limits = p.axes[1].get_ylim() if axis == "y" else p.axes[1].get_xlim()
    assert limits[0] < value < limits[1]
    assert limits[0] <= 0.1 and limits[1] >= 1.0
    assert rows(answers)[-1]["series"] == "your prediction"
    assert rows(answers)[-1]["mean"] == str(value)


def test_a_guess_about_one_place_is_a_star_there(unsaved):
    p = Picture("p", "title")
    p.line(0, [1, 2, 3], [5.0, 6.0, 7.0], "curve")
    p.guess(0, 9.0, at=2)
    p.save()
    star = drawn(p.axes[0])["your prediction: 9"]
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([2], [9.0])
    assert p.axes[0].get_ylim()[1] > 9


def test_no_guess_draws_nothing_and_one_without_a_place_warns_nobody(recwarn):
    p = Picture("p", "title")
    p.line(0, [1, 2], [1.0, 10.0], "curve")
    p.dress(0, "t", "x", "y", yscale="log")
    before = p.axes[0].get_ylim()
    p.guess(0, None)
    assert len(p.axes[0].lines) == 1
    p.guess(0, -2.0)
    p.save()
    assert p.axes[0].get_ylim() == before and not recwarn.list


def test_words_beside_marks_do_not_hide_each_other(answers, unsaved):
    p = Picture("p", "title")
    p.dots(0, [1.0, 1.01, 5.0], [1.0, 1.01, 5.0], "dots", words=["first", "second", "far"])
    p.dress(0, "", "x", "y")
    p.save()
    boxes = [word.get_window_extent() for word in p.words]
    for place, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[:place])
    assert [word.xyann for word in p.words] == [(3, 3), (3, -3), (3, 3)]


def test_a_word_without_a_free_side_stays_where_it_was(answers, unsaved):
    p = Picture("p", "title")
    p.dots(0, [1.0] * 5, [1.0] * 5, "dots", words=["same"] * 5)
    p.save()
    assert len({word.xyann for word in p.words}) == 4
    assert p.words[0].xyann == p.words[4].xyann == (3, 3)


def test_a_figure_names_its_file_and_is_the_same_to_the_byte(answers, capsys):
    path = answers / "figures" / "p.png"
    found = []
    for _ in range(2):
        p = Picture("p", "title")
        p.dots(0, [1, 2], [3, 4], "dots", words=["a"])
        p.level(0, 3.5, "chance")
        p.save()
        assert capsys.readouterr().out == f"FIGURE {path}\n"
        found.append(path.read_bytes())
    assert found[0] == found[1] and found[0][:4] == b"\x89PNG"
    assert session.figures == [path, path]
    assert p._repr_png_()[:4] == b"\x89PNG"
