"""Solutions, hints, typical mistakes and the quiz of L06."""

import numpy as np

from minitx.classroom import Exercise, Question
from minitx.measure import softmax


def tokens_read(prompt, new):
    """Tokens read without a cache, and with one."""
    without = sum(prompt + n for n in range(new))
    return without, prompt + new - 1


def top_k_probabilities(logits_V, k):
    """Softmax among the k largest logits, and 0 elsewhere."""
    least = np.sort(logits_V)[-k]
    return softmax(np.where(logits_V >= least, logits_V, -np.inf))


def cut_afterwards(logits_V, k):
    p_V = softmax(logits_V)
    return np.where(logits_V >= np.sort(logits_V)[-k], p_V, 0)


def leaking_mask(length):
    """All positions up to one's own, and the next token for the first position."""
    mask_TS = np.tril(np.ones((length, length), bool))
    mask_TS[0, 1] = True
    return mask_TS


def judge_mask(answer, length):
    try:
        mask_TS = np.asarray(answer)
    except ValueError:  # its rows differ in length
        return f"the mask should have the shape {(length, length)}: one row for each position"
    if mask_TS.shape != (length, length):
        return f"the mask should have the shape {(length, length)}; yours has {mask_TS.shape}"
    past_TS = np.tril(np.ones((length, length), bool))
    if not mask_TS.astype(bool)[past_TS].all():
        return "a position does not see all that it may: itself, and all before it"
    leaks = int((mask_TS.astype(bool) & ~past_TS).sum())
    return None if leaks == 1 else f"it lets {leaks} positions look ahead: exactly one should"


def random_counts(random):
    return int(random.integers(3, 30)), int(random.integers(2, 50))


EXERCISES = {
    "L06.e1": Exercise(
        tokens_read,
        (
            "Without a cache, every new token needs the whole row before it.",
            "With a cache, each token is read once, except the last one that was written.",
        ),
        random_counts,
        {
            "the rows get longer while the model writes":
                lambda p, n: (p * n, p + n - 1),
            "is the last token that was written ever read?":
                lambda p, n: (tokens_read(p, n)[0], p + n),
            "the row is read before the first token is written, too":
                lambda p, n: (sum(p + i for i in range(1, n)), p + n - 1),
        },
    ),
    "L06.e2": Exercise(
        top_k_probabilities,
        (
            "What do the probabilities sum to?",
            "Set all other logits to minus infinity, then take the softmax.",
        ),
        lambda random: (random.standard_normal(9), int(random.integers(2, 6))),
        {
            "the probabilities do not sum to 1": cut_afterwards,
            "no token is left out": lambda z, k: softmax(z),
            "one token too few can be drawn": lambda z, k: top_k_probabilities(z, k - 1),
        },
        conclusion="A smaller k leaves fewer tokens to draw, so texts vary less.",
    ),
    "L06.e3": Exercise(
        leaking_mask,
        (
            "np.tril gives the honest mask.",
            "Set a single entry above the diagonal to True.",
        ),
        lambda random: (int(random.integers(4, 9)),),
        {
            "it lets 0 positions look ahead": lambda t: np.tril(np.ones((t, t), bool)),
            "does not see all that it may": lambda t: np.triu(np.ones((t, t), bool)),
        },
        judge_mask,
    ),
}  # fmt: skip

QUIZ = {
    "L06.q1": Question(
        "A cache holds what a model computed for 30 tokens. One token is appended. How many "
        "positions have to be computed?",
        ("31", "30", "1"),
        2,
        "What was computed for the 30 stays right, because none of them sees the new token.",
    ),
    "L06.q2": Question(
        "A row of 33 tokens is one example in training. How many predictions does it teach?",
        ("32", "33", "1"),
        0,
        "Each token but the first is predicted from those before it.",
    ),
    "L06.q3": Question(
        "From lesson 5: a model draws its tokens at a temperature of 0.1 instead of 1. How often "
        "does it draw the most likely token?",
        ("less often", "more often", "as often"),
        1,
        "At 0.1, all differences between logits are ten times as large: the model is surer.",
    ),
}
