"""How much of some vectors can be predicted from others, on text that the prediction has not seen?

All vectors are centred: their mean over the text to learn from was taken from them. Then predicting
the mean, the best constant, is predicting zero, and it explains nothing. Letters of this module: O
counts the channels of y, A what is predicted.
"""

from typing import NamedTuple

import numpy as np

from minitx.geometry import ROUNDING

POWERS = range(
    -8, 3
)  # of ten: penalties to choose from, in units of the mean variance of a channel
NEAREST = 10  # neighbours; one would be noisy, and many would not be near


class Principal(NamedTuple):
    """The principal axes of vectors, and how much of their squared length lies along each."""

    square_D: np.ndarray
    axes_DD: np.ndarray
    """An axis in each column."""


def explained(y_ZD, predicted_ZD) -> float:
    """Return the share of the squared length of y that a prediction explains; below 0 if it harms.

    >>> explained([[3.0, 4.0]], [[3.0, 0.0]])
    0.36
    """
    y_ZD = np.asarray(y_ZD, np.float64)
    return float(1 - np.sum((y_ZD - predicted_ZD) ** 2) / np.sum(y_ZD**2))


def principal(x_ZD) -> Principal:
    """Return the principal axes of vectors."""
    square_D, axes_DD = np.linalg.eigh(x_ZD.T @ x_ZD)
    return Principal(np.maximum(square_D, 0), axes_DD)


def ridge(x_ZD, y_ZO, axes: Principal | None = None):
    """Return the linear map_DO from x to y, fitted by ridge regression.

    The penalty is the one with the best generalized cross-validation (Golub 1979), so that nothing
    needs to be tuned. `axes` are those of x, if they are known already.
    """
    square_D, axes_DD = axes or principal(x_ZD)
    along_DO = axes_DD.T @ (x_ZD.T @ y_ZO)
    along_D = np.sum(along_DO**2, axis=1)
    whole = np.sum(y_ZO**2)
    best_score, best_shrunk_D = np.inf, None
    for power in POWERS:
        shrunk_D = 1 / (square_D + 10.0**power * square_D.mean())
        error = whole - 2 * along_D @ shrunk_D + (square_D * along_D) @ shrunk_D**2
        freedom = square_D @ shrunk_D  # how many parameters the penalty leaves
        score = error / (len(x_ZD) - freedom) ** 2
        if score < best_score:
            best_score, best_shrunk_D = score, shrunk_D
    return axes_DD @ (best_shrunk_D[:, None] * along_DO)


def rank_one(map_DO, axes: Principal):
    """Return the map of rank one whose predictions are nearest to those of a map.

    `axes` are those of the vectors that the map was fitted to.
    """
    length_DO = np.sqrt(axes.square_D)[:, None] * (axes.axes_DD.T @ map_DO)
    first_O = np.linalg.eigh(length_DO.T @ length_DO)[1][:, -1]
    return np.outer(map_DO @ first_O, first_O)


def factors(x_ZD, y_ZD):
    """Return the best factor for each channel, factor_D, that makes y of x: a diagonal map.

    It is 0 where x is zero up to rounding, as it is along axes that no token of the text reaches.
    """
    square_D = np.sum(x_ZD**2, axis=0)
    is_there_D = square_D > ROUNDING**2 * square_D.max()
    return np.sum(x_ZD * y_ZD, axis=0) / np.where(is_there_D, square_D, np.inf)


def factor(x_ZD, y_ZD) -> float:
    """Return the best single factor that makes y of x."""
    square = np.sum(x_ZD**2)
    return float(np.sum(x_ZD * y_ZD) / square) if square > 0 else 0.0


def of_neighbours(x_ZD, y_ZD, at_AD, count: int = NEAREST):
    """Return for each place in A the mean y of the x that lie nearest to it."""
    squared_AZ = np.sum(x_ZD**2, axis=1) - 2 * at_AD @ x_ZD.T  # without |at|^2: the same order
    count = min(count, len(x_ZD))
    nearest_AZ = np.argpartition(squared_AZ, count - 1, axis=1)[:, :count]
    return y_ZD[nearest_AZ].mean(axis=1)


def of_tokens(token_Z, y_ZD, token_A):
    """Return for each token in A its mean y, as if it had been seen once more with a y of zero.

    So a token that was never seen gets zero, and one that was seen once only half its y.

    >>> of_tokens(np.array([7, 7]), np.array([[3.0], [6.0]]), np.array([7, 8])).tolist()
    [[3.0], [0.0]]
    """
    known, place_Z = np.unique(token_Z, return_inverse=True)
    sum_VD = np.zeros((len(known), y_ZD.shape[1]))
    np.add.at(sum_VD, place_Z, y_ZD)
    mean_VD = sum_VD / (np.bincount(place_Z) + 1)[:, None]
    slot_A = np.searchsorted(known, token_A).clip(max=len(known) - 1)
    return np.where((known[slot_A] == token_A)[:, None], mean_VD[slot_A], 0)


def rotation(width: int, rng: np.random.Generator):
    """Return a random rotation of all axes, as an orthogonal matrix (D, D)."""
    q_DD, r_DD = np.linalg.qr(rng.standard_normal((width, width)))
    return q_DD * np.sign(np.diag(r_DD))  # else QR favours some rotations (Mezzadri 2007)
