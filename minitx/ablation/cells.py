"""Ablations: every cell of a grid trained for several seeds, measured, kept, and put in one table.

    table = ablate(Grid({"norm": ("none", "rmsnorm"), "tied": (True, False)}), "fables", seeds=5)
    print(table.summary())

The seeds of a cell train in one program. Before that, one seed that is not counted chooses the
cell's learning rate. A finished cell is kept on disk (`folder.py`), so a grid that was stopped goes
on.
"""

import dataclasses
import math
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from minitx import files
from minitx.ablation import folder
from minitx.ablation.folder import CHOOSER
from minitx.ablation.grid import Cell, Grid
from minitx.ablation.margin import check_margins
from minitx.ablation.measures import Entry, Moment, measure_model
from minitx.ablation.observation import Sample, draw_sample, first_gradient
from minitx.ablation.table import Table, make_table
from minitx.config import ModelConfig, TrainConfig, to_json
from minitx.devices.mesh import make_mesh, put
from minitx.errors import InputError
from minitx.objective import evaluate_seeds
from minitx.parameters import count_params
from minitx.step import init_state, initial_params
from minitx.text.data import Data, prepare
from minitx.train import Report, check_lengths, train_seeds

Record = dict[str, Any]  # of a cell: its configs, and an Entry for each seed


class Progress(NamedTuple):
    """Where a grid stands: the steps done of the cell that is being trained, and all its steps.

    Steps are counted over all models of the cell. `record` is there when the cell is finished.
    """

    number: int
    cell: Cell
    done: int
    steps: int
    record: Record | None = None
    was_finished: bool = False  # before this grid began


def ablate(
    grid: Grid, corpus: str | Data = "fables", seeds: int | Sequence[int] = 5, out=None
) -> Table:
    """Run a grid to its end, in a folder if one is given, and return its table.

    Raises InputError for a cell that is not possible, a text too short for one, or a folder that
    holds something else; nothing has run then.
    """
    data = corpus if isinstance(corpus, Data) else prepare(corpus)
    records = [p.record for p in run_grid(grid, data, seeds, out) if p.record]
    return table_of(grid, records, data, out)


def table_of(grid: Grid, records: list[Record], data: Data, out: Path | str | None) -> Table:
    """Return the table of a grid's records, with the margins that its folder holds."""
    if out is None:
        return make_table(records, data, margins=grid.margins)
    margins, remark = folder.read_margins(Path(out))
    return make_table(records, data, margins=margins, margins_remark=remark)


def run_grid(
    grid: Grid, data: Data, seeds: int | Sequence[int] = 5, out: Path | str | None = None
) -> Iterator[Progress]:
    """Yield the progress of `ablate`; a finished cell is on disk before it is reported."""
    seeds = check_seeds(seeds)
    cells = check_cells(grid, data)
    text_hash = folder.hash_text(data)
    keys = [folder.key_of(cell, text_hash, seeds) for cell in cells]
    if out is not None:
        folder.open_folder(Path(out), keys, data, text_hash)
        folder.set_margins(Path(out), grid.margins)
    for number, (cell, key) in enumerate(zip(cells, keys, strict=True), 1):
        path = None if out is None else folder.path_of(Path(out), key)
        steps = count_steps(cell, seeds)
        if path and path.exists():
            record = folder.read_record(path, key, cell)
            yield Progress(number, cell, steps, steps, record, was_finished=True)
            continue
        for done, record in train_cell(cell, data, seeds):
            if record is None:
                yield Progress(number, cell, done, steps)
        record = {"format": folder.FORMAT, "key": key, **record}
        if path:
            files.write_json(path, record)
        yield Progress(number, cell, steps, steps, {**record, "settings": cell.settings})


def count_steps(cell: Cell, seeds: Sequence[int]) -> int:
    """Return the training steps of a cell over all its models, those that choose its rate too."""
    trials = len(cell.rates) if len(cell.rates) > 1 else 0
    return cell.train.steps * (len(seeds) + trials)


def check_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds; a number stands for 0, 1, ... Raises InputError for impossible ones."""
    if isinstance(seeds, int):
        if not 1 <= seeds <= 1000:
            raise InputError(
                f"seeds={seeds} is out of range: choose 1 to 1000; intervals need at least 2"
            )
        return list(range(seeds))
    seeds = [int(seed) for seed in seeds]
    are_possible = all(0 <= seed < 2**32 and seed != CHOOSER for seed in seeds)
    if not seeds or len(set(seeds)) < len(seeds) or not are_possible:
        raise InputError(
            f"seeds={seeds}: give at least one, each once, from 0 to 2^32 - 1, and not {CHOOSER}, "
            "which chooses learning rates"
        )
    return seeds


def check_cells(grid: Grid, data: Data) -> list[Cell]:
    """Return the cells of a grid. Raises InputError naming one that this text is too short for."""
    check_margins(grid.margins)
    cells = grid.cells(len(data.tokenizer))
    for cell in cells:
        try:
            check_lengths(cell.model, data.train_tokens, data.val_tokens)
            if len(data.val_tokens) <= cell.model.context:
                raise InputError(
                    f"the validation split has {len(data.val_tokens)} tokens, but measuring needs "
                    f"{cell.model.context + 1}: use a longer text or a smaller --context"
                )
        except InputError as error:
            raise InputError(f"cell {cell.name}: {error}") from None
    return cells


# --- one cell ------------------------------------------------------------------------------------


def train_cell(cell: Cell, data: Data, seeds: Sequence[int]) -> Iterator[tuple[int, Record | None]]:
    """Choose a rate, train all seeds at it, measure. Yield steps done; at the end, the record."""
    started = time.perf_counter()
    lr, losses_at_rates = yield from choose_rate(cell, data)
    recipe = cell.train.at_rate(lr)
    done = count_steps(cell, seeds) - count_steps(cell._replace(rates=(lr,)), seeds)
    sample = draw_sample(data, cell.model)
    entries = start_entries(cell.model, recipe, data, seeds, sample)
    for reports in reports_of(cell.model, recipe, data, seeds, [lr] * len(seeds)):
        for report, entry in zip(reports, entries, strict=True):
            add_report(entry, report, cell.model, recipe, sample)
        yield done + sum(int(report.state.step) for report in reports), None
    record = {
        "model": to_json(cell.model),
        "train": to_json(recipe),
        "rates": list(cell.rates),
        "losses_at_rates": losses_at_rates,
        "seeds": entries,
        "parameters": count_params(cell.model),
        "seconds": time.perf_counter() - started,
        "platform": f"jax {jax.__version__} on {jax.devices()[0].device_kind}",
    }
    yield count_steps(cell, seeds), record


def choose_rate(
    cell: Cell, data: Data
) -> Generator[tuple[int, None], None, tuple[float, list[float | None]]]:
    """Train one seed that is not counted at every rate; return the best rate and all losses.

    Yields the steps done. A cell with one rate has nothing to choose.
    """
    if len(cell.rates) == 1:
        return cell.rates[0], []
    # Only the final loss matters, so nothing is evaluated before.
    recipe = dataclasses.replace(cell.train, eval_every=cell.train.steps)
    seeds = [CHOOSER] * len(cell.rates)
    for reports in reports_of(cell.model, recipe, data, seeds, cell.rates):
        yield sum(int(report.state.step) for report in reports), None
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
    data: Data,
    seeds: Sequence[int],
    rates: Sequence[float],
) -> Iterator[list[Report]]:
    """Train one model for each pair of a seed and a rate, all in one program."""
    states = []
    for seed, rate in zip(seeds, rates, strict=True):
        states.append(init_state(config, recipe.at_rate(rate), seed))
    return train_seeds(config, recipe, data.train_tokens, data.val_tokens, states)


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
