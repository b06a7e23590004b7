"""A Hugging Face folder: config.json, and weights as safetensors in one file or in shards."""

from pathlib import Path

import numpy as np
import safetensors

from minitx.config import ModelConfig
from minitx.errors import InputError
from minitx.files import read_json
from minitx.model import Params
from minitx.pretrained.filling import fill
from minitx.pretrained.translation import architecture_of, translate


class Safetensors:
    """The tensors of a Hugging Face folder, in one file or in shards.

    A file is opened anew for each tensor: what was mapped to read one is let go before the next,
    and the memory in use stays that of the model and of one tensor more.
    """

    def __init__(self, folder: Path):
        single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
        if single.is_file():
            self.where, paths, wanted = single, [single], set()
        elif index.is_file():
            self.where, (paths, wanted) = index, shards(index)
        else:
            raise InputError(f"{folder} holds no model.safetensors: {why_none(folder)}")
        self.paths: dict[str, Path] = {}
        for path in paths:
            for name in tensor_names(path):
                if self.paths.setdefault(name, path) != path:
                    raise InputError(
                        f"{path} and {self.paths[name].name} both hold {name}: get the folder anew"
                    )
        if lost := sorted(wanted - self.paths.keys()):
            raise InputError(f"{index} names {lost[0]}, which no shard holds: get the folder anew")

    def names(self) -> set[str]:
        return set(self.paths)

    def read(self, name: str) -> np.ndarray:
        path = self.paths[name]
        with opened(path) as file:
            try:
                return file.get_tensor(name)
            except (safetensors.SafetensorError, TypeError, AttributeError):
                kind = file.get_slice(name).get_dtype()
                raise InputError(
                    f"{path}: {name} is of type {kind}, which is not supported: use a model in "
                    "float32, float16 or bfloat16"
                ) from None


def opened(path: Path):
    try:
        return safetensors.safe_open(path, framework="numpy")
    except OSError as error:
        why = error.strerror or "not readable"
        raise InputError(f"cannot read {path} ({why}): get the file anew") from None
    except safetensors.SafetensorError as error:
        why = str(error).splitlines()[0]
        raise InputError(f"{path} is no whole safetensors file ({why}): get it anew") from None


def tensor_names(path: Path) -> list[str]:
    with opened(path) as file:
        return list(file.keys())


def shards(index: Path) -> tuple[list[Path], set[str]]:
    """The files that an index names, and the tensors that they must hold."""
    values = read_json(index)
    files = values.get("weight_map") if isinstance(values, dict) else None
    if not isinstance(files, dict) or not files:
        raise InputError(f"{index} has no weight_map: get the folder anew")
    for name in files.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise InputError(f"{index} names {name!r}, which is no file beside it: get it anew")
        if not (index.parent / name).is_file():
            raise InputError(f"{index.parent} lacks the shard {name}: get the folder anew")
    return [index.parent / name for name in sorted(set(files.values()))], set(files)


def why_none(folder: Path) -> str:
    """Why there is nothing to read in a folder, and what to do."""
    pickled = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
    if pickled:
        return (
            f"{pickled[0].name} may hold code that runs when it is read, so minitx does not open "
            "it: get the weights as safetensors (hubs keep them under a --revision)"
        )
    return "get the weights as safetensors"


def load_folder(folder: Path, dtype: str) -> tuple[ModelConfig, Params]:
    """The model in a Hugging Face folder. Raises InputError for one that cannot be loaded."""
    path = folder / "config.json"
    header = read_json(path)
    config = translate(header, path)
    return config, fill(config, architecture_of(header, path), Safetensors(folder), dtype)
