"""What does the size of the last state, or of the logits, decide?"""

import numpy as np

from minitx import geometry, measure
from minitx.evidence.evidence import evidence, three_way
from minitx.evidence.reading import Reading

COLD = 1 / 20  # a temperature, as a share of the lead of the best token: others get exp(-20)
HOT = 1000  # a temperature, as a multiple of the range of the logits
MOVE = 0.5  # a displacement, as a share of the state's norm


def read_state(reading: Reading, window: int) -> np.ndarray:
    """Return what the unembedding reads, without position 0: x_TD."""
    return np.asarray(reading.trace.after_final_norm_BTD[window, 1:], np.float64)


def last_state(reading: Reading, window: int) -> np.ndarray:
    """Return the last station, without position 0: x_TD."""
    return np.asarray(reading.trace.before_final_norm_BTD[window, 1:], np.float64)


def mean_entropy(logits_TV) -> float:
    return float(measure.entropy(logits_TV).mean())


def fall_before_norm(reading: Reading, window: int) -> float:
    """Return by how much the entropy falls from half to twice the length of the last state."""
    x_TD = last_state(reading, window)
    return mean_entropy(reading.readout(0.5 * x_TD)) - mean_entropy(reading.readout(2 * x_TD))


def fall_after_norm(reading: Reading, window: int) -> float:
    """Return the same if the state is scaled after the final norm, where logits scale with it."""
    logits_TV = reading.logits_TV(window)
    return mean_entropy(0.5 * logits_TV) - mean_entropy(2 * logits_TV)


def cold(logits_TV) -> np.ndarray:
    """Return the logits at a temperature near 0; a tie for the best token stays a tie."""
    second_T, best_T = np.partition(logits_TV, -2, axis=-1)[:, -2:].T
    lead_T = np.where(best_T > second_T, best_T - second_T, 1)
    return logits_TV / (COLD * lead_T)[:, None]


def hot(logits_TV) -> np.ndarray:
    """Return the logits at a temperature near infinity."""
    range_T1 = np.ptp(logits_TV, axis=-1, keepdims=True)
    return logits_TV / (HOT * np.where(range_T1 > 0, range_T1, 1))


def b22(probability_when_cold, short_of_uniform_when_hot):
    """By algebra: dividing by T drives differences of logits to infinity or to 0. The check: cold,
    the best token has 0.99; hot, the entropy is within 0.01 nats of ln V. A tie for the best token
    would break the first half: then it is refuted here."""
    limits = probability_when_cold > 0.99 and short_of_uniform_when_hot < 0.01
    return "by algebra" if limits else "refuted"


@evidence(
    "B22",
    rule=b22,
    baseline="none: it holds for any logits without a tie",
    sentence="At a temperature near 0 the best token has probability {probability_when_cold:.4f}; "
    "near infinity the entropy is {short_of_uniform_when_hot:z.5f} nats below that of equal "
    "chances.",
)
def measure_b22(reading: Reading, window: int) -> dict[str, float]:
    logits_TV = reading.logits_TV(window)
    uniform = np.log(logits_TV.shape[-1])
    return {
        "probability_when_cold": float(measure.softmax(cold(logits_TV)).max(axis=-1).mean()),
        "short_of_uniform_when_hot": uniform - mean_entropy(hot(logits_TV)),
    }


def b23(lowest_times_n, highest):
    """By algebra, from the two limits of B22. The check: the best token's probability gets within
    5 % of 1/n, and above 0.99."""
    return "by algebra" if abs(lowest_times_n - 1) < 0.05 and highest > 0.99 else "refuted"


@evidence(
    "B23",
    rule=b23,
    baseline="none: it holds for any logits without a tie",
    sentence="Over the temperature, the best token's probability goes from {lowest_times_n:.3f} "
    "times 1/n to {highest:.4f}.",
)
def measure_b23(reading: Reading, window: int) -> dict[str, float]:
    logits_TV = reading.logits_TV(window)
    at_hot_T = measure.softmax(hot(logits_TV)).max(axis=-1)
    return {
        "lowest_times_n": float(at_hot_T.mean() * logits_TV.shape[-1]),
        "highest": float(measure.softmax(cold(logits_TV)).max(axis=-1).mean()),
    }


def b28(entropy_fall_after_norm, entropy_fall_before_norm):
    """By algebra after the final norm: a dot product with c times the state is c times the logit.
    The claim speaks of the last state, so before the norm the entropy must fall too, by 0.01 nats
    at least: less is no effect. Qualified if it falls only after the norm."""
    if entropy_fall_after_norm <= 0.01:
        return "refuted"
    return "by algebra" if entropy_fall_before_norm > 0.01 else "qualified"


@evidence(
    "B28",
    rule=b28,
    baseline="no change: the final norm divides the length of the last state away",
    sentence="From half to twice the length, the entropy falls by {entropy_fall_after_norm:.3f} "
    "nats if the state is scaled after the final norm, and by {entropy_fall_before_norm:.3f} nats "
    "if it is scaled before the norm.",
)
def measure_b28(reading: Reading, window: int) -> dict[str, float]:
    return {
        "entropy_fall_after_norm": fall_after_norm(reading, window),
        "entropy_fall_before_norm": fall_before_norm(reading, window),
    }


def b29(short_of_uniform):
    """By algebra where nothing is added on the way to the logits: all dot products with 0 are 0.
    The check: the entropy is within 0.001 nats of ln V. Refuted if a bias predicts in its place."""
    return "by algebra" if short_of_uniform < 1e-3 else "refuted"


@evidence(
    "B29",
    rule=b29,
    baseline="none: without biases it holds for any weights",
    sentence="A last state of zeros gives an entropy {short_of_uniform:z.4f} nats below that of "
    "equal chances.",
    of="model",
)
def measure_b29(reading: Reading) -> dict[str, float]:
    logits_1V = reading.readout(np.zeros((1, reading.config.width)))
    return {"short_of_uniform": float(np.log(reading.config.vocab) - mean_entropy(logits_1V))}


def b31(rank_with_entropy, entropy_fall_before_norm):
    """If size were certainty, longer last states would be surer ones: a rank correlation of the
    norm with the entropy below -0.5, and an entropy that falls by 0.01 nats or more when a state is
    stretched. Refuted if stretching does nothing, or if longer states are no surer. Behind a final
    norm the first of these two is algebra: the norm divides the length of the last state away, so
    no training can make the claim true there. What training decides is which states are long."""
    no_effect = entropy_fall_before_norm < 0.01 or rank_with_entropy >= 0
    return three_way(supported=rank_with_entropy < -0.5, refuted=no_effect)


@evidence(
    "B31",
    rule=b31,
    baseline="a length that has nothing to do with the prediction: a rank correlation of 0",
    sentence="Over tokens, the norm of the last state and the entropy have a rank correlation of "
    "{rank_with_entropy:.2f} (below 0: longer is surer). From half to twice the length the entropy "
    "falls by {entropy_fall_before_norm:.3f} nats.",
)
def measure_b31(reading: Reading, window: int) -> dict[str, float]:
    norm_T = measure.norms(last_state(reading, window))
    entropy_T = measure.entropy(reading.logits_TV(window))
    return {
        "rank_with_entropy": geometry.spearman(norm_T, entropy_T) or 0.0,
        "entropy_fall_before_norm": fall_before_norm(reading, window),
    }


def b37(share_with_length, kl_longer, kl_turned, kl_turned_at_random):
    """That length cannot change which token wins is algebra. The other half: at least half of the
    variance of the entropy goes with the length of what the unembedding reads. Refuted if less than
    a tenth does: then direction decides how surely as well. A final norm leaves lengths nearly
    alike, and then little can go with them; a model without norms is where the claim has its best
    chance."""
    return three_way(supported=share_with_length >= 0.5, refuted=share_with_length < 0.1)


@evidence(
    "B37",
    rule=b37,
    baseline="states of one length: all of the entropy's variance goes with direction. Moves are "
    "compared at one displacement, half of the state's norm",
    sentence="{share_with_length:.1%} of the entropy's variance goes with the length of what the "
    "unembedding reads. Moved by half its norm, the state changes the prediction by "
    "{kl_longer:.3f} nats if it is stretched, by {kl_turned:.3f} if it is turned towards another "
    "token's state, by {kl_turned_at_random:.3f} in a random direction.",
)
def measure_b37(reading: Reading, window: int) -> dict[str, float]:
    x_TD = read_state(reading, window)
    rows_VD = reading.unembedding_VD
    logits_TV = x_TD @ rows_VD.T
    length_T1 = measure.norms(x_TD)[:, None]
    same_length_TD = x_TD / length_T1 * length_T1.mean()
    of_direction = np.corrcoef(
        measure.entropy(same_length_TD @ rows_VD.T), measure.entropy(logits_TV)
    )[0, 1]
    rng = reading.random(window)
    others_TD = x_TD[rng.permutation(len(x_TD))]
    noise_TD = rng.standard_normal(x_TD.shape)

    def effect(moved_TD) -> float:
        return float(measure.kl(logits_TV, moved_TD @ rows_VD.T).mean())

    return {
        "share_with_length": float(1 - of_direction**2),
        "kl_longer": effect((1 + MOVE) * x_TD),
        "kl_turned": effect(geometry.turned(x_TD, others_TD, MOVE)),
        "kl_turned_at_random": effect(geometry.turned(x_TD, noise_TD, MOVE)),
    }


def c3(kl_of_shift):
    """By algebra: a shift of all logits cancels in the softmax, so only differences are left; and
    doubling all logits doubles those. The check: a shift moves the prediction by less than 1e-6
    nats."""
    return "by algebra" if kl_of_shift < 1e-6 else "refuted"


@evidence(
    "C3",
    rule=c3,
    baseline="none: it holds for any logits",
    sentence="Adding 7 to all logits moves the prediction by {kl_of_shift:.1g} nats.",
)
def measure_c3(reading: Reading, window: int) -> dict[str, float]:
    logits_TV = reading.logits_TV(window)
    return {"kl_of_shift": float(measure.kl(logits_TV, logits_TV + 7).mean())}


def c5(entropy_range):
    """From half the length to twice, 0.1 nats are an effect. Refuted if they are 0.01 or less."""
    return three_way(supported=entropy_range > 0.1, refuted=entropy_range <= 0.01)


@evidence(
    "C5",
    rule=c5,
    baseline="equal chances: an untrained model's entropy hardly changes",
    sentence="From half to twice the length of what the unembedding reads, the entropy falls by "
    "{entropy_range:.3f} nats.",
)
def measure_c5(reading: Reading, window: int) -> dict[str, float]:
    return {"entropy_range": fall_after_norm(reading, window)}
