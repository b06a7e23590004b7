"""A run is a folder: config.json, tokenizer.json, metrics.jsonl, weights, and what they tell.

config.json              the two configs and the text that they were trained on
tokenizer.json           text to tokens and back
metrics.jsonl            one object per evaluation
model.safetensors        the weights after the last evaluation
best.safetensors         the weights with the lowest validation loss
train_state.safetensors  all that training needs to go on to the same bits
"""

import contextlib
import dataclasses
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from minitx import files
from minitx.config import DataConfig, ModelConfig, TrainConfig, from_json, to_json
from minitx.devices.processes import ALL, anywhere, is_first, together
from minitx.errors import InputError
from minitx.model import Transformer, init_params, named_arrays
from minitx.runs import checkpoint
from minitx.step import TrainState, init_state
from minitx.text import corpus
from minitx.text.data import GENERATED_TOKENS, Data, read_tokenizer, split
from minitx.train import Evaluation, NonFinite, Report, check_lengths, train

FILES = (
    "config.json", "tokenizer.json", "metrics.jsonl",
    "model.safetensors", "best.safetensors", "train_state.safetensors",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A trained model with all that came with it, as `load` gives it.

    A model that was trained elsewhere has no recipe and no data; its tokeniser may be missing.
    """

    folder: Path
    model: Transformer
    config: ModelConfig
    recipe: TrainConfig | None
    tokenizer: Any
    data: DataConfig | None
    sha256: str | None  # of the text that it was trained on
    name: str = ""  # that it was asked for by


def load(folder: str | Path, best: bool = False) -> Run:
    """The model that a run's folder holds, as it was last saved or at its best validation loss.

    Raises InputError for a folder that holds no run, and for files that do not fit each other.
    """
    folder = Path(folder)
    config, recipe, data, sha256 = read_config(folder)
    words = read_tokenizer(folder / "tokenizer.json")
    if len(words) != config.vocab:
        raise InputError(
            f"{folder / 'tokenizer.json'} has {len(words)} tokens, but config.json says "
            f"vocab={config.vocab}: they are from two runs; restore the right one"
        )
    path = folder / ("best.safetensors" if best else "model.safetensors")
    if not path.exists():
        raise InputError(f"{folder} holds no weights yet: go on with `minitx train --resume`")
    like = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    params = checkpoint.load(path, like, "model")
    for name, array in named_arrays(params).items():
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds values that are no numbers: train again")
    model = Transformer.of(config, params)
    return Run(folder, model, config, recipe, words, data, sha256, folder.name)


def read_config(folder: Path) -> tuple[ModelConfig, TrainConfig, DataConfig, str | None]:
    """The configs of a run, and the sha256 of the text that it was begun on."""
    path = folder / "config.json"
    values = files.read_json(path)
    if not isinstance(values, dict) or not {"model", "train", "data", "sha256"} <= values.keys():
        raise InputError(f"{path} is no minitx config: give the folder of a trained run")
    return (
        from_json(ModelConfig, values["model"], str(path)),
        from_json(TrainConfig, values["train"], str(path)),
        from_json(DataConfig, values["data"], f"{path}, data"),
        values["sha256"],
    )


def held_out(run: Run, name: str | None = None) -> np.ndarray:
    """The validation tokens of a run, or all tokens of another corpus, by name or path."""
    own = name is None
    name = run.data.corpus if own else name
    if name in corpus.GENERATORS:
        generator = corpus.generate(name)
        if generator.words != run.tokenizer.tokens:
            raise InputError(
                f"{run.folder} was not trained on the words of {name}: name a text with --corpus, "
                "or leave it out"
            )
        tokens = generator.sample(GENERATED_TOKENS, seed=0)
    else:
        text = corpus.read_text(name)
        if own and text.sha256 != run.sha256:
            raise InputError(
                f"{name} has changed since {run.folder} was trained on it: restore it, or name a "
                "text with --corpus or --prompt"
            )
        tokens = run.tokenizer.encode(text.text)
    return split(tokens, run.data.val_fraction)[1] if own else tokens


def begin(folder: Path, config: ModelConfig, recipe: TrainConfig, data: Data, resume: bool):
    """Make a run's folder, or open it to go on: the state to start from (None: from the seed).

    Raises InputError if the folder holds another run, or this one and `resume` is not asked for.
    """
    check_lengths(config, data.train_tokens, data.val_tokens)
    sweep(folder)
    if (folder / "config.json").exists():
        if not resume:
            raise InputError(
                f"{folder} already holds a run: go on with it by --resume, or choose another --out"
            )
        refuse_changes(folder, config, recipe, data)
    elif folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} holds other files: choose a new or empty folder with --out")
    elif resume:
        raise InputError(f"{folder} holds no run to go on with: leave --resume out, or check --out")
    else:
        files.write_json(
            folder / "config.json",
            {
                "model": to_json(config),
                "train": to_json(recipe),
                "data": to_json(data.config),
                "sha256": data.sha256,
            },
        )
    files.write(folder / "tokenizer.json", data.tokenizer.to_json())

    path = folder / "train_state.safetensors"
    if not path.exists():
        if len(read_metrics(folder)) > 1:  # the first state comes after the first line
            raise InputError(
                f"{path} is lost, and training would start again over what is there: restore it, "
                "or choose another --out"
            )
        keep_metrics(folder, upto=0)
        return None
    state = checkpoint.load(path, jax.eval_shape(lambda: init_state(config, recipe)), "train state")
    keep_metrics(folder, upto=int(state.step))
    return state


def sweep(folder: Path) -> None:
    """Remove what a kill in the middle of writing one of a run's files has left behind.

    Raises InputError for a folder that cannot be looked into.
    """
    try:
        for name in FILES:
            for left in folder.glob(f".{name}.*.tmp"):
                left.unlink()
        folder.exists()
    except OSError as error:
        raise InputError(f"cannot use {folder} ({error.strerror}): choose another --out") from None


def refuse_changes(folder: Path, config: ModelConfig, recipe: TrainConfig, data: Data) -> None:
    """Raise InputError naming the first thing that differs from what the run began with."""
    old_config, old_recipe, old_data, sha256 = read_config(folder)
    made, path = data.tokenizer.to_json(), folder / "tokenizer.json"
    for old, new in (
        (dataclasses.asdict(old_data), dataclasses.asdict(data.config)),
        ({"sha256": sha256}, {"sha256": data.sha256}),
        (dataclasses.asdict(old_config), dataclasses.asdict(config)),
        (dataclasses.asdict(old_recipe), dataclasses.asdict(recipe)),
        ({"tokenizer": path.read_text("utf-8")} if path.exists() else {}, {"tokenizer": made}),
    ):
        for name in old:
            if old[name] != new[name]:
                was, now = (str(value[name])[:60] for value in (old, new))
                raise InputError(
                    f"{folder} was begun with {name}={was}, not {now}: resume it unchanged, or "
                    "choose another --out"
                )


def keep_metrics(folder: Path, upto: int) -> None:
    """Cut metrics.jsonl back to whole lines of steps up to `upto`."""
    kept = [line for line in read_metrics(folder) if line["step"] <= upto]
    files.write(folder / "metrics.jsonl", "".join(json.dumps(k) + "\n" for k in kept))


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The evaluations of a run so far; a last line that was cut off is left out."""
    path, lines = folder / "metrics.jsonl", []
    if path.exists():
        for line in path.read_text("utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                value = json.loads(line)
                if isinstance(value, dict) and set(Evaluation._fields) <= value.keys():
                    lines.append(value)
    return lines


def save(folder: Path, report: Report) -> None:
    """Put a report's weights and state on disk, its evaluation first.

    The state comes last: wherever this is cut off, what is there can be resumed, and going on
    writes the same files again.
    """
    if not is_first():
        return
    params = report.state.params
    if report.evaluation:
        before = read_metrics(folder)
        line = json.dumps(report.evaluation._asdict())
        files.write(
            folder / "metrics.jsonl", "".join(json.dumps(b) + "\n" for b in before) + line + "\n"
        )
        if all(report.evaluation.val_loss < b["val_loss"] for b in before):
            checkpoint.save(folder / "best.safetensors", params, "model")
    checkpoint.save(folder / "model.safetensors", params, "model")
    checkpoint.save(folder / "train_state.safetensors", report.state, "train state")


def train_run(
    folder: Path,
    config: ModelConfig,
    recipe: TrainConfig,
    data: Data,
    state: TrainState | None,
    mesh: Mesh | None = None,
) -> Iterator[Report]:
    """Train into a folder from the state that `begin` gave, saving at every evaluation.

    Ctrl-C saves at once, then raises KeyboardInterrupt. Raises InputError as `train` does. Where
    several processes train together, the first one saves, and Ctrl-C in any of them stops all.
    """
    done = read_metrics(folder)
    seconds = done[-1]["seconds"] if done else 0.0
    with interrupts() as interrupted:
        try:
            for report in train(
                config, recipe, data.train_tokens, data.val_tokens, state, mesh, seconds
            ):
                if report.evaluation:
                    together(lambda r=report: save(folder, r))
                yield report
                if anywhere(bool(interrupted)):
                    if not report.evaluation:
                        together(lambda r=report: save(folder, r))
                    raise KeyboardInterrupt(ALL)
        except NonFinite as error:
            step = int(error.state.step)
            good = error.state._replace(bad_step=np.int32(-1))
            together(lambda: save(folder, Report(good, step, float("nan"), 0.0)))
            raise InputError(f"{error}; the weights before that step are in {folder}") from None


@contextlib.contextmanager
def interrupts():
    """A list that is empty until Ctrl-C or a polite kill; a second Ctrl-C stops at once."""
    caught = []

    def note(number, frame):
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: leave Ctrl-C to whoever has it
        before = {}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
