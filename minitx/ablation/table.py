"""The table of an ablation: the numbers of every cell, and what each switch does.

A record belongs to one cell: its configs, and for each seed a history of moments in training.
`markdown` is for reading, `results_csv` and `effects_csv` for calculating, `json` for programs.
"""

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minitx.ablation import claims_page, export, margin, page
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

    def trainings(self, m: int) -> list[dict[str, Any]]:
        """Return what was trained in cell m: at the chosen rate, then at nearly tied ones."""
        return [self.records[m], *self.records[m].get("tied", [])]

    @property
    def rates(self) -> int:
        """The most rates A that a cell was trained at."""
        return max(len(self.trainings(m)) for m in range(len(self.records)))

    def entries(self, m: int, a: int = 0) -> list[Entry]:
        """Return the seeds of cell m at its a-th rate, in the order of `seeds`."""
        by_seed = {entry["seed"]: entry for entry in self.trainings(m)[a]["seeds"]}
        return [by_seed[seed] for seed in self.seeds]

    # --- who learned -----------------------------------------------------------------------------

    @functools.cached_property
    def learning_limit(self) -> float | None:
        """The loss below which a seed has learned: a tenth of the way from the baseline to the best
        seed. None if no seed has a loss."""
        final = self.values_at_rates(self.yardstick)
        final = final[np.isfinite(final)]
        if not final.size:
            return None
        return float(self.baseline_loss - LEARNED * (self.baseline_loss - final.min()))

    @functools.cached_property
    def learned_loss(self) -> float | None:
        """The highest final loss of a seed that learned; None if no seed did."""
        if self.learning_limit is None:
            return None
        final = self.values_at_rates(self.yardstick)
        learned = final[final < self.learning_limit]
        return float(learned.max()) if learned.size else None

    @property
    def target(self) -> float | None:
        """The loss for comparing at equal loss: `learned_loss`, if models were cooled down for it.

        Models whose rate has fallen to different shares of its peak cannot be compared so.
        """
        is_cooled = all("branches" in record for record in self.records)
        return self.learned_loss if is_cooled else None

    @functools.cached_property
    def not_learned(self) -> list[int]:
        """The cells in which at least one seed did not learn.

        Their losses are compared. What happens inside them is not: it describes models that do not
        work.
        """
        return np.flatnonzero(~self.learned_MA[:, 0]).tolist()

    @functools.cached_property
    def learned_MA(self) -> np.ndarray:
        """Whether every seed of a cell learned, at each of its rates."""
        if self.learned_loss is None:
            return np.zeros((len(self.records), self.rates), bool)
        return (self.values_at_rates(self.yardstick) <= self.learned_loss).all(axis=-1)

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
        has_both = MEASURES[name].at_equal_loss and self.target is not None
        return (END, EQUAL) if has_both else (END,)

    def values(self, name: str, at: str = END) -> np.ndarray:
        """Return a measure of all cells and seeds, (M, E), at the rate that each cell chose.

        NaN where it does not exist.
        """
        return self.values_at_rates(name, at)[:, 0]

    def values_at_rates(self, name: str, at: str = END) -> np.ndarray:
        """Return a measure of all cells, rates and seeds, (M, A, E): the chosen rates first.

        NaN where it does not exist, and where a cell has fewer rates than others.
        """
        values_MAE = np.full((len(self.records), self.rates, len(self.seeds)), np.nan)
        for m in range(len(self.records)):
            for a in range(len(self.trainings(m))):
                for e, entry in enumerate(self.entries(m, a)):
                    values_MAE[m, a, e] = self.read(entry, name, at)
        return values_MAE

    def read(self, entry: Entry, name: str, at: str) -> float:
        """Return a measure of one seed at one moment."""
        if at == END and name != "steps_to_loss":
            return read_at_end(entry, name)
        return read_at_loss(entry, name, self.yardstick, self.target)

    def learned_values(self, name: str, at: str = END) -> np.ndarray:
        """Return `values`, with internal measures set to NaN for cells that did not learn."""
        return self.learned_at_rates(name, at)[:, 0]

    def learned_at_rates(self, name: str, at: str = END) -> np.ndarray:
        """Return `values_at_rates`, with internal measures set to NaN where not all learned."""
        values_MAE = self.values_at_rates(name, at)
        if MEASURES[name].inside:
            values_MAE[~self.learned_MA] = np.nan
        return values_MAE

    def compared(self, name: str, at: str = END) -> np.ndarray:
        """Return what differences are taken of: `learned_at_rates`, for ratios its logarithms."""
        values_MAE = self.learned_at_rates(name, at)
        if MEASURES[name].ratio:
            values_MAE = np.log(np.where(values_MAE > 0, values_MAE, np.nan))
        return values_MAE

    # --- effects ---------------------------------------------------------------------------------

    def effects(self, name: str, at: str = END, learned_only: bool = False) -> list[Effect]:
        """Return what every change does to a measure, and every interaction of two changes.

        Ratios are compared as logarithms. All p values together are adjusted by Holm's method.
        `learned_only` leaves out cells that did not learn for any measure.
        """
        if name == "val_loss" and self.yardstick != "val_loss":
            return []  # the cells have different losses, which cannot be subtracted
        values_MAE = self.compared(name, at)
        if learned_only:
            values_MAE[~self.learned_MA] = np.nan
        return holm(main_effects(self.cells, values_MAE) + interactions(self.cells, values_MAE))

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

    def claims_section(self) -> list[str]:
        """Return what a page says of the claims that the models were judged by, if they were."""
        return claims_page.section(self)

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
