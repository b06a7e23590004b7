"""Solutions, hints and typical mistakes of L05."""

import numpy as np

from minitx.classroom import Exercise, Question


def softmax(logits_V, temperature):
    """Probabilities at a temperature, however small."""
    z_V = (logits_V - logits_V.max()) / temperature
    e_V = np.exp(z_V)
    return e_V / e_V.sum()


def top_k_probabilities(logits_V, k, temperature):
    """What a sampler draws from: softmax among the k largest logits, 0 elsewhere."""
    least = np.sort(logits_V)[-k]
    kept_V = np.where(logits_V >= least, logits_V, -np.inf)
    return softmax(kept_V, temperature)


def logit(length_x, length_w, angle):
    """The logit of a row of one length for a state of another, at an angle (radians)."""
    return length_x * length_w * np.cos(angle)


def naive(logits_V, temperature):
    with np.errstate(all="ignore"):
        e_V = np.exp(logits_V / temperature)
        return e_V / e_V.sum()


def cut_after(logits_V, k, temperature):
    p_V = softmax(logits_V, temperature)
    return np.where(logits_V >= np.sort(logits_V)[-k], p_V, 0)


EXERCISES = {
    "L05.e1": Exercise(
        softmax,
        (
            "At T = 0.01 a logit of 10 becomes exp(1000), which no number can hold.",
            "Softmax sees differences only: subtract the largest logit before you divide.",
        ),
        lambda random: (10 * random.standard_normal(6) + 20, 0.01),
        {
            "it overflows at T = 0.01: subtract the largest logit first": naive,
            "you multiply by the temperature: divide":
                lambda z, t: softmax(z, 1 / t),
            "the temperature is not used":
                lambda z, t: softmax(z, 1),
        },
    ),
    "L05.e2": Exercise(
        top_k_probabilities,
        (
            "Tokens outside the best k must have probability 0, and the rest must sum to 1.",
            "Set their logits to minus infinity, then take the softmax.",
        ),
        lambda random: (random.standard_normal(9), int(random.integers(2, 6)), 0.7),
        {
            "the probabilities do not sum to 1: cut first, then take the softmax": cut_after,
            "the temperature is not used":
                lambda z, k, t: top_k_probabilities(z, k, 1),
            "nothing is cut off: only the k best may be drawn":
                lambda z, k, t: softmax(z, t),
            "you kept one too few":
                lambda z, k, t: top_k_probabilities(z, k - 1, t),
        },
    ),
    "L05.e3": Exercise(
        logit,
        (
            "Is the cosine of a small angle near 1 or near 0?",
            "A dot product is length times length times cosine of the angle.",
        ),
        lambda random: tuple(random.uniform(0.5, 2, 3)),
        {
            "the sign is turned: better aligned means a LARGER cosine":
                lambda x, w, a: -x * w * np.cos(a),
            "that is the sine, which is 0 for aligned vectors":
                lambda x, w, a: x * w * np.sin(a),
            "the lengths are missing":
                lambda x, w, a: np.cos(a),
        },
    ),
}  # fmt: skip

QUIZ = {
    "L05.q1": Question(
        "Adding 5 to every logit makes the model",
        ("surer", "less sure", "neither"),
        2,
        "Softmax is blind to a shift.",
    ),
    "L05.q2": Question(
        "Multiplying every logit by 5 is the same as",
        ("T = 5", "T = 1/5"),
        1,
        "The temperature divides.",
    ),
    "L05.q3": Question(
        "From L04: doubling the last state changes which token has the largest logit",
        ("never", "sometimes"),
        0,
        "All logits double, so their order stays.",
    ),
}
