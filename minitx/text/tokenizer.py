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

Nothing is normalised, and no token means "unknown": an encoded text decodes to the same text, and a
text that cannot be encoded is an `InputError`. (A "list" keeps its words, but not the white space.)
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from functools import cached_property
from typing import ClassVar

import numpy as np

from minitx.errors import InputError
from minitx.text.bpe import BPE, check_ids, train_bpe, utf8

VERSION = 1  # of our own JSON; a file with another version is refused, never guessed at
BPE_TOKENS = 1024  # unless the caller says how many

# A word or a run of signs, each with one space before it if there is one; or white space, which
# leaves its last character to what follows. Every character belongs to exactly one piece.
PIECE = re.compile(r" ?\w+(?:['\u2019]\w+)*| ?[^\w\s]+|\s+(?!\S)|\s")


@dataclass(frozen=True)
class _Listed:
    """What the kinds with a written-out vocabulary share."""

    tokens: tuple[str, ...]
    kind: ClassVar[str]
    separator: ClassVar[str] = ""  # what decoding puts between two tokens

    def __post_init__(self):
        if not self.tokens:
            raise InputError("the vocabulary is empty: a tokenizer needs at least one token")
        for strings in fields(self):
            _check_strings(strings.name, getattr(self, strings.name))

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: id for id, token in enumerate(self.tokens)}

    def decode(self, ids) -> str:
        """Return the text of ids_T; InputError for an id outside the vocabulary."""
        ids = np.asarray(ids).tolist()
        check_ids(ids, len(self))
        return self.separator.join(self.tokens[id] for id in ids)

    def to_json(self) -> str:
        content = {"version": VERSION, "kind": self.kind, **asdict(self)}
        return json.dumps(content, ensure_ascii=False)


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
        ids = []
        index = 0  # of the next character
        for piece in _pieces(text, self.special):
            for token in [piece] if piece in self._ids else piece:
                if token not in self._ids:
                    raise _unknown(text, index, len(self))
                ids.append(self._ids[token])
                index += len(token)
        return np.array(ids, np.int32)


@dataclass(frozen=True)
class Vocabulary(_Listed):
    """A closed list of words for generated corpora: one token a word, white space between.

    >>> Vocabulary.of(["king", "queen"]).encode("queen king").tolist()
    [1, 0]
    """

    kind: ClassVar[str] = "list"
    separator: ClassVar[str] = " "

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


Tokenizer = Characters | Words | Vocabulary | BPE


def train(
    kind: str, text: str, vocab: int | None = None, digits: bool = False, special: tuple = ()
) -> Tokenizer:
    """Return a "char", "word" or "bpe" tokenizer learned from `text`; the same text, the same ids.

    `vocab` is the largest size allowed; None means all characters, all words that occur twice, or
    1024 for BPE. `digits` makes each digit a token (BPE). `special` strings become single ids
    (words, BPE). Raises InputError for options that do not fit together.
    """
    if kind not in ("char", "word", "bpe"):
        raise InputError(f'tokenizer kind {kind!r} is unknown: choose "char", "word" or "bpe"')
    if not text:
        raise InputError("the text to train a tokenizer on is empty: give it some")
    if digits and kind != "bpe":
        raise InputError(f'digits=True is for kind "bpe", not "{kind}": leave it out')
    if special and kind == "char":
        raise InputError('special tokens are for kind "word" or "bpe": leave them out')
    utf8(text)
    _check_strings("special", special)
    characters = tuple(dict.fromkeys([*special, *sorted(set(text))]))
    smallest = 256 + len(special) if kind == "bpe" else len(characters)
    if vocab is not None and vocab < smallest:
        raise InputError(f'vocab={vocab} is too small: kind "{kind}" needs {smallest} or more')
    if kind == "char":
        return Characters(characters)
    if kind == "bpe":
        # Left to itself the library would spend merges on the insides of "<|endoftext|>".
        parts = [part for part in _split(text, special) if part not in special]
        return train_bpe(parts, vocab or BPE_TOKENS, digits, special)
    count = Counter(_pieces(text, special))
    frequent = sorted(count, key=lambda piece: (-count[piece], piece))
    if vocab is None:
        frequent = [piece for piece in frequent if count[piece] > 1]
    return Words(tuple(dict.fromkeys([*characters, *frequent]))[:vocab], special)


def from_json(text: str) -> Tokenizer:
    """Return the tokenizer that `to_json` or the `tokenizers` library wrote; else InputError."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the tokenizer is broken JSON ({error}): get it again") from None
    if not isinstance(content, dict) or not content.keys() & {"kind", "model"}:
        raise InputError('the tokenizer JSON has no "kind" and no "model": give a tokenizer.json')
    if "kind" not in content:
        return BPE(text)
    kinds = {cls.kind: cls for cls in (Characters, Words, Vocabulary)}
    kind = content.pop("kind")
    version = content.pop("version", None)
    if kind not in list(kinds) or version != VERSION:
        ours = f"{', '.join(kinds)}, version {VERSION}"
        what = f"tokenizer kind {kind!r}, version {version!r}, is not one of {ours}"
        raise InputError(f"{what}: train it again")
    names = [strings.name for strings in fields(kinds[kind])]
    are_lists = all(isinstance(value, list) for value in content.values())
    if sorted(content) != sorted(names) or not are_lists:
        have = list(content)
        raise InputError(f'a "{kind}" tokenizer has the lists {names}, not {have}: check it')
    return kinds[kind](**{name: tuple(content[name]) for name in names})


def _split(text: str, special: tuple[str, ...]) -> list[str]:
    """Cut `text` around its special tokens, which stay in the list as parts of their own."""
    if not special:
        return [text]
    longest_first = sorted(special, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text)


def _pieces(text: str, special: tuple[str, ...]) -> Iterator[str]:
    """Yield the words, signs, white space and special tokens that joined together are `text`."""
    for part in _split(text, special):
        if part in special:
            yield part
        else:
            yield from PIECE.findall(part)


def _check_strings(name: str, strings: tuple[str, ...]) -> None:
    """Raise InputError unless `strings` is a tuple of distinct, non-empty strings."""
    if not isinstance(strings, tuple):
        raise InputError(f"{name} is a {type(strings).__name__}: give a tuple of strings")
    seen = set()
    for place, string in enumerate(strings):
        if not isinstance(string, str) or not string or string in seen:
            raise InputError(f"{name}[{place}] is {string!r}: give distinct, non-empty strings")
        utf8(string)
        seen.add(string)


def _unknown(text: str, index: int, vocab: int) -> InputError:
    """Return the error for the character of `text` at an index that has no id."""
    utf8(text)  # half a surrogate pair has an error of its own
    what = f"character {text[index]!r} (U+{ord(text[index]):04X}) at index {index}"
    cure = 'train on a text that has it, or use kind "bpe", which encodes any text'
    return InputError(f"{what} is not in the vocabulary of {vocab}: {cure}")
