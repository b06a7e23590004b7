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

Here are `chain` and `zipf`, and `unfold`, which makes a source of sentences from rules; the
sentences themselves are in `grammars.py`.
"""

import math
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
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
        for draw in seeded(seed, 1).random(length).tolist():
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
        P_VV = seeded(seed).dirichlet(np.full(vocab, concentration), size=vocab)
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
    law_V = seeded(seed).permutation(law_V)
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


# --- sentences ---------------------------------------------------------------------------------


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


def evenly(part: float, phrases: Collection[str], then: State):
    """Options that share a probability evenly and lead to one state."""
    return ((part / len(phrases), phrase, then) for phrase in phrases)


def _first_word(probability: float, phrase: str, then: State) -> Move:
    word, _, rest = phrase.partition(" ")
    return float(probability), word, Rest(rest, then) if rest else then


def seeded(*seed: int) -> np.random.Generator:
    """Return numpy's generator for a seed; InputError if it is none."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise InputError(f"seed={seed[0]!r} is no seed: choose a whole number, 0 or more") from None
