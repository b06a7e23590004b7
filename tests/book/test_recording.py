"""A lesson that is recorded: everything that it shows, in order, and nothing of a learner's."""

import json
import os

import pytest

from minitx.book.recording import record
from minitx.classroom.answers import folder
from minitx.classroom.learner import session
from minitx.errors import InputError


def shown(found, kind=None):
    items = [item for part in found["parts"] for item in part["shown"]]
    return [item for item in items if kind in (None, item["kind"])]


def change(classroom, old, new):
    path = classroom / "l03_toy.py"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return 1 + text[: text.index(old)].count("\n")


def test_everything_shown_is_kept_in_order(classroom, capsys):
    found = record("L03")
    assert [item["kind"] for item in shown(found)] == [
        "prediction", "prediction", "panel", "figure", "output", "truth", "truth", "figure",
        "quiz", "verdict", "words", "writing", "verdict", "ledger",
    ]  # fmt: skip
    assert capsys.readouterr().out == ""
    asked, chosen = shown(found, "prediction")
    assert (asked["low"], asked["high"], asked["unit"]) == (0, 8, "nats")
    assert chosen["choices"] == ["it rises", "it falls"] and chosen["low"] is None
    assert shown(found, "output")[0]["text"] == "SEEN ['one', 'two'] False\n"
    assert shown(found, "panel") == [
        {"kind": "panel", "name": "dial", "family": "fables", "view": {"c": 2}}
    ]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_learner_is_left_alone(classroom, monkeypatch, tmp_path):
    answers = tmp_path / "answers"
    answers.mkdir()
    (answers / "L03.toml").write_text('"L03.a" = 3.0\n')
    monkeypatch.setenv("MINITX_ANSWERS", str(answers))
    session.passed["L03.e1"] = True
    found = record("L03")
    assert session.passed.pop("L03.e1") and session.collect is None
    assert os.environ["MINITX_ANSWERS"] == str(answers) and folder() == answers
    assert [path.name for path in answers.iterdir()] == ["L03.toml"]
    assert "3.0" not in json.dumps(shown(found, "truth"))


def test_a_folder_of_answers_is_not_left_behind(classroom, monkeypatch):
    monkeypatch.delenv("MINITX_ANSWERS", raising=False)
    record("L03")
    assert "MINITX_ANSWERS" not in os.environ


@pytest.mark.parametrize(
    "broken, words",
    [
        ("seen.append(1 / 0)", "ZeroDivisionError: division by zero"),
        ("seen.append(np.zeros(3) @ np.zeros(2))", "ValueError"),  # breaks inside numpy
        ("reveal('L03.b', 'neither', 'why')", "InputError: L03.b: 'neither' is not one of"),
        ("seen.append(", "SyntaxError"),
    ],
)
def test_a_broken_lesson_is_named_with_its_line(classroom, broken, words):
    line = change(classroom, 'seen.append("two")', broken)
    with pytest.raises(InputError, match=rf"L03 breaks at line {line} of l03_toy.py \({words}"):
        record("L03")
    assert session.collect is None


def test_hints_and_solution_of_an_exercise_are_kept(classroom):
    (part,) = [part for part in record("L03")["parts"] if part["kind"] == "exercise"]
    assert part["hints"] == ["a NUDGE", "the WAY"] and "# SOLUTION" in part["solution"]
    assert part["shown"] == [] and part["conclusion"] == "So it DOUBLES."


def test_figures_of_one_name_stay_apart(classroom):
    assert [item["name"] for item in shown(record("L03"), "figure")] == ["l03_toy", "l03_toy-2"]
