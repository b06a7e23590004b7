"""Does the state get longer from layer to layer, and why?"""

import numpy as np

from minitx import geometry, measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading


def median_norms(reading: Reading, window: int) -> np.ndarray:
    """Return the median norm by layer, norm_L."""
    if not reading.config.depth:
        raise Untestable("it has no blocks")
    return np.median(measure.norms(reading.states_LTD(window)), axis=1)


def step_sizes(reading: Reading, window: int) -> np.ndarray:
    """Return the median norm of the change that each block makes, step_N."""
    return np.median(measure.norms(np.diff(reading.states_LTD(window), axis=0)), axis=1)


def straightness(x, y) -> float:
    """Return the share of the variance of y that a straight line over x explains."""
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def a8(share_that_grow, growth):
    """The claim says every layer, so no block may be an exception. A block makes the state longer
    if the median norm is larger after the block than before it. If half of the blocks or fewer do
    so, growth is not what layers do. Supported if 100 % of the blocks make the state longer.
    Refuted if at most 50 % of the blocks make the state longer, or if the state at the end is no
    longer than the embedding."""
    return three_way(supported=share_that_grow == 1, refuted=growth <= 1 or share_that_grow <= 0.5)


@evidence(
    "A8",
    rule=a8,
    baseline="a state that keeps its length: growth 1",
    sentence="{share_that_grow:.0%} of the blocks make the state longer; at the end it is "
    "{growth:.3g} times as long as the embedding.",
)
def measure_a8(reading: Reading, window: int) -> dict[str, float]:
    norm_L = median_norms(reading, window)
    return {
        "share_that_grow": float(np.mean(norm_L[1:] > norm_L[:-1])),
        "growth": float(norm_L[-1] / norm_L[0]),
    }


def a10(rank_with_layer, share_larger):
    """A step is a block's update, and its size is the update's norm. The blocks are ranked by the
    size of their step, and these ranks are compared with the order of the blocks. A rank
    correlation of 1 means that every step is larger than the step before. A rank correlation above
    0.8 leaves room for few exceptions. At 0 or below, steps do not get larger. Supported if the
    rank correlation of a step's size with its place is above 0.8. Refuted if the rank correlation
    is 0 or less."""
    return three_way(supported=rank_with_layer > 0.8, refuted=rank_with_layer <= 0)


@evidence(
    "A10",
    rule=a10,
    baseline="steps in no order: a rank correlation of 0, and half of them larger than the last",
    sentence="The size of a block's step has a rank correlation of {rank_with_layer:.2f} with the "
    "place of the block. {share_larger:.0%} of the steps are larger than the step before.",
)
def measure_a10(reading: Reading, window: int) -> dict[str, float]:
    if reading.config.depth < 3:
        raise Untestable("with fewer than 3 blocks there is no trend")
    step_N = step_sizes(reading, window)
    return {
        "rank_with_layer": geometry.spearman(np.arange(len(step_N)), step_N) or 0.0,
        "share_larger": float(np.mean(step_N[1:] > step_N[:-1])),
    }


def a11(
    least_cosine, right_angle_growth, right_angle_step, growth_per_layer, exponential, square_root
):  # fmt: skip
    """The claim comes from an article. In its figure of a large model, every cosine after the first
    block is above 0.88, and the norm grows 90 times in 32 layers. This is 1.151 times a layer. The
    rule is satisfied with 1.1 times a layer, which is 21 times in 32 layers. Below 1.05 times a
    layer, the norm would grow less than 5 times in 32 layers. Growth is exponential if a straight
    line fits the log norms better than the squared norms. Steps in proportion to the state give
    exponential growth. Equal steps in new directions put the squared norms on a straight line. At
    1.151 times a layer, updates at right angles would already leave a cosine of 0.869, so a cosine
    of 0.88 by itself says little. Claim A9 asks whether cosines beat such updates. Supported if the
    lowest median cosine after the first block is above 0.88, the norm grows at least 1.1 times a
    layer, and a straight line explains more of the log norms than of the squared norms. Refuted if
    the lowest median cosine is 0.88 or less and the norm grows less than 1.05 times a layer."""
    return three_way(
        supported=least_cosine > 0.88 and growth_per_layer >= 1.1 and exponential > square_root,
        refuted=least_cosine <= 0.88 and growth_per_layer < 1.05,
    )


@evidence(
    "A11",
    rule=a11,
    baseline="updates at right angles to the state, at the block with the lowest cosine; and "
    "growth like a random walk: squared norms on a straight line",
    sentence="After the first block the lowest median cosine is {least_cosine:.3f}. In that block, "
    "updates at right angles would leave {right_angle_growth:.3f} at its growth and "
    "{right_angle_step:.3f} at its step. The norm grows {growth_per_layer:.3f} times a layer. A "
    "straight line explains {exponential:.1%} of the "
    "log norms (exponential growth) and {square_root:.1%} of the squared norms (a random walk).",
)
def measure_a11(reading: Reading, window: int) -> dict[str, float]:
    if reading.config.depth < 4:
        raise Untestable("with fewer than 4 blocks no law of growth can be told from another")
    states_LTD = reading.states_LTD(window)
    after_NTD, before_NTD = states_LTD[2:], states_LTD[1:-1]
    cosine_N = np.median(measure.cosines(after_NTD, before_NTD), axis=1)
    least = int(cosine_N.argmin())
    before_T = np.maximum(measure.norms(before_NTD[least]), 1e-30)
    growth_T = measure.norms(after_NTD[least]) / before_T
    step_T = measure.norms(after_NTD[least] - before_NTD[least]) / before_T
    norm_L = median_norms(reading, window)[1:]
    layer_L = np.arange(len(norm_L))
    return {
        "least_cosine": float(cosine_N[least]),
        "right_angle_growth": float(np.median(measure.orthogonal_null(growth_T))),
        "right_angle_step": float(np.median(geometry.step_null(step_T))),
        "growth_per_layer": float((norm_L[-1] / norm_L[0]) ** (1 / layer_L[-1])),
        "exponential": straightness(layer_L, np.log(norm_L)),
        "square_root": straightness(layer_L, norm_L**2),
    }


def a13(by_adding, by_alignment):
    """The last state is the sum of the embedding and all updates. If every update stood at a right
    angle to the state that it is added to, their squared lengths would add up to the squared length
    of the last state. This is what adding alone gives. The rest of the squared length is there
    because updates point along the state. Adding is the reason for the length if it gives at least
    half. If it gives less than a tenth, alignment is the reason. Supported if adding alone gives at
    least 50 % of the squared length at the end. Refuted if adding alone gives less than 10 %."""
    return three_way(supported=by_adding >= 0.5, refuted=by_adding < 0.1)


@evidence(
    "A13",
    rule=a13,
    baseline="parts at right angles: adding alone gives 100 %",
    sentence="If every update stood at a right angle to the state, the last state would have "
    "{by_adding:.0%} of its squared length. The other {by_alignment:.0%} are there because updates "
    "point along the state.",
)
def measure_a13(reading: Reading, window: int) -> dict[str, float]:
    config = reading.config
    if not config.depth or not config.residual or config.norm_place == "post":
        raise Untestable("its last state is not the sum of the updates")
    stations_RBTD = reading.trace.stream_RBTD[:, window : window + 1]
    shares = geometry.accounts(stations_RBTD)
    by_adding = shares["share_embedding"] + shares["share_updates"]
    return {"by_adding": by_adding, "by_alignment": 1 - by_adding}
