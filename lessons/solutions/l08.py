"""Solutions, hints and typical mistakes of L08."""

import numpy as np

from minitx.classroom import Exercise, Question


def baseline(r):
    """The cosine between x and x + u where u is at a right angle to x, and |u| = r |x|."""
    return 1 / np.sqrt(1 + r * r)


def cosine_of_update(growth, cosine):
    """The cosine between the state x and the update u, from |x+u|/|x| and cos(x, x+u)."""
    r = np.sqrt(1 + growth**2 - 2 * growth * cosine)  # length of u, in lengths of x
    return (growth * cosine - 1) / r


def flip_at_high_cosine(w_2D):
    """Two states, cosine above 0.9, that prefer different rows of w_2D."""
    towards = w_2D[0] - w_2D[1]
    towards = towards / np.linalg.norm(towards)
    other = np.eye(len(towards))[np.argmin(np.abs(towards))]
    along = other - (other @ towards) * towards  # at right angles to what decides
    along = along / np.linalg.norm(along)
    return along + 0.1 * towards, along - 0.1 * towards


def judge_flip(answer, w_2D):
    try:
        a_D, b_D = (np.asarray(v, float) for v in answer)
    except (TypeError, ValueError):
        return "it should return two states, as `return a_D, b_D`"
    if a_D.shape != w_2D[0].shape or b_D.shape != w_2D[0].shape:
        return f"each state needs the width of a row, {len(w_2D[0])}; yours have {a_D.shape}"
    cosine = a_D @ b_D / max(np.linalg.norm(a_D) * np.linalg.norm(b_D), 1e-30)
    if cosine < 0.9:
        return f"their cosine is {cosine:.3f}: most of a state can be shared by both"
    if np.argmax(w_2D @ a_D) == np.argmax(w_2D @ b_D):
        return "both prefer the same row: what decides between two rows?"
    return None


def random_steps(random):
    return (0.2 + random.random(5),)


def random_turn(random):
    x, u = random.standard_normal((2, 6, 16))
    g = np.linalg.norm(x + u, axis=1) / np.linalg.norm(x, axis=1)
    c = np.sum(x * (x + u), axis=1) / (np.linalg.norm(x, axis=1) ** 2 * g)
    return g, c


EXERCISES = {
    "L08.e1": Exercise(
        baseline,
        (
            "Sketch x, and u at a right angle from its tip. Then x + u is the long side.",
            "If |x| is 1, |x + u| is sqrt(1 + r^2). The cosine is the near side over the long one.",
        ),
        random_steps,
        {
            "this is the sine: which side of the triangle lies at the angle between x and x + u?":
                lambda r: r / np.sqrt(1 + r * r),
            "this is above 1, and a cosine never is: which side is the longest?":
                lambda r: np.sqrt(1 + r * r),
            "a root is missing: Pythagoras gives the square of the long side":
                lambda r: 1 / (1 + r * r),
        },
    ),
    "L08.e2": Exercise(
        cosine_of_update,
        (
            "Take |x| = 1. Then |x + u| is g, and the cosine rule gives the length r of u.",
            "r^2 = 1 + g^2 - 2 g c; and x.(x+u) = g c = 1 + r cos(angle): solve for the cosine.",
        ),
        random_turn,
        {
            "a cosine compares directions: what of the length of u?":
                lambda g, c: g * c - 1,
            "almost: the length of u is needed, and this has its square":
                lambda g, c: (g * c - 1) / (1 + g**2 - 2 * g * c),
            "the sign is turned: an update along the state makes it longer":
                lambda g, c: (1 - g * c) / np.sqrt(1 + g**2 - 2 * g * c),
        },
        conclusion=(
            "A growth of 1.15 at a cosine of 0.87 gives 0.001: a right angle. The update knew "
            "nothing about x."
        ),
    ),
    "L08.e3": Exercise(
        flip_at_high_cosine,
        (
            "Which row wins depends on the sign of x.(w_0 - w_1) alone.",
            "Take a long vector at right angles to w_0 - w_1, and step a little to each side.",
        ),
        lambda random: (random.standard_normal((2, 8)),),
        {
            "their cosine is": lambda w: (w[0], w[1] - w[0]),
            "both prefer the same row": lambda w: (w[0], 2 * w[0]),
        },
        judge_flip,
    ),
}  # fmt: skip

QUIZ = {
    "L08.q1": Question(
        "The state before a block and after it have a cosine of 0.95, and its update is a third as "
        "long as the state. The update is",
        ("nearly along the state", "nearly at a right angle to the state"),
        1,
        "1 / sqrt(1 + 1/9) is 0.949: exactly what a right angle gives.",
    ),
    "L08.q2": Question(
        "Two different tokens in one layer have a cosine of 0.6. The cosine of a token before and "
        "after that layer is 0.7. The layer",
        ("keeps the direction well", "keeps little more than what all states share"),
        1,
        "Two tokens are nearly as alike, so the states share a common part. Remove the mean state "
        "before you compare.",
    ),
    "L08.q3": Question(
        "From lesson 7: every update has length 1 and stands at a right angle to the state. A "
        "state begins with length 1. After 16 updates its length is about",
        ("17", "4", "2 to the power of 16"),
        1,
        "Squares of lengths add at right angles: 1 + 16 is 17, and its root is about 4.",
    ),
}
