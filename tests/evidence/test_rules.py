"""Every rule by planted numbers: for each verdict that it can give, numbers that lead to it."""

import importlib
import re
from pathlib import Path

import pytest

from minitx.evidence import judging, summary
from minitx.evidence.claims import claims_in_words
from minitx.evidence.evidence import EVIDENCE, RULINGS

PLANTED = {
    id: rulings
    for path in sorted(Path(__file__).parent.glob("planted_*.py"))
    for id, rulings in importlib.import_module(path.stem).PLANTED.items()
}
# How a rule has the sentences that are each about a verdict.
ORDER = ("supported", "by algebra", "refuted", "qualified", "untested")


def cases():
    return [
        pytest.param(id, ruling, numbers, id=f"{id} {ruling}")
        for id, rulings in PLANTED.items()
        for ruling, planted in rulings.items()
        for numbers in planted
    ]


@pytest.mark.parametrize("id, ruling, numbers", cases())
def test_a_rule_gives_the_verdict_that_was_planted(id, ruling, numbers):
    assert judging.ruled(EVIDENCE[id], numbers) == ruling
    assert not re.search(r"[{}]", EVIDENCE[id].in_words(numbers))


def test_every_claim_is_planted_and_can_come_out_in_at_least_two_ways():
    assert PLANTED.keys() == EVIDENCE.keys() <= claims_in_words().keys()
    for id, rulings in PLANTED.items():
        assert len(rulings) > 1 and rulings.keys() <= set(RULINGS), id


@pytest.mark.parametrize("claim", EVIDENCE.values(), ids=lambda claim: claim.id)
def test_every_rule_gives_its_reason_in_words(claim):
    assert len(claim.rule_in_words) > 60 and claim.rule_in_words.endswith(".")
    assert " ".join(summary.sentences(claim.rule_in_words)) == claim.rule_in_words
    assert len(claim.baseline) > 10 and not claim.baseline.endswith(".")


@pytest.mark.parametrize("claim", EVIDENCE.values(), ids=lambda claim: claim.id)
def test_every_rule_explains_first_and_then_has_a_sentence_for_each_verdict(claim):
    found = summary.sentences(claim.rule_in_words)
    verdicts = [verdict_of(sentence) for sentence in found]
    begins = verdicts.index(next(filter(None, verdicts)))
    assert begins > 0, "the reasons come first"
    told = verdicts[begins:]
    assert told == [verdict for verdict in ORDER if verdict in told], told  # each once, in order
    given = PLANTED[claim.id].keys() - {"qualified"}  # what remains needs no sentence
    assert given <= set(told) and set(told) - {"untested"} <= PLANTED[claim.id].keys()
    for sentence in found[:begins]:
        assert not re.search(r"\b(supported|refuted|untested) (if|below|above)\b", sentence, re.I)


def verdict_of(sentence: str) -> str | None:
    """Return the verdict that a sentence of a rule is about, from how it begins."""
    for verdict in ORDER:
        if sentence.startswith(f"{verdict.capitalize()} if "):
            return verdict
    return None
