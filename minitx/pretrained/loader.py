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
    """Return the model of that name or in that place, with `.model`, `.tokenizer` and `.config`.

    A folder or file that exists comes before a pulled model of the same name. `best` takes a run's
    weights at its lowest validation loss. `dtype` is that of weights and states: float32 or
    bfloat16. Raises InputError for a model that is missing, not whole, or not supported, and for
    files that do not fit together.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype={dtype!r} is not supported: choose from {', '.join(DTYPES)}")
    path = locate(name_or_folder)
    name = str(name_or_folder)
    if not is_foreign(path):
        loaded = runs.load(path, best)
        if dtype == "float32":
            return loaded
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), loaded.model.params())
        return dataclasses.replace(loaded, model=Transformer.of(loaded.config, params))
    if best:
        raise InputError(
            f"{name} has only one set of weights, because it is not a run of minitx: "
            "leave --best out"
        )
    if path.is_file():
        config, params, metadata = gguf_file.load_file(path, dtype)
        tokenizer = tokenizer_files.from_gguf(metadata, path)
    else:
        header = read_json(path / "config.json")
        translate(header, path / "config.json")  # so that its errors come before the tokenizer's
        tokenizer = tokenizer_files.from_folder(path, header)
        config, params = folder.load_folder(path, dtype)
    if tokenizer is not None and len(tokenizer) > config.vocab:
        raise InputError(
            f"{path}: the tokenizer has {len(tokenizer)} tokens, the model {config.vocab}: they "
            "belong to different models; get both again"
        )
    return Run(path, Transformer.of(config, params), config, None, tokenizer, None, None, name)


def locate(name_or_folder: str | Path) -> Path:
    """Return the folder or file of a model.

    Raises InputError for an unknown name, and for a known one that is not in the cache.
    """
    path = Path(name_or_folder)
    name = str(name_or_folder)
    if path.exists():
        return path
    pulled = pull.pulled_path(name)
    if pulled:
        return pull.checked(pulled)
    if name.partition("@")[0] in pull.NAMES:
        raise InputError(f"{name} is not in the cache; run: minitx pull {name}")
    cure = f": give the path of one, or run: minitx pull {name}" if "/" in name else ""
    raise InputError(
        f"there is no folder, file or pulled model {name!r}{suggest(name, pull.NAMES)}{cure}"
    )


def tokenizer_of(loaded: Run):
    """Return a model's tokenizer. Raises InputError for a model that came without one."""
    if loaded.tokenizer is None:
        raise InputError(
            f"{loaded.name} has no tokenizer.json and no vocab.json with merges.txt: put them "
            "beside its config.json"
        )
    return loaded.tokenizer


def beginning(loaded: Run, bos: bool) -> np.ndarray:
    """Return the ids_T to prepend to a text: the BOS token if `bos`, or nothing.

    Raises InputError if the model has no BOS token, or one outside its vocabulary.
    """
    if not bos:
        return np.array([], np.int32)
    id = getattr(loaded.tokenizer, "bos", None)
    if id is None:
        raise InputError(f"{loaded.name} has no BOS token: leave --bos out")
    if type(id) is not int or not 0 <= id < loaded.config.vocab:
        raise InputError(
            f"{loaded.name}: the BOS token {id!r} is not one of its {loaded.config.vocab} tokens: "
            "leave --bos out"
        )
    return np.array([id], np.int32)


def is_foreign(path: Path) -> bool:
    """Return whether a path holds a model that was trained elsewhere."""
    if path.is_file():
        return True
    header = read_json(path / "config.json") if (path / "config.json").is_file() else {}
    return isinstance(header, dict) and bool(header.keys() & {"model_type", "architectures"})
