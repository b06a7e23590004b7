"""What the last state decides: what its length comes from, and what happens when it is changed.

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
