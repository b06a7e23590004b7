"""What a grid of numbers says about its switches: paired differences with intervals. Numbers only.

M counts the cells of a grid, E the seeds. The seeds are paired: seed 3 has the same batches and,
where shapes agree, the same initial weights in every cell. So each seed gives its own difference
between two cells, and the spread of these differences over the seeds gives the interval: Student's
t, 95 %.

>>> cells = [{"norm": "none"}, {"norm": "rmsnorm"}]
>>> effect = main_effects(cells, np.array([[2.0, 2.2, 2.4], [1.9, 2.0, 2.3]]))[0]
>>> effect.name, round(effect.estimate.mean, 3), round(effect.estimate.low, 3)
('norm: none → rmsnorm', -0.133, -0.277)
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from minitx.ablation.settings import Settings, having, identity, levels, show

LEVEL = 0.95  # confidence level of every interval
ALPHA = 0.05  # chance of one false alarm among all comparisons of one measure
COMBINATIONS = 1024  # of nearly tied rates, at most, that an effect is computed for


class Estimate(NamedTuple):
    """A mean over seeds with its interval; for one seed, the value alone."""

    mean: float
    low: float | None
    high: float | None
    p: float | None  # probability of a mean at least as far from zero if the true mean were zero
    count: int  # seeds


class Change(NamedTuple):
    """A switch that goes from one value to another.

    >>> print(Change("tied", True, False))
    tied: true → false
    """

    switch: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.switch}: {show(self.before)} → {show(self.after)}"


class Effect(NamedTuple):
    """What a change of one switch does, or how much a change of another switch alters that.

    Cells that were trained at nearly tied rates give an estimate for each combination of rates.
    `differences_E` and the mean are at the chosen rates. The interval covers that of every
    combination, and p is the largest of theirs.
    """

    change: Change
    by: Change | None  # of an interaction: the change that alters what `change` does
    differences_E: tuple[float, ...]  # one for each seed; empty if no pair of cells is complete
    estimate: Estimate | None
    left_out: tuple[int, ...]  # cells that belong to it, but lack a number or have such a partner
    combinations: int = 1  # of nearly tied rates
    lowest: float | None = None  # estimate over these combinations
    highest: float | None = None
    adjusted_p: float | None = None  # Holm's, over the family that `holm` was given

    @property
    def kind(self) -> str:
        return "main" if self.by is None else "interaction"

    @property
    def name(self) -> str:
        """The change or changes as text: 'norm: none → rmsnorm, by tied: true → false'."""
        return str(self.change) if self.by is None else f"{self.change}, by {self.by}"

    def is_shown(self, negligible: float) -> bool:
        """Return whether p is below ALPHA after Holm, and the interval is not negligible."""
        if self.adjusted_p is None or self.adjusted_p >= ALPHA:
            return False
        return max(abs(self.estimate.low), abs(self.estimate.high)) > negligible


def estimate(values_E) -> Estimate:
    """Return the mean of a number over seeds, with Student's t interval.

    >>> estimate([1.0, 1.0, 1.0])  # no spread at all: the interval is the mean
    Estimate(mean=1.0, low=1.0, high=1.0, p=0.0, count=3)
    >>> estimate([0.0, 0.0]).p, estimate([3.0]).low
    (1.0, None)
    """
    values_E = np.asarray(values_E, np.float64)
    count = len(values_E)
    mean = float(values_E.mean())
    if count < 2:
        return Estimate(mean, None, None, None, count)
    error = float(values_E.std(ddof=1)) / np.sqrt(count)
    if error == 0:
        return Estimate(mean, mean, mean, float(mean == 0), count)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, count - 1))
    return Estimate(mean, float(mean - half), float(mean + half), p, count)


def estimate_level(values_E, ratio: bool = False) -> Estimate | None:
    """Return the mean of a measure in one cell, over the seeds that have a number.

    Ratios have a geometric mean. None if no seed has a number, or a ratio is not positive.

    >>> round(estimate_level([2.0, 8.0, float("nan")], ratio=True).mean, 6)
    4.0
    """
    values_E = np.asarray(values_E, np.float64)
    values_E = values_E[np.isfinite(values_E)]
    if not len(values_E):
        return None
    if not ratio:
        return estimate(values_E)
    if (values_E <= 0).any():
        return None
    logarithmic = estimate(np.log(values_E))
    mean, low, high = (None if n is None else float(np.exp(n)) for n in logarithmic[:3])
    return logarithmic._replace(mean=mean, low=low, high=high)


def changes(cells: list[Settings]) -> list[Change]:
    """Return every change from an earlier to a later value of a switch."""
    return [
        Change(switch, before, after)
        for switch, values in levels(cells).items()
        for before, after in itertools.combinations(values, 2)
    ]


def main_effects(cells: list[Settings], values) -> list[Effect]:
    """Return for each change its effect, averaged over the other switches.

    `values` has a number for each cell and seed, (M, E), or for each cell, rate and seed,
    (M, A, E): the chosen rate first, and not a number where a cell has no other rate. The average
    runs over the pairs of cells that differ in this switch alone and have a number for every seed;
    the cells of other pairs are listed in `left_out`.
    """
    effects = []
    for change in changes(cells):
        pairs = []
        for m in having(cells, change.switch, change.before):
            partner = _find(cells, {**cells[m], change.switch: change.after})
            if partner is not None:
                pairs.append((m, partner))
        effects.append(_effect(change, None, pairs, values))
    return effects


def interactions(cells: list[Settings], values) -> list[Effect]:
    """Return for each two changes of two switches how much the second alters what the first does.

    That is the first change's effect after the second change, minus its effect before it.
    """
    effects = []
    for change, by in itertools.combinations(changes(cells), 2):
        if change.switch == by.switch:
            continue
        groups = []
        for m in having(cells, change.switch, change.before):
            if identity(cells[m][by.switch]) != identity(by.before):
                continue
            moved = {change.switch: change.after}
            altered = {by.switch: by.after}
            corners = (  # the signs alternate, from minus: see _effect
                _find(cells, {**cells[m], **altered}),
                _find(cells, {**cells[m], **altered, **moved}),
                _find(cells, {**cells[m], **moved}),
                m,
            )
            if None not in corners:
                groups.append(corners)
        effects.append(_effect(change, by, groups, values))
    return effects


def simple_effects(
    cells: list[Settings], values, change: Change, other: str
) -> list[tuple[Any, Estimate]]:
    """Return what a change does at each value of another switch, where pairs have numbers."""
    estimates = []
    for value in levels(cells)[other]:
        rows = having(cells, other, value)
        for effect in main_effects([cells[m] for m in rows], np.asarray(values)[rows]):
            if effect.change == change and effect.estimate:
                estimates.append((value, effect.estimate))
    return estimates


def holm(family: list[Effect]) -> list[Effect]:
    """Return the effects with p values adjusted for how many they are (Holm 1979).

    If no change had any effect, the chance of an adjusted p below 0.05 would be below 0.05.
    """
    tested = [i for i, e in enumerate(family) if e.estimate and e.estimate.p is not None]
    adjusted = {}
    largest = 0.0
    for rank, i in enumerate(sorted(tested, key=lambda i: family[i].estimate.p)):
        largest = max(largest, min(1.0, (len(tested) - rank) * family[i].estimate.p))
        adjusted[i] = largest
    return [e._replace(adjusted_p=adjusted.get(i)) for i, e in enumerate(family)]


def _effect(change: Change, by: Change | None, groups: list[tuple[int, ...]], values) -> Effect:
    """Return the mean over groups of cells; the signs in a group alternate: minus, plus, ..."""
    values = np.asarray(values, np.float64)
    values_MAE = values[:, None] if values.ndim == 2 else values
    complete = []
    incomplete = set()
    for group in groups:
        if np.isfinite(values_MAE[list(group), 0]).all():
            complete.append(group)
        else:
            incomplete.update(group)
    left_out = tuple(sorted(incomplete))
    if not complete:
        return Effect(change, by, (), None, left_out)
    parts = []
    for group in complete:
        for place, m in enumerate(group):
            known_AE = values_MAE[m][np.isfinite(values_MAE[m]).all(axis=-1)]
            parts.append((1 if place % 2 else -1) * known_AE / len(complete))
    differences_CE = at_all_rates(parts)
    means_C = differences_CE.mean(axis=1)
    return Effect(
        change,
        by,
        tuple(differences_CE[0].tolist()),
        cover(differences_CE),
        left_out,
        len(differences_CE),
        float(means_C.min()),
        float(means_C.max()),
    )


def at_all_rates(parts: list[np.ndarray]) -> np.ndarray:
    """Return the sum of one row of each part, for every combination of rows; first rows first.

    If there are more than COMBINATIONS, only three: the first rows, and the rows whose means add up
    to the lowest and to the highest sum.

    >>> at_all_rates([np.array([[1.0], [2.0]]), np.array([[10.0], [30.0]])]).ravel().tolist()
    [11.0, 31.0, 12.0, 32.0]
    """
    if math.prod(map(len, parts)) > COMBINATIONS:
        first = sum(part[0] for part in parts)
        lowest = sum(part[part.mean(axis=1).argmin()] for part in parts)
        highest = sum(part[part.mean(axis=1).argmax()] for part in parts)
        return np.stack([first, lowest, highest])
    sums_CE = np.zeros((1, parts[0].shape[1]))
    for part_AE in parts:
        sums_CE = (sums_CE[:, None] + part_AE).reshape(-1, part_AE.shape[1])
    return sums_CE


def cover(values_CE: np.ndarray) -> Estimate:
    """Return the estimate of the first row, with an interval that covers those of all rows.

    p is the largest of all rows, and 1 if their means differ in sign.

    >>> cover(np.array([[1.0, 1.0], [3.0, 3.0]]))
    Estimate(mean=1.0, low=1.0, high=3.0, p=0.0, count=2)
    >>> cover(np.array([[1.0, 1.0], [-3.0, -3.0]])).p
    1.0
    """
    first = estimate(values_CE[0])
    if len(values_CE) == 1 or first.low is None:
        return first
    means_C = values_CE.mean(axis=1)
    errors_C = values_CE.std(axis=1, ddof=1) / np.sqrt(first.count)
    halves_C = stats.t.ppf((1 + LEVEL) / 2, first.count - 1) * errors_C
    weakest = 0.0
    if means_C.min() > 0 or means_C.max() < 0:
        weakest = np.min(np.abs(means_C) / np.maximum(errors_C, np.finfo(float).tiny))
    p = float(2 * stats.t.sf(weakest, first.count - 1))
    low = float((means_C - halves_C).min())
    high = float((means_C + halves_C).max())
    return Estimate(first.mean, low, high, p, first.count)


def _find(cells: list[Settings], wanted: Settings) -> int | None:
    """Return the cell with these settings, or None."""
    wanted_keys = {name: identity(value) for name, value in wanted.items()}
    for m, cell in enumerate(cells):
        if {name: identity(value) for name, value in cell.items()} == wanted_keys:
            return m
    return None
