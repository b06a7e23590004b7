"""Other people's weights in our `Transformer`: their config translated, their tensors in place.

What is not understood is refused by name, never guessed: a key of the config, a tensor too many or
too few, a shape. Tensors are read one at a time, straight into their final place and type.
"""

import json
import re
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import safetensors

from minitx.checkpoint import name_of, read_json
from minitx.config import ModelConfig
from minitx.errors import InputError, suggest
from minitx.model import Params, init_params
from minitx.pretrained.architectures import ARCHITECTURES, EVERYWHERE, HARMLESS, Architecture, From

DTYPES = ("float32", "bfloat16")
READABLE = ("float32", "bfloat16", "float16", "float64")  # of tensors in files


class Tensors(Protocol):
    """A file or folder of tensors under their names."""

    where: Path

    def names(self) -> set[str]: ...

    def read(self, name: str) -> np.ndarray: ...


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


def architecture_of(header: dict, where: str | Path) -> Architecture:
    """The tables that go with a config. Raises InputError for a family that has none."""
    kind = header.get("model_type")
    if kind not in list(ARCHITECTURES):
        raise InputError(
            f"{where}: the architecture {kind!r} is not supported"
            f"{suggest(str(kind), ARCHITECTURES)}: use one of {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[kind]


def translate(header: Any, where: str | Path) -> ModelConfig:
    """Our config from another's `header`, in the words of Hugging Face's config.json.

    Where a sliding window is shorter than the context, the window becomes the context.

    Raises InputError naming the first key that is missing, not understood, or not supported.
    """
    if not isinstance(header, dict):
        raise InputError(f"{where}: expected a JSON object: give a model's config.json")
    a = architecture_of(header, where)
    given = flat(header, where)
    context_limit = window(given, where)
    for key, reason in a.refused.items():
        whole = {"do_layer_norm_before": True, "word_embed_proj_dim": given.get("hidden_size")}
        if given.get(key, whole[key]) != whole[key]:
            raise InputError(
                f"{where}: {key}={given[key]!r} means {reason}, which is not supported: use "
                "another size"
            )
    for key, value in given.items():
        if key in a.fields or key in a.refused or (key in HARMLESS and key not in a.only):
            continue
        supported = a.only | EVERYWHERE
        if key not in supported:
            raise InputError(
                f"{where}: the key {key!r} (here {str(value)[:60]}) is not understood, so what it "
                "changes could not be computed: use a model without it"
            )
        if value != supported[key] or isinstance(value, bool) != isinstance(supported[key], bool):
            raise InputError(
                f"{where}: {key}={value!r} is not supported, only {supported[key]!r}: use another "
                "model"
            )
    fields = dict(a.same)
    for key, ours in a.fields.items():
        if key not in given and key not in a.defaults:
            raise InputError(f"{where} lacks the key {key!r}: get the file anew")
        fields[ours] = given.get(key, a.defaults.get(key))
    if fields["mlp"] not in list(a.mlp):
        raise InputError(
            f"{where}: the activation {fields['mlp']!r} is not supported: use a model with "
            f"{', '.join(a.mlp)}"
        )
    fields["mlp"] = a.mlp[fields["mlp"]]
    try:
        config = ModelConfig(**fields)
        if context_limit is not None and context_limit < config.context:
            config = ModelConfig(**{**fields, "context": context_limit})
    except InputError as error:
        # The message begins with our name of a field, which the file does not know.
        key = next((key for key, ours in a.fields.items() if str(error).startswith(f"{ours}=")), "")
        raise InputError(f"{where}: {key and key + ': '}{error}") from None
    return config


def flat(header: dict, where: str | Path) -> dict[str, Any]:
    """A header with the keys of its rope at the top, as before they had an object of their own.

    What is null is as good as absent, but for windows and key/value heads, where it has a meaning
    of its own: no window, and as many as there are query heads.
    """
    own = ("sliding_window", "num_key_value_heads")
    given = {k: v for k, v in header.items() if v is not None or k in own}
    for group in ("rope_parameters", "rope_scaling"):
        rope = given.pop(group, None)
        if rope is None:
            continue
        kind = rope.get("rope_type", rope.get("type", "default")) if isinstance(rope, dict) else 0
        if kind != "default":
            raise InputError(
                f"{where}: {group}={json.dumps(rope)[:80]} is not supported: use a model without "
                "rope scaling"
            )
        for key, value in rope.items():
            if key in ("rope_type", "type"):
                continue
            if given.setdefault(key, value) != value:
                raise InputError(
                    f"{where}: {key} is {given[key]!r} in one place and {value!r} in another: get "
                    "the file anew"
                )
    return given


def window(given: dict, where: str | Path) -> int | None:
    """The longest sequence for which a sliding window hides nothing; takes its keys out of `given`.

    Within it, attention is the same with and without the window, so it becomes the context.
    """
    kind = given["model_type"]
    size = given.pop("sliding_window", 4096 if kind in ("mistral", "qwen2") else None)
    used = given.pop("use_sliding_window", False)
    layers = given.pop("layer_types", [])
    for key, value, type_ in (("use_sliding_window", used, bool), ("layer_types", layers, list)):
        if not isinstance(value, type_):
            raise InputError(f"{where}: {key}={value!r} is no {type_.__name__}: get the file anew")
    for layer in layers:
        if layer not in ("full_attention", "sliding_attention"):
            raise InputError(f"{where}: a layer of type {layer!r} is not supported: use another")
    if not (kind == "mistral" or used or "sliding_attention" in layers):
        return None
    if size is not None and (type(size) is not int or size < 1):
        raise InputError(f"{where}: sliding_window={size!r} is no width: get the file anew")
    return size


def place(line: From, array: np.ndarray, head: int, where: str) -> np.ndarray:
    """One tensor of a file as the parameter that it is: in our order, (inputs, outputs), its part.

    `head` is the width K of a head, for rows whose order within it is another.
    """
    if line.paired and len(array) % head == 0:
        pairs = array.reshape(-1, head // 2, 2, *array.shape[1:])
        array = pairs.swapaxes(1, 2).reshape(array.shape)
    if line.turned:
        array = array.T
    if line.third is not None:
        if array.ndim == 0 or array.shape[-1] % 3:
            raise InputError(f"{where} is {list(array.shape)}: not three parts side by side")
        array = np.split(array, 3, axis=-1)[line.third]
    return array


def fill(config: ModelConfig, a: Architecture, tensors: Tensors, dtype: str) -> Params:
    """The parameters of a model of this config, every one from the tensor that the table names.

    `dtype` is float32 or bfloat16. Raises InputError for tensors that are missing, surplus,
    misshapen, of another kind of number, or not finite.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype={dtype!r} is not supported: choose from {', '.join(DTYPES)}")
    where = tensors.where
    stored: dict[str, str] = {}
    for name in sorted(tensors.names()):
        if (other := stored.setdefault(short(name, a.prefixes), name)) != name:
            raise InputError(f"{where} holds both {other} and {name}, which are one: get it anew")
    if config.depth > len(stored):  # said before a place for each of so many is thought out
        raise InputError(
            f"{where} holds {len(stored)} tensors, too few for the {config.depth} blocks of its "
            "config: get both anew"
        )
    table, head = (a.tensors[f"{side}embedding.table"].name for side in ("", "un"))
    if config.tied and table not in stored and head in stored:
        # Of two names for one tensor a converter keeps one, and not always the embedding's.
        stored[table] = stored.pop(head)
    like = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    sources = {name_of(path): source_of(name_of(path), a) for path, _ in leaves}
    used = {line.name for line in sources.values()}
    for name in sorted(used):
        if name not in stored:
            raise InputError(f"{where} lacks the tensor {name}: it does not fit its config")
    unused = [*a.unused, *([re.escape(head)] if config.tied else [])]
    for name in sorted(stored.keys() - used):
        if not any(re.fullmatch(pattern, name) for pattern in unused):
            raise InputError(
                f"{where} holds the tensor {stored[name]}, which the model has no place for: it "
                "does not fit its config"
            )
    if config.tied and head in stored and not alike(tensors, stored[head], stored[table]):
        raise InputError(
            f"{where}: {stored[head]} differs from {stored[table]}, but the config ties them: set "
            "tie_word_embeddings to false there"
        )
    filled = []
    for path, leaf in leaves:
        line = sources[name_of(path)]
        what = f"{where}: {stored[line.name]}"
        array = tensors.read(stored[line.name])
        if array.dtype.name not in READABLE:
            raise InputError(
                f"{what} is of type {array.dtype.name}, which is not supported: use a model in "
                "float32, float16 or bfloat16"
            )
        array = place(line, array, config.sizes["K"], what)
        if array.shape != leaf.shape:
            raise InputError(
                f"{what} is {list(array.shape)} for {name_of(path)}, but the config wants "
                f"{list(leaf.shape)}: it does not fit its config"
            )
        with np.errstate(over="ignore"):  # what grows too large is found in the next line
            array = np.asarray(array, dtype=jnp.dtype(dtype), order="C")
        if not np.isfinite(array).all():
            raise InputError(f"{what} holds values that are no numbers: get the file anew")
        filled.append(jax.device_put(array))
        del array  # before the next is read, so that one tensor at most lies in memory twice
    return jax.tree_util.tree_unflatten(structure, filled)


def alike(tensors: Tensors, one: str, other: str) -> bool:
    return np.array_equal(tensors.read(one), tensors.read(other))


def short(name: str, prefixes: tuple[str, ...]) -> str:
    """A tensor's name without the prefix that some files put before it."""
    return next((name.removeprefix(p) for p in prefixes if name.startswith(p)), name)


def source_of(parameter: str, a: Architecture) -> From:
    """The tensor that a parameter such as blocks.3.mlp.up.weight comes from."""
    number = re.search(r"(?<=blocks\.)\d+", parameter)
    line = a.tensors[re.sub(r"(?<=blocks\.)\d+", "{n}", parameter)]
    return line._replace(name=line.name.format(n=number[0])) if number else line


def load_folder(folder: Path, dtype: str) -> tuple[ModelConfig, Params]:
    """The model in a Hugging Face folder. Raises InputError for one that cannot be loaded."""
    path = folder / "config.json"
    header = read_json(path)
    config = translate(header, path)
    return config, fill(config, architecture_of(header, path), Safetensors(folder), dtype)
