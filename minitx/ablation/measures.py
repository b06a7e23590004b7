"""The measures that models are compared by: each is defined once, in `MEASURES`.

A measure is computed from an observation of the model, at several moments of its training: these
moments are a seed's history. Two kinds of number are read from a history: the number at the end of
training ("equal steps"), and the number at the moment when the model reached a given loss ("equal
loss"). What differs between models at equal loss does not come from one being trained better. It
needs a history whose models have all cooled down alike (`branches.py`).
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minitx import measure
from minitx.ablation.observation import Observation, Sample, observe
from minitx.config import ModelConfig
from minitx.model import Params

END = "equal steps"
EQUAL = "equal loss"
LEAST_GRADIENT = 1e-38  # about the smallest number that float32 holds at full precision

Moment = dict[str, Any]  # the step, the losses, and everything that `measure_model` returns
Entry = dict[str, Any]  # of one seed: seed, failure, gradient_by_layer, history (its moments)


@dataclass(frozen=True)
class Measure:
    """A number of a model: what it means, how it is computed, and how it is compared."""

    description: str
    compute: Callable[[Observation], float | None] | None = None
    """From an observation, at any moment of training; None: read from a history."""
    ratio: bool = False
    """Compared by ratio: differences are taken of logarithms, and means are geometric."""
    inside: bool = True
    """It says how a model works, so it is compared only among models that have learned."""
    at_equal_loss: bool = True
    """It can differ between the end of training and the moment of equal loss."""
    negligible: float = 0.001
    """Differences (of ratios: of logarithms) within this do not count."""
    remark: str = ""
    """What else a careful reader wants to know."""

    @property
    def explanation(self) -> str:
        """The description, and the remark if there is one."""
        return f"{self.description}. {self.remark}" if self.remark else self.description

    def write_difference(self, difference: float) -> str:
        """Return a difference with its sign or, from its logarithm, a ratio: +0.12 or x1.5."""
        if self.ratio:
            return f"x{np.exp(min(difference, 700.0)):.3g}"
        return three_digits(difference, "+")


def three_digits(number: float, sign: str = "") -> str:
    """Return a number to three digits, and 0 for rounding errors.

    >>> three_digits(0.12345), three_digits(2.0, "+"), three_digits(-3e-9)
    ('0.123', '+2', '0')
    """
    return f"{number:{sign}.3g}" if abs(number) >= 1e-5 else "0"


def _fitted_loss(o: Observation) -> float:
    logits_ZV = o.logits_ZV[o.fitted :] / o.temperature
    return measure.cross_entropy(logits_ZV, o.truth_ZV[o.fitted :])


def _accuracy(o: Observation) -> float:
    choice_Z = o.scores_ZV.argmax(axis=-1)  # of the scores: a floor can make logits equal
    return o.truth_ZV[np.arange(len(choice_Z)), choice_Z].mean()


def _kl_truth(o: Observation) -> float | None:
    if not o.truth_is_exact:
        return None
    log_truth_ZV = np.log(np.where(o.truth_ZV > 0, o.truth_ZV, 1))
    entropy_of_truth = -np.sum(o.truth_ZV * log_truth_ZV, axis=-1).mean()
    return measure.cross_entropy(o.logits_ZV, o.truth_ZV) - entropy_of_truth


def _step_excess(o: Observation) -> float | None:
    step_null = measure.mean_of_later_blocks(o.layers["step_null_cos"])
    return None if step_null is None else o.overall["cos_prev"] - step_null


MEASURES = {
    "val_loss": Measure("loss on the validation split", inside=False, at_equal_loss=False),
    "fitted_loss": Measure(
        "cross-entropy in nats at the fitted temperature",
        _fitted_loss,
        inside=False,
        remark="After training on cross-entropy, the model's scores are logits. After squared "
        "error they are probabilities: their logarithms are taken, and a score below a floor "
        "counts as the floor. Temperature and floor are fitted on one half of the held-out text "
        "and judged on the other half",
    ),
    "accuracy": Measure("how often the likeliest token comes next", _accuracy, inside=False),
    "steps_to_loss": Measure(
        "training steps until the loss at which cells are compared",
        ratio=True,
        inside=False,
        at_equal_loss=False,
    ),
    "growth": Measure(
        "norm of the state after the last block, divided by its norm after the embedding",
        lambda o: o.overall["growth"],
        ratio=True,
    ),
    "trained_growth": Measure("growth, divided by the growth before training", ratio=True),
    "later_growth": Measure(
        "norm of the state after the last block, divided by its norm after block 1",
        lambda o: o.overall["later_growth"],
        ratio=True,
    ),
    "cos_prev": Measure(
        "cosine between a state and the state one block earlier, mean over the blocks from 2 on",
        lambda o: o.overall["cos_prev"],
    ),
    "cos_excess": Measure(
        "cos prev minus its baseline: the cosine if every block's update stood at right angles to "
        "the state",
        lambda o: o.overall["cos_excess"],
        remark="It is undefined without residual connections, which carry no state over",
    ),
    "step_excess": Measure(
        "cos prev minus the cosine that updates at right angles leave if they are as long as they "
        "are: unlike growth, their length does not depend on their direction",
        _step_excess,
    ),
    "cos_update": Measure(
        "cosine between a block's update and the state that it is added to, mean over the blocks "
        "from 2 on",
        lambda o: measure.mean_of_later_blocks(o.layers["cos_update"]),
    ),
    "cos_embedding": Measure(
        "cosine between the last state and the embedding", lambda o: o.layers["cos_embedding"][-1]
    ),
    "size_effect": Measure(
        "how far the entropy falls (nats) when the last state is made 4 times as long; 0 by "
        "construction with a final norm",
        lambda o: o.entropy_fall,
        remark="After squared error it acts only through the floor (see fitted loss), because a "
        "common factor of all probabilities changes nothing else",
    ),
    "entropy": Measure("entropy of the prediction (nats)", lambda o: o.calibration["entropy"]),
    "temperature": Measure(
        "fitted temperature; above 1: overconfident", lambda o: o.temperature, ratio=True
    ),
    "calibration_gap": Measure(
        "cross-entropy minus entropy (nats); above 0: overconfident",
        lambda o: o.calibration["calibration_gap"],
    ),
    "calibration_error": Measure(
        "mean difference between the largest probability and how often it comes true, in bins",
        lambda o: o.calibration["calibration_error"],
    ),
    "kl_truth": Measure("KL divergence from the true distribution (nats)", _kl_truth, inside=False),
    "length_swap": Measure(
        "how far predictions move (KL, nats) when tokens exchange the norms of their states",
        lambda o: o.norm_swap_R.mean(),
        remark="The exchange is made at one station of the stream, and the model goes on from "
        "there. The mean is over all stations: the embedding, and the state after every attention "
        "and every MLP. Which token gets the norm of which is always the same",
    ),
    "direction_swap": Measure(
        "the same when tokens exchange the directions of their states",
        lambda o: o.direction_swap_R.mean(),
    ),
    "first_block_gradient": Measure(
        "norm of the gradient of the first block's parameters at the first step of training",
        ratio=True,
        inside=False,
        at_equal_loss=False,
        remark="It is compared in all cells, because a gradient that vanishes is a reason why a "
        "cell does not learn. The ratio to the last block's gradient would not show that: where "
        "states vanish, both do. A gradient that is zero in float32 counts as 1e-38",
    ),
}


def measure_model(
    config: ModelConfig, params: Params, sample: Sample, loss: str = "cross_entropy"
) -> dict[str, Any]:
    """Return every measure that has a `compute`, and the lists by layer and by station.

    Numbers that are undefined or not finite are None. The keys of lists end in `_by_layer` or
    `_by_station`.
    """
    observation = observe(config, params, sample, loss)
    record: dict[str, Any] = {}
    for name, definition in MEASURES.items():
        if definition.compute is not None:
            number = definition.compute(observation)
            record[name] = None if number is None else measure.plain([number])[0]
    for name in ("norm_median", "cos_prev", "null_cos", "cos_embedding", "growth"):
        record[f"{name}_by_layer"] = observation.layers[name]
    record["length_swap_by_station"] = measure.plain(observation.norm_swap_R)
    record["direction_swap_by_station"] = measure.plain(observation.direction_swap_R)
    return record


# --- numbers read from a history -----------------------------------------------------------------


class Crossing(NamedTuple):
    """Where a loss first falls to the target: between two moments, a share of the way."""

    step: float
    before: Moment
    after: Moment
    share: float

    @property
    def is_early(self) -> bool:
        """Whether the moment before is that of the untrained model.

        A number read between the two would be half that of an untrained model.
        """
        return self.before["step"] == 0


def find_crossing(history: list[Moment], loss: str, target: float | None) -> Crossing | None:
    """Return where a seed's loss first falls to the target; None if it never does."""
    moments = [moment for moment in history if loss in moment]  # runs by hand lack some
    for before, after in itertools.pairwise(moments):
        if None in (target, before[loss], after[loss]):
            continue
        if after[loss] <= target < before[loss]:
            share = (before[loss] - target) / (before[loss] - after[loss])
            step = between(before["step"], after["step"], share, before["step"] > 0)
            return Crossing(step, before, after, share)
    return None


def read_at_end(entry: Entry, name: str) -> float:
    """Return a measure of one seed at the end; not a number where training failed."""
    if name == "first_block_gradient":
        norms = entry["gradient_by_layer"]  # of the embedding, then of each block
        is_known = len(norms) > 1 and norms[1] is not None
        return max(norms[1], LEAST_GRADIENT) if is_known else math.nan
    return math.nan if entry["failure"] else _read_moment(entry["history"][-1], entry, name)


def read_at_loss(entry: Entry, name: str, loss: str, target: float | None) -> float:
    """Return a measure of one seed at the moment when its loss first fell to the target.

    It is interpolated between the two nearest moments. Not a number where the loss never fell so
    far, or did so before the first evaluation.
    """
    crossing = find_crossing(entry["history"], loss, target)
    if crossing is None or crossing.is_early:
        return math.nan
    if name == "steps_to_loss":
        return crossing.step
    before = _read_moment(crossing.before, entry, name)
    after = _read_moment(crossing.after, entry, name)
    is_ratio = MEASURES[name].ratio and before > 0 and after > 0
    return between(before, after, crossing.share, is_ratio)


def between(before: float, after: float, share: float, is_ratio: bool) -> float:
    """Return the number a share of the way between two others, of ratios by their logarithms."""
    if is_ratio:
        return math.exp((1 - share) * math.log(before) + share * math.log(after))
    return (1 - share) * before + share * after


def _read_moment(moment: Moment, entry: Entry, name: str) -> float:
    if name == "trained_growth":
        return _quotient(moment.get("growth"), entry["history"][0]["growth"])
    number = moment.get(name)
    return math.nan if number is None else number


def _quotient(numerator: float | None, denominator: float | None) -> float:
    return numerator / denominator if numerator and denominator else math.nan
