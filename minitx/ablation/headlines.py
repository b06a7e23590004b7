"""The numbers behind the verdicts on growth and directions, with the thresholds of their rules."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple


class Headline(NamedTuple):
    """A number that a claim speaks of."""

    claim: str
    words: str
    read: Callable[[dict[str, float]], float]
    """From the numbers of the claim."""
    threshold: float
    """Where the rule of the claim draws its line."""
    is_logarithmic: bool = False


HEADLINES = {
    "growth": Headline(
        "A8", "growth of the norm,\nembedding to last state", lambda n: n["growth"], 1, True
    ),
    "cosine minus growth baseline": Headline(
        "A9",
        "cosine of layers minus\nbaseline of the growth",
        lambda n: n["cosine"] - n["right_angle_growth"],
        0.02,
    ),
    "cosine minus step baseline": Headline(
        "A9",
        "cosine of layers minus\nbaseline of the step",
        lambda n: n["cosine"] - n["right_angle_step"],
        0.02,
    ),
    "cosine with embedding": Headline(
        "A9", "cosine of last state\nwith embedding", lambda n: n["with_embedding"], 0.5
    ),
    "rank of steps": Headline(
        "A10", "rank correlation of\nstep size with layer", lambda n: n["rank_with_layer"], 0.8
    ),
    "growth per layer": Headline(
        "A11", "growth per layer\nafter block 1", lambda n: n["growth_per_layer"], 1.1
    ),
}


def by_seed(seeds: dict[int, dict[str, Any]], headline: Headline) -> dict[int, float]:
    """Return the number for each seed; NaN where it is not finite or was not judged."""
    found = {}
    for seed, row in seeds.items():
        numbers = row[headline.claim]["numbers"]
        is_known = bool(numbers) and None not in numbers.values()
        found[seed] = headline.read(numbers) if is_known else math.nan
    return found


def side(seeds: dict[int, dict[str, Any]], headline: Headline) -> str | None:
    """Return on which side of its threshold a number is; None if seeds disagree."""
    values = list(by_seed(seeds, headline).values())
    if all(value > headline.threshold for value in values):
        return "above"
    return "below" if all(value <= headline.threshold for value in values) else None
