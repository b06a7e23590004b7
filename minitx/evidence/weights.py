"""What the tables of embedding and unembedding say by themselves, without any text."""

from collections import Counter

import numpy as np

from minitx import measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading

TOKENS = 2000  # of a large vocabulary that are tried
WORDS = 300  # with variants


def some_tokens(reading: Reading) -> np.ndarray:
    """Return the ids of all tokens, or of some that are spread evenly over a large vocabulary."""
    V = reading.config.vocab
    return np.unique(np.linspace(0, V - 1, min(V, TOKENS)).astype(int))


def b4(back):
    """Nearly every token comes back: 99 %, so that exceptions are rare. Refuted below half."""
    return three_way(supported=back >= 0.99, refuted=back < 0.5)


@evidence(
    "B4",
    rule=b4,
    baseline="a random guess: 1/V",
    sentence="{back:.1%} of the tokens come back when their row is read out through the final norm "
    "and the unembedding.",
    of="model",
    species=("bpe",),
)
def measure_b4(reading: Reading) -> dict[str, float]:
    if not reading.config.tied:
        raise Untestable("its embeddings are not tied")
    ids = some_tokens(reading)
    chosen = reading.readout(reading.embedding_VD[ids]).argmax(axis=-1)
    return {"back": float(np.mean(chosen == ids))}


def b10(error):
    """By algebra: all products but those with the one 1 are 0. The check: exact equality."""
    return "by algebra" if error == 0 else "refuted"


@evidence(
    "B10",
    rule=b10,
    baseline="none: it holds for any table",
    sentence="A one-hot vector times the table differs from the row by {error:g}.",
    of="model",
)
def measure_b10(reading: Reading) -> dict[str, float]:
    table_VD = reading.embedding_VD
    id = len(table_VD) // 2
    one_hot_V = np.zeros(len(table_VD))
    one_hot_V[id] = 1
    return {"error": float(np.abs(one_hot_V @ table_VD - table_VD[id]).max())}


def b11(mean_peak, lowest_peak):
    """The pseudo-inverse gives 1 at the token itself to 1 %, for every token. Refuted if the mean
    is below 0.9: with more tokens than channels it is D/V, by algebra."""
    return three_way(supported=lowest_peak > 0.99, refuted=mean_peak < 0.9)


@evidence(
    "B11",
    rule=b11,
    baseline="D/V, the width over the vocabulary: the mean for any table of full rank",
    sentence="At the token itself the pseudo-inverse of the embedding gives {mean_peak:.3f} on "
    "average, at the lowest {lowest_peak:.3f}.",
    of="model",
)
def measure_b11(reading: Reading) -> dict[str, float]:
    # Of W W^+ = U U^T only the diagonal is needed: the squared rows of U.
    left_VD, singular_D, _ = np.linalg.svd(reading.embedding_VD, full_matrices=False)
    kept_D = singular_D > singular_D.max() * 1e-6
    peaks_V = (left_VD[:, kept_D] ** 2).sum(axis=1)
    return {"mean_peak": float(peaks_V.mean()), "lowest_peak": float(peaks_V.min())}


def b12(by_inverse, by_cosine, by_chance):
    """For at least half of the words the highest other peak of the pseudo-inverse is a variant of
    the same word (equal but for case, spaces and signs). Refuted below a tenth, or below twice what
    chance would give."""
    return three_way(supported=by_inverse >= 0.5, refuted=by_inverse < max(0.1, 2 * by_chance))


@evidence(
    "B12",
    rule=b12,
    baseline="the share that a token drawn by chance would have",
    sentence="The highest other peak belongs to a variant of the word for {by_inverse:.0%} of the "
    "words by the pseudo-inverse, for {by_cosine:.0%} by cosine; by chance it would be "
    "{by_chance:.2%}.",
    of="model",
    species=("bpe",),
)
def measure_b12(reading: Reading) -> dict[str, float]:
    words_V = [word_of(token) for token in reading.strings_V]
    counts = Counter(words_V)
    with_variants = [id for id, word in enumerate(words_V) if word and counts[word] > 1]
    if len(with_variants) < 20:
        raise Untestable("its vocabulary has fewer than 20 words that have variants")
    chosen = with_variants[:: -(-len(with_variants) // WORDS)]
    table_VD = reading.embedding_VD[: len(words_V)]
    gram_DD = table_VD.T @ table_VD
    inverse_VN = table_VD @ (np.linalg.pinv(gram_DD, hermitian=True) @ table_VD[chosen].T)
    unit_VD = table_VD / np.maximum(measure.norms(table_VD), 1e-30)[:, None]

    def share(peaks_VN) -> float:
        peaks_VN[chosen, range(len(chosen))] = -np.inf
        highest_N = peaks_VN.argmax(axis=0)
        return float(
            np.mean([words_V[a] == words_V[b] for a, b in zip(highest_N, chosen, strict=True)])
        )

    others = [counts[words_V[id]] - 1 for id in chosen]
    return {
        "by_inverse": share(inverse_VN),
        "by_cosine": share(unit_VD @ unit_VD[chosen].T),
        "by_chance": float(np.mean(others) / (len(words_V) - 1)),
    }


def word_of(token: str) -> str:
    """Return the word in a token, in lower case and without spaces and signs; "" for none.

    >>> word_of(" The,"), word_of("a"), word_of("12")
    ('the', '', '')
    """
    word = "".join(filter(str.isalpha, token)).lower()
    return word if len(word) > 1 else ""


def b26(spread):
    """The middle 80 % of the rows differ in length by a factor of at most 1.5. Refuted above 3:
    then lengths differ as much as anything."""
    return three_way(supported=spread <= 1.5, refuted=spread > 3)


@evidence(
    "B26",
    rule=b26,
    baseline="an untrained table: a factor of 1.1 to 1.3, because its rows are random",
    sentence="The middle 80 % of the embedding's rows differ in length by a factor of "
    "{spread:.2f}.",
    of="model",
)
def measure_b26(reading: Reading) -> dict[str, float]:
    low, high = np.quantile(measure.norms(reading.embedding_VD), [0.1, 0.9])
    return {"spread": float(high / low)}
