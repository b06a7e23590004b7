"""What a grid of numbers says about its switches: paired differences, with intervals. Numbers only.

M counts the cells of a grid, E the seeds. The seeds are paired: seed 3 has the same batches and,
where shapes agree, the same initial weights in every cell. So each seed is asked by itself what a
switch does, and the spread of its answers over the seeds gives the interval: Student's t, 95 %.

>>> cells = [{"norm": "none"}, {"norm": "rmsnorm"}]
>>> found = main_effects(cells, np.array([[2.0, 2.2, 2.4], [1.9, 2.0, 2.3]]))[0]
>>> found.change, round(found.estimate.mean, 3), round(found.estimate.low, 3)
('norm: none → rmsnorm', -0.133, -0.277)
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from minitx.ablation.grid import show

LEVEL = 0.95  # of every interval; 1 - LEVEL is the chance of one false alarm among a family


class Estimate(NamedTuple):
    """A mean over seeds and its interval; of one seed, the value alone."""

    mean: float
    low: float | None
    high: float | None
    p: float | None  # of a mean at least so far from zero, were the truth zero
    count: int


class Effect(NamedTuple):
    """What a change of one switch does, or what a change of another does to that."""

    kind: str  # "main" or "interaction"
    switches: tuple[str, ...]
    change: str
    differences_E: tuple[float, ...]  # one for each seed; empty if no pair of cells is whole
    estimate: Estimate | None
    left_out: tuple[int, ...]  # cells that belong to it, but whose pair lacks a number
    adjusted_p: float | None = None  # by Holm, over the family that `holm` was given


def estimate(values_E) -> Estimate:
    """The mean of a number over seeds, with Student's t interval.

    >>> estimate([1.0, 1.0, 1.0])  # no spread at all: the interval is the mean
    Estimate(mean=1.0, low=1.0, high=1.0, p=0.0, count=3)
    >>> estimate([0.0, 0.0]).p, estimate([3.0]).low
    (1.0, None)
    """
    values_E = np.asarray(values_E, np.float64)
    count, mean = len(values_E), float(values_E.mean())
    if count < 2:
        return Estimate(mean, None, None, None, count)
    error = float(values_E.std(ddof=1)) / np.sqrt(count)
    if error == 0:
        return Estimate(mean, mean, mean, float(mean == 0), count)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, count - 1))
    return Estimate(mean, float(mean - half), float(mean + half), p, count)


def main_effects(cells: list[dict[str, Any]], values_ME) -> list[Effect]:
    """For each two values of each switch: the difference, averaged over the other switches.

    The average runs over the pairs of cells that differ in this switch alone and have a number for
    every seed; cells of other pairs are left out, and named.
    """
    found = []
    for name, values in levels(cells).items():
        for a, b in itertools.combinations(values, 2):
            pairs = [
                (before, after)
                for before, cell in enumerate(cells)
                if _key(cell[name]) == _key(a)
                for after in [_find(cells, {**cell, name: b})]
                if after is not None
            ]
            found.append(
                _effect("main", (name,), f"{name}: {show(a)} → {show(b)}", pairs, values_ME)
            )
    return found


def interactions(cells: list[dict[str, Any]], values_ME) -> list[Effect]:
    """For each two changes of two switches: by how much the second alters what the first does."""
    found = []
    for (one, ones), (two, twos) in itertools.combinations(levels(cells).items(), 2):
        for (a, b), (c, d) in itertools.product(
            itertools.combinations(ones, 2), itertools.combinations(twos, 2)
        ):
            fours = []
            for cell in cells:
                if (_key(cell[one]), _key(cell[two])) == (_key(a), _key(c)):
                    # (b - a) at d, less (b - a) at c; the order is that of the signs below
                    corners = ((a, d), (b, d), (b, c), (a, c))
                    four = tuple(_find(cells, {**cell, one: x, two: y}) for x, y in corners)
                    if None not in four:
                        fours.append(four)
            change = f"{one}: {show(a)} → {show(b)}, by {two}: {show(c)} → {show(d)}"
            found.append(_effect("interaction", (one, two), change, fours, values_ME))
    return found


def simple_effects(cells: list[dict[str, Any]], values_ME, effect: Effect, other: str):
    """A main effect at each value of another switch: pairs of that value and an Effect."""
    at = []
    for value in levels(cells)[other]:
        rows = having(cells, other, value)
        found = main_effects([cells[m] for m in rows], np.asarray(values_ME)[rows])
        at += [(value, e) for e in found if e.change == effect.change and e.estimate]
    return at


def levels(cells: list[dict[str, Any]]) -> dict[str, list]:
    """Every switch with the values that it takes, in order of appearance."""
    return {name: list({_key(c[name]): c[name] for c in cells}.values()) for name in cells[0]}


def holm(family: list[Effect]) -> list[Effect]:
    """The effects with p values adjusted for how many they are (Holm 1979).

    Under no effect anywhere, the chance that any adjusted p is below 0.05 is below 0.05.
    """
    tested = [i for i, e in enumerate(family) if e.estimate and e.estimate.p is not None]
    adjusted, largest = {}, 0.0
    for rank, i in enumerate(sorted(tested, key=lambda i: family[i].estimate.p)):
        largest = max(largest, min(1.0, (len(tested) - rank) * family[i].estimate.p))
        adjusted[i] = largest
    return [e._replace(adjusted_p=adjusted.get(i)) for i, e in enumerate(family)]


def _effect(kind: str, switches, change: str, groups: list[tuple[int, ...]], values_ME) -> Effect:
    """From groups of cells whose signs take turns: minus, plus, and so on."""
    values_ME = np.asarray(values_ME, np.float64)
    whole, left_out = [], []
    for group in groups:
        rows = values_ME[list(group)]
        if np.isfinite(rows).all():
            whole.append(rows[1::2].sum(axis=0) - rows[0::2].sum(axis=0))
        else:
            left_out += group
    if not whole:
        return Effect(kind, switches, change, (), None, tuple(sorted(set(left_out))))
    differences_E = np.mean(whole, axis=0)
    return Effect(
        kind, switches, change, tuple(differences_E.tolist()), estimate(differences_E),
        tuple(sorted(set(left_out))),
    )  # fmt: skip


def _find(cells: list[dict[str, Any]], wanted: dict[str, Any]) -> int | None:
    keys = {name: _key(value) for name, value in wanted.items()}
    return next(
        (m for m, c in enumerate(cells) if {n: _key(v) for n, v in c.items()} == keys), None
    )


def having(cells: list[dict[str, Any]], name: str, value) -> list[int]:
    """The cells in which a switch has this value."""
    return [m for m, cell in enumerate(cells) if _key(cell[name]) == _key(value)]


def _key(value):
    """1, 1.0 and True are equal in Python and three values here."""
    return type(value), value
