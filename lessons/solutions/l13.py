"""Solutions, hints, typical mistakes and the quiz of L13."""

import numpy as np

from minitx.classroom import Exercise, Question

STEPS = 12  # of the drunkard
ROOMS = 400  # dimensions of his room; with so many, no step leads far back


def lens(x_ZD, gain_D, w_VD):
    """What the unembedding reads behind an RMSNorm with a gain."""
    root_Z1 = np.sqrt(np.mean(x_ZD**2, axis=1, keepdims=True))
    return (x_ZD / root_Z1 * gain_D) @ w_VD.T


def terms_of_logit(parts_CD, w_D):
    """What each part adds to a logit, with the divisor of the whole state."""
    root = np.sqrt(np.mean(parts_CD.sum(axis=0) ** 2))
    return parts_CD @ w_D / root


def misleading_plane(path_LD):
    """The direction of the place where he ended, and another one at a right angle."""
    a_D = path_LD[-1] / np.linalg.norm(path_LD[-1])
    b_D = path_LD[0] - (path_LD[0] @ a_D) * a_D
    return a_D, b_D / np.linalg.norm(b_D)


def judge_plane(answer, path_LD):
    try:
        a_D, b_D = (np.asarray(v, float) for v in answer)
    except (TypeError, ValueError):
        return "it should return two axes, as `return a_D, b_D`"
    if a_D.shape != path_LD[0].shape or b_D.shape != path_LD[0].shape:
        return f"each axis needs {path_LD.shape[1]} numbers; yours have {a_D.shape}, {b_D.shape}"
    lengths = np.linalg.norm(a_D), np.linalg.norm(b_D)
    if not np.allclose(lengths, 1):
        return f"the axes have the lengths {lengths[0]:.3g} and {lengths[1]:.3g}, not 1"
    if abs(a_D @ b_D) > 1e-6:
        return f"the axes do not stand at a right angle: their cosine is {a_D @ b_D:.3f}"
    back = int(np.sum(np.diff(path_LD @ a_D) <= 0))
    if back:
        return f"along a_D, {back} of {len(path_LD) - 1} steps go back"
    shown = (path_LD[-1] @ a_D) ** 2 + (path_LD[-1] @ b_D) ** 2
    share = shown / (path_LD[-1] @ path_LD[-1])
    if share < 0.5:
        return f"the plane holds only {share:.0%} of the last place's squared length"
    return None


def unit(x_D):
    return x_D / np.linalg.norm(x_D)


def layer_norm(x_ZD):
    return (x_ZD - x_ZD.mean(axis=1, keepdims=True)) / x_ZD.std(axis=1, keepdims=True)


def by_first_and_last_step(path_LD):
    first_D, last_D = unit(path_LD[0]), path_LD[-1] - path_LD[-2]
    return first_D, unit(last_D - (last_D @ first_D) * first_D)


def random_states(random):
    return random.standard_normal((6, 5)), 1 + random.random(5), random.standard_normal((7, 5))


def random_parts(random):
    return random.standard_normal((4, 6)), random.standard_normal(6)


def random_walk(random):
    return (random.standard_normal((STEPS, ROOMS)).cumsum(axis=0),)


EXERCISES = {
    "L13.e1": Exercise(
        lens,
        (
            "Two steps: the norm makes each state ready, and the rows are compared with it.",
            "np.mean(x**2, axis=1, keepdims=True) has one number for each state.",
        ),
        random_states,
        {
            "the states come through no norm": lambda x, g, w: (x * g) @ w.T,
            "the gain is missing":
                lambda x, g, w: x / np.sqrt(np.mean(x**2, axis=1, keepdims=True)) @ w.T,
            "this divides by the length, and the mean of the squares is smaller than their sum":
                lambda x, g, w: (x / np.linalg.norm(x, axis=1, keepdims=True) * g) @ w.T,
            "this is a LayerNorm: an RMSNorm leaves the mean where it is":
                lambda x, g, w: (layer_norm(x) * g) @ w.T,
            "one divisor for all states: each state has its own":
                lambda x, g, w: (x / np.sqrt(np.mean(x**2)) * g) @ w.T,
        },
    ),
    "L13.e2": Exercise(
        terms_of_logit,
        (
            "Which number divides the state? Every part is divided by that same number.",
            "The root of the mean of the squares of parts_CD.sum(axis=0).",
        ),
        random_parts,
        {
            "these terms do not add up to the logit: each part has a divisor of its own here":
                lambda p, w: p @ w / np.sqrt(np.mean(p**2, axis=1)),
            "what does the norm do?": lambda p, w: p @ w,
            "this divides by the length: see how RMSNorm divides":
                lambda p, w: p @ w / np.linalg.norm(p.sum(axis=0)),
        },
        conclusion=(
            "With a divisor for each part, the terms would not add up to the logit. The norm "
            "divides the sum of the parts, so it has one divisor for all of them."
        ),
    ),
    "L13.e3": Exercise(
        misleading_plane,
        (
            "You know where he ends before you choose the plane, and he did not.",
            "Let a_D point at the last place. For b_D take any vector, less its part along a_D.",
        ),
        random_walk,
        {
            "not 1": lambda path: (path[-1], path[0]),
            "right angle": lambda path: (unit(path[-1]), unit(path[0])),
            "steps go back": by_first_and_last_step,
        },
        judge_plane,
    ),
}  # fmt: skip

QUIZ = {
    "L13.q1": Question(
        "A lens, fitted to the states after block 1, names 40 % of the final tokens. Fitted in the "
        "same way to an untrained model, it names 38 %. So block 1",
        ("has found out most of the answer", "is at home in the output space",
         "has found out little besides the token itself"),
        2,
        "Nearly all of it can be read from a model that knows nothing but its input.",
    ),
    "L13.q2": Question(
        "The terms of a part in a logit are zero, but ablating the part costs half of the logit. "
        "How can that be?",
        ("it works through later parts", "the terms were computed wrongly",
         "the part writes noise"),
        0,
        "Its way to the logits leads through other parts, and attribution books it there.",
    ),
    "L13.q3": Question(
        "From lesson 12: a tied model reads with the table that it unembeds with. What does the "
        "logit lens mostly name right after the embedding?",
        ("the token just read", "the token that the model says in the end", "a random token"),
        0,
        "Each row is compared with all rows, and most rows are nearest to themselves.",
    ),
}  # fmt: skip
