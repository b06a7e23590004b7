"""Meaning and analogies on tables that were made up, whose answers are known in closed form."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

from minitx.evidence import analogies, meaning
from minitx.evidence.evidence import EVIDENCE
from minitx.text.kingdom import kingdom

D = 37
# How far apart are nouns of other rank, of other gender, of other age. Context words are farther.
APART = {"rank": 2.0, "gender": 1.5, "age": 1.0}


@functools.cache
def data():
    source = kingdom(seed=0)
    return SimpleNamespace(tokenizer=SimpleNamespace(tokens=list(source.words)), generator=source)


def exact() -> np.ndarray:
    """A table in which a noun is a sum of its attributes and a context word is its value.

    Words without meaning, and context words, are far from nouns and from each other.
    """
    words, source = data().tokenizer.tokens, data().generator
    rng = np.random.default_rng(1)
    axes_AD = np.linalg.qr(rng.standard_normal((D, D)))[0]
    names = ["royal", "noble", "holy", "common", "serving", "rural", "male", "female", "grown",
             "young"]  # fmt: skip
    axis = dict(zip(names, axes_AD, strict=False))
    rows_VD = 50 * rng.standard_normal((len(words), D))
    for noun, has in source.attributes.items():
        parts = [APART[name] / np.sqrt(2) * axis[value] for name, value in has.items()]
        rows_VD[words.index(noun)] = sum(parts)
    for word, has in source.contexts.items():
        (value,) = has.values()
        rows_VD[words.index(word)] = 30 * axis[value] + 0.1 * rng.standard_normal(D)
    return rows_VD


def noise(seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((len(data().tokenizer.tokens), D))


def measured(id: str, tied, read, write) -> dict[str, float]:
    """Measure a claim on models with these tables, whose untrained twins have random ones."""

    def family(read_VD, write_VD, seed):
        def model(one_VD, other_VD):
            return SimpleNamespace(embedding=SimpleNamespace(table=one_VD), unembedding_VD=other_VD)

        untrained = model(noise(seed), noise(seed + 1))
        return SimpleNamespace(
            models=[model(read_VD, write_VD)], untrained=[untrained], data=data()
        )

    claim = EVIDENCE[id]
    return claim.measure(0, family(tied, tied, 20), family(read, write, 30))


def test_a_perfect_map_is_found():
    found = measured("A1", exact(), exact(), exact())
    assert found["least_purity"] == 1
    # Distance orders pairs by which attributes differ, not only by how many.
    assert 0.8 < found["least_map"] == found["most_map"] < 1
    assert found["shuffled"] < 0.3 and found["untrained"] < 0.3
    assert measured("B14", exact(), exact(), exact())["least_right"] == 1


def test_one_table_without_a_map_is_told_apart():
    found = measured("A1", exact(), noise(), exact())
    assert found["least_purity"] < 0.3 and found["most_purity"] == 1
    assert abs(found["least_map"]) < 0.2
    found = measured("B14", exact(), exact(), noise())
    assert found["least_right"] < 0.3 and found["untrained"] < 0.3 and found["most_right"] == 1


def test_shuffling_keeps_the_labels_of_a_slot():
    slot_Z = np.array(["a", "b", "a", "b", "a", "a", "b"])
    value_Z = np.array(["1", "2", "3", "4", "5", "6", "7"])
    shuffled_Z = meaning.shuffled_within(slot_Z, value_Z, np.random.default_rng(0))
    for slot in "ab":
        assert sorted(shuffled_Z[slot_Z == slot]) == sorted(value_Z[slot_Z == slot])
    assert (shuffled_Z != value_Z).any()


def test_the_analogies_are_all_that_differ_in_gender_and_one_thing_more():
    asked = analogies.analogies(data())
    words = data().tokenizer.tokens
    rows = {tuple(words[id] for id in row) for row in zip(*asked, strict=True)}
    assert len(rows) == 24 * (5 + 1)  # nouns, times other ranks and the other age
    assert ("king", "man", "woman", "queen") in rows
    assert ("prince", "king", "queen", "princess") in rows
    assert ("king", "boy", "girl", "queen") not in rows


def test_exact_analogies_hit_and_one_word_of_the_question_hits_where_it_is_nearest():
    found = measured("A3", exact(), exact(), exact())
    assert found["least_of_all"] == found["least_of_others"] == found["place"] == 1
    # Woman alone is nearest to the answer if it differs in age: 1 of 6. King alone never is.
    assert found["one_word"] == pytest.approx(1 / 6)
    assert found["least_gain"] == pytest.approx(1 - found["random_step"])
    assert 1 / 6 < found["random_step"] < 0.4


def test_analogies_of_noise_miss():
    found = measured("A3", noise(7), noise(8), noise(9))
    assert found["most_of_all"] < 0.05 and found["most_gain"] < 0.1 and found["place"] > 1.9


def test_exact_sums_land_and_answers_of_others_are_elsewhere():
    found = measured("A4", exact(), exact(), exact())
    assert found["least_landed"] == 1 and found["miss"] < 1e-9 and found["miss_elsewhere"] > 1
    # A sum that is off by 0.6 of the distance to the nearest word, which is that of age.
    rows_VD = exact()
    asked = analogies.analogies(data())._replace(queen_Z=np.array([0]))
    one = analogies.Analogies(*([ids[0]] for ids in analogies.analogies(data())))
    rows_VD[one.queen_Z] += 0.6 * APART["age"] * np.linalg.svd(rows_VD[asked.king_Z])[2][-1]
    nearest = np.sqrt(1 + 0.6**2)
    assert analogies.misses(rows_VD, one, one.queen_Z) == pytest.approx([0.6 / nearest])


def test_a_gain_of_one_length_is_found_and_none_where_lengths_are_equal():
    nouns = meaning.words_of(data()).noun_N
    stretched_VD = exact()
    stretched_VD[nouns] *= np.random.default_rng(2).uniform(0.1, 3, (24, 1))
    found = measured("A6", stretched_VD, stretched_VD, exact())
    assert found["most_gain"] > 0.25 and found["least_gain"] == 0
    assert measured("A6", exact(), exact(), exact())["one_length"] == 1
    # At one length the three rules agree, so raw vectors of one length hit alike.
    ways = analogies.ways_to_hit(meaning.unit(exact()), analogies.analogies(data()))
    assert ways["raw_distance"] == ways["raw_dot"] == ways["raw_cosine"] == ways["one_length"]


def test_lengths_that_hide_synonyms_are_found():
    words = meaning.Words(
        noun_N=np.array([], int), attribute_NA=np.array([]), context_Z=np.array([0, 1, 2, 3]),
        value_Z=np.array(["a", "a", "b", "b"]), slot_Z=np.array(["s"] * 4),
    )  # fmt: skip
    rows_VD = np.array([[1.0, 0], [9, 0], [0, 1], [0, 9], [5, 5]])
    assert meaning.synonyms(words).T.tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]
    assert meaning.nearest_are_synonyms(rows_VD, words) == 0
    assert meaning.nearest_are_synonyms(meaning.unit(rows_VD), words) == 1
    places = meaning.places_when_longer(rows_VD, np.array([0]), np.array([1]), 3)
    assert places.tolist() == [4]  # at a distance of 26, behind all others
    assert meaning.places_when_longer(rows_VD, np.array([0]), np.array([1]), 0.2).tolist() == [1]


def test_lengths_of_synonyms_are_measured():
    rng = np.random.default_rng(3)
    words = meaning.words_of(data())
    meanings = np.unique(np.char.add(words.slot_Z, words.value_Z), return_inverse=True)[1]
    rows_VD = noise()
    rows_VD[words.context_Z] = noise(11)[meanings]  # synonyms have one direction
    equal = measured("A5", rows_VD, rows_VD, rows_VD + 1e-3 * noise(12))
    assert equal["least_gain"] == equal["most_gain"] == 0
    rows_VD *= rng.uniform(0.2, 5, (len(rows_VD), 1))
    found = measured("A5", rows_VD, rows_VD, rows_VD)
    assert found["least_gain"] > 0.1 and found["share_of_length"] == pytest.approx(1)
