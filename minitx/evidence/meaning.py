"""Are embeddings a map on which distance is difference in meaning?

The claims are judged on the corpus kingdom, whose words have known meanings, and on three tables of
each seed: the input and the output embeddings of an untied model, and the one table of a tied
model. The articles do not say which table they mean. So a claim is supported only if it holds in
every table, and refuted only if it fails in every table: `least_` and `most_` are over the tables.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from minitx import geometry, measure
from minitx.evidence.evidence import evidence, three_way
from minitx.text.kingdom import SLOTS

SPECIES = ("kingdom-tied", "kingdom-untied")
SHUFFLES = 20  # of labels, whose mean is the baseline


class Words(NamedTuple):
    """The words of kingdom that have a meaning: nouns N with attributes, and context words Z."""

    noun_N: np.ndarray
    """The id of each noun."""
    attribute_NA: np.ndarray
    """Its rank, gender and age."""
    context_Z: np.ndarray
    """The id of each context word. It speaks for one value of one attribute, such as royal."""
    value_Z: np.ndarray
    slot_Z: np.ndarray
    """Its place in the sentence, such as "clothes": what grammar alone tells of it."""


def words_of(data) -> Words:
    """Return the words of kingdom, whose source is `data.generator`."""
    ids = {word: id for id, word in enumerate(data.tokenizer.tokens)}
    attributes, contexts = data.generator.attributes, data.generator.contexts
    slot_of = {}
    for slot, line in SLOTS.items():
        _, _, words = line.partition(": ")
        slot_of |= dict.fromkeys(words.replace(",", "").split(), slot)
    return Words(
        noun_N=np.array([ids[noun] for noun in attributes]),
        attribute_NA=np.array([tuple(has.values()) for has in attributes.values()]),
        context_Z=np.array([ids[word] for word in contexts]),
        value_Z=np.array(["".join(has.values()) for has in contexts.values()]),
        slot_Z=np.array([slot_of[word] for word in contexts]),
    )


def tables(seed: int, tied, untied, state: str = "models") -> list[np.ndarray]:
    """Return three tables of one seed: input and output embeddings, and those of a tied model.

    `state` is "models", or "untrained".
    """
    apart, shared = getattr(untied, state)[seed], getattr(tied, state)[seed]
    found = (apart.embedding.table[...], apart.unembedding_VD, shared.unembedding_VD)
    return [np.asarray(rows_VD, np.float64) for rows_VD in found]


def over_tables(**values) -> dict[str, float]:
    """Return the least and the most of each number over the tables.

    >>> over_tables(hits=[2, 3, 1])
    {'least_hits': 1.0, 'most_hits': 3.0}
    """
    found = {}
    for name, of_tables in values.items():
        found[f"least_{name}"] = float(min(of_tables))
        found[f"most_{name}"] = float(max(of_tables))
    return found


def distances(rows_VD) -> np.ndarray:
    """Return the distances between all rows; that of a row from itself is infinite."""
    apart_VV = measure.norms(rows_VD[:, None] - rows_VD)
    np.fill_diagonal(apart_VV, np.inf)
    return apart_VV


def unit(rows_VD) -> np.ndarray:
    """Return rows of length 1 with the same directions."""
    return rows_VD / np.maximum(measure.norms(rows_VD), 1e-30)[:, None]


def purity(rows_VD, id_Z, label_Z) -> float:
    """Return how often the nearest of these words has the same label."""
    nearest_Z = distances(rows_VD[id_Z]).argmin(axis=1)
    return float(np.mean(label_Z[nearest_Z] == label_Z))


def shuffled_within(slot_Z, label_Z, rng: np.random.Generator) -> np.ndarray:
    """Return labels exchanged at random among the words of each slot."""
    shuffled_Z = label_Z.copy()
    for slot in np.unique(slot_Z):
        shuffled_Z[slot_Z == slot] = rng.permutation(label_Z[slot_Z == slot])
    return shuffled_Z


def rank_with_meaning(rows_VD, words: Words) -> float:
    """Return the rank correlation of the distance of two nouns with how many attributes differ."""
    apart_VV = distances(rows_VD)
    apart, differ = [], []
    for one, other in combinations(range(len(words.noun_N)), 2):
        apart.append(apart_VV[words.noun_N[one], words.noun_N[other]])
        differ.append(np.sum(words.attribute_NA[one] != words.attribute_NA[other]))
    return geometry.spearman(apart, differ) or 0.0


def a1(least_purity, most_purity, shuffled, untrained, least_map, most_map):
    """Two things should be seen if the table is a map. First, a word's nearest neighbour should
    speak for the same thing. The baseline is the larger of two shares: the share with labels
    shuffled among words of the same grammar, and the share in untrained models. Training must bring
    the share at least half of the way from this baseline to 100 %. Second, the distance of two
    nouns should rise with the number of attributes in which they differ. A rank correlation of 0.5
    is a strong one. There are three tables: the input, the output, and the tied embeddings. The
    article does not say which of them it means, so the claim must hold in every table, and it fails
    only if it fails in every table. Supported if in every table the share is at least half of the
    way from the baseline to 100 %, and the rank correlation is at least 0.5. Refuted if in every
    table the share is less than a tenth of the way from the baseline to 100 %."""
    chance = max(shuffled, untrained)
    least, most = ((purity - chance) / (1 - chance) for purity in (least_purity, most_purity))
    return three_way(supported=least >= 0.5 and least_map >= 0.5, refuted=most < 0.1)


@evidence(
    "A1",
    rule=a1,
    baseline="labels shuffled among words of the same grammar, and untrained models",
    sentence="A word's nearest neighbour speaks for the same thing in {least_purity:.0%} to "
    "{most_purity:.0%} of the cases, depending on the table (input, output, or tied embeddings); "
    "shuffled labels give {shuffled:.0%}, untrained models {untrained:.0%}. The distance of two "
    "nouns has a rank correlation of {least_map:.2f} to {most_map:.2f} with the number of "
    "attributes in which they differ.",
    of="families",
    species=SPECIES,
)
def measure_a1(seed: int, tied, untied) -> dict[str, float]:
    words = words_of(untied.data)
    rng = np.random.default_rng(seed)
    trained, shuffled, maps, untrained = [], [], [], []
    for rows_VD in tables(seed, tied, untied):
        trained.append(purity(rows_VD, words.context_Z, words.value_Z))
        for _ in range(SHUFFLES):
            label_Z = shuffled_within(words.slot_Z, words.value_Z, rng)
            shuffled.append(purity(rows_VD, words.context_Z, label_Z))
        maps.append(rank_with_meaning(rows_VD, words))
    for rows_VD in tables(seed, tied, untied, "untrained"):
        untrained.append(purity(rows_VD, words.context_Z, words.value_Z))
    return {
        **over_tables(purity=trained, map=maps),
        "shuffled": float(np.mean(shuffled)),
        "untrained": float(np.mean(untrained)),
    }


def a5(least_gain, most_gain, share_of_length, place_when_tripled):
    """Two things are algebra. Stretching x by c moves it by |c - 1| |x|, so any word can be put far
    away. And |x - y|^2 = (|x| - |y|)^2 + |x| |y| |difference of the directions|^2, whose first term
    is what different lengths add. What is left to measure is whether real lengths differ enough for
    this to matter, as the article says. If they do, more words have a nearest neighbour that means
    the same once all rows get one length. A change of less than 5 in 100 words does not matter.
    There are three tables: the input, the output, and the tied embeddings. The article does not say
    which of them it means, so the claim must hold in every table, and it fails only if it fails in
    every table. Supported if in every table, at one length, the share of words whose nearest
    neighbour means the same rises by at least 5 percentage points. Refuted if in every table the
    share rises by less than 5 percentage points."""
    return three_way(supported=least_gain >= 0.05, refuted=most_gain < 0.05)


@evidence(
    "A5",
    rule=a5,
    baseline="lengths that do not matter: as many nearest neighbours at one length as at real ones",
    sentence="That length can mislead is algebra: if one of two words of one meaning is made three "
    "times as long, it falls to place {place_when_tripled:.0f} among the other's neighbours. What "
    "is measured is whether trained lengths differ enough. With all rows at one length, the share "
    "of words whose nearest neighbour means the same changes by {least_gain:+.1%} to "
    "{most_gain:+.1%}, depending on the table (input, output, or tied embeddings). Different "
    "lengths make up {share_of_length:.0%} of the squared distance between two words of one "
    "meaning.",
    of="families",
    species=SPECIES,
)
def measure_a5(seed: int, tied, untied) -> dict[str, float]:
    words = words_of(untied.data)
    one_Z, other_Z = synonyms(words)
    gain, shares, places = [], [], []
    for rows_VD in tables(seed, tied, untied):
        at_real_lengths = nearest_are_synonyms(rows_VD, words)
        gain.append(nearest_are_synonyms(unit(rows_VD), words) - at_real_lengths)
        length_V = measure.norms(rows_VD)
        apart_Z = np.maximum(measure.norms(rows_VD[one_Z] - rows_VD[other_Z]), 1e-30)
        shares.append(np.median((length_V[one_Z] - length_V[other_Z]) ** 2 / apart_Z**2))
        places.append(np.median(places_when_longer(rows_VD, one_Z, other_Z, 3)))
    return {
        **over_tables(gain=gain),
        "share_of_length": float(np.mean(shares)),
        "place_when_tripled": float(np.mean(places)),
    }


def synonyms(words: Words) -> np.ndarray:
    """Return the ids of both words of each pair that says the same in the same slot, (2, pairs)."""
    meaning_Z = np.char.add(words.slot_Z, words.value_Z)
    first_Z, second_Z = np.nonzero(meaning_Z[:, None] == meaning_Z)
    return words.context_Z[np.stack([first_Z, second_Z])[:, first_Z != second_Z]]


def nearest_are_synonyms(rows_VD, words: Words) -> float:
    """Return how often the nearest of all words is a synonym, for words that have one."""
    one_Z, other_Z = synonyms(words)
    pairs = set(zip(one_Z.tolist(), other_Z.tolist(), strict=True))
    nearest_V = distances(rows_VD).argmin(axis=1)
    return float(np.mean([(word, nearest_V[word]) in pairs for word in np.unique(one_Z)]))


def places_when_longer(rows_VD, one_Z, other_Z, factor: float) -> np.ndarray:
    """Return the place of each other word among the one's neighbours, from 1, if it is stretched.

    Only that word is stretched; the rest of the vocabulary stays where it is.
    """
    apart_ZV = distances(rows_VD)[one_Z]
    np.put_along_axis(apart_ZV, other_Z[:, None], np.inf, axis=1)
    stretched_Z = measure.norms(rows_VD[one_Z] - factor * rows_VD[other_Z])
    return 1 + np.sum(apart_ZV < stretched_Z[:, None], axis=1)


def b14(least_right, most_right, untrained):
    """The nearest point is right if it is a word of like meaning. The picture is useful if the
    nearest point is right for at least 20 more of 100 words than in untrained models. The picture
    is useless if it is right for less than 5 more of 100 words. The picture is incomplete if the
    nearest point is right for at most 95 of 100 words, since fewer exceptions could be chance.
    There are three tables: the input, the output, and the tied embeddings. The article does not say
    which of them it means, so the claim must hold in every table, and it fails only if it fails in
    every table. Supported if in every table the share of right nearest points is at least 20
    percentage points above untrained models, and at most 95 %. Refuted if in every table the share
    is less than 5 percentage points above untrained models, or if in every table it is above 95
    %."""
    useful = least_right >= untrained + 0.2
    useless = most_right < untrained + 0.05
    return three_way(supported=useful and most_right <= 0.95, refuted=useless or least_right > 0.95)


@evidence(
    "B14",
    rule=b14,
    baseline="the nearest points of untrained models",
    sentence="The point nearest to a word is a word of like meaning in {least_right:.0%} to "
    "{most_right:.0%} of the cases, depending on the table (input, output, or tied embeddings); in "
    "untrained models it is in {untrained:.0%}. Of like meaning are a noun with one other "
    "attribute, and a context word for the same thing.",
    of="families",
    species=SPECIES,
)
def measure_b14(seed: int, tied, untied) -> dict[str, float]:
    words = words_of(untied.data)
    trained = [right_neighbours(rows, words) for rows in tables(seed, tied, untied)]
    before = [right_neighbours(rows, words) for rows in tables(seed, tied, untied, "untrained")]
    return {**over_tables(right=trained), "untrained": float(np.mean(before))}


def right_neighbours(rows_VD, words: Words) -> float:
    """Return how often the nearest of all words is one of like meaning."""
    is_like_VV = np.zeros((len(rows_VD), len(rows_VD)), bool)
    differ_NN = np.sum(words.attribute_NA[:, None] != words.attribute_NA, axis=-1)
    is_like_VV[np.ix_(words.noun_N, words.noun_N)] = differ_NN == 1
    same_ZZ = words.value_Z[:, None] == words.value_Z
    is_like_VV[np.ix_(words.context_Z, words.context_Z)] = same_ZZ
    nearest_V = distances(rows_VD).argmin(axis=1)
    asked = np.concatenate([words.noun_N, words.context_Z])
    return float(np.mean(is_like_VV[asked, nearest_V[asked]]))
