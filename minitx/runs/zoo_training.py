"""How species of the zoo are trained: side by side in worker processes, with one progress line."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minitx.config import ModelConfig, TrainConfig
from minitx.devices import workers
from minitx.errors import InputError
from minitx.parameters import flops_per_token
from minitx.step import init_state
from minitx.text.data import Data
from minitx.train import train_seeds


class Task(NamedTuple):
    """A species with everything that it is trained with."""

    name: str
    config: ModelConfig
    recipe: TrainConfig
    data: Data

    @property
    def operations(self) -> int:
        """Roughly how many floating-point operations training one seed takes."""
        tokens = self.config.context * self.recipe.batch * self.recipe.steps
        return flops_per_token(self.config) * tokens


def train_all(
    tasks: Sequence[Task], seeds: Sequence[int], jobs: int | None
) -> Iterator[tuple[Task, dict]]:
    """Train species for all seeds in up to `jobs` workers; yield each with its tree of arrays.

    `stages` has a list of parameters, one for each seed, by step; `losses` has the axes training
    or validation, seed, evaluation. Raises InputError if training breaks down.
    """
    # What takes longest comes first, so that no worker is left alone with it at the end.
    tasks = sorted(tasks, key=lambda task: -task.operations)
    calls = [(*task, seeds) for task in tasks]
    with (
        progress_bar(tasks) as show,
        contextlib.closing(workers.run(train, calls, jobs)) as news,
    ):
        for one in news:
            if one is None:
                continue
            number, (steps_done, tree) = one
            show(number, steps_done)
            if tree is not None:
                yield tasks[number], tree


def train(
    name: str, config: ModelConfig, recipe: TrainConfig, data: Data, seeds: Sequence[int]
) -> Iterator[tuple[int, dict | None]]:
    """Train all seeds of a species. Yield the steps done, and at the end the tree of arrays."""
    stages = {}
    losses = []
    states = [init_state(config, recipe, seed) for seed in seeds]
    for reports in train_seeds(config, recipe, data.train_tokens, data.val_tokens, states):
        for report in reports:
            if report.failure:
                raise InputError(f"zoo, {name}, seed {report.state.seed}: {report.failure}")
        step = reports[0].step
        if reports[0].evaluation:
            stages[str(step)] = [report.state.params for report in reports]
            losses.append([[r.evaluation.train_loss, r.evaluation.val_loss] for r in reports])
        yield step, None
    losses = np.array(losses, np.float32).transpose(2, 1, 0)
    yield recipe.steps, {"losses": np.ascontiguousarray(losses), "stages": stages}


@contextlib.contextmanager
def progress_bar(tasks: Sequence[Task]):
    """Show how much of all work is done, in a terminal or a notebook; gives `show(number, steps)`.

    Work is counted in operations, because a step of one species takes longer than one of another.
    """
    from tqdm import tqdm

    hides_bar = False if "ipykernel" in sys.modules else None  # None: unless it is a terminal
    operations = [task.operations for task in tasks]
    done = [0.0] * len(tasks)
    what = tasks[0].name if len(tasks) == 1 else f"{len(tasks)} species of the zoo"
    with tqdm(
        total=sum(operations), desc=f"training {what}", leave=False, disable=hides_bar,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}, about {remaining} left",
        file=sys.stderr, dynamic_ncols=True,
    ) as bar:  # fmt: skip

        def show(number, steps):
            done[number] = operations[number] * steps / tasks[number].recipe.steps
            bar.update(sum(done) - bar.n)

        yield show
