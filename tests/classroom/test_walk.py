"""The walk: it asks, checks, shows figures, can be left anywhere and goes on there."""

import contextlib
import io

import pytest

from minitx.classroom import walk as walking
from minitx.classroom.answers import recall
from minitx.classroom.walk import walk

FIGURE = """from minitx.classroom import Picture

p = Picture("toy", "title")
p.line(0, [1, 2], [3.0, 4.0], "curve")
p.save()
print("END")
"""


@pytest.fixture
def opened(toy, monkeypatch):
    """The addresses that were opened, in a lesson that ends with a figure."""
    path = toy / "l00_toy.py"
    path.write_text(path.read_text().replace('print("END")', FIGURE))
    addresses = []
    monkeypatch.setattr(walking.webbrowser, "open", lambda url: addresses.append(url) or True)
    return addresses


def test_a_walk_asks_checks_and_ends(toy, type_in, capsys, answers):
    path = answers / "L00_e1.py"

    def solve(body):
        path.write_text(path.read_text().replace("...", body))
        return ""

    def break_off():
        path.write_text("def double(x:")
        return ""

    def remove():
        path.unlink()
        return "s"

    type_in("", "", "0.3", "a", "h", lambda: solve("return x**2"), break_off, remove, "")
    walk("L00")
    out = capsys.readouterr().out
    for words in ("SEEN ['one', 'two'] 0.3", "of 3: add", "you squared", "SyntaxError", "END"):
        assert words in out, words
    assert recall("L00")["done"] is True


def test_a_right_solution_is_kept(toy, type_in, capsys, answers):
    def solve():
        path = answers / "L00_e1.py"
        path.write_text(path.read_text().replace("...", "return x + x"))
        return ""

    type_in("", "", "0.3", "a", solve, "")
    walk("L00")
    assert "CHECK L00.e1: right." in capsys.readouterr().out
    assert recall("L00")["L00.e1"] is True


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), "q", EOFError()])
def test_a_walk_that_is_left_goes_on_there(toy, type_in, capsys, stop):
    type_in("", stop)
    with contextlib.suppress(KeyboardInterrupt):
        walk("L00")
    assert "SEEN ['one'" not in capsys.readouterr().out
    type_in("", "nonsense", "", "", "s", "")
    walk("L00")
    out = capsys.readouterr().out
    assert "going on where you left" in out and "SEEN ['one', 'two'] None" in out and "END" in out
    assert "stress" not in out


def test_cells_that_run_again_ask_nothing(toy, type_in, capsys):
    type_in("", "", "", "", "q")  # a skipped prediction, a skipped quiz
    walk("L00")
    asked = []
    type_in(*[lambda: asked.append("typed") or "s"] * 2)
    walk("L00", again=False)
    out = capsys.readouterr().out
    assert "going on where you left, at part 4 of 5" in out and "END" in out
    assert len(asked) == 2  # the exercise, and the last cell
    assert recall("L00")["done"] is True


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"COLUMNS": "20"}])
def test_a_walk_needs_no_colours(toy, monkeypatch, capsys, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    walk("L00", straight=True)
    out = capsys.readouterr().out
    assert "\x1b[" not in out and "END" in out


def test_a_figure_is_named_and_opened(opened, capsys, answers):
    walk("L00", straight=True)
    assert opened == []
    walk("L00", straight=True, show=True)
    path = answers / "figures" / "toy.png"
    assert opened == [path.as_uri()]
    assert capsys.readouterr().out.count(f"FIGURE {path}") == 2


def test_a_walk_needs_no_display(opened, monkeypatch, capsys, answers):
    monkeypatch.setattr(walking.webbrowser, "open", lambda url: False)
    walk("L00", straight=True, show=True)
    assert f"open {answers / 'figures' / 'toy.png'} yourself" in capsys.readouterr().out


def test_a_walk_needs_no_folder(opened, capsys, answers):
    answers.write_text("a file in the folder's place")
    walk("L00", straight=True, show=True)
    captured = capsys.readouterr()
    assert "END" in captured.out and "FIGURE" not in captured.out and opened == []
    assert captured.err.count("not saved") == 1


def test_input_that_is_no_terminal_is_not_waited_for(toy, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    walk("L00")
    assert "END" in capsys.readouterr().out
