"""From measurements to verdicts: means over windows, bootstrap intervals, and what makes one sure.

A verdict stands if the rule gives it for the means, for nearly all resamples of the windows, and
for each text alone. Otherwise it is "undecided": another sample could give another verdict.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minitx.errors import InputError, suggest
from minitx.evidence import directions, growth, lens, readout, size, weights  # noqa: F401 (they register)
from minitx.evidence.evidence import EVIDENCE, RULINGS, Evidence, Untestable
from minitx.evidence.reading import Reading

RESAMPLES = 1000
AGREEMENT = 0.95  # of resamples that must give the verdict of the means
LOW, HIGH = 0.025, 0.975  # quantiles that bound the interval


def judge(reading: Reading, ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each claim's id and its row as plain JSON, as soon as it is judged."""
    for id in ids:
        yield id, judge_claim(EVIDENCE[id], reading)


def judge_claim(claim: Evidence, reading: Reading) -> dict[str, Any]:
    """Return the verdict on one claim: with its numbers, their intervals, and a sentence."""
    try:
        numbers_W = measure(claim, reading)
    except Untestable as reason:
        return {"verdict": "untested", "sentence": f"It cannot be asked of this model: {reason}."}
    means = {name: float(values.mean()) for name, values in numbers_W.items()}
    ruling = ruled(claim, means)
    row = {
        "verdict": ruling,
        "sentence": claim.in_words(means),
        "numbers": {name: {"mean": mean} for name, mean in means.items()},
        "rule": claim.rule_in_words,
        "baseline": claim.baseline,
    }
    if claim.is_of_weights:
        return row
    by_text = rulings_by_text(claim, numbers_W, reading.text_W)
    resampled = resample(numbers_W, reading.text_W)
    agreement = np.mean([ruled(claim, one) == ruling for one in resampled])
    for name in means:
        values = [one[name] for one in resampled]
        low, high = np.quantile(values, [LOW, HIGH])
        row["numbers"][name] |= {"low": float(low), "high": float(high)}
    row |= {"windows": len(reading.text_W), "texts": by_text, "agreement": float(agreement)}
    if agreement < AGREEMENT or len(set(by_text.values())) > 1:
        row["verdict"] = "undecided"
    return row


def measure(claim: Evidence, reading: Reading) -> dict[str, np.ndarray]:
    """Return the numbers of a claim over windows W; one value each if they are of the weights."""
    if claim.is_of_weights:
        return {name: np.array([value]) for name, value in claim.measure(reading).items()}
    rows = [claim.measure(reading, window) for window in range(len(reading.text_W))]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def ruled(claim: Evidence, numbers: dict[str, float]) -> str:
    """Return what the rule says of these numbers."""
    ruling = claim.rule(**numbers)
    assert ruling in RULINGS, f"{claim.id}: {ruling!r} is not a ruling"
    return ruling


def rulings_by_text(claim, numbers_W: dict[str, np.ndarray], text_W: list[str]) -> dict[str, str]:
    """Return what the rule says of each text alone."""
    found = {}
    for text in dict.fromkeys(text_W):
        chosen = np.array(text_W) == text
        found[text] = ruled(claim, {name: float(v[chosen].mean()) for name, v in numbers_W.items()})
    return found


def resample(numbers_W: dict[str, np.ndarray], text_W: list[str]) -> list[dict[str, float]]:
    """Return the means over windows drawn with replacement, from each text as many as it has."""
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(np.array(text_W) == text) for text in dict.fromkeys(text_W)]
    means = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rng.choice(group, len(group)) for group in groups])
        means.append({name: float(values[drawn].mean()) for name, values in numbers_W.items()})
    return means


def chosen_claims(words: str | None, known: Sequence[str]) -> list[str]:
    """Return the ids in "A9,B37", or all claims that one model can settle.

    Raises InputError for an unknown id, and for a claim that needs more than one model.
    """
    if words is None:
        return [id for id in known if id in EVIDENCE]
    ids = [id.strip().upper() for id in words.split(",") if id.strip()]
    for id in ids:
        if id not in known:
            raise InputError(f"there is no claim {id!r}{suggest(id, known)}")
        if id not in EVIDENCE:
            raise InputError(
                f"{id} cannot be judged on one model yet: its lesson judges it on a family of "
                "trained models; see `minitx ledger`"
            )
    if not ids:
        raise InputError(f"no claim is named in {words!r}: name some, for example A9,B37")
    return ids
