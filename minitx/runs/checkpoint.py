"""Trees of arrays as safetensors files; tensor names are the parameters' dotted paths.

Nothing that is read is ever executed.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import safetensors
import safetensors.numpy

from minitx import files
from minitx.errors import InputError
from minitx.parameters import name_of, named_arrays

# The kinds of files, each with the version of its format: raised when names or meanings change.
VERSIONS = {"model": 1, "train state": 2, "zoo": 2}


def save(path: Path, tree: Any, kind: str, facts: dict[str, Any] | None = None) -> None:
    """Write a tree of arrays as one safetensors file, marked with its kind and version.

    `facts` are put beside them into the mark, for `read_mark`.
    """
    # One entry only: the library writes several in no fixed order, and equal runs must be equal to
    # the byte.
    mark = {"kind": kind, "version": VERSIONS[kind], **(facts or {})}
    metadata = {"minitx": json.dumps(mark)}
    files.write(path, safetensors.numpy.save(named_arrays(tree), metadata=metadata))


def load(path: Path, like: Any, kind: str) -> Any:
    """Return the tree that `save` wrote, with the structure, shapes and types of `like`.

    Raises InputError for a missing, truncated, foreign or older file, and for missing, surplus or
    misshapen tensors, naming them.
    """
    with opened(path) as file:
        check_mark(path, file, kind)
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    wanted = {name_of(leaf_path): leaf for leaf_path, leaf in leaves}
    refuse_names(path, "lacks the tensor", wanted.keys() - found.keys())
    refuse_names(path, "has the unknown tensor", found.keys() - wanted.keys())
    for name, leaf in wanted.items():
        if found[name].shape != leaf.shape or found[name].dtype != leaf.dtype:
            raise InputError(
                f"{path}: {name} is {found[name].dtype}{list(found[name].shape)}, but config.json "
                f"wants {leaf.dtype}{list(leaf.shape)}: restore the file that fits the config"
            )
    return jax.tree_util.tree_unflatten(structure, [found[name] for name in wanted])


def read_mark(path: Path, kind: str) -> dict[str, Any]:
    """Return the kind, the version and the facts that `save` put into a file.

    Raises InputError for a missing, truncated, foreign or older file.
    """
    with opened(path) as file:
        return check_mark(path, file, kind)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file; what is wrong with it becomes an InputError."""
    if not Path(path).exists():
        raise InputError(f"{path} does not exist: train first, or name another run")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except InputError:  # a ValueError too
        raise
    except OSError:  # the library calls every file missing that it cannot open
        raise InputError(f"cannot read {path}: check its permissions") from None
    except (safetensors.SafetensorError, ValueError, AttributeError, RecursionError) as error:
        why = str(error).splitlines()[0]
        raise InputError(
            f"{path} is not a complete safetensors file ({why}): restore it or train again"
        ) from None


def check_mark(path: Path, file: Any, kind: str) -> dict[str, Any]:
    """Return the mark of an opened file; raise InputError for another kind or version."""
    mark = json.loads((file.metadata() or {}).get("minitx", "null"))
    if not isinstance(mark, dict) or mark.get("kind") != kind:
        raise InputError(f"{path} contains no minitx {kind}: name a file that minitx wrote")
    version = mark.get("version")
    if version != VERSIONS[kind]:
        raise InputError(
            f"{path} is a {kind} of format version {version!r}, but this minitx reads version "
            f"{VERSIONS[kind]}: train again, or use the minitx that wrote it"
        )
    return mark


def refuse_names(path: Path, complaint: str, names: set[str]) -> None:
    """Raise InputError naming the first of the tensors, if there are any."""
    if names:
        first = min(names)
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise InputError(
            f"{path} {complaint} {first}{more}: restore the file that fits its config.json"
        )
