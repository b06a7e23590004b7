"""Solutions, hints and typical mistakes of L03."""

import numpy as np

from minitx.classroom import Exercise, Question


def cosine_rank(x_D, w_VD, target):
    """How many rows are nearer to x than row `target` is, by cosine."""
    cos_V = w_VD @ x_D / np.linalg.norm(w_VD, axis=1)
    return int((cos_V > cos_V[target]).sum())


def from_polar(radius, angles):
    """The vector of A + 1 coordinates at a radius and A angles."""
    sines = np.concatenate([[1.0], np.cumprod(np.sin(angles))])
    cosines = np.concatenate([np.cos(angles), [1.0]])
    return radius * sines * cosines


def purity(neighbours, labels):
    """The share of items whose nearest neighbour has the same label."""
    return np.mean(labels[neighbours] == labels)


EXERCISES = {
    "L03.e1": Exercise(
        cosine_rank,
        (
            "Cosines with all rows first; the length of x does not matter, those of rows do.",
            "Count the rows whose cosine is larger than that of the target.",
        ),
        lambda random: (
            random.standard_normal(5),
            random.standard_normal((20, 5)) * random.uniform(0.2, 5, (20, 1)),
            int(random.integers(20)),
        ),
        {
            "that ranks by dot product: divide by the rows' lengths":
                lambda x, w, t: int((w @ x > (w @ x)[t]).sum()),
            "that ranks by distance, which a longer row loses":
                lambda x, w, t: (lambda d: int((d < d[t]).sum()))(np.linalg.norm(x - w, axis=1)),
            "the best has rank 0: count only those strictly nearer":
                lambda x, w, t: cosine_rank(x, w, t) + 1,
        },
    ),
    "L03.e2": Exercise(
        from_polar,
        (
            "In 2-D: r cos a, r sin a. In 3-D the sine is shared: r cos a, r sin a cos b, ...",
            "Coordinate k: r, times all sines before angle k, times its cosine; the last has none.",
        ),
        lambda random: (random.uniform(0.5, 3), random.uniform(0.1, 3, 5)),
        {
            "the radius is missing": lambda r, a: from_polar(1.0, a),
            "the sines multiply up: each coordinate carries those of all angles before it":
                lambda r, a: r * np.concatenate([np.cos(a), np.sin(a[-1:])]),
            "sine and cosine are exchanged":
                lambda r, a: r * np.concatenate([[1.0], np.cumprod(np.cos(a))])
                * np.concatenate([np.sin(a), [1.0]]),
        },
    ),
    "L03.e3": Exercise(
        purity,
        (
            "labels[neighbours] are the neighbours' labels.",
            "The mean of where they equal `labels`.",
        ),
        lambda random: (random.integers(0, 30, 30), random.integers(0, 4, 30)),
        {
            "a share is meant: divide by the number of items":
                lambda n, y: np.sum(y[n] == y),
            "you compare places with labels: look up the neighbours' labels first":
                lambda n, y: np.mean(n == y),
            "that is the share of the impure": lambda n, y: np.mean(y[n] != y),
        },
    ),
}  # fmt: skip

QUIZ = {
    "L03.q1": Question(
        "The analogy's three words are excluded from the answers. The score can only",
        ("rise", "fall"),
        0,
        "Three rivals are gone, and none of them is the answer.",
    ),
    "L03.q2": Question(
        "Parallelograms are exact for raw vectors. At one length they are",
        ("still exact", "bent, if the lengths differed"),
        1,
        "Each corner moves by another factor.",
    ),
    "L03.q3": Question(
        "From L02: tied rows of unequal length, transposed. The token itself",
        ("always wins", "can be overtaken by a longer row"),
        1,
        "Dot products reward length.",
    ),
}
