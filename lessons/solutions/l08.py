"""Solutions, hints and typical mistakes of L08."""

import numpy as np

from minitx.classroom import Exercise, Question


def null_cosine(growth):
    """The cosine between x and x + u where u is at right angles to x."""
    return 1 / growth


def angle_of_update(growth, cosine):
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
        return f"their cosine is {cosine:.3f}: bring them nearer, most of a state can be shared"
    if np.argmax(w_2D @ a_D) == np.argmax(w_2D @ b_D):
        return "both prefer the same row: step to both sides of where the two logits are equal"
    return None


def random_growth(random):
    return (1 + random.random(5),)


def random_turn(random):
    x, u = random.standard_normal((2, 6, 16))
    g = np.linalg.norm(x + u, axis=1) / np.linalg.norm(x, axis=1)
    c = np.sum(x * (x + u), axis=1) / (np.linalg.norm(x, axis=1) ** 2 * g)
    return g, c


EXERCISES = {
    "L08.e1": Exercise(
        null_cosine,
        (
            "Draw x, and u standing on its tip at a right angle; x + u is the long side.",
            "In that triangle the cosine at the start is |x| / |x + u|; growth is |x + u| / |x|.",
        ),
        random_growth,
        {
            "you return the sine: the cosine is the near side over the long one, 1/growth":
                lambda g: np.sqrt(1 - 1 / g**2),
            "you return growth itself, which is above 1, and a cosine never is: turn it over":
                lambda g: g,
            "you squared: 1/growth^2 is the cosine squared":
                lambda g: 1 / g**2,
            "you return the angle itself, in radians: its cosine is asked for, 1/growth":
                lambda g: np.arccos(1 / g),
        },
    ),
    "L08.e2": Exercise(
        angle_of_update,
        (
            "Take |x| = 1. Then |x + u| is g, and the cosine rule gives the length r of u.",
            "r^2 = 1 + g^2 - 2 g c; and x.(x+u) = g c = 1 + r cos(angle): solve for the cosine.",
        ),
        random_turn,
        {
            "you forgot to divide by the length of u, sqrt(1 + g^2 - 2 g c)":
                lambda g, c: g * c - 1,
            "you divided by the squared length of u: take its root":
                lambda g, c: (g * c - 1) / (1 + g**2 - 2 * g * c),
            "a sign is turned: x.(x+u) is 1 + r cos(angle), so the cosine is (g c - 1) / r":
                lambda g, c: (1 - g * c) / np.sqrt(1 + g**2 - 2 * g * c),
        },
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
        "Successive states have a cosine of 0.87, and the norm grows by 1.15 a layer. The updates are",
        ("nearly parallel to the state", "nearly at right angles to it"),
        1,
        "1/1.15 is 0.87: exactly what right angles give.",
    ),
    "L08.q2": Question(
        "Two different tokens in one layer have a cosine of 0.6. A cosine of 0.7 across a layer is",
        ("high: a layer keeps directions", "little more than any two states share"),
        1,
        "All states share a common part. Remove the mean before you compare.",
    ),
    "L08.q3": Question(
        "From L07: a state whose updates are independent of it grows with the number of layers l as",
        ("l", "sqrt(l)", "exp(l)"),
        1,
        "Squares of lengths add at right angles, so the length is a root.",
    ),
}
