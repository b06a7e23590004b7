"""`minitx judge`: verdicts on a run, kept while they come, and what is refused."""

import json
import os

import pytest
from command_line import listing, minitx_main, refused, works

from minitx.evidence import judging
from minitx.evidence.claims import claims_in_words
from minitx.evidence.evidence import EVIDENCE, VERDICTS

SOME = "A8,B10,B29"


ONE_MODEL = [id for id, claim in EVIDENCE.items() if claim.needs_one_model]


@pytest.fixture(autouse=True)
def cache(home, monkeypatch):
    """A cache of its own for each test: it holds the verdicts."""
    monkeypatch.setenv("MINITX_CACHE", str(home / "cache"))
    return home / "cache"


def kept_claims(cache) -> dict:
    """Return the claims in the only file of verdicts."""
    (path,) = (cache / "judged").glob("*.json")
    return json.loads(path.read_text())["claims"]


def test_all_claims_of_one_model_are_judged(run, cache):
    said = works("judge", run, "--windows", 3)
    rows = json.loads((run / "verdicts.json").read_text())
    assert list(rows) == sorted(ONE_MODEL, key=list(claims_in_words()).index)
    assert kept_claims(cache) == rows
    for id, row in rows.items():
        assert row["verdict"] in VERDICTS
        assert f"{id:4}{row['verdict'].upper()}" in said.out and row["sentence"] in said.out
    page = (run / "verdicts.md").read_text()
    assert "## A8: " in page and "Rule:\n\n- " in page and "Baseline: " in page
    assert f"run: {len(rows)} claims: " in said.err and "3 windows of 8 tokens" in said.err


def test_some_claims_as_json_twice(run):
    first = works("judge", run, "--windows", 3, "--claims", SOME, "--json")
    assert list(json.loads(first.out)) == SOME.split(",")
    before = listing(run)
    assert works("judge", run, "--windows", 3, "--claims", SOME, "--json").out == first.out
    assert listing(run) == before


def test_an_interrupted_judge_goes_on(run, cache, monkeypatch):
    judged = []
    real = judging.judge_claim

    def stop_at_the_third(claim, reading):
        judged.append(claim.id)
        if len(judged) == 3:
            raise KeyboardInterrupt
        return real(claim, reading)

    monkeypatch.setattr(judging, "judge_claim", stop_at_the_third)
    assert minitx_main("judge", run, "--windows", 3, "--claims", SOME).status == 130
    assert list(kept_claims(cache)) == ["A8", "B10"]
    works("judge", run, "--windows", 3, "--claims", SOME)
    assert judged == ["A8", "B10", "B29", "B29"]
    works("judge", run, "--windows", 4, "--claims", "B10")  # other windows: judged again
    assert judged[-1] == "B10"


def test_the_ledger_shows_the_models_that_were_judged(run, home):
    judged = json.loads(works("judge", run, "--windows", 3, "--claims", SOME, "--json").out)
    ledger = json.loads(works("ledger", "--json").out)
    (label,) = ledger["A8"]["models"]
    assert label.startswith("run ") and len(label) == len("run 12345678")
    assert ledger["A8"]["models"][label] == judged["A8"] and not ledger["A9"]["models"]
    lines = works("ledger").out.splitlines()
    assert label in lines[0] and len(lines) == 66
    assert any(line.startswith("B10  by algebra") for line in lines)
    one = works("ledger", "b29").out
    assert judged["B29"]["sentence"] in one and "Rule:\n\n- " in one
    assert judged["A8"]["sentence"] in works("ledger", "--markdown").out
    works("ledger", "--page", "ledger.html")
    page = (home / "ledger.html").read_text()
    assert "<details class=claim id=C12>" in page and label in page and "<svg" in page


def test_the_ledger_names_verdicts_of_other_rules(run, cache):
    works("judge", run, "--windows", 3, "--claims", "B10")
    (path,) = (cache / "judged").glob("*.json")
    path.write_text(path.read_text().replace('"rules": "', '"rules": "other'))
    said = works("ledger")
    assert "was judged by the rules of another version" in said.err
    assert "no model was judged yet" in said.err


def test_models_side_by_side(run, home):
    os.symlink(run, home / "other")
    said = works("judge", run, "other", "--windows", 3, "--claims", SOME, "--out", "out")
    assert "claim" in said.out.splitlines()[-4] and "other" in said.out.splitlines()[-4]
    assert (home / "out" / "run" / "verdicts.md").exists()
    assert (home / "out" / "other" / "verdicts.json").exists()


def test_the_zoo_is_judged_without_other_texts():
    refused("judge", "zoo", "--corpus", "fables", names=["zoo", "--corpus"])
    said = works("judge", "zoo", "--claims", "C10")
    assert said.out.startswith("C10 ")


@pytest.mark.parametrize(
    "arguments, names",
    [
        ([], ["MODEL"]),
        (["nothing"], ["nothing"]),
        (["run", "--claims", "A99"], ["A99"]),
        (["run", "--claims", "A1"], ["A1", "judge zoo"]),
        (["run", "--claims", "C10"], ["C10", "about no model", "judge zoo"]),
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


def test_a_file_of_verdicts_that_is_broken_is_named(run, cache):
    works("judge", run, "--windows", 3, "--claims", "B10")
    (path,) = (cache / "judged").glob("*.json")
    cut_off = path.read_text()[:200]
    for content in ("[]", cut_off):
        path.write_text(content)
        names = [path.name, "delete it", "judge"]
        refused("judge", run, "--windows", 3, names=names, remarks=True)
        refused("ledger", names=names)
        assert path.read_text() == content


def test_an_unknown_claim_in_the_ledger():
    refused("ledger", "A99", names=["A99"])
