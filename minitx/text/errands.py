"""Sentences about who gave what to whom, whose last name follows from the names before it."""

from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from minitx.errors import InputError
from minitx.text.phrases import evenly, unfold
from minitx.text.sources import Source, seeded

NAMES = (
    "Alice", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Iris", "Jack", "Kate",
    "Leo", "Mary", "Noah", "Olive", "Paul", "Rosa", "Sam", "Tess", "Victor", "Wendy", "Adam",
    "Bella", "Carl", "Diana", "Eric", "Flora", "George", "Helen", "Ivan", "John", "Kevin",
    "Laura", "Martin", "Nina", "Oscar", "Peter", "Ruth", "Simon", "Tom",
)  # fmt: skip
OPENINGS = (
    "then", "later that day", "one morning", "after a long walk ,", "in spite of the heavy rain ,",
    "because the school was closed for a week ,",
)  # fmt: skip
JOURNEYS = ("went to the", "walked to the", "ran all the way to the", "took a slow bus to the")
SHOPS = (
    "bakery", "beach", "church", "garden", "harbour", "library", "park", "school", "station",
    "theatre",
)  # fmt: skip
REMARKS = (
    "it was cold .", "nobody else was there .", "the sky was grey and the wind was loud .",
    "music came through an open window .", "somewhere a dog barked .",
)  # fmt: skip
GIVING = ("gave a", "handed a", "lent a", "offered a", "passed a")
KINDS = ("broken", "heavy", "red", "small")
GIFTS = (
    "ball", "book", "coat", "hat", "key", "letter", "map", "pear", "ring", "scarf", "ticket",
    "watch",
)  # fmt: skip
MANNERS = ("without a word", "with a very warm smile", "before long")


@dataclass(frozen=True, eq=False)
class Errands(Source):
    """Sentences in which one of two people gives something to the other; see `errands`."""

    names: tuple[str, ...] = field(kw_only=True, repr=False)
    """The people."""
    pairs: tuple[tuple[str, str], ...] = field(kw_only=True, repr=False)
    """Who meets whom in this source: each pair once, its names in the order of `names`."""


def errands(
    names: int = 24, seed: int = 0, pairs: Literal["train", "held_out", "all"] = "train"
) -> Errands:
    """Return sentences whose last name follows from the others (indirect object identification).

    An example: "then Mary and John went to the park . John gave a hat to Mary ." Either of the two
    may be the giver; then the receiver is certain. Phrases of several lengths before, between and
    after the names make sure that no fixed position gives the answer away.

    Everybody sits at a round table, in an order that `seed` draws. Two people who sit at most two
    seats apart are a held-out pair, so everybody is in four of them. All three choices of `pairs`
    have the same vocabulary. Raises InputError for too few or too many names, or an unknown choice
    of pairs.
    """
    if not 6 <= names <= len(NAMES) or pairs not in ("train", "held_out", "all"):
        raise InputError(
            f"no errands with names={names}, pairs={pairs!r}: "
            f"choose 6 to {len(NAMES)} names, and train, held_out or all"
        )
    people = NAMES[:names]
    seat = dict(zip(people, seeded(seed).permutation(names).tolist(), strict=True))

    def meet(first, second):
        apart = abs(seat[first] - seat[second])
        neighbours = min(apart, names - apart) <= 2
        return pairs == "all" or neighbours == (pairs == "held_out")

    meetings = tuple(pair for pair in combinations(people, 2) if meet(*pair))

    def giver(total, pair):
        for giver, receiver in (pair, pair[::-1]):
            yield total / 2, giver, ("gives", receiver)

    def rules(state):
        match state:
            case "start":
                yield from evenly(1, OPENINGS, "first")
            case "first":
                for first in people:
                    yield 1 / names, f"{first} and", ("second", first)
            case "second", first:
                possible = [pair for pair in meetings if first in pair]
                for pair in possible:
                    second = pair[1 - pair.index(first)]
                    yield 1 / len(possible), second, ("met", pair)
            case "met", pair:
                yield from evenly(1, JOURNEYS, ("going", pair))
            case "going", pair:
                yield from evenly(1, [f"{shop} ." for shop in SHOPS], ("there", pair))
            case "there", pair:
                yield from giver(0.5, pair)
                yield from evenly(0.5, REMARKS, ("remarked", pair))
            case "remarked", pair:
                yield from giver(1, pair)
            case "gives", receiver:
                yield from evenly(1, GIVING, ("what", receiver))
            case "what", receiver:
                yield from evenly(0.5, KINDS, ("gift", receiver))
                yield from evenly(0.5, GIFTS, ("to", receiver))
            case "gift", receiver:
                yield from evenly(1, GIFTS, ("to", receiver))
            case "to", receiver:
                yield 0.5, f"to {receiver} .", "start"
                yield from evenly(0.5, [f"{how} to {receiver} ." for how in MANNERS], "start")

    words, moves, share = unfold(rules)
    return Errands("errands", words, moves, share, names=people, pairs=meetings)
