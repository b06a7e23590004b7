"""How long a grid will take, by a short trial of its first cell; nothing is written."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from minitx.ablation import cells, probe
from minitx.ablation.grid import Cell, Grid, name_of
from minitx.model import count_params
from minitx.text.data import Data


def plan(grid: Grid, data: Data, seeds: int | Sequence[int] = 5, out=None) -> dict[str, Any]:
    """The cells, the steps, and how long all of it will take, by a short trial of the first cell.

    What the trial takes to compile and to measure is counted once for each cell; the time of a step
    is taken to grow with the number of parameters. Nothing is written.
    """
    seeds, planned = cells.check_seeds(seeds), cells.check_cells(grid, data)
    left = cells.unfinished(planned, data, seeds, out) if out else planned
    seconds = 0.0
    if left:
        fixed, per_step = trial(left[0], data, seeds)
        smallest = count_params(left[0].model)
        for cell in left:
            moments = len(seeds) * (1 + -(-cell.train.steps // cell.train.eval_every))
            size = count_params(cell.model) / smallest * cell.train.batch / left[0].train.batch
            seconds += fixed["compile"] + size * (
                fixed["moment"] * moments + per_step * cells.work(cell, seeds)
            )
    return {
        "cells": [
            {"name": name_of(c.settings), "rates": list(c.rates), "steps": cells.work(c, seeds),
             "finished": c not in left}
            for c in planned
        ],
        "seeds": seeds,
        "steps": sum(cells.work(cell, seeds) for cell in left),
        "seconds": seconds,
    }  # fmt: skip


def trial(cell: Cell, data: Data, seeds: Sequence[int]) -> tuple[dict[str, float], float]:
    """Seconds to compile a cell's programs, for one moment's measurements, and for one step."""
    steps = min(20, cell.train.steps)
    recipe = dataclasses.replace(cell.train, steps=steps, eval_every=steps)
    small, took = cell._replace(train=recipe), []
    for _ in range(2):  # the first one compiles
        clock = time.perf_counter()
        rates = [cell.rates[0]] * len(seeds)
        *_, reports = cells.reports_of(small, data, seeds, rates)
        took.append(time.perf_counter() - clock)
    config = cell.model
    sample = probe.sample(
        data.train_tokens, data.val_tokens, config.context, config.vocab, data.generator
    )
    looked = []
    for _ in range(2):
        clock = time.perf_counter()
        cells.moment(config, cell.train.loss, reports[0].state.params, sample, 0, 0.0)
        looked.append(time.perf_counter() - clock)
    compiling = max(0.0, took[0] - took[1]) * (2 if len(cell.rates) > 1 else 1)
    compiling += 2 * max(0.0, looked[0] - looked[1])
    return {"compile": compiling, "moment": looked[1]}, took[1] / (steps * len(seeds))
