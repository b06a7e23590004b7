"""Does king - man + woman come out at queen, and does it need vectors of one length?

Corpus, tables, `least_` and `most_` are those of `meaning.py`.
"""

from typing import NamedTuple

import numpy as np

from minitx import geometry, measure
from minitx.evidence.evidence import evidence, three_way
from minitx.evidence.meaning import SPECIES, distances, over_tables, tables, unit, words_of
from minitx.evidence.readout import scores


class Analogies(NamedTuple):
    """Ids of nouns: king - man + woman should be queen, in every row.

    King differs from queen in gender alone, woman in rank or age alone, and man in both.
    """

    king_Z: np.ndarray
    man_Z: np.ndarray
    woman_Z: np.ndarray
    queen_Z: np.ndarray


def analogies(data) -> Analogies:
    """Return all analogies about gender that the nouns of kingdom allow."""
    words = words_of(data)
    id_of = dict(zip(map(tuple, words.attribute_NA), words.noun_N.tolist(), strict=True))
    other = {"male": "female", "female": "male"}
    rows = []
    for (rank, gender, age), queen in id_of.items():
        for (rank_2, gender_2, age_2), woman in id_of.items():
            differ_in_one = (rank_2 == rank) != (age_2 == age)
            if gender_2 == gender and differ_in_one:
                king = id_of[rank, other[gender], age]
                man = id_of[rank_2, other[gender], age_2]
                rows.append((king, man, woman, queen))
    return Analogies(*np.transpose(rows))


def sums(rows_VD, asked: Analogies) -> np.ndarray:
    """Return king - man + woman for each analogy."""
    return rows_VD[asked.king_Z] - rows_VD[asked.man_Z] + rows_VD[asked.woman_Z]


def without_question(score_ZV, asked: Analogies) -> np.ndarray:
    """Return scores with which the three words of the question cannot win."""
    score_ZV = score_ZV.copy()
    np.put_along_axis(score_ZV, np.transpose(asked[:3]), -np.inf, axis=1)
    return score_ZV


def hits(score_ZV, asked: Analogies) -> float:
    """Return how often the answer has the highest score."""
    return float(np.mean(score_ZV.argmax(axis=1) == asked.queen_Z))


def median_place(score_ZV, asked: Analogies) -> float:
    """Return the median place of the answer among all words, from 1."""
    of_answer_Z = score_ZV[range(len(score_ZV)), asked.queen_Z]
    return float(np.median(1 + np.sum(score_ZV > of_answer_Z[:, None], axis=1)))


def without_analogy(rows_VD, asked: Analogies, rng: np.random.Generator) -> list[np.ndarray]:
    """Return points that know no analogy: king, woman, and king after a random step.

    The step is as long as woman - man.
    """
    king_ZD, man_ZD, woman_ZD = (rows_VD[word_Z] for word_Z in asked[:3])
    size_Z1 = measure.norms(woman_ZD - man_ZD)[:, None]
    step_ZD = size_Z1 * unit(rng.standard_normal(king_ZD.shape))
    return [king_ZD, woman_ZD, king_ZD + step_ZD]


def a3(least_of_all, most_of_all, least_of_others, most_of_others, least_gain, most_gain,
       one_word, random_step, place):  # fmt: skip
    """Two things are asked. First, the answer should be the nearest of all words in more than half
    of the analogies. Second, the sum should be better than points that know no analogy: king alone,
    woman alone, and king after a random step. The gain is how much more often the sum hits than the
    best of these points, when the question's own words may not answer. A gain of less than 10 in
    100 analogies means that the neighbourhood of one word explains the hits. In publications the
    question's words are mostly left out; hits that need this are not enough. There are three
    tables: the input, the output, and the tied embeddings. The article does not say which of them
    it means, so the claim must hold in every table, and it fails only if it fails in every table.
    Supported if in every table the answer is the nearest of all words in more than 50 % of the
    analogies, and the gain is at least 10 percentage points. Refuted if in every table the gain is
    less than 10 percentage points."""
    return three_way(supported=least_of_all > 0.5 and least_gain >= 0.1, refuted=most_gain < 0.1)


@evidence(
    "A3",
    rule=a3,
    baseline="king alone, woman alone, and king plus a random step as long as woman - man",
    sentence="The answer is the nearest of all words in {least_of_all:.0%} to {most_of_all:.0%} of "
    "the analogies, depending on the table (input, output, or tied embeddings; median place "
    "{place:.1f}). If the question's own words may not answer, it is in {least_of_others:.0%} to "
    "{most_of_others:.0%}. There, king alone or woman alone hits in up to {one_word:.0%}, and king "
    "after a random step in up to {random_step:.0%}.",
    of="families",
    species=SPECIES,
)
def measure_a3(seed: int, tied, untied) -> dict[str, float]:
    asked = analogies(untied.data)
    rng = np.random.default_rng(seed)
    of_all, of_others, one_word, random_step, places = [], [], [], [], []
    for rows_VD in tables(seed, tied, untied):

        def others(x_ZD, rows_VD=rows_VD) -> float:
            return hits(without_question(scores(x_ZD, rows_VD)["nearest"], asked), asked)

        score_ZV = scores(sums(rows_VD, asked), rows_VD)["nearest"]
        of_all.append(hits(score_ZV, asked))
        of_others.append(others(sums(rows_VD, asked)))
        king, woman, step = map(others, without_analogy(rows_VD, asked, rng))
        one_word.append(max(king, woman))
        random_step.append(step)
        places.append(median_place(score_ZV, asked))
    gain = np.array(of_others) - np.maximum(one_word, random_step)
    return {
        **over_tables(of_all=of_all, of_others=of_others, gain=gain),
        "one_word": max(one_word),
        "random_step": max(random_step),
        "place": float(np.mean(places)),
    }


def a4(least_landed, most_landed, miss, miss_elsewhere):
    """A sum of trained vectors is never equal to a fourth vector to the last digit, and this needs
    no measurement. So here a sum lands on its answer if it is less than half as far from the answer
    as the answer's nearest other word is. Then no other word can be nearer to the sum, by the
    triangle inequality. Seldom means at most one sum in ten. There must also be an analogy, so the
    sum must aim at its answer. It aims if the median sum is at most 75 % as far from its own answer
    as from the answer of another analogy. There are three tables: the input, the output, and the
    tied embeddings. The article does not say which of them it means, so the claim must hold in
    every table, and it fails only if it fails in every table. Supported if in every table at most
    10 % of the sums land on their answer, and the sum aims at its answer. Refuted if in every table
    more than 50 % of the sums land on their answer."""
    aims = miss <= 0.75 * miss_elsewhere
    return three_way(supported=most_landed <= 0.1 and aims, refuted=least_landed > 0.5)


@evidence(
    "A4",
    rule=a4,
    baseline="the distance from the sum to the answer of another analogy",
    sentence="{least_landed:.0%} to {most_landed:.0%} of the sums land on their answer (less than "
    "half as far from it as its nearest other word), depending on the table (input, output, or "
    "tied embeddings). The median sum is {miss:.2f} times as far from its answer as that word, "
    "and {miss_elsewhere:.2f} times from the answer of another analogy.",
    of="families",
    species=SPECIES,
)
def measure_a4(seed: int, tied, untied) -> dict[str, float]:
    asked = analogies(untied.data)
    elsewhere_Z = asked.queen_Z[geometry.derangement(len(asked.queen_Z))]
    landed, miss, miss_elsewhere = [], [], []
    for rows_VD in tables(seed, tied, untied):
        miss_Z = misses(rows_VD, asked, asked.queen_Z)
        landed.append(np.mean(miss_Z < 0.5))
        miss.append(np.median(miss_Z))
        miss_elsewhere.append(np.median(misses(rows_VD, asked, elsewhere_Z)))
    return {
        **over_tables(landed=landed),
        "miss": float(np.mean(miss)),
        "miss_elsewhere": float(np.mean(miss_elsewhere)),
    }


def misses(rows_VD, asked: Analogies, answer_Z) -> np.ndarray:
    """Return how far sums are from these answers, in units of the answer's nearest word."""
    to_nearest_V = distances(rows_VD).min(axis=1)
    return measure.norms(sums(rows_VD, asked) - rows_VD[answer_Z]) / to_nearest_V[answer_Z]


def a6(least_gain, most_gain, raw_distance, raw_dot, raw_cosine, centred_cosine, one_length):
    """The analogy is tried with raw vectors and plain distance, and with all vectors at one length.
    The question's words may not answer, as in the publications. If similarity is direction alone,
    one length should make a clear difference: it should hit in at least 10 more of 100 analogies.
    Less than 5 more of 100 is no clear difference. Dot products, cosines and centred vectors are
    shown to tell what a gain comes from, and do not decide. There are three tables: the input, the
    output, and the tied embeddings. The article does not say which of them it means, so the claim
    must hold in every table, and it fails only if it fails in every table. Supported if in every
    table vectors of one length hit more often by at least 10 percentage points. Refuted if in every
    table vectors of one length hit more often by less than 5 percentage points."""
    return three_way(supported=least_gain >= 0.1, refuted=most_gain < 0.05)


@evidence(
    "A6",
    rule=a6,
    baseline="raw vectors and plain distance: one length gains nothing",
    sentence="With vectors of one length the analogy hits in {one_length:.0%}, with raw vectors "
    "and distance in {raw_distance:.0%} (a gain of {least_gain:.0%} to {most_gain:.0%}, depending "
    "on the table: input, output, or tied embeddings). Raw vectors hit in {raw_cosine:.0%} by "
    "cosine and in {raw_dot:.0%} by dot product, centred ones in {centred_cosine:.0%} by cosine.",
    of="families",
    species=SPECIES,
)
def measure_a6(seed: int, tied, untied) -> dict[str, float]:
    asked = analogies(untied.data)
    found = [ways_to_hit(rows_VD, asked) for rows_VD in tables(seed, tied, untied)]
    gain = [ways["one_length"] - ways["raw_distance"] for ways in found]
    means = {way: float(np.mean([ways[way] for ways in found])) for way in found[0]}
    return {**over_tables(gain=gain), **means}


def ways_to_hit(rows_VD, asked: Analogies) -> dict[str, float]:
    """Return the hits on one table, by how vectors are put and how the nearest is chosen."""

    def by(rule: str, rows_VD) -> float:
        score_ZV = scores(sums(rows_VD, asked), rows_VD)[rule]
        return hits(without_question(score_ZV, asked), asked)

    return {
        "raw_distance": by("nearest", rows_VD),
        "raw_dot": by("dot", rows_VD),
        "raw_cosine": by("cosine", rows_VD),
        "centred_cosine": by("cosine", rows_VD - rows_VD.mean(axis=0)),
        "one_length": by("cosine", unit(rows_VD)),  # where all three rules agree
    }
