"""Solutions, hints, typical mistakes and the quiz of L14."""

import numpy as np

from minitx.classroom import Exercise, Question


def network_in_order(e_VD, in_DF, out_FD, u_VD, order_D):
    """The same network with its channels in another order."""
    return e_VD[:, order_D], in_DF[order_D], out_FD[:, order_D], u_VD[:, order_D]


def equaliser(x_ZD, u_ZD):
    """The factor of each channel that makes the best u of x."""
    return np.sum(x_ZD * u_ZD, axis=0) / np.sum(x_ZD**2, axis=0)


def true_channels():
    """One channel is kept, the other one turned over; in turned axes, each becomes the other."""
    x_Z2 = np.array([[1.0, 1.0], [1.0, -1.0]])
    return x_Z2, x_Z2 * [1.0, -1.0]


def judge_order(answer, e_VD, in_DF, out_FD, u_VD, order_D):
    given = (e_VD, in_DF, out_FD, u_VD)
    try:
        arrays = [np.asarray(array, float) for array in answer]
    except (TypeError, ValueError):
        arrays = []
    if len(arrays) != 4:
        return "it should return four arrays, as `return e_VD, in_DF, out_FD, u_VD`"
    names = ("e_VD", "in_DF", "out_FD", "u_VD")
    for name, array, old in zip(names, arrays, given, strict=True):
        if array.shape != old.shape:
            return f"{name} should keep its shape, {old.shape}; yours has {array.shape}"
    if not np.allclose(arrays[0], e_VD[:, order_D]):
        return "the state still begins in another order than the one asked for"
    moved = np.abs(logits(*arrays) - logits(*given)).max()
    if moved < 1e-6:
        return None
    right = network_in_order(*given, order_D)
    wrong = [n for n, a, b in zip(names, arrays, right, strict=True) if not np.allclose(a, b)]
    return f"the logits move by {moved:.2g}: look at {wrong[0]}. Does it read or write the state?"


def logits(e_VD, in_DF, out_FD, u_VD):
    """The logits of the network for all tokens."""
    x_VD = e_VD + np.maximum(e_VD @ in_DF, 0) @ out_FD
    return x_VD @ u_VD.T


def judge_channels(answer):
    from minitx.evidence.linear_maps import explained, factors

    try:
        x_Z2, u_Z2 = (np.asarray(array, float) for array in answer)
    except (TypeError, ValueError):
        return "it should return states and updates, as `return x_Z2, u_Z2`"
    if x_Z2.shape != u_Z2.shape or x_Z2.ndim != 2 or x_Z2.shape[1] != 2:
        return f"both should have the shape (Z, 2); yours have {x_Z2.shape} and {u_Z2.shape}"
    if not np.any(u_Z2):
        return "updates of zero need no factors"
    in_channels = explained(u_Z2, x_Z2 * factors(x_Z2, u_Z2))
    turn_22 = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    x_Z2, u_Z2 = x_Z2 @ turn_22, u_Z2 @ turn_22
    in_turned_axes = explained(u_Z2, x_Z2 * factors(x_Z2, u_Z2))
    if in_channels >= 0.99 and in_turned_axes < 0.01:
        return None
    return f"factors explain {in_channels:.2f} of u, and {in_turned_axes:.2f} in turned axes"


def random_network(random):
    shapes = ((7, 4), (4, 6), (6, 4), (5, 4))
    return *map(random.standard_normal, shapes), np.array([2, 0, 3, 1])


def random_updates(random):
    return random.standard_normal((9, 4)), random.standard_normal((9, 4))


EXERCISES = {
    "L14.e1": Exercise(
        network_in_order,
        (
            "Each array has one axis that counts channels. Which one is it?",
            "The letter D names it; a[:, order] orders columns, and a[order] orders rows.",
        ),
        random_network,
        {
            "still begins in another order": lambda e, i, o, u, order: (e, i, o, u),
            "look at in_DF": lambda e, i, o, u, order: (e[:, order], i, o, u[:, order]),
            "look at out_FD":
                lambda e, i, o, u, order: (e[:, order], i[order], o, u[:, order]),
            "look at u_VD": lambda e, i, o, u, order: (e[:, order], i[order], o[:, order], u),
        },
        judge_order,
    ),
    "L14.e2": Exercise(
        equaliser,
        (
            "Each channel is a problem of its own, with one unknown number.",
            "Where the sum of (u - f x)^2 is least, its slope in f is 0: sum of x (u - f x) = 0.",
        ),
        random_updates,
        {
            "a mean of quotients: where x is nearly zero, u / x is huge and says little":
                lambda x, u: (u / x).mean(axis=0),
            "this makes x of u: which of the two is given?":
                lambda x, u: np.sum(x * u, axis=0) / np.sum(u**2, axis=0),
            "one number for all channels: which axis is summed?":
                lambda x, u: np.sum(x * u) / np.sum(x**2),
            "a quotient of sums: positive and negative tokens cancel in it":
                lambda x, u: u.sum(axis=0) / x.sum(axis=0),
        },
        conclusion="If every update were -0.3 times its state, every factor would be -0.3.",
    ),
    "L14.e3": Exercise(
        true_channels,
        (
            "If both factors were equal, the turned axes would do as well.",
            "Take the factors 1 and -1, and states that point in all directions equally.",
        ),
        mistakes={
            "and 1.00 in turned axes":
                lambda: (np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([[2.0, 2], [2, -2]])),
            "and 0.90 in turned axes":
                lambda: (np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([[2.0, 1], [2, -1]])),
            "updates of zero": lambda: (np.eye(2), np.zeros((2, 2))),
        },
        judge=judge_channels,
    ),
}  # fmt: skip

QUIZ = {
    "L14.q1": Question(
        "Somebody plots the state of a model as a spectrum: low channels are loud, high ones are "
        "quiet. What does this say about the model?",
        ("it works from coarse to fine", "nothing", "its later channels are unused"),
        1,
        "Put the channels into another order, with the weights, and the same model has another "
        "spectrum.",
    ),
    "L14.q2": Question(
        "A factor for each channel explains 0.40 of an update. In axes turned at random, factors "
        "explain 0.39. The layer is",
        ("a filter of channels", "not special in its channels", "the same for all tokens"),
        1,
        "Random axes do as well, so the channels add 0.01.",
    ),
    "L14.q3": Question(
        "From lesson 9: a model has LayerNorms. The state before the last of them becomes three "
        "times as long. The probabilities",
        ("do not change", "become surer", "become flatter"),
        0,
        "A LayerNorm divides the length away.",
    ),
}
