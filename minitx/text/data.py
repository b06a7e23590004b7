"""A corpus as tokens, in two parts: one to train on, one held out."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minitx.config import DataConfig
from minitx.errors import InputError, reason
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
    generator: Any = None  # the Source of a generated corpus; it knows the true distribution


def prepare(
    name: str,
    kind: str = "char",
    vocab: int = 512,
    val_fraction: float = 0.1,
    digits: bool = False,
) -> Data:
    """Read or generate a corpus and turn it into tokens; the last part is for validation.

    `kind` is the tokenizer of a text: char, word, bpe (trained on the whole text to at most `vocab`
    tokens), or the path of a tokenizer.json. A generated corpus has its own vocabulary. Raises
    InputError for a corpus or a tokenizer that cannot be used.
    """
    config = DataConfig(name, kind, digits, val_fraction)
    if name in corpus.GENERATORS:
        generator = corpus.generate(name)
        tokens = generator.sample(GENERATED_TOKENS, seed=0)
        vocabulary = tokenizer.Vocabulary.of(generator.words)
        return Data(*split(tokens, val_fraction), vocabulary, config, generator=generator)
    text = corpus.read_text(name)
    if len(set(text.text)) < 2:
        raise InputError(f"{name} repeats one character: use a text with several characters")
    if kind.endswith(".json"):
        trained = read_tokenizer(Path(kind))
        kind = str(Path(kind).absolute())
    else:
        limit = None if kind == "char" else vocab
        trained = tokenizer.train(kind, text.text, limit, digits=digits)
    # Absolute paths, so that a run can be resumed from any folder.
    config = dataclasses.replace(config, corpus=text.origin, tokenizer=kind)
    tokens = trained.encode(text.text)
    return Data(*split(tokens, val_fraction), trained, config, text.sha256)


def split(tokens: np.ndarray, val_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first tokens for training, and the last ones for validation."""
    border = int(len(tokens) * (1 - val_fraction))
    return tokens[:border], tokens[border:]


def read_tokenizer(path: Path):
    """Return the tokenizer in a tokenizer.json that we or the `tokenizers` library wrote.

    Raises InputError for a file that cannot be read, or that holds something else.
    """
    try:
        return tokenizer.from_json(path.read_text("utf-8"))
    except OSError as error:
        why = f"cannot read {path} ({reason(error)})"
        raise InputError(f"{why}: restore it, or name another") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8: restore it, or name another") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
