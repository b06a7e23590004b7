"""From measurements to verdicts on one model: means over windows, and what makes a verdict sure.

A verdict stands if the rule gives it for the means, for nearly all resamples of the windows, and
for each text alone. Otherwise it is "undecided": another sample could give another verdict.
"""

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minitx.errors import InputError, suggest
from minitx.evidence.evidence import EVIDENCE, Evidence, Untestable
from minitx.evidence.reading import Reading, hash_of_weights, in_words
from minitx.evidence.rulings import Numbers, measure_windows, ruled
from minitx.evidence.verdicts import Judged, rules_hash
from minitx.runs.run import Run

SUBJECTS = (
    "growth",
    "directions",
    "size",
    "readout",
    "lens",
    "channels",
    "planes",
    "weights",
    "gradients",
    "training",
    "heads",
    "token_sizes",
    "tying",
    "inverses",
    "meaning",
    "analogies",
    "sphere",
    "tokens",
    "rare_words",
    "pipeline",
    "positions",
    "passes",
)
for subject in SUBJECTS:  # each puts its claims into EVIDENCE
    importlib.import_module(f"minitx.evidence.{subject}")

RESAMPLES = 1000
AGREEMENT = 0.95  # of resamples that must give the verdict of the means
LOW, HIGH = 0.025, 0.975  # quantiles that bound the interval


def judge_run(run: Run, seen: Reading, ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each claim's id and its row for a model, as soon as it is judged and kept.

    Verdicts that were kept before, on the same weights and texts, are not judged again.
    """
    claims = [EVIDENCE[id] for id in ids]
    return kept(run, seen).judge(claims, lambda claim: judge_claim(claim, seen))


def kept(run: Run, seen: Reading) -> Judged:
    """Return the verdicts on a model that were kept on disk, if they are still valid."""
    name = Path(run.name).name
    origin = str(run.folder.absolute()) if run.recipe else run.name
    judged = Judged(name, origin, hash_of_weights(seen), in_words(seen), rules_hash())
    judged.take_over()
    return judged


def judge_claim(claim: Evidence, reading: Reading) -> dict[str, Any]:
    """Return the verdict on one claim: with its numbers, their intervals, and a sentence."""
    try:
        if claim.of == "model":
            return row_of(claim, claim.measure(reading))
        numbers_W = measure_windows(claim, reading)
        row = row_of(claim, {name: float(values.mean()) for name, values in numbers_W.items()})
    except Untestable as reason:
        return untested(f"It cannot be asked of this model: {reason}.")
    by_text = rulings_by_text(claim, numbers_W, reading.text_W)
    resampled = resample(numbers_W, reading.text_W)
    row |= {"windows": len(reading.text_W), "texts": by_text}
    add_intervals(row, resampled)
    settle(row, claim, resampled)
    if len(set(by_text.values())) > 1:
        row["verdict"] = "undecided"
        row["why"] = "texts disagree: " + named(by_text)
    return row


def row_of(claim: Evidence, numbers: Numbers) -> dict[str, Any]:
    """Return what the rule says of these numbers, as a row without intervals.

    Raises Untestable if a number is not finite.
    """
    for name, number in numbers.items():
        if not np.isfinite(number):
            raise Untestable(f"{name.replace('_', ' ')} comes out as {number}")
    return {
        "verdict": ruled(claim, numbers),
        "sentence": claim.in_words(numbers),
        "numbers": {name: {"mean": float(number)} for name, number in numbers.items()},
        "rule": claim.rule_in_words,
        "baseline": claim.baseline,
    }


def untested(sentence: str) -> dict[str, Any]:
    """Return the row of a claim that was not judged."""
    return {"verdict": "untested", "sentence": sentence}


def add_intervals(row: dict[str, Any], resampled: list[Numbers]) -> None:
    """Add to each number of a row the bounds of its 95 % interval."""
    for name, number in row["numbers"].items():
        low, high = np.quantile([numbers[name] for numbers in resampled], [LOW, HIGH])
        number |= {"low": float(low), "high": float(high)}


def settle(row: dict[str, Any], claim: Evidence, resampled: list[Numbers]) -> None:
    """Make a verdict undecided that too few resamples agree with; `why` says so."""
    verdict = row["verdict"]
    agreement = float(np.mean([ruled(claim, numbers) == verdict for numbers in resampled]))
    row["agreement"] = agreement
    if agreement < AGREEMENT:
        row["verdict"] = "undecided"
        row["why"] = f"the means say {verdict}, but only {agreement:.0%} of the redrawn samples do"


def apart(numbers: dict[str, dict], others: dict[str, dict]) -> bool:
    """Return whether the interval of at least one number lies beside that of the other model."""
    for name, number in numbers.items():
        low, high = bounds(number)
        other_low, other_high = bounds(others[name])
        if low > other_high or other_low > high:
            return True
    return False


def bounds(number: dict[str, float]) -> tuple[float, float]:
    """Return the ends of a number's interval; without one, twice the number itself."""
    if "low" not in number:
        return number["mean"], number["mean"]
    return number["low"], number["high"]


def rulings_by_text(claim, numbers_W: dict[str, np.ndarray], text_W: list[str]) -> dict[str, str]:
    """Return what the rule says of each text alone."""
    found = {}
    for text in dict.fromkeys(text_W):
        chosen = np.array(text_W) == text
        found[text] = ruled(claim, {name: float(v[chosen].mean()) for name, v in numbers_W.items()})
    return found


def resample(numbers_W: dict[str, np.ndarray], text_W: list[str]) -> list[Numbers]:
    """Return the means over windows drawn with replacement, from each text as many as it has."""
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(np.array(text_W) == text) for text in dict.fromkeys(text_W)]
    means = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rng.choice(group, len(group)) for group in groups])
        means.append({name: float(values[drawn].mean()) for name, values in numbers_W.items()})
    return means


def named(rulings: dict[str, str]) -> str:
    """Return rulings with the name of their source.

    >>> named({"fables": "refuted", "errands": "qualified"})
    'fables refuted, errands qualified'
    """
    return ", ".join(f"{name} {ruling}" for name, ruling in rulings.items())


def chosen_claims(words: str | None, known: Sequence[str], zoo: bool = False) -> list[str]:
    """Return the ids in "A9,B37", or all claims: those that one model can settle, or the zoo.

    Raises InputError for an unknown id, and for a claim that one model cannot settle.
    """
    possible = [id for id in known if id in EVIDENCE and (zoo or EVIDENCE[id].needs_one_model)]
    if words is None:
        return possible
    ids = [id.strip().upper() for id in words.split(",") if id.strip()]
    for id in ids:
        if id not in known:
            raise InputError(f"there is no claim {id!r}{suggest(id, known)}")
        if id not in possible:
            why = "needs more than one model"
            if EVIDENCE[id].of == "mathematics":
                why = "is about no model in particular"
            raise InputError(
                f"{id} {why}: judge it together with the models that minitx trains, with "
                f"`minitx judge zoo --claims {id}`"
            )
    if not ids:
        raise InputError(f"no claim is named in {words!r}: name some, for example A9,B37")
    return ids
