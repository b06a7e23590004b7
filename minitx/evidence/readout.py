"""By which rule does the last state choose a token: dot product, cosine, or distance?"""

import numpy as np

from minitx import compiled, geometry, measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading, to_float32
from minitx.evidence.size import read_state
from minitx.evidence.weights import some_tokens

TRIPLES = 2000  # of rows, whose distances are compared with a detour
RANKED = 8  # predictions of a window whose whole vocabulary is ranked


def scores(x_TD, rows_VD) -> dict[str, np.ndarray]:
    """Return by which each rule would choose: the largest is the choice. Arrays (T, V).

    Of distances the negative square without |x|^2 is taken, which has the same order.
    """
    dot_TV = x_TD @ rows_VD.T
    norm_V = measure.norms(rows_VD)
    return {
        "dot": dot_TV,
        "cosine": dot_TV / np.where(norm_V > 0, norm_V, np.inf),
        "nearest": dot_TV - norm_V**2 / 2,
    }


def random_rows(reading: Reading, window: int) -> np.ndarray:
    """Return rows of the same lengths in random directions."""
    rows_VD = reading.random(window).standard_normal(reading.unembedding_VD.shape)
    return rows_VD * (measure.norms(reading.unembedding_VD) / measure.norms(rows_VD))[:, None]


def agreement(by: dict[str, np.ndarray], rule: str) -> float:
    """Return how often a rule chooses the row with the largest dot product."""
    return float(np.mean(by[rule].argmax(axis=-1) == by["dot"].argmax(axis=-1)))


def mean_rank_correlation(by: dict[str, np.ndarray], rule: str) -> float:
    """Return how near a rule's order of all tokens is to that of the dot products, over states."""
    pairs = zip(by["dot"], by[rule], strict=True)
    return float(np.mean([geometry.spearman(dot_V, rule_V) or 0.0 for dot_V, rule_V in pairs]))


def b2(cosine, nearest, cosine_at_random, nearest_at_random):
    """A logit is a dot product, by algebra (claim B21), so the largest dot product chooses the
    model's token. The rule asks whether two other ways choose the same token: the largest cosine,
    and the row nearest to the state. Logits are close to cosines if the cosine chooses the same
    token 9 times in 10. Distance has no part in them if the nearest row does so less than half of
    the time. The different lengths of the rows could explain this alone. So rows of the same
    lengths in random directions are the baseline. The difference between the two agreements must be
    more than 5 percentage points larger than for this baseline. Supported if the largest cosine
    agrees with the largest dot product in at least 90 % of the predictions, the nearest row agrees
    in less than 50 %, and the difference is more than 5 percentage points larger than for random
    directions. Refuted if the nearest row agrees more often than the largest cosine."""
    gap, gap_at_random = cosine - nearest, cosine_at_random - nearest_at_random
    return three_way(
        supported=cosine >= 0.9 and nearest < 0.5 and gap > gap_at_random + 0.05,
        refuted=nearest > cosine,
    )


@evidence(
    "B2",
    rule=b2,
    baseline="rows of the same lengths in random directions",
    sentence="That logits are dot products is algebra (B21). The other two parts of the claim are "
    "measured. The largest cosine agrees with the largest dot product in {cosine:.1%} of the "
    "predictions, and the nearest row in {nearest:.1%}. For rows of the same lengths in random "
    "directions it would be {cosine_at_random:.1%} and {nearest_at_random:.1%}.",
)
def measure_b2(reading: Reading, window: int) -> dict[str, float]:
    x_TD = read_state(reading, window)
    by = scores(x_TD, reading.unembedding_VD)
    at_random = scores(x_TD, random_rows(reading, window))
    return {
        "cosine": agreement(by, "cosine"),
        "nearest": agreement(by, "nearest"),
        "cosine_at_random": agreement(at_random, "cosine"),
        "nearest_at_random": agreement(at_random, "nearest"),
    }


def b21(error, triangles_broken):
    """The cosine of two vectors is their dot product divided by both lengths. So the dot product is
    length times length times cosine. The check allows an error of 0.1 % of the largest logit for
    rounding. A closeness usually comes from a distance, for which no detour is shorter than the
    direct way. How often triples of rows break this is shown and does not decide. By algebra if
    length times length times cosine misses the logits by less than 0.1 % (1e-3). Refuted if it
    misses the logits by 0.1 % or more."""
    return "by algebra" if error < 1e-3 else "refuted"


@evidence(
    "B21",
    rule=b21,
    baseline="none: it holds for any weights",
    sentence="Length times length times cosine misses the logits by {error:.1e}. It is not a "
    "distance: a detour over a third row is shorter for {triangles_broken:.0%} of triples of rows.",
)
def measure_b21(reading: Reading, window: int) -> dict[str, float]:
    ids = some_tokens(reading)
    x_TD, rows_VD = read_state(reading, window)[:RANKED], reading.unembedding_VD[ids]
    cosines_TV = measure.cosines(x_TD[:, None], rows_VD)
    product_TV = measure.norms(x_TD)[:, None] * measure.norms(rows_VD) * cosines_TV
    logits_TV = reading.logits_TV(window)[:RANKED, ids]
    rows_a, rows_b, rows_c = rows_VD[reading.random(window).integers(0, len(rows_VD), (3, TRIPLES))]

    def separation(p_ZD, q_ZD):
        return -np.sum(p_ZD * q_ZD, axis=-1)

    detour_Z = separation(rows_a, rows_b) + separation(rows_b, rows_c)
    return {
        "error": float(np.abs(product_TV - logits_TV).max() / np.abs(logits_TV).max()),
        "triangles_broken": float(np.mean(separation(rows_a, rows_c) > detour_Z)),
    }


def b24(nearest_differs):
    """The row nearest to the state is compared with the predicted token. A picture that is wrong
    for more than one prediction in ten misleads. A picture that is wrong for less than one in a
    hundred does not. Supported if the nearest row is not the predicted token in more than 10 % of
    the predictions. Refuted if the nearest row is not the predicted token in less than 1 % of the
    predictions."""
    return three_way(supported=nearest_differs > 0.1, refuted=nearest_differs < 0.01)


@evidence(
    "B24",
    rule=b24,
    baseline="rows of equal lengths: the nearest row is always the prediction",
    sentence="In {nearest_differs:.1%} of the predictions the row nearest to the state is not the "
    "predicted token.",
)
def measure_b24(reading: Reading, window: int) -> dict[str, float]:
    by = scores(read_state(reading, window), reading.unembedding_VD)
    return {"nearest_differs": 1 - agreement(by, "nearest")}


def c7(rank_cosine, rank_nearness, gap_at_random):
    """All tokens are put in order by their logits, by cosine, and by nearness to the state. The two
    rank correlations say whether the order by logits is more like the order by cosine or by
    nearness. They must differ by more than 0.05, so that a small difference does not count. The
    different lengths of the rows could explain the difference alone. So rows of the same lengths in
    random directions are the baseline, and the model must beat it by more than 0.05. Supported if
    the rank correlation by cosine is more than 0.05 above the rank correlation by nearness, and
    this difference is more than 0.05 above the difference for random directions. Refuted if the
    rank correlation by nearness is higher than the rank correlation by cosine."""
    gap = rank_cosine - rank_nearness
    return three_way(supported=gap > max(0.05, gap_at_random + 0.05), refuted=gap < 0)


@evidence(
    "C7",
    rule=c7,
    baseline="rows of the same lengths in random directions",
    sentence="Ordered by cosine, all tokens have a rank correlation of {rank_cosine:.3f} with "
    "their order by logits; ordered by nearness, of {rank_nearness:.3f}. For rows in random "
    "directions, the first minus the second is {gap_at_random:.3f}.",
)
def measure_c7(reading: Reading, window: int) -> dict[str, float]:
    x_TD = read_state(reading, window)[:: max(1, (reading.tokens_WT.shape[1] - 1) // RANKED)]

    def ranks(rows_VD) -> tuple[float, float]:
        by = scores(x_TD, rows_VD)
        return mean_rank_correlation(by, "cosine"), mean_rank_correlation(by, "nearest")

    rank_cosine, rank_nearness = ranks(reading.unembedding_VD)
    cosine_at_random, nearness_at_random = ranks(random_rows(reading, window))
    return {
        "rank_cosine": rank_cosine,
        "rank_nearness": rank_nearness,
        "gap_at_random": cosine_at_random - nearness_at_random,
    }


def c8(right_by_dot, right_by_nearest):
    """The largest dot product and the nearest row each name a token, and both are compared with the
    token that comes next in the text. The dot product must lead by more than 2 percentage points,
    so that a few tokens do not decide. Supported if the largest dot product is right more often
    than the nearest row, by more than 2 percentage points. Refuted if the nearest row is right more
    often than the largest dot product."""
    return three_way(
        supported=right_by_dot > right_by_nearest + 0.02, refuted=right_by_dot < right_by_nearest
    )


@evidence(
    "C8",
    rule=c8,
    baseline="rows of equal lengths: both are right equally often",
    sentence="The largest dot product names the next token in {right_by_dot:.1%} of the cases, the "
    "nearest row in {right_by_nearest:.1%}.",
)
def measure_c8(reading: Reading, window: int) -> dict[str, float]:
    by = scores(read_state(reading, window)[:-1], reading.unembedding_VD)
    next_T = reading.tokens_WT[window, 2:]
    return {
        "right_by_dot": float(np.mean(by["dot"].argmax(axis=-1) == next_T)),
        "right_by_nearest": float(np.mean(by["nearest"].argmax(axis=-1) == next_T)),
    }


def c9(error_unembedding, error_with_norm):
    """The unembedding is a matrix, so the logits of a sum are the sum of the logits. But most
    models have a final norm in front of it, and a norm is not linear. So the error is measured
    twice: in the unembedding alone, and with the final norm in front of it. An error of up to 0.1 %
    is rounding. By algebra if the error is at most 0.1 % in the unembedding, and below 0.1 % with
    the final norm. Refuted if the error is above 0.1 % in the unembedding. Qualified if the error
    is at most 0.1 % in the unembedding, but 0.1 % or more with the final norm."""
    if error_unembedding > 1e-3:
        return "refuted"
    return "by algebra" if error_with_norm < 1e-3 else "qualified"


@evidence(
    "C9",
    rule=c9,
    baseline="none: the unembedding is a matrix",
    sentence="The logits of summed states miss the sum of their logits by {error_unembedding:.1e} "
    "in the unembedding alone, and by {error_with_norm:.2f} with the final norm in front of it.",
)
def measure_c9(reading: Reading, window: int) -> dict[str, float]:
    rows_VD = reading.unembedding_VD
    last_TD = np.asarray(reading.trace.before_final_norm_BTD[window, 1:], np.float64)
    one_TD, other_TD = last_TD[:-1], last_TD[1:]

    def error(f) -> float:
        together_TV, apart_TV = f(one_TD + other_TD), f(one_TD) + f(other_TD)
        return float(np.linalg.norm(together_TV - apart_TV) / np.linalg.norm(together_TV))

    return {
        "error_unembedding": error(lambda x_TD: x_TD @ rows_VD.T),
        "error_with_norm": error(reading.readout),
    }


def b16(change_of_what_is_read, output_kl):
    """The stream is doubled in the middle of the model. The next attention reads the stream through
    a norm, so it should read the same. It may change by 1 %, because a norm adds a small constant
    to what it divides by. If sublayers see direction only, the length should leave no trace in the
    prediction either. A move of less than 0.01 nats is no trace. Supported if what the next
    attention reads changes by at most 1 %, and the prediction moves by less than 0.01 nats. Refuted
    if what the next attention reads changes by more than 1 %."""
    return three_way(supported=output_kl < 0.01, refuted=change_of_what_is_read > 0.01)


@evidence(
    "B16",
    rule=b16,
    baseline="a sublayer without a norm: what it reads doubles (a change of 100 %)",
    sentence="When the stream is doubled in the middle of the model, what the next attention reads "
    "changes by {change_of_what_is_read:.2%}; the prediction moves by {output_kl:.3f} nats, "
    "because later updates are added to a longer state.",
)
def measure_b16(reading: Reading, window: int) -> dict[str, float]:
    config = reading.config
    if not config.depth or config.norm_place != "pre" or config.norm == "none":
        raise Untestable("it has no norm before its sublayers")
    block = config.depth // 2
    stream_TD = reading.trace.stream_RBTD[2 * block, window]
    attention_norm = reading.model.blocks[block].attention_norm
    read_TD, doubled_TD = (np.asarray(attention_norm(to_float32(c * stream_TD)))[0] for c in (1, 2))
    logits_TV = compiled.continue_from(reading.model, 2 * block, to_float32(2 * stream_TD))[0]
    change = measure.norms(doubled_TD - read_TD) / measure.norms(read_TD)
    return {
        "change_of_what_is_read": float(np.median(change[1:])),
        "output_kl": float(measure.kl(reading.logits_TV(window), logits_TV[1:]).mean()),
    }


def b18(leak_from_later):
    """The mask gives later tokens no weight in attention, and no other part of the model mixes
    positions. So a later token cannot change the state of an earlier token. The check replaces the
    second half of a window, and allows 0.01 % of the largest logit for rounding. By algebra if the
    logits of the first half change by less than 0.01 % (1e-4) of the largest. Refuted if they
    change by 0.01 % or more of the largest."""
    return "by algebra" if leak_from_later < 1e-4 else "refuted"


@evidence(
    "B18",
    rule=b18,
    baseline="none: it holds for any weights",
    sentence="Replacing the second half of a text changes the logits of the first half by at most "
    "{leak_from_later:.1e} of the largest logit.",
)
def measure_b18(reading: Reading, window: int) -> dict[str, float]:
    half = reading.tokens_WT.shape[1] // 2
    changed_WT = reading.tokens_WT.copy()
    changed_WT[:, half:] = (changed_WT[:, half:] + 1) % reading.config.vocab
    states_TD = compiled.states(reading.model, changed_WT[window : window + 1])[-1, 0]
    logits_TV = reading.readout(states_TD)
    before_TV = np.asarray(reading.trace.logits_BTV[window])
    return {
        "leak_from_later": float(
            np.abs(logits_TV[:half] - before_TV[:half]).max() / np.abs(before_TV).max()
        )
    }
