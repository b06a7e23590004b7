"""Solutions, hints, typical mistakes and the quiz of L02."""

import numpy as np

from minitx.classroom import Exercise, Question


def row_normalised(w_VD):
    """Return each row divided by its squared length."""
    return w_VD / (w_VD**2).sum(axis=1, keepdims=True)


def mean_diagonal(vocab, width):
    """Return the rank of the table divided by the number of tokens."""
    return min(vocab, width) / vocab


def wrong_token(width):
    """Return a long row, and a short one that nearly has its direction."""
    w_VD = np.zeros((2, width))
    w_VD[0, 0] = 2
    w_VD[1, :2] = 0.6, 0.8
    return w_VD


def judge_table(answer, width):
    try:
        w_VD = np.asarray(answer, float)
    except (TypeError, ValueError):
        return "it should return a table, an array with a row for each token"
    if w_VD.ndim != 2 or w_VD.shape[1] != width or len(w_VD) < 2:
        return f"the table needs two rows or more of width {width}; yours has {w_VD.shape}"
    length_V = np.linalg.norm(w_VD, axis=1)
    if not np.isfinite(w_VD).all() or not (length_V > 1e-9).all():
        return "each row needs a direction: none of them may be zero or infinite"
    cosine_VV = w_VD @ w_VD.T / length_V / length_V[:, None]
    if (cosine_VV[~np.eye(len(w_VD), dtype=bool)] > 1 - 1e-6).any():
        return "two of its rows have the same direction"
    scores_V = w_VD[0] @ (w_VD.T / length_V**2)
    if scores_V[1:].max() <= scores_V[0] + 1e-9:
        return f"token 0 has {scores_V[0]:.3g}, the best of the others {scores_V[1:].max():.3g}"
    return None


def one_direction(width):
    return np.outer([2.0, 1.0], np.ones(width))


EXERCISES = {
    "L02.e1": Exercise(
        row_normalised,
        (
            "A row times itself is its squared length. What makes 1 of that?",
            "Divide each row by the sum of its squares, with axis=1 and keepdims=True.",
        ),
        lambda random: (random.standard_normal((6, 4)),),
        {
            "this gives the length of the row, not 1":
                lambda w: w / np.linalg.norm(w, axis=1, keepdims=True),
            "this adds up columns: whose squared length is meant?":
                lambda w: w / (w**2).sum(axis=0, keepdims=True),
            "this is the table as it was, and gives the squared length": lambda w: w,
        },
    ),
    "L02.e2": Exercise(
        mean_diagonal,
        (
            "If V is above D, the diagonal adds up to D. If not, each token gets 1.",
            "The diagonal adds up to min(V, D), and the mean is over V tokens.",
        ),
        lambda random: tuple(int(n) for n in random.permutation([5, 40, 300])[:2]),
        {
            "this holds up to V = D only: what if there are more tokens?": lambda v, d: 1.0,
            "this is above 1 if there are few tokens, and then the inverse gives exactly 1":
                lambda v, d: d / v,
            "this is the sum of the diagonal": lambda v, d: min(v, d),
        },
        conclusion="Once V is above D, it falls as the vocabulary grows.",
    ),
    "L02.e3": Exercise(
        wrong_token,
        (
            "Look at the third token of the worked example: which row beat it, and how long is it?",
            "Let row 0 be long, and let a short row stand at a small angle to it.",
        ),
        lambda random: (int(random.integers(2, 9)),),
        {
            "token 0 has": lambda d: np.eye(d),
            "the same direction": one_direction,
        },
        judge_table,
    ),
}  # fmt: skip

QUIZ = {
    "L02.q1": Question(
        "All rows of a tied model have the same length and different directions. What does the "
        "transpose do?",
        ("it fails if there are more tokens than dimensions", "it gives 1 at each of the tokens",
         "it names the right token for each of the rows"),
        2,
        "With equal lengths the dot product is the cosine, times one number for all.",
    ),
    "L02.q2": Question(
        "A real table has 50,000 rows of 1,000 numbers. What does its pseudo-inverse give at the "
        "token itself, on average?",
        ("about 0.02", "about 0.98", "exactly 1"),
        0,
        "1,000 dimensions are shared by 50,000 tokens: 1 / 50.",
    ),
    "L02.q3": Question(
        "From lesson 1: training begins with random rows. How do the rows of ' next' and 'next' "
        "then compare?",
        ("they are nearly equal, as both are one word", "they differ as any other two rows do"),
        1,
        "Nothing tells a model that they belong together; it can only learn it.",
    ),
}  # fmt: skip
