"""GGUF files, llama.cpp's: config, tokeniser and dequantised tensors from one file.

The `gguf` package reads the layout and undoes the quantisation. Metadata is translated into the
words of a config.json, so that one set of rules in `translation.py` judges both.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minitx.config import ModelConfig
from minitx.errors import InputError
from minitx.model import Params
from minitx.pretrained.architectures import GGUF_ARCHITECTURES, GGUF_KEYS
from minitx.pretrained.filling import fill
from minitx.pretrained.translation import translate

# Metadata that says nothing about what the model computes.
HARMLESS = ("GGUF.", "general.", "tokenizer.", "quantize.")


class Stored(NamedTuple):
    """Where a tensor lies in the file, and how."""

    offset: int
    shape: tuple[int, ...]  # of the stored elements: of bytes, where blocks are quantised
    dtype: np.dtype
    kind: Any  # the package's GGMLQuantizationType


class GGUF:
    """An open file: `metadata` under its keys, and tensors that are mapped one at a time."""

    def __init__(self, path: Path):
        reader = open_reader(path)
        try:
            self.metadata = {key: field.contents() for key, field in reader.fields.items()}
        except (ValueError, IndexError, TypeError) as error:
            raise broken(path, error) from None
        self.where = path
        self.stored = {
            t.name: Stored(int(t.data_offset), t.data.shape, t.data.dtype, t.tensor_type)
            for t in reader.tensors
        }
        # The reader is let go here: with one object for each word of the vocabulary it is large.

    def names(self) -> set[str]:
        return set(self.stored)

    def read(self, name: str) -> np.ndarray:
        """One tensor as float32."""
        import gguf

        offset, shape, dtype, kind = self.stored[name]
        data = np.memmap(self.where, dtype, "r", offset, shape)
        try:
            return gguf.dequantize(data, kind)
        except NotImplementedError:
            raise InputError(
                f"{self.where}: {name} is quantised as {kind.name}, which is not supported: use "
                "F32, F16, BF16, Q8_0, Q4_0, Q4_1 or a K-quant"
            ) from None

    def header(self) -> dict[str, Any]:
        """The metadata in the words of a config.json; what has no such word keeps its key."""
        kind = self.metadata.get("general.architecture")
        header: dict[str, Any] = {"model_type": kind}
        if kind not in list(GGUF_KEYS):
            return header
        for key, value in self.metadata.items():
            if key.startswith(HARMLESS):
                continue
            word = GGUF_KEYS[kind].get(key.removeprefix(f"{kind}."), key)
            if header.setdefault(word, value) != value:
                raise InputError(
                    f"{self.where}: {key}={value!r} differs from what another key says "
                    f"({header[word]!r}), which is not supported: use another model"
                )
        table = self.stored.get("token_embd.weight")
        if table and table.shape:
            header.setdefault("vocab_size", table.shape[0])
        if "attention.head_count_kv" in GGUF_KEYS[kind]:
            header.setdefault("num_key_value_heads", None)
            header["use_sliding_window"] = bool(header.get("sliding_window"))
        for key, word in GGUF_KEYS[kind].items():
            if key.endswith("epsilon") and word not in header:  # llama.cpp has no default for it
                raise InputError(f"{self.where} lacks the key {kind}.{key}: get the file anew")
        header["tie_word_embeddings"] = "output.weight" not in self.stored
        if kind == "llama":
            header["attention_bias"] = "blk.0.attn_output.bias" in self.stored
            header["mlp_bias"] = "blk.0.ffn_up.bias" in self.stored
        return header


def open_reader(path: Path):
    """The package's reader. Raises InputError without the package, or for another kind of file."""
    try:
        import gguf
    except ImportError:
        raise InputError(
            "GGUF files need the package gguf: pip install 'minitx[pretrained]'"
        ) from None

    class Reader(gguf.GGUFReader):
        def _get(self, offset, dtype, count=1, *order, **more):
            """What lies there, all of it: else an absurd count would be filled with nothing."""
            array = super()._get(offset, dtype, count, *order, **more)
            if len(array) < count:
                raise ValueError("it ends too early")
            return array

    try:
        with np.errstate(over="raise"):  # of an absurd offset
            reader = Reader(path)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): check the path") from None
    except Exception as error:  # a file that is cut fails wherever the reader happens on the end
        raise broken(path, error) from None
    if reader.byte_order == "S":  # the package swaps what it reads, but not what it dequantises
        raise InputError(f"{path} has the byte order of another machine: get it for this one")
    return reader


def broken(path: Path, error: Exception) -> InputError:
    why = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(f"{path} is no whole GGUF file ({why}): get it anew")


def load_file(path: Path, dtype: str) -> tuple[ModelConfig, Params, dict[str, Any]]:
    """The model in a GGUF file, and the file's metadata. Raises InputError as `fill` does."""
    file = GGUF(path)
    header = file.header()
    kind = header["model_type"]
    if kind not in list(GGUF_ARCHITECTURES):
        raise InputError(
            f"{path}: the architecture {kind!r} is not supported in GGUF files: use one of "
            f"{', '.join(GGUF_ARCHITECTURES)}"
        )
    config = translate(header, path)
    return config, fill(config, GGUF_ARCHITECTURES[kind], file, dtype), file.metadata
