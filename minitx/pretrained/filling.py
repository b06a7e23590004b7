"""Other people's tensors as our parameters: each in its place, or the file is refused.

Tensors are read one at a time, straight into their final place and type.
"""

import re
from pathlib import Path
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from minitx.config import ModelConfig
from minitx.errors import InputError
from minitx.model import Params, init_params, name_of
from minitx.pretrained.architectures import Architecture, From

DTYPES = ("float32", "bfloat16")  # of ours
READABLE = ("float32", "bfloat16", "float16", "float64")  # of tensors in files


class Tensors(Protocol):
    """A file or folder of tensors under their names."""

    where: Path

    def names(self) -> set[str]: ...

    def read(self, name: str) -> np.ndarray: ...


def fill(config: ModelConfig, a: Architecture, tensors: Tensors, dtype: str) -> Params:
    """The parameters of a model of this config, every one from the tensor that the table names.

    `dtype` is float32 or bfloat16. Raises InputError for tensors that are missing, surplus,
    misshapen, of another kind of number, or not finite.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype={dtype!r} is not supported: choose from {', '.join(DTYPES)}")
    stored = named(config, a, tensors)
    if config.depth > len(stored):  # said before a place for each of so many is thought out
        raise InputError(
            f"{tensors.where} holds {len(stored)} tensors, too few for the {config.depth} blocks "
            "of its config: get both anew"
        )
    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    leaves, structure = jax.tree_util.tree_flatten_with_path(shapes)
    sources = {name_of(path): source_of(name_of(path), a) for path, _ in leaves}
    check_all_used(a, tensors.where, stored, {line.name for line in sources.values()})
    filled: list[jax.Array | None] = [None] * len(leaves)
    # The largest first: while one is read it lies in memory twice, and as yet little else does.
    for n in sorted(range(len(leaves)), key=lambda n: -leaves[n][1].size):
        path, leaf = leaves[n]
        line = sources[name_of(path)]
        array = part(line, tensors, stored[line.name], config.sizes["K"])
        if array.shape != leaf.shape:
            raise InputError(
                f"{tensors.where}: {stored[line.name]} is {list(array.shape)} for "
                f"{name_of(path)}, but the config wants {list(leaf.shape)}: it does not fit its "
                "config"
            )
        with np.errstate(over="ignore"):  # what grows too large is found in the next line
            array = np.asarray(array, dtype=jnp.dtype(dtype), order="C")
        if not np.isfinite(array).all():
            raise InputError(
                f"{tensors.where}: {stored[line.name]} holds values that are no numbers: get the "
                "file anew"
            )
        filled[n] = jax.device_put(array)
        del array  # before the next is read, so that one tensor at most lies in memory twice
    return jax.tree_util.tree_unflatten(structure, filled)


def named(config: ModelConfig, a: Architecture, tensors: Tensors) -> dict[str, str]:
    """The names of the file's tensors, by their names in the table.

    They may have a prefix, and one table of a tied model may have either name, or both. Raises
    InputError where two tensors have one name.
    """
    where = tensors.where
    stored: dict[str, str] = {}
    for name in sorted(tensors.names()):
        short = next((name.removeprefix(p) for p in a.prefixes if name.startswith(p)), name)
        if (other := stored.setdefault(short, name)) != name:
            raise InputError(f"{where} holds both {other} and {name}, which are one: get it anew")
    table, head = (a.tensors[f"{side}embedding.table"].name for side in ("", "un"))
    if config.tied and head in stored:
        other = stored.pop(head)
        name = stored.setdefault(table, other)
        if name != other and not np.array_equal(tensors.read(name), tensors.read(other)):
            raise InputError(
                f"{where}: {other} differs from {name}, but the config ties them: set "
                "tie_word_embeddings to false there"
            )
    return stored


def source_of(parameter: str, a: Architecture) -> From:
    """The tensor that a parameter such as blocks.3.mlp.up.weight comes from."""
    number = re.search(r"(?<=blocks\.)\d+", parameter)
    line = a.tensors[re.sub(r"(?<=blocks\.)\d+", "{n}", parameter)]
    return line._replace(name=line.name.format(n=number[0])) if number else line


def check_all_used(a: Architecture, where: Path, stored: dict[str, str], used: set[str]) -> None:
    """Raise InputError for a tensor that is missing, or that the model has no place for."""
    for name in sorted(used):
        if name not in stored:
            raise InputError(f"{where} lacks the tensor {name}: it does not fit its config")
    for name in sorted(stored.keys() - used):
        if not any(re.fullmatch(pattern, name) for pattern in a.unused):
            raise InputError(
                f"{where} holds the tensor {stored[name]}, which the model has no place for: it "
                "does not fit its config"
            )


def part(line: From, tensors: Tensors, name: str, head: int) -> np.ndarray:
    """What a line of the table takes of a tensor: in our order, (inputs, outputs), its third.

    `head` is the width K of a head, for rows whose order within it is another.
    """
    array = tensors.read(name)
    if array.dtype.name not in READABLE:
        raise InputError(
            f"{tensors.where}: {name} is of type {array.dtype.name}, which is not supported: use a "
            "model in float32, float16 or bfloat16"
        )
    if line.paired and array.ndim and len(array) % head == 0:
        pairs = array.reshape(-1, head // 2, 2, *array.shape[1:])
        array = pairs.swapaxes(1, 2).reshape(array.shape)
    if line.turned:
        array = array.T
    if line.third is not None:
        if array.ndim == 0 or array.shape[-1] % 3:
            raise InputError(
                f"{tensors.where}: {name} is {list(array.shape)}: not three parts side by side"
            )
        array = np.split(array, 3, axis=-1)[line.third]
    return array
