"""Any model by name or path: a run of ours, a Hugging Face folder, a GGUF file, a pulled model."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from minitx.errors import InputError, suggest
from minitx.files import read_json
from minitx.model import Transformer
from minitx.pretrained import folder, gguf_file, pull, tokenizer_files
from minitx.pretrained.filling import DTYPES
from minitx.pretrained.translation import translate
from minitx.runs import run as runs
from minitx.runs.run import Run


def load(name_or_folder: str | Path, best: bool = False, dtype: str = "float32") -> Run:
    """The model of that name or in that place, with its `.model`, `.tokenizer` and `.config`.

    A folder or file that exists comes before a pulled model of the same name. `best` takes a run's
    weights at its lowest validation loss. `dtype` is float32 or bfloat16, of weights and states.
    Raises InputError for what is not there, not whole, not supported, or does not fit together.
    """
    if dtype not in DTYPES:
        known = ", ".join(DTYPES)
        raise InputError(f"dtype={dtype!r} is not supported: choose from {known}")
    path, name = locate(name_or_folder), str(name_or_folder)
    if not is_foreign(path):
        loaded = runs.load(path, best)
        if dtype == "float32":
            return loaded
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), loaded.model.params())
        return dataclasses.replace(loaded, model=Transformer.of(loaded.config, params))
    if best:
        raise InputError(f"{name} is no run of minitx, so it has one set of weights: no --best")
    if path.is_file():
        config, params, metadata = gguf_file.load_file(path, dtype)
        words = tokenizer_files.from_gguf(metadata, path)
    else:
        header = read_json(path / "config.json")
        translate(header, path / "config.json")  # what is wrong there is said first
        words = tokenizer_files.from_folder(path, header)
        config, params = folder.load_folder(path, dtype)
    if words is not None and len(words) > config.vocab:
        raise InputError(
            f"{path}: the tokeniser has {len(words)} tokens, the model {config.vocab}: they are "
            "from two models; get both anew"
        )
    return Run(path, Transformer.of(config, params), config, None, words, None, None, name)


def locate(name_or_folder: str | Path) -> Path:
    """The folder or file that is meant. Raises InputError for a known name not pulled yet."""
    path, name = Path(name_or_folder), str(name_or_folder)
    if path.exists():
        return path
    if pulled := pull.found(name):
        return pull.checked(pulled)
    if name.partition("@")[0] in pull.NAMES:
        raise InputError(f"{name} is not in the cache; run: minitx pull {name}")
    cure = f": give the path of one, or run: minitx pull {name}" if "/" in name else ""
    raise InputError(
        f"there is no folder, file or pulled model {name!r}{suggest(name, pull.NAMES)}{cure}"
    )


def tokenizer_of(loaded: Run):
    """Its tokeniser. Raises InputError for a model that came without one."""
    if loaded.tokenizer is None:
        raise InputError(
            f"{loaded.name} has no tokenizer.json and no vocab.json with merges.txt: put them "
            "beside its config.json"
        )
    return loaded.tokenizer


def beginning(loaded: Run, bos: bool) -> np.ndarray:
    """What stands before a text, as ids_T: the BOS token, or nothing.

    Raises InputError if it is asked for and the model has none, or none that it knows.
    """
    id = getattr(loaded.tokenizer, "bos", None)
    if bos and id is None:
        raise InputError(f"{loaded.name} has no BOS token: leave --bos out")
    if bos and not (type(id) is int and 0 <= id < loaded.config.vocab):
        raise InputError(
            f"{loaded.name}: its BOS token {id!r} is none of its {loaded.config.vocab} tokens: "
            "leave --bos out"
        )
    return np.array([id] if bos else [], np.int32)


def is_foreign(path: Path) -> bool:
    """Whether a path holds a model that was trained elsewhere."""
    if path.is_file():
        return True
    header = read_json(path / "config.json") if (path / "config.json").is_file() else {}
    return isinstance(header, dict) and bool(header.keys() & {"model_type", "architectures"})
