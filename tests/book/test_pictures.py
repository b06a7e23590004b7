"""Figures as data: where a reader's number lies in the drawing, and the numbers in words."""

import numpy as np
import pytest

from minitx.book import figures, pictures
from minitx.classroom.awaited import Awaited
from minitx.classroom.figures import Picture


def share(guess, value):
    """Where a number lies on the axis of a guess, as `book.js` computes it."""
    low, high = guess["low"], guess["high"]
    number = guess["scale"] * value + guess["shift"]
    if guess["is_log"]:
        return np.log(number / low) / np.log(high / low)
    return (number - low) / (high - low)


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("panel", [0, 1])
def test_a_prediction_has_its_place_in_the_drawing(scale, panel):
    picture = Picture("name", "title", panels=2)
    picture.line(panel, [1, 2, 4, 8], [1.0, 3.0, 5.0, 700.0], "curve")
    picture.guess(panel, 2 * Awaited("L03.a") + 1, at=4)
    picture.dress(panel, "", "x", "y", yscale=scale, xscale="log")
    (guess,) = pictures.as_data(picture)["guesses"]
    axes, figure = picture.axes[panel], picture.figure
    # matplotlib's own word on where (4, 2 * 20 + 1) lies, from the upper left corner
    x, y = figure.transFigure.inverted().transform(axes.transData.transform((4, 41)))
    assert guess["id"] == "L03.a" and guess["at"] == pytest.approx(x, abs=1e-4)
    height = guess["bottom"] - guess["top"]
    assert guess["bottom"] - share(guess, 20) * height == pytest.approx(1 - y, abs=1e-4)


def test_a_prediction_on_the_other_axis():
    picture = Picture("name", "title")
    picture.line(0, [0, 10], [1.0, 3.0], "curve")
    picture.guess(0, Awaited("L03.a"), axis="x")
    picture.dress(0, "", "x", "y")
    (guess,) = pictures.as_data(picture)["guesses"]
    place = picture.axes[0].transData.transform((7, 1))
    x, _ = picture.figure.transFigure.inverted().transform(place)
    width = guess["right"] - guess["left"]
    assert guess["axis"] == "x" and "at" not in guess
    assert guess["left"] + share(guess, 7) * width == pytest.approx(x, abs=1e-4)


def test_numpys_numbers_leave_arithmetic_to_what_is_awaited():
    value = np.float64(3) * (Awaited("L03.a") + 1) - np.float32(0.5)
    assert value == Awaited("L03.a", 3.0, 2.5)
    assert 1 - Awaited("L03.a") / 2 == Awaited("L03.a", -0.5, 1.0)


def drawn():
    picture = Picture("name", "Is it so?", panels=2)
    curve = [[1.0, np.nan, 2.5], [2.0, np.nan, 3.5]]
    picture.line(0, [1, 2, 3], curve, "a <curve>")
    picture.level(0, 0.25, "chance")
    picture.dress(0, "Growth", "block", "length")
    picture.dots(1, [1, 1, 2], [5, 6, 7], "marks")
    return pictures.as_data(picture)


def test_the_same_figure_has_the_same_bytes():
    assert drawn()["svg"] == drawn()["svg"]
    assert "minitx" not in drawn()["svg"] and "<dc:date>" not in drawn()["svg"]


def test_a_figure_is_said_in_words_and_in_tables():
    data = drawn()
    assert figures.in_words(data) == (
        "Is it so? Growth over block: a <curve> from 1.5 at 1 to 3 at 3; baseline: chance 0.25. "
        "Panel 2: marks, 3 marks."
    )
    html = figures.figure(data)
    assert "<td>1.5 (1 to 2)</td>" in html and "<td>no value</td>" in html
    assert '<th scope="col">a &lt;curve&gt;</th>' in html and "<curve>" not in html
    assert html.count("<tr>") == 1 + 4 + 1 + 3  # each mark has a row of its own
    assert data["csv"].count("\n") == 1 + len(data["rows"])
