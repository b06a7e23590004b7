"""What the last state decides: what its length comes from, what happens when it is changed, and
whether its predictions are as sure as they should be.

Each function runs a model and returns columns. The calculations on arrays are in `measure.py` and
`geometry.py`.
"""

import functools
from collections.abc import Callable

import numpy as np

from minitx import compiled, geometry, measure
from minitx.model import Transformer

LOGITS = 2**24  # held in memory at once: those of a long text can be larger than the model
CONFIDENCE = {  # numbers of `measure.confidence`: names of their curves over the scale
    "entropy": "entropy_{}",
    "entropy_p10": "entropy_{}_p10",
    "entropy_p90": "entropy_{}_p90",
    "top": "top_{}",
}
CALIBRATION = {  # columns of `measure_calibration`: headings
    "predictions": "predictions",
    "entropy": "entropy",
    "calibration_gap": "loss - entropy",
    "calibration_error": "error",
    "temperature": "fitted T",
    "loss": "loss",
    "loss_at_temperature": "loss at T",
    "true_entropy": "true entropy",
    "rank_with_true_entropy": "rank corr.",
}
FEW = 30  # predictions: a temperature that is fitted to fewer says nothing
SCALES = tuple(2.0 ** (e / 2) for e in range(-6, 7))  # 1/8 to 8, and 1 in the middle


def measure_scale(model: Transformer, tokens_BT) -> dict[str, list]:
    """Return entropy (nats) and largest probability when the last state is scaled by c, over c.

    `after_norm` scales what the unembedding reads, `before_norm` what the final norm reads. Both
    come with p10 and p90, the bounds of the middle 80 % of predictions.
    """
    before_BTD = compiled.states(model, tokens_BT)[-1]
    after_BTD = compiled.final_norm(model, before_BTD)
    curves: dict[str, list] = {"c": list(SCALES)}
    for c in SCALES:
        scaled = {
            # Not c times the logits: they grow with c under head=dot alone.
            "after_norm": measure.confidence(compiled.unembed(model, c * after_BTD)),
            "before_norm": measure.confidence(compiled.readout(model, c * before_BTD)),
        }
        for place, numbers in scaled.items():
            for name, curve in CONFIDENCE.items():
                curves.setdefault(curve.format(place), []).append(numbers[name])
    return curves


def measure_last_state(models: dict[str, Transformer], tokens_BT) -> dict[str, list]:
    """Return what makes the last state as long as it is, and what its length goes with, by model.

    The columns are those of `geometry.accounts` and of `geometry.length_and_entropy`.
    """
    columns: dict[str, list] = {"model": list(models)}
    for model in models.values():
        states_LBTD = compiled.states(model, tokens_BT)
        last_ZD = states_LBTD[-1, :, 1:].reshape(-1, model.config.width)
        numbers = geometry.accounts(states_LBTD)
        numbers |= geometry.length_and_entropy(last_ZD, _entropy(model, last_ZD))
        for name, number in numbers.items():
            columns.setdefault(name, []).append(number)
    return columns


def measure_displacement(model: Transformer, tokens_BT) -> dict[str, list]:
    """Return `geometry.dose_response` of the last state before and after the final norm.

    The names of the columns end in `before_norm` and `after_norm`.
    """
    last_BTD = compiled.states(model, tokens_BT)[-1]
    places = {
        "before_norm": (last_BTD, compiled.readout),
        "after_norm": (compiled.final_norm(model, last_BTD), compiled.unembed),
    }
    columns: dict[str, list] = {}
    for place, (x_BTD, reader) in places.items():
        later_ZD = x_BTD[:, 1:].reshape(-1, model.config.width)
        read = functools.partial(_read, reader, model)
        responses = geometry.dose_response(later_ZD, read, _at_once(model))
        columns["distance"] = responses.pop("distance")
        columns |= {f"{move}_{place}": values for move, values in responses.items()}
    return columns


def measure_calibration(model: Transformer, tokens_BT, truth_BTV=None) -> dict[str, list]:
    """Return whether predictions are as sure as they should be, as columns of one number each.

    Predictions from position 1 on are compared with the token that came next or, for a corpus that
    was generated, with its true distribution truth_BTV. Of many, some are taken that are spread
    evenly. `calibration_gap` and `calibration_error` are those of `measure.calibration`. The
    temperature is fitted on the first half of them; `loss` and `loss_at_temperature` are the
    cross-entropies on the second half without it and with it. `true_entropy` and
    `rank_with_true_entropy` are known for generated corpora alone. What is unknown is None.
    """
    last_ZD = compiled.states(model, tokens_BT)[-1][:, 1:-1].reshape(-1, model.config.width)
    next_Z = np.asarray(tokens_BT)[:, 2:].ravel()
    place_Z = np.linspace(0, len(next_Z) - 1, min(len(next_Z), _at_once(model))).astype(int)
    logits_ZV = _read(compiled.readout, model, last_ZD[place_Z])
    numbers = dict.fromkeys(CALIBRATION)
    numbers["predictions"] = len(place_Z)
    if truth_BTV is None:
        truth_ZV = np.eye(model.config.vocab)[next_Z[place_Z]]
    else:
        truth_ZV = truth_BTV[:, 1:-1].reshape(-1, model.config.vocab)[place_Z]
        numbers |= _beside_true_entropy(measure.entropy(logits_ZV), truth_ZV)
    calibration = measure.calibration(logits_ZV, truth_ZV)
    for name in ("entropy", "calibration_gap", "calibration_error"):
        numbers[name] = calibration[name]
    half = len(place_Z) // 2
    if half >= FEW:
        temperature = measure.fitted_temperature(logits_ZV[:half], truth_ZV[:half])
        tested = (logits_ZV[half:], truth_ZV[half:])
        numbers["temperature"] = temperature
        numbers["loss"] = measure.cross_entropy(*tested)
        numbers["loss_at_temperature"] = measure.cross_entropy(tested[0] / temperature, tested[1])
    return {name: [number] for name, number in numbers.items()}


def _beside_true_entropy(entropy_Z, truth_ZV) -> dict[str, float | None]:
    """Return the mean true entropy, and its rank correlation with that of the predictions."""
    log_truth_ZV = np.log(truth_ZV, out=np.zeros_like(truth_ZV), where=truth_ZV > 0)
    true_Z = -np.sum(truth_ZV * log_truth_ZV, axis=-1)
    return {
        "true_entropy": float(true_Z.mean()),
        "rank_with_true_entropy": geometry.spearman(entropy_Z, true_Z),
    }


def _entropy(model: Transformer, x_ZD):
    """Return the entropy of the prediction that the model makes of each state."""
    at_once = _at_once(model)
    pieces = [x_ZD[start : start + at_once] for start in range(0, len(x_ZD), at_once)]
    return np.concatenate([measure.entropy(_read(compiled.readout, model, x)) for x in pieces])


def _at_once(model: Transformer) -> int:
    """Return of how many tokens the logits are held in memory at once."""
    return max(1, LOGITS // model.config.vocab)


def _read(reader: Callable, model: Transformer, x_ZD):
    """Return the logits_ZV that one of the readers in `compiled` makes of states."""
    return reader(model, np.asarray(x_ZD, np.float32)[None])[0]
