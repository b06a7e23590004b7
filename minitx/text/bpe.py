"""Byte-level byte-pair encoding (BPE), with the `tokenizers` library: ours and other people's.

>>> t = train_bpe(["hug hug hugs"], vocab=260)
>>> [t.tokens[id] for id in t.encode("hugs é")]
['hug', 's', ' ', '<0xC3>', '<0xA9>']

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units" (the
merges); Radford et al. 2019, "Language Models are Unsupervised Multitask Learners" (over bytes).
"""

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import ClassVar

import numpy as np

from minitx.errors import InputError


@dataclass(frozen=True)
class BPE:
    """Tokens that are strings of bytes, learned by merging frequent neighbours.

    Our own tokenizers are strict. They start from the 256 bytes, so every text has an encoding, and
    it decodes to the same text.

    The tokenizer of a real model is not strict: it is used as it came. It may normalise a text, and
    it may be of another kind than byte-level BPE. An id without a token decodes to nothing, because
    models pad their embedding tables.
    """

    json: str = field(repr=False)
    """A tokenizer.json of the `tokenizers` library; InputError if the library cannot read it."""
    bos: int | None = None
    """The beginning-of-sequence token, if there is one. `encode` never adds it."""
    strict: bool = True
    """Refuse a file that is not byte-level BPE, a text that would change, and an unknown id."""
    kind: ClassVar[str] = "bpe"

    def __post_init__(self):
        ids = sorted(self._ids.values())
        whole = ids and ids == list(range(len(ids)))
        if self.strict and (self._bytes is None or not whole):
            raise InputError("not byte-level BPE with ids 0, 1, 2...: minitx supports no other")

    @cached_property
    def _library(self):
        from tokenizers import Tokenizer

        with one_line("`tokenizers` cannot read this file", "get it again"):
            library = Tokenizer.from_str(self.json)
        library.no_truncation()  # files in the wild carry the lengths of someone else's batches
        library.no_padding()
        return library

    @cached_property
    def _ids(self) -> dict[str, int]:
        return self._library.get_vocab()

    @cached_property
    def _size(self) -> int:
        return 1 + max(self._ids.values(), default=-1)

    @cached_property
    def _bytes(self) -> tuple[bytes, ...] | None:
        """The bytes of each id, b"" for an id without a token; None if this is not byte-level BPE.

        Added tokens are plain text, and so is a token with a letter outside the alphabet. In every
        other token each letter stands for a byte.
        """
        byte = byte_of_letter()
        added = {token.content for token in self._library.get_added_tokens_decoder().values()}
        outside = {token for token in self._ids.keys() - added if set(token) - byte.keys()}
        decoder = type(self._library.decoder).__name__
        byte_level = not outside if self.strict else decoder == "ByteLevel"
        if type(self._library.model).__name__ != "BPE" or not byte_level:
            return None
        plain = added | outside
        table = [b""] * len(self)
        for token, id in self._ids.items():
            table[id] = utf8(token) if token in plain else bytes(byte[letter] for letter in token)
        return tuple(table)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The tokens as text; bytes that are only part of a character appear as <0xE2>."""
        return tuple(self._readable(id) for id in range(len(self)))

    def _readable(self, id: int) -> str:
        if self._bytes is None:
            text = self.decode([id])
            # A vocabulary of characters writes its bytes as <0xE2> itself.
            return self._library.id_to_token(id) if "\ufffd" in text else text
        text = self._bytes[id].decode(errors="surrogateescape")
        # The byte E2, where it is no text, was decoded to the character U+DCE2.
        return re.sub("[\udc80-\udcff]", lambda byte: f"<0x{ord(byte[0]) & 255:02X}>", text)

    def __len__(self) -> int:
        return self._size

    def encode(self, text: str) -> np.ndarray:
        """Return ids_T, a special token in `text` as one id; InputError if any text is lost."""
        utf8(text)
        with one_line("the tokenizer has no tokens for this text", "use another text"):
            ids = self._library.encode(text, add_special_tokens=False).ids
        if self.strict and (back := self.decode(ids)) != text:
            at = next(i for i, (a, b) in enumerate(zip_longest(text, back)) if a != b)
            lost = f"the BPE vocabulary loses {text[at:][:9]!r} at index {at}"
            raise InputError(f"{lost}: use another file, or other special tokens")
        return np.array(ids, np.int32)

    def decode(self, ids) -> str:
        """Return the text of ids_T, with U+FFFD for bytes that are not text.

        Raises InputError for an id outside the vocabulary if this tokenizer is strict.
        """
        ids = np.asarray(ids).tolist()
        if self.strict:
            check_ids(ids, len(self))
        ids = [id for id in ids if 0 <= id < len(self)]
        if self._bytes is None:
            return self._library.decode(ids, skip_special_tokens=False)
        # The library's own decoder would garble a special token such as "<ï>".
        return b"".join(self._bytes[id] for id in ids).decode(errors="replace")

    def to_json(self) -> str:
        return self.json


def train_bpe(
    parts: Iterable[str], vocab: int, digits: bool = False, special: tuple[str, ...] = ()
) -> BPE:
    """Return byte-level BPE with at most `vocab` tokens, learned from parts of a text.

    `digits` makes each digit a token. `special` strings become single ids, the first ones.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    steps = [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if digits:
        steps.insert(0, pre_tokenizers.Digits(individual_digits=True))
    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.Sequence(steps)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        min_frequency=2,  # a pair seen once says nothing about the next text
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator(parts, trainer)
    return BPE(library.to_str())


def byte_of_letter() -> dict[str, int]:
    """Return GPT-2's alphabet: a visible letter for every byte, because its files are text."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]  # the space is others[32]: "Ġ"
    return {chr(b): b for b in visible} | {chr(256 + i): b for i, b in enumerate(others)}


def check_ids(ids: list[int], vocab: int) -> None:
    """Raise InputError, which names the first id that is not in a vocabulary of this size."""
    for at, id in enumerate(ids):
        if not 0 <= id < vocab:
            where = f"at position {at} is outside the vocabulary of {vocab}"
            raise InputError(f"id {id} {where}: decode with the tokenizer that encoded")


def utf8(text: str) -> bytes:
    """Return the bytes of `text`; InputError for half a surrogate pair, which has none."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X} at index {error.start} is half a surrogate pair"
        raise InputError(f"{half}, not text: read the file as UTF-8") from None


@contextlib.contextmanager
def one_line(what: str, cure: str):
    """Raise InputError, `what (why): cure`, for whatever the library raises or panics with."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library's panics are not an Exception
        why = " ".join(str(error).split())[:200]
        raise InputError(f"{what} ({why}): {cure}") from None
