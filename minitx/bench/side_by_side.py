"""How throughput grows with the number of workers: one model in each, as `ablate` and the zoo do.

Workers are measured while all of them train. Each trains in short stretches and says when each
began and ended; only stretches within the time that all workers have in common count.
"""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from minitx import step
from minitx.config import ModelConfig, TrainConfig
from minitx.devices import workers
from minitx.devices.mesh import make_mesh, put, with_seed_axis
from minitx.errors import InputError
from minitx.presets import PRESETS

PRESET = "sprint"
VOCAB = 65  # about that of a text in characters
TRAIN_SECONDS = 8.0  # of each worker, in stretches; they begin within seconds of one another
STRETCH_SECONDS = 0.25


class Stretch(NamedTuple):
    """Some steps of one worker, between two times of the clock that all processes share."""

    begun: float
    ended: float
    steps: int


def growth(jobs: int) -> dict[str, Any]:
    """Return the steps a second of 1, 2, 4, ... workers together, up to `jobs`, by their number.

    Raises InputError on an accelerator, which belongs to one process.
    """
    if workers.in_this_process():
        raise InputError(
            "--jobs measures workers on the cores of a CPU: set JAX_PLATFORMS=cpu, or leave it out"
        )
    config = dataclasses.replace(PRESETS[PRESET].model, vocab=VOCAB)
    rows = []
    for count in counts(jobs):
        tasks = [(config, PRESETS[PRESET].train)] * count
        rate = rate_together(workers.results(train_for_a_while, tasks, count))
        rows.append({"workers": count, "steps_per_second": rate})
    for row in rows:
        row["times_one_worker"] = row["steps_per_second"] / rows[0]["steps_per_second"]
    return {"preset": PRESET, "growth": rows}


def counts(most: int) -> list[int]:
    """Return 1, 2, 4, ... and the most.

    >>> counts(1), counts(2), counts(6)
    ([1], [1, 2], [1, 2, 4, 6])
    """
    doubled = [2**power for power in range(most.bit_length()) if 2**power < most]
    return [*doubled, most]


def train_for_a_while(config: ModelConfig, recipe: TrainConfig) -> Iterator[list[Stretch]]:
    """Train one model for `TRAIN_SECONDS` after compilation; yield its stretches."""
    recipe = dataclasses.replace(recipe, steps=2**30)
    mesh = make_mesh(1)
    tokens = put(np.random.default_rng(0).integers(0, config.vocab, 100_000, np.int32), mesh)
    state = put(with_seed_axis(step.init_state(config, recipe)), mesh)
    state = jax.block_until_ready(step.run_steps(config, recipe, mesh, state, tokens, 1))
    stretches = []
    done = 1
    steps = 1
    start = time.time()
    while time.time() < start + TRAIN_SECONDS:
        begun = time.time()
        state = step.run_steps(config, recipe, mesh, state, tokens, done + steps)
        jax.block_until_ready(state)
        ended = time.time()
        stretches.append(Stretch(begun, ended, steps))
        done += steps
        steps = max(1, round(steps * STRETCH_SECONDS / (ended - begun)))
    yield stretches


def rate_together(stretches_by_worker: list[list[Stretch]]) -> float:
    """Return the steps a second of all workers together, while all of them trained.

    Raises InputError if they never all trained at once.

    >>> first = [Stretch(0.0, 1.0, 10), Stretch(1.0, 2.0, 10), Stretch(2.0, 3.0, 30)]
    >>> rate_together([first, [Stretch(0.5, 1.5, 4), Stretch(1.5, 2.5, 8)]])
    16.0
    """
    begun = max(stretches[0].begun for stretches in stretches_by_worker)
    ended = min(stretches[-1].ended for stretches in stretches_by_worker)
    rate = 0.0
    for stretches in stretches_by_worker:
        inside = [s for s in stretches if begun <= s.begun and s.ended <= ended]
        seconds = sum(s.ended - s.begun for s in inside)
        if not seconds:
            raise InputError(
                f"{len(stretches_by_worker)} workers never trained all at once, because this "
                "machine is busy: measure again later, or with fewer --jobs"
            )
        rate += sum(s.steps for s in inside) / seconds
    return rate
