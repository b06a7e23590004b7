"""The classroom: questions survive any answer, mistakes are named, claims land in the ledger."""

import builtins
import json
import tomllib
from functools import partial

import numpy as np
import pytest

from minitx.classroom import exercises, lesson
from minitx.classroom import walk as stepper
from minitx.errors import InputError


@pytest.fixture(autouse=True)
def own_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("MINITX_ANSWERS", str(tmp_path / "answers"))
    monkeypatch.setattr(lesson.room, "ask", True)
    monkeypatch.setattr(lesson.room, "results", {})
    lesson._unwritten.cache_clear()
    monkeypatch.setattr(lesson.room, "warned", False)
    return tmp_path / "answers"


def say(monkeypatch, *lines):
    lines = iter(lines)

    def answer(prompt=""):
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(builtins, "input", answer)


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
def test_a_prediction_survives_any_answer(monkeypatch, own_answers, typed, kept):
    say(monkeypatch, *typed)
    assert lesson.predict("L07.a", "how much?", low=0, high=1) == kept
    stored = tomllib.loads((own_answers / "L07.toml").read_text())
    assert stored["L07.a"] == ("" if kept is None else kept)


def test_a_prediction_is_asked_for_once(monkeypatch, capsys):
    say(monkeypatch, "b")
    assert lesson.predict("L07.a", "which?", ["x", "y"]) == 1
    say(monkeypatch, "a")
    assert lesson.predict("L07.a", "which?", ["x", "y"]) == 1
    assert "you said: y" in capsys.readouterr().out


def test_a_quiz_answers_at_once_and_never_scolds(monkeypatch, capsys):
    say(monkeypatch, "a", "z", "y", "x")
    for _ in range(2):
        lesson.quiz("L07.q1", "which?", ["x", "y"], 1, "because")
    out = capsys.readouterr().out
    assert "Not quite: it is b) y. because" in out and "The answer is b) y. because" in out


@pytest.mark.parametrize("columns", ["1", "47", "300"])
def test_no_word_is_broken_at_the_edge(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    words = " ".join(f"{n}-word" for n in range(40)) + " " + "x" * 120
    lesson.tell(words, "  ")
    out = capsys.readouterr().out
    assert out.split() == words.split() and out.startswith("  0-word")
    assert max(map(len, out.splitlines()[:-1])) <= max(40, min(92, int(columns)))


def test_what_cannot_be_kept_is_said_once_and_forgotten(monkeypatch, own_answers, capsys):
    own_answers.write_text("a file in the folder's place")
    say(monkeypatch, "0.5", "0.6")
    lesson.predict("L07.a", "?")
    lesson.predict("L07.b", "?")
    lesson.claim("A1", rule, x=0.0)
    assert capsys.readouterr().err.count("nothing is kept") == 1
    assert lesson.read_ledger()["A1"]["verdict"] == "supported"


def test_hints_come_one_by_one(monkeypatch):
    hints = [lesson.hint("L07.e1") for _ in range(4)]
    assert "hint 1 of 3" in hints[0] and "hint 2 of 3" in hints[1]
    assert "return 1 / growth" in hints[2] and hints[2] == hints[3]


@pytest.mark.parametrize("id", ["L07.e9", "L77.e1", "nonsense", ""])
def test_unknown_ids_are_named(id):
    with pytest.raises(InputError, match="known names"):
        lesson.hint(id)


def rule(x):
    return lesson.VERDICTS[round(x)]


def test_a_claim_is_kept_with_numbers_band_and_run(own_answers):
    class Family:
        hash = "toy-12345678"

    assert lesson.claim("A1", rule, Family(), x=[0.0, 0.1, 0.2]) == "supported"
    row = json.loads((own_answers / "ledger.json").read_text())["A1"]
    assert row["numbers"]["x"] == pytest.approx({"mean": 0.1, "low": 0.0, "high": 0.2})
    assert (row["run"], row["lesson"], row["seeds_agree"]) == ("toy-12345678", "L03", 3)


def test_seeds_that_disagree_qualify_a_claim():
    assert lesson.claim("A1", rule, x=[0.0, 0.0, 0.9]) == "qualified"
    assert lesson.read_ledger()["A1"]["seeds_agree"] == 2


def test_a_claim_that_is_none_is_refused():
    with pytest.raises(InputError, match="there is no claim 'Z9'"):
        lesson.claim("Z9", rule, x=0.0)


@pytest.mark.parametrize("content", ["{", "[]", '{"A1": 3}', '{"A1": {"verdict": "supported"}}'])
def test_a_broken_ledger_is_named(own_answers, content):
    own_answers.mkdir()
    (own_answers / "ledger.json").write_text(content)
    with pytest.raises(InputError, match=r"ledger\.json.*delete it"):
        lesson.read_ledger()


def test_broken_answers_are_named(own_answers):
    own_answers.mkdir()
    (own_answers / "L07.toml").write_text("= nonsense")
    with pytest.raises(InputError, match=r"L07\.toml is no TOML"):
        lesson.recall("L07")


def test_answers_of_any_characters_come_back(own_answers):
    words = 'quote " back \\ new\nline \u0001 π 🦊'
    lesson.remember("L07", words=words, number=0.1, flag=True)
    assert lesson.recall("L07") == {"words": words, "number": 0.1, "flag": True}


@pytest.mark.parametrize("name", stepper.lessons())
def test_every_solution_passes_and_every_mistake_is_named(name):
    known = lesson._exercises(name)
    assert len(known) == 3
    for id, exercise in known.items():
        assert exercises.complaint_about(exercise, exercise.solve) is None, id
        assert len(exercise.mistakes) >= 2, id
        for message, mistake in exercise.mistakes.items():
            complaint = exercises.complaint_about(exercise, mistake)
            assert complaint and message in complaint, (id, message, complaint)


@pytest.mark.parametrize("name", stepper.lessons())
def test_every_stub_fails_as_not_done(name):
    stubs = [cell for cell in stepper.cells(name) if cell.kind == "exercise"]
    assert {cell.id for cell in stubs} == set(lesson._exercises(name))
    for cell in stubs:
        found = {}
        exec(cell.text, {"np": np, "check": lambda id, found=found: partial(found.setdefault, id)})
        ((id, stub),) = found.items()
        assert id == cell.id
        complaint = exercises.complaint_about(lesson.exercise(id), stub)
        assert "not done yet" in complaint


def test_a_function_that_breaks_is_told_what_it_was_given():
    exercise = lesson.exercise("L08.e1")
    complaint = exercises.complaint_about(exercise, lambda x, e: x @ x)
    assert "it broke with ValueError" in complaint and "an array (4, 7)" in complaint
    assert "shape is off" in exercises.complaint_about(exercise, lambda x, e: x[0])
    assert "given" in exercises.complaint_about(exercise, lambda x, e: x * 0)
    other = lesson.exercise("L01.e2")
    assert "given" in exercises.complaint_about(other, lambda w, t: ["no"])


def test_all_claims_are_there_and_each_has_a_lesson():
    claims = lesson.claims()
    assert len(claims) == 65
    assert all(set(row) == {"claim", "lesson", "source"} for row in claims.values())
