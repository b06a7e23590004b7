"""Corpora made by rule, whose true next-token distribution and entropy are known exactly.

All of them are one thing, a `Source`: a machine that is in some state, says one word, and is then
in the state that this word leads to. The words heard so far therefore give its state away, so the
true distribution of the next word is looked up, not estimated:

>>> source = chain("cyclic", vocab=3)
>>> source.sample(6, seed=4).tolist()
[2, 0, 1, 2, 0, 1]
>>> source.next_probs([2, 0])
array([[1., 0., 0.],
       [0., 1., 0.]])

Makers: `chain`, `kingdom`, `errands`, `zipf`; by name and with their defaults: `generate`.
"""

import difflib
import math
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import accumulate, combinations, product
from typing import Literal

import numpy as np

from minitx.errors import InputError

State = Hashable
Move = tuple[float, str, State]  # its probability, what is said, the state that follows


@dataclass(frozen=True, eq=False)
class Source:
    """A stationary source of words; InputError if its moves are no distribution, or ambiguous."""

    name: str
    words: tuple[str, ...] = field(repr=False)
    """The vocabulary, in the order of the ids."""
    moves: dict[State, tuple[Move, ...]] = field(repr=False)
    """What can happen in each state: one word per move, no word twice."""
    share: dict[State, float] = field(repr=False)
    """The part of its time that the source spends in each state, in the long run; sums to one."""
    start: State = "start"

    def __post_init__(self):
        for state, moves in self.moves.items():
            if len({word for _, word, _ in moves}) < len(moves):
                raise InputError(f"{self.name}: two moves of state {state!r} start with one word")
            if not math.isclose(sum(p for p, _, _ in moves), 1):
                raise InputError(f"{self.name}: the moves of state {state!r} do not sum to one")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def sample(self, length: int, seed: int) -> np.ndarray:
        """Return ids_T (int32): the first `length` tokens of a stream that `seed` alone decides."""
        if length < 0:
            raise InputError(f"length={length} is negative: choose 0 or more tokens")
        dice = {}
        for state, moves in self.moves.items():
            chances, words, then = zip(*moves, strict=True)
            # The last bound is 1 but for rounding; without it no draw can fall beyond the last.
            bounds = list(accumulate(chances))[:-1]
            dice[state] = bounds, [self._ids[word] for word in words], then
        ids, state = [], self.start
        # A stream of its own (the 1): the same seed may have drawn the rules.
        for draw in _random(seed, 1).random(length).tolist():
            bounds, words, then = dice[state]
            k = bisect(bounds, draw)
            ids.append(words[k])
            state = then[k]
        return np.array(ids, np.int32)

    def next_probs(self, ids_T) -> np.ndarray:
        """Return probs_TV (float64): row t is the true distribution of the token after ids[0..t].

        ids_T is a stream from its first token on. InputError names the first impossible token.
        """
        ids_T = np.asarray(ids_T)
        if ids_T.ndim != 1 or (ids_T.size and ids_T.dtype.kind not in "iu"):
            raise InputError(f"{self.name}: token ids must be a row of whole numbers")
        paths = {s: {self._ids[w]: then for _, w, then in m} for s, m in self.moves.items()}
        rows, order, state = {}, [], self.start  # a state's row is written once, however often met
        for t, i in enumerate(ids_T.tolist()):
            if i not in paths[state]:
                word = repr(self.words[i]) if 0 <= i < len(self.words) else "no token"
                raise InputError(
                    f"{self.name}: impossible at position {t}: id {i} ({word}) cannot come there; "
                    "give a stream that this source can say, from its first token on"
                )
            state = paths[state][i]
            order.append(rows.setdefault(state, len(rows)))
        probs_SV = np.zeros((len(rows), len(self.words)))
        for state, row in rows.items():
            for probability, word, _ in self.moves[state]:
                probs_SV[row, self._ids[word]] = probability
        return probs_SV[order] if order else probs_SV

    def entropy(self) -> float:
        """Return the entropy rate in nats per token: no model's loss on a long stream beats it.

        Exact: the words give the states away, so it is the entropy of one move, averaged.
        """
        return math.fsum(
            self.share[state] * p * math.log(1 / p)
            for state in self.share
            for p, _, _ in self.moves[state]
        )


# ------------------------------------------------------------------ draws: chain and zipf


@dataclass(frozen=True, eq=False)
class Chain(Source):
    """A Markov chain: the next token depends on the present one alone."""

    transition_VV: np.ndarray = field(kw_only=True, repr=False)
    """Row i: the distribution of the token after i."""
    stationary_V: np.ndarray = field(kw_only=True, repr=False)
    """How often each token comes; the first one is drawn from it too."""


def chain(
    kind: Literal["random", "cyclic", "reversible"] = "random",
    vocab: int = 20,
    concentration: float = 0.2,
    seed: int = 0,
    noise: float = 0.0,
) -> Chain:
    """Return a Markov chain over `vocab` tokens.

    random      every row is drawn from a Dirichlet distribution: the lower, the spikier
    cyclic      every token is followed by the next one
    reversible  the average of the random chain and the same chain run backwards
    `noise` is the part of every row of the first two that is spread over all tokens alike.
    Raises InputError for values out of range, and for a chain that falls into separate parts.
    """
    if vocab < 2 or concentration <= 0 or not 0 <= noise <= 1:
        raise InputError(
            f"no chain has vocab={vocab}, concentration={concentration}, noise={noise}: "
            "choose at least 2, above 0, and between 0 and 1"
        )
    if kind == "cyclic":
        P_VV = np.roll(np.eye(vocab), 1, axis=1)
    elif kind in ("random", "reversible"):
        P_VV = _random(seed).dirichlet(np.full(vocab, concentration), size=vocab)
    else:
        raise InputError(f"no chain is {kind!r}: choose random, cyclic or reversible")
    P_VV = (1 - noise) * P_VV + noise / vocab
    pi_V = _stationary(P_VV)
    if kind == "reversible":
        # Backwards, j comes before i as often as i after j: pi_i Q_ij = pi_j P_ji. The average of
        # the two has the same pi, and flows as much from i to j as from j to i.
        P_VV = (P_VV + pi_V * P_VV.T / pi_V[:, None]) / 2
    words = _numbered("s", vocab)

    def moves(p_V):
        return tuple((p, word, word) for p, word in zip(p_V.tolist(), words, strict=True) if p)

    rows = dict(zip(words, map(moves, P_VV), strict=True))
    return Chain(
        name="chain" if kind == "random" else f"chain-{kind}",
        words=words,
        moves={"start": moves(pi_V)} | rows,
        share=dict(zip(words, pi_V.tolist(), strict=True)),  # the start is passed only once
        transition_VV=P_VV,
        stationary_V=pi_V,
    )


def _stationary(P_VV: np.ndarray) -> np.ndarray:
    """Return pi_V with pi P = pi and sum 1: V equations, of which one can go, and the sum."""
    A_VV = P_VV.T - np.eye(len(P_VV))
    A_VV[-1] = 1
    try:
        pi_V = np.linalg.solve(A_VV, np.eye(len(P_VV))[-1])
    except np.linalg.LinAlgError:
        pi_V = np.zeros(len(P_VV))
    # What comes next must be what there was, token by token, even for the rarest.
    if (pi_V <= 0).any() or not np.allclose(pi_V @ P_VV / pi_V, 1, rtol=0, atol=1e-9):
        raise InputError("the parts of this chain hardly meet: raise concentration or noise")
    return pi_V / pi_V.sum()


@dataclass(frozen=True, eq=False)
class Zipf(Source):
    """Independent draws: the past says nothing about the next token."""

    law_V: np.ndarray = field(kw_only=True, repr=False)
    """The probability of each token, 0 for the unseen ones."""
    unseen: tuple[int, ...] = field(kw_only=True, repr=False)
    """The ids of the tokens that never occur, in ascending order."""


def zipf(vocab: int = 200, unseen: int = 20, exponent: float = 1.0, seed: int = 0) -> Zipf:
    """Return independent draws whose r-th most frequent token has probability ~ 1 / r**exponent.

    `vocab` tokens occur and `unseen` more never do; `seed` scatters both over the ids, so that an
    id says nothing about a frequency. InputError for values out of range.
    """
    if vocab < 1 or unseen < 0 or not 0 <= exponent <= 10:
        raise InputError(
            f"no Zipf law has vocab={vocab}, unseen={unseen}, exponent={exponent}: "
            "choose at least 1, at least 0, and between 0 and 10"
        )
    by_rank = np.arange(1, vocab + 1) ** -float(exponent)
    law_V = np.concatenate([by_rank / by_rank.sum(), np.zeros(unseen)])
    law_V = _random(seed).permutation(law_V)
    words = _numbered("w", vocab + unseen)
    moves = tuple((p, word, "start") for p, word in zip(law_V.tolist(), words, strict=True) if p)
    return Zipf(
        name="zipf",
        words=words,
        moves={"start": moves},
        share={"start": 1.0},
        law_V=law_V,
        unseen=tuple(np.flatnonzero(law_V == 0).tolist()),
    )


def _numbered(letter: str, count: int) -> tuple[str, ...]:
    return tuple(f"{letter}{i:0{len(str(count - 1))}}" for i in range(count))


# ------------------------------------------------------------------ sentences: kingdom and errands


@dataclass(frozen=True)
class Rest:
    """A state inside a phrase: what is still to be said, and the state after it."""

    phrase: str
    then: State


Rules = Callable[[State], Iterable[tuple[float, str, State]]]  # as moves, but with whole phrases


def unfold(rules: Rules) -> tuple[tuple[str, ...], dict[State, tuple[Move, ...]], dict]:
    """Return the words, moves and shares (as in `Source`) of all that `rules` can say.

    A phrase of several words becomes one move per word. Every sentence must return to "start".
    """
    moves, flow, visits = {}, {"start": 1.0}, Counter()
    while flow:  # one sentence, all its possible versions at once, a word further each time
        ahead = Counter()
        for state, mass in flow.items():
            if state not in moves:
                inside = isinstance(state, Rest)
                options = [(1.0, state.phrase, state.then)] if inside else rules(state)
                moves[state] = tuple(_first_word(*option) for option in options if option[0])
            visits[state] += mass
            for probability, _, then in moves[state]:
                if then != "start":
                    ahead[then] += mass * probability
        flow = ahead
    length = math.fsum(visits.values())  # of the mean sentence
    words = sorted({word for options in moves.values() for _, word, _ in options})
    return tuple(words), moves, {state: mass / length for state, mass in visits.items()}


def _even(part: float, phrases: Collection[str], then: State):
    """Options that share a probability evenly and lead to one state."""
    return ((part / len(phrases), phrase, then) for phrase in phrases)


def _first_word(probability: float, phrase: str, then: State) -> Move:
    word, _, rest = phrase.partition(" ")
    return float(probability), word, Rest(rest, then) if rest else then


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
SLOTS = {  # slot: the one attribute that it depends on, and words for each value of that
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
NOISE = 0.1  # the part of a slot's probability that all of its words share alike


@dataclass(frozen=True, eq=False)
class Kingdom(Source):
    """Sentences about people of known rank, gender and age; see `kingdom`."""

    attributes: dict[str, dict[str, str]] = field(kw_only=True, repr=False)
    """Of each person noun: attributes["king"]["rank"] is "royal"."""
    contexts: dict[str, dict[str, str]] = field(kw_only=True, repr=False)
    """Of each context word, the one attribute that it depends on and the value it speaks for."""
    decoys: tuple[str, ...] = field(kw_only=True, repr=False)
    """Nouns without attributes: animals, who do whatever people do, and things."""


def kingdom(seed: int = 0, held_out: Collection[tuple[str, str]] = ()) -> Kingdom:
    """Return sentences in which each context word depends on one attribute of the noun alone.

    Rank x gender x age are fully crossed, and given the noun its context words are independent.
    Hence log p(word | noun) is a sum of one term per attribute, and so is log p(noun | words
    before), but for a term that all nouns share: king - man + woman = queen is exact in both.
    `seed` draws how frequent nouns and words are. A pair (noun, context word) in `held_out` never
    meets in a sentence; the other words of that slot fill the gap, and sums that need the pair
    fail. InputError for a pair that is none.
    """
    random = _random(seed)
    chance = {}  # of a value of an attribute
    for values in VALUES.values():
        chance |= zip(values, random.dirichlet([20] * len(values)).tolist(), strict=True)
    attributes, prior = {}, {}
    for rank, nouns in zip(VALUES["rank"], NOUNS, strict=True):
        crossed = product(VALUES["age"], VALUES["gender"])
        for noun, (age, gender) in zip(nouns.split(), crossed, strict=True):
            attributes[noun] = {"rank": rank, "gender": gender, "age": age}
            prior[noun] = 0.8 * chance[rank] * chance[gender] * chance[age]
    prior |= dict.fromkeys(ANIMALS, 0.2 / len(ANIMALS))

    contexts, fills, given = {}, {}, {}  # given[word][noun]: its probability in its slot
    for slot, line in SLOTS.items():
        attribute, _, groups = line.partition(": ")
        own = {}
        for value, group in zip(VALUES[attribute], groups.split(", "), strict=True):
            words = group.split()
            own |= zip(words, random.dirichlet([5] * len(words)).tolist(), strict=True)
            contexts |= {word: {attribute: value} for word in words}
        fills[slot] = tuple(own)
        for word in own:
            given[word] = dict.fromkeys(prior, 1 / len(own))
            for noun in attributes:
                speaks = contexts[word][attribute] == attributes[noun][attribute]
                given[word][noun] = NOISE / len(own) + (1 - NOISE) * own[word] * speaks
    for noun, word in held_out:
        if noun not in prior or word not in given:
            raise InputError(f"held_out has no use for ({noun!r}, {word!r}): give pairs of a noun "
                             "such as 'queen' and a context word such as 'palace'")  # fmt: skip
        given[word][noun] = 0.0
    for slot, words in fills.items():
        for noun in prior:
            total = sum(given[word][noun] for word in words)
            if not total:
                raise InputError(f"held_out leaves {noun!r} no {slot!r}: keep one of {words}")
            for word in words:
                given[word][noun] /= total

    def believe(heard):
        """The noun to come, as far as the words before it give it away (Bayes)."""
        joint = {n: p * math.prod(given[word][n] for word in heard) for n, p in prior.items()}
        total = sum(joint.values())
        return {noun: p / total for noun, p in joint.items()}

    def name(part, heard):
        return [(part * p, noun, ("did", noun)) for noun, p in believe(heard).items()]

    def fill(part, slot, nouns, then, phrase="{}", keep=False):
        """Options for a slot, given how probable each noun is; `keep`: the state after knows."""
        for word in fills[slot]:
            p = sum(given[word][noun] * nouns[noun] for noun in nouns)
            yield part * p, phrase.format(word), (*then, word) if keep else then

    def rules(state):
        match state:
            case "start":
                yield 0.6, "the", ("person",)
                yield 0.4, "in the", "where"
            case "where":
                yield from fill(1, "place", believe(()), ("person",), "{} , the", keep=True)
            case "person", *heard:
                yield from name(0.4, heard)
                for slot in ("bearing", "looks", "years"):
                    then = ("described", *heard)
                    yield from fill(0.2, slot, believe(heard), then, keep=True)
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
                yield from _even(1, [f"{thing} ." for thing in THINGS], "start")

    words, moves, share = unfold(rules)
    return Kingdom(
        "kingdom", words, moves, share,
        attributes=attributes, contexts=contexts, decoys=(*ANIMALS, *THINGS),
    )  # fmt: skip


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
    """Who meets whom in this source, each pair once, its names in the order of `names`."""


def errands(
    names: int = 24, seed: int = 0, pairs: Literal["train", "held_out", "all"] = "train"
) -> Errands:
    """Return indirect-object sentences: "then Mary and John went to the park . John gave a hat to
    Mary ."

    Either of the two may be the giver; who receives is then certain. Phrases of several lengths
    before, between and after the names leave no position to go by. Everybody sits at a round
    table, in an order that `seed` draws: those at most two seats apart are the held-out pairs,
    so that everybody is in four of them. All three choices of `pairs` have the same words.
    Raises InputError for too few or too many names, or an unknown choice of pairs.
    """
    if not 6 <= names <= len(NAMES) or pairs not in ("train", "held_out", "all"):
        raise InputError(
            f"no errands with names={names}, pairs={pairs!r}: "
            f"choose 6 to {len(NAMES)} names, and train, held_out or all"
        )
    people = NAMES[:names]
    seat = dict(zip(people, _random(seed).permutation(names).tolist(), strict=True))

    def meet(a, b):
        apart = abs(seat[a] - seat[b])
        return pairs == "all" or (min(apart, names - apart) <= 2) == (pairs == "held_out")

    met = tuple(pair for pair in combinations(people, 2) if meet(*pair))

    def giver(part, pair):
        for a, b in (pair, pair[::-1]):
            yield part / 2, a, ("gives", b)

    def rules(state):
        match state:
            case "start":
                yield from _even(1, OPENINGS, "first")
            case "first":
                for a in people:
                    yield 1 / names, f"{a} and", ("second", a)
            case "second", a:
                mine = [pair for pair in met if a in pair]
                for pair in mine:
                    yield 1 / len(mine), pair[1 - pair.index(a)], ("met", pair)
            case "met", pair:
                yield from _even(1, JOURNEYS, ("going", pair))
            case "going", pair:
                yield from _even(1, [f"{shop} ." for shop in SHOPS], ("there", pair))
            case "there", pair:
                yield from giver(0.5, pair)
                yield from _even(0.5, REMARKS, ("remarked", pair))
            case "remarked", pair:
                yield from giver(1, pair)
            case "gives", receiver:
                yield from _even(1, GIVING, ("what", receiver))
            case "what", receiver:
                yield from _even(0.5, KINDS, ("gift", receiver))
                yield from _even(0.5, GIFTS, ("to", receiver))
            case "gift", receiver:
                yield from _even(1, GIFTS, ("to", receiver))
            case "to", receiver:
                yield 0.5, f"to {receiver} .", "start"
                yield from _even(0.5, [f"{how} to {receiver} ." for how in MANNERS], "start")

    words, moves, share = unfold(rules)
    return Errands("errands", words, moves, share, names=people, pairs=met)


# ------------------------------------------------------------------ by name


GENERATORS: dict[str, Callable[[], Source]] = {
    "chain": chain,
    "chain-cyclic": partial(chain, "cyclic"),
    "chain-reversible": partial(chain, "reversible"),
    "kingdom": kingdom,
    "errands": errands,
    "zipf": zipf,
}


def generate(name: str) -> Source:
    """Return the generator of that name with its defaults; InputError for an unknown name."""
    if name not in GENERATORS:
        raise InputError(f"no generator is called {name!r}{did_you_mean(name, GENERATORS)}")
    return GENERATORS[name]()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the nearest known name, if one is near, and all."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"{f'; did you mean {near[0]!r}?' if near else ';'} known names: {', '.join(known)}"


def _random(*seed: int) -> np.random.Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise InputError(f"seed={seed[0]!r} is no seed: choose a whole number, 0 or more") from None
