"""Solutions, hints, typical mistakes and the quiz of L03."""

import numpy as np

from minitx.classroom import Exercise, Question


def cosine_place(x_D, w_VD, target):
    """How many rows are nearer to x than row `target` is, by cosine."""
    cos_V = w_VD @ x_D / np.linalg.norm(w_VD, axis=1)
    return int((cos_V > cos_V[target]).sum())


def distance_after_stretching(length_x, length_y, cosine, factor):
    """The distance between x and `factor` times y."""
    y = factor * length_y
    return np.sqrt(length_x**2 + y**2 - 2 * length_x * y * cosine)


def broken_on_the_sphere():
    """Royal words are longer than common ones."""
    return np.array([[1.0, 0.0], [1.0, 1.0], [9.0, 0.0], [9.0, 1.0]])


def judge_broken(answer):
    try:
        x_4D = np.asarray(answer, float)
    except (TypeError, ValueError):
        return "it should return four rows of one length, as an array"
    if x_4D.ndim != 2 or len(x_4D) != 4:
        return f"it should return an array of four rows; yours has the shape {x_4D.shape}"
    man, woman, king, queen = x_4D
    if not np.allclose(king - man + woman, queen):
        return "the parallelogram is not exact: king - man + woman has to be queen"
    lengths = np.linalg.norm(x_4D, axis=1)
    if lengths.min() < 1e-9:
        return "a row of zeros has no direction"
    man, woman, king, queen = x_4D / lengths[:, None]
    miss = np.linalg.norm(king - man + woman - queen)
    return None if miss > 0.1 else f"on the sphere it misses by only {miss:.3f}"


EXERCISES = {
    "L03.e1": Exercise(
        cosine_place,
        (
            "Cosines with all rows first; the length of x does not matter, the rows' lengths do.",
            "Count the rows whose cosine is larger than that of the target.",
        ),
        lambda random: (
            random.standard_normal(5),
            random.standard_normal((20, 5)) * random.uniform(0.2, 5, (20, 1)),
            int(random.integers(20)),
        ),
        {
            "a long row wins here: what does a cosine do with lengths?":
                lambda x, w, t: int((w @ x > (w @ x)[t]).sum()),
            "a long row loses here: what does a cosine do with lengths?":
                lambda x, w, t: (lambda d: int((d < d[t]).sum()))(np.linalg.norm(x - w, axis=1)),
            "the nearest of all should give 0":
                lambda x, w, t: cosine_place(x, w, t) + 1,
        },
    ),
    "L03.e2": Exercise(
        distance_after_stretching,
        (
            "The law of cosines gives the third side of a triangle.",
            "Its square is |x|^2 + |y|^2 - 2 |x| |y| cosine, with y stretched first.",
        ),
        lambda random: (*random.uniform(0.5, 3, 2), random.uniform(-0.9, 0.9), 3.0),
        {
            "this is the square of the distance":
                lambda x, y, c, f: x**2 + (f * y) ** 2 - 2 * x * f * y * c,
            "a part does not know yet that y was stretched":
                lambda x, y, c, f: np.sqrt(x**2 + (f * y) ** 2 - 2 * x * y * c),
            "do two vectors that point the same way lie closer, or farther?":
                lambda x, y, c, f: np.sqrt(x**2 + (f * y) ** 2 + 2 * x * f * y * c),
        },
        conclusion=(
            "Three times as long, queen lies about two of its old lengths farther out, so distance "
            "misses it. Its cosine stays the same."
        ),
    ),
    "L03.e3": Exercise(
        broken_on_the_sphere,
        (
            "What does the sphere do to a long pair, and what to a short one?",
            "Let king and queen be far longer than man and woman, with the same step between them.",
        ),
        mistakes={
            "the parallelogram is not exact": lambda: np.array([[1.0, 0], [0, 1], [2, 0], [0, 2]]),
            "on the sphere it misses by only":
                lambda: np.array([[1.0, 0], [1, 0.1], [1, 0], [1, 0.1]]),
        },
        judge=judge_broken,
    ),
}  # fmt: skip

QUIZ = {
    "L03.q1": Question(
        "The three words of the question are excluded from the answers. The number of hits can",
        ("only rise or stay", "only fall or stay", "do both"),
        0,
        "Three rivals are gone, and none of them was the answer.",
    ),
    "L03.q2": Question(
        "Somebody reports: 80 of 100 analogies hit. What do you ask first?",
        (
            "how long the training was",
            "how often one of the question's words hits alone",
            "how large the model is",
        ),
        1,
        "Without this baseline nobody knows how many of the 80 are due to the arithmetic.",
    ),
    "L03.q3": Question(
        "From lesson 2: one table serves to embed and, transposed, to unembed. Its rows differ in "
        "length. A token that is embedded and unembedded at once",
        ("always comes back", "never comes back", "can lose to a longer row"),
        2,
        "Dot products reward length.",
    ),
}
