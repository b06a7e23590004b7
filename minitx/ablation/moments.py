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
    "fitted_loss": Measure(
        "cross-entropy in nats at the fitted temperature. After cross-entropy a model's scores are "
        "logits; after squared error they are probabilities, and their logarithms are taken, none "
        "below that of a floor. Temperature and floor are fitted on one half of the held-out text "
        "and judged on the other"
    ),
    "accuracy": Measure("how often the likeliest token comes"),
    "steps_to_loss": Measure("steps until the loss at which cells are compared", ratio=True),
    "growth": Measure("length of the state after the last block, by the embedding's", True),
    "trained_growth": Measure("growth, by the same before training", True),
    "later_growth": Measure(
        "length of the state after the last block, by that after block 1", True
    ),
    "cos_prev": Measure(
        "cosine of a state with the one a block before, mean over blocks from 2 on"
    ),
    "cos_excess": Measure(
        "cos prev, less its null: what it would be were every block's update at right angles to "
        "the state (the mean over the same blocks of the state's length before, by that after). "
        "n/a without residual connections, where nothing is carried over"
    ),
    "cos_embedding": Measure("cosine of the last state with the embedding"),
    "size_effect": Measure(
        "fall of the entropy when the last state is made 4 times as long. 0 by construction where "
        "a final norm stands, which undoes it. After squared error it acts through the floor alone "
        "(see fitted loss): elsewhere a common factor of all scores makes no difference"
    ),
    "entropy": Measure("entropy of the prediction, in nats"),
    "temperature": Measure("fitted temperature; above 1: too sure", ratio=True),
    "calibration_gap": Measure("cross-entropy less entropy, in nats; above 0: too sure"),
    "calibration_error": Measure("how sure it is against how often it is right, binned"),
    "kl_truth": Measure("divergence from the true distribution, in nats"),
    "length_swap": Measure(
        "how far the prediction moves (KL, in nats) when tokens exchange the lengths of their "
        "states at one station and the model goes on from there: each token gets another's, by an "
        "order that is always the same. Stations are the embedding and the state after every "
        "attention and every MLP; the mean is over them"
    ),
    "direction_swap": Measure("the same, when they exchange directions"),
    "gradient_ratio": Measure("first gradient of the first block, by that of the last", True),
}
ONCE = ("steps_to_loss", "gradient_ratio", "val_loss")  # the same at any moment, or by definition
# What may be asked of a model that has not learned; all else is about how a model works.
OUTSIDE = (*ONCE, "fitted_loss", "accuracy", "kl_truth")
SHOWN = (
    "growth", "trained_growth", "later_growth", "cos_prev", "cos_excess", "size_effect",
    "temperature", "length_swap", "direction_swap",
)  # fmt: skip


class Crossing(NamedTuple):
    """Where a loss first falls to the target: the step, the moments around it, the part between."""

    step: float
    before: dict[str, Any]
    after: dict[str, Any]
    part: float

    @property
    def early(self) -> bool:
        """It began untrained: what is read between would be half that of an untrained model."""
        return self.before["step"] == 0


def value(entry: dict[str, Any], name: str, at: str, yardstick: str, target) -> float:
    """A measure of one seed; not a number where training failed, never came to the target, or came
    there before the first evaluation.
    """
    history = entry["history"]
    if name == "gradient_ratio":
        blocks = entry["gradient_by_layer"][1:]
        return _quotient(blocks[0], blocks[-1]) if blocks else math.nan
    crossing = None
    if at != END or name == "steps_to_loss":
        crossing = cross(history, yardstick, target)
        if crossing is None or crossing.early:
            return math.nan
    if name == "steps_to_loss":
        return crossing.step
    if at == END:
        return math.nan if entry["failure"] else _number(history[-1], entry, name)
    a, b = (_number(moment, entry, name) for moment in (crossing.before, crossing.after))
    part = crossing.part
    if MEASURES[name].ratio and a > 0 and b > 0:
        return math.exp((1 - part) * math.log(a) + part * math.log(b))
    return (1 - part) * a + part * b


def _number(moment, entry, name: str) -> float:
    if name == "trained_growth":
        return _quotient(moment.get("growth"), entry["history"][0]["growth"])
    value = moment.get(name)
    return math.nan if value is None else value


def _quotient(a: float | None, b: float | None) -> float:
    return a / b if a and b else math.nan


def cross(history, yardstick: str, target: float | None) -> Crossing | None:
    """Where a seed's loss first falls to the target; None if it never does."""
    history = [moment for moment in history if yardstick in moment]  # not all may be measured
    losses = [moment[yardstick] for moment in history]
    for before, after, a, b in zip(history, history[1:], losses, losses[1:], strict=False):
        if None not in (target, a, b) and b <= target < a:
            part = (a - target) / (a - b)
            step = before["step"] + part * (after["step"] - before["step"])
            return Crossing(step, before, after, part)
    return None
