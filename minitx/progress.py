"""What training reports while it runs: losses, rates, and why a model cannot go on."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.explain import explain
from minitx.step import TrainState


class Evaluation(NamedTuple):
    """One line of metrics.jsonl; losses in nats per token."""

    step: int
    train_loss: float  # mean over the steps since the evaluation before
    val_loss: float  # over the whole validation split
    lr: float
    grad_norm: float
    tokens: int  # trained on so far
    seconds: float  # of training so far, evaluations and compilation included


@dataclass
class Report:
    """Where the training of one seed stands after a stretch of steps."""

    states: TrainState  # of all seeds, with an axis E in front
    seed_index: int  # which of them this report is about
    step: int
    train_loss: float  # mean over the steps since the last evaluation
    tokens_per_second: float  # in this stretch, all seeds together; the first one compiles
    evaluation: Evaluation | None = None  # at the steps that have one
    failure: str | None = None  # why this seed cannot go on; `state` is then the last good one

    @functools.cached_property
    def state(self) -> TrainState:
        """The state of this seed, as numpy arrays; copied when it is first asked for.

        Ask before the next report, because the next stretch uses the states up. To copy at every
        report took as long as a fifth of the training steps, with 5 seeds of an ablation.
        """
        return jax.tree.map(lambda leaf: np.asarray(leaf)[self.seed_index].copy(), self.states)


class NonFinite(InputError):
    """The loss or the gradient stopped being a finite number; `state` is the last good one."""

    def __init__(self, message: str, state: TrainState):
        super().__init__(message)
        self.state = state


class Stretch(NamedTuple):
    """Some steps of E seeds, and an evaluation if they ended at one."""

    states: TrainState  # with an axis E in front
    step: int  # at which all seeds stand that can go on
    seconds: float  # that the steps took
    steps_done: int  # by all seeds together
    train_loss_E: np.ndarray  # means over the steps since the last evaluation
    val_loss_E: np.ndarray | None


def make_reports(
    config: ModelConfig,
    recipe: TrainConfig,
    train_tokens: np.ndarray,
    stretch: Stretch,
    failures: list[str | None],
    share: float,
    seconds: float,
) -> list[Report]:
    """Return a report for each seed after a stretch; add to `failures` those that cannot go on.

    `share` is the rate of the last step as a share of the peak in the states.
    """
    bad_step_E = np.asarray(stretch.states.bad_step)
    tokens_per_step = recipe.batch * config.context
    speed = stretch.steps_done * tokens_per_step / stretch.seconds
    reports = []
    for e, loss in enumerate(stretch.train_loss_E):
        report = Report(stretch.states, e, stretch.step, float(loss), speed)
        if bad_step_E[e] >= 0 and failures[e] is None:
            failures[e] = why_it_failed(config, recipe, report.state, stretch, train_tokens)
        report.failure = failures[e]
        if stretch.val_loss_E is not None and failures[e] is None:
            report.evaluation = Evaluation(
                step=stretch.step,
                train_loss=report.train_loss,
                val_loss=float(stretch.val_loss_E[e]),
                lr=float(report.state.peak_lr) * share,
                grad_norm=float(report.state.grad_norm),
                tokens=stretch.step * tokens_per_step,
                seconds=seconds,
            )
        reports.append(report)
    return reports


def why_it_failed(
    config: ModelConfig, recipe: TrainConfig, state: TrainState, stretch: Stretch, tokens
) -> str:
    """Return why a seed cannot go on after this stretch, and what to do."""
    if state.bad_step == stretch.step:  # the steps were finite, the evaluation was not
        return (
            f"the validation loss after step {stretch.step} is not finite, though training is "
            f"still finite: lower --lr (now {float(state.peak_lr):g})"
        )
    return explain(config, recipe, state, tokens)
