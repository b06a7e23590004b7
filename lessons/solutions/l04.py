"""Solutions, hints, typical mistakes and the quiz of L04."""

import numpy as np

from minitx.classroom import Exercise, Question


def nearest_as_dot(x_D, w_VD):
    """Scores whose largest is the row nearest to x: a dot product and a bias."""
    return w_VD @ x_D - (w_VD**2).sum(axis=1) / 2


def broken_triangle():
    """Three vectors for which the way round is shorter, if -a.b were a distance."""
    a_D, c_D = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    return a_D, a_D + c_D, c_D


def length_needed(gap, square_a, square_b):
    """The length of the state above which the longer row is the nearer one."""
    return (square_a - square_b) / (2 * gap)


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
    return f"no break: straight from a to c is {straight:.3g}, by way of b {round_:.3g}"


EXERCISES = {
    "L04.e1": Exercise(
        nearest_as_dot,
        (
            "Write out |x - w|^2 and see which parts differ from row to row.",
            "|x - w|^2 = |x|^2 - 2 x.w + |w|^2; |x|^2 is shared: divide the rest by -2.",
        ),
        lambda random: (random.standard_normal(6), random.standard_normal((9, 6))),
        {
            "nearly: the right parts, but not in the right proportion":
                lambda x, w: w @ x - (w**2).sum(1),
            "should a long row win or lose by its length?":
                lambda x, w: w @ x + (w**2).sum(1) / 2,
            "nearly: which power of the length does |x - w|^2 contain?":
                lambda x, w: w @ x - np.sqrt((w**2).sum(1)) / 2,
            "that is the dot product itself: which part of |x - w|^2 is missing?":
                lambda x, w: w @ x,
        },
    ),
    "L04.e2": Exercise(
        length_needed,
        (
            "With length c, the dot products differ by c times the gap.",
            "a is nearer as soon as that makes up for the difference of the penalties.",
        ),
        lambda random: (random.uniform(0.5, 2), random.uniform(5, 9), random.uniform(1, 4)),
        {
            "nearly: how large is the penalty of a row?": lambda g, a, b: (a - b) / g,
            "this gets longer with the gap: should it?": lambda g, a, b: (a - b) / 2 * g,
            "penalties are squares of lengths, and these are squares already":
                lambda g, a, b: (np.sqrt(a) - np.sqrt(b)) / (2 * g),
        },
        conclusion="The longer the state, the more often dot product and distance agree.",
    ),
    "L04.e3": Exercise(
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
}  # fmt: skip

QUIZ = {
    "L04.q1": Question(
        "All rows of an unembedding have the same length. Dot product, cosine and distance choose",
        ("three different rows", "two different rows", "the same row"),
        2,
        "The penalty and the divisor are the same for all rows.",
    ),
    "L04.q2": Question(
        "One row is made ten times as long, and its dot product with the state is above zero. By "
        "which rule does it certainly not gain?",
        ("by dot product", "by cosine", "by both"),
        1,
        "A cosine does not see the length of the row.",
    ),
    "L04.q3": Question(
        "From lesson 2: a table has more rows than numbers in each row. Can all its rows stand "
        "at right angles to each other?",
        ("always", "if they are short", "never"),
        2,
        "In D dimensions, at most D vectors can stand at right angles to each other.",
    ),
}
