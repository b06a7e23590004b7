"""Training into the folder of a run: begun, saved at every evaluation, stopped, resumed.

Wherever it is stopped, even by a kill, the same command goes on and ends with the same bytes.
"""

import contextlib
import dataclasses
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from minitx import files
from minitx.config import ModelConfig, TrainConfig, to_json
from minitx.devices.processes import ALL, anywhere, is_first, together
from minitx.errors import InputError, reason
from minitx.progress import Evaluation, NonFinite, Report
from minitx.runs import checkpoint
from minitx.runs.run import FILES, best_evaluation, read_config, read_metrics
from minitx.step import TrainState, init_state
from minitx.text.data import Data
from minitx.train import check_lengths, train

# --- begin and resume ----------------------------------------------------------------------------


def begin(
    folder: Path, config: ModelConfig, recipe: TrainConfig, data: Data, resume: bool
) -> TrainState | None:
    """Make a run's folder, or open it to resume; return the state to start from.

    None means: start from the seed. Raises InputError if the folder contains another run, or this
    one and `resume` is false.
    """
    check_lengths(config, data.train_tokens, data.val_tokens)
    remove_temporary_files(folder)
    if (folder / "config.json").exists():
        if not resume:
            raise InputError(
                f"{folder} already contains a run: continue it with --resume, or choose another "
                "--out"
            )
        refuse_changes(folder, config, recipe, data)
    elif folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} contains other files: choose a new or empty folder with --out")
    elif resume:
        raise InputError(f"{folder} contains no run to resume: omit --resume, or check --out")
    else:
        values = {
            "model": to_json(config),
            "train": to_json(recipe),
            "data": to_json(data.config),
            "sha256": data.sha256,
        }
        files.write_json(folder / "config.json", values)
    files.write(folder / "tokenizer.json", data.tokenizer.to_json())
    return read_state(folder, config, recipe)


def read_state(folder: Path, config: ModelConfig, recipe: TrainConfig) -> TrainState | None:
    """Return the saved state, or None before the first one; cut metrics.jsonl back to its step."""
    path = folder / "train_state.safetensors"
    if not path.exists():
        if len(read_metrics(folder)) > 1:  # the first state is saved after the first line
            raise InputError(
                f"{path} is lost, and training from the start would overwrite the run: restore it, "
                "or choose another --out"
            )
        keep_metrics(folder, upto=0)
        return None
    like = jax.eval_shape(lambda: init_state(config, recipe))
    state = checkpoint.load(path, like, "train state")
    keep_metrics(folder, upto=int(state.step))
    return state


def remove_temporary_files(folder: Path) -> None:
    """Remove what a kill in the middle of writing one of a run's files has left behind.

    Raises InputError for a folder that cannot be read.
    """
    try:
        for name in FILES:
            for path in folder.glob(f".{name}.*.tmp"):
                path.unlink()
        folder.exists()
    except OSError as error:
        raise InputError(f"cannot use {folder} ({reason(error)}): choose another --out") from None


def refuse_changes(folder: Path, config: ModelConfig, recipe: TrainConfig, data: Data) -> None:
    """Raise InputError naming the first thing that differs from what the run was begun with."""
    old_config, old_recipe, old_data, old_sha256 = read_config(folder)
    tokenizer = data.tokenizer.to_json()
    path = folder / "tokenizer.json"
    old_tokenizer = path.read_text("utf-8") if path.exists() else tokenizer
    for old, new in (
        (dataclasses.asdict(old_data), dataclasses.asdict(data.config)),
        ({"sha256": old_sha256}, {"sha256": data.sha256}),
        (dataclasses.asdict(old_config), dataclasses.asdict(config)),
        (dataclasses.asdict(old_recipe), dataclasses.asdict(recipe)),
        ({"tokenizer": old_tokenizer}, {"tokenizer": tokenizer}),
    ):
        for name in old:
            if old[name] != new[name]:
                raise InputError(
                    f"{folder} was begun with {name}={str(old[name])[:60]}, not "
                    f"{str(new[name])[:60]}: resume it unchanged, or choose another --out"
                )


# --- save ----------------------------------------------------------------------------------------


def save(folder: Path, state: TrainState, evaluation: Evaluation | None = None) -> None:
    """Write the evaluation if there is one, the weights and the state, in this order.

    The state comes last: wherever this is cut off, the folder can be resumed, and resuming writes
    the same files again.
    """
    if not is_first():
        return
    if evaluation:
        write_metrics(folder, [*read_metrics(folder), evaluation._asdict()])
        best = best_evaluation(folder)
        if best is None or evaluation.val_loss < best["val_loss"]:
            measured = {"step": evaluation.step, "val_loss": evaluation.val_loss}
            checkpoint.save(folder / "best.safetensors", state.params, "model", measured)
    checkpoint.save(folder / "model.safetensors", state.params, "model")
    checkpoint.save(folder / "train_state.safetensors", state, "train state")


def keep_metrics(folder: Path, upto: int) -> None:
    """Cut metrics.jsonl back to whole lines of steps up to `upto`."""
    write_metrics(folder, [line for line in read_metrics(folder) if line["step"] <= upto])


def write_metrics(folder: Path, evaluations: list[dict[str, Any]]) -> None:
    """Write metrics.jsonl, one evaluation a line."""
    lines = [json.dumps(evaluation) + "\n" for evaluation in evaluations]
    files.write(folder / "metrics.jsonl", "".join(lines))


# --- train ---------------------------------------------------------------------------------------


def train_run(
    folder: Path,
    config: ModelConfig,
    recipe: TrainConfig,
    data: Data,
    state: TrainState | None,
    mesh: Mesh | None = None,
) -> Iterator[Report]:
    """Train into a folder from the state that `begin` gave, saving at every evaluation.

    Ctrl-C saves at once, then raises KeyboardInterrupt. Raises InputError as `train` does. If
    several processes train together, the first one saves, and Ctrl-C in any of them stops all.
    """
    history = read_metrics(folder)
    seconds = history[-1]["seconds"] if history else 0.0
    reports = train(config, recipe, data.train_tokens, data.val_tokens, state, mesh, seconds)
    with interrupts() as interrupted:
        try:
            for report in reports:
                if report.evaluation:
                    together(lambda at=report: save(folder, at.state, at.evaluation))
                yield report
                if anywhere(bool(interrupted)):
                    if not report.evaluation:
                        together(lambda at=report: save(folder, at.state))
                    raise KeyboardInterrupt(ALL)
        except NonFinite as error:
            good = error.state._replace(bad_step=np.int32(-1))
            together(lambda: save(folder, good))
            raise InputError(f"{error}; the weights before that step are in {folder}") from None


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of raising; a second one raises at once."""
    caught: list[int] = []

    def note(number, frame):
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where only others can handle signals
        before = {}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
