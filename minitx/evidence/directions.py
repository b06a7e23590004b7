"""Do layers keep the direction of the state, and what follows from it?"""

import itertools

import numpy as np

from minitx import geometry, measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading


def turned_at_random(x_TD, cosine_T, rng: np.random.Generator) -> np.ndarray:
    """Return states turned in random directions until they have these cosines with x_TD."""
    distance_T1 = np.sqrt(2 - 2 * np.clip(cosine_T, -1, 1))[:, None]
    return geometry.turned(x_TD, rng.standard_normal(x_TD.shape), distance_T1)


def a9(
    cosine, right_angle_growth, right_angle_step, with_embedding, update_cosine, update_centred
):  # fmt: skip
    """The mean cosine says how far a block keeps the direction of the state. It leaves out block 1
    if there are others, because the length of the embedding decides how far block 1 turns it.
    Updates at right angles to the state would also give a high cosine if they are small. So the
    mean cosine must beat two baselines of such updates: one for the measured growth, and one for
    the measured steps. It must beat them by more than 0.02, because two windows of text differ by
    about 0.02. The claim also says that the state stays near its embedding. Near means a cosine
    above 0.5, which is halfway between a right angle (0) and the same direction (1). The cosine of
    an update with its state is shown but does not decide, because it is the reason why a mean
    cosine beats the baselines. Supported if the mean cosine from layer to layer is above 0.9, it is
    more than 0.02 above both baselines, and the last state's cosine with the embedding is above
    0.5. Refuted if the mean cosine from layer to layer is 0.9 or less."""
    beats = cosine - max(right_angle_growth, right_angle_step) > 0.02
    return three_way(supported=beats and with_embedding > 0.5, refuted=cosine <= 0.9)


@evidence(
    "A9",
    rule=a9,
    baseline="updates at right angles to the state: 1/growth if the growth is given, and "
    "1/sqrt(1 + r^2) if the size r of the step is given",
    sentence="From layer to layer the cosine is {cosine:.3f} on average. Updates at right angles "
    "would give {right_angle_growth:.3f} at this growth and {right_angle_step:.3f} at these steps. "
    "The cosine of an update with its state is {update_cosine:.3f}. It is {update_centred:.3f} "
    "without what all states share. The last state's cosine with the embedding is "
    "{with_embedding:.3f}.",
)
def measure_a9(reading: Reading, window: int) -> dict[str, float]:
    if not reading.config.depth:
        raise Untestable("it has no blocks")
    states_LTD = reading.states_LTD(window)
    first = 1 if reading.config.depth > 1 else 0  # block 1 turns as far as the embedding is small
    before_NTD, after_NTD = states_LTD[first:-1], states_LTD[first + 1 :]
    update_NTD = after_NTD - before_NTD
    before_NT = np.maximum(measure.norms(before_NTD), 1e-30)
    growth_NT = measure.norms(after_NTD) / before_NT
    step_NT = measure.norms(update_NTD) / before_NT
    centred = (x_NTD - x_NTD.mean(axis=1, keepdims=True) for x_NTD in (before_NTD, update_NTD))

    def mean_of_medians(values_NT) -> float:
        return float(np.median(values_NT, axis=1).mean())

    return {
        "cosine": mean_of_medians(measure.cosines(after_NTD, before_NTD)),
        "right_angle_growth": mean_of_medians(measure.orthogonal_null(growth_NT)),
        "right_angle_step": mean_of_medians(geometry.step_null(step_NT)),
        "with_embedding": float(np.median(measure.cosines(states_LTD[-1], states_LTD[0]))),
        "update_cosine": mean_of_medians(measure.cosines(before_NTD, update_NTD)),
        "update_centred": mean_of_medians(measure.cosines(*centred)),
    }


def a14(flips, flips_at_random):
    """The rule looks at layers that keep the direction of a state, which means a cosine above 0.9.
    If the claim is true, such layers hardly ever change the most likely token. Hardly ever means at
    most 2 % of the positions. One position in twenty (5 %) is more than that. Turns by the same
    angles in random directions are shown for comparison and do not decide. Supported if layers that
    keep the direction change the most likely token of at most 2 % of the positions. Refuted if they
    change the most likely token of at least 5 % of the positions."""
    return three_way(supported=flips <= 0.02, refuted=flips >= 0.05)


@evidence(
    "A14",
    rule=a14,
    baseline="a turn by the same angle in a random direction",
    sentence="Layers that keep the direction (cosine above 0.9) change the most likely token of "
    "{flips:.1%} of the positions; turns by the same angles in random directions would change "
    "{flips_at_random:.1%}.",
)
def measure_a14(reading: Reading, window: int) -> dict[str, float]:
    states_LTD = reading.states_LTD(window)
    top_LT = [reading.top_tokens(x_TD) for x_TD in states_LTD]
    rng = reading.random(window)
    flips, flips_at_random = [], []
    for layer, (before_TD, after_TD) in enumerate(itertools.pairwise(states_LTD)):
        cosine_T = measure.cosines(after_TD, before_TD)
        kept_T = cosine_T > 0.9
        if not kept_T.any():
            continue
        top_T = top_LT[layer]
        turned_TD = turned_at_random(before_TD, cosine_T, rng)
        flips.append((top_LT[layer + 1] != top_T)[kept_T].mean())
        flips_at_random.append((reading.top_tokens(turned_TD) != top_T)[kept_T].mean())
    if not flips:
        raise Untestable("no layer keeps the direction (cosine above 0.9)")
    return {"flips": float(np.mean(flips)), "flips_at_random": float(np.mean(flips_at_random))}
