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
    """A temperature T divides all differences of logits by T. When T goes to 0, the differences
    from the best token go to infinity, so the other probabilities go to 0. When T goes to infinity,
    all differences go to 0, so all probabilities become equal. The check uses temperatures near
    these limits, so it allows 0.01 in the probability and 0.01 nats in the entropy. A tie for the
    best token breaks the first half of the claim, because two tokens then share the probability. By
    algebra if the best token has a probability above 0.99 near temperature 0, and near infinity the
    entropy is less than 0.01 nats below that of equal chances. Refuted if at least one of these
    conditions fails."""
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
    """This follows from the two limits of claim B22. At a high temperature all n tokens have a
    probability near 1/n. At a low temperature the best token has a probability near 1. The check
    uses temperatures near these limits, so it allows 5 % of 1/n at the first and 0.01 at the
    second. By algebra if the best token's probability is less than 5 % away from 1/n at the high
    temperature, and above 0.99 at the low temperature. Refuted if at least one of these conditions
    fails."""
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
    """The state is scaled from half to twice its length, and the entropy should fall. After the
    final norm this is algebra: a dot product with c times the state is c times the logit. But the
    claim speaks of the last state, and that is the state before the final norm. A norm can divide
    its length away. So the state is scaled in both places. A fall of at most 0.01 nats counts as no
    effect. By algebra if the entropy falls by more than 0.01 nats after the final norm, and also
    before it. Refuted if the entropy falls by at most 0.01 nats after the final norm. Qualified if
    the entropy falls by more than 0.01 nats after the final norm, but not before it."""
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
    """All dot products with a state of zeros are 0. So all logits are equal if nothing is added on
    the way to them. If a bias is added there, the bias predicts in place of the state. The check
    compares the entropy with that of equal chances, and allows 0.001 nats for rounding. By algebra
    if the entropy is less than 0.001 nats below that of equal chances. Refuted if the entropy is
    0.001 nats or more below that of equal chances."""
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
    """If size is certainty, two things should be seen. Longer last states should be surer ones: a
    rank correlation of the norm with the entropy below -0.5, which is strong. And a state that is
    stretched should become surer. A fall of the entropy by less than 0.01 nats counts as no effect.
    A final norm divides the length of the last state away, so stretching before the norm does
    nothing. That is algebra, and no training can make the claim true there. Training only decides
    which states are long. Supported if the rank correlation is below -0.5 and the entropy falls by
    at least 0.01 nats from half to twice the length. Refuted if the rank correlation is 0 or more,
    or if the entropy falls by less than 0.01 nats."""
    no_effect = entropy_fall_before_norm < 0.01 or rank_with_entropy >= 0
    return three_way(supported=rank_with_entropy < -0.5, refuted=no_effect)


@evidence(
    "B31",
    rule=b31,
    baseline="a length that has nothing to do with the prediction: a rank correlation of 0",
    sentence="Over tokens, the norm of the last state and the entropy have a rank correlation of "
    "{rank_with_entropy:.2f} (below 0: longer states are surer; above 0: they are less sure). When "
    "the last state is stretched from half to twice its length, the entropy falls by "
    "{entropy_fall_before_norm:.3f} nats.",
)
def measure_b31(reading: Reading, window: int) -> dict[str, float]:
    norm_T = measure.norms(last_state(reading, window))
    entropy_T = measure.entropy(reading.logits_TV(window))
    return {
        "rank_with_entropy": geometry.spearman(norm_T, entropy_T) or 0.0,
        "entropy_fall_before_norm": fall_before_norm(reading, window),
    }


def b37(share_with_length, kl_longer, kl_turned, kl_turned_at_random):
    """The claim has two halves. Length cannot decide which token wins: it multiplies all logits by
    one number, so this half is algebra. The other half says that length decides how surely. If so,
    the entropy should vary with the length of what the unembedding reads. At least half of its
    variance should go with this length. If less than a tenth goes with the length, direction
    decides how surely as well. A final norm leaves all lengths nearly alike, so little can go with
    them. The claim has its best chance in a model without norms. The effects of the three moves are
    shown and do not decide. They move what the unembedding reads, where a stretch acts as a
    temperature. Supported if at least 50 % of the entropy's variance goes with the length. Refuted
    if less than 10 % of the entropy's variance goes with the length."""
    return three_way(supported=share_with_length >= 0.5, refuted=share_with_length < 0.1)


@evidence(
    "B37",
    rule=b37,
    baseline="states of one length: all of the entropy's variance goes with direction. All "
    "three moves are by the same distance, half of the state's norm",
    sentence="{share_with_length:.1%} of the entropy's variance goes with the length of what the "
    "unembedding reads. If this state, after any final norm, is moved by half its norm, the "
    "prediction changes by {kl_longer:.3f} nats for a stretch, by {kl_turned:.3f} for a turn "
    "towards another token's state, and by {kl_turned_at_random:.3f} for a turn in a random "
    "direction.",
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
    """A number that is added to all logits multiplies every exponential in the softmax by the same
    factor. The softmax divides by the sum of the exponentials, so this factor cancels. Only
    differences between logits are left. Doubling all logits doubles their differences, so it does
    change the prediction. The check adds 7 to all logits, and allows 1e-6 nats for rounding. By
    algebra if the prediction moves by less than 1e-6 nats. Refuted if the prediction moves by 1e-6
    nats or more."""
    return "by algebra" if kl_of_shift < 1e-6 else "refuted"


@evidence(
    "C3",
    rule=c3,
    baseline="none: it holds for any logits",
    sentence="Adding 7 to all logits moves the prediction by {kl_of_shift:.1g} nats. (Doubling all "
    "logits would double their differences, and these count.)",
)
def measure_c3(reading: Reading, window: int) -> dict[str, float]:
    logits_TV = reading.logits_TV(window)
    return {"kl_of_shift": float(measure.kl(logits_TV, logits_TV + 7).mean())}


def c5(entropy_range):
    """What the unembedding reads is scaled from half to twice its length. If length matters, the
    entropy of the prediction falls. More than 0.1 nats is an effect, and at most 0.01 nats is none.
    Supported if the entropy falls by more than 0.1 nats. Refuted if the entropy falls by at most
    0.01 nats."""
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
