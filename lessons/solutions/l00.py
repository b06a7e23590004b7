"""Solutions, hints and typical mistakes of L00."""

import numpy as np

from minitx.classroom import Exercise, Question


def shapes(B, T, D, H, V, N):
    """The shapes of the stream (all stations), of the attention patterns, and of the logits."""
    return [(1 + 2 * N, B, T, D), (N, B, H, T, T), (B, T, V)]


def untrained_loss(vocab):
    """The loss in nats of a model that finds all tokens equally likely."""
    return np.log(vocab)


def embed(ids_T, table_VD, position_TD):
    """Station 0 of the stream, for learned positions."""
    return table_VD[ids_T] + position_TD[: len(ids_T)]


def judge_shapes(answer, B, T, D, H, V, N):
    right = shapes(B, T, D, H, V, N)
    names = ("the stream", "the attention patterns", "the logits")
    if not isinstance(answer, (list, tuple)) or len(answer) != 3:
        return "it should return three shapes: `return [stream, patterns, logits]`"
    if not all(isinstance(shape, (list, tuple)) for shape in answer):
        return "it should return three shapes, each a tuple: `return [stream, patterns, logits]`"
    for name, mine, wanted in zip(names, answer, right, strict=True):
        if tuple(mine) != wanted:
            hint = ": count the embedding and two per block" if name == "the stream" else ""
            return f"{name}: you say {tuple(mine)}, it is {len(wanted)} axes, {wanted}{hint}"
    return None


def random_text(random):
    return random.integers(0, 9, 5), random.standard_normal((9, 4)), random.standard_normal((7, 4))


EXERCISES = {
    "L00.e1": Exercise(
        shapes,
        (
            "Look at the printed walk: each letter of a name is one axis.",
            "Stations R = 1 + 2N; a pattern has a row of T weights for each of T positions.",
        ),
        lambda random: tuple(int(n) for n in random.choice(np.arange(2, 40), 6, replace=False)),
        {
            "count the embedding and two per block":
                lambda B, T, D, H, V, N: [(N, B, T, D), (N, B, H, T, T), (B, T, V)],
            "the attention patterns: you say":
                lambda B, T, D, H, V, N: [(1 + 2 * N, B, T, D), (N, B, T, T), (B, T, V)],
            "it should return three shapes": lambda B, T, D, H, V, N: (B, T, V),
        },
        judge_shapes,
    ),
    "L00.e2": Exercise(
        untrained_loss,
        (
            "Each of V tokens has probability 1/V; the loss is minus its natural logarithm.",
            "-log(1/V) = log(V), with the natural logarithm: np.log.",
        ),
        lambda random: (int(random.integers(10, 1000)),),
        {
            "that is in bits: nats take the natural logarithm, np.log": lambda v: np.log2(v),
            "the sign is turned: a loss is not negative": lambda v: -np.log(v),
            "that is the probability; the loss is minus its logarithm": lambda v: 1 / v,
        },
    ),
    "L00.e3": Exercise(
        embed,
        (
            "A table row for each token, plus a position row for each place.",
            "table_VD[ids_T] picks rows; of the positions take the first T.",
        ),
        random_text,
        {
            "the positions are missing": lambda i, w, p: w[i],
            "positions go by place, not by token: take the first T rows":
                lambda i, w, p: w[i] + p[i % 7],
            "only the positions are there": lambda i, w, p: p[: len(i)],
        },
    ),
}  # fmt: skip

QUIZ = {
    "L00.q1": Question(
        "What does attention do that an MLP does not?",
        ("it moves information between positions", "it makes vectors longer", "it looks up rows"),
        0,
        "An MLP treats each position on its own.",
    ),
    "L00.q2": Question(
        "A model of 4 blocks has how many stations of the stream?",
        ("4", "8", "9"),
        2,
        "One after the embedding, and two in each block.",
    ),
    "L00.q3": Question(
        "A loss of ln V nats means that the model",
        ("is perfect", "knows nothing"),
        1,
        "That is the loss of finding all V tokens alike.",
    ),
}
