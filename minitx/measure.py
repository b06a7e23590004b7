"""Measurements: arrays in, arrays out; nothing here knows what a model is.

L counts layers, the embedding first; `minitx/__init__.py` explains the other letters. Entropies and
divergences are in nats. Position 0 is special in most models (it attends to itself alone), so
averages over tokens leave it out and it is reported apart.
"""

import functools

import numpy as np
from scipy import optimize


def norms(x):
    """Return the Euclidean norm over the last axis."""
    x = np.asarray(x, np.float64)
    return np.sqrt(np.vecdot(x, x))  # four times as fast as np.linalg.norm


def cosines(a, b):
    """Return the cosine similarity of a and b over the last axis; 0 if one of them is zero."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    lengths = norms(a) * norms(b)
    return np.vecdot(a, b) / np.where(lengths > 0, lengths, np.inf)


def orthogonal_null(growth):
    """Return the cosine between x and x + u if u is orthogonal to x and |x + u| = growth |x|.

    It is 1/growth, and a baseline: a state that grows keeps its direction, even if the update knows
    nothing of it. An orthogonal update cannot shrink x, so a growth below 1 gives 1.

    >>> float(orthogonal_null(2.0)), float(orthogonal_null(0.5))
    (0.5, 1.0)
    """
    return 1 / np.maximum(growth, 1)


def random_pair_cosine(a_ZD, b_ZD) -> float:
    """Return the mean cosine between a of one token and b of another, over all pairs of Z tokens.

    >>> float(random_pair_cosine([[1, 0], [0, 1]], [[2, 0], [0, 3]]))
    0.0
    """
    a, b = (np.asarray(x, np.float64) for x in (a_ZD, b_ZD))
    a, b = (x / np.where(norms(x) > 0, norms(x), np.inf)[:, None] for x in (a, b))
    pairs = len(a) * (len(a) - 1)
    return (a.sum(0) @ b.sum(0) - np.sum(a * b)) / pairs  # all pairs, less each with itself


def softmax(logits):
    """Return probabilities over the last axis, as float64."""
    z = np.asarray(logits, np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(logits):
    """Return log-probabilities over the last axis, as float64."""
    z = np.asarray(logits, np.float64)
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def entropy(logits):
    """Return the entropy of softmax(logits) over the last axis.

    >>> round(float(entropy([5.0, 5.0])), 6) == round(float(np.log(2)), 6)
    True
    """
    log_p = log_softmax(logits)
    return -np.sum(np.exp(log_p) * log_p, axis=-1)


def kl(logits_p, logits_q):
    """Return KL(p || q) of two softmaxes over the last axis."""
    log_p, log_q = log_softmax(logits_p), log_softmax(logits_q)
    return np.sum(np.exp(log_p) * (log_p - log_q), axis=-1)


def layers(states_LBTD) -> dict[str, list]:
    """Return how norm and direction of the states change from layer to layer, as lists over L.

    Comparisons with the layer before are None for the embedding. Medians are over all tokens except
    those at position 0; p10 and p90 bound the middle 80 % of them. `null_cos` is the cosine that
    orthogonal updates would give at this `growth`; `cos_random_pairs` compares a token's state with
    the state of another token one layer before.
    """
    x_LBTD = np.asarray(states_LBTD, np.float64)
    later_LZD = x_LBTD[:, :, 1:].reshape(len(x_LBTD), -1, x_LBTD.shape[-1])
    centred_LZD = later_LZD - later_LZD.mean(axis=1, keepdims=True)
    norm_LZ = norms(later_LZD)
    median_L = np.median(norm_LZ, axis=1)
    growth = median_L[1:] / np.where(median_L[:-1] > 0, median_L[:-1], np.nan)
    cos_LZ = cosines(later_LZD[1:], later_LZD[:-1])
    pairs = [random_pair_cosine(a, b) for a, b in zip(later_LZD[1:], later_LZD, strict=False)]
    after = {  # from the first block on
        "growth": growth,
        "cos_prev": np.median(cos_LZ, axis=1),
        "cos_prev_p10": np.quantile(cos_LZ, 0.1, axis=1),
        "cos_prev_p90": np.quantile(cos_LZ, 0.9, axis=1),
        "null_cos": orthogonal_null(growth),
        "cos_prev_centred": np.median(cosines(centred_LZD[1:], centred_LZD[:-1]), axis=1),
        "cos_random_pairs": pairs,
        "update_norm": np.median(norms(later_LZD[1:] - later_LZD[:-1]), axis=1),
    }
    return {
        "norm_median": plain(median_L),
        "norm_p10": plain(np.quantile(norm_LZ, 0.1, axis=1)),
        "norm_p90": plain(np.quantile(norm_LZ, 0.9, axis=1)),
        "norm_first_position": plain(np.median(norms(x_LBTD[:, :, 0]), axis=1)),
        "cos_embedding": plain(np.median(cosines(later_LZD, later_LZD[:1]), axis=1)),
        **{name: [None, *plain(values)] for name, values in after.items()},
    }


def without_top_component(x_BTD):
    """Return the states of all tokens, x_ZD, without their mean and first principal component.

    >>> without_top_component([[[3.0, 1.0], [-3.0, 1.0], [0.0, 1.0]]]).round(9).tolist()
    [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """
    x_BTD = np.asarray(x_BTD, np.float64)
    x_ZD = x_BTD.reshape(-1, x_BTD.shape[-1])
    centred_ZD = x_ZD - x_ZD.mean(axis=0)
    top_D = np.linalg.svd(centred_ZD, full_matrices=False)[2][0]
    along_Z = np.einsum("ZD,D->Z", centred_ZD, top_D)
    return centred_ZD - along_Z[:, None] * top_D


def overall(layers: dict[str, list]) -> dict[str, float | None]:
    """Return what a table of `layers` says about the whole depth; None where it is undefined.

    `growth` is the last norm divided by the embedding's, `later_growth` by the norm after block 1.
    `cos_prev`, `null_cos` and `cos_excess` (the first minus the second) are means over the blocks
    from 2 on, or over the only block: how far block 1 turns the state depends on how small the
    embedding was made.
    """
    norm_L = layers["norm_median"]
    cos_prev = mean_of_later_blocks(layers["cos_prev"])
    null_cos = mean_of_later_blocks(layers["null_cos"])
    return {
        "growth": _quotient(norm_L[-1], norm_L[0]) if len(norm_L) > 1 else None,
        "later_growth": _quotient(norm_L[-1], norm_L[1]) if len(norm_L) > 2 else None,
        "cos_prev": cos_prev,
        "null_cos": null_cos,
        "cos_excess": None if None in (cos_prev, null_cos) else cos_prev - null_cos,
    }


def _quotient(numerator: float | None, denominator: float | None) -> float | None:
    return numerator / denominator if numerator and denominator else None


def mean_of_later_blocks(column: list) -> float | None:
    """Return the mean over the blocks from 2 on, or of the only block.

    It is None if there is no block, or if a number is None.
    """
    numbers = column[2:] if len(column) > 2 else column[1:]
    return float(np.mean(numbers)) if numbers and None not in numbers else None


def lens(logits_BTV, final_BTV) -> dict[str, float]:
    """Compare what a layer would predict if it were the last with the final prediction.

    Means over all tokens: entropy, KL from the final prediction, share of equal top tokens.
    """
    same_BT = np.argmax(logits_BTV, axis=-1) == np.argmax(final_BTV, axis=-1)
    return {
        "lens_entropy": float(entropy(logits_BTV).mean()),
        "lens_kl": float(kl(final_BTV, logits_BTV).mean()),
        "lens_top1": float(same_BT.mean()),
    }


def confidence(logits) -> dict[str, float]:
    """Return mean entropy, with its middle 80 %, and mean largest probability of predictions."""
    h, top = entropy(logits), softmax(logits).max(axis=-1)
    return {
        "entropy": float(h.mean()),
        "entropy_p10": float(np.quantile(h, 0.1)),
        "entropy_p90": float(np.quantile(h, 0.9)),
        "top": float(top.mean()),
    }


def cross_entropy(logits_ZV, truth_ZV):
    """Return the mean of -log softmax(logits) over Z predictions, weighted by the truth."""
    return float(-np.sum(np.asarray(truth_ZV) * log_softmax(logits_ZV), axis=-1).mean())


def fitted_temperature(logits_ZV, truth_ZV) -> float:
    """Return the temperature T, 0.01 to 100, at which softmax(logits / T) has the lowest loss.

    Above 1, the model is too confident (Guo 2017). The cross-entropy is convex in beta = 1/T; its
    slope is the expected logit under the model minus the logit that comes true.

    >>> round(fitted_temperature([[4.0, 0.0]] * 4, [[0.75, 0.25]] * 4), 3)  # 4 / log(3)
    3.641
    """
    z_ZV, truth_ZV = np.asarray(logits_ZV, np.float64), np.asarray(truth_ZV, np.float64)
    came_true = np.sum(truth_ZV * z_ZV, axis=-1).mean()

    def slope(log_beta):
        beta = np.exp(log_beta)
        return np.sum(softmax(beta * z_ZV) * z_ZV, axis=-1).mean() - came_true

    low, high = -np.log(100), np.log(100)
    if slope(low) >= 0:  # even the flattest prediction is too confident
        return 100.0
    if slope(high) <= 0:
        return 0.01
    return float(np.exp(-optimize.brentq(slope, low, high, xtol=1e-6)))


def log_scores(scores, floor: float):
    """Return the logarithms of scores that stand for probabilities, raised to the floor."""
    return np.log(np.maximum(np.asarray(scores, np.float64), floor))


def fitted_floor(scores_ZV, truth_ZV) -> float:
    """Return the floor at which `log_scores` has the lowest cross-entropy, at its best temperature.

    Scores of a model trained on squared error may be 0 or below; the floor is the probability given
    to tokens that the model scores as impossible. It is searched from 1e-5 to 0.1 in quarters of a
    decade, because other measurements depend on it more strongly than the cross-entropy does.

    >>> fitted_floor([[0.6, 0.3, 0.0]] * 5, [[0.6, 0.3, 0.1]] * 5)
    0.1
    """
    scores_ZV = np.asarray(scores_ZV, np.float64)

    @functools.cache
    def loss(power):
        logits_ZV = log_scores(scores_ZV, 10.0**power)
        return cross_entropy(logits_ZV / fitted_temperature(logits_ZV, truth_ZV), truth_ZV)

    best = min(range(-5, 0), key=loss)
    for step in (0.5, 0.25):
        best = min((best, max(-5, best - step), min(-1, best + step)), key=loss)
    return 10.0**best


def calibration(logits_ZV, truth_ZV, bins: int = 10) -> dict[str, float]:
    """Return how well confidence matches accuracy over Z predictions.

    `calibration_gap` is cross-entropy minus mean entropy (nats): above 0 for a model that is too
    confident, 0 at the best temperature. `calibration_error` compares the largest probability with
    how often it comes true, in bins of equal count: the mean absolute difference (Naeini 2015).
    """
    p_ZV, truth_ZV = softmax(logits_ZV), np.asarray(truth_ZV)
    choice_Z = p_ZV.argmax(axis=-1)
    sure_Z = p_ZV.max(axis=-1)
    right_Z = truth_ZV[np.arange(len(truth_ZV)), choice_Z]
    order = np.argsort(sure_Z, kind="stable")
    errors = [
        abs(sure_Z[b].mean() - right_Z[b].mean()) * len(b)
        for b in np.array_split(order, bins)
        if len(b)
    ]
    h = float(entropy(logits_ZV).mean())
    return {
        "entropy": h,
        "accuracy": float(right_Z.mean()),
        "calibration_gap": cross_entropy(logits_ZV, truth_ZV) - h,
        "calibration_error": float(sum(errors) / len(order)),
    }


def plain(array) -> list:
    """Return numbers as JSON has them: floats, and None for what is not finite."""
    return [float(a) if np.isfinite(a) else None for a in np.asarray(array, np.float64)]
