"""Other people's tensors as our parameters: each has its place, or the file is refused.

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
from minitx.model import Params, init_params
from minitx.parameters import name_of
from minitx.pretrained.architectures import Architecture, Tensor

DTYPES = ("float32", "bfloat16")  # of our parameters
READABLE = ("float32", "bfloat16", "float16", "float64")  # of tensors in files


class Tensors(Protocol):
    """A file or folder of tensors under their names."""

    path: Path

    def names(self) -> set[str]: ...

    def read(self, name: str) -> np.ndarray: ...


def fill(config: ModelConfig, architecture: Architecture, tensors: Tensors, dtype: str) -> Params:
    """Return the parameters of a model, each from the tensor that the architecture's table names.

    `dtype` is float32 or bfloat16. Raises InputError for tensors that are missing or too many, of
    the wrong shape or type, or not finite.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype={dtype!r} is not supported: choose from {', '.join(DTYPES)}")
    full_names = names_by_short_name(config, architecture, tensors)
    if config.depth > len(full_names):  # an absurd depth would take forever in the lines below
        raise InputError(
            f"{tensors.path} holds {len(full_names)} tensors, too few for the {config.depth} "
            "blocks of its config: get both again"
        )
    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    leaves, structure = jax.tree_util.tree_flatten_with_path(shapes)
    sources = [source_of(name_of(path), architecture) for path, _ in leaves]
    check_names(architecture, tensors.path, full_names, {source.name for source in sources})
    filled: list[jax.Array | None] = [None] * len(leaves)
    # The largest first: a tensor lies in memory twice while it is read, and at the beginning there
    # is little else in memory.
    for place in sorted(range(len(leaves)), key=lambda place: -leaves[place][1].size):
        path, leaf = leaves[place]
        name = full_names[sources[place].name]
        array = read_part(sources[place], tensors, name, config.sizes["K"])
        if array.shape != leaf.shape:
            raise InputError(
                f"{tensors.path}: {name} is {list(array.shape)} for {name_of(path)}, but the "
                f"config wants {list(leaf.shape)}: the file does not fit its config"
            )
        with np.errstate(over="ignore"):  # the next lines find what is too large for the dtype
            array = np.asarray(array, dtype=jnp.dtype(dtype), order="C")
        if not np.isfinite(array).all():
            raise InputError(
                f"{tensors.path}: {name} holds values that are not finite: get the file again"
            )
        filled[place] = jax.device_put(array)
        del array  # before the next is read, so that only one tensor lies in memory twice
    return jax.tree_util.tree_unflatten(structure, filled)


def names_by_short_name(
    config: ModelConfig, architecture: Architecture, tensors: Tensors
) -> dict[str, str]:
    """Return the names of a file's tensors by their names in the architecture's table.

    A file's names may have a prefix. The one table of a tied model may have the name of the
    embedding, of the unembedding, or both. Raises InputError for two tensors with one name.
    """
    full_names: dict[str, str] = {}
    for name in sorted(tensors.names()):
        short = without_prefix(name, architecture.prefixes)
        other = full_names.setdefault(short, name)
        if other != name:
            raise InputError(
                f"{tensors.path} holds both {other} and {name}, which are the same tensor: get it "
                "again"
            )
    embedding = architecture.tensors["embedding.table"].name
    unembedding = architecture.tensors["unembedding.table"].name
    if config.tied and unembedding in full_names:
        other = full_names.pop(unembedding)
        name = full_names.setdefault(embedding, other)
        if name != other and not np.array_equal(tensors.read(name), tensors.read(other)):
            raise InputError(
                f"{tensors.path}: {other} differs from {name}, but the config ties them: set "
                "tie_word_embeddings to false there"
            )
    return full_names


def without_prefix(name: str, prefixes: tuple[str, ...]) -> str:
    """Return a tensor's name without the first prefix that it begins with."""
    for prefix in prefixes:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def source_of(parameter: str, architecture: Architecture) -> Tensor:
    """Return the tensor that a parameter such as blocks.3.mlp.up.weight comes from."""
    number = re.search(r"(?<=blocks\.)\d+", parameter)
    if number is None:
        return architecture.tensors[parameter]
    tensor = architecture.tensors[parameter.replace(f"blocks.{number[0]}.", "blocks.{n}.")]
    return tensor._replace(name=tensor.name.format(n=number[0]))


def check_names(
    architecture: Architecture, path: Path, full_names: dict[str, str], wanted: set[str]
) -> None:
    """Raise InputError for a tensor that is missing, or that has no place in the model."""
    for short in sorted(wanted):
        if short not in full_names:
            raise InputError(f"{path} lacks the tensor {short}: the file does not fit its config")
    for short in sorted(full_names.keys() - wanted):
        if not any(re.fullmatch(pattern, short) for pattern in architecture.unused):
            raise InputError(
                f"{path} holds the tensor {full_names[short]}, which has no place in the model: "
                "the file does not fit its config"
            )


def read_part(source: Tensor, tensors: Tensors, name: str, head_width: int) -> np.ndarray:
    """Read a tensor and return the part of it that one parameter needs, as (inputs, outputs).

    Raises InputError for a type that cannot be read, and for thirds of what has no three parts.
    """
    array = tensors.read(name)
    if array.dtype.name not in READABLE:
        raise InputError(
            f"{tensors.path}: {name} is of type {array.dtype.name}, which is not supported: use a "
            "model in float32, float16 or bfloat16"
        )
    if source.interleaved and array.ndim and len(array) % head_width == 0:
        pairs = array.reshape(-1, head_width // 2, 2, *array.shape[1:])
        array = pairs.swapaxes(1, 2).reshape(array.shape)
    if source.transposed:
        array = array.T
    if source.third is not None:
        if array.ndim == 0 or array.shape[-1] % 3:
            raise InputError(
                f"{tensors.path}: {name} is {list(array.shape)}: not three parts side by side"
            )
        array = np.split(array, 3, axis=-1)[source.third]
    return array
