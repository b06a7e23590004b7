"""Errands: who receives is certain, and nothing but the names gives it away."""

import math

import numpy as np
import pytest
from streams import MAKERS, get_stream

from minitx.errors import InputError
from minitx.text.errands import (
    GIFTS,
    GIVING,
    JOURNEYS,
    KINDS,
    MANNERS,
    OPENINGS,
    REMARKS,
    SHOPS,
    errands,
)

ERRANDS = [name for name in MAKERS if "errands" in name]


def errands_told(s):
    """(first name, second name, giver, receiver, position of the receiver) of each whole errand."""
    at = [t for t, word in enumerate(s.words) if word in s.source.names]
    at = at[: len(at) // 4 * 4]
    for four in zip(*[iter(at)] * 4, strict=True):
        yield (*(s.words[t] for t in four), four[-1])


@pytest.mark.parametrize("name", ERRANDS)
def test_who_receives_is_certain_once_the_giver_is_named(name):
    s = get_stream(name)
    told = list(errands_told(s))
    assert len(told) > 1000
    for a, b, giver, receiver, t in told:
        assert {a, b} == {giver, receiver} and a != b
        assert s.words[t - 1] == "to" and s.words[t + 1 : t + 2] in (["."], [])
        assert s.probs_TV[t - 1, s.ids_T[t]] == 1


@pytest.mark.parametrize("name", ERRANDS)
def test_both_orders_are_told_alike(name):
    told = list(errands_told(get_stream(name)))
    abba = sum(b == giver for _, b, giver, _, _ in told)
    assert abs(abba - len(told) / 2) < 4.5 * math.sqrt(len(told) / 4)


def test_the_wrong_receiver_is_impossible():
    s = get_stream("errands")
    *_, receiver, t = next(errands_told(s))
    for wrong in set(s.source.names) - {receiver}:
        with pytest.raises(InputError, match=f"position {t}: .*'{wrong}'"):
            s.source.next_probs([*s.ids_T[:t], s.source.words.index(wrong)])


@pytest.mark.parametrize("name", ERRANDS)
def test_exactly_the_stated_pairs_meet(name):
    s = get_stream(name)
    met = {frozenset((a, b)) for a, b, *_ in errands_told(s)}
    assert met == set(map(frozenset, s.source.pairs))
    assert len(met) == len(s.source.pairs)
    names = s.source.names
    assert all(names.index(a) < names.index(b) for a, b in s.source.pairs)


@pytest.mark.parametrize("names", [6, 13, pytest.param(25, marks=pytest.mark.long)])
def test_held_out_pairs_are_the_rest_of_all_pairs(names):
    train, held_out, everything = (
        errands(names, seed=2, pairs=pairs) for pairs in ("train", "held_out", "all")
    )
    assert not set(train.pairs) & set(held_out.pairs)
    assert set(train.pairs) | set(held_out.pairs) == set(everything.pairs)
    assert len(everything.pairs) == names * (names - 1) // 2
    for name in train.names:  # everybody is held out from four others, and meets the rest
        assert sum(name in pair for pair in held_out.pairs) == 4
    assert train.words == held_out.words == everything.words  # a model can move from one to another
    assert errands(names, seed=3).pairs != train.pairs


def test_no_position_gives_the_receiver_away():
    """Copying from a fixed number of words back, or reading a fixed place, is mostly wrong."""
    s = get_stream("errands")
    told = [story for story in errands_told(s) if story[-1] > 40]
    for back in range(1, 41):
        hits = sum(s.words[t - back] == receiver for *_, receiver, t in told)
        assert hits / len(told) < 0.12
    starts = [0] + [t + 1 for *_, t in errands_told(s)]
    gaps = [t - start for start, (*_, t) in zip(starts, errands_told(s), strict=False)]
    _, counts = np.unique(gaps, return_counts=True)
    assert len(counts) > 20 and counts.max() / len(gaps) < 0.15


@pytest.mark.parametrize("name", ERRANDS)
def test_the_entropy_of_errands_by_hand(name):
    """All choices are even and independent: logs of their numbers over the mean length."""
    source = get_stream(name).source
    names, partners = len(source.names), 2 * len(source.pairs) / len(source.names)

    def length(phrases):
        return np.mean([len(phrase.split()) for phrase in phrases])

    choices = [
        OPENINGS,
        JOURNEYS,
        SHOPS,
        GIVING,
        GIFTS,
    ]
    nats = sum(math.log(len(c)) for c in choices) + math.log(names * partners) + math.log(2)
    words = length(OPENINGS) + 3 + length(JOURNEYS) + 2 + 1 + length(GIVING) + 1 + 3
    for maybe in (REMARKS, KINDS, MANNERS):  # taken every other time
        nats += math.log(2) + math.log(len(maybe)) / 2
        words += length(maybe) / 2
    assert source.entropy() == pytest.approx(nats / words, rel=1e-12)


def test_no_such_errands():
    for wrong in ({"names": 5}, {"names": 41}, {"pairs": "test"}):
        with pytest.raises(InputError, match="choose 6 to 40 names, and train, held_out or all"):
            errands(**wrong)
