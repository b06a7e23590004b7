"""Solutions, hints and typical mistakes of L04."""

import numpy as np

from minitx.classroom import Exercise, Question


def nearest_as_dot(x_D, w_VD):
    """Scores whose largest is the row nearest to x: a dot product and a bias."""
    return w_VD @ x_D - (w_VD**2).sum(axis=1) / 2


def broken_triangle():
    """Three vectors for which the way round is shorter, if -a.b were a distance."""
    a_D, c_D = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    return a_D, a_D + c_D, c_D


def plane_share(w_VD):
    """The share of the rows' variance that the best flat map (a plane) can show."""
    singular = np.linalg.svd(w_VD - w_VD.mean(axis=0), compute_uv=False)
    return (singular[:2] ** 2).sum() / (singular**2).sum()


def judge_triangle(answer):
    try:
        a_D, b_D, c_D = (np.asarray(v, float) for v in answer)
    except (TypeError, ValueError):
        return "it should return three vectors: `return a_D, b_D, c_D`"
    if not a_D.shape == b_D.shape == c_D.shape or a_D.ndim != 1:
        return f"the three need one shape; yours are {a_D.shape}, {b_D.shape}, {c_D.shape}"
    straight, round_ = -a_D @ c_D, -a_D @ b_D - b_D @ c_D
    if straight > round_ + 1e-9:
        return None
    return (
        f"no break: straight from a to c is {straight:.3g}, by way of b {round_:.3g}; "
        "b should be well aligned with both a and c"
    )


EXERCISES = {
    "L04.e1": Exercise(
        nearest_as_dot,
        (
            "Write out |x - w|^2 and see which parts differ from row to row.",
            "|x - w|^2 = |x|^2 - 2 x.w + |w|^2; |x|^2 is shared: divide the rest by -2.",
        ),
        lambda random: (random.standard_normal(6), random.standard_normal((9, 6))),
        {
            "half is missing: the bias is minus HALF the squared row length":
                lambda x, w: w @ x - (w**2).sum(1),
            "the sign is turned: longer rows must lose, so subtract":
                lambda x, w: w @ x + (w**2).sum(1) / 2,
            "you took the length of the row, not its square":
                lambda x, w: w @ x - np.sqrt((w**2).sum(1)) / 2,
            "that is the plain dot product: the bias is missing":
                lambda x, w: w @ x,
        },
    ),
    "L04.e2": Exercise(
        broken_triangle,
        (
            "Call -a.b the distance. A detour over b costs -a.b - b.c.",
            "Take a and c at right angles (straight way: 0), and b = a + c.",
        ),
        mistakes={
            "no break": lambda: (np.ones(2), np.zeros(2), np.ones(2)),
            "the three need one shape": lambda: (np.ones(2), np.ones(3), np.ones(2)),
            "it should return three vectors": lambda: np.ones(2),
        },
        judge=judge_triangle,
    ),
    "L04.e3": Exercise(
        plane_share,
        (
            "The best plane is spanned by the first two singular directions of the centred rows.",
            "Variance is the SQUARE of a singular value: the first two over the sum of all.",
        ),
        lambda random: (2 + random.standard_normal((12, 5)) * [5, 4, 3, 2, 1],),
        {
            "square the singular values: variance is a squared length":
                lambda w: (lambda s: s[:2].sum() / s.sum())(
                    np.linalg.svd(w - w.mean(0), compute_uv=False)),
            "take the mean row away first, or the map is spent on where the cloud lies":
                lambda w: (lambda s: (s[:2] ** 2).sum() / (s**2).sum())(
                    np.linalg.svd(w, compute_uv=False)),
            "that is one axis: a map has two":
                lambda w: (lambda s: s[0] ** 2 / (s**2).sum())(
                    np.linalg.svd(w - w.mean(0), compute_uv=False)),
        },
    ),
}  # fmt: skip

QUIZ = {
    "L04.q1": Question(
        "All rows have one length. Dot product, cosine and distance then choose",
        ("three different rows", "the same row"),
        1,
        "Penalty and divisor are the same for all rows.",
    ),
    "L04.q2": Question(
        "The state is made a thousand times longer. The nearest row becomes",
        ("the row with the largest dot product", "the shortest row", "any row"),
        0,
        "x.w grows with x, the penalty |w|^2/2 does not.",
    ),
    "L04.q3": Question(
        "From L02: with more tokens than channels, can rows all be at right angles?",
        ("yes", "no"),
        1,
        "A space of d dimensions has room for d right angles, no more.",
    ),
}
