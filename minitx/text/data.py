"""A corpus as tokens, in two parts: one to train on, one held out."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minitx.config import DataConfig
from minitx.errors import InputError
from minitx.text import corpus, tokenizer

GENERATED_TOKENS = 200_000  # of a generated corpus; enough for its statistics to show


@dataclass(frozen=True)
class Data:
    """A text as tokens, in two parts, and where it came from."""

    train_tokens: np.ndarray
    val_tokens: np.ndarray
    tokenizer: Any
    config: DataConfig
    sha256: str | None = None  # of the text; None for a generated corpus
    generator: Any = None  # of a generated corpus: knows the true next-token distribution


def prepare(
    name: str,
    kind: str = "char",
    vocab: int = 512,
    val_fraction: float = 0.1,
    digits: bool = False,
) -> Data:
    """Read or generate a corpus and turn it into tokens; the last part is for validation.

    `kind` is the tokeniser of a text: char, word, bpe (trained on the whole text to at most `vocab`
    tokens), or the path of a tokenizer.json. A generated corpus brings its own words.
    """
    config = DataConfig(name, kind, digits, val_fraction)
    if name in corpus.GENERATORS:
        generator = corpus.generate(name)
        tokens = generator.sample(GENERATED_TOKENS, seed=0)
        words = tokenizer.Vocabulary.of(generator.words)
        return Data(*split(tokens, val_fraction), words, config, generator=generator)
    text = corpus.read_text(name)
    if len(set(text.text)) < 2:
        raise InputError(f"{name} is one character again and again: use a text that has more")
    if kind.endswith(".json"):
        made = read_tokenizer(Path(kind))
        kind = str(Path(kind).absolute())
    else:
        limit = None if kind == "char" else vocab
        made = tokenizer.train(kind, text.text, limit, digits=digits)
    # Absolute paths, so that a run can go on from any folder.
    config = dataclasses.replace(config, corpus=text.origin, tokenizer=kind)
    return Data(*split(made.encode(text.text), val_fraction), made, config, text.sha256)


def split(tokens: np.ndarray, val_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """The first part of the tokens for training, the rest for validation."""
    border = int(len(tokens) * (1 - val_fraction))
    return tokens[:border], tokens[border:]


def read_tokenizer(path: Path):
    """The tokeniser in a tokenizer.json, ours or that of the `tokenizers` library."""
    try:
        return tokenizer.from_json(path.read_text("utf-8"))
    except OSError as error:
        why = f"cannot read {path} ({error.strerror})"
        raise InputError(f"{why}: restore it, or name another") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8: restore it, or name another") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
