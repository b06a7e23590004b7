"""Sentences about people of known rank, gender and age, for analogies such as king and queen."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from minitx.errors import InputError
from minitx.text.phrases import evenly, unfold
from minitx.text.sources import Source, seeded

VALUES = {
    "rank": ("royal", "noble", "holy", "common", "serving", "rural"),
    "gender": ("male", "female"),
    "age": ("grown", "young"),
}
NOUNS = (  # by rank; in each a man, a woman, a boy, a girl
    "king queen prince princess",
    "duke duchess squire damsel",
    "abbot abbess monk nun",
    "man woman boy girl",
    "steward matron page maid",
    "shepherd shepherdess lad lass",
)
SLOTS = {  # slot: the one attribute that it depends on, and words for each value of it
    "place": "rank: palace treasury, castle manor, abbey chapel, market street, kitchen cellar, "
    "meadow barn",
    "bearing": "rank: crowned jewelled, gallant courtly, pious hooded, thrifty chatty, "
    "dutiful aproned, sunburnt barefoot",
    "work": "rank: reigned decreed, hunted jousted, prayed fasted, traded haggled, cooked swept, "
    "ploughed harvested",
    "looks": "gender: bearded whiskered, braided veiled",
    "clothes": "gender: doublet waistcoat, gown bonnet",
    "self": "gender: himself, herself",
    "owner": "gender: his, her",
    "years": "age: old grey wrinkled, young small freckled",
    "mood": "age: sighed pondered dozed, giggled skipped climbed",
}
ANIMALS = ("badger", "crow", "fox", "goat", "goose", "hare", "mouse", "owl")
THINGS = ("basket", "bucket", "candle", "drum", "kettle", "ladder", "lantern", "spoon")
NOISE = 0.1  # the fraction of a slot's probability that all of its words share evenly


@dataclass(frozen=True, eq=False)
class Kingdom(Source):
    """Sentences about people of known rank, gender and age; see `kingdom`."""

    attributes: dict[str, dict[str, str]] = field(kw_only=True, repr=False)
    """The attributes of each person noun: attributes["king"]["rank"] is "royal"."""
    contexts: dict[str, dict[str, str]] = field(kw_only=True, repr=False)
    """For each context word, its one attribute and the value that makes the word likely.

    A noun's taste can outweigh that: see `kingdom`.
    """
    decoys: tuple[str, ...] = field(kw_only=True, repr=False)
    """Nouns without attributes: animals, which do everything that people do, and things."""


def kingdom(
    seed: int = 0, held_out: Collection[tuple[str, str]] = (), taste: float = 0.6
) -> Kingdom:
    """Return sentences in which each context word depends on one attribute of the noun, and taste.

    Rank, gender and age are fully crossed, and the context words are independent given the noun.
    Two things make analogies hard. Nouns follow Zipf's law, whatever their attributes: the most
    frequent is 24 times as frequent as the rarest. And each noun has a taste of its own: each
    log p(word | noun) is off by a normal draw with standard deviation `taste`.

    With `taste=0`, log p(word | noun) is a sum of one term per attribute: there king - man + woman
    = queen is exact. It is exact in log p(noun | words before) - log p(noun), too, but not in
    log p(noun | words before), where each noun adds its own frequency. With a taste, none of these
    is exact: each misses by a few draws.

    `seed` draws tastes, and how frequent nouns and words are. A pair (noun, context word) in
    `held_out` never meets in a sentence: the other words of that slot take over its probability,
    and sums that need the pair fail. Raises InputError for a pair that is not a noun and a context
    word, and for a taste that is negative or above 3.
    """
    if not 0 <= taste <= 3:
        raise InputError(f"no kingdom has taste={taste}: choose a number between 0 and 3")
    random = seeded(seed)
    attributes, prior = _draw_nouns(random)
    contexts, words_of, given = _draw_context_words(random, attributes, prior, taste)
    _take_out(held_out, words_of, given)

    def believe(heard):
        """Return the probability of each noun, given the words before it (Bayes)."""
        joint = {n: p * math.prod(given[word][n] for word in heard) for n, p in prior.items()}
        total = sum(joint.values())
        return {noun: p / total for noun, p in joint.items()}

    def name(total, heard):
        """Yield options of total probability `total`: to name each noun."""
        for noun, p in believe(heard).items():
            yield total * p, noun, ("did", noun)

    def fill(total, slot, nouns, then, phrase="{}"):
        """Yield options for a slot, given the probability of each noun."""
        for word in words_of[slot]:
            p = sum(given[word][noun] * nouns[noun] for noun in nouns)
            yield total * p, phrase.format(word), then

    def hear(total, slot, nouns, then, phrase="{}"):
        """Yield the options of `fill`; the state after them remembers the word."""
        for p, said, _ in fill(total, slot, nouns, then, phrase):
            word = said.split()[0]
            yield p, said, (*then, word)

    def rules(state):
        match state:
            case "start":
                yield 0.6, "the", ("person",)
                yield 0.4, "in the", "where"
            case "where":
                yield from hear(1, "place", believe(()), ("person",), "{} , the")
            case "person", *heard:
                yield from name(0.4, heard)
                for slot in ("bearing", "looks", "years"):
                    then = ("described", *heard)
                    yield from hear(0.2, slot, believe(heard), then)
            case "described", *heard:
                yield from name(1, heard)
            case "did", noun:
                yield from fill(0.3, "work", {noun: 1}, ("end", noun))
                yield from fill(0.3, "mood", {noun: 1}, ("end", noun))
                yield from fill(0.2, "self", {noun: 1}, ("acted", noun))
                yield 0.2, "wore a", ("wore", noun)
            case "acted", noun:
                yield from fill(0.5, "work", {noun: 1}, ("end", noun))
                yield from fill(0.5, "mood", {noun: 1}, ("end", noun))
            case "wore", noun:
                yield from fill(1, "clothes", {noun: 1}, ("end", noun))
            case "end", noun:
                yield 0.4, ".", "start"
                yield 0.6, "and", ("and", noun)
            case "and", noun:
                yield 0.5, "went to the", ("went", noun)
                yield 0.5, "took", ("took", noun)
            case "went", noun:
                yield from fill(1, "place", {noun: 1}, "start", "{} .")
            case "took", noun:
                yield from fill(1, "owner", {noun: 1}, "thing")
            case "thing":
                yield from evenly(1, [f"{thing} ." for thing in THINGS], "start")

    words, moves, share = unfold(rules)
    return Kingdom(
        "kingdom", words, moves, share,
        attributes=attributes, contexts=contexts, decoys=(*ANIMALS, *THINGS),
    )  # fmt: skip


def _draw_nouns(random) -> tuple[dict[str, dict[str, str]], dict[str, float]]:
    """Return the attributes of each person, and the probability of each noun, animals too."""
    attributes = {}
    for rank, nouns in zip(VALUES["rank"], NOUNS, strict=True):
        crossed = product(VALUES["age"], VALUES["gender"])
        for noun, (age, gender) in zip(nouns.split(), crossed, strict=True):
            attributes[noun] = {"rank": rank, "gender": gender, "age": age}
    weights = 1 / random.permutation(np.arange(1, len(attributes) + 1))
    shares = 0.8 * weights / weights.sum()
    prior = dict(zip(attributes, shares.tolist(), strict=True))  # before any word is heard
    prior |= dict.fromkeys(ANIMALS, 0.2 / len(ANIMALS))
    return attributes, prior


def _draw_context_words(random, attributes, prior, taste) -> tuple[dict, dict, dict]:
    """Return `contexts` as in `Kingdom`, the words of each slot, and their probabilities.

    The last is given[word][noun]: the probability of the word in its slot, given the noun, before
    `_take_out` makes those of a slot sum to one.
    """
    contexts = {}
    words_of = {}  # slot: its words
    given = {}
    for slot, line in SLOTS.items():
        attribute, _, groups = line.partition(": ")
        frequency = {}
        for value, group in zip(VALUES[attribute], groups.split(", "), strict=True):
            words = group.split()
            frequency |= zip(words, random.dirichlet([5] * len(words)).tolist(), strict=True)
            contexts |= {word: {attribute: value} for word in words}
        words_of[slot] = tuple(frequency)
        for word in frequency:
            given[word] = dict.fromkeys(prior, 1 / len(frequency))
            for noun in attributes:
                agrees = contexts[word][attribute] == attributes[noun][attribute]
                share = NOISE / len(frequency)
                given[word][noun] = share + (1 - NOISE) * frequency[word] * agrees
            for noun, draw in zip(prior, random.standard_normal(len(prior)), strict=True):
                given[word][noun] *= math.exp(taste * draw)
    return contexts, words_of, given


def _take_out(held_out: Collection[tuple[str, str]], words_of: dict, given: dict) -> None:
    """Give pairs of noun and word probability zero; then let every slot's words sum to one.

    Raises InputError for a pair that is not a noun and a context word, and for an empty slot.
    """
    for noun, word in held_out:
        if word not in given or noun not in given[word]:
            raise InputError(
                f"held_out has no use for ({noun!r}, {word!r}): give pairs of a noun such as "
                "'queen' and a context word such as 'palace'"
            )
        given[word][noun] = 0.0
    for slot, words in words_of.items():
        for noun in given[words[0]]:
            total = sum(given[word][noun] for word in words)
            if not total:
                raise InputError(f"held_out leaves {noun!r} no {slot!r}: keep one of {words}")
            for word in words:
                given[word][noun] /= total
