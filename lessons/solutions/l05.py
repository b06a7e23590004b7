"""Solutions, hints, typical mistakes and the quiz of L05."""

import numpy as np

from minitx.classroom import Exercise, Question
from minitx.measure import entropy


def stable_softmax(logits_V, temperature):
    """Probabilities at a temperature, however small."""
    z_V = (logits_V - logits_V.max()) / temperature
    e_V = np.exp(z_V)
    return e_V / e_V.sum()


def temperature_for(gap, probability):
    """The temperature at which the better of two tokens has this probability."""
    return gap / np.log(probability / (1 - probability))


def longer_but_less_sure(w_2D, bias_2):
    """A state whose logits cancel the biases when it is twice as long."""
    difference_D = w_2D[1] - w_2D[0]
    gap = bias_2[0] - bias_2[1]
    return gap / 2 * difference_D / (difference_D @ difference_D)


def judge_state(answer, w_2D, bias_2):
    try:
        x_D = np.asarray(answer, float)
    except (TypeError, ValueError):
        return "it should return one state, an array"
    if x_D.shape != w_2D[0].shape:
        return f"the state needs the width of a row, {len(w_2D[0])}; yours has {x_D.shape}"
    short, long = (float(entropy(c * w_2D @ x_D + bias_2)) for c in (1, 2))
    if long > short + 1e-9:
        return None
    return f"the entropy goes from {short:.3f} to {long:.3f}: what does the bias prefer?"


def naive(logits_V, temperature):
    with np.errstate(all="ignore"):
        e_V = np.exp(logits_V / temperature)
        return e_V / e_V.sum()


def random_gap(random):
    return random.uniform(0.5, 4), random.uniform(0.55, 0.95)


def random_bias(random):
    return random.standard_normal((2, 5)), np.array([random.uniform(1, 3), 0.0])


EXERCISES = {
    "L05.e1": Exercise(
        stable_softmax,
        (
            "At T = 0.01 a logit of 10 becomes exp(1000), which no number can hold.",
            "A shift changes nothing, so shift the largest logit to 0 before you divide.",
        ),
        lambda random: (10 * random.standard_normal(6) + 20, 0.01),
        {
            "it overflows: at T = 0.01 a logit of 10 becomes exp(1000)": naive,
            "is a high temperature sure or unsure? Yours is the other way round":
                lambda z, t: stable_softmax(z, 1 / t),
            "the temperature is not used": lambda z, t: stable_softmax(z, 1),
        },
    ),
    "L05.e2": Exercise(
        temperature_for,
        (
            "With two tokens only the gap counts: p / (1 - p) is exp(gap / T).",
            "Take the logarithm of both sides, and solve for T.",
        ),
        random_gap,
        {
            "this is one divided by the temperature":
                lambda g, p: np.log(p / (1 - p)) / g,
            "the other token has a probability too: 1 - p": lambda g, p: g / np.log(p),
            "the gap is not used": lambda g, p: 1 / np.log(p / (1 - p)),
        },
        conclusion="A temperature below 1 makes the model surer than it was.",
    ),
    "L05.e3": Exercise(
        longer_but_less_sure,
        (
            "The bias prefers the first token. Which token should the state prefer?",
            "Two equal logits are least sure: let 2 x.(w_1 - w_0) be the gap of the biases.",
        ),
        random_bias,
        {
            "what does the bias prefer?": lambda w, b: w[0] - w[1],
            "the entropy goes from": lambda w, b: np.zeros(len(w[0])),
        },
        judge_state,
    ),
}  # fmt: skip

QUIZ = {
    "L05.q1": Question(
        "Every logit of a model is multiplied by 5. To get the old probabilities back, set T to",
        ("1/5", "1", "5"),
        2,
        "The temperature divides, and so takes the factor back.",
    ),
    "L05.q2": Question(
        "A model has no LayerNorm and no bias. Its last state is set to zero. It predicts",
        ("equal chances for all tokens", "the most frequent token", "its last token once more"),
        0,
        "All logits are 0, and equal logits give equal probabilities.",
    ),
    "L05.q3": Question(
        "From lesson 4: the last state becomes twice as long, and nothing else changes. The token "
        "with the largest dot product",
        ("may change", "stays the best"),
        1,
        "All dot products double, so their order stays.",
    ),
}
