"""Solutions, hints, typical mistakes and the quiz of L15."""

import numpy as np

from minitx.classroom import Exercise, Question


def gain(surprise_T):
    """How much less surprised the model is at the end."""
    quarter = len(surprise_T) // 4
    return surprise_T[:quarter].mean() - surprise_T[-quarter:].mean()


def by_chance(surprise_T, order_XT):
    """The gain that 95 % of shuffles stay below."""
    gains = [gain(surprise_T[order_T]) for order_T in order_XT]
    return np.quantile(gains, 0.95)


def rule_for_gain(gain, by_chance):
    """A rule that can say all three."""
    if gain <= 0:
        return "refuted"
    if gain >= 0.1 and gain > by_chance:
        return "supported"
    return "qualified"


def surprises(random):
    return (random.exponential(2.0, 12),)


def surprises_and_orders(random):
    orders = [random.permutation(12) for _ in range(30)]
    return random.exponential(2.0, 12), np.array(orders)


def two_numbers(random):
    """One of five cases; the five trials draw each of them once."""
    cases = [(0.3, 0.2), (0.1, 0.2), (0.05, 0.01), (0.0, 0.2), (-0.1, 0.2)]
    return cases[int(5 * random.random())]


EXERCISES = {
    "L15.e1": Exercise(
        gain,
        (
            "How many places are a quarter? Those of the last quarter can be counted from the end.",
            "surprise_T[:quarter] is the first quarter, surprise_T[-quarter:] the last.",
        ),
        surprises,
        {
            "the sign is turned: a gain is above 0 if the model is less surprised at the end":
                lambda s: s[-len(s) // 4:].mean() - s[: len(s) // 4].mean(),
            "these are halves, and quarters are asked for":
                lambda s: s[: len(s) // 2].mean() - s[-len(s) // 2:].mean(),
            "a sum grows with the length of the window: take the mean":
                lambda s: s[: len(s) // 4].sum() - s[-len(s) // 4:].sum(),
        },
    ),
    "L15.e2": Exercise(
        by_chance,
        (
            "If there is nothing to see, the order of the places does not matter.",
            "Take the gain of surprise_T[order_T] for each row order_T, then np.quantile of them.",
        ),
        surprises_and_orders,
        {
            "this is the mean of the shuffles, near 0: half of them lie above it":
                lambda s, o: np.mean([gain(s[order]) for order in o]),
            "this is the largest shuffle: with more shuffles it would grow":
                lambda s, o: np.max([gain(s[order]) for order in o]),
            "nothing is shuffled here: this is the gain itself":
                lambda s, o: gain(s),
            "95 % of the shuffles lie above this, not below":
                lambda s, o: np.quantile([gain(s[order]) for order in o], 0.05),
        },
    ),
    "L15.e3": Exercise(
        rule_for_gain,
        (
            "Begin with the gains that refute the sentence.",
            "Supported needs two things at once: at least 0.1 nats, and more than chance.",
        ),
        two_numbers,
        {
            "it never says refuted, so no number could make the sentence false":
                lambda g, c: "supported" if g >= 0.1 and g > c else "qualified",
            "it leaves the baseline out: chance gives such a gain, too":
                lambda g, c: "refuted" if g <= 0 else "supported" if g >= 0.1 else "qualified",
            "a gain above chance may still be too small to matter":
                lambda g, c: "refuted" if g <= 0 else "supported" if g > c else "qualified",
            "a gain that chance could give does not refute the sentence; it does not support it":
                lambda g, c: "supported" if g >= 0.1 and g > c else "refuted",
        },
    ),
}  # fmt: skip

QUIZ = {
    "L15.q1": Question(
        "A rule says supported for a number above 1, and qualified otherwise. What is wrong?",
        ("1 is too low", "nothing can refute the claim", "it has no interval"),
        1,
        "Whatever is measured, the sentence survives. Plant a case for refuted, and you notice.",
    ),
    "L15.q2": Question(
        "Your claim is supported. An untrained model gives the same numbers. So the claim",
        ("is false", "is true of untrained models alone", "does not depend on training"),
        2,
        "It may well be true, but because of the architecture or the text.",
    ),
    "L15.q3": Question(
        "From lesson 8: somebody measures a cosine of 0.9 between the states before and after a "
        "block, and claims that blocks keep the direction. Which number is missing?",
        ("what updates at right angles would give", "the cosine of the next block", "the loss"),
        0,
        "Only beside that baseline does the cosine say what the block does.",
    ),
}
