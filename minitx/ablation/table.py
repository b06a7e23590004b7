"""The table of an ablation: the numbers of every cell, and what each switch does.

A record belongs to one cell: its configs, and for each seed a history of moments in training.
`markdown` is for reading, `results_csv` and `effects_csv` for calculating, `json` for programs.
"""

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minitx.ablation import export, margin, page
from minitx.ablation.effects import (
    Change,
    Effect,
    Estimate,
    holm,
    interactions,
    main_effects,
    simple_effects,
)
from minitx.ablation.margin import Margins
from minitx.ablation.measures import (
    END,
    EQUAL,
    MEASURES,
    Entry,
    find_crossing,
    read_at_end,
    read_at_loss,
)
from minitx.ablation.settings import Settings
from minitx.text.data import Data

LEARNED = 0.1  # share of the way from the baseline to the best seed that counts as learning


@dataclass(frozen=True)
class Table:
    """Finished cells, side by side."""

    records: list[dict[str, Any]]
    title: str
    baseline_loss: float
    """The loss of a model that knows how often each token occurs, and nothing else."""
    corpus_entropy: float | None = None
    """The entropy of a generated corpus in nats per token: no cross-entropy is below it."""
    text: str = ""
    """What the models were trained on, in words."""
    margins: Margins = field(default_factory=dict)
    """By measure, how large a difference may be while cells count as equal."""
    margins_remark: str = ""
    """If results came before the margins: a remark that says so."""

    @property
    def cells(self) -> list[Settings]:
        return [record["settings"] for record in self.records]

    @functools.cached_property
    def seeds(self) -> list[int]:
        """The seeds that every cell has: only these are compared, in pairs."""
        in_each = [[entry["seed"] for entry in record["seeds"]] for record in self.records]
        return [seed for seed in in_each[0] if all(seed in seeds for seeds in in_each)]

    @property
    def yardstick(self) -> str:
        """The loss that cells are compared by: their own or, where that varies, a common one."""
        losses = {record["train"]["loss"] for record in self.records}
        return "val_loss" if len(losses) == 1 else "fitted_loss"

    def entries(self, m: int) -> list[Entry]:
        """Return the seeds of cell m, in the order of `seeds`."""
        by_seed = {entry["seed"]: entry for entry in self.records[m]["seeds"]}
        return [by_seed[seed] for seed in self.seeds]

    # --- who learned -----------------------------------------------------------------------------

    @functools.cached_property
    def target(self) -> float | None:
        """The loss for comparing at equal loss: the highest final loss of a seed that learned.

        A seed learned if its loss went a tenth of the way from the baseline to the best seed. None
        if no seed did.
        """
        final = self.values(self.yardstick)
        final = final[np.isfinite(final)]
        if not final.size:
            return None
        learned = final[final < self.baseline_loss - LEARNED * (self.baseline_loss - final.min())]
        return float(learned.max()) if learned.size else None

    @functools.cached_property
    def not_learned(self) -> list[int]:
        """The cells in which at least one seed did not learn.

        Their losses are compared. What happens inside them is not: it describes models that do not
        work.
        """
        if self.target is None:
            return list(range(len(self.records)))
        reached_ME = self.values(self.yardstick) <= self.target
        return [m for m, reached_E in enumerate(reached_ME) if not reached_E.all()]

    @functools.cached_property
    def early(self) -> dict[int, int]:
        """The cells in which a seed passed the target before its first evaluation, and its step.

        They have no number at equal loss: half of it would be that of an untrained model.
        """
        steps = {}
        for m in range(len(self.records)):
            for entry in self.entries(m):
                crossing = find_crossing(entry["history"], self.yardstick, self.target)
                if crossing and crossing.is_early:
                    steps[m] = crossing.after["step"]
        return steps

    # --- numbers ---------------------------------------------------------------------------------

    def measures(self) -> list[str]:
        """Return the measures that some seed of some cell has."""
        return [name for name in MEASURES if np.isfinite(self.values(name)).any()]

    def moments(self, name: str) -> tuple[str, ...]:
        """Return at which moments a measure is read."""
        return (END, EQUAL) if MEASURES[name].at_equal_loss else (END,)

    def values(self, name: str, at: str = END) -> np.ndarray:
        """Return a measure of all cells and seeds, (M, E); NaN where it does not exist."""
        rows = []
        for m in range(len(self.records)):
            if at == END and name != "steps_to_loss":
                rows.append([read_at_end(entry, name) for entry in self.entries(m)])
            else:
                rows.append([
                    read_at_loss(entry, name, self.yardstick, self.target)
                    for entry in self.entries(m)
                ])  # fmt: skip
        return np.array(rows, float)

    def learned_values(self, name: str, at: str = END) -> np.ndarray:
        """Return `values`, with internal measures set to NaN for cells that did not learn."""
        values_ME = self.values(name, at)
        if MEASURES[name].inside:
            values_ME[self.not_learned] = np.nan
        return values_ME

    def compared(self, name: str, at: str = END) -> np.ndarray:
        """Return what differences are taken of: `learned_values`, for ratios their logarithms."""
        values_ME = self.learned_values(name, at)
        if MEASURES[name].ratio:
            values_ME = np.log(np.where(values_ME > 0, values_ME, np.nan))
        return values_ME

    # --- effects ---------------------------------------------------------------------------------

    def effects(self, name: str, at: str = END, learned_only: bool = False) -> list[Effect]:
        """Return what every change does to a measure, and every interaction of two changes.

        Ratios are compared as logarithms. All p values together are adjusted by Holm's method.
        `learned_only` leaves out cells that did not learn for any measure.
        """
        if name == "val_loss" and self.yardstick != "val_loss":
            return []  # the cells have different losses, which cannot be subtracted
        values_ME = self.compared(name, at)
        if learned_only:
            values_ME[self.not_learned] = np.nan
        return holm(main_effects(self.cells, values_ME) + interactions(self.cells, values_ME))

    def simple_effects(
        self, change: Change, other: str, name: str, at: str = END
    ) -> list[tuple[Any, Estimate]]:
        """Return what a change does to a measure at each value of another switch."""
        return simple_effects(self.cells, self.compared(name, at), change, other)

    def is_shown(self, effect: Effect, name: str) -> bool:
        """Return whether an effect is shown after Holm's correction, and not negligible."""
        return effect.is_shown(MEASURES[name].negligible)

    def judge(self, effect: Effect, name: str) -> str | None:
        """Return how an effect stands to the margin of its measure; None if it has none."""
        return margin.judge(effect.estimate, margin.margin_of(self.margins, name))

    def opposed(self, effect: Effect, name: str, at: str = END) -> list[str]:
        """Return the switches at whose values a change has opposite effects on a measure.

        The average over such a switch describes neither value. Only known signs count: those of
        effects whose own interval (not corrected) leaves out zero.
        """
        if effect.estimate is None or effect.by is not None:
            return []
        negligible = MEASURES[name].negligible
        switches = []
        for other in self.cells[0]:
            if other == effect.change.switch:
                continue
            estimates = [e for _, e in self.simple_effects(effect.change, other, name, at)]
            known = [e for e in estimates if e.low is not None]
            rises = any(e.low > negligible for e in known)
            falls = any(e.high < -negligible for e in known)
            if rises and falls:
                switches.append(other)
        return switches

    # --- documents -------------------------------------------------------------------------------

    def summary(self) -> str:
        """Return the short page: what ran, the cells, the effects, how to read them."""
        return page.short(self)

    def markdown(self) -> str:
        """Return the short page and the full tables behind it."""
        return page.full(self)

    def results_csv(self) -> str:
        """Return one line for every number: cell, its switches, seed, measure, moment, value."""
        return export.results_csv(self)

    def effects_csv(self) -> str:
        """Return one line for every comparison; those of ratios are in natural logarithms."""
        return export.effects_csv(self)

    def json(self) -> dict[str, Any]:
        """Return everything, for programs."""
        return export.to_json(self)


def make_table(
    records: list[dict[str, Any]],
    data: Data,
    title: str = "",
    margins: Margins | None = None,
    margins_remark: str = "",
) -> Table:
    """Return the table of finished cells that were trained on this text."""
    vocab = len(data.tokenizer)
    seen_V = np.bincount(data.train_tokens, minlength=vocab)
    held_out_V = np.bincount(data.val_tokens, minlength=vocab) / len(data.val_tokens)
    if {record["train"]["loss"] for record in records} == {"squared_error"}:
        p_V = seen_V / seen_V.sum()
        baseline_loss = 0.5 * float(1 - 2 * held_out_V @ p_V + p_V @ p_V)
    else:
        p_V = (seen_V + 1) / (seen_V.sum() + vocab)  # a token that was never seen counts once
        baseline_loss = float(-held_out_V @ np.log(p_V))
    corpus_entropy = data.generator.entropy() if data.generator else None
    text = (
        f"{data.config.corpus}, {len(data.train_tokens):,} tokens for training and "
        f"{len(data.val_tokens):,} held out, {vocab} different ones"
    )
    title = title or f"Ablation on {data.config.corpus}"
    return Table(records, title, baseline_loss, corpus_entropy, text, margins or {}, margins_remark)
