"""The numbers that models are compared by, and how they are read out of a seed's history.

A history is a list of moments in training: what `probe.measure_model` found, and the losses. A
number is taken either at the end, after equal steps, or when the model came down to a given loss:
what still differs between models there does not come from one being trained better.
"""

import math
from typing import Any, NamedTuple

END, EQUAL = "equal steps", "equal loss"
LEARNED = 0.1  # of the way from knowing frequencies only to the best cell, to count as learning


class Measure(NamedTuple):
    """A number of a model: what it is, whether by ratio, and what is too small to tell."""

    about: str
    ratio: bool = False
    least: float = 0.001  # differences (or logarithms of ratios) within this are none


MEASURES = {
    "val_loss": Measure("loss on the validation split"),
    "fitted_loss": Measure("cross-entropy at the fitted temperature, in nats"),
    "accuracy": Measure("how often the likeliest token comes"),
    "steps_to_loss": Measure("steps until the loss that all reach", ratio=True),
    "total_growth": Measure("length of the state after the last block, by the embedding's", True),
    "growth": Measure("length of the state after the last block, by that after the first", True),
    "trained_growth": Measure("the same growth, by what it was before training", True),
    "cos_prev": Measure("cosine of a state with the one a block before"),
    "cos_excess": Measure("that cosine, above its null 1/growth"),
    "cos_embedding": Measure("cosine of the last state with the embedding"),
    "size_effect": Measure("fall of the entropy when the last state is made 4 times as long"),
    "entropy": Measure("entropy of the prediction, in nats"),
    "temperature": Measure("fitted temperature; above 1: too sure", ratio=True),
    "calibration_gap": Measure("cross-entropy less entropy, in nats; above 0: too sure"),
    "calibration_error": Measure("how sure it is against how often it is right, binned"),
    "kl_truth": Measure("divergence from the true distribution, in nats"),
    "length_swap": Measure("KL after tokens exchange lengths, mean over stations, in nats"),
    "direction_swap": Measure("KL after tokens exchange directions, mean over stations, in nats"),
    "gradient_ratio": Measure("first gradient of the first block, by that of the last", True),
}
ONCE = ("steps_to_loss", "gradient_ratio", "val_loss")  # the same at any moment, or by definition
SHOWN = (
    "total_growth", "growth", "trained_growth", "cos_prev", "cos_excess", "size_effect",
    "temperature", "length_swap", "direction_swap",
)  # fmt: skip



def value(entry: dict[str, Any], name: str, at: str, yardstick: str, target) -> float:
    """A measure of one seed; not a number where training failed, or never came to the target."""
    history = entry["history"]
    if name == "gradient_ratio":
        blocks = entry["gradient_by_layer"][1:]
        return _quotient(blocks[0], blocks[-1]) if blocks else math.nan
    if name == "steps_to_loss":
        return _where(history, yardstick, target)[0]
    if at == END:
        return math.nan if entry["failure"] else _number(history[-1], entry, name)
    _, before, after, part = _where(history, yardstick, target)
    if before is None:
        return math.nan
    a, b = (_number(moment, entry, name) for moment in (before, after))
    if MEASURES[name].ratio and a > 0 and b > 0:
        return math.exp((1 - part) * math.log(a) + part * math.log(b))
    return (1 - part) * a + part * b


def _number(moment, entry, name: str) -> float:
    if name == "total_growth":
        length_L = moment.get("norm_median_by_layer", [None])
        return _quotient(length_L[-1], length_L[0])
    if name == "trained_growth":
        return _quotient(moment.get("growth"), entry["history"][0]["growth"])
    value = moment.get(name)
    return math.nan if value is None else value


def _quotient(a: float | None, b: float | None) -> float:
    return a / b if a and b else math.nan


def _where(history, yardstick: str, target: float | None):
    """When a loss first falls to the target: the step, the moments before and after, the part of
    the way between them.
    """
    losses = [moment.get(yardstick) for moment in history]
    for before, after, a, b in zip(history, history[1:], losses, losses[1:], strict=False):
        if None not in (target, a, b) and b <= target < a:
            part = (a - target) / (a - b)
            step = before["step"] + part * (after["step"] - before["step"])
            return step, before, after, part
    return math.nan, None, None, math.nan
