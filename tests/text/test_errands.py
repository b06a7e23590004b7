"""Errands: who receives is certain, and nothing but the names gives it away."""

import math

import numpy as np
import pytest
from streams import MAKERS, get_stream

from minitx.errors import InputError
from minitx.text.errands import (
    ABSENT,
    AFTER,
    BEFORE,
    GIFTS,
    GIVING,
    JOURNEYS,
    KINDS,
    MANNERS,
    OPENINGS,
    PASSING,
    REMARKS,
    SHOPS,
    errands,
)

ERRANDS = [name for name in MAKERS if "errands" in name]


def errands_told(s):
    """(first, second, giver, receiver, position of the receiver) of each whole errand."""
    return [story[:5] for story in stories(s)]


def stories(s):
    """The same, with the third names before the pair, and after it."""
    told = []
    start = 0
    names = set(s.source.names)
    for t in range(1, len(s.words)):
        if s.words[t] in names and s.words[t - 1] == "to":
            at = [i for i in range(start, t) if s.words[i] in names]
            (pair,) = [i for i in at if s.words[i + 1] == "and"]
            before = [s.words[i] for i in at if i < pair]
            after = [s.words[i] for i in at if pair + 2 < i < at[-1]]
            who = (s.words[pair], s.words[pair + 2], s.words[at[-1]], s.words[t])
            told.append((*who, t, before, after))
            start = t + 1
    return told


@pytest.mark.parametrize("name", ERRANDS)
def test_who_receives_is_certain_once_the_giver_is_named(name):
    s = get_stream(name)
    told = errands_told(s)
    assert len(told) > 1000
    for a, b, giver, receiver, t in told:
        assert {a, b} == {giver, receiver} and a != b
        assert s.words[t - 1] == "to" and s.words[t + 1 : t + 2] in (["."], [])
        assert s.probs_TV[t - 1, s.ids_T[t]] == 1


@pytest.mark.parametrize("name", ERRANDS)
def test_both_orders_are_told_alike(name):
    told = errands_told(get_stream(name))
    abba = sum(b == giver for _, b, giver, _, _ in told)
    assert abs(abba - len(told) / 2) < 4.5 * math.sqrt(len(told) / 4)


@pytest.mark.parametrize("name", ERRANDS)
def test_a_third_person_is_named_once_and_never_the_answer(name):
    told = stories(get_stream(name))
    places = {(1, 0): 0, (0, 1): 0, (0, 0): 0}
    for a, b, _, _, _, before, after in told:
        places[len(before), len(after)] += 1
        assert not {a, b} & {*before, *after}
    expected = np.array([BEFORE, AFTER, 1 - BEFORE - AFTER])
    error = np.sqrt(expected * (1 - expected) / len(told))
    shares = np.array(list(places.values())) / len(told)
    assert (np.abs(shares - expected) < 4.5 * error).all()


def test_no_rule_about_single_names_gives_the_receiver_away():
    """Names heard once up to "to": the receiver, and mostly a third person, first or last."""
    told = stories(get_stream("errands"))
    only = first = last = 0
    for a, b, giver, receiver, _, before, after in told:
        once = [name for name in (*before, a, b, *after) if name != giver]
        only += once == [receiver]
        first += once[0] == receiver
        last += once[-1] == receiver
    assert only / len(told) < 0.25
    assert first / len(told) < 0.65 and last / len(told) < 0.65


def test_the_wrong_receiver_is_impossible():
    s = get_stream("errands")
    *_, receiver, t = errands_told(s)[0]
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


@pytest.mark.parametrize("names", [7, 13, pytest.param(25, marks=pytest.mark.long)])
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
    """All choices are even: logs of their numbers over the mean length."""
    log = math.log
    source = get_stream(name).source
    names, partners = len(source.names), 2 * len(source.pairs) / len(source.names)

    def length(phrases):
        return np.mean([len(phrase.split()) for phrase in phrases])

    nats = log(len(JOURNEYS)) + log(len(SHOPS)) + log(len(GIVING)) + log(len(GIFTS)) + log(2)
    words = 3 + length(JOURNEYS) + 2 + 1 + length(GIVING) + 1 + 3
    for maybe in (KINDS, MANNERS):  # taken every other time
        nats += log(2) + log(len(maybe)) / 2
        words += length(maybe) / 2
    # Who is in it, and in which opening or remark.
    alone = 1 - BEFORE - AFTER
    nats += sum(p * log(1 / p) for p in (BEFORE, AFTER, alone))
    nats += BEFORE * (log(len(ABSENT)) + log(names)) + (1 - BEFORE) * log(len(OPENINGS))
    words += BEFORE * (np.mean([len(f"{a} {b}".split()) for a, b in ABSENT.items()]) + 1)
    words += (1 - BEFORE) * length(OPENINGS)
    nats += (1 - BEFORE) * (log(names) + log(partners))
    rival = partners / (names - 1)  # how often the third person is a partner of the first
    nats += BEFORE * (log(names - 1) + rival * log(partners - 1) + (1 - rival) * log(partners))
    nats += AFTER * (log(names - 2) + log(len(PASSING)))
    words += AFTER * (1 + length(PASSING))
    nats += (BEFORE + alone) * (log(2) + log(len(REMARKS)) / 2)
    words += (BEFORE + alone) * length(REMARKS) / 2
    assert source.entropy() == pytest.approx(nats / words, rel=1e-12)


def test_no_such_errands():
    for wrong in ({"names": 6}, {"names": 41}, {"pairs": "test"}):
        with pytest.raises(InputError, match="choose 7 to 40 names, and train, held_out or all"):
            errands(**wrong)


# ---------------------------------------------------------------- prompts


@pytest.mark.parametrize("pairs", ["train", "held_out"])
def test_prompts_can_be_said_and_their_answers_are_certain(pairs):
    source = errands(13, seed=2, pairs=pairs)
    prompts = source.prompts(150, seed=4)
    kinds = {}
    for prompt in prompts:
        kinds[prompt.order, prompt.place] = kinds.get((prompt.order, prompt.place), 0) + 1
        assert prompt.text.split() == [source.words[id] for id in prompt.ids]
        next_V = source.next_probs(prompt.ids)[-1]
        assert next_V[prompt.answer] == 1
        ids = list(prompt.ids)
        pair = ids.index(source.words.index("and"))
        first, second = ids[pair - 1], ids[pair + 1]
        assert {first, second} == {prompt.answer, prompt.giver}
        assert (first == prompt.answer) == (prompt.order == "ABB")
        names = [id for id in ids if source.words[id] in source.names]
        assert names[-1] == prompt.giver and names.count(prompt.answer) == 1
        where = {"before": [0], "after": [2], None: []}[prompt.place]
        assert [i for i, id in enumerate(names) if id == prompt.third] == where
    assert kinds == {(o, p): 25 for o in ("ABB", "BAB") for p in ("before", "after", None)}
    met = {frozenset((source.words[p.giver], source.words[p.answer])) for p in prompts}
    assert met == set(map(frozenset, source.pairs))  # 26 or 52 pairs: each had its turn
    assert len({p.text for p in prompts}) > 145
    assert len({len(p.ids) for p in prompts}) > 10
    assert prompts == source.prompts(150, seed=4)[:150] and prompts[:9] == source.prompts(9, seed=4)
    assert prompts != source.prompts(150, seed=5)
    assert [p.order for p in prompts[:4]] == ["ABB", "BAB", "ABB", "BAB"]


def test_the_phrases_of_prompts_are_those_of_the_source():
    """Every phrase appears in prompts, so that none was forgotten there."""
    text = " ".join(prompt.text for prompt in errands(9, seed=1).prompts(600))
    for phrases in (
        OPENINGS, ABSENT, ABSENT.values(), JOURNEYS, SHOPS, REMARKS, PASSING, GIVING, KINDS, GIFTS,
        MANNERS,
    ):  # fmt: skip
        assert all(f" {phrase} " in text for phrase in phrases)


def test_the_counterfactual_differs_in_the_giver_alone():
    source = errands(9, seed=1)
    for prompt in source.prompts(60):
        other = source.exchanged(prompt)
        assert (other.answer, other.giver) == (prompt.giver, prompt.answer)
        assert (other.third, other.place) == (prompt.third, prompt.place)
        assert {prompt.order, other.order} == {"ABB", "BAB"}
        (differ,) = np.flatnonzero(np.array(prompt.ids) != other.ids)
        assert prompt.ids[differ] == prompt.giver and other.ids[differ] == prompt.answer
        assert source.next_probs(other.ids)[-1][other.answer] == 1
        assert other.text.split() == [source.words[id] for id in other.ids]
        assert source.exchanged(other) == prompt


def test_one_prompt_as_told():
    source = errands(9, seed=1)
    a, b = source.pairs[0]
    third = next(name for name in source.names if name not in (a, b))
    prompt = source.prompt(b, a, "ABB", third, "after", seed=3)
    assert f"{a} and {b} " in prompt.text and f". {third} " in prompt.text
    assert source.words[prompt.answer] == a
    assert f"{b} and {a} " in source.prompt(b, a, "BAB").text
    stranger = next(n for n in source.names if not {(a, n), (n, a)} & set(source.pairs) and n != a)
    for wrong in (
        (a, stranger), (a, a), (a, "Zoe"), (a, b, "ABA"), (a, b, "ABB", a, "before"),
        (a, b, "ABB", "Zoe", "after"), (a, b, "ABB", third), (a, b, "ABB", None, "after"),
        (a, b, "ABB", third, "between"),
    ):  # fmt: skip
        with pytest.raises(InputError, match="choose one of `pairs`"):
            source.prompt(*wrong)
    for wrong in ({"count": -1}, {"count": 3, "places": ()}, {"count": 3, "places": ("between",)}):
        with pytest.raises(InputError, match="choose a count from 0 on"):
            source.prompts(**wrong)
    assert source.prompts(0) == []
    assert {p.place for p in source.prompts(5, places=["after"])} == {"after"}
