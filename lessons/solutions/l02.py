"""Solutions, hints and typical mistakes of L02."""

import numpy as np

from minitx.classroom import Exercise, Question


def mean_diagonal(vocab, width):
    """The mean diagonal of W W^+ for a V x d table of full rank."""
    return min(vocab, width) / vocab


def welch(vocab, width):
    """The least that the largest |cosine| among V directions in d dimensions can be."""
    return np.sqrt(max(vocab - width, 0) / (width * (vocab - 1)))


def row_normalised(w_VD):
    """Each row divided by its squared length."""
    return w_VD / (w_VD**2).sum(axis=1, keepdims=True)


EXERCISES = {
    "L02.e1": Exercise(
        mean_diagonal,
        (
            "W W^+ is a projection: its eigenvalues are 0 and 1. What is their sum?",
            "The trace is the sum of the eigenvalues, so the rank, min(V, d); the mean is over V.",
        ),
        lambda random: tuple(int(n) for n in random.integers(5, 500, 2)),
        {
            "1 holds only while V is not above d": lambda v, d: 1.0,
            "d/V holds only from V = d on; a diagonal of a projection is never above 1":
                lambda v, d: d / v,
            "that is the trace: divide by V": lambda v, d: min(v, d),
        },
    ),
    "L02.e2": Exercise(
        welch,
        (
            "For V up to d the rows can all be at right angles: the bound is 0.",
            "sqrt((V - d) / (d (V - 1))).",
        ),
        lambda random: (int(random.integers(60, 500)), int(random.integers(4, 50))),
        {
            "the root is missing": lambda v, d: (v - d) / (d * (v - 1)),
            "that is 1/sqrt(d), the typical cosine of random directions, not the bound":
                lambda v, d: 1 / np.sqrt(d),
            "d and V are exchanged under the fraction":
                lambda v, d: np.sqrt((v - d) / (v * (d - 1))),
        },
    ),
    "L02.e3": Exercise(
        row_normalised,
        (
            "Row i times token i's vector shall be exactly 1: w.w / what = 1?",
            "Divide by the squared length, with keepdims=True.",
        ),
        lambda random: (random.standard_normal((6, 4)),),
        {
            "divide by the SQUARED length: you get |w| on the diagonal, not 1":
                lambda w: w / np.linalg.norm(w, axis=1, keepdims=True),
            "you divided columns: the sum runs over each row, axis=1":
                lambda w: w / (w**2).sum(axis=0, keepdims=True),
            "that is the table itself": lambda w: w,
        },
    ),
}  # fmt: skip

QUIZ = {
    "L02.q1": Question(
        "1000 tokens, 100 dimensions. The mean diagonal of W W^+ is",
        ("1", "0.1", "0.01"),
        1,
        "The rank is 100, spread over 1000 tokens.",
    ),
    "L02.q2": Question(
        "Which way back can never prefer another token (directions differ)?",
        ("transpose", "row-normalised transpose", "cosine"),
        2,
        "A cosine of 1 cannot be exceeded.",
    ),
    "L02.q3": Question(
        "From L01: the rows of 'next' and ' next' start training",
        ("equal", "unrelated"),
        1,
        "To the model they are two tokens like any other two.",
    ),
}
