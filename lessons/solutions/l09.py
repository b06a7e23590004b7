"""Solutions, hints, typical mistakes and the quiz of L09."""

import numpy as np

from minitx.classroom import Exercise, Question


def layer_norm_of_rows(x_BD, epsilon):
    """Each row without its mean, divided by its standard deviation; no gain, no bias."""
    centred_BD = x_BD - x_BD.mean(axis=-1, keepdims=True)
    variance_B1 = (centred_BD**2).mean(axis=-1, keepdims=True)
    return centred_BD / np.sqrt(variance_B1 + epsilon)


def length_at(share, width, epsilon):
    """The length of a mean-free x at which LayerNorm gives `share` of its usual length."""
    variance = epsilon * share**2 / (1 - share**2)
    return np.sqrt(width * variance)


def dial(logits_V, entropy):
    """The factor by which the final gain is multiplied to give softmax this entropy (nats)."""
    low, high = 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        z_V = middle * (logits_V - logits_V.max())
        p_V = np.exp(z_V) / np.exp(z_V).sum()
        now = -np.sum(p_V * np.log(np.maximum(p_V, 1e-300)))
        low, high = (middle, high) if now > entropy else (low, middle)
    return middle


def judge_dial(factor, logits_V, entropy):
    try:
        factor = float(factor)
    except (TypeError, ValueError):
        return "it should return one number, the factor"
    if not np.isfinite(factor) or factor < 0:
        return f"the factor is {factor}: it must be finite and not negative"
    z_V = factor * (logits_V - logits_V.max())
    p_V = np.exp(z_V) / np.exp(z_V).sum()
    found = -np.sum(p_V * np.log(np.maximum(p_V, 1e-300)))
    if abs(found - entropy) < 0.01:
        return None
    way = "larger" if found > entropy else "smaller"
    return f"it gives an entropy of {found:.3f} nats, not {entropy:.3f}: the factor must be {way}"


def random_rows(random):
    return 3 + 5 * random.standard_normal((4, 7)), 0.1


def random_target(random):
    return 3 * random.standard_normal(20), random.uniform(0.3, 2.7)


EXERCISES = {
    "L09.e1": Exercise(
        layer_norm_of_rows,
        (
            "Two steps on each row: take its mean away, then divide by one number.",
            "That number is sqrt(variance + epsilon); keepdims=True keeps the shapes together.",
        ),
        random_rows,
        {
            "the mean of each row is still there":
                lambda x, e: x / np.sqrt((x**2).mean(-1, keepdims=True) + e),
            "your rows have the length 1: is that what LayerNorm gives?":
                lambda x, e: layer_norm_of_rows(x, 0) / np.sqrt(x.shape[-1]),
            "where does epsilon belong?":
                lambda x, e: (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + e),
            "that is the variance: what has the units of x?":
                lambda x, e: (x - x.mean(-1, keepdims=True)) / (x.var(-1, keepdims=True) + e),
            "epsilon is left out":
                lambda x, e: layer_norm_of_rows(x, 0),
        },
    ),
    "L09.e2": Exercise(
        length_at,
        (
            "What leaves LayerNorm has length sqrt(D) sqrt(v / (v + epsilon)), v the variance.",
            "So share^2 = v / (v + epsilon): solve for v; the length of x is sqrt(D v).",
        ),
        lambda random: (random.uniform(0.1, 0.9), 96, 1e-5),
        {
            "a root is missing: the share is one of lengths":
                lambda s, d, e: np.sqrt(d * e * s / (1 - s)),
            "that is the standard deviation of the numbers: how long is the vector?":
                lambda s, d, e: np.sqrt(e * s**2 / (1 - s**2)),
            "that is the variance of the numbers: how long is the vector?":
                lambda s, d, e: e * s**2 / (1 - s**2),
        },
        tolerance=1e-6,
        conclusion="Epsilon matters for short vectors, whose variance is not large beside it.",
    ),
    "L09.e3": Exercise(
        dial,
        (
            "Multiplying the final gain multiplies all logits. Larger factor, smaller entropy.",
            "Entropy falls steadily with the factor, so halve an interval again and again.",
        ),
        random_target,
        {
            "the factor must be": lambda z, h: 1.0,
            "it must be finite": lambda z, h: -1.0,
        },
        judge_dial,
    ),
}  # fmt: skip

QUIZ = {
    "L09.q1": Question(
        "The state is made ten times as long in the middle of a model with LayerNorms. The "
        "next sublayer",
        ("writes ten times as much", "turns the state less", "writes something else"),
        1,
        "It reads and writes the same. The state that it adds to is longer.",
    ),
    "L09.q2": Question(
        "A LayerNorm has 400 channels and no gain. What leaves it has the length",
        ("1", "20", "400"),
        1,
        "The root of 400 is 20.",
    ),
    "L09.q3": Question(
        "From lesson 8: an update stands at a right angle to a state that is ten times as long. "
        "The cosine between the state before and after is",
        ("about 0", "about 0.5", "above 0.99"),
        2,
        "1 / sqrt(1 + 0.01) is 0.995.",
    ),
}
