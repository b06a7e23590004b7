"""Text to numbers and back: characters, words, byte-level BPE, or a closed list of words.

All four kinds are used alike: `t.tokens` are the token strings in the order of their ids, `len(t)`
is the vocabulary size V, `t.encode(text)` gives ids_T (int32), `t.decode(ids)` gives the text, and
`from_json` reads what `t.to_json()` wrote.

>>> t = train("char", "hello")
>>> t.tokens
('e', 'h', 'l', 'o')
>>> t.encode("hole").tolist()
[1, 3, 2, 0]
>>> t.decode([1, 0, 2, 2, 3])
'hello'

Nothing is normalised and no token means "unknown": what was encoded decodes to the very same text,
and what cannot be encoded is an `InputError`. (A "list" keeps its words, but not the white space.)
"""

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from functools import cached_property
from itertools import zip_longest
from typing import ClassVar

import numpy as np

from minitx.errors import InputError

VERSION = 1  # of our own JSON; a file with another version is refused, never guessed at

# A word or a run of signs, each with one space before it if there is one; or white space, which
# leaves its last character to what follows. Nothing falls between them: the pieces are the text.
PIECE = re.compile(r" ?\w+(?:['\u2019]\w+)*| ?[^\w\s]+|\s+(?!\S)|\s")


@dataclass(frozen=True)
class _Listed:
    """What the kinds with a written-out vocabulary share."""

    tokens: tuple[str, ...]
    kind: ClassVar[str]
    between: ClassVar[str] = ""  # what decoding puts between two tokens

    def __post_init__(self):
        if not self.tokens:
            raise InputError("the vocabulary is empty: a tokenizer needs at least one token")
        for own in fields(self):
            _check(own.name, getattr(self, own.name))

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: id for id, token in enumerate(self.tokens)}

    def decode(self, ids) -> str:
        """Return the text of ids_T; InputError for an id outside the vocabulary."""
        return self.between.join(_look_up(ids, self.tokens))

    def to_json(self) -> str:
        own = {"version": VERSION, "kind": self.kind, **asdict(self)}
        return json.dumps(own, ensure_ascii=False)


@dataclass(frozen=True)
class Characters(_Listed):
    """One token for each character (a Unicode code point)."""

    kind: ClassVar[str] = "char"

    def encode(self, text: str) -> np.ndarray:
        """Return ids_T, one for each character; InputError names a character without an id."""
        try:
            return np.fromiter(map(self._ids.__getitem__, text), np.int32, len(text))
        except KeyError as error:
            raise _unknown(text, text.index(error.args[0]), len(self)) from None


@dataclass(frozen=True)
class Words(_Listed):
    """Frequent words, each with the space before it; other words are spelled out in characters.

    >>> t = train("word", "the cat and the dog and the hen")
    >>> [t.tokens[id] for id in t.encode("hen and the cat")]
    ['h', 'e', 'n', ' and', ' the', ' ', 'c', 'a', 't']
    """

    special: tuple[str, ...] = ()  # never split, never part of a word
    kind: ClassVar[str] = "word"

    def encode(self, text: str) -> np.ndarray:
        """Return ids_T; InputError names a character that has no id to spell a word with."""
        ids, at = [], 0
        for piece in _pieces(text, self.special):
            for token in [piece] if piece in self._ids else piece:
                if token not in self._ids:
                    raise _unknown(text, at, len(self))
                ids.append(self._ids[token])
                at += len(token)
        return np.array(ids, np.int32)


@dataclass(frozen=True)
class Vocabulary(_Listed):
    """A closed list of words for generated corpora: one token a word, white space between.

    >>> Vocabulary.of(["king", "queen"]).encode("queen king").tolist()
    [1, 0]
    """

    kind: ClassVar[str] = "list"
    between: ClassVar[str] = " "

    def __post_init__(self):
        super().__post_init__()
        for word in self.tokens:
            if word.split() != [word]:
                raise InputError(f"{word!r} is not one word: remove the white space from it")

    @classmethod
    def of(cls, words) -> "Vocabulary":
        """Return the vocabulary in which each word's id is its place in `words`."""
        return cls(tuple(words))

    def encode(self, text: str) -> np.ndarray:
        """Return ids_T, one for each word; InputError names an unknown word and its neighbours."""
        words = text.split()
        for at, word in enumerate(words):
            if word not in self._ids:
                near = get_close_matches(word, self.tokens) or self.tokens[:3]
                what = f"word {word!r} at position {at} is not in the vocabulary of {len(self)}"
                raise InputError(f"{what}: try {' or '.join(map(repr, near))}")
        return np.array([self._ids[word] for word in words], np.int32)


@dataclass(frozen=True)
class BPE:
    """Byte-level BPE as in GPT-2: it starts from the 256 bytes, so every text has an encoding.

    Its value is a tokenizer.json of the `tokenizers` library; InputError if that is not readable,
    or not byte-level BPE. Source: Sennrich et al. 2016 (merges), Radford et al. 2019 (bytes).
    """

    json: str = field(repr=False)
    kind: ClassVar[str] = "bpe"

    def __post_init__(self):
        len(self)  # reads the file, so that a bad one is refused here and not later

    @cached_property
    def _library(self):
        from tokenizers import Tokenizer

        try:
            library = Tokenizer.from_str(self.json)
        except Exception as error:  # the library raises nothing more particular
            raise InputError(f"`tokenizers` cannot read this file: {error}: get it anew") from None
        library.no_truncation()  # files in the wild carry the lengths of someone else's batches
        library.no_padding()
        return library

    @cached_property
    def _bytes(self) -> tuple[bytes, ...]:
        """What each id stands for: added tokens are plain text, the others byte-level letters."""
        ids, byte = self._library.get_vocab(), _byte_of_letter()
        added = {token.content for token in self._library.get_added_tokens_decoder().values()}
        letters = set("".join(ids.keys() - added))
        dense = ids and sorted(ids.values()) == list(range(len(ids)))
        if type(self._library.model).__name__ != "BPE" or not dense or letters - byte.keys():
            raise InputError("not byte-level BPE with ids 0, 1, 2...: minitx supports no other")
        return tuple(
            _utf8(token) if token in added else bytes(byte[letter] for letter in token)
            for token in sorted(ids, key=ids.get)
        )

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The tokens as text; bytes that are only part of a character appear as <0xE2>."""
        bad = re.compile("[\udc80-\udcff]")  # the byte E2 that is no text is decoded to U+DCE2
        texts = (token.decode(errors="surrogateescape") for token in self._bytes)
        return tuple(bad.sub(lambda byte: f"<0x{ord(byte[0]) & 255:02X}>", t) for t in texts)

    def __len__(self) -> int:
        return len(self._bytes)

    def encode(self, text: str) -> np.ndarray:
        """Return ids_T, a special token in `text` as one id; InputError if any text is lost."""
        _utf8(text)
        ids = self._library.encode(text, add_special_tokens=False).ids
        if (back := self.decode(ids)) != text:  # a file from elsewhere may normalise or lack bytes
            at = next(i for i, (a, b) in enumerate(zip_longest(text, back)) if a != b)
            lost = f"the BPE vocabulary loses {text[at:][:9]!r} at index {at}"
            raise InputError(f"{lost}: use another file, or other special tokens")
        return np.array(ids, np.int32)

    def decode(self, ids) -> str:
        """Return the text of ids_T, U+FFFD for bytes that are no text; InputError for a bad id."""
        # Not the library's own decoding, which garbles a special token such as "<ï>".
        return b"".join(_look_up(ids, self._bytes)).decode(errors="replace")

    def to_json(self) -> str:
        return self.json


Tokenizer = Characters | Words | Vocabulary | BPE


def train(
    kind: str, text: str, vocab: int | None = None, digits: bool = False, special: tuple = ()
) -> Tokenizer:
    """Return a "char", "word" or "bpe" tokenizer learned from `text`; the same text, the same ids.

    `vocab` is the largest size allowed; None means all characters, all words that occur twice, or
    1024 for BPE. `digits` makes each digit a token (BPE). `special` strings become single ids
    (words, BPE). InputError for what does not fit.
    """
    if kind not in ("char", "word", "bpe"):
        raise InputError(f'tokenizer kind {kind!r} is unknown: choose "char", "word" or "bpe"')
    if not text:
        raise InputError("the text to train a tokenizer on is empty: give it some")
    if digits and kind != "bpe":
        raise InputError(f'digits=True is for kind "bpe", not "{kind}": leave it out')
    if special and kind == "char":
        raise InputError('special tokens are for kind "word" or "bpe": leave them out')
    _utf8(text)
    _check("special", special)
    first = tuple(dict.fromkeys([*special, *sorted(set(text))]))
    smallest = 256 + len(special) if kind == "bpe" else len(first)
    if vocab is not None and vocab < smallest:
        raise InputError(f'vocab={vocab} is too small: kind "{kind}" needs {smallest} or more')
    if kind == "char":
        return Characters(first)
    if kind == "bpe":
        return BPE(_train_bpe(text, vocab or 1024, digits, special))
    count = Counter(_pieces(text, special))
    frequent = sorted(count, key=lambda piece: (-count[piece], piece))
    if vocab is None:
        frequent = [piece for piece in frequent if count[piece] > 1]
    return Words(tuple(dict.fromkeys([*first, *frequent]))[:vocab], special)


def _train_bpe(text: str, vocab: int, digits: bool, special: tuple[str, ...]) -> str:
    """Return the tokenizer.json of byte-level BPE with at most `vocab` tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    library = Tokenizer(models.BPE())
    steps = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    steps += [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    library.pre_tokenizer = pre_tokenizers.Sequence(steps)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        min_frequency=2,  # a pair seen once says nothing about the next text
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Left to itself the library would spend merges on the insides of "<|endoftext|>".
    parts = [part for part in _split(text, special) if part not in special]
    library.train_from_iterator(parts, trainer)
    return library.to_str()


def from_json(text: str) -> Tokenizer:
    """Return the tokenizer that `to_json` or the `tokenizers` library wrote; else InputError."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the tokenizer is broken JSON ({error}): get it anew") from None
    if not isinstance(data, dict) or not data.keys() & {"kind", "model"}:
        raise InputError('the tokenizer JSON has no "kind" and no "model": give a tokenizer.json')
    if "kind" not in data:
        return BPE(text)
    kinds = {cls.kind: cls for cls in (Characters, Words, Vocabulary)}
    kind, version = data.pop("kind"), data.pop("version", None)
    if kind not in list(kinds) or version != VERSION:
        ours = f"{', '.join(kinds)}, version {VERSION}"
        what = f"tokenizer kind {kind!r}, version {version!r}, is not one of {ours}"
        raise InputError(f"{what}: train it anew")
    lists = [own.name for own in fields(kinds[kind])]
    if sorted(data) != sorted(lists) or not all(isinstance(data[name], list) for name in lists):
        raise InputError(f'a "{kind}" tokenizer has the lists {lists}, not {list(data)}: check it')
    return kinds[kind](**{name: tuple(data[name]) for name in lists})


def _split(text: str, special: tuple[str, ...]) -> list[str]:
    """Cut `text` around its special tokens, which stay in the list as parts of their own."""
    longest_first = sorted(special, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text) if special else [text]


def _pieces(text: str, special: tuple[str, ...]):
    """Yield the words, signs, white space and special tokens that joined together are `text`."""
    for part in _split(text, special):
        yield from [part] if part in special else PIECE.findall(part)


def _byte_of_letter() -> dict[str, int]:
    """Return GPT-2's alphabet: a visible letter for every byte, because its files are text."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]  # the space is others[32]: "Ġ"
    return {chr(b): b for b in visible} | {chr(256 + i): b for i, b in enumerate(others)}


def _look_up(ids, table: tuple) -> list:
    """Return the entries of `table` at ids_T; InputError names an id that is not in it."""
    ids = np.asarray(ids).tolist()
    for at, id in enumerate(ids):
        if not 0 <= id < len(table):
            where = f"at position {at} is outside the vocabulary of {len(table)}"
            raise InputError(f"id {id} {where}: decode with the tokenizer that encoded")
    return [table[id] for id in ids]


def _check(name: str, tokens: tuple[str, ...]):
    """Raise InputError unless `tokens` is a tuple of distinct, non-empty strings."""
    if not isinstance(tokens, tuple):
        raise InputError(f"{name} is a {type(tokens).__name__}: give a tuple of strings")
    seen = set()
    for id, token in enumerate(tokens):
        if not isinstance(token, str) or not token or token in seen:
            raise InputError(f"{name}[{id}] is {token!r}: give distinct, non-empty strings")
        _utf8(token)
        seen.add(token)


def _unknown(text: str, at: int, size: int) -> InputError:
    """Return the error for the character of `text` at index `at`, which has no id."""
    _utf8(text)  # half a surrogate pair has an error of its own
    what = f"character {text[at]!r} (U+{ord(text[at]):04X}) at index {at}"
    cure = 'train on a text that has it, or use kind "bpe", which encodes any text'
    return InputError(f"{what} is not in the vocabulary of {size}: {cure}")


def _utf8(text: str) -> bytes:
    """Return the bytes of `text`; InputError for half a surrogate pair, which has none."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X} at index {error.start} is half a surrogate pair"
        raise InputError(f"{half}, not text: read the file as UTF-8") from None
