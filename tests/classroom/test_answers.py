"""Answers on disk: whatever is written comes back, and a broken file is named."""

import pytest

from minitx.classroom.answers import recall, remember
from minitx.classroom.questions import predict
from minitx.errors import InputError


def test_answers_of_any_characters_come_back():
    words = 'quote " back \\ new\nline \u0001 π 🦊'
    remember("L08", {"L08.a": words, "L08.b": 0.1})
    remember("L08", {"L08.e1": True})
    assert recall("L08") == {"L08.a": words, "L08.b": 0.1, "L08.e1": True}


def test_broken_answers_are_named(answers):
    answers.mkdir()
    (answers / "L08.toml").write_text("= nonsense")
    with pytest.raises(InputError, match=r"L08\.toml is not a TOML file"):
        recall("L08")


def test_answers_that_cannot_be_written_are_reported_once_and_kept_in_memory(
    answers, type_in, capsys
):
    answers.write_text("a file in the folder's place")
    type_in("0.5", "0.6")
    predict("L08.a", "?")
    predict("L08.b", "?")
    assert capsys.readouterr().err.count("not saved") == 1
    assert recall("L08") == {"L08.a": 0.5, "L08.b": 0.6}
