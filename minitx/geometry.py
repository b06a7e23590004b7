"""The geometry of updates and of the last state: arrays in, numbers out.

An update u is what a layer does to a state x: the state after the layer minus the state before it.
The cosine between x and x + u is fixed by two numbers: the step r = |u| / |x|, and cos(x, u). So
there are two baselines for it, both with u at right angles to x: 1/growth, for the growth that was
observed, and 1/sqrt(1 + r^2), for the step that was observed. An update along the state adds to the
growth and so lowers the first baseline; only the second is free of it.

Position 0 is left out everywhere, as in `measure.py`.
"""

import itertools
from collections.abc import Callable

import numpy as np

from minitx.measure import cosines, kl, norms, plain

TOP = 3  # principal components that are removed: a few directions that all tokens of a model share
DISTANCES = (0.1, 0.2, 0.5, 1.0)  # by which the last state is moved, in units of its own length
ROUNDING = 1e-6  # of a length: smaller parts of a float32 array are rounding errors
MOVES = ("longer", "towards", "random")


def step_null(step):
    """Return the cosine between x and x + u if u is orthogonal to x and |u| = step |x|.

    >>> float(step_null(0.75))
    0.8
    """
    return 1 / np.sqrt(1 + np.square(step))


def later_states(states_LBTD):
    """Return the states of all tokens except those at position 0, states_LZD, as float64."""
    x_LBTD = np.asarray(states_LBTD, np.float64)
    return x_LBTD[:, :, 1:].reshape(len(x_LBTD), -1, x_LBTD.shape[-1])


def top_directions(x_ZD, count: int = TOP):
    """Return the first principal directions of centred states, as orthonormal rows.

    >>> top_directions([[0.0, 2.0], [0.0, -2.0], [1.0, 0.0], [-1.0, 0.0]], 1).round(9).tolist()
    [[0.0, 1.0]]
    """
    x_ZD = np.asarray(x_ZD, np.float64)
    tokens, width = x_ZD.shape
    # The right singular vectors of x^T x are those of x, and it is smaller if tokens are many.
    square = x_ZD.T @ x_ZD if tokens > width else x_ZD
    top_XD = np.linalg.svd(square, full_matrices=False)[2][:count]
    return top_XD * np.where(top_XD.sum(axis=-1, keepdims=True) < 0, -1, 1)


def without_directions(x_ZD, top_XD):
    """Return the states without their parts along orthonormal rows.

    A remainder that is only a rounding error is set to zero.
    """
    rest_ZD = x_ZD - (x_ZD @ top_XD.T) @ top_XD
    is_noise_Z = norms(rest_ZD) <= ROUNDING * norms(x_ZD)
    return np.where(is_noise_Z[:, None], 0, rest_ZD)


def updates(states_LBTD) -> dict[str, list]:
    """Return how updates stand to the states that they change, as lists over L: medians.

    `step` is |u| / |x|, `step_null_cos` the cosine between x and x + u that it would leave at right
    angles. `cos_update` is cos(x, u); `cos_update_centred` the same after the mean over tokens was
    taken from both; `cos_update_rest` after the first `TOP` principal components of the centred x
    were taken from both too. All are None for the embedding. Steps leave out states of zero.
    """
    x_LZD = later_states(states_LBTD)
    columns: dict[str, list] = {
        "step": [None],
        "step_null_cos": [None],
        "cos_update": [None],
        "cos_update_centred": [None],
        "cos_update_rest": [None],
    }
    for x_ZD, after_ZD in itertools.pairwise(x_LZD):
        for name, value in _update(x_ZD, after_ZD - x_ZD).items():
            columns[name] += plain([value])
    return columns


def _update(x_ZD, u_ZD) -> dict[str, float]:
    """Return what `updates` measures of one layer."""
    centred_x_ZD = x_ZD - x_ZD.mean(axis=0)
    centred_u_ZD = u_ZD - u_ZD.mean(axis=0)
    top_XD = top_directions(centred_x_ZD)
    rest_x_ZD = without_directions(centred_x_ZD, top_XD)
    rest_u_ZD = without_directions(centred_u_ZD, top_XD)
    length_Z = norms(x_ZD)
    step_Z = norms(u_ZD)[length_Z > 0] / length_Z[length_Z > 0]
    step = np.median(step_Z) if len(step_Z) else np.nan
    return {
        "step": step,
        "step_null_cos": step_null(step),
        "cos_update": np.median(cosines(x_ZD, u_ZD)),
        "cos_update_centred": np.median(cosines(centred_x_ZD, centred_u_ZD)),
        "cos_update_rest": np.median(cosines(rest_x_ZD, rest_u_ZD)),
    }


def accounts(states_LBTD) -> dict[str, float | None]:
    """Return what adds up to the squared length of the last state, as shares of it.

    Each layer gives |x + u|^2 = |x|^2 + |u|^2 + 2 x.u, so |x_L|^2 is |x_0|^2, and all |u|^2, and
    all cross terms 2 x.u. The cross terms of updates at right angles to the state are zero. Each
    sum is over all tokens. The shares are None if the last state is zero.
    """
    x_LZD = later_states(states_LBTD)
    u_LZD = np.diff(x_LZD, axis=0)
    whole = np.sum(x_LZD[-1] ** 2)
    parts = {
        "share_embedding": np.sum(x_LZD[0] ** 2),
        "share_updates": np.sum(u_LZD**2),
        "share_cross": 2 * np.sum(x_LZD[:-1] * u_LZD),
    }
    return {name: float(part / whole) if whole > 0 else None for name, part in parts.items()}


def ranks(a_Z):
    """Return the rank of each number, from 1; equal numbers share the mean of their ranks.

    >>> ranks([5, 2, 5, 9]).tolist()
    [2.5, 1.0, 2.5, 4.0]
    """
    _, place_Z, count = np.unique(a_Z, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place_Z]


def pearson(a_Z, b_Z) -> float | None:
    """Return the correlation coefficient; None if one of them is constant up to rounding.

    >>> pearson([1, 2, 3], [5, 5, 2]), pearson([1, 2, 3], [4, 4, 4])
    (-0.8660254037844387, None)
    """
    a_Z, b_Z = np.asarray(a_Z, np.float64), np.asarray(b_Z, np.float64)
    for numbers_Z in (a_Z, b_Z):
        if np.ptp(numbers_Z) <= ROUNDING * np.abs(numbers_Z).max():
            return None
    return float(cosines(a_Z - a_Z.mean(), b_Z - b_Z.mean()))


def spearman(a_Z, b_Z) -> float | None:
    """Return the rank correlation; None if one of them is constant.

    >>> round(spearman([1, 2, 5], [10, 20, 30]), 9), spearman([1, 2], [4, 4])
    (1.0, None)
    """
    return pearson(ranks(a_Z), ranks(b_Z))


def length_and_entropy(x_ZD, entropy_Z) -> dict[str, float | None]:
    """Return how the length of a token's last state goes with the entropy of its prediction.

    Above 0: the longer the state, the less sure the prediction. None if all lengths are equal.
    """
    length_Z = norms(x_ZD)
    linear = pearson(length_Z, entropy_Z)
    by_rank = None if linear is None else spearman(length_Z, entropy_Z)
    return {"pearson": linear, "spearman": by_rank}


def derangement(count: int) -> np.ndarray:
    """Return an order, always the same, in which every place has changed."""
    cycle = np.random.default_rng(0).permutation(count)
    order = np.empty(count, int)
    order[cycle] = np.roll(cycle, 1)
    return order


def turned(x_ZD, towards_ZD, distance):
    """Return states as long as before, each moved by distance |x| in the plane of x and `towards`.

    `distance` is a number, or an array (Z, 1). A turn by the angle a moves a state by 2 sin(a/2) of
    its length. A state stays as it is where
    `towards` is parallel to it, because the two do not span a plane.
    """
    x_ZD, towards_ZD = np.asarray(x_ZD, np.float64), np.asarray(towards_ZD, np.float64)
    angle = 2 * np.arcsin(distance / 2)
    length_Z = norms(x_ZD)
    along_ZD = x_ZD / np.where(length_Z > 0, length_Z, np.inf)[:, None]
    aside_ZD = towards_ZD - np.sum(towards_ZD * along_ZD, axis=-1, keepdims=True) * along_ZD
    aside_Z = norms(aside_ZD)
    spans_Z = aside_Z > ROUNDING * norms(towards_ZD)
    aside_ZD = aside_ZD * (length_Z / np.where(spans_Z, aside_Z, np.inf))[:, None]
    moved_ZD = np.cos(angle) * x_ZD + np.sin(angle) * aside_ZD
    return np.where(spans_Z[:, None], moved_ZD, x_ZD)


def displaced(x_ZD, distance: float) -> dict[str, np.ndarray]:
    """Return the states moved by distance |x| in each of the three ways of `MOVES`.

    `longer` keeps the direction. The other two keep the length: `towards` turns a state towards the
    state of another token, `random` in a random direction. Both choices are always the same.
    """
    x_ZD = np.asarray(x_ZD, np.float64)
    random_ZD = np.random.default_rng(0).standard_normal(x_ZD.shape)
    return {
        "longer": (1 + distance) * x_ZD,
        "towards": turned(x_ZD, x_ZD[derangement(len(x_ZD))], distance),
        "random": turned(x_ZD, random_ZD, distance),
    }


def dose_response(x_ZD, read: Callable, at_once: int) -> dict[str, list]:
    """Return how far predictions move (mean KL, nats) when states move, as lists over `DISTANCES`.

    `read` makes logits_ZV of states; it is given at most `at_once` tokens.
    """
    x_ZD = np.asarray(x_ZD, np.float64)
    moved = [displaced(x_ZD, distance) for distance in DISTANCES]
    totals = {move: np.zeros(len(DISTANCES)) for move in MOVES}
    for start in range(0, len(x_ZD), at_once):
        piece = slice(start, start + at_once)
        before_ZV = read(x_ZD[piece])
        for number, states in enumerate(moved):
            for move in MOVES:
                totals[move][number] += kl(before_ZV, read(states[move][piece])).sum()
    means = {move: plain(total / len(x_ZD)) for move, total in totals.items()}
    return {"distance": list(DISTANCES), **means}
