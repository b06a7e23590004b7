"""The table of an ablation: what each cell came to, what each switch did, in numbers and in words.

A record tells of one cell: its configs, and for each seed a history of moments in training. What is
compared is taken either at the end, after equal steps, or at the moment when each model came down
to one loss that all which learn reach: whatever still differs there is not for being better trained.
"""

import csv
import functools
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minitx.effects import Effect, estimate, holm, interactions, main_effects
from minitx.grid import name_of, show

END, EQUAL = "equal steps", "equal loss"
LEARNED = 0.1  # of the way from knowing frequencies only to the best cell, to count as learning
ALPHA = 0.05  # chance of one false alarm among all comparisons of one measure


class Measure(NamedTuple):
    """A number of a model: what it is, whether it is compared by ratio, what is too small to tell."""

    about: str
    ratio: bool = False
    least: float = 0.001  # differences (or logarithms of ratios) within this are none


MEASURES = {
    "val_loss": Measure("loss on the validation split"),
    "fitted_loss": Measure("cross-entropy at the fitted temperature, in nats"),
    "accuracy": Measure("how often the likeliest token comes"),
    "steps_to_loss": Measure("steps until the loss that all reach", ratio=True),
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
SHOWN = ("growth", "trained_growth", "cos_prev", "cos_excess", "size_effect", "temperature",
         "length_swap", "direction_swap")  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Finished cells, side by side; `ignorant` is the loss of one who knows frequencies only."""

    records: list[dict[str, Any]]
    title: str
    ignorant: float
    truth: float | None = None
    """The entropy of a generated corpus, in nats per token: no cross-entropy is below it."""

    @property
    def cells(self) -> list[dict[str, Any]]:
        return [record["settings"] for record in self.records]

    @functools.cached_property
    def seeds(self) -> list[int]:
        """The seeds that every cell has: they are what is paired."""
        each = [[entry["seed"] for entry in record["seeds"]] for record in self.records]
        return [seed for seed in each[0] if all(seed in seeds for seeds in each)]

    @property
    def yardstick(self) -> str:
        """The loss that cells are compared by: their own, or where that varies, a common one."""
        mixed = len({record["train"]["loss"] for record in self.records}) > 1
        return "fitted_loss" if mixed else "val_loss"

    def entries(self, m: int) -> list[dict[str, Any]]:
        """The seeds of cell m, in the order of `seeds`."""
        by_seed = {entry["seed"]: entry for entry in self.records[m]["seeds"]}
        return [by_seed[seed] for seed in self.seeds]

    @functools.cached_property
    def target(self) -> float | None:
        """The loss for comparing at equal loss: the highest at which a seed that learns ends.

        Those that end no lower than they started, or that know little more than frequencies, have
        learned too little to be waited for: they never reach it.
        """
        ends = self.values(self.yardstick)
        ends = ends[np.isfinite(ends)]
        if not ends.size:
            return None
        learned = ends[ends < self.ignorant - LEARNED * (self.ignorant - ends.min())]
        return float(learned.max()) if learned.size else None

    def values(self, name: str, at: str = END) -> np.ndarray:
        """A measure as (M, E): cells, seeds; not a number where training failed or never got there."""
        return np.array(
            [[self._value(record, entry, name, at) for entry in self.entries(m)]
             for m, record in enumerate(self.records)], float,
        )  # fmt: skip

    def _value(self, record, entry, name: str, at: str) -> float:
        if name == "gradient_ratio":
            blocks = entry["gradient_by_layer"][1:]
            return _quotient(blocks[0], blocks[-1]) if blocks else math.nan
        if name == "steps_to_loss":
            return _where(entry["history"], self.yardstick, self.target)[0]
        if at == EQUAL:
            _, before, after, part = _where(entry["history"], self.yardstick, self.target)
            if before is None:
                return math.nan
            a, b = (_number(moment, entry, name) for moment in (before, after))
            if MEASURES[name].ratio and a > 0 and b > 0:
                return math.exp((1 - part) * math.log(a) + part * math.log(b))
            return (1 - part) * a + part * b
        if entry["failure"]:
            return math.nan
        return _number(entry["history"][-1], entry, name)

    def measures(self) -> list[str]:
        """The measures that some seed of some cell has."""
        return [name for name in MEASURES if np.isfinite(self.values(name)).any()]

    def effects(self, name: str, at: str = END) -> list[Effect]:
        """What switches do to a measure (ratios as logarithms), by themselves and in pairs.

        The p values are adjusted by Holm for all of them together.
        """
        if name == "val_loss" and self.yardstick != "val_loss":
            return []  # nats and squared logits are no two amounts of one thing
        values_ME = self.values(name, at)
        if MEASURES[name].ratio:
            values_ME = np.log(np.where(values_ME > 0, values_ME, np.nan))
        return holm(main_effects(self.cells, values_ME) + interactions(self.cells, values_ME))

    # --- words -----------------------------------------------------------------------------------

    def sentence(self, effect: Effect, name: str, family: int) -> str:
        """What an interval allows to say about a change, and no more."""
        measure, e = MEASURES[name], effect.estimate
        missing = ", ".join(name_of(self.cells[m]) for m in effect.left_out)
        if e is None:
            return f"{effect.change}: nothing can be said: no number from {missing}"
        without = f" (without {missing}, or their partners, which lack a number)" if missing else ""
        amount = _amount(e.mean, measure.ratio)
        head = f"{effect.change}: "
        if e.p is None:
            return f"{head}{amount}{without}, from one seed: no interval, it may be chance"
        span = f"{amount} ({_amount(e.low, measure.ratio)} to {_amount(e.high, measure.ratio)})"
        if not any(effect.differences_E):
            return f"{head}exactly the same in every seed{without}: no effect"
        if max(abs(e.low), abs(e.high)) <= measure.least:
            return f"{head}{span}{without}: no difference that could matter"
        if effect.adjusted_p is not None and effect.adjusted_p < ALPHA:
            verb = "higher" if e.mean > 0 else "lower"
            if effect.kind == "interaction":
                return f"{head}{span}{without}: the two depend on each other"
            return f"{head}{span}{without}: {verb}"
        if e.p < ALPHA:
            return (
                f"{head}{span}{without}: not settled: alone this interval would count, among "
                f"{family} comparisons it may be chance (Holm: p = {effect.adjusted_p:.2g})"
            )
        return f"{head}{span}{without}: no effect shown; anything in that interval is possible"

    def sentences(self, name: str, at: str = END) -> list[str]:
        """One for every change of every switch; after it, the pairs of switches that depend on each
        other, with what the first does at each value of the second.
        """
        effects = self.effects(name, at)
        tested = sum(e.adjusted_p is not None for e in effects)
        told = [self.sentence(e, name, tested) for e in effects if e.kind == "main"]
        pairs = [e for e in effects if e.kind == "interaction"]
        loud = [e for e in pairs if called(e, name)]
        for effect in loud:
            told.append(self.sentence(effect, name, tested))
            told += self._apart(effect, name, at)
        if pairs:
            quiet = len(pairs) - len(loud)
            told.append(f"{quiet} of {len(pairs)} interactions of two switches are not shown")
        return told

    def _apart(self, effect: Effect, name: str, at: str) -> list[str]:
        """The first change of an interaction, at each value of the other switch."""
        change = effect.change.partition(", by ")[0]
        other = effect.switches[1]
        values_ME = self.values(name, at)
        if MEASURES[name].ratio:
            values_ME = np.log(np.where(values_ME > 0, values_ME, np.nan))
        told = []
        for value in {show(cell[other]): None for cell in self.cells}:
            rows = [m for m, cell in enumerate(self.cells) if show(cell[other]) == value]
            found = main_effects([self.cells[m] for m in rows], values_ME[rows])
            for e in found:
                if e.change == change and e.estimate and f"{value}" in effect.change:
                    low, mean, high = (
                        _amount(v, MEASURES[name].ratio)
                        for v in (e.estimate.low, e.estimate.mean, e.estimate.high)
                    )
                    told.append(f"  with {other}={value}: {change}: {mean} ({low} to {high})")
        return told

    # --- documents -------------------------------------------------------------------------------

    def markdown(self) -> str:
        """All of it, for reading."""
        from minitx.prose import markdown

        return markdown(self)

    def results_csv(self) -> str:
        """One line for every number: cell, its switches, seed, measure, moment, value."""
        names = list(self.cells[0])
        lines = [["cell", *names, "lr", "seed", "measure", "at", "value"]]
        for name in self.measures():
            for at in (END,) if name in ONCE else (END, EQUAL):
                for m, row in enumerate(self.values(name, at)):
                    settings = [show(value) for value in self.cells[m].values()]
                    lr = self.records[m]["train"]["lr"]
                    for seed, value in zip(self.seeds, row, strict=True):
                        number = repr(float(value)) if math.isfinite(value) else ""
                        lines.append([m + 1, *settings, lr, seed, name, at, number])
        return to_csv(lines)

    def effects_csv(self) -> str:
        """One line for every comparison; those of ratios are in natural logarithms."""
        lines = [["measure", "at", "kind", "change", "mean", "low", "high", "p", "holm_p", "seeds"]]
        for name in self.measures():
            for at in (END,) if name in ONCE else (END, EQUAL):
                for e in self.effects(name, at):
                    numbers = (e.estimate or (None,) * 5)[:4]
                    count = e.estimate.count if e.estimate else 0
                    told = ["" if n is None else repr(n) for n in (*numbers, e.adjusted_p)]
                    lines.append([name, at, e.kind, e.change, *told, count])
        return to_csv(lines)

    def json(self) -> dict[str, Any]:
        """All of it, for programs."""
        cells = []
        for m, record in enumerate(self.records):
            kept = ("settings", "rates", "losses_at_rates", "parameters", "seconds", "seeds")
            cells.append(
                {"name": name_of(self.cells[m]), "lr": record["train"]["lr"]}
                | {key: record[key] for key in kept if key in record}
            )
        effects = {
            f"{name}, at {at}": [e._asdict() | {"estimate": e.estimate and e.estimate._asdict()}
                                 for e in self.effects(name, at)]
            for name in self.measures() for at in ((END,) if name in ONCE else (END, EQUAL))
        }  # fmt: skip
        return {
            "title": self.title, "yardstick": self.yardstick, "ignorant": self.ignorant,
            "truth": self.truth, "target": self.target, "seeds": self.seeds,
            "cells": cells, "effects": effects,
            "sentences": {name: self.sentences(name) for name in (self.yardstick, *SHOWN)
                          if name in self.measures()},
        }  # fmt: skip


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


def _number(moment, entry, name: str) -> float:
    if name == "trained_growth":
        return _quotient(moment["growth"], entry["history"][0]["growth"])
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


def _amount(value: float | None, ratio: bool) -> str:
    """A difference with its sign, or a ratio."""
    if value is None:
        return "?"
    if ratio:
        return f"x{math.exp(value):.3g}" if abs(value) < 700 else "x" + ("0" if value < 0 else "∞")
    digits = 3 if abs(value) < 100 else 0
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−")


def to_csv(lines: Iterable[Iterable]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
