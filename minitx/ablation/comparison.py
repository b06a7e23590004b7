"""Runs that were trained by hand, compared like the cells of a grid: same measures, table, figures.

Runs whose configs differ only in the seed are one cell.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minitx.ablation.grid import FIXED
from minitx.ablation.measures import Entry
from minitx.ablation.observation import Sample, draw_sample, first_gradient
from minitx.ablation.one_cell import measure_moment
from minitx.ablation.settings import name_of, show
from minitx.ablation.table import Table, make_table
from minitx.config import to_json
from minitx.errors import InputError
from minitx.objective import evaluate
from minitx.parameters import count_params
from minitx.runs import run
from minitx.runs.run import Run
from minitx.step import initial_params
from minitx.text.data import Data, prepare

Group = dict[int, Run]  # the runs of one cell, by seed


def compare(folders: Sequence[str | Path]) -> Table:
    """Return the table of finished runs on one text.

    The switches are the config fields in which the runs differ. If some combination of their values
    is missing, no switch can be judged by itself, and each cell is one value of a single switch.
    Raises InputError for fewer than two runs, for unfinished runs, for runs on different texts, for
    the same config and seed twice, and if no seed is in every cell.
    """
    runs = [run.load(folder) for folder in folders]
    if len(runs) < 2:
        raise InputError(f"a comparison needs at least two runs, but {len(runs)} given: name more")
    data = check_alike(runs)
    groups = group_by_config(runs)
    settings = settings_of([next(iter(group.values())) for group in groups])
    records = [record_of(s, group, data) for s, group in zip(settings, groups, strict=True)]
    table = make_table(records, data, f"{len(runs)} runs on {data.config.corpus}")
    if not table.seeds:
        seeds = "; ".join(f"{next(iter(g.values())).folder}: {sorted(g)}" for g in groups)
        raise InputError(
            f"no seed is in every cell, so no runs can be paired (seeds of {seeds}): train the "
            "missing seeds"
        )
    return table


def check_alike(runs: list[Run]) -> Data:
    """Return the text of all runs. Raises InputError if they differ in it, or are not finished."""
    first = runs[0]
    for other in runs[1:]:
        if text_of(first) != text_of(other):
            raise InputError(
                f"{first.folder} and {other.folder} were trained on different texts or tokens: "
                "compare runs on the same text"
            )
    for each in runs:
        metrics = run.read_metrics(each.folder)
        step = metrics[-1]["step"] if metrics else 0
        if step < each.recipe.steps:
            raise InputError(
                f"{each.folder} is at step {step} of {each.recipe.steps}: "
                f"minitx train --resume --out {each.folder}, or leave it out"
            )
    run.held_out(first)  # refuses a text that has changed since
    d = first.data
    data = prepare(d.corpus, d.tokenizer, first.config.vocab, d.val_fraction, d.digits)
    return dataclasses.replace(data, tokenizer=first.tokenizer)


def text_of(each: Run) -> tuple:
    """Return what two runs must share to be compared."""
    return each.data, each.sha256, each.tokenizer.to_json()


def group_by_config(runs: list[Run]) -> list[Group]:
    """Return the cells. Raises InputError for two runs of the same config and seed."""
    groups: dict[tuple, Group] = {}
    for each in runs:
        key = (each.config, dataclasses.replace(each.recipe, seed=0, eval_every=1))
        group = groups.setdefault(key, {})
        twin = group.setdefault(each.recipe.seed, each)
        if twin is not each:
            raise InputError(
                f"{twin.folder} and {each.folder} have the same config and seed: leave one out"
            )
    return list(groups.values())


def settings_of(runs: list[Run]) -> list[dict[str, Any]]:
    """Return for each run the fields in which the runs differ.

    If the runs do not form a grid, these fields together are one switch named "cell".
    """
    fields = [dataclasses.asdict(r.config) | dataclasses.asdict(r.recipe) for r in runs]
    switches = {}
    for name in fields[0]:
        values = list({show(f[name]): None for f in fields})
        if name not in FIXED and len(values) > 1:
            switches[name] = values
    cells = [{name: f[name] for name in switches} for f in fields]
    present = {tuple(show(value) for value in cell.values()) for cell in cells}
    is_grid = present == set(itertools.product(*switches.values())) and len(present) == len(cells)
    if switches and is_grid:
        return cells
    return [
        {"cell": name_of(cell) or each.folder.name} for cell, each in zip(cells, runs, strict=True)
    ]


def record_of(settings: dict[str, Any], group: Group, data: Data) -> dict[str, Any]:
    """Return the record that `one_cell.train_cell` makes, of runs; only their end is measured."""
    first = next(iter(group.values()))
    sample = draw_sample(data, first.config)
    return {
        "settings": settings,
        "model": to_json(first.config),
        "train": to_json(dataclasses.replace(first.recipe, seed=0)),
        "seeds": [entry_of(seed, group[seed], data, sample) for seed in sorted(group)],
        "parameters": count_params(first.config),
    }


def entry_of(seed: int, each: Run, data: Data, sample: Sample) -> Entry:
    """Return the history of one run: measured before training and at its end, losses between."""
    config = each.config
    loss = each.recipe.loss
    untrained = initial_params(config, seed)
    trained = each.model.params()
    history = []
    for params, step in ((untrained, 0), (trained, each.recipe.steps)):
        val_loss = evaluate(config, loss, params, data.val_tokens)
        history.append(measure_moment(config, loss, params, sample, step, val_loss))
    between = [
        {"step": line["step"], "val_loss": line["val_loss"]}
        for line in run.read_metrics(each.folder)[:-1]
    ]
    gradient = first_gradient(config, each.recipe, untrained, seed, data.train_tokens)
    return {
        "seed": seed,
        "failure": None,
        "gradient_by_layer": gradient,
        "history": [history[0], *between, history[1]],
    }
