"""Corpora made by rule, whose true next-token distribution and entropy are known exactly.

Each of them is a `Source`: a machine that is in some state, says one word, and moves on to the
state that this word leads to. The words so far therefore determine its state, and the true
distribution of the next word is looked up, not estimated:

>>> source = chain("cyclic", vocab=3)
>>> source.sample(6, seed=4).tolist()
[2, 0, 1, 2, 0, 1]
>>> source.next_probs([2, 0])
array([[1., 0., 0.],
       [0., 1., 0.]])

This module has `chain` and `zipf`. Sources of sentences are in `kingdom.py` and `errands.py`.
"""

import math
from bisect import bisect
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Literal

import numpy as np

from minitx.errors import InputError

State = Hashable
Move = tuple[float, str, State]  # its probability, what is said, the state that follows
EVENLY = 0.01  # the fraction of a Zipf chain's rows that all tokens share evenly, before balancing


@dataclass(frozen=True, eq=False)
class Source:
    """A stationary source of words.

    Raises InputError if the moves of a state do not sum to one, or two of them start with one word.
    """

    name: str
    words: tuple[str, ...] = field(repr=False)
    """The vocabulary, in the order of the ids."""
    moves: dict[State, tuple[Move, ...]] = field(repr=False)
    """What can happen in each state: one word per move, no word twice."""
    share: dict[State, float] = field(repr=False)
    """The fraction of its time that the source spends in each state in the long run."""
    start: State = "start"

    def __post_init__(self):
        for state, moves in self.moves.items():
            if len({word for _, word, _ in moves}) < len(moves):
                raise InputError(f"{self.name}: two moves of state {state!r} start with one word")
            if not math.isclose(sum(p for p, _, _ in moves), 1):
                raise InputError(f"{self.name}: the moves of state {state!r} do not sum to one")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: id for id, word in enumerate(self.words)}

    @cached_property
    def _next_state(self) -> dict[State, dict[int, State]]:
        """The state that follows each state and each id that is possible there."""
        return {
            state: {self._ids[word]: then for _, word, then in moves}
            for state, moves in self.moves.items()
        }

    def sample(self, length: int, seed: int) -> np.ndarray:
        """Return ids_T (int32): the first `length` tokens of a stream that `seed` determines."""
        if length < 0:
            raise InputError(f"length={length} is negative: choose 0 or more tokens")
        # The last bound is left out: it is 1 up to rounding, and a draw must not fall beyond it.
        bounds = {
            state: list(accumulate(probability for probability, _, _ in moves))[:-1]
            for state, moves in self.moves.items()
        }
        ids = []
        state = self.start
        # The 1 makes this stream differ from the one that drew the rules with the same seed.
        for draw in seeded(seed, 1).random(length).tolist():
            _, word, then = self.moves[state][bisect(bounds[state], draw)]
            ids.append(self._ids[word])
            state = then
        return np.array(ids, np.int32)

    def next_probs(self, ids_T) -> np.ndarray:
        """Return probs_TV (float64): row t is the true distribution of the token after ids[0..t].

        ids_T is a stream from its first token on. InputError names the first impossible token.
        """
        ids_T = np.asarray(ids_T)
        if ids_T.ndim != 1 or (ids_T.size and ids_T.dtype.kind not in "iu"):
            raise InputError(f"{self.name}: token ids must be a row of whole numbers")
        state = self.start
        row_of = {}  # state: its row in a table that has each state once, however often it comes
        rows_T = []
        for position, id in enumerate(ids_T.tolist()):
            if id not in self._next_state[state]:
                word = repr(self.words[id]) if 0 <= id < len(self.words) else "no token"
                raise InputError(
                    f"{self.name}: impossible at position {position}: id {id} ({word}) cannot come "
                    "there; give a stream that this source can say, from its first token on"
                )
            state = self._next_state[state][id]
            rows_T.append(row_of.setdefault(state, len(row_of)))
        table = np.zeros((len(row_of), len(self.words)))
        for state, row in row_of.items():
            for probability, word, _ in self.moves[state]:
                table[row, self._ids[word]] = probability
        return table[np.array(rows_T, int)]

    def entropy(self) -> float:
        """Return the entropy rate in nats per token: no model's loss on a long stream beats it.

        It is exact: the words determine the states, so it is the mean entropy of one move.
        """
        return math.fsum(
            self.share[state] * p * math.log(1 / p)
            for state in self.share
            for p, _, _ in self.moves[state]
        )


@dataclass(frozen=True, eq=False)
class Chain(Source):
    """A Markov chain: the next token depends only on the present one."""

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

    random      every row is drawn from a Dirichlet distribution; a low `concentration` gives
                each token a few likely successors
    cyclic      every token is followed by the next one
    reversible  the average of the random chain and the same chain run backwards
    `noise` is the fraction of every row that is spread evenly over all tokens; in a reversible
    chain, of the rows before the average. Raises InputError for values out of range, and for a
    chain that falls into separate parts.
    """
    if vocab < 2 or concentration <= 0 or not 0 <= noise <= 1:
        raise InputError(
            f"no chain has vocab={vocab}, concentration={concentration}, noise={noise}: "
            "choose at least 2, above 0, and between 0 and 1"
        )
    if kind == "cyclic":
        transition_VV = np.roll(np.eye(vocab), 1, axis=1)
    elif kind in ("random", "reversible"):
        transition_VV = seeded(seed).dirichlet(np.full(vocab, concentration), size=vocab)
    else:
        raise InputError(f"no chain is {kind!r}: choose random, cyclic or reversible")
    transition_VV = (1 - noise) * transition_VV + noise / vocab
    stationary_V = _stationary(transition_VV)
    if kind == "reversible":
        # With P the transitions and pi the stationary distribution, the chain run backwards has
        # transitions Q with pi_i Q_ij = pi_j P_ji. The average of P and Q has the same pi, and goes
        # from i to j as often as from j to i.
        backwards_VV = stationary_V * transition_VV.T / stationary_V[:, None]
        transition_VV = (transition_VV + backwards_VV) / 2
    words = _numbered("s", vocab)
    return Chain(
        name="chain" if kind == "random" else f"chain-{kind}",
        words=words,
        moves=_moves(words, transition_VV, stationary_V),
        share=dict(zip(words, stationary_V.tolist(), strict=True)),  # the start is left for good
        transition_VV=transition_VV,
        stationary_V=stationary_V,
    )


def _moves(words, transition_VV, stationary_V) -> dict[State, tuple[Move, ...]]:
    """Return the moves of a chain: its states are the start and the tokens that occur."""

    def row(probs_V):
        pairs = zip(probs_V.tolist(), words, strict=True)
        return tuple((probability, word, word) for probability, word in pairs if probability)

    moves = {"start": row(stationary_V)}
    for token in np.flatnonzero(stationary_V):
        moves[words[token]] = row(transition_VV[token])
    return moves


def _stationary(transition_VV: np.ndarray) -> np.ndarray:
    """Return pi_V with pi P = pi and sum 1; InputError for a chain that has no unique one.

    The V equations pi P = pi depend on each other, so the sum takes the place of the last one.
    """
    identity_VV = np.eye(len(transition_VV))
    equations_VV = transition_VV.T - identity_VV
    equations_VV[-1] = 1
    try:
        stationary_V = np.linalg.solve(equations_VV, identity_VV[-1])
    except np.linalg.LinAlgError:
        stationary_V = np.zeros(len(transition_VV))
    # One step must leave every token's probability as it was, even that of the rarest.
    if (stationary_V <= 0).any() or not np.allclose(
        stationary_V @ transition_VV / stationary_V, 1, rtol=0, atol=1e-9
    ):
        raise InputError("the parts of this chain hardly meet: raise concentration or noise")
    return stationary_V / stationary_V.sum()


@dataclass(frozen=True, eq=False)
class Zipf(Chain):
    """A Markov chain whose stationary distribution follows Zipf's law; see `zipf`."""

    unseen: tuple[int, ...] = field(kw_only=True, repr=False)
    """The ids of the tokens that never occur, in ascending order."""


def zipf(
    vocab: int = 200,
    unseen: int = 20,
    exponent: float = 1.0,
    concentration: float = 0.05,
    seed: int = 0,
) -> Zipf:
    """Return a Markov chain whose r-th most frequent token has the share 1 / r**exponent / total.

    The shares are exact up to rounding. The next token depends strongly on the present one: a low
    `concentration` gives each token a few likely successors. `vocab` tokens occur, and `unseen`
    more never do: their rows and columns of `transition_VV` are zero. `seed` draws which id has
    which share, so that an id says nothing about a frequency, and the transitions. Raises
    InputError for values out of range.
    """
    if vocab < 2 or unseen < 0 or not 0 <= exponent <= 3 or not 0 < concentration < math.inf:
        raise InputError(
            f"no Zipf chain has vocab={vocab}, unseen={unseen}, exponent={exponent}, "
            f"concentration={concentration}: choose at least 2, at least 0, between 0 and 3, "
            "and above 0"
        )
    random = seeded(seed)
    by_rank = np.arange(1, vocab + 1) ** -float(exponent)
    stationary_V = np.concatenate([by_rank / by_rank.sum(), np.zeros(unseen)])
    stationary_V = random.permutation(stationary_V)
    seen = np.flatnonzero(stationary_V)
    rows = random.dirichlet(np.full(vocab, concentration), size=vocab)
    rows = (1 - EVENLY) * rows + EVENLY / vocab
    transition_VV = np.zeros((vocab + unseen, vocab + unseen))
    transition_VV[np.ix_(seen, seen)] = _balance(rows, stationary_V[seen])
    words = _numbered("w", vocab + unseen)
    return Zipf(
        name="zipf",
        words=words,
        moves=_moves(words, transition_VV, stationary_V),
        share={words[token]: float(stationary_V[token]) for token in seen},
        transition_VV=transition_VV,
        stationary_V=stationary_V,
        unseen=tuple(np.flatnonzero(stationary_V == 0).tolist()),
    )


def _balance(weight_VV: np.ndarray, share_V: np.ndarray) -> np.ndarray:
    """Return transitions a_i W_ij b_j with the stationary distribution `share_V`.

    Sinkhorn's method: scale the columns and the rows of W in turn until a_i W_ij b_j is the
    probability of the pair (i, j): its rows and its columns sum to the shares. It converges for
    all positive weights.
    """
    a_V = np.ones(len(share_V))
    columns_V = np.zeros(len(share_V))
    while not np.allclose(columns_V, share_V, rtol=1e-12, atol=0):
        b_V = share_V / (a_V @ weight_VV)
        a_V = share_V / (weight_VV @ b_V)  # now the rows are right
        columns_V = b_V * (a_V @ weight_VV)
    return a_V[:, None] * weight_VV * b_V / share_V[:, None]


def _numbered(letter: str, count: int) -> tuple[str, ...]:
    """Return words such as s07, all of one length."""
    return tuple(f"{letter}{i:0{len(str(count - 1))}}" for i in range(count))


def seeded(*seed: int) -> np.random.Generator:
    """Return numpy's generator for a seed; InputError for anything but a whole number from 0 on."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise InputError(
            f"seed={seed[0]!r} cannot be a seed: choose a whole number, 0 or more"
        ) from None
