"""From measurements to verdicts: intervals, texts that disagree, claims that cannot be asked."""

import numpy as np
import pytest

from minitx.errors import InputError
from minitx.evidence import judging
from minitx.evidence.evidence import Evidence, Untestable, three_way


class Made:
    """A reading that has nothing but windows: a number for each."""

    def __init__(self, numbers_W, text_W=None):
        self.numbers_W = numbers_W
        self.text_W = text_W or ["one"] * len(numbers_W)


def above_1(size):
    """Above 1; refuted below 0."""
    return three_way(supported=size > 1, refuted=size < 0)


def claim(measure=lambda reading, window: {"size": reading.numbers_W[window]}, **parts):
    return Evidence("X1", measure, above_1, "nothing", "It is {size:.2f}.", **parts)


def test_a_verdict_comes_with_numbers_intervals_and_words():
    row = judging.judge_claim(claim(), Made(np.linspace(2, 4, 9)))
    number = row["numbers"]["size"]
    assert row["verdict"] == "supported" and row["sentence"] == "It is 3.00."
    assert row["rule"] == "Above 1; refuted below 0." and row["baseline"] == "nothing"
    assert number["mean"] == 3 and 2.4 < number["low"] < 2.8 and 3.2 < number["high"] < 3.6
    assert row["windows"] == 9 and row["texts"] == {"one": "supported"} and row["agreement"] == 1


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    rows = [
        judging.judge_claim(claim(), Made(rng.normal(5, 1, 30)))["numbers"]["size"]
        for _ in range(60)
    ]
    covered = np.mean([row["low"] < 5 < row["high"] for row in rows])
    assert 0.85 <= covered <= 1


def test_windows_that_disagree_leave_it_undecided():
    row = judging.judge_claim(claim(), Made([0.2, 1.9, 0.4, 1.8, 0.3, 1.7]))
    assert row["verdict"] == "undecided" and row["agreement"] < 0.95
    assert set(row["texts"].values()) == {"supported"}


def test_texts_that_disagree_leave_it_undecided():
    made = Made([3.0, 3.1, 3.2, 0.5, 0.5, 0.5], ["a", "a", "a", "b", "b", "b"])
    row = judging.judge_claim(claim(), made)
    assert row["agreement"] == 1 and row["texts"] == {"a": "supported", "b": "qualified"}
    assert row["verdict"] == "undecided"


def test_what_the_weights_decide_has_no_interval():
    row = judging.judge_claim(claim(lambda reading: {"size": 2.0}, of="model"), Made([]))
    assert row["verdict"] == "supported" and row["numbers"] == {"size": {"mean": 2.0}}
    assert "windows" not in row


def test_a_claim_that_cannot_be_asked_says_why():
    def refuse(reading, window):
        raise Untestable("it has no blocks")

    row = judging.judge_claim(claim(refuse), Made([1]))
    assert row == {
        "verdict": "untested",
        "sentence": "It cannot be asked of this model: it has no blocks.",
    }


def test_claims_are_chosen_by_id():
    known = ["A1", "A8", "A9"]
    assert judging.chosen_claims(None, known) == ["A8", "A9"]
    assert judging.chosen_claims(" a9,A8", known) == ["A9", "A8"]
    for words, names in (("A99", "A99"), ("A1", "judge zoo"), (",", "name some")):
        with pytest.raises(InputError, match=names):
            judging.chosen_claims(words, known)


def test_intervals_beside_each_other_are_apart():
    one, two, both = ({"n": {"low": a, "high": b}} for a, b in ((0, 1), (2, 3), (0.5, 2.5)))
    assert judging.apart(one, two) and judging.apart(two, one) and not judging.apart(one, both)
    exact = {"n": {"mean": 1.5}}
    assert judging.apart(exact, one) and not judging.apart(exact, both)
