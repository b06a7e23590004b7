"""What an interval allows to say about a change of a switch, in one sentence, and no more."""

import math

import numpy as np

from minitx.ablation.effects import Effect, estimate, having, levels, simple_effects
from minitx.ablation.grid import name_of, show
from minitx.ablation.moments import END, MEASURES

ALPHA = 0.05  # chance of one false alarm among all comparisons of one measure


def sentence(table, effect: Effect, name: str, family: int) -> str:
    """What an interval allows to say about a change, and no more."""
    measure, e = MEASURES[name], effect.estimate
    missing = ", ".join(name_of(table.cells[m]) for m in effect.left_out)
    if len(effect.left_out) > 2:
        missing = f"{len(effect.left_out)} cells"
    if e is None:
        return f"{effect.change}: nothing can be said: no number from {missing}"
    without = f" (without {missing}: no number for both of a pair)" if missing else ""
    size = amount(e.mean, measure.ratio)
    head = f"{effect.change}: "
    if e.p is None:
        return f"{head}{size}{without}, from one seed: no interval, it may be chance"
    told = span(effect, name)
    if not any(effect.differences_E):
        return f"{head}exactly the same in every seed{without}: no effect"
    if max(abs(e.low), abs(e.high)) <= measure.least:
        return f"{head}{told}{without}: no difference that could matter"
    if effect.adjusted_p is not None and effect.adjusted_p < ALPHA:
        verb = "higher" if e.mean > 0 else "lower"
        return f"{head}{told}{without}: {verb}"
    if e.p < ALPHA:
        return (
            f"{head}{told}{without}: not settled: alone this interval would count, among "
            f"{family} comparisons it may be chance (Holm: p = {effect.adjusted_p:.2g})"
        )
    return f"{head}{told}{without}: no effect shown; anything in that interval is possible"


def sentences(table, name: str, at: str = END) -> list[str]:
    """One for every change of every switch; after them, what depends on what."""
    effects = table.effects(name, at)
    tested = sum(e.adjusted_p is not None for e in effects)
    told = [sentence(table, e, name, tested) for e in effects if e.kind == "main"]
    return told + depending(table, name, at)


def depending(table, name: str, at: str) -> list[str]:
    """The pairs of changes that depend on each other; after each, what the first does at each value
    of the other switch. At the end, how many do not, and how many cannot be known.
    """
    effects = table.effects(name, at)
    pairs = [e for e in effects if e.kind == "interaction"]
    known = [e for e in pairs if e.estimate]
    loud = [e for e in known if called(e, name)]
    told = []
    for effect in loud:
        told.append(f"{effect.change}: {span(effect, name)}: the two depend on each other")
        first = effect.change.partition(", by ")[0]
        (main,) = (e for e in effects if e.change == first)
        found = simple_effects(table.cells, table.compared(name, at), main, effect.switches[1])
        for value, e in found:
            if show(value) in effect.change.rpartition(": ")[2].split(" → "):
                told.append(f"  with {effect.switches[1]}={show(value)}: {first}: {span(e, name)}")
    if len(known) > len(loud):
        told.append(f"of {counted(len(known) - len(loud), 'other ' * bool(loud))} none is shown")
    if len(known) < len(pairs):
        told.append(
            f"{len(pairs) - len(known)} of {counted(len(pairs))} cannot be computed, for want of "
            "cells with numbers"
        )
    return told


def counted(count: int, kind: str = "") -> str:
    return f"{count} {kind}interaction{'s' * (count != 1)}"


def mixed(table, effect: Effect, name: str, at: str) -> list[str]:
    """Where a change does opposite things at different values of another switch: what it does
    there, for each such switch. An average over opposite things stands for neither.

    Only signs that are known count: those of effects whose own interval does not hold zero.
    """
    told = []
    for other in table.cells[0]:
        if effect.estimate is None or other in effect.switches:
            continue
        found = simple_effects(table.cells, table.compared(name, at), effect, other)
        lows = [e.estimate.low for _, e in found if e.estimate.low is not None]
        highs = [e.estimate.high for _, e in found if e.estimate.high is not None]
        least = MEASURES[name].least
        if lows and max(lows) > least and min(highs) < -least:
            told.append(_each(found, name, other))
    return told


def parts(table, effect: Effect, name: str, at: str) -> list[str]:
    """What a change does at each value of the switches that it is shown to depend on, by more
    than a factor of two.
    """
    told = []
    for other in table.cells[0]:
        pair = {*effect.switches, other}
        shown = [e for e in table.effects(name, at) if len(pair) == 2 and set(e.switches) == pair]
        if any(called(e, name) and effect.change in e.change for e in shown):
            found = simple_effects(table.cells, table.compared(name, at), effect, other)
            sizes = [abs(e.estimate.mean) for _, e in found]
            if max(sizes) > 2 * min(sizes):
                told.append(_each(found, name, other))
    return told


def _each(found, name: str, other: str) -> str:
    sizes = ((amount(e.estimate.mean, MEASURES[name].ratio), value) for value, e in found)
    return ", ".join(f"{size} with {other}={show(value)}" for size, value in sizes)


def span(effect: Effect, name: str) -> str:
    """The mean of an effect, and its interval if there is one."""
    low, mean, high = (
        amount(getattr(effect.estimate, part), MEASURES[name].ratio)
        for part in ("low", "mean", "high")
    )
    return mean if effect.estimate.low is None else f"{mean} ({low} to {high})"


def named(cells, rows) -> str:
    """Some of the cells in words: first what all cells with one value have in common."""
    rows, left, told = set(rows), set(rows), []
    for switch, values in levels(cells).items():
        for value in values:
            those = set(having(cells, switch, value))
            if 1 < len(those) < len(cells) and those <= rows and those & left:
                told.append(f"every cell with {switch}={show(value)}")
                left -= those
    return "; ".join([*told, *(name_of(cells[m]) for m in sorted(left))])


def called(effect: Effect, name: str) -> bool:
    """Whether an effect is shown: after Holm, and larger than what is too small to tell."""
    e = effect.estimate
    return bool(
        e is not None and effect.adjusted_p is not None and effect.adjusted_p < ALPHA
        and max(abs(e.low), abs(e.high)) > MEASURES[name].least
    )  # fmt: skip


def cell_estimate(values_E, ratio: bool):
    """The mean over seeds that have a number, with its interval; geometric for ratios."""
    values_E = values_E[np.isfinite(values_E)]
    if not len(values_E):
        return None
    if not ratio:
        return estimate(values_E)
    if (values_E <= 0).any():
        return None
    e = estimate(np.log(values_E))
    return e._replace(**{n: None if getattr(e, n) is None else math.exp(getattr(e, n))
                         for n in ("mean", "low", "high")})  # fmt: skip


def amount(value: float | None, ratio: bool) -> str:
    """A difference with its sign, or a ratio."""
    if value is None:
        return "?"
    if ratio:
        return f"x{math.exp(value):.3g}" if abs(value) < 700 else "x" + ("0" if value < 0 else "∞")
    digits = 3 if abs(value) < 100 else 0
    text = f"{value:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]  # no sign before a zero


def label(name: str) -> str:
    return name.replace("_", " ")
