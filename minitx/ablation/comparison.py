"""Runs that were trained by hand, compared as a grid is: the same measures, table and pictures.

Runs whose configs differ in the seed alone are one cell, and their seeds its replicates.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minitx.ablation import cells, probe
from minitx.ablation.grid import FIXED, show
from minitx.ablation.table import Table
from minitx.config import to_json
from minitx.errors import InputError
from minitx.model import count_params
from minitx.objective import evaluate
from minitx.runs import run
from minitx.step import initial_params
from minitx.text.data import Data, prepare


def compare(folders: Sequence[str | Path]) -> Table:
    """The table of finished runs on one text; their switches are the fields in which they differ.

    Where not every combination is there, so that no switch can be judged by itself, the cells are
    compared as wholes. Raises InputError for fewer than two runs, for runs on different texts or
    of different lengths, and for the same config and seed twice.
    """
    runs = [run.load(folder) for folder in folders]
    if len(runs) < 2:
        raise InputError(f"{len(runs)} runs are too few to compare: name at least two")
    data = check_alike(runs)
    groups: dict[tuple, dict[int, Any]] = {}
    for one in runs:
        key = (one.config, dataclasses.replace(one.recipe, seed=0, eval_every=1))
        twin = groups.setdefault(key, {}).setdefault(one.recipe.seed, one)
        if twin is not one:
            raise InputError(
                f"{twin.folder} and {one.folder} have the same config and seed: leave one out"
            )
    settings = settings_of([next(iter(group.values())) for group in groups.values()])
    records = [
        record_of(cell, group, data) for cell, group in zip(settings, groups.values(), strict=True)
    ]
    table = cells.make_table(records, data, f"{len(runs)} runs on {data.config.corpus}")
    if not table.seeds:
        told = "; ".join(f"{g[next(iter(g))].folder}: {sorted(g)}" for g in groups.values())
        raise InputError(f"no seed is in every cell, so nothing can be paired ({told}): train more")
    return table


def check_alike(runs: list) -> Data:
    """The text that all runs were trained on; InputError if they differ in it, or in its tokens."""
    first = runs[0]
    for other in runs[1:]:
        if (first.data, first.sha256, first.tokenizer.to_json()) != (
            other.data, other.sha256, other.tokenizer.to_json()
        ):  # fmt: skip
            raise InputError(
                f"{first.folder} and {other.folder} were trained on different texts or tokens: "
                "compare runs on the same"
            )
    for one in runs:
        done = run.read_metrics(one.folder)
        if not done or done[-1]["step"] < one.recipe.steps:
            at = done[-1]["step"] if done else 0
            raise InputError(
                f"{one.folder} is at step {at} of {one.recipe.steps}: "
                f"minitx train --resume --out {one.folder}, or leave it out"
            )
    run.held_out(first)  # refuses a text that has changed since
    d = first.data
    data = prepare(d.corpus, d.tokenizer, first.config.vocab, d.val_fraction, d.digits)
    return dataclasses.replace(data, tokenizer=first.tokenizer)


def settings_of(runs: list) -> list[dict[str, Any]]:
    """For each run, the fields in which they differ: each a switch, or all one, if no grid."""
    told = [dataclasses.asdict(r.config) | dataclasses.asdict(r.recipe) for r in runs]
    names = [n for n in told[0] if n not in FIXED and len({show(t[n]) for t in told}) > 1]
    cells = [{name: t[name] for name in names} for t in told]
    levels = [list({show(cell[name]): None for cell in cells}) for name in names]
    there = {tuple(map(show, cell.values())) for cell in cells}
    if names and len(there) == len(cells) and there == set(itertools.product(*levels)):
        return cells
    labels = [", ".join(f"{name}={show(v)}" for name, v in cell.items()) for cell in cells]
    return [{"cell": label or run.folder.name} for label, run in zip(labels, runs, strict=True)]


def record_of(settings: dict[str, Any], group: dict[int, Any], data: Data) -> dict[str, Any]:
    """What `ablation.train_cell` makes, of runs that are trained; measured at their end only."""
    first = next(iter(group.values()))
    config, found = first.config, []
    sample = probe.sample(
        data.train_tokens, data.val_tokens, config.context, config.vocab, data.generator
    )
    for seed, one in sorted(group.items()):
        fresh, params = initial_params(config, seed), one.model.params()
        kind = one.recipe.loss
        losses = [evaluate(config, kind, p, data.val_tokens) for p in (fresh, params)]
        between = [
            {"step": line["step"], "val_loss": line["val_loss"]}
            for line in run.read_metrics(one.folder)[:-1]
        ]
        history = [
            cells.moment(config, kind, fresh, sample, 0, losses[0]),
            *between,
            cells.moment(config, kind, params, sample, one.recipe.steps, losses[1]),
        ]
        found.append({
            "seed": seed,
            "failure": None,
            "gradient_by_layer": probe.first_gradient(
                config, one.recipe, fresh, seed, data.train_tokens
            ),
            "history": history,
        })  # fmt: skip
    return {
        "settings": settings,
        "model": to_json(config),
        "train": to_json(dataclasses.replace(first.recipe, seed=0)),
        "seeds": found,
        "parameters": count_params(config),
    }
