"""Claims judged on the zoo: on families of trained models, over their seeds.

A verdict stands if the rule gives it for the means, for each seed alone, and for nearly all means
that other seeds and other windows of the text might have given. Those of other seeds are drawn from
Student's t distribution, which is wide for three seeds. Otherwise it is "undecided".
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
    trained first, side by side. Raises InputError if that is impossible.
    """
    judged = kept()
    claims = [EVIDENCE[id] for id in ids]
    train_families([claim for claim in claims if claim.id not in judged.claims])
    yield from judged.judge(claims, judge_claim)


def train_families(claims: Sequence[Evidence]) -> None:
    """Train, side by side, the families that claims need and that are not in the cache."""
    species: dict[str, None] = {}  # each once, in order
    for claim in claims:
        if claim.of != "mathematics":
            species |= dict.fromkeys(claim.species)
    for _ in zoo.build(list(species)):
        pass  # `judge_claim` finds them in the cache


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


def judge_seeds(claim: Evidence, numbers_EW: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the verdict of a rule on numbers by name, each an array over seeds E and windows W.

    All seeds read the same windows. W is 1 for a claim that is not measured by window.
    """
    row = row_of(claim, {name: float(values_EW.mean()) for name, values_EW in numbers_EW.items()})
    seeds = len(next(iter(numbers_EW.values())))
    by_seed = {}
    for seed in range(seeds):
        of_seed = {name: float(values_EW[seed].mean()) for name, values_EW in numbers_EW.items()}
        by_seed[f"seed {seed}"] = ruled(claim, of_seed)
    resampled = draw_means(numbers_EW)
    row |= {"seeds": by_seed}
    add_intervals(row, resampled)
    settle(row, claim, resampled)
    if len(set(by_seed.values())) > 1:
        row["verdict"] = "undecided"
        row["why"] = "seeds disagree: " + named(by_seed)
    return row


def draw_means(numbers_EW: dict[str, np.ndarray]) -> list[Numbers]:
    """Return means that other seeds, which read other windows, might have given.

    Seeds come from a multivariate t distribution, windows are drawn with replacement. The numbers
    of a draw vary together as they do over the seeds and over the windows.
    """
    names = list(numbers_EW)
    values_XEW = np.array([numbers_EW[name] for name in names], np.float64)
    _, seeds, windows = values_XEW.shape
    mean_X = values_XEW.mean(axis=(1, 2))
    away_XE = values_XEW.mean(axis=2) - mean_X[:, None]
    away_XW = values_XEW.mean(axis=1) - mean_X[:, None]
    rng = np.random.default_rng(0)
    normal_SE = rng.standard_normal((RESAMPLES, seeds))
    # Sums of deviations with normal weights have the covariance of the seeds, times (seeds - 1).
    around_SX = normal_SE @ away_XE.T / np.sqrt(seeds * (seeds - 1))
    widening_S = np.sqrt((seeds - 1) / rng.chisquare(seeds - 1, RESAMPLES))
    count_SW = rng.multinomial(windows, np.full(windows, 1 / windows), RESAMPLES)
    drawn_SX = mean_X + widening_S[:, None] * around_SX + count_SW @ away_XW.T / windows
    return [dict(zip(names, row_X.tolist(), strict=True)) for row_X in drawn_SX]


def measure_seeds(claim: Evidence, families: list[Family]) -> dict[str, np.ndarray]:
    """Return the numbers of a claim over seeds E and windows W; W is 1 if it reads no windows."""
    if claim.needs_one_model:
        return measure_readings(claim, readings(families[0].name))
    seeds = range(len(families[0].models))
    return arrays_of([claim.measure(seed, *families) for seed in seeds])


def measure_readings(claim: Evidence, seeds: Sequence[Reading]) -> dict[str, np.ndarray]:
    """Return the numbers of a claim on one model, over seeds E of it and windows W."""
    rows = []
    for reading in seeds:
        if claim.of == "model":
            rows.append(claim.measure(reading))
        else:
            rows.append(measure_windows(claim, reading))
    return arrays_of(rows)


def arrays_of(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return numbers by name, each an array over the rows and over windows W, or with W = 1."""
    return {name: np.array([np.atleast_1d(row[name]) for row in rows]) for name in rows[0]}


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
