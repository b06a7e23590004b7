"""A Hugging Face folder: config.json, and weights as safetensors in one file or in shards."""

from pathlib import Path

import numpy as np
import safetensors

from minitx.config import ModelConfig
from minitx.errors import InputError, reason
from minitx.files import read_json
from minitx.model import Params
from minitx.pretrained.filling import fill
from minitx.pretrained.translation import architecture_of, translate


class Safetensors:
    """The tensors of a Hugging Face folder, in one file or in shards.

    Each `read` opens and closes a file, because an open file keeps in memory what was read from it.
    So the memory in use stays that of the model and one more tensor.
    """

    def __init__(self, folder: Path):
        single = folder / "model.safetensors"
        index = folder / "model.safetensors.index.json"
        if single.is_file():
            self.path = single
            files = [single]
            wanted = set()
        elif index.is_file():
            self.path = index
            files, wanted = read_index(index)
        else:
            raise InputError(f"{folder} holds no model.safetensors: {cure_without_weights(folder)}")
        self.file_of: dict[str, Path] = {}
        for path in files:
            for name in tensor_names(path):
                other = self.file_of.setdefault(name, path)
                if other != path:
                    raise InputError(
                        f"{path} and {other.name} both hold {name}: get the folder again"
                    )
        missing = sorted(wanted - self.file_of.keys())
        if missing:
            raise InputError(
                f"{index} names {missing[0]}, which no shard holds: get the folder again"
            )

    def names(self) -> set[str]:
        """Return the names of all tensors."""
        return set(self.file_of)

    def read(self, name: str) -> np.ndarray:
        """Return a tensor as it is stored. Raises InputError for a type that numpy cannot hold."""
        path = self.file_of[name]
        with open_file(path) as file:
            try:
                return file.get_tensor(name)
            except (safetensors.SafetensorError, TypeError, AttributeError):
                dtype = file.get_slice(name).get_dtype()
                raise InputError(
                    f"{path}: {name} is of type {dtype}, which is not supported: use a model in "
                    "float32, float16 or bfloat16"
                ) from None


def open_file(path: Path):
    """Open a safetensors file. Raises InputError if it cannot be read or is not whole."""
    try:
        return safetensors.safe_open(path, framework="numpy")
    except OSError as error:
        raise InputError(f"cannot read {path} ({reason(error)}): get the file again") from None
    except safetensors.SafetensorError as error:
        why = str(error).splitlines()[0]
        raise InputError(f"{path} is not a whole safetensors file ({why}): get it again") from None


def tensor_names(path: Path) -> list[str]:
    """Return the names of the tensors in one file."""
    with open_file(path) as file:
        return list(file.keys())


def read_index(index: Path) -> tuple[list[Path], set[str]]:
    """Return the files that an index names, and the tensors that they must hold."""
    content = read_json(index)
    file_of = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(file_of, dict) or not file_of:
        raise InputError(f"{index} has no weight_map: get the folder again")
    for name in file_of.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise InputError(f"{index} names {name!r}, which is not a file beside it: get it again")
        if not (index.parent / name).is_file():
            raise InputError(f"{index.parent} lacks the shard {name}: get the folder again")
    return [index.parent / name for name in sorted(set(file_of.values()))], set(file_of)


def cure_without_weights(folder: Path) -> str:
    """Return what to do about a folder without safetensors, and why a pickle will not do."""
    pickles = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
    if pickles:
        return (
            f"{pickles[0].name} may hold code that runs when it is read, so minitx does not open "
            "it: get the weights as safetensors (hubs keep them under a --revision)"
        )
    return "get the weights as safetensors"


def load_folder(folder: Path, dtype: str) -> tuple[ModelConfig, Params]:
    """Return the model in a Hugging Face folder. Raises InputError if it cannot be loaded."""
    path = folder / "config.json"
    header = read_json(path)
    config = translate(header, path)
    return config, fill(config, architecture_of(header, path), Safetensors(folder), dtype)
