"""A run is a folder: what its files are, and how they are read. `training` writes them.

config.json              the two configs and the text that they were trained on
tokenizer.json           text to tokens and back
metrics.jsonl            one object per evaluation
model.safetensors        the weights after the last evaluation
best.safetensors         the weights with the lowest validation loss
train_state.safetensors  all that training needs to go on to the same bits
"""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from minitx import files
from minitx.config import DataConfig, ModelConfig, TrainConfig, from_json
from minitx.errors import InputError
from minitx.model import Transformer, init_params
from minitx.parameters import named_arrays
from minitx.progress import Evaluation
from minitx.runs import checkpoint
from minitx.text import corpus
from minitx.text.data import GENERATED_TOKENS, read_tokenizer, split

FILES = (
    "config.json", "tokenizer.json", "metrics.jsonl",
    "model.safetensors", "best.safetensors", "train_state.safetensors",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A trained model with everything that its folder says about it.

    A model that was trained elsewhere has no recipe and no data, and perhaps no tokenizer.
    """

    folder: Path
    model: Transformer
    config: ModelConfig
    recipe: TrainConfig | None
    tokenizer: Any
    data: DataConfig | None
    sha256: str | None  # of the text that it was trained on
    name: str = ""  # by which it was asked for


class Passage(NamedTuple):
    """Tokens to measure a model on."""

    tokens: np.ndarray
    source: str  # which part of which text they are, in words


# --- the whole run -------------------------------------------------------------------------------


def load(folder: str | Path, best: bool = False) -> Run:
    """Return the model in a run's folder, as last saved or at its lowest validation loss.

    Raises InputError for a folder that contains no run, and for files that do not fit each other.
    """
    folder = Path(folder)
    config, recipe, data, sha256 = read_config(folder)
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    if len(tokenizer) != config.vocab:
        raise InputError(
            f"{folder / 'tokenizer.json'} has {len(tokenizer)} tokens, but config.json says "
            f"vocab={config.vocab}: the files are from two runs; restore the right one"
        )
    path = folder / ("best.safetensors" if best else "model.safetensors")
    if not path.exists():
        raise InputError(
            f"{folder} has no {path.name} yet: continue with `minitx train --resume --out {folder}`"
        )
    like = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    params = checkpoint.load(path, like, "model")
    for name, array in named_arrays(params).items():
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} has values that are NaN or infinite: train again")
    model = Transformer.of(config, params)
    return Run(folder, model, config, recipe, tokenizer, data, sha256, folder.name)


# --- its files -----------------------------------------------------------------------------------


def read_config(folder: Path) -> tuple[ModelConfig, TrainConfig, DataConfig, str | None]:
    """Return the configs of a run, and the sha256 of the text that it was begun on."""
    path = folder / "config.json"
    values = files.read_json(path)
    if not isinstance(values, dict) or not {"model", "train", "data", "sha256"} <= values.keys():
        raise InputError(f"{path} is not the config of a run: give the folder of a trained run")
    return (
        from_json(ModelConfig, values["model"], str(path)),
        from_json(TrainConfig, values["train"], str(path)),
        from_json(DataConfig, values["data"], f"{path}, data"),
        values["sha256"],
    )


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the evaluations of a run so far, without lines that were not written to their end."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        return []
    evaluations = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict) and set(Evaluation._fields) <= value.keys():
                evaluations.append(value)
    return evaluations


def best_evaluation(folder: Path) -> dict[str, Any] | None:
    """Return the step and the val_loss of best.safetensors; None if it is missing or damaged.

    The file says it itself, so a lost metrics.jsonl does not make worse weights the best.
    """
    with contextlib.suppress(InputError):
        mark = checkpoint.read_mark(folder / "best.safetensors", "model")
        if {"step", "val_loss"} <= mark.keys():
            return {"step": mark["step"], "val_loss": mark["val_loss"]}
    return None


# --- the text ------------------------------------------------------------------------------------


def held_out(run: Run) -> np.ndarray:
    """Return the validation tokens of a run. Raises InputError if its text has changed."""
    tokens, is_own = read_tokens(run, run.data.corpus)
    if not is_own:
        raise InputError(
            f"{run.data.corpus} has changed since {run.folder} was trained on it: restore it, or "
            "name a text with --corpus or --prompt"
        )
    return split(tokens, run.data.val_fraction)[1]


def unseen(run: Run, name: str | None = None) -> Passage:
    """Return tokens that the run was not trained on, from a corpus given by name or path.

    From the run's own text, which is the default, that is the held-out part; from another text it
    is the whole.
    """
    if name is None:
        return Passage(held_out(run), f"the held-out part of {run.data.corpus}")
    tokens, is_own = read_tokens(run, name)
    if is_own:
        tokens = split(tokens, run.data.val_fraction)[1]
        return Passage(tokens, f"the held-out part of {name}")
    return Passage(tokens, f"the whole of {name}")


def true_probs(run: Run, name: str | None = None) -> np.ndarray | None:
    """Return the true distribution of the token after each of the `unseen` ones, truth_TV.

    It is None for a corpus that was not generated.
    """
    name = name or run.data.corpus
    if name not in corpus.GENERATORS:
        return None
    tokens, is_own = read_tokens(run, name)
    truth_TV = corpus.generate(name).next_probs(tokens)
    return split(truth_TV, run.data.val_fraction)[1] if is_own else truth_TV


def read_tokens(run: Run, name: str) -> tuple[np.ndarray, bool]:
    """Return a corpus in the run's tokens, and whether it is the one that the run was trained on.

    Raises InputError for a corpus that the run's tokenizer cannot encode.
    """
    if name not in corpus.GENERATORS:
        text = corpus.read_text(name)
        is_own = run.sha256 is not None and text.sha256 == run.sha256
        return run.tokenizer.encode(text.text), is_own
    generator = corpus.generate(name)
    if generator.words != run.tokenizer.tokens:
        raise InputError(
            f"{run.folder} was not trained on the words of {name}: name a text with --corpus, or "
            "leave it out"
        )
    is_own = run.data is not None and run.data.corpus == name
    return generator.sample(GENERATED_TOKENS, seed=0), is_own
