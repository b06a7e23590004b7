"""Solutions, hints and typical mistakes of L07."""

import numpy as np

from minitx.classroom import Exercise, Question


def next_station(x_BD, f, norm, residual):
    """A pre-norm sublayer: what the stream holds after it."""
    y_BD = f(norm(x_BD))
    return x_BD + y_BD if residual else y_BD


def output_scale(depth):
    """The factor on what each sublayer writes that keeps the sum's variance about the same."""
    return 1 / np.sqrt(2 * depth)


def random_sum_lengths(first, updates):
    """Lengths of a state to which updates of these lengths are added at right angles."""
    return np.sqrt(first**2 + np.cumsum(updates**2))


def double(x):
    return np.tanh(2 * x)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def random_sublayer(random):
    return random.standard_normal((3, 5)), double, unit, bool(random.integers(2))


EXERCISES = {
    "L07.e1": Exercise(
        next_station,
        (
            "Pre-norm: the norm stands before f, and what is added to is the bare x.",
            "y = f(norm(x)); with the residual x + y, without it y.",
        ),
        random_sublayer,
        {
            "the norm belongs inside, on what f reads; the stream itself stays bare":
                lambda x, f, n, r: n(x) + f(n(x)) if r else f(n(x)),
            "f must read the normed state, f(norm(x))":
                lambda x, f, n, r: x + f(x) if r else f(x),
            "the switch is not used: without the residual it is y alone":
                lambda x, f, n, r: x + f(n(x)),
            "that is post-norm: the norm stands after the sum":
                lambda x, f, n, r: n(x + f(x)) if r else n(f(x)),
        },
    ),
    "L07.e2": Exercise(
        output_scale,
        (
            "N blocks write 2N updates; variances of independent updates add up.",
            "2N updates times scale^2 should be 1.",
        ),
        lambda random: (int(random.integers(1, 30)),),
        {
            "each block writes twice, attention and MLP: 2N updates":
                lambda n: 1 / np.sqrt(n),
            "variances add, not lengths: take the root":
                lambda n: 1 / (2 * n),
        },
    ),
    "L07.e3": Exercise(
        random_sum_lengths,
        (
            "At right angles squares add: Pythagoras, once per update.",
            "sqrt(first^2 + the running sum of update^2); np.cumsum gives running sums.",
        ),
        lambda random: (random.uniform(1, 2), random.uniform(0.5, 2, 6)),
        {
            "lengths add only where all vectors point one way: add squares, take the root":
                lambda a, u: a + np.cumsum(u),
            "the root is missing":
                lambda a, u: a**2 + np.cumsum(u**2),
            "the first state is left out":
                lambda a, u: np.sqrt(np.cumsum(u**2)),
        },
    ),
}  # fmt: skip

QUIZ = {
    "L07.q1": Question(
        "Independent updates of length 1 are added to a state of length 1. After 8 its length is about",
        ("9", "3", "256"),
        1,
        "sqrt(1 + 8).",
    ),
    "L07.q2": Question(
        "Post-norm states do not grow because",
        ("updates are small", "a norm follows each sum"),
        1,
        "Whatever the sum, its length is brought back.",
    ),
    "L07.q3": Question(
        "From L05: logits are doubled. In effect the temperature was",
        ("doubled", "halved"),
        1,
        "z / T with T = 1/2 is 2 z.",
    ),
}
