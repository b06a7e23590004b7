"""The end of a lesson: what was right, what comes next; the same way from wherever it ran."""

import json
import runpy

import pytest

from minitx.classroom import finish, lessons
from minitx.classroom.answers import recall, remember
from minitx.classroom.notebook import write_notebook
from minitx.classroom.walk import walk


def run_notebook(tmp_path):
    namespace = {"__name__": "__main__"}
    path = write_notebook("L00", tmp_path / "toy.ipynb")
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), namespace)


@pytest.mark.parametrize(
    "go_through",
    [
        lambda tmp_path: walk("L00", straight=True),
        lambda tmp_path: runpy.run_path(str(lessons.paths()["L00"]), run_name="__main__"),
        run_notebook,
    ],
    ids=["walk", "script", "notebook"],
)
def test_a_lesson_is_done_however_it_ran(toy, tmp_path, capsys, go_through):
    assert lessons.progress("L00") == "-"
    go_through(tmp_path)
    assert recall("L00")["done"] is True
    assert lessons.progress("L00") == "done            0 of 1 exercises"
    assert "L00 is done. Exercises solved: 0 of 1. Questions right: 0 of 2." in (
        " ".join(capsys.readouterr().out.split())
    )


def test_a_lesson_that_was_left_is_not_done(toy, type_in):
    type_in("0.3", "a", "q")
    walk("L00")
    assert "done" not in recall("L00")


def test_the_end_counts_what_was_right_and_names_what_comes_next(toy, capsys):
    (toy / "l01_more.py").write_text((toy / "l00_toy.py").read_text())
    remember("L00", {"L00.e1": True, "L00.q1": True, "L00.q2": False})
    finish("L00")
    out = capsys.readouterr().out
    assert "Exercises solved: 1 of 1. Questions right: 1 of 2.\n" in out
    assert "Open: L00.q2." in out and "Next: L00 Toy (minitx lesson 1)\n" in out


def test_what_is_open_can_be_tried_again(toy, capsys):
    finish("L00")
    out = " ".join(capsys.readouterr().out.split())
    assert "Open: L00.e1, L00.q1, L00.q2. To try them again: minitx lesson 0 --again" in out
    remember("L00", {"L00.e1": True, "L00.q1": True, "L00.q2": True})
    finish("L00")
    assert "Open" not in capsys.readouterr().out


def test_the_end_asks_the_question_of_the_next_lesson_that_is_open(capsys):
    finish("L08")
    out = capsys.readouterr().out
    assert "Next: L09 What a norm sees (minitx lesson 9)\n  If LayerNorm divides length away" in out
    remember("L09", {"done": True})
    finish("L08")
    assert "What a norm sees" not in capsys.readouterr().out
    for name in lessons.paths():
        remember(name, {"done": True})
    finish("L08")
    assert "Next: minitx ledger\n" in capsys.readouterr().out
