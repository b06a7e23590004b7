"""Predictions and quizzes: they survive any input, and never scold."""

import tomllib

import pytest

from minitx.classroom.learner import tell
from minitx.classroom.questions import predict, quiz
from minitx.errors import InputError


@pytest.mark.parametrize(
    "typed, kept",
    [
        (["0.5"], 0.5),
        (["0,5"], 0.5),
        ([""], None),
        (["banana", "7", "nan", "0.4"], None),  # three tries
        (["banana", "1e-1"], 0.1),
        ([], None),  # the end of the input
    ],
)
def test_a_prediction_survives_any_answer(type_in, answers, typed, kept):
    type_in(*typed)
    assert predict("L08.a", "how much?", low=0, high=1) == kept
    stored = tomllib.loads((answers / "L08.toml").read_text())
    assert stored["L08.a"] == ("" if kept is None else kept)


def test_infinity_is_not_an_answer(type_in, answers, capsys):
    type_in("inf", "1e999", "2.5")
    assert predict("L08.a", "how much?", low=0) == 2.5
    assert capsys.readouterr().out.count("is not a number from 0.") == 2
    assert tomllib.loads((answers / "L08.toml").read_text()) == {"L08.a": 2.5}


def test_a_prediction_is_asked_for_once(type_in, capsys):
    type_in("b", "0.5")
    assert predict("L08.a", "which?", ["x", "y"]) == 1
    assert predict("L08.b", "how much?", unit="nats") == 0.5
    type_in("a", "0.6")
    assert predict("L08.a", "which?", ["x", "y"]) == 1
    assert predict("L08.b", "how much?", unit="nats") == 0.5
    out = capsys.readouterr().out
    assert "you said: y\n" in out and "you said: 0.5 nats\n" in out


def test_a_prediction_whose_choices_have_changed_is_asked_for_again(type_in):
    type_in("b")
    assert predict("L08.a", "which?", ["x", "y"]) == 1
    type_in("a")
    assert predict("L08.a", "which?", ["v", "w"]) == 0
    type_in("0.5")
    assert predict("L08.a", "how much?") == 0.5


def test_a_quiz_answers_at_once_and_never_scolds(type_in, capsys):
    type_in("a", "z", "y", "x", "b)")
    for _ in range(3):
        quiz("L08.q1", "which?", ["x", "y"], 1, "because")
    out = capsys.readouterr().out
    assert "Not quite: it is b) y. because" in out
    assert "The answer is b) y. because" in out
    assert "Yes: b) y. because" in out


def test_questions_of_an_unknown_lesson_are_named():
    with pytest.raises(InputError, match="there is no lesson 'L77'"):
        predict("L77.a", "?")


@pytest.mark.parametrize("columns", ["1", "47", "300"])
def test_no_word_is_broken_at_the_edge(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    words = " ".join(f"{n}-word" for n in range(40)) + " " + "x" * 120
    tell(words, "  ")
    out = capsys.readouterr().out
    assert out.split() == words.split() and out.startswith("  0-word")
    assert max(map(len, out.splitlines()[:-1])) <= max(40, min(92, int(columns)))
