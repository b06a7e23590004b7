"""The walk: it asks, checks, shows figures, can be left anywhere and goes on there."""

import contextlib
import io

import pytest

from minitx.classroom.answers import recall
from minitx.classroom.walk import walk
from minitx.page import browser

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
    monkeypatch.setattr(browser, "open_address", lambda url: addresses.append(url) or True)
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

    squares = lambda: solve("return x**2")  # noqa: E731
    type_in("0.3", "b", "", "", "h", squares, break_off, remove, "a", "nine", "")
    walk("L00")
    out = " ".join(capsys.readouterr().out.split())
    for words in (
        "SEEN ['one', 'two'] 0.3 1", "You said 0.3. It is 0.5", 'You said "that", and so it is',
        "of 3: add", "you squared", "line 1 of", "is not Python",
        "skipped (help: minitx hint L00.e1)", "it is b) Beta", "it is a) one", "END",
        "L00 is done",
    ):  # fmt: skip
        assert words in out, words
    assert recall("L00")["done"] is True


def test_a_walk_begins_with_how_to_walk(toy, monkeypatch, type_in, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    type_in("0.3", "b", "q")
    walk("L00")
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("Enter goes on; q leaves") and "minitx lesson 0 --notebook." in out
    assert "Lines of code have up to 100 columns; your window has 80." in out
    type_in("q")
    walk("L00")  # goes on
    assert "Enter goes on" not in capsys.readouterr().out


def test_a_skipped_exercise_is_not_checked(toy, type_in, capsys):
    type_in("0.3", "b", "", "", "s", "q")
    walk("L00")
    out = capsys.readouterr().out
    assert "skipped (help: minitx hint L00.e1)" in out and "CHECK" not in out


def test_a_right_solution_is_kept(toy, type_in, capsys, answers):
    def solve():
        path = answers / "L00_e1.py"
        path.write_text(path.read_text().replace("...", "return x + x"))
        return ""

    type_in("0.3", "a", "", "", solve, "b", "1", "")
    walk("L00")
    out = " ".join(capsys.readouterr().out.split())
    assert "CHECK L00.e1: right." in out
    assert "Exercises solved: 1 of 1. Questions right: 2 of 2." in out
    assert recall("L00")["L00.e1"] is True


def test_quiet_code_is_not_shown_and_folded_code_on_request(toy, type_in, capsys):
    typed = iter(["0.3", "b", "c", "code", "", "q"])
    pieces = []

    def answer():
        pieces.append(capsys.readouterr().out)
        return next(typed)

    type_in(*[answer] * 6)
    walk("L00")
    first, _, folded, *shown, after = pieces
    assert "stress" in first and "PREDICT" in first and "import" not in first
    assert "[Count to two: 2 lines of code]" in folded and "seen.append" not in folded
    assert len(shown) == 2  # c and its long form show the code, and wait again
    assert all(words.count("seen.append") == 1 for words in shown)
    assert "seen.append" not in after and 'print("SEEN", seen, guess, kind)' in after


@pytest.mark.parametrize(
    "before, nonsense, answer",
    [
        (["", ""], ["nonsense", "h", "s"], "Press Enter, or type one of: c, q."),  # folded
        (["", "", ""], ["nonsense", "c", "h"], "Press Enter, or type one of: q."),  # code
        (["", "", "", ""], ["nonsense", "c"], "Press Enter, or type one of: h, s, q."),  # exercise
    ],
)
def test_nonsense_runs_nothing(toy, type_in, capsys, before, nonsense, answer):
    type_in(*before, *nonsense, "q")
    walk("L00")
    out = capsys.readouterr().out
    assert out.count(answer) == len(nonsense)
    assert out.rstrip().endswith("`minitx lesson 0` goes on here")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), "q", EOFError()])
def test_a_walk_that_is_left_goes_on_there(toy, type_in, capsys, stop):
    type_in("", "b", "", stop)
    with contextlib.suppress(KeyboardInterrupt):
        walk("L00")
    assert "SEEN ['one'" not in capsys.readouterr().out
    assert "done" not in recall("L00")
    type_in("", "s", "", "", "")
    walk("L00")
    out = capsys.readouterr().out
    assert "going on where you left, at part 4 of 8" in out
    assert "SEEN ['one', 'two'] None 1" in out and "END" in out
    assert "stress" not in out and "Count to two" not in out


def test_a_question_can_be_interrupted(toy, type_in, capsys):
    type_in("0.3", "b", "", "", "s", "b", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        walk("L00")
    assert "left at part 6 of 8: `minitx lesson 0` goes on there" in capsys.readouterr().out
    type_in("b", "a", "")
    walk("L00")
    out = " ".join(capsys.readouterr().out.split())
    assert "going on where you left, at part 6 of 8" in out and "Questions right: 2 of 2" in out


def test_cells_that_run_again_ask_nothing(toy, type_in, capsys):
    type_in("", "", "", "", "q")  # two skipped predictions
    walk("L00")
    asked = []
    type_in(*[lambda: asked.append("typed") or "s", "", "", lambda: asked.append("last") or ""])
    walk("L00", again=False)
    out = capsys.readouterr().out
    assert "going on where you left, at part 5 of 8" in out and "END" in out
    assert asked == ["typed", "last"]  # the exercise, and the last cell of code
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
    walk("L00", straight=True, opens=True)
    path = answers / "figures" / "toy.png"
    assert opened == [path.as_uri()]
    assert capsys.readouterr().out.count(f"FIGURE {path}") == 2


def test_a_walk_needs_no_display(toy, monkeypatch, capsys, answers):
    path = toy / "l00_toy.py"
    path.write_text(path.read_text().replace('print("END")', FIGURE))
    monkeypatch.setenv("CI", "1")
    monkeypatch.setattr(browser.webbrowser, "open", lambda url: pytest.fail("it was opened"))
    walk("L00", straight=True, opens=True)
    assert f"FIGURE {answers / 'figures' / 'toy.png'}" in capsys.readouterr().out


def test_a_walk_needs_no_folder(opened, capsys, answers):
    answers.write_text("a file in the folder's place")
    walk("L00", straight=True, opens=True)
    captured = capsys.readouterr()
    assert "END" in captured.out and "FIGURE" not in captured.out and opened == []
    assert captured.err.count("not saved") == 1


def test_input_that_is_no_terminal_is_not_waited_for(toy, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    walk("L00")
    assert "END" in capsys.readouterr().out
