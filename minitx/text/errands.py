"""Sentences about who gave what to whom, whose last name follows from the names before it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
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
ABSENT = {  # openings that name a third person: the words before the name, and after it
    "while": "was asleep ,", "as": "had asked ,", "two days before the birthday of": ",",
}  # fmt: skip
JOURNEYS = ("went to the", "walked to the", "ran all the way to the", "took a slow bus to the")
SHOPS = (
    "bakery", "beach", "church", "garden", "harbour", "library", "park", "school", "station",
    "theatre",
)  # fmt: skip
REMARKS = (
    "it was cold .", "nobody else was there .", "the sky was grey and the wind was loud .",
    "music came through an open window .", "somewhere a dog barked .",
)  # fmt: skip
PASSING = (  # remarks that begin with the name of a third person
    "waved from afar .", "walked past .", "watched them through an open window .",
)  # fmt: skip
GIVING = ("gave a", "handed a", "lent a", "offered a", "passed a")
KINDS = ("broken", "heavy", "red", "small")
GIFTS = (
    "ball", "book", "coat", "hat", "key", "letter", "map", "pear", "ring", "scarf", "ticket",
    "watch",
)  # fmt: skip
MANNERS = ("without a word", "with a very warm smile", "before long")


Order = Literal["ABB", "BAB"]
Place = Literal["before", "after"]
BEFORE = 0.4  # the fraction of sentences with a third person in the opening
AFTER = 0.4  # and in a remark after the pair; in the rest there is no third person


@dataclass(frozen=True)
class Prompt:
    """A sentence up to its last "to", and what is known about the name that comes next."""

    text: str
    ids: tuple[int, ...]
    answer: int
    """The id of the receiver, who comes next with probability 1."""
    giver: int
    """The id of the giver, the wrong one of the pair."""
    third: int | None
    """The id of the third person: named once, as the receiver is, and never the answer."""
    place: Place | None
    """Whether the third person is named before or after the pair; None without a third person."""
    order: Order
    """The names of the pair, then the giver; A is the receiver: "ABB" or "BAB"."""


@dataclass(frozen=True, eq=False)
class Errands(Source):
    """Sentences in which one of two people gives something to the other; see `errands`."""

    names: tuple[str, ...] = field(kw_only=True, repr=False)
    """The people."""
    pairs: tuple[tuple[str, str], ...] = field(kw_only=True, repr=False)
    """Who meets whom in this source: each pair once, its names in the order of `names`."""

    def prompt(
        self,
        giver: str,
        receiver: str,
        order: Order = "ABB",
        third: str | None = None,
        place: Place | None = None,
        seed: int = 0,
    ) -> Prompt:
        """Return a prompt about these people; `seed` draws all that is said besides their names.

        Raises InputError for a pair that does not meet in this source, an unknown order, a third
        person who is unknown or one of the pair, and one without a place, or a place without one.
        """
        people = (giver, receiver)
        others = [name for name in self.names if name not in people]
        with_third = third in others and place in ("before", "after")
        without_third = third is None and place is None
        they_meet = people in self.pairs or people[::-1] in self.pairs
        if not (with_third or without_third) or order not in ("ABB", "BAB") or not they_meet:
            raise InputError(
                f"no prompt has giver={giver!r}, receiver={receiver!r}, order={order!r}, "
                f"third={third!r}, place={place!r}: choose one of `pairs`, ABB or BAB, and either "
                "another name before or after the pair, or neither name nor place"
            )
        first, second = (receiver, giver) if order == "ABB" else (giver, receiver)
        text = _say(seeded(seed, 2), first, second, giver, third, place)
        ids = tuple(self._ids[word] for word in text.split())
        named = None if third is None else self._ids[third]
        return Prompt(text, ids, self._ids[receiver], self._ids[giver], named, place, order)

    def prompts(
        self, count: int, seed: int = 0, places: Sequence[Place | None] = ("before", "after", None)
    ) -> list[Prompt]:
        """Return `count` prompts that take turns: all pairs, and each of `places` in both orders.

        Prompts differ in length: to stack them, pad them on the right and read the state at "to".
        Raises InputError for a negative count, no places, and an unknown place.
        """
        if count < 0 or not places or not set(places) <= {"before", "after", None}:
            raise InputError(
                f"no prompts with count={count}, places={places!r}: choose a count from 0 on, and "
                "places out of 'before', 'after' and None"
            )
        random = seeded(seed, 3)
        kinds = list(product(places, ("ABB", "BAB")))
        prompts = []
        while len(prompts) < count:
            for pair in random.permutation(self.pairs).tolist():
                place, order = kinds[len(prompts) % len(kinds)]
                giver, receiver = random.permutation(pair).tolist()
                others = [name for name in self.names if name not in pair]
                third = None if place is None else str(random.choice(others))
                fillers = int(random.integers(2**32))
                prompts.append(self.prompt(giver, receiver, order, third, place, fillers))
        return prompts[:count]

    def exchanged(self, prompt: Prompt) -> Prompt:
        """Return the counterfactual prompt, in which the receiver gives and the giver receives.

        It differs in one word, the name of the giver after the pair; so the order is the other one.
        """
        words = prompt.text.split()
        place = max(i for i, id in enumerate(prompt.ids) if id == prompt.giver)
        words[place] = self.words[prompt.answer]
        return dataclasses.replace(
            prompt,
            text=" ".join(words),
            ids=(*prompt.ids[:place], prompt.answer, *prompt.ids[place + 1 :]),
            answer=prompt.giver,
            giver=prompt.answer,
            order="BAB" if prompt.order == "ABB" else "ABB",
        )


def _say(random, first, second, giver, third, place) -> str:
    """Return a sentence of the rules of `errands` up to its last "to"."""

    def one(phrases):
        return str(random.choice(list(phrases)))

    if place == "before":
        start = one(ABSENT)
        parts = [start, third, ABSENT[start]]
    else:
        parts = [one(OPENINGS)]
    parts += [first, "and", second, one(JOURNEYS), one(SHOPS), "."]
    if place == "after":
        parts += [third, one(PASSING)]
    elif random.random() < 0.5:
        parts.append(one(REMARKS))
    parts += [giver, one(GIVING)]
    if random.random() < 0.5:
        parts.append(one(KINDS))
    parts.append(one(GIFTS))
    if random.random() < 0.5:
        parts.append(one(MANNERS))
    return " ".join([*parts, "to"])


def errands(
    names: int = 24, seed: int = 0, pairs: Literal["train", "held_out", "all"] = "train"
) -> Errands:
    """Return sentences whose last name follows from the others (indirect object identification).

    An example: "then Mary and John went to the park . Tom waved from afar . John gave a hat to
    Mary ." Either of the pair may be the giver; then the receiver is certain. In most sentences a
    third person is named once, before the pair or after it, and takes no part: neither "the name
    heard once" nor "the last other name" is a rule that works. Phrases of several lengths before,
    between and after the names make sure that no fixed position gives the answer away.

    Everybody sits at a round table, in an order that `seed` draws. Two people who sit at most two
    seats apart are a held-out pair, so everybody is in four of them. All three choices of `pairs`
    have the same vocabulary. Raises InputError for too few or too many names, or an unknown choice
    of pairs.
    """
    if not 7 <= names <= len(NAMES) or pairs not in ("train", "held_out", "all"):
        raise InputError(
            f"no errands with names={names}, pairs={pairs!r}: "
            f"choose 7 to {len(NAMES)} names, and train, held_out or all"
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
                yield from evenly(1 - BEFORE, OPENINGS, ("first", None))
                for words in ABSENT:
                    yield BEFORE / len(ABSENT), words, ("absent", words)
            case "absent", words:
                for third in people:
                    yield 1 / names, f"{third} {ABSENT[words]}", ("first", third)
            case "first", third:
                possible = [name for name in people if name != third]
                for first in possible:
                    yield 1 / len(possible), f"{first} and", ("second", first, third)
            case "second", first, third:
                possible = [pair for pair in meetings if first in pair and third not in pair]
                for pair in possible:
                    second = pair[1 - pair.index(first)]
                    yield 1 / len(possible), second, ("met", pair, third is None)
            case "met", pair, alone:
                yield from evenly(1, JOURNEYS, ("going", pair, alone))
            case "going", pair, alone:
                yield from evenly(1, [f"{shop} ." for shop in SHOPS], ("there", pair, alone))
            case "there", pair, alone:
                passing = AFTER / (1 - BEFORE) if alone else 0
                others = [name for name in people if name not in pair]
                yield from evenly(passing, others, ("passing", pair))
                yield from giver((1 - passing) / 2, pair)
                yield from evenly((1 - passing) / 2, REMARKS, ("remarked", pair))
            case "passing", pair:
                yield from evenly(1, PASSING, ("remarked", pair))
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
