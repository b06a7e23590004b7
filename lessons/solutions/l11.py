"""Solutions, hints, typical mistakes and the quiz of L11."""

import numpy as np

from minitx.classroom import Exercise, Question
from minitx.measure import softmax

NARROWEST = 4.0  # degrees of the target of a row that can win, so that a coarse search finds it


def plant_giant(w_VD, giant, shaded):
    """The table with a row that is long enough to win where another one points."""
    w_VD = w_VD.copy()
    needed = w_VD[shaded] @ w_VD[shaded] / (w_VD[giant] @ w_VD[shaded])
    w_VD[giant] *= 1.1 * needed
    return w_VD


def gradient_of_unseen(x_ZD, w_VD, unseen):
    """The gradient of the mean loss by the row of a token that is never right."""
    p_Z = softmax(x_ZD @ w_VD.T)[:, unseen]
    return (p_Z[:, None] * x_ZD).mean(axis=0)


def can_win(w_V2):
    """Which rows have the largest dot product with any state: all directions are tried."""
    angles = np.radians(np.arange(360))
    x_Z2 = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    winner_Z = (x_Z2 @ w_V2.T).argmax(axis=1)
    return np.isin(np.arange(len(w_V2)), winner_Z)


def wins_alone(w_V2):
    """Which rows have the largest dot product with themselves."""
    return (w_V2 @ w_V2.T).argmax(axis=1) == np.arange(len(w_V2))


def judge_giant(answer, w_VD, giant, shaded):
    try:
        new_VD = np.asarray(answer, float)
    except (TypeError, ValueError):
        return "it should return a table, an array"
    if new_VD.shape != w_VD.shape:
        return f"the table should keep its shape, {w_VD.shape}; yours has {new_VD.shape}"
    if not np.allclose(np.delete(new_VD, giant, 0), np.delete(w_VD, giant, 0)):
        return "only the row of the giant may change"
    old_D, new_D, shaded_D = w_VD[giant], new_VD[giant], w_VD[shaded]
    length = np.linalg.norm(new_D)
    if not np.isclose(new_D @ old_D, length * np.linalg.norm(old_D)):
        return "the giant should point where it did: multiply its row by one number"
    if new_D @ shaded_D > shaded_D @ shaded_D:
        return None
    return (
        f"in the direction of row {shaded} the giant gets {new_D @ shaded_D:.3g}, and row {shaded} "
        f"itself {shaded_D @ shaded_D:.3g}"
    )


def random_giant(random):
    w_VD = random.uniform(0.2, 1, (5, 4))  # no two rows are 90 degrees apart
    w_VD[1] *= 0.3
    return w_VD, 1, 3


def random_states(random):
    return random.standard_normal((6, 4)) + 1, random.standard_normal((5, 4)), 2


def random_rows(random):
    """Seven rows: some cannot win, and some can but lose in their own direction."""
    angles = np.radians(np.arange(0, 360, 0.5))
    x_Z2 = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    while True:
        w_V2 = random.standard_normal((7, 2))
        winner_Z = (x_Z2 @ w_V2.T).argmax(axis=1)
        degrees_V = np.bincount(winner_Z, minlength=7) / 2
        can_V = degrees_V > 0
        if degrees_V[can_V].min() < NARROWEST or can_V.all():
            continue
        if (can_V & ~wins_alone(w_V2)).any():
            return (w_V2,)


EXERCISES = {
    "L11.e1": Exercise(
        plant_giant,
        (
            "A state in the direction of the other row: which dot products do the two rows get?",
            "Multiply the giant's row by more than s.s / g.s, where s is the other row.",
        ),
        random_giant,
        {
            "only the row of the giant may change":
                lambda w, g, s: np.where(np.arange(len(w))[:, None] == s, 0.1 * w, w),
            "the giant should point where it did":
                lambda w, g, s: np.where(np.arange(len(w))[:, None] == g, 2 * w[s], w),
            "in the direction of row 3 the giant gets":
                lambda w, g, s: np.where(np.arange(len(w))[:, None] == g, 1.01 * w, w),
        },
        judge_giant,
    ),
    "L11.e2": Exercise(
        gradient_of_unseen,
        (
            "For each state: which number stands before it in the worked example?",
            "Average probability times state. It does not matter which other tokens are right.",
        ),
        random_states,
        {
            "this is the step; the gradient points the other way":
                lambda x, w, j: -gradient_of_unseen(x, w, j),
            "this is the sum over the states; the loss is a mean":
                lambda x, w, j: len(x) * gradient_of_unseen(x, w, j),
            "every state counts the same here: what of the probability?":
                lambda x, w, j: x.mean(axis=0),
            "this would be the gradient if the token were right each time":
                lambda x, w, j: gradient_of_unseen(x, w, j) - x.mean(axis=0),
        },
        conclusion=(
            "It does not depend on which other words are right: only on the states, and on the "
            "probability that the word gets after each of them."
        ),
    ),
    "L11.e3": Exercise(
        can_win,
        (
            "In two dimensions the directions are a circle, and you can try them all.",
            "Take a state for each degree, find who wins there, and see which rows occur.",
        ),
        random_rows,
        {
            "a row that loses in its own direction can still win beside it": wins_alone,
            "two rows or more can win: who wins on the other side?":
                lambda w: np.arange(len(w)) == np.linalg.norm(w, axis=1).argmax(),
            "that holds if all rows have one length": lambda w: np.ones(len(w), bool),
        },
    ),
}  # fmt: skip

QUIZ = {
    "L11.q1": Question(
        "An untied model is trained with Adam. A token never occurs in its text. Which of the "
        "token's two rows never moves?",
        ("the one in the embedding", "the one in the unembedding", "neither of them moves"),
        0,
        "An embedding's row moves only if its token is read.",
    ),
    "L11.q2": Question(
        "A row loses to a longer row in its own direction. For some other state it",
        ("cannot win either", "may still win"),
        1,
        "On the side away from the longer row its own dot product can be the largest.",
    ),
    "L11.q3": Question(
        "From lesson 5: all rows of an unembedding become twice as long. The predictions become",
        ("less sure", "surer", "the same as before"),
        1,
        "All logits double, and that is a temperature of one half.",
    ),
}
