"""The table of an ablation: what each cell came to, and what each switch did.

A record tells of one cell: its configs, and for each seed a history of moments in training.
`Table.markdown` is for reading, `results_csv` and `effects_csv` for calculating, `json` for all.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minitx.ablation import opening, prose
from minitx.ablation.effects import Effect, holm, interactions, main_effects
from minitx.ablation.grid import name_of, show
from minitx.ablation.moments import (
    END,
    EQUAL,
    LEARNED,
    MEASURES,
    ONCE,
    OUTSIDE,
    SHOWN,
    cross,
    value,
)
from minitx.ablation.sentences import sentences
from minitx.tables import to_csv


@dataclass(frozen=True)
class Table:
    """Finished cells, side by side; `ignorant` is the loss of one who knows frequencies only."""

    records: list[dict[str, Any]]
    title: str
    ignorant: float
    truth: float | None = None
    """The entropy of a generated corpus, in nats per token: no cross-entropy is below it."""
    text: str = ""
    """What the models were trained on, in words."""

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

    @functools.cached_property
    def idle(self) -> list[int]:
        """The cells in which not every seed learned; all, if nothing knows more than frequencies.

        What is measured inside them tells of models that do not work, so it is compared with
        nothing. Their loss is.
        """
        if self.target is None:
            return list(range(len(self.records)))
        reached = self.values(self.yardstick) <= self.target
        return [m for m, row in enumerate(reached) if not row.all()]

    @functools.cached_property
    def early(self) -> dict[int, int]:
        """The cells of which a seed passed the target before it was first measured, and when.

        They have no number at equal loss: half of it would be that of an untrained model.
        """
        found = {}
        for m in range(len(self.records)):
            for entry in self.entries(m):
                crossing = cross(entry["history"], self.yardstick, self.target)
                if crossing and crossing.early:
                    found[m] = crossing.after["step"]
        return found

    def values(self, name: str, at: str = END) -> np.ndarray:
        """A measure as (M, E): cells, seeds; not a number where there is none."""
        target = None if at == END and name != "steps_to_loss" else self.target
        each = [
            [value(entry, name, at, self.yardstick, target) for entry in self.entries(m)]
            for m in range(len(self.records))
        ]
        return np.array(each, float)

    def learned_values(self, name: str, at: str = END) -> np.ndarray:
        """`values`, but for what is inside models of the cells alone in which every seed learned.

        Only such are compared.
        """
        values_ME = self.values(name, at)
        if name not in OUTSIDE:
            values_ME[self.idle] = np.nan
        return values_ME

    def compared(self, name: str, at: str = END) -> np.ndarray:
        """What differences are taken of: `learned_values`, of ratios the logarithms."""
        values_ME = self.learned_values(name, at)
        if MEASURES[name].ratio:
            values_ME = np.log(np.where(values_ME > 0, values_ME, np.nan))
        return values_ME

    def measures(self) -> list[str]:
        """The measures that some seed of some cell has."""
        return [name for name in MEASURES if np.isfinite(self.values(name)).any()]

    def effects(self, name: str, at: str = END) -> list[Effect]:
        """What switches do to a measure (ratios as logarithms), by themselves and in pairs.

        The p values are adjusted by Holm for all of them together.
        """
        if name == "val_loss" and self.yardstick != "val_loss":
            return []  # nats and squared logits are no two amounts of one thing
        values_ME = self.compared(name, at)
        return holm(main_effects(self.cells, values_ME) + interactions(self.cells, values_ME))

    # --- documents -------------------------------------------------------------------------------

    def markdown(self) -> str:
        """All of it, for reading."""
        return prose.markdown(self)

    def summary(self) -> str:
        """The beginning of `markdown`: the cells, and what each switch does to the loss."""
        return prose.summary(self)

    def results_csv(self) -> str:
        """One line for every number: cell, its switches, seed, measure, moment, value."""
        names = list(self.cells[0])
        lines = [["cell", *names, "lr", "learned", "seed", "measure", "at", "value"]]
        for name in self.measures():
            for at in (END,) if name in ONCE else (END, EQUAL):
                for m, row in enumerate(self.values(name, at)):
                    settings = [show(setting) for setting in self.cells[m].values()]
                    settings += [self.records[m]["train"]["lr"], show(m not in self.idle)]
                    for seed, found in zip(self.seeds, row, strict=True):
                        number = repr(float(found)) if math.isfinite(found) else ""
                        lines.append([m + 1, *settings, seed, name, at, number])
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
                {"name": name_of(self.cells[m]), "lr": record["train"]["lr"],
                 "learned": m not in self.idle}
                | {key: record[key] for key in kept if key in record}
            )  # fmt: skip
        effects = {
            f"{name}, at {at}": [e._asdict() | {"estimate": e.estimate and e.estimate._asdict()}
                                 for e in self.effects(name, at)]
            for name in self.measures() for at in ((END,) if name in ONCE else (END, EQUAL))
        }  # fmt: skip
        return {
            "title": self.title, "yardstick": self.yardstick, "ignorant": self.ignorant,
            "truth": self.truth, "target": self.target, "seeds": self.seeds,
            "cells": cells, "short": opening.in_short(self),
            "unanswered": opening.unanswered(self), "effects": effects,
            "sentences": {name: sentences(self, name) for name in (self.yardstick, *SHOWN)
                          if name in self.measures()},
        }  # fmt: skip
