"""Ablations: every cell of a grid trained for several seeds, measured, kept, and put in one table.

    table = ablate(Grid({"norm": ("none", "rmsnorm"), "tied": (True, False)}), "fables", seeds=5)
    print(table.summary())

The seeds of a cell train in one program. Before that, one seed that does not count chooses the
cell's learning rate. A finished cell is a file whose name is the hash of all that it follows from,
so a grid that was broken off goes on, and another grid in the same folder takes what it can use.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from minitx import files
from minitx.ablation import probe
from minitx.ablation.grid import Cell, Grid
from minitx.ablation.table import Table
from minitx.config import ModelConfig, to_json
from minitx.devices.mesh import make_mesh
from minitx.errors import InputError
from minitx.model import count_params
from minitx.objective import evaluate_seeds
from minitx.runs.fingerprint import training_code
from minitx.step import init_state, initial_params
from minitx.text.data import Data, prepare
from minitx.train import Report, check_lengths, train_seeds

FORMAT = 2  # of a finished cell; raised when what is measured changes its meaning
CHOOSER = 2_000_000_000  # the seed that chooses a cell's rate, and is then not counted
MARK = "ablation.json"  # what makes a folder one of ours


class Progress(NamedTuple):
    """Where a grid stands: steps of one model, done and in all, of the cell that is being trained.

    `record` is there when the cell is finished; `kept` if it was so before.
    """

    number: int
    cell: Cell
    done: int
    steps: int
    record: dict[str, Any] | None = None
    kept: bool = False


def ablate(
    grid: Grid, corpus: str | Data = "fables", seeds: int | Sequence[int] = 5, out=None
) -> Table:
    """Run a grid to its end, in a folder if one is given: the table of what came out.

    Raises InputError for a cell that cannot be, a text too short for one, or a folder that holds
    something else; nothing has run then.
    """
    data = corpus if isinstance(corpus, Data) else prepare(corpus)
    steps = list(run_grid(grid, data, seeds, out))
    return make_table([p.record for p in steps if p.record], data)


def run_grid(
    grid: Grid, data: Data, seeds: int | Sequence[int] = 5, out: Path | str | None = None
) -> Iterator[Progress]:
    """`ablate` step by step; every finished cell is on disk before it is told."""
    seeds, cells = check_seeds(seeds), check_cells(grid, data)
    text = fingerprint(data)
    keys = [key_of(cell, text, seeds) for cell in cells]
    folder = open_folder(Path(out), keys, data, text) if out is not None else None
    for number, (cell, key) in enumerate(zip(cells, keys, strict=True), 1):
        path = folder / "cells" / f"{key}.json" if folder else None
        steps = work(cell, seeds)
        if path and path.exists():
            yield Progress(number, cell, steps, steps, read_record(path, key, cell), kept=True)
            continue
        record = None
        for done, record in train_cell(cell, data, seeds):
            if record is None:
                yield Progress(number, cell, done, steps)
        record = {"format": FORMAT, "key": key, **record}
        if path:
            files.write_json(path, record)
        yield Progress(number, cell, steps, steps, {**record, "settings": cell.settings})


def unfinished(cells: list[Cell], data: Data, seeds: Sequence[int], out) -> list[Cell]:
    """Those of the cells that a folder does not hold yet."""
    text, folder = fingerprint(data), Path(out) / "cells"
    return [c for c in cells if not (folder / f"{key_of(c, text, seeds)}.json").exists()]


def work(cell: Cell, seeds: Sequence[int]) -> int:
    """Steps of one model that a cell takes, the choice of its rate included."""
    return cell.train.steps * (len(seeds) + (len(cell.rates) if len(cell.rates) > 1 else 0))


def check_seeds(seeds: int | Sequence[int]) -> list[int]:
    """The seeds, 0 and up where only their number is given; InputError for none, or one twice."""
    if isinstance(seeds, int):
        if not 1 <= seeds <= 1000:
            raise InputError(
                f"seeds={seeds} is out of range: choose 1 to 1000; intervals need at least 2"
            )
        return list(range(seeds))
    seeds = [int(seed) for seed in seeds]
    known = all(0 <= seed < 2**32 and seed != CHOOSER for seed in seeds)
    if not seeds or len(set(seeds)) < len(seeds) or not known:
        raise InputError(
            f"seeds={seeds}: give at least one, each once, from 0 to 2^32 - 1, and not {CHOOSER}, "
            "which chooses rates"
        )
    return seeds


def check_cells(grid: Grid, data: Data) -> list[Cell]:
    """The cells of a grid; InputError naming one that cannot be trained on this text."""
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


def train_cell(
    cell: Cell, data: Data, seeds: Sequence[int]
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Choose a rate, train all seeds at it, measure: steps done, and at the end the record."""
    started, done = time.perf_counter(), 0
    tried, lr = [], cell.rates[0]
    if len(cell.rates) > 1:
        alike = [CHOOSER] * len(cell.rates)
        # Only the loss at the end is asked for, so nothing is evaluated on the way.
        blind = dataclasses.replace(cell.train, eval_every=cell.train.steps)
        for reports in reports_of(cell._replace(train=blind), data, alike, cell.rates):
            yield sum(int(r.state.step) for r in reports), None
        done = cell.train.steps * len(alike)
        tried = [r.evaluation.val_loss if r.evaluation else None for r in reports]
        lr = best_rate(cell.rates, tried)
    config, recipe = cell.model, dataclasses.replace(cell.train, lr=lr)
    sample = probe.sample(
        data.train_tokens, data.val_tokens, config.context, config.vocab, data.generator
    )
    fresh = [initial_params(config, seed) for seed in seeds]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *fresh)
    loss_E = evaluate_seeds(config, recipe.loss, stacked, data.val_tokens, make_mesh(1))
    found = [
        {
            "seed": seed,
            "failure": None,
            "gradient_by_layer": probe.first_gradient(
                config, recipe, params, seed, data.train_tokens
            ),
            "history": [moment(config, recipe.loss, params, sample, 0, float(loss))],
        }
        for seed, params, loss in zip(seeds, fresh, loss_E, strict=True)
    ]
    for reports in reports_of(cell, data, seeds, [lr] * len(seeds)):
        for report, entry in zip(reports, found, strict=True):
            if report.failure and not entry["failure"]:
                entry["failure"] = {"step": int(report.state.bad_step), "cause": report.failure}
            if report.evaluation:
                e = report.evaluation
                entry["history"].append(
                    moment(
                        config, recipe.loss, report.state.params, sample, e.step, e.val_loss,
                        e.train_loss,
                    )
                )  # fmt: skip
        yield done + sum(int(r.state.step) for r in reports), None
    yield (
        work(cell, seeds),
        {
            "model": to_json(config),
            "train": to_json(recipe),
            "rates": list(cell.rates),
            "losses_at_rates": tried,
            "seeds": found,
            "parameters": count_params(config),
            "seconds": time.perf_counter() - started,
            "platform": f"jax {jax.__version__} on {jax.devices()[0].device_kind}",
        },
    )


def reports_of(cell: Cell, data: Data, seeds, rates) -> Iterator[list[Report]]:
    """Train a model for each seed, at its rate, all in one program."""
    states = [
        init_state(cell.model, cell.train.at_rate(rate), seed)
        for seed, rate in zip(seeds, rates, strict=True)
    ]
    return train_seeds(cell.model, cell.train, data.train_tokens, data.val_tokens, states)


def best_rate(rates: Sequence[float], losses: Sequence[float | None]) -> float:
    """The rate with the lowest loss; one at which training failed (None) is worse than any."""
    finite = (math.inf if loss is None else loss for loss in losses)
    return min(zip(finite, rates, strict=True))[1]


def moment(
    config: ModelConfig, loss: str, params, sample, step: int, val_loss: float, train_loss=None
) -> dict[str, Any]:
    """One line of a seed's history: the losses, and all that is measured, after so many steps."""
    losses = {"val_loss": val_loss if math.isfinite(val_loss) else None, "train_loss": train_loss}
    return {"step": step, **losses, **probe.measure_model(config, params, sample, loss)}


# --- on disk -------------------------------------------------------------------------------------


def fingerprint(data: Data) -> str:
    """The hash of the tokens, in both parts, and of what they stand for."""
    parts = (np.asarray(data.train_tokens), np.asarray(data.val_tokens))
    told = [data.tokenizer.to_json().encode(), *(a.astype("<i4").tobytes() for a in parts)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in told)).hexdigest()


def key_of(cell: Cell, text: str, seeds: Sequence[int]) -> str:
    """The hash of all that a cell's record follows from."""
    told = {
        "format": FORMAT,
        "model": to_json(cell.model),
        "train": to_json(dataclasses.replace(cell.train, seed=0, lr=1.0)),
        "rates": cell.rates,
        "seeds": list(seeds),
        "chooser": CHOOSER,
        "text": text,
        "code": training_code(),
    }
    if cell.train.adam_lr is not None:  # only its ratio to the rate has an influence
        told["train"]["adam_lr"] = cell.train.adam_lr / cell.train.lr
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:20]


def open_folder(folder: Path, keys: list[str], data: Data, text: str) -> Path:
    """Make the folder of a grid, or go on in it.

    Raises InputError for one that holds something else, another text, or a grid that shares no
    cell with this one.
    """
    choose = "choose another --out"
    mark = folder / MARK
    if mark.exists():
        held = files.read_json(mark)
        if not isinstance(held, dict) or held.get("format") != FORMAT:
            raise InputError(f"{mark} is not of this minitx: {choose}")
        if held.get("text") != text:
            raise InputError(
                f"{folder} holds a grid on another text ({held.get('corpus')}, in other tokens or "
                f"split otherwise): {choose}"
            )
        finished = {path.stem for path in (folder / "cells").glob("*.json")}
        if finished and not finished & set(keys):
            raise InputError(
                f"{folder} holds another grid: none of its {len(finished)} finished cells is one "
                f"of these {len(keys)}; {choose}, or go on with the same flags"
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} holds something that is no ablation: {choose}")
    else:
        held = {"format": FORMAT, "text": text, "corpus": data.config.corpus}
        files.write_json(mark, {**held, "sha256": data.sha256})
    for left in (folder / "cells").glob(".*.tmp"):  # by a kill in the middle of writing
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > 60:  # a fresh one may be another process's
                left.unlink()
    return folder


def read_record(path: Path, key: str, cell: Cell) -> dict[str, Any]:
    """A finished cell; InputError for a file that is damaged or is not what its name says."""
    record = files.read_json(path)
    if not isinstance(record, dict) or record.get("key") != key or "seeds" not in record:
        raise InputError(f"{path} is not the cell that its name says: remove it to train it again")
    return {**record, "settings": cell.settings}


# --- the table -----------------------------------------------------------------------------------


def make_table(records: list[dict[str, Any]], data: Data, title: str = "") -> Table:
    """The table of finished cells, beside what a model would lose that knows frequencies alone."""
    kinds = {record["train"]["loss"] for record in records}
    vocab = len(data.tokenizer)
    p_V = np.bincount(data.train_tokens, minlength=vocab) / len(data.train_tokens)
    seen_V = np.bincount(data.val_tokens, minlength=vocab) / len(data.val_tokens)
    if kinds == {"squared_error"}:
        ignorant = 0.5 * float(1 - 2 * seen_V @ p_V + p_V @ p_V)
    else:
        p_V = (p_V * len(data.train_tokens) + 1) / (len(data.train_tokens) + vocab)
        ignorant = float(-seen_V @ np.log(p_V))
    truth = data.generator.entropy() if data.generator else None
    text = (
        f"{data.config.corpus}, {len(data.train_tokens):,} tokens to train on and "
        f"{len(data.val_tokens):,} held out, of {vocab} kinds"
    )
    return Table(records, title or f"Ablation on {data.config.corpus}", ignorant, truth, text)
