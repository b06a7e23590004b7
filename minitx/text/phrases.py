"""Rules that say whole phrases, turned into a source that says one word at a time."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from minitx.text.sources import Move, State


@dataclass(frozen=True)
class Rest:
    """A state inside a phrase: the words that are still to come, and the state after them."""

    phrase: str
    then: State


Rules = Callable[[State], Iterable[tuple[float, str, State]]]  # moves, but with whole phrases


def unfold(rules: Rules) -> tuple[tuple[str, ...], dict[State, tuple[Move, ...]], dict]:
    """Return the words, moves and shares (as in `Source`) of everything that `rules` can say.

    A phrase of several words becomes one move per word. Every sentence must return to "start".
    """
    moves = {}
    visits = Counter()  # state: how often a sentence passes it, on average
    # One sentence in all its versions at once, a word further in each round: the probability of
    # each state that it can be in.
    reached = {"start": 1.0}
    while reached:
        following = Counter()
        for state, reach in reached.items():
            if state not in moves:
                moves[state] = _moves_of(state, rules)
            visits[state] += reach
            for probability, _, then in moves[state]:
                if then != "start":
                    following[then] += reach * probability
        reached = following
    mean_length = math.fsum(visits.values())
    words = {word for options in moves.values() for _, word, _ in options}
    share = {state: count / mean_length for state, count in visits.items()}
    return tuple(sorted(words)), moves, share


def _moves_of(state: State, rules: Rules) -> tuple[Move, ...]:
    """Return what can happen in a state, word by word, without options of probability zero."""
    inside = isinstance(state, Rest)
    options = [(1.0, state.phrase, state.then)] if inside else rules(state)
    return tuple(_first_word(*option) for option in options if option[0])


def evenly(total: float, phrases: Collection[str], then: State):
    """Return options that share the probability `total` evenly and lead to one state."""
    return ((total / len(phrases), phrase, then) for phrase in phrases)


def _first_word(probability: float, phrase: str, then: State) -> Move:
    """Return the move that says the first word of a phrase."""
    word, _, rest = phrase.partition(" ")
    return float(probability), word, Rest(rest, then) if rest else then
