"""One cell of an ablation: its rate is chosen, all its seeds are trained at once, and measured."""

import dataclasses
import math
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from minitx.ablation import judged
from minitx.ablation.branches import Branch, plan_branches, train_branches
from minitx.ablation.branches import count_steps as count_branch_steps
from minitx.ablation.folder import CHOOSER
from minitx.ablation.grid import Cell
from minitx.ablation.measures import Entry, Moment, measure_model
from minitx.ablation.observation import Sample, draw_sample, first_gradient
from minitx.config import ModelConfig, TrainConfig, to_json
from minitx.devices.mesh import make_mesh, put
from minitx.objective import evaluate_seeds
from minitx.parameters import count_params, flops_per_token
from minitx.progress import Report
from minitx.step import init_state, initial_params
from minitx.text.data import Data
from minitx.train import train_seeds

SPREADS = 2  # standard deviations of the seeds' final losses: rates within are nearly tied
TIED = 1  # other rates, at most, that a cell is trained at

Record = dict[str, Any]  # of a cell: its configs, and an Entry for each seed


def count_steps(cell: Cell, seeds: Sequence[int]) -> int:
    """Return the training steps of a cell over all its models, those that choose its rate too.

    It is the most that the cell can need: at nearly tied rates too, if it trains at those.
    """
    tied = TIED if cell.ties and len(seeds) > 1 else 0
    return count_trial_steps(cell) + steps_of_model(cell) * len(seeds) * (1 + tied)


def flops_per_step(cell: Cell) -> int:
    """Return the floating-point operations of one step of one model."""
    return flops_per_token(cell.model) * cell.model.context * cell.train.batch


def steps_of_model(cell: Cell) -> int:
    """Return the training steps of one model of a cell, with its cool-downs if it has any."""
    return count_branch_steps(plan_branches(cell.train)) if cell.equal_loss else cell.train.steps


def cooling_share(cell: Cell) -> float:
    """Return what cool-downs add to the steps of a model, as a share of those of its recipe."""
    return steps_of_model(cell) / cell.train.steps - 1


def count_trial_steps(cell: Cell) -> int:
    """Return the training steps of the models that choose a cell's rate."""
    return cell.train.steps * len(cell.rates) if len(cell.rates) > 1 else 0


def train_cell(cell: Cell, data: Data, seeds: Sequence[int]) -> Iterator[tuple[int, Record | None]]:
    """Choose a rate, train all seeds at it, measure. Yield steps done; at the end, the record.

    If another rate is nearly as good for this cell, all seeds are trained at that one too.
    """
    started = time.perf_counter()
    lr, losses_at_rates = yield from choose_rate(cell, data)
    done = count_trial_steps(cell)
    branches = plan_branches(cell.train) if cell.equal_loss else []
    sample = draw_sample(data, cell.model)
    untrained = start_entries(cell.model, cell.train, data, seeds, sample)
    for seed, entry in zip(seeds, untrained, strict=True):
        judged.judge_latest(cell, data, entry, initial_params(cell.model, seed))
    entries = yield from train_at(cell, lr, data, sample, untrained, done)
    tied = []
    for rate in nearly_tied(cell, losses_at_rates, entries):
        done += steps_of_model(cell) * len(seeds)
        seeds_at_rate = yield from train_at(cell, rate, data, sample, untrained, done)
        tied.append({"train": to_json(cell.train.at_rate(rate)), "seeds": seeds_at_rate})
    record = {
        "model": to_json(cell.model),
        "train": to_json(cell.train.at_rate(lr)),
        "rates": list(cell.rates),
        "losses_at_rates": losses_at_rates,
        "seeds": entries,
        "tied": tied,
        "parameters": count_params(cell.model),
        "seconds": time.perf_counter() - started,
        "platform": f"jax {jax.__version__} on {jax.devices()[0].device_kind}",
    }
    if branches:
        record["branches"] = [list(branch) for branch in branches]
    yield count_steps(cell, seeds), record


def train_at(
    cell: Cell, lr: float, data: Data, sample: Sample, untrained: list[Entry], done: int
) -> Generator[tuple[int, None], None, list[Entry]]:
    """Train all seeds of a cell at one rate; return their entries. Yields the steps done."""
    branches = plan_branches(cell.train) if cell.equal_loss else []
    entries = [{**entry, "history": list(entry["history"])} for entry in untrained]
    seeds = [entry["seed"] for entry in entries]
    for reports in reports_of(cell.model, cell.train, branches, data, seeds, [lr] * len(seeds)):
        for report, entry in zip(reports, entries, strict=True):
            add_report(entry, report, cell.model, cell.train, sample)
            if report.evaluation:
                judged.judge_latest(cell, data, entry, report.state.params)
        yield done + count_done(reports, branches), None
    return entries


def nearly_tied(
    cell: Cell, losses_at_rates: Sequence[float | None], entries: list[Entry]
) -> list[float]:
    """Return the other rates that are nearly as good as the best, at most TIED of them.

    The loss at such a rate is above the best by at most SPREADS standard deviations of the final
    losses of the cell's seeds. Another seed might have chosen it.
    """
    finals = [e["history"][-1]["val_loss"] for e in entries if not e["failure"]]
    if not cell.ties or len(finals) < 2:
        return []
    known = []
    for loss, rate in zip(losses_at_rates, cell.rates, strict=True):
        if loss is not None:
            known.append((loss, rate))
    known.sort()
    limit = SPREADS * float(np.std(finals, ddof=1))
    tied = [rate for loss, rate in known[1:] if loss - known[0][0] <= limit]
    return tied[:TIED]


def choose_rate(
    cell: Cell, data: Data
) -> Generator[tuple[int, None], None, tuple[float, list[float | None]]]:
    """Train one seed that is not counted at every rate; return the best rate and all losses.

    Yields the steps done. A cell with one rate has nothing to choose.
    """
    if len(cell.rates) == 1:
        return cell.rates[0], []
    # Only the final loss matters, so nothing is evaluated before.
    recipe = cell.train
    branches = plan_branches(recipe)[-1:] if cell.equal_loss else []
    if not branches:
        recipe = dataclasses.replace(recipe, eval_every=recipe.steps)
    seeds = [CHOOSER] * len(cell.rates)
    for reports in reports_of(cell.model, recipe, branches, data, seeds, cell.rates):
        yield count_done(reports, branches), None
    losses = [r.evaluation.val_loss if r.evaluation else None for r in reports]
    return best_rate(cell.rates, losses), losses


def best_rate(rates: Sequence[float], losses: Sequence[float | None]) -> float:
    """Return the rate with the lowest loss, of equal ones the lowest; None is worse than any."""
    ranked = []
    for rate, loss in zip(rates, losses, strict=True):
        ranked.append((math.inf if loss is None else loss, rate))
    return min(ranked)[1]


def reports_of(
    config: ModelConfig,
    recipe: TrainConfig,
    branches: Sequence[Branch],
    data: Data,
    seeds: Sequence[int],
    rates: Sequence[float],
) -> Iterator[list[Report]]:
    """Train one model for each pair of a seed and a rate, all in one program.

    With branches, the models are trained at a constant rate and cooled down on the side.
    """
    states = []
    for seed, rate in zip(seeds, rates, strict=True):
        states.append(init_state(config, recipe.at_rate(rate), seed))
    if branches:
        return train_branches(config, recipe, data, states, branches)
    return train_seeds(config, recipe, data.train_tokens, data.val_tokens, states)


def count_done(reports: Sequence[Report], branches: Sequence[Branch]) -> int:
    """Return the steps that all models have done, those of cool-downs before this one too."""
    steps = np.asarray(reports[0].states.step).tolist()
    if branches:
        steps = [count_branch_steps(branches, upto=step) for step in steps]
    return sum(steps)


def start_entries(
    config: ModelConfig, recipe: TrainConfig, data: Data, seeds: Sequence[int], sample: Sample
) -> list[Entry]:
    """Return an entry for each seed, whose history begins with the untrained model."""
    models = [initial_params(config, seed) for seed in seeds]
    mesh = make_mesh(1)
    stacked = put(jax.tree.map(lambda *leaves: np.stack(leaves), *models), mesh)
    loss_E = evaluate_seeds(config, recipe.loss, stacked, data.val_tokens, mesh)
    entries = []
    for seed, params, loss in zip(seeds, models, loss_E, strict=True):
        gradient = first_gradient(config, recipe, params, seed, data.train_tokens)
        moment = measure_moment(config, recipe.loss, params, sample, 0, float(loss))
        entries.append(
            {"seed": seed, "failure": None, "gradient_by_layer": gradient, "history": [moment]}
        )
    return entries


def add_report(
    entry: Entry, report: Report, config: ModelConfig, recipe: TrainConfig, sample: Sample
) -> None:
    """Add what a report of a seed's training says to its entry."""
    if report.failure and not entry["failure"]:
        entry["failure"] = {"step": int(report.state.bad_step), "cause": report.failure}
    if report.evaluation:
        e = report.evaluation
        entry["history"].append(
            measure_moment(
                config, recipe.loss, report.state.params, sample, e.step, e.val_loss, e.train_loss
            )
        )


def measure_moment(
    config: ModelConfig,
    loss: str,
    params,
    sample: Sample,
    step: int,
    val_loss: float,
    train_loss: float | None = None,
) -> Moment:
    """Return a moment of a seed's history: the losses and every measure after so many steps."""
    return {
        "step": step,
        "val_loss": val_loss if math.isfinite(val_loss) else None,
        "train_loss": train_loss,
        **measure_model(config, params, sample, loss),
    }
