"""The table of an ablation as CSV and JSON."""

import math
from typing import Any

from minitx.ablation import dependence, wording
from minitx.ablation.effects import Change, Effect, Estimate
from minitx.ablation.margin import margin_of
from minitx.ablation.settings import name_of, show
from minitx.tables import to_csv

KEPT = (  # of a record, in table.json
    "settings", "rates", "losses_at_rates", "branches", "parameters", "seconds", "seeds", "tied",
)  # fmt: skip


def results_csv(table) -> str:
    """Return one line for every number: cell, its switches, seed, measure, moment, value."""
    heading = ["cell", *table.cells[0], "lr", "chosen_lr", "learned", "seed"]
    heading += ["measure", "at", "value"]
    lines: list[list] = [heading]
    for name in table.measures():
        for at in table.moments(name):
            values_MAE = table.values_at_rates(name, at)
            for m in range(len(table.cells)):
                for a, training in enumerate(table.trainings(m)):
                    settings = [show(setting) for setting in table.cells[m].values()]
                    settings += [training["train"]["lr"], show(a == 0)]
                    settings.append(show(bool(table.learned_MA[m, a])))
                    for seed, value in zip(table.seeds, values_MAE[m, a], strict=True):
                        number = float(value) if math.isfinite(value) else None
                        lines.append([m + 1, *settings, seed, name, at, number])
    return to_csv(lines)


def effects_csv(table) -> str:
    """Return one line for every comparison; those of ratios are in natural logarithms."""
    heading = [
        "measure", "at", "kind", "change", "switch", "before", "after",
        "by_switch", "by_before", "by_after", "mean", "low", "high", "p", "holm_p", "seeds",
        "combinations", "lowest", "highest", "margin", "verdict",
    ]  # fmt: skip
    lines: list[list] = [heading]
    for name in table.measures():
        for at in table.moments(name):
            for effect in table.effects(name, at):
                estimate = effect.estimate or Estimate(None, None, None, None, 0)
                lines.append([
                    name, at, effect.kind, effect.name, *_shown(effect.change),
                    *(_shown(effect.by) if effect.by else [None] * 3),
                    *estimate[:4], effect.adjusted_p, estimate.count,
                    effect.combinations, effect.lowest, effect.highest,
                    margin_of(table.margins, name), table.judge(effect, name),
                ])  # fmt: skip
    return to_csv(lines)


def to_json(table) -> dict[str, Any]:
    """Return everything, for programs."""
    effects = {}
    for name in table.measures():
        for at in table.moments(name):
            family = table.effects(name, at)
            effects[f"{name}, at {at}"] = [_effect_json(table, effect, name) for effect in family]
    return {
        "title": table.title,
        "text": table.text,
        "yardstick": table.yardstick,
        "baseline_loss": table.baseline_loss,
        "corpus_entropy": table.corpus_entropy,
        "target": table.target,
        "margins": table.margins,
        "margins_remark": table.margins_remark,
        "seeds": table.seeds,
        "cells": [_cell_json(table, m) for m in range(len(table.records))],
        "unanswered": wording.unanswered(table),
        "effects": effects,
        "claims": dependence.to_json(table),
    }


def _cell_json(table, m: int) -> dict[str, Any]:
    record = table.records[m]
    cell = {
        "name": name_of(table.cells[m]),
        "lr": record["train"]["lr"],
        "learned": m not in table.not_learned,
    }
    for key in KEPT:
        if key in record:
            cell[key] = record[key]
    return cell


def _shown(change: Change) -> list[str]:
    return [change.switch, show(change.before), show(change.after)]


def _effect_json(table, effect: Effect, name: str) -> dict[str, Any]:
    return {
        "kind": effect.kind,
        "change": effect.name,
        **effect.change._asdict(),
        "by": effect.by and effect.by._asdict(),
        "differences": list(effect.differences_E),
        "estimate": effect.estimate and effect.estimate._asdict(),
        "combinations": effect.combinations,
        "lowest": effect.lowest,
        "highest": effect.highest,
        "adjusted_p": effect.adjusted_p,
        "left_out": list(effect.left_out),
        "verdict": table.judge(effect, name),
    }
