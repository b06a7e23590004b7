"""The kingdom: without taste analogies are exact; each context word depends on one attribute."""

import itertools
import math

import numpy as np
import pytest
from streams import HELD_OUT, after, get_stream

from minitx.errors import InputError
from minitx.text.kingdom import ANIMALS, NOISE, SLOTS, VALUES, kingdom

PEOPLE = kingdom().attributes
BEFORE = ("the", "in the palace , the", "the veiled", "the dutiful", "in the barn , the old")
AFTER = (
    "", " himself", " herself", " wore a", " reigned", " giggled and", " wore a gown and took",
    " prayed and went to the",
)  # fmt: skip


def cube(source, value):
    """log value(noun), arranged as rank x gender x age."""
    crossed = itertools.product(*VALUES.values())
    return np.log([value(_noun(*has)) for has in crossed]).reshape(6, 2, 2)


def _noun(rank, gender, age):
    wanted = {"rank": rank, "gender": gender, "age": age}
    (noun,) = (noun for noun, has in PEOPLE.items() if has == wanted)
    return noun


def parallelogram_error(log_rga):
    """How far the logs are from a sum of one term per attribute."""
    corner = log_rga[:1, :1, :1]
    total = log_rga[:, :1, :1] + log_rga[:1, :, :1] + log_rga[:1, :1, :] - 2 * corner
    return np.abs(log_rga - total).max()


def test_rank_gender_and_age_are_fully_crossed():
    crossed = [tuple(has[a] for a in VALUES) for has in PEOPLE.values()]
    assert sorted(crossed) == sorted(itertools.product(*VALUES.values()))
    assert len(PEOPLE) == 24
    assert PEOPLE["king"] == {"rank": "royal", "gender": "male", "age": "grown"}
    assert PEOPLE["girl"] == {"rank": "common", "gender": "female", "age": "young"}
    assert PEOPLE["monk"] == {"rank": "holy", "gender": "male", "age": "young"}


def test_without_taste_context_words_follow_one_attribute_of_the_noun_and_no_other():
    source = get_stream("kingdom without taste").source
    axis = {"rank": 0, "gender": 1, "age": 2}
    met = set()
    for ending in AFTER:
        rows = {noun: after(source, f"the {noun}{ending}") for noun in PEOPLE}
        for word in source.words:
            if not rows["king"][word]:
                assert not any(row[word] for row in rows.values())
                continue
            values = {noun: row[word] for noun, row in rows.items()}
            log_rga = cube(source, values.get)
            assert parallelogram_error(log_rga) < 1e-12
            own = source.contexts.get(word, {})
            for attribute, k in axis.items():
                if attribute in own:  # most likely, by far, where the noun has its value
                    logs = np.moveaxis(log_rga, k, 0).reshape(len(VALUES[attribute]), -1)[:, 0]
                    assert VALUES[attribute][logs.argmax()] == own[attribute]
                    assert np.ptp(logs) > 1
                else:
                    assert np.ptp(log_rga, axis=k).max() < 1e-12
            met |= {word} & set(source.contexts)
    after_the_noun = set(SLOTS) - {"bearing", "looks", "years"}
    assert met == {word for slot in after_the_noun for word in slot_words()[slot]}


def slot_words():
    return {slot: line.partition(": ")[2].replace(",", "").split() for slot, line in SLOTS.items()}


def test_every_context_word_speaks_for_its_value():
    source = get_stream("kingdom without taste").source
    for context in source.contexts.values():
        ((attribute, value),) = context.items()
        assert value in VALUES[attribute]
    assert source.contexts["palace"] == {"rank": "royal"}
    assert source.contexts["gown"] == {"gender": "female"}
    assert source.contexts["giggled"] == {"age": "young"}
    king, princess = after(source, "the king wore a"), after(source, "the princess")
    assert king["doublet"] + king["waistcoat"] == pytest.approx(1 - NOISE / 2)
    young = [princess[word] for word in ("giggled", "skipped", "climbed")]
    assert sum(young) == pytest.approx(0.3 * (1 - NOISE / 2))
    assert all(0 < p < 1 for p in source.next_probs([source.words.index("the")])[0] if p)


@pytest.mark.parametrize("name", ["kingdom", "kingdom without taste"])
def test_nouns_follow_the_law_of_zipf(name):
    row = after(get_stream(name).source, "the")
    of_people = np.array([row[noun] for noun in PEOPLE])
    by_rank = np.sort(of_people / of_people.sum())[::-1]
    weights = 1 / np.arange(1, 25)
    np.testing.assert_allclose(by_rank, weights / weights.sum(), rtol=1e-12)
    assert parallelogram_error(cube(get_stream(name).source, row.get)) > 0.5  # no sum of terms


def test_without_taste_what_words_say_of_nouns_makes_parallelograms_too():
    """What the words before add to log p(noun): the noun's own frequency is left out."""
    source = get_stream("kingdom without taste").source
    none = after(source, "the")
    for beginning in BEFORE:
        row = after(source, beginning)
        ratio = {noun: row[noun] / none[noun] for noun in PEOPLE}
        assert parallelogram_error(cube(source, ratio.get)) < 1e-12
        king_and_woman = ratio["king"] * ratio["woman"]
        assert king_and_woman == pytest.approx(ratio["man"] * ratio["queen"], rel=1e-12)


def taste_of(taste):
    """What `taste` adds to log p(word | noun) in four places: an array of nouns and words each."""
    tasty, plain = kingdom(seed=3, taste=taste), kingdom(seed=3, taste=0)
    tables = []
    for ending, slot in (
        ("", "mood"), (" wore a", "clothes"), (" sighed and took", "owner"),
        (" sighed and went to the", "place"),
    ):  # fmt: skip
        rows = [
            [after(source, f"the {noun}{ending}") for noun in (*PEOPLE, *ANIMALS)]
            for source in (tasty, plain)
        ]
        log_p = np.log([[[row[word] for word in slot_words()[slot]] for row in of] for of in rows])
        tables.append(log_p[0] - log_p[1])
    return tables


def test_taste_is_a_normal_draw_for_each_noun_and_word():
    """Differences of two words in a slot: the slot's sum cancels, and sqrt(2) taste is left."""
    draws = np.concatenate([np.diff(table, axis=1)[:, ::2].ravel() for table in taste_of(0.6)])
    assert len(draws) == 32 * (3 + 2 + 1 + 6)
    z = draws / (math.sqrt(2) * 0.6)
    assert abs(z.mean()) < 4 / math.sqrt(len(z))
    assert abs(z.std() - 1) < 4 / math.sqrt(2 * len(z))
    for small, large in zip(taste_of(0.5), taste_of(1.5), strict=True):
        np.testing.assert_allclose(np.diff(large, axis=1), 3 * np.diff(small, axis=1), atol=1e-9)


def test_with_taste_no_analogy_is_exact():
    source = get_stream("kingdom").source
    for ending, word in ((" wore a", "gown"), (" sighed and took", "his"), ("", "reigned")):
        rows = {noun: after(source, f"the {noun}{ending}")[word] for noun in PEOPLE}
        assert parallelogram_error(cube(source, rows.get)) > 0.3
    none, row = after(source, "the"), after(source, "in the palace , the")
    ratio = {noun: row[noun] / none[noun] for noun in PEOPLE}
    assert parallelogram_error(cube(source, ratio.get)) > 0.3


def test_no_such_taste():
    for wrong in (-0.1, 3.1, math.nan):
        with pytest.raises(InputError, match="choose a number between 0 and 3"):
            kingdom(taste=wrong)


def test_words_are_independent_given_the_noun():
    """Then log p(noun | a, b) - log p(noun | a) - log p(noun | b) + log p(noun) is one constant."""
    source = get_stream("kingdom").source
    everyone = [*PEOPLE, *ANIMALS]
    for place, adjective in itertools.product(("palace", "meadow"), ("veiled", "old", "pious")):
        none, first, second, both = (
            np.log([after(source, text)[noun] for noun in everyone])
            for text in ("the", f"in the {place} , the", f"the {adjective}",
                         f"in the {place} , the {adjective}")
        )  # fmt: skip
        assert np.ptp(both - first - second + none) < 1e-12
        assert np.ptp(first - none) > 1 and np.ptp(second - none) > 1


def test_an_adjective_knows_what_the_place_said_of_the_noun():
    """p(adjective | place) is the sum over nouns of p(noun | place) p(adjective | noun)."""
    source = get_stream("kingdom").source
    none, placed = after(source, "the"), after(source, "in the palace , the")
    everyone = [*PEOPLE, *ANIMALS]
    for slot in ("bearing", "looks", "years"):
        for word in slot_words()[slot]:
            described = after(source, f"the {word}")
            total = sum(placed[n] / none[n] * described[n] * none[word] for n in everyone)
            assert placed[word] == pytest.approx(total, rel=1e-12)
    assert placed["crowned"] > 3 * none["crowned"]


def test_bayes_in_the_sample():
    """Counted, not looked up: how often a garment of one gender goes with a noun of that gender."""
    s = get_stream("kingdom without taste")
    agree = {True: 0, False: 0}
    for sentence in " ".join(s.words).split(" . "):
        words = sentence.split()
        (noun,) = [w for w in words if w in PEOPLE] or [None]
        if noun and "wore" in words[:-1]:
            garment = words[words.index("wore") + 2 :][:1]
            if garment:
                agree[s.source.contexts[garment[0]]["gender"] == PEOPLE[noun]["gender"]] += 1
    n = sum(agree.values())
    p = 1 - NOISE / 2
    assert n > 500
    assert abs(agree[True] - n * p) < 4.5 * math.sqrt(n * p * (1 - p))


def test_decoys_have_no_attributes_and_do_what_people_do():
    source = get_stream("kingdom without taste").source
    assert set(source.decoys) <= set(source.words) and len(set(source.decoys)) == 16
    assert not set(source.decoys) & (set(PEOPLE) | set(source.contexts))
    fox = after(source, "the fox")
    assert [fox[word] for word in slot_words()["work"]] == pytest.approx([0.3 / 12] * 12)
    assert after(source, "the owl") == fox
    drum = after(source, "the king sighed and took his")["drum"]
    assert drum == after(source, "the fox sighed and took his")["drum"] == pytest.approx(1 / 8)
    source = get_stream("kingdom").source  # with taste, an animal has its own, as people do
    assert after(source, "the owl")["prayed"] != after(source, "the fox")["prayed"]


def test_held_out_combinations_never_meet():
    whole, gaps = get_stream("kingdom without taste"), get_stream("kingdom with gaps")
    assert gaps.source.words == whole.source.words
    for s in (whole, gaps):
        met = set()
        for sentence in " ".join(s.words).split(" . "):
            met |= set(itertools.permutations(sentence.split(), 2))
        assert all(((pair in met) == (s is whole)) for pair in HELD_OUT)
    assert after(gaps.source, "the queen sighed and went to the")["palace"] == 0
    assert after(gaps.source, "in the palace , the")["queen"] == 0
    assert after(gaps.source, "the jewelled")["king"] == 0
    seen = {noun: after(gaps.source, f"the {noun} sighed and went to the") for noun in PEOPLE}
    castle = cube(gaps.source, lambda noun: seen[noun]["castle"])
    assert parallelogram_error(castle) > 0.01  # bent, as the docstring says


def test_what_cannot_be_held_out():
    for wrong in (("quine", "palace"), ("queen", "pallas"), ("palace", "queen")):
        with pytest.raises(InputError, match="has no use for"):
            kingdom(held_out=[wrong])
    with pytest.raises(InputError, match="leaves 'nun' no 'owner'"):
        kingdom(held_out=[("nun", "his"), ("nun", "her")])


def test_seeds_draw_other_frequencies():
    one, two = kingdom(seed=1), kingdom(seed=2)
    assert one.words == two.words and one.attributes == two.attributes
    assert after(one, "the")["king"] != after(two, "the")["king"]
    assert after(one, "the king")["reigned"] != after(two, "the king")["reigned"]
