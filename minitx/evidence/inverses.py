"""Which matrix would turn embeddings back into tokens, and what does the transpose do instead?"""

from collections import Counter

import numpy as np

from minitx import geometry, measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading
from minitx.evidence.weights import some_tokens

WORDS = 300  # with variants
PATTERNS = 250  # tokens whose products with the whole vocabulary are looked at


def inverse_of_square(table_VD) -> np.ndarray:
    """Return (W^T W)^-1 of a table W, a (D, D) matrix: its pseudo-inverse is that times W^T."""
    return np.linalg.pinv(table_VD.T @ table_VD, rcond=1e-12, hermitian=True)


def b11(mean_peak, lowest_peak, noise):
    """The pseudo-inverse gives a peak at each token itself. Added over all tokens, the peaks are
    the rank of the table: the number of its rows that are independent. With no more tokens than
    dimensions, and with independent rows, the peak of every token is 1, and the others get 0. The
    check for this allows 1 % for rounding. With more tokens than dimensions, the mean peak is at
    most D/V, the width over the vocabulary. No training can then make it 1. A mean peak below 0.9
    cannot pass for 1. What a left inverse does give back exactly is a state, not a token. By
    algebra if the lowest peak is above 0.99. Refuted if the mean peak is below 0.9. Qualified if
    the mean peak is at least 0.9, but the lowest peak is 0.99 or less."""
    if lowest_peak > 0.99:
        return "by algebra"
    return "refuted" if mean_peak < 0.9 else "qualified"


@evidence(
    "B11",
    rule=b11,
    baseline="D/V, the width over the vocabulary: the mean for any table of full rank",
    sentence="At the token itself the pseudo-inverse of the embedding gives {mean_peak:.3f} on "
    "average, at the lowest {lowest_peak:.3f}; at another token it typically gives {noise:.3f}.",
    of="model",
    species=("bpe",),
)
def measure_b11(reading: Reading) -> dict[str, float]:
    table_VD = reading.embedding_VD
    # Of W W^+ = W (W^T W)^-1 W^T only the diagonal is needed.
    peaks_V = np.sum((table_VD @ inverse_of_square(table_VD)) * table_VD, axis=1)
    # A projection is its own square: the squares of a row add up to its diagonal.
    others_V = np.maximum(peaks_V - peaks_V**2, 0) / (len(table_VD) - 1)
    return {
        "mean_peak": float(peaks_V.mean()),
        "lowest_peak": float(peaks_V.min()),
        "noise": float(np.sqrt(others_V.mean())),
    }


def b12(by_inverse, by_cosine, by_chance):
    """For each word, the rule looks at the highest value of the pseudo-inverse apart from the word
    itself. It should belong to a variant of the same word, which is equal apart from case, spaces
    and punctuation. The claim speaks of the peaks in general, so this should hold for at least half
    of the words. An untrained table gives what chance gives, so there the claim is always refuted.
    Another verdict comes from training. Supported if the highest other peak belongs to a variant
    for at least 50 % of the words. Refuted if it does so for less than 10 % of the words, or for
    less than twice the share that chance would give."""
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
    inverse_VN = table_VD @ (inverse_of_square(table_VD) @ table_VD[chosen].T)
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
    """Return the word in a token, in lower case and without spaces and punctuation; "" for none.

    >>> word_of(" The,"), word_of("a"), word_of("12")
    ('the', '', '')
    """
    word = "".join(filter(str.isalpha, token)).lower()
    return word if len(word) > 1 else ""


def embeddings_to_invert(reading: Reading) -> np.ndarray:
    """Return the table of a model that reads out by its transpose. Raises Untestable for others."""
    if not reading.config.tied:
        raise Untestable("its unembedding is not the transpose of its embedding")
    return reading.embedding_VD


def patterns(table_VD, chosen) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of transpose and pseudo-inverse at all tokens, two arrays (V, N).

    Each of the N chosen tokens has a column.
    """
    row_DN = table_VD[chosen].T
    return table_VD @ row_DN, table_VD @ (inverse_of_square(table_VD) @ row_DN)


def alike(transpose_VN, inverse_VN, chosen) -> float:
    """Return the median correlation of the transpose's values with those of the pseudo-inverse.

    The peaks of the chosen tokens are left out.
    """
    found = []
    for place, token in enumerate(chosen):
        others = [np.delete(values_VN[:, place], token) for values_VN in (transpose_VN, inverse_VN)]
        found.append(geometry.pearson(*others) or 0.0)
    return float(np.median(found))


def standing_out(values_VN, chosen) -> float:
    """Return by how many standard deviations of the other values a token's own one is above them.

    It is the median over the chosen tokens.
    """
    found = []
    for place, token in enumerate(chosen):
        others = np.delete(values_VN[:, place], token)
        found.append((values_VN[token, place] - others.mean()) / others.std())
    return float(np.median(found))


def b13(alike, alike_at_random, near_1, transpose_stands_out, inverse_stands_out):
    """The claim has two parts. The first part is that transpose and pseudo-inverse look alike.
    Their values over the other tokens must share at least half of their variance, which is a
    correlation of at least 0.71 (the root of 0.5). And by the transpose, a token must stand out
    from the others at least half as far as by the pseudo-inverse. The second part is that the peak
    of the transpose is not 1. A peak counts as 1 if it is within one in a hundred of 1, and at most
    5 % of the tokens may have such a peak. Patterns that share less than a tenth of their variance
    do not look alike: this is a correlation below 0.32 (the root of 0.1). For random rows the two
    patterns are nearly proportional, so training makes them differ. Supported if the correlation is
    at least 0.71, a token stands out by the transpose at least half as far as by the
    pseudo-inverse, and at most 5 % of the transpose's peaks are 1. Refuted if the correlation is
    below 0.32, or if more than 50 % of the transpose's peaks are 1."""
    similar = alike >= 0.5**0.5 and transpose_stands_out >= 0.5 * inverse_stands_out
    return three_way(supported=similar and near_1 <= 0.05, refuted=alike < 0.1**0.5 or near_1 > 0.5)


@evidence(
    "B13",
    rule=b13,
    baseline="random rows of the same lengths, for which transpose and inverse are alike",
    sentence="Over the other tokens, the values of the transpose have a correlation of {alike:.2f} "
    "with those of the pseudo-inverse (random rows: {alike_at_random:.2f}). {near_1:.1%} of the "
    "transpose's peaks are 1, to one in a hundred. The token's own peak is "
    "{transpose_stands_out:.1f} standard deviations of the others above them by the transpose, "
    "{inverse_stands_out:.1f} by the pseudo-inverse.",
    of="model",
    species=("bpe",),
)
def measure_b13(reading: Reading) -> dict[str, float]:
    table_VD = embeddings_to_invert(reading)
    if len(table_VD) <= table_VD.shape[1]:
        raise Untestable("with so few tokens the inverse leaves nothing but the peak")
    chosen = some_tokens(reading, PATTERNS)
    transpose_VN, inverse_VN = patterns(table_VD, chosen)
    length_V1 = measure.norms(table_VD)[:, None]
    random_VD = np.random.default_rng(0).standard_normal(table_VD.shape)
    random_VD *= length_V1 / measure.norms(random_VD)[:, None]
    return {
        "alike": alike(transpose_VN, inverse_VN, chosen),
        "alike_at_random": alike(*patterns(random_VD, chosen), chosen),
        "near_1": float(np.mean(np.abs(length_V1**2 - 1) <= 0.01)),
        "transpose_stands_out": standing_out(transpose_VN, chosen),
        "inverse_stands_out": standing_out(inverse_VN, chosen),
    }


def b20(apart, error_at_right_angles, peak_inverse, peak_normalised, back_transpose, back_inverse,
        back_normalised):  # fmt: skip
    """One formula is the pseudo-inverse of the table. The other divides each row by its squared
    length. Let W be the table of V tokens. Let N be the matrix with the squared row lengths on its
    diagonal and 0 elsewhere. Then the second formula is W^T N^-1. By algebra, the formulas are the
    same matrix only for rows at right angles. First step: if the rows are at right angles, W W^T =
    N. Then the pseudo-inverse is W^T (W W^T)^-1, and this is W^T N^-1. Second step: suppose that
    the pseudo-inverse is W^T N^-1. Then W W^T N^-1 is a projection: applied twice, it does the same
    as applied once. All V numbers on its diagonal are 1, and for a projection they add up to its
    rank. So its rank is V, and it is the identity: 1 on the diagonal and 0 elsewhere. So W W^T = N,
    and the rows are at right angles. The check is that the formulas agree to 1e-9 for random rows
    at right angles. For the table, a difference of more than 1 % of the larger formula means that
    they disagree. Whether the formulas act as an inverse is measured by their peaks and by how many
    tokens come back. This is shown and does not decide. By algebra if the check holds, and the
    formulas differ by more than 1 % for the table. Refuted if the check fails. Qualified if the
    check holds, and the formulas differ by at most 1 % for the table: then they do not disagree
    there."""
    if error_at_right_angles > 1e-9:
        return "refuted"
    return "by algebra" if apart > 0.01 else "qualified"


@evidence(
    "B20",
    rule=b20,
    baseline="rows at right angles, for which both formulas are one matrix",
    sentence="The two formulas differ by {apart:.0%} of the larger one. At the token itself the "
    "pseudo-inverse gives {peak_inverse:.3f} on average, the rows divided by their squared lengths "
    "{peak_normalised:.3f}. The highest value belongs to the token itself for {back_inverse:.1%} "
    "of the tokens by the pseudo-inverse, for {back_normalised:.1%} by the divided rows, and for "
    "{back_transpose:.1%} by the transpose. For rows at right angles the formulas agree up to "
    "rounding ({error_at_right_angles:.0e}).",
    of="model",
    species=("bpe",),
)
def measure_b20(reading: Reading) -> dict[str, float]:
    table_VD = embeddings_to_invert(reading)
    chosen = some_tokens(reading, PATTERNS)
    inverses = two_inverses(table_VD)
    ways = {"transpose": table_VD.T, **inverses}
    back = {}
    for name, way_DV in ways.items():
        highest_N = (table_VD[chosen] @ way_DV).argmax(axis=1)
        back[f"back_{name}"] = float(np.mean(highest_N == chosen))
    square_WW = np.random.default_rng(0).standard_normal((32, 32))
    right_WD = np.linalg.qr(square_WW)[0][:20] * np.arange(1, 21)[:, None]
    return {
        "apart": difference(**inverses),
        "error_at_right_angles": difference(**two_inverses(right_WD)),
        "peak_inverse": mean_peak(table_VD, ways["inverse"]),
        "peak_normalised": mean_peak(table_VD, ways["normalised"]),
        **back,
    }


def two_inverses(table_VD) -> dict[str, np.ndarray]:
    """Return the article's two formulas for the inverse, (D, V): W^+, and rows over |row|^2."""
    inverse_DV = inverse_of_square(table_VD) @ table_VD.T
    squared_V = np.maximum(measure.norms(table_VD) ** 2, 1e-30)
    return {"inverse": inverse_DV, "normalised": table_VD.T / squared_V}


def difference(inverse, normalised) -> float:
    """Return how far two matrices are apart, as a share of the larger one."""
    larger = max(np.linalg.norm(inverse), np.linalg.norm(normalised))
    return float(np.linalg.norm(inverse - normalised) / larger)


def mean_peak(table_VD, way_DV) -> float:
    """Return what a way back gives at the token itself, on average over all tokens."""
    return float(np.einsum("VD,DV->V", table_VD, way_DV).mean())
