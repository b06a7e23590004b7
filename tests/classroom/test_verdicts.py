"""Verdicts at the end of a lesson: on the zoo, on a real model, and kept in the cache folder."""

import re

import pytest

from minitx.classroom import judge, judge_real_model, real_model, show_ledger
from minitx.errors import InputError
from minitx.evidence import judging, reading, zoo_judging
from minitx.evidence.claims import known_claims
from minitx.evidence.verdicts import read_all
from minitx.pretrained import loader

ROW = {
    "verdict": "refuted", "sentence": "It is 3 dogs.", "rule": "Four dogs. Supported if 5.5.",
    "numbers": {}, "baseline": "none",
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINITX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("minitx.classroom.learner.WIDEST", 300)
    monkeypatch.setenv("COLUMNS", "300")
    return tmp_path / "cache"


@pytest.fixture
def judged(monkeypatch):
    """The claims that were judged on the zoo; each verdict is ROW."""
    calls = []
    monkeypatch.setattr(zoo_judging, "fingerprint", lambda: "of the zoo")
    monkeypatch.setattr(zoo_judging, "train_families", lambda claims: None)
    monkeypatch.setattr(
        zoo_judging, "judge_claim", lambda claim: calls.append(claim.id) or ROW | {"why": "few"}
    )
    return calls


def test_a_verdict_is_a_sentence_with_its_numbers_and_its_rule(judged, capsys):
    judge("A9", "A14", "C1", "C10")
    out = capsys.readouterr().out
    words = known_claims()["A9"]["claim"]
    assert f"REFUTED  {words} (A9; models: fables)\n    It is 3 dogs. (Few.)\n" in out
    assert "\n    Rule:\n      Four dogs.\n      Supported if 5.5.\n" in out
    assert out.index("(A9;") < out.index("(A14;")
    assert "(C1; models: head-dot-none, head-dot-layernorm, head-cosine-none," in out
    assert "(C10)\n" in out  # mathematics, which needs no model


def test_a_word_that_does_not_explain_itself_is_explained_once(monkeypatch, judged, capsys):
    judge("A9")
    assert "UNDECIDED" not in capsys.readouterr().out
    undecided = ROW | {"verdict": "undecided"}
    monkeypatch.setattr(zoo_judging, "judge_claim", lambda claim: undecided)
    judge("A11", "A14")
    out = capsys.readouterr().out
    assert out.count("UNDECIDED: other seeds, or other samples of the text,") == 1


def test_verdicts_are_kept_in_the_cache_and_not_judged_again(judged, cache, answers, capsys):
    judge("A9")
    first = capsys.readouterr().out
    judge("A9", "A14")
    assert judged == ["A9", "A14"] and capsys.readouterr().out.startswith(first)
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["zoo.json"]
    assert read_all()[0].claims.keys() == {"A9", "A14"}
    assert not answers.exists()


def test_the_ledger_of_the_zoo_is_shown_by_verdict(monkeypatch, judged, capsys):
    judge("A9", "A14")
    monkeypatch.setattr(zoo_judging, "judge_claim", lambda claim: ROW | {"verdict": "supported"})
    judge("B2")
    capsys.readouterr()
    show_ledger()
    out = capsys.readouterr().out
    words = {id: row["claim"] for id, row in known_claims().items()}
    assert f"SUPPORTED, 1:\n    {words['B2']} (B2)\n" in out
    assert f"REFUTED, 2:\n    {words['A9']} (A9)\n    {words['A14']} (A14)\n" in out
    assert f"Not judged yet: {len(words) - 3} of {len(words)} " in out


def test_a_claim_that_was_not_judged_has_no_rule(monkeypatch, judged, capsys):
    sentence = "It cannot be asked of these models: they are asleep."
    monkeypatch.setattr(zoo_judging, "judge_claim", lambda claim: judging.untested(sentence))
    judge("A9")
    out = capsys.readouterr().out
    assert "UNTESTED" in out and "asleep" in out and "Rule" not in out


def test_an_unknown_claim_is_refused_before_anything_is_judged(judged):
    for function in (judge, judge_real_model):
        with pytest.raises(InputError, match="there is no claim 'Z9'"):
            function("A9", "Z9")
    assert judged == []


def test_a_real_model_that_was_not_pulled_costs_one_line(capsys):
    judge_real_model("A9")
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and "minitx pull smollm2" in out


def test_a_real_model_whose_reader_is_missing_is_not_to_be_pulled_again(monkeypatch, capsys):
    def load(name):
        raise InputError("GGUF files need the package gguf: pip install 'minitx[pretrained]'")

    monkeypatch.setattr(loader, "load", load)
    judge_real_model("A9")
    out = capsys.readouterr().out
    assert "pip install" in out and "pull" not in out


def test_a_lesson_gets_the_real_model_itself_or_none(monkeypatch, capsys):
    assert real_model() is None
    run = type(
        "Run", (), {"name": "smollm2", "config": type("Config", (), {"depth": 3, "width": 5})}
    )
    monkeypatch.setattr(loader, "load", lambda name: run)
    assert real_model() is run
    assert "pull" in capsys.readouterr().out.splitlines()[0]


def test_a_real_model_is_named_and_judged_without_repeating_the_rule(monkeypatch, capsys):
    class Run:
        name = "smollm2"
        config = type("Config", (), {"depth": 30, "width": 576})

    asked = []
    monkeypatch.setattr(loader, "load", lambda name: Run())
    monkeypatch.setattr(reading, "read", lambda run: "what it read")

    def judge_run(run, seen, ids):
        asked.append((run.name, seen, ids))
        return [(id, ROW) for id in ids]

    monkeypatch.setattr(judging, "judge_run", judge_run)
    judge_real_model("A9", "A14")
    out = capsys.readouterr().out
    assert asked == [("smollm2", "what it read", ("A9", "A14"))]
    assert out.startswith("smollm2, 30 blocks, width 576:\n")
    assert out.count("It is 3 dogs.") == 2 and "Rule" not in out


def test_all_claims_are_there_and_each_has_a_lesson():
    known = known_claims()
    assert len(known) == 65
    for row in known.values():
        assert set(row) == {"claim", "lesson", "source"}
        assert re.fullmatch(r"L\d\d(, L\d\d)*", row["lesson"])
