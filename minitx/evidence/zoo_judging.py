"""Claims judged on the zoo: on families of trained models, over their seeds.

A verdict stands if the rule gives it for the means, for each seed alone, and for nearly all means
that other seeds might have given: these are drawn from Student's t distribution, which is wide for
three seeds. Otherwise it is "undecided".
"""

import functools
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minitx.evidence import verdicts
from minitx.evidence.evidence import EVIDENCE, Evidence, Untestable
from minitx.evidence.judging import (
    RESAMPLES,
    add_intervals,
    named,
    row_of,
    settle,
    untested,
)
from minitx.evidence.reading import Reading, read_held_out
from minitx.evidence.rulings import Numbers, measure_windows, ruled
from minitx.evidence.verdicts import Judged
from minitx.runs import zoo
from minitx.runs.zoo import Family


def judge(ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each claim's id and its row as plain JSON, as soon as it is judged and kept.

    Verdicts that were kept before are not judged again. Families that are not in the cache are
    trained first. Raises InputError if that is impossible.
    """
    yield from kept().judge([EVIDENCE[id] for id in ids], judge_claim)


def kept() -> Judged:
    """Return the verdicts on the zoo that were kept on disk, if they are still valid."""
    judged = Judged(
        "zoo", verdicts.ZOO, fingerprint(), "its families' held-out texts", verdicts.rules_hash()
    )
    judged.take_over()
    return judged


def judge_claim(claim: Evidence) -> dict[str, Any]:
    """Return the verdict on one claim: with its numbers, their intervals, and a sentence."""
    if claim.of == "mathematics":
        return row_of(claim, claim.measure())
    families = [family(name) for name in claim.species]
    if claim.needs_one_model:
        families = families[:1]
    try:
        row = judge_seeds(claim, measure_seeds(claim, families))
    except Untestable as reason:
        return untested(f"It cannot be asked of these models: {reason}.")
    row["families"] = [family.hash for family in families]
    return row


def judge_seeds(claim: Evidence, numbers_E: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the verdict of a rule on numbers by name, each an array over seeds E."""
    row = row_of(claim, {name: float(values.mean()) for name, values in numbers_E.items()})
    seeds = len(next(iter(numbers_E.values())))
    by_seed = {}
    for seed in range(seeds):
        of_seed = {name: float(values[seed]) for name, values in numbers_E.items()}
        by_seed[f"seed {seed}"] = ruled(claim, of_seed)
    resampled = draw_means(numbers_E)
    row |= {"seeds": by_seed}
    add_intervals(row, resampled)
    settle(row, claim, resampled)
    if len(set(by_seed.values())) > 1:
        row["verdict"] = "undecided"
        row["why"] = "seeds disagree: " + named(by_seed)
    return row


def draw_means(numbers_E: dict[str, np.ndarray]) -> list[Numbers]:
    """Return means that other seeds might have given: draws from a multivariate t distribution.

    The numbers of a draw vary together as they do over the seeds.
    """
    names = list(numbers_E)
    values_XE = np.array([numbers_E[name] for name in names], np.float64)
    seeds = values_XE.shape[1]
    mean_X = values_XE.mean(axis=1)
    away_XE = values_XE - mean_X[:, None]
    rng = np.random.default_rng(0)
    normal_SE = rng.standard_normal((RESAMPLES, seeds))
    # Sums of deviations with normal weights have the covariance of the seeds, times (seeds - 1).
    around_SX = normal_SE @ away_XE.T / np.sqrt(seeds * (seeds - 1))
    widening_S = np.sqrt((seeds - 1) / rng.chisquare(seeds - 1, RESAMPLES))
    drawn_SX = mean_X + widening_S[:, None] * around_SX
    return [dict(zip(names, row_X.tolist(), strict=True)) for row_X in drawn_SX]


def measure_seeds(claim: Evidence, families: list[Family]) -> dict[str, np.ndarray]:
    """Return the numbers of a claim over seeds E."""
    if claim.needs_one_model:
        return measure_readings(claim, readings(families[0].name))
    seeds = range(len(families[0].models))
    return arrays_of([claim.measure(seed, *families) for seed in seeds])


def measure_readings(claim: Evidence, seeds: Sequence[Reading]) -> dict[str, np.ndarray]:
    """Return the numbers of a claim on one model, over seeds E of it: means over the windows."""
    rows = []
    for reading in seeds:
        if claim.of == "model":
            rows.append(claim.measure(reading))
        else:
            numbers_W = measure_windows(claim, reading)
            rows.append({name: float(values.mean()) for name, values in numbers_W.items()})
    return arrays_of(rows)


def arrays_of(rows: list[Numbers]) -> dict[str, np.ndarray]:
    """Return numbers by name: an array with a value for each row."""
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def family(name: str) -> Family:
    """Return a family of the zoo; a second call in the same program costs nothing."""
    return _kept_family(name, str(zoo.cache_folder()))


@functools.cache
def _kept_family(name: str, cache: str) -> Family:
    return zoo.load(name)


@functools.lru_cache(maxsize=4)
def _kept_readings(family: Family) -> list[Reading]:
    return [read_held_out(model, family) for model in family.models]


def readings(name: str) -> list[Reading]:
    """Return, for each seed of a family, the model that has read windows of its held-out text."""
    return _kept_readings(family(name))


def fingerprint() -> str:
    """Return a hash of everything that decides the zoo's models, 12 characters."""
    hashes = [zoo.hash_of(*zoo.prepare_species(name)) for name in zoo.ZOO]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:12]
