"""GGUF files, llama.cpp's: config, tokenizer and dequantised tensors from one file.

The `gguf` package reads the layout and undoes the quantisation. Metadata is translated into the
words of a config.json, so that one set of rules in `translation.py` judges both.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minitx.config import ModelConfig
from minitx.errors import InputError, reason
from minitx.model import Params
from minitx.pretrained.filling import fill
from minitx.pretrained.gguf_names import ARCHITECTURES, KEYS
from minitx.pretrained.translation import translate

# Prefixes of metadata that says nothing about what the model computes.
IRRELEVANT = ("GGUF.", "general.", "tokenizer.", "quantize.")


class Stored(NamedTuple):
    """Where a tensor lies in the file, and how."""

    offset: int
    shape: tuple[int, ...]  # in stored elements: in bytes, if its blocks are quantised
    dtype: np.dtype
    quantisation: Any  # the package's GGMLQuantizationType


class GGUF:
    """A GGUF file: its `metadata` by key, and tensors that are mapped into memory one at a time."""

    def __init__(self, path: Path):
        reader = open_reader(path)
        try:
            self.metadata = {key: field.contents() for key, field in reader.fields.items()}
        except (ValueError, IndexError, TypeError) as error:
            raise broken(path, error) from None
        self.path = path
        self.stored = {
            tensor.name: Stored(
                int(tensor.data_offset), tensor.data.shape, tensor.data.dtype, tensor.tensor_type
            )
            for tensor in reader.tensors
        }
        # The reader is not kept: it has one object for each token of the vocabulary.

    def names(self) -> set[str]:
        """Return the names of all tensors."""
        return set(self.stored)

    def read(self, name: str) -> np.ndarray:
        """Return a tensor as float32. Raises InputError for an unknown quantisation."""
        import gguf

        offset, shape, dtype, quantisation = self.stored[name]
        data = np.memmap(self.path, dtype, "r", offset, shape)
        try:
            return gguf.dequantize(data, quantisation)
        except NotImplementedError:
            raise InputError(
                f"{self.path}: {name} is quantised as {quantisation.name}, which is not supported: "
                "use F32, F16, BF16, Q8_0, Q4_0, Q4_1 or a K-quant"
            ) from None

    def header(self) -> dict[str, Any]:
        """Return the metadata in the words of a config.json; unknown keys keep their names.

        Raises InputError for two keys that contradict each other, and for a missing epsilon.
        """
        family = self.metadata.get("general.architecture")
        header: dict[str, Any] = {"model_type": family}
        if family not in list(KEYS):
            return header
        keys = KEYS[family]
        for key, value in self.metadata.items():
            if key.startswith(IRRELEVANT):
                continue
            word = keys.get(key.removeprefix(f"{family}."), key)
            if header.setdefault(word, value) != value:
                raise InputError(
                    f"{self.path}: {key}={value!r} differs from what another key says "
                    f"({header[word]!r}), which is not supported: use another model"
                )
        for key, word in keys.items():
            if key.endswith("epsilon") and word not in header:  # llama.cpp has no default for it
                raise InputError(f"{self.path} lacks the key {family}.{key}: get the file again")
        # The rest is not in the metadata, but follows from the tensors.
        table = self.stored.get("token_embd.weight")
        if table and table.shape:
            header.setdefault("vocab_size", table.shape[0])
        if "attention.head_count_kv" in keys:
            header.setdefault("num_key_value_heads", None)
            header["use_sliding_window"] = bool(header.get("sliding_window"))
        header["tie_word_embeddings"] = "output.weight" not in self.stored
        if family == "llama":
            header["attention_bias"] = "blk.0.attn_output.bias" in self.stored
            header["mlp_bias"] = "blk.0.ffn_up.bias" in self.stored
        return header


def open_reader(path: Path):
    """Return the package's reader. Raises InputError without the package, or for another file."""
    try:
        import gguf
    except ImportError:
        raise InputError(
            "GGUF files need the package gguf: pip install 'minitx[pretrained]'"
        ) from None

    class Reader(gguf.GGUFReader):
        def _get(self, offset, dtype, count=1, *order, **options):
            """Return an array of `count` elements; a cut file would give a shorter one."""
            self.data = np.asarray(self.data)  # slicing numpy's memmap takes several times as long
            array = super()._get(offset, dtype, count, *order, **options)
            if len(array) < count:
                raise ValueError("it ends too early")
            return array

    try:
        with np.errstate(over="raise"):  # an absurd offset
            reader = Reader(path)
    except OSError as error:
        raise InputError(f"cannot read {path} ({reason(error)}): check the path") from None
    except Exception as error:  # a cut file fails wherever the reader meets its end
        raise broken(path, error) from None
    if reader.byte_order == "S":  # the package swaps what it reads, but not what it dequantises
        raise InputError(f"{path} has the byte order of another machine: get it for this one")
    return reader


def broken(path: Path, error: Exception) -> InputError:
    """Return the error for a file that is cut, or not a GGUF file."""
    why = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(f"{path} is not a whole GGUF file ({why}): get it again")


def load_file(path: Path, dtype: str) -> tuple[ModelConfig, Params, dict[str, Any]]:
    """Return the model in a GGUF file, and the metadata. Raises InputError as `fill` does."""
    file = GGUF(path)
    header = file.header()
    family = header["model_type"]
    if family not in list(ARCHITECTURES):
        raise InputError(
            f"{path}: the architecture {family!r} is not supported in GGUF files: use one of "
            f"{', '.join(ARCHITECTURES)}"
        )
    config = translate(header, path)
    return config, fill(config, ARCHITECTURES[family], file, dtype), file.metadata
