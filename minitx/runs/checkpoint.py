"""Trees of arrays as safetensors files; tensor names are the parameters' dotted paths.

Nothing that is read is ever executed.
"""

import json
from pathlib import Path
from typing import Any

import jax
import safetensors
import safetensors.numpy

from minitx.errors import InputError
from minitx.files import write
from minitx.model import name_of, named_arrays

FORMAT_VERSION = 1  # of the tensor files; raised when names or meanings change


def save(path: Path, tree: Any, kind: str) -> None:
    """Write a tree of arrays as one safetensors file, marked with its kind and our version."""
    # One entry only: the library writes several in no fixed order, and equal runs shall be
    # equal to the byte.
    mark = {"minitx": json.dumps({"kind": kind, "version": FORMAT_VERSION})}
    write(path, safetensors.numpy.save(named_arrays(tree), metadata=mark))


def load(path: Path, like: Any, kind: str) -> Any:
    """The tree that `save` wrote, with the structure, shapes and types of `like`.

    Raises InputError for a missing, truncated, foreign or older file, and for missing, surplus or
    misshapen tensors, naming them.
    """
    if not Path(path).exists():
        raise InputError(f"{path} does not exist: train first, or name another run")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            mark = json.loads((file.metadata() or {}).get("minitx", "null"))
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError:  # the library calls every file missing that it cannot open
        raise InputError(f"cannot read {path}: check its permissions") from None
    except (safetensors.SafetensorError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} is no whole safetensors file ({str(error).splitlines()[0]}): "
            "restore it or train again"
        ) from None
    if not isinstance(mark, dict) or mark.get("kind") != kind:
        raise InputError(f"{path} holds no minitx {kind}: name a file that minitx wrote")
    if mark.get("version") != FORMAT_VERSION:
        raise InputError(
            f"{path} has format version {mark.get('version')!r}, but this minitx reads "
            f"{FORMAT_VERSION}: train again, or use the minitx that wrote it"
        )
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    wanted = {name_of(path): leaf for path, leaf in leaves}
    for complaint, names in (
        ("lacks the tensor", sorted(wanted.keys() - found.keys())),
        ("holds the unknown tensor", sorted(found.keys() - wanted.keys())),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(
                f"{path} {complaint} {names[0]}{more}: it does not fit its config.json"
            )
    for name, leaf in wanted.items():
        if found[name].shape != leaf.shape or found[name].dtype != leaf.dtype:
            raise InputError(
                f"{path}: {name} is {found[name].dtype}{list(found[name].shape)}, but the config "
                f"wants {leaf.dtype}{list(leaf.shape)}: it does not fit its config.json"
            )
    return jax.tree_util.tree_unflatten(structure, [found[name] for name in wanted])
