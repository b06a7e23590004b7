"""`minitx judge`: verdicts on a run, kept while they come, and what is refused."""

import json
import os

import pytest
from command_line import listing, refused, works

from minitx.evidence import judging
from minitx.evidence.evidence import EVIDENCE, VERDICTS

SOME = "A8,B10,B29"


def test_all_claims_of_one_model_are_judged(run):
    said = works("judge", run, "--windows", 3)
    kept = json.loads((run / "verdicts.json").read_text())
    assert kept["claims"].keys() == EVIDENCE.keys() and kept["model"] == "run"
    for id, row in kept["claims"].items():
        assert row["verdict"] in VERDICTS
        assert f"{id:4}{row['verdict'].upper()}" in said.out and row["sentence"] in said.out
    page = (run / "verdicts.md").read_text()
    assert "## A8: " in page and "Rule: " in page and "Baseline: " in page
    assert f"run: {len(EVIDENCE)} claims: " in said.err and "3 windows of 8 tokens" in said.err


def test_some_claims_as_json_twice(run):
    first = works("judge", run, "--windows", 3, "--claims", SOME, "--json")
    assert list(json.loads(first.out)) == SOME.split(",")
    before = listing(run)
    assert works("judge", run, "--windows", 3, "--claims", SOME, "--json").out == first.out
    assert listing(run) == before


def test_an_interrupted_judge_goes_on(run, monkeypatch):
    judged = []
    real = judging.judge_claim

    def stop_at_the_third(claim, reading):
        judged.append(claim.id)
        if len(judged) == 3:
            raise KeyboardInterrupt
        return real(claim, reading)

    monkeypatch.setattr(judging, "judge_claim", stop_at_the_third)
    from command_line import minitx_main

    assert minitx_main("judge", run, "--windows", 3, "--claims", SOME).status == 130
    kept = json.loads((run / "verdicts.json").read_text())["claims"]
    assert list(kept) == ["A8", "B10"]
    works("judge", run, "--windows", 3, "--claims", SOME)
    assert judged == ["A8", "B10", "B29", "B29"]
    works("judge", run, "--windows", 4, "--claims", "B10")  # other windows: judged again
    assert judged[-1] == "B10"


def test_the_ledger_shows_the_models_that_were_judged(run, monkeypatch, home):
    monkeypatch.setenv("MINITX_ANSWERS", str(home / "mine"))
    judged = json.loads(works("judge", run, "--windows", 3, "--claims", SOME, "--json").out)
    ledger = json.loads(works("ledger", "--json").out)
    assert ledger["A8"]["models"]["run"] == judged["A8"] and not ledger["A9"]["models"]
    listed = works("ledger")
    assert f"run: {judged['B29']['verdict'].upper()}. {judged['B29']['sentence']}" in listed.out
    assert "3 claims, run: " in listed.err
    assert "| run " in works("ledger", "--markdown").out.splitlines()[0]


def test_models_side_by_side(run, home):
    os.symlink(run, home / "other")
    said = works("judge", run, "other", "--windows", 3, "--claims", SOME, "--out", "out")
    assert "claim" in said.out.splitlines()[-4] and "other" in said.out.splitlines()[-4]
    assert (home / "out" / "run" / "verdicts.md").exists()
    assert (home / "out" / "other" / "verdicts.json").exists()


@pytest.mark.parametrize(
    "arguments, names",
    [
        ([], ["MODEL"]),
        (["nothing"], ["nothing"]),
        (["run", "--claims", "A99"], ["A99"]),
        (["run", "--claims", "A1"], ["A1", "family"]),
        (["run", "--claims", ","], ["name some"]),
        (["run", "--windows", "1"], ["windows=1"]),
        (["run", "--windows", "5000"], ["5000 windows of 8", "--corpus"]),
        (["run", "--corpus", "fables"], ["'B'"]),
    ],
)
def test_input_that_cannot_be_used_is_refused(run, home, arguments, names):
    before = listing(home)
    refused("judge", *arguments, names=names, remarks=True)
    assert listing(home) == before


def test_a_model_with_another_head_is_refused(run):
    path = run / "config.json"
    path.write_text(path.read_text().replace('"head": "dot"', '"head": "distance"'))
    refused("judge", run, names=["head=distance", "head=dot"])


def test_a_file_that_is_something_else_is_not_overwritten(run):
    (run / "verdicts.json").write_text("[]")
    refused("judge", run, "--windows", 3, names=["verdicts.json"], remarks=True)
    assert (run / "verdicts.json").read_text() == "[]"
