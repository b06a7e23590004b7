"""Claims: their rules give each verdict, and the ledger keeps what came of them."""

import json
import tomllib
from pathlib import Path

import pytest

from minitx.classroom import lessons
from minitx.classroom.claims import VERDICTS, claim, full_ledger, known_claims, read_ledger, verdict
from minitx.errors import InputError

EXAMPLES = tomllib.loads((Path(__file__).parent / "rule_examples.toml").read_text("utf-8"))


def rule(x):
    return VERDICTS[round(x)]


@pytest.mark.parametrize("name", lessons.paths())
def test_every_rule_can_give_each_verdict(name):
    rules = {}
    for cell in lessons.cells(name):
        if cell.kind == "code" and "return verdict(" in cell.text:
            exec(cell.text, {"verdict": verdict}, rules)
    mine = [id for id, row in known_claims().items() if row["lesson"].split(",")[0] == name]
    assert mine and set(map(str.lower, mine)) == rules.keys()
    for id in mine:
        assert set(EXAMPLES[id]) == set(VERDICTS), id
        for expected, numbers in EXAMPLES[id].items():
            assert rules[id.lower()](*numbers) == expected, (id, expected)


def test_a_claim_is_kept_with_numbers_band_and_run(answers):
    class Family:
        hash = "toy-12345678"

    assert claim("A1", rule, Family(), x=[0.0, 0.1, 0.2]) == "supported"
    row = json.loads((answers / "ledger.json").read_text())["A1"]
    assert row["numbers"]["x"] == pytest.approx({"mean": 0.1, "low": 0.0, "high": 0.2})
    assert (row["run"], row["lesson"], row["seeds_agree"]) == ("toy-12345678", "L03", 3)


def test_seeds_that_disagree_qualify_a_claim():
    assert claim("A1", rule, x=[0.0, 0.0, 0.9]) == "qualified"
    assert read_ledger()["A1"]["seeds_agree"] == 2


def test_numbers_that_are_not_finite_are_kept_as_null(answers):
    claim("A1", lambda x: "refuted", x=[float("nan"), 1.0])
    row = json.loads((answers / "ledger.json").read_text())["A1"]
    assert row["numbers"]["x"] == {"mean": None, "low": None, "high": None}


def test_an_unknown_claim_and_an_unknown_verdict_are_refused():
    with pytest.raises(InputError, match="there is no claim 'Z9'"):
        claim("Z9", rule, x=0.0)
    with pytest.raises(InputError, match=r"A1: a verdict is one of supported.*not 'perhaps'"):
        claim("A1", lambda x: "perhaps", x=0.0)


@pytest.mark.parametrize("content", ["{", "[]", '{"A1": 3}', '{"A1": {"verdict": "supported"}}'])
def test_a_broken_ledger_is_named(answers, content):
    answers.mkdir()
    (answers / "ledger.json").write_text(content)
    with pytest.raises(InputError, match=r"ledger\.json.*delete it"):
        read_ledger()


def test_all_claims_are_there_and_each_has_a_lesson():
    known = known_claims()
    assert len(known) == 65
    assert all(set(row) == {"claim", "lesson", "source"} for row in known.values())


def test_the_full_ledger_has_every_claim_once():
    claim("A1", rule, x=1.0)
    rows = full_ledger()
    assert rows.keys() == known_claims().keys()
    assert rows["A1"]["verdict"] == "qualified" and rows["A2"]["verdict"] == "untested"
