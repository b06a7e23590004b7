"""Training for comparisons at equal loss: at a constant rate, with short cool-downs on the side.

While a rate decays, the loss falls for two reasons: the model has seen more, and its steps become
smaller. Two models that pass the same loss at different times then differ in their rate as well.
So a model is trained at a constant rate here, after the warm-up. At some moments a copy of it
branches off and cools down: its rate falls to 0 along a line, within a tenth of the steps so far.
Only models that have cooled down are evaluated, and all of them have cooled down alike.
"""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import make_mesh, put
from minitx.errors import InputError
from minitx.objective import evaluate_seeds
from minitx.progress import Report, Stretch, make_reports
from minitx.step import TrainState, run_steps
from minitx.text.data import Data
from minitx.train import after_evaluation

COOLING = 0.1  # steps of a cool-down, as a share of the steps before it
COUNT = 7  # branches, at most
RATIO = 2**0.5  # of their ends: the first ends after 1/8 of all steps


class Branch(NamedTuple):
    """A cool-down: the steps before it, and the steps with it."""

    start: int
    end: int


def plan_branches(recipe: TrainConfig) -> list[Branch]:
    """Return the branches of a recipe, the last of which ends after its last step.

    Raises InputError if the warm-up leaves no constant rate to branch off from.

    >>> plan_branches(TrainConfig(steps=240, warmup=40))[:2]
    [Branch(start=55, end=60), Branch(start=77, end=85)]
    """
    planned = []
    for k in reversed(range(COUNT)):
        end = round(recipe.steps / RATIO**k)
        start = round(end / (1 + COOLING))
        if recipe.warmup <= start < end:
            planned.append(Branch(start, end))
    if not planned:
        raise InputError(
            f"steps={recipe.steps} with warmup={recipe.warmup} leaves no constant rate to cool "
            "down from, which equal loss needs: use more steps or a shorter warm-up"
        )
    return planned


def count_steps(branches: Sequence[Branch], upto: int | None = None) -> int:
    """Return the steps of one model and of its branches, in all or up to a step.

    >>> count_steps([Branch(10, 11), Branch(20, 22)]), count_steps([Branch(10, 11)], upto=15)
    (23, 16)
    """
    last = branches[-1].end if upto is None else upto
    return last + sum(end - start for start, end in branches if end < last)


def train_branches(
    config: ModelConfig,
    recipe: TrainConfig,
    data: Data,
    states: Sequence[TrainState],
    branches: Sequence[Branch],
) -> Iterator[list[Report]]:
    """Train E models and their branches in one program; report on each, like `train_seeds`.

    A report that has an evaluation is of a model that has cooled down.
    """
    mesh = make_mesh(1)
    started = time.perf_counter()
    stacked = put(jax.tree.map(lambda *leaves: np.stack(leaves), *states), mesh)
    failures: list[str | None] = [None] * len(states)
    for stretch in stretches(config, recipe, data, stacked, branches, mesh):
        seconds = time.perf_counter() - started
        yield make_reports(config, recipe, data.train_tokens, stretch, failures, 1.0, seconds)


def stretches(
    config: ModelConfig,
    recipe: TrainConfig,
    data: Data,
    states: TrainState,
    branches: Sequence[Branch],
    mesh: Mesh,
) -> Iterator[Stretch]:
    """Train at a constant rate to the start of each branch in turn, and cool a copy down.

    At a constant rate a stretch has at most `eval_every` steps.
    """
    tokens = put(np.asarray(data.train_tokens, np.int32), mesh)
    here = 0
    for branch in branches:
        while here < branch.start:
            clock = time.perf_counter()
            length = min(recipe.eval_every, branch.start - here)
            here += length
            states = run_steps(config, recipe, mesh, forget_loss(states, mesh), tokens, here)
            train_loss_E = np.asarray(states.loss_sum) / length  # waits for the steps
            seconds = time.perf_counter() - clock
            steps_done = length * len(train_loss_E)
            yield Stretch(states, here, seconds, steps_done, train_loss_E, None)
            if np.all(np.asarray(states.bad_step) >= 0):
                return
        clock = time.perf_counter()
        copies = jax.tree.map(jnp.copy, forget_loss(states, mesh))  # run_steps uses them up
        cooled = cool_down(config, recipe, mesh, copies, tokens, branch)
        train_loss_E = np.asarray(cooled.loss_sum) / (branch.end - branch.start)
        seconds = time.perf_counter() - clock
        steps_done = (branch.end - branch.start) * len(train_loss_E)
        val_loss_E = evaluate_seeds(config, recipe.loss, cooled.params, data.val_tokens, mesh)
        cooled = after_evaluation(cooled, branch.end, val_loss_E, mesh)
        yield Stretch(cooled, branch.end, seconds, steps_done, train_loss_E, val_loss_E)


def cool_down(
    config: ModelConfig,
    recipe: TrainConfig,
    mesh: Mesh,
    states: TrainState,
    tokens,
    branch: Branch,
) -> TrainState:
    """Return the states at the end of a branch; the rate falls from its peak to 0 along a line.

    The rate travels in the states, so that one compiled program does for all branches. Each step
    is a call.
    """
    peak_lr_E = states.peak_lr
    for step in range(branch.start, branch.end):
        share = (branch.end - step) / (branch.end - branch.start)
        states = states._replace(peak_lr=peak_lr_E * share)
        states = run_steps(config, recipe, mesh, states, tokens, step + 1)
    return states


def forget_loss(states: TrainState, mesh: Mesh) -> TrainState:
    """Return the states with no loss summed up yet."""
    return states._replace(loss_sum=put(np.zeros(len(states.step), np.float32), mesh))
