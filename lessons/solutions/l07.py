"""Solutions, hints, typical mistakes and the quiz of L07."""

import numpy as np

from minitx.classroom import Exercise, Question


def stream(x_D, blocks):
    """The states: x first, then the state after each block."""
    states = [x_D]
    for block in blocks:
        states.append(states[-1] + block(states[-1]))
    return states


def without_adding(x_D, blocks):
    states = [x_D]
    for block in blocks:
        states.append(block(states[-1]))
    return states


def always_from_the_start(x_D, blocks):
    return [x_D, *(x_D + block(x_D) for block in blocks)]


def without_the_start(x_D, blocks):
    return stream(x_D, blocks)[1:]


def judge_stream(answer, x_D, blocks):
    try:
        states = [np.asarray(state, float) for state in answer]
    except (TypeError, ValueError):
        return "it should return a list of states"
    messages = {
        without_the_start: "one state is missing: the list begins with x_D itself",
        without_adding: "a block returns an update: what does the residual connection do with it?",
        always_from_the_start: "which state does the second block read?",
    }
    if same(states, stream(x_D, blocks)):
        return None
    for mistake, message in messages.items():
        if same(states, mistake(x_D, blocks)):
            return message
    return "these are not the states: each block reads the newest one"


def same(states, others):
    if len(states) != len(others):
        return False
    return all(
        a.shape == b.shape and np.allclose(a, b) for a, b in zip(states, others, strict=True)
    )


def update_length(n):
    """The length of each of n updates at right angles that take length 1 to length 2."""
    return np.sqrt(3 / n)


def shrinking_updates(x_D):
    """The first update turns the state around, and the others stand against each other."""
    other_D = np.roll(x_D, 1)
    return np.stack([-x_D, other_D, -other_D])


def judge_updates(answer, x_D):
    try:
        updates = np.asarray(answer, float)
    except (TypeError, ValueError):
        return "it should return three updates, an array of shape (3, D)"
    if updates.shape != (3, len(x_D)):
        return f"it should return an array of shape {(3, len(x_D))}; yours has {updates.shape}"
    if not np.allclose(np.linalg.norm(updates, axis=1), np.linalg.norm(x_D)):
        return "each update should be exactly as long as x_D"
    if np.linalg.norm(x_D + updates.sum(axis=0)) >= np.linalg.norm(x_D):
        return "the state is not shorter at the end: at which angle does an update shorten it?"
    return None


def random_blocks(random):
    rows = random.standard_normal((3, 5, 5))
    return random.standard_normal(5), [lambda x, row=row: row @ x for row in rows]


EXERCISES = {
    "L07.e1": Exercise(
        stream,
        (
            "A block returns the update, not the new state.",
            "In a loop: take the newest state, add the block's update to it, append the sum.",
        ),
        random_blocks,
        {
            "what does the residual connection do with it?": without_adding,
            "which state does the second block read?": always_from_the_start,
            "one state is missing": without_the_start,
        },
        judge_stream,
    ),
    "L07.e2": Exercise(
        update_length,
        (
            "Length 2 means a square of 4, and the state brings 1 of it.",
            "The n updates share the other 3: each has the square 3/n.",
        ),
        lambda random: (int(random.integers(2, 40)),),
        {
            "lengths do not add up at right angles: what does?": lambda n: 1 / n,
            "the state brings a part of the length itself": lambda n: np.sqrt(4 / n),
            "this is the square of the length": lambda n: 3 / n,
        },
        conclusion="Squares are shared, not lengths: it falls with 1/sqrt(N).",
    ),
    "L07.e3": Exercise(
        shrinking_updates,
        (
            "Which update of length |x| takes x to zero?",
            "Let the first take x to zero, and the other two cancel each other.",
        ),
        lambda random: (random.standard_normal(6),),
        {
            "the state is not shorter": lambda x: np.stack([x, x, x]),
            "exactly as long as x_D": lambda x: np.stack([-x / 3, -x / 3, -x / 3]),
        },
        judge_updates,
    ),
}  # fmt: skip

QUIZ = {
    "L07.q1": Question(
        "A state of length 1 gets 24 updates of length 1, each at a right angle to the state. How "
        "long is it then?",
        ("about 5", "about 13", "about 25"),
        0,
        "Squares add up at right angles: 1 + 24 is 25, and its root is 5.",
    ),
    "L07.q2": Question(
        "Two models have last states of the same length. The second model's embedding is only a "
        "tenth as long. Measured in lengths of its own embedding, its last state is",
        ("longer", "as long", "shorter"),
        0,
        "The same length is divided by a shorter one, so the second model seems to grow more.",
    ),
    "L07.q3": Question(
        "From lesson 5: you make the last state twice as long, just before the final LayerNorm. "
        "The model becomes",
        ("surer", "less sure", "neither"),
        2,
        "The LayerNorm divides the length away.",
    ),
}
