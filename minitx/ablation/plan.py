"""How long a grid will take, from a short trial of its smallest and its largest cell."""

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minitx.ablation import cells, folder, judged, one_cell
from minitx.ablation.branches import plan_branches
from minitx.ablation.grid import Cell, Grid
from minitx.ablation.observation import draw_sample
from minitx.devices import workers
from minitx.step import initial_params, program_of
from minitx.text.data import Data

STEPS = 20  # of a trial


class Cost(NamedTuple):
    """Seconds that a cell takes: once, for each step of a model, for each measurement, and for
    each time that a model is judged."""

    once: float  # mostly compilation
    step: float
    moment: float
    judgement: float = 0.0


def plan(
    grid: Grid,
    data: Data,
    seeds: int | Sequence[int] = 5,
    out: Path | str | None = None,
    jobs: int | None = None,
) -> dict[str, Any]:
    """Return the cells, their steps, and an estimate of all seconds that are left.

    `is_most` says that cells may need less: no rate may be nearly tied. `cool_downs` is what
    cool-downs add to the steps of a model, as a share.

    Two cells are tried: those with the fewest and with the most floating-point operations in a
    step. What a step and a measurement take between them is read off a line, because part of it is
    a fixed cost that small models hardly exceed. Nothing is written.
    """
    seeds = cells.check_seeds(seeds)
    workers.check_jobs(jobs)
    planned = cells.check_cells(grid, data)
    left = planned if out is None else folder.unfinished(planned, data, seeds, Path(out))
    return {
        "cells": [
            {
                "name": cell.name,
                "rates": list(cell.rates),
                "steps": one_cell.count_steps(cell, seeds),
                "finished": cell not in left,
            }
            for cell in planned
        ],
        "seeds": seeds,
        "cool_downs": max(one_cell.cooling_share(cell) for cell in planned),
        "is_most": any(cell.ties for cell in left),
        "steps": sum(one_cell.count_steps(cell, seeds) for cell in left),
        "jobs": workers.count(jobs, len(left)),
        "seconds": predict(left, data, seeds, jobs) if left else 0.0,
    }


def predict(left: list[Cell], data: Data, seeds: Sequence[int], jobs: int | None) -> float:
    """Return the seconds that these cells will take, that many side by side."""
    ordered = sorted(left, key=one_cell.flops_per_step)
    small = ordered[0]
    large = ordered[-1]
    trials = (
        [(small, data, seeds)] if large is small else [(c, data, seeds) for c in (small, large)]
    )
    costs = workers.results(try_cell, trials, jobs)
    seconds_by_cell = []
    compiled = set()
    for cell in left:
        cost = cost_between(cell, small, costs[0], large, costs[-1])
        seconds = 0.0
        program = (cell.model, program_of(cell.train))
        if program not in compiled:
            compiled.add(program)
            seconds += cost.once
        seconds += cost.step * one_cell.count_steps(cell, seeds)
        seconds += cost.moment * count_moments(cell, seeds)
        seconds += cost.judgement * judged.count_judgements(cell, len(seeds))
        seconds_by_cell.append(seconds)
    return max(*seconds_by_cell, sum(seconds_by_cell) / workers.count(jobs, len(left)), 0.0)


def count_moments(cell: Cell, seeds: Sequence[int]) -> int:
    """Return how often, at most, a cell's models are measured: untrained, and at evaluations."""
    evaluations = math.ceil(cell.train.steps / cell.train.eval_every)
    if cell.equal_loss:
        evaluations = len(plan_branches(cell.train))
    tied = one_cell.TIED if cell.ties and len(seeds) > 1 else 0
    return len(seeds) * (1 + evaluations * (1 + tied))


def cost_between(cell: Cell, small: Cell, small_cost: Cost, large: Cell, large_cost: Cost) -> Cost:
    """Return the cost of a cell on the line between two others; cells alike take their mean."""
    span = one_cell.flops_per_step(large) - one_cell.flops_per_step(small)
    share = (one_cell.flops_per_step(cell) - one_cell.flops_per_step(small)) / span if span else 0.5
    pairs = zip(small_cost, large_cost, strict=True)
    return Cost(*(low + share * (high - low) for low, high in pairs))


def try_cell(cell: Cell, data: Data, seeds: Sequence[int]) -> Iterator[Cost]:
    """Train and measure a cell twice for a few steps: only the first time needs compilation.

    Like a whole cell, the trial evaluates more often than when it chooses a rate, so that it also
    compiles a program for each.
    """
    steps = min(STEPS, cell.train.steps)
    every = max(1, steps // 2)
    recipe = dataclasses.replace(cell.train, steps=steps, warmup=0, eval_every=every)
    trial = cell._replace(train=recipe, ties=False)
    first = seconds_of(lambda: list(one_cell.train_cell(trial, data, seeds)))
    second = seconds_of(lambda: list(one_cell.train_cell(trial, data, seeds)))
    params = initial_params(cell.model, 0)
    sample = draw_sample(data, cell.model)
    moment = seconds_of(
        lambda: one_cell.measure_moment(cell.model, cell.train.loss, params, sample, 0, 0.0)
    )
    judgement = 0.0
    if cell.claims:
        judgement = seconds_of(lambda: judged.judge_model(cell, params, data))
    measuring = count_moments(trial, seeds) * moment
    measuring += judged.count_judgements(trial, len(seeds)) * judgement
    training = max(0.0, second - measuring)
    yield Cost(
        once=max(0.0, first - second),
        step=training / one_cell.count_steps(trial, seeds),
        moment=moment,
        judgement=judgement,
    )


def seconds_of(call) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
