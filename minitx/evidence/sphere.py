"""Is a token a direction with a size, rather than a point?"""

import functools

import numpy as np

from minitx import geometry, measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.meaning import unit
from minitx.evidence.reading import Reading
from minitx.evidence.readout import RANKED, scores
from minitx.evidence.size import read_state

PIECE = 8192  # rows of a large vocabulary that are turned at once
POINTS = 1000  # on each sphere
SMALLEST = -308  # log10 of the smallest number that float64 holds in full precision


def some_states(reading: Reading, window: int) -> np.ndarray:
    """Return what the unembedding reads at about `RANKED` positions of a window: x_TD."""
    x_TD = read_state(reading, window)
    return x_TD[:: max(1, len(x_TD) // RANKED)]


def moved_rows(rows_VD) -> dict[str, np.ndarray]:
    """Return the rows moved in three ways, each row equally far in all of them, as float32.

    `one_length` gives all rows their mean length. The other two keep lengths: `random` turns rows
    in random directions, `towards` turns each towards another row.
    """
    length_V1 = measure.norms(rows_VD)[:, None]
    mean = length_V1.mean()
    # A turn moves a row by twice its length at most.
    distance_V1 = np.minimum(np.abs(length_V1 - mean) / np.maximum(length_V1, 1e-30), 2)
    other_V = geometry.derangement(len(rows_VD))
    rng = np.random.default_rng(0)
    moved: dict[str, list] = {"one_length": [], "random": [], "towards": []}
    for start in range(0, len(rows_VD), PIECE):
        piece = slice(start, start + PIECE)
        row_VD, far_V1 = rows_VD[piece], distance_V1[piece]
        noise_VD = rng.standard_normal(row_VD.shape)
        moved["one_length"].append(mean * unit(row_VD))
        moved["random"].append(geometry.turned(row_VD, noise_VD, far_V1))
        moved["towards"].append(geometry.turned(row_VD, rows_VD[other_V[piece]], far_V1))
    return {name: np.concatenate(pieces).astype(np.float32) for name, pieces in moved.items()}


@functools.lru_cache(maxsize=1)
def _moved_rows(reading: Reading) -> dict[str, np.ndarray]:
    """Return the unembedding's rows moved; a window needs them, and they are the same for all."""
    return moved_rows(reading.unembedding_VD)


def b1(one_length, towards, random, share_moved):
    """If rows are points, the only thing that counts is how far a row moves. If rows are directions
    with a size, it also counts in which way a row moves. So every row is moved equally far in three
    ways. All rows get one length, or they turn towards another row, or they turn in a random
    direction. Size counts if one length moves predictions at least twice as much as a random turn.
    Direction counts if turning towards another row does so. With less than twice, distance alone
    explains most of the move. Supported if size counts and direction counts. Refuted if neither
    counts."""
    size_counts, direction_counts = one_length >= 2 * random, towards >= 2 * random
    return three_way(
        supported=size_counts and direction_counts,
        refuted=not size_counts and not direction_counts,
    )


@evidence(
    "B1",
    rule=b1,
    baseline="a random turn that moves each row equally far",
    sentence="Giving all rows of the unembedding one length moves them by {share_moved:.0%} of "
    "their length and predictions by {one_length:.4f} nats. Turns that move each row equally far "
    "change predictions by {towards:.4f} nats towards another row, and by {random:.4f} in a random "
    "direction.",
)
def measure_b1(reading: Reading, window: int) -> dict[str, float]:
    rows_VD = reading.unembedding_VD
    length_V = measure.norms(rows_VD)
    if np.ptp(length_V) <= geometry.ROUNDING * length_V.max():
        raise Untestable("all rows of its unembedding have one length")
    x_TD = some_states(reading, window)
    logits_TV = x_TD @ rows_VD.T
    effects = {
        name: float(measure.kl(logits_TV, x_TD.astype(np.float32) @ moved_VD.T).mean())
        for name, moved_VD in _moved_rows(reading).items()
    }
    away = np.abs(length_V - length_V.mean()).mean() / length_V.mean()
    return {**effects, "share_moved": float(away)}


def b25(points, directions, equal_chances):
    """Three pictures are compared by how much of the model's prediction they lose. A direction and
    a size together lose nothing, by algebra: length times length times cosine is the logit (claim
    B21). What can fail is that this picture is better than points. If distances lose less than 0.01
    nats, points serve as well. The article wants to think of directions first, so directions alone
    should lose less than distances. Supported if distances lose at least 0.01 nats, and directions
    alone lose less than distances. Refuted if distances lose less than 0.01 nats. Qualified if
    distances lose at least 0.01 nats, but directions alone lose as much or more: then the size
    makes the picture better."""
    return three_way(supported=directions < points, refuted=points < 0.01)


@evidence(
    "B25",
    rule=b25,
    baseline="points that serve as well: nothing lost; and equal chances, which know nothing",
    sentence="Scores made of distances lose {points:.3f} nats of the model's prediction, and "
    "scores made of directions alone {directions:.3f}. (Both are first multiplied by the number "
    "that fits best.) Directions and sizes together lose nothing, and equal chances for all tokens "
    "lose {equal_chances:.3f}.",
)
def measure_b25(reading: Reading, window: int) -> dict[str, float]:
    rows_VD = reading.unembedding_VD
    by = scores(some_states(reading, window), rows_VD)
    mean_length = measure.norms(rows_VD).mean()
    return {
        "points": lost(by["dot"], by["nearest"]),
        "directions": lost(by["dot"], mean_length * by["cosine"]),
        "equal_chances": float(measure.kl(by["dot"], np.zeros_like(by["dot"])).mean()),
    }


def lost(logits_TV, scores_TV) -> float:
    """Return the KL from predictions to those made of scores, at their best temperature."""
    temperature = measure.fitted_temperature(scores_TV, measure.softmax(logits_TV))
    return float(measure.kl(logits_TV, scores_TV / temperature).mean())


def to_polar(x_ZD) -> tuple[np.ndarray, np.ndarray]:
    """Return the radius and the D - 1 polar angles of points, in the precision of the points.

    >>> to_polar(np.array([[0.0, 0.0, 2.0]]))[1].round(3).tolist()
    [[1.571, 1.571]]
    """
    tail_ZD = tails(x_ZD)
    angle_ZA = np.arctan2(tail_ZD[:, 1:], x_ZD[:, :-1])
    angle_ZA[:, -1] = np.arctan2(x_ZD[:, -1], x_ZD[:, -2])  # the last one goes all the way round
    return tail_ZD[:, 0], angle_ZA


def from_polar(radius_Z, angle_ZA) -> np.ndarray:
    """Return the points: r cos a0, r sin a0 cos a1, and so on; the last one has all the sines."""
    one_Z1 = np.ones_like(radius_Z)[:, None]
    sines_ZD = np.cumprod(np.concatenate([one_Z1, np.sin(angle_ZA)], axis=1), axis=1)
    cosines_ZD = np.concatenate([np.cos(angle_ZA), one_Z1], axis=1)
    return radius_Z[:, None] * sines_ZD * cosines_ZD


def tails(x_ZD) -> np.ndarray:
    """Return for each coordinate the length of it and all later ones together.

    On the unit sphere it is how far a small step in that angle moves the point.
    """
    return np.sqrt(np.cumsum(x_ZD[:, ::-1] ** 2, axis=1)[:, ::-1])


def c10(error_64, error_576, error_by_dividing, steps_apart, volume_64, volume_576):
    """Two angles give a place on a globe, and D - 1 angles a point on a sphere in D dimensions.
    Every such set of angles has a pole, where some of them mean nothing. That is algebra. Hard in
    practice means three troubles in 576 dimensions, the width of SmolLM2. The first trouble is lost
    precision: converting to angles and back moves a point more than 10 times as far as dividing by
    the norm does, which is one decimal digit. The second trouble is that one step size does not
    suit all angles: a step in one angle moves the point more than 10 times as far as in another.
    The third trouble is about the volume element: the volume of a small box of angles on the
    sphere, divided by the product of the sides of the box. Every integral over the sphere needs it.
    It is too small for float64 if it is below 10 to the power of -308. Supported if all three
    troubles are there. Refuted if none of the three troubles is there."""
    troubles = (
        error_576 > 10 * error_by_dividing, steps_apart > 10, volume_576 < SMALLEST
    )  # fmt: skip
    return three_way(supported=all(troubles), refuted=not any(troubles))


@evidence(
    "C10",
    rule=c10,
    baseline="keeping all coordinates and dividing by the norm",
    sentence="Angles can give a point on a sphere, as latitude and longitude do on a globe. If a "
    "point of a sphere of radius 1 is converted to angles and back in float32, it moves by up to "
    "{error_64:.1e} in 64 dimensions and {error_576:.1e} in 576. Dividing by the norm moves it by "
    "{error_by_dividing:.1e}. In 576 dimensions, a small step in one angle moves the point "
    "{steps_apart:.0f} times as far as the same step in another (median). On the sphere, a small "
    "box of angles has a volume of 10 to the power of {volume_576:.0f} times the product of its "
    "sides ({volume_64:.0f} in 64 dimensions; float64 ends at -308).",
    of="mathematics",
)
def measure_c10() -> dict[str, float]:
    small, large = (polar_troubles(D) for D in (64, 576))
    return {
        "error_64": small["error"],
        "error_576": large["error"],
        "error_by_dividing": large["error_by_dividing"],
        "steps_apart": large["steps_apart"],
        "volume_64": small["volume"],
        "volume_576": large["volume"],
    }


def polar_troubles(width: int) -> dict[str, float]:
    """Return what polar angles do to random points of the unit sphere, in float32.

    `volume` is the median log10 of the volume element.
    """
    rng = np.random.default_rng(0)
    x_ZD = unit(rng.standard_normal((POINTS, width))).astype(np.float32)
    back_ZD = from_polar(*to_polar(x_ZD))
    longer_ZD = x_ZD * rng.uniform(1, 10, (POINTS, 1)).astype(np.float32)
    divided_ZD = longer_ZD / np.linalg.norm(longer_ZD, axis=1, keepdims=True)
    step_ZA = tails(x_ZD.astype(np.float64))[:, :-1]
    return {
        "error": float(measure.norms(back_ZD - x_ZD).max()),
        "error_by_dividing": float(measure.norms(divided_ZD - x_ZD).max()),
        "steps_apart": float(np.median(step_ZA.max(axis=1) / step_ZA.min(axis=1))),
        "volume": float(np.median(np.log10(step_ZA).sum(axis=1))),
    }
