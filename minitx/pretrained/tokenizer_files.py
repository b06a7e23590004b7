"""Tokenisers of other people's models, from the files that come with them.

All are used like our own (`tokens`, `len`, `encode`, `decode`, `to_json`). Nothing is added to a
text: a model that wants a token at the beginning gets it by `--bos`, from `bos`.
"""

import contextlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from minitx.errors import InputError
from minitx.files import read_json

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# How a text is cut before byte pairs are merged: regular expressions, each applied to the pieces
# that the one before it left. Of the names that GGUF files use.
CUTS = {
    "gpt-2": (),  # then GPT-2's own expression, which the library has
    "smollm": (r"\p{N}",),  # each digit alone, and then the same
    "llama-bpe": (LLAMA3,),
    "qwen2": (LLAMA3.replace("{1,3}", ""),),
}
OWN_EXPRESSION = ("gpt-2", "smollm")
COMPOSED = ("qwen2",)  # characters with their accents, before anything else

# Of folders that hold vocab.json and merges.txt: by the config's model_type, how to cut, and the
# special tokens that such files do not list.
FAMILIES = {
    "gpt2": ("gpt-2", ("<|endoftext|>",)),
    "opt": ("gpt-2", ("</s>", "<pad>")),
    "qwen2": ("qwen2", ("<|endoftext|>", "<|im_start|>", "<|im_end|>")),
}

SETTINGS = "tokenizer_config.json"
ROLES = ("bos", "eos", "unk", "pad")  # of the special tokens that it names
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")  # of a token that it adds

CONTROL, USER_DEFINED = 3, 4  # of a GGUF file's tokenizer.ggml.token_type


@dataclass(frozen=True)
class FromFile:
    """A tokeniser as its model was trained with."""

    library: Tokenizer
    bos: int | None = None  # the token that stands before a text, if the model has one

    def __len__(self) -> int:
        return 1 + max(self.library.get_vocab(with_added_tokens=True).values(), default=-1)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The tokens as text; bytes that are only part of a character appear as U+FFFD."""
        return tuple(self.decode([id]) for id in range(len(self)))

    def encode(self, text: str) -> np.ndarray:
        """Return ids_T, a special token in `text` as one id; InputError for what is no text."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"U+{ord(text[error.start]):04X} at index {error.start} is half a surrogate pair, "
                "not text: read the file as UTF-8"
            ) from None
        try:
            return np.array(self.library.encode(text, add_special_tokens=False).ids, np.int32)
        except Exception as error:  # a vocabulary without a token for what it does not know
            raise InputError(
                f"the model's tokeniser has no tokens for this text ({error}): use another text"
            ) from None

    def decode(self, ids) -> str:
        """Return the text of ids_T; ids that are in the model alone, as padding, have none."""
        return self.library.decode(np.asarray(ids).tolist(), skip_special_tokens=False)

    def to_json(self) -> str:
        return self.library.to_str()


def byte_level(
    vocabulary: dict[str, int],
    merges: list[tuple[str, str]],
    cut: str,
    special: list[str],
    plain: list[str] = (),
    prefix: bool = False,
) -> Tokenizer:
    """Byte-level BPE; `special` and `plain` tokens are never cut and must be in the vocabulary.

    `prefix` puts a space before a text that does not begin with one.
    """
    # Llama 3 keeps a piece that is in the vocabulary whole, whatever its merges say.
    model = models.BPE(vocabulary, merges, ignore_merges=cut == "llama-bpe", fuse_unk=False)
    library = Tokenizer(model)
    if cut in COMPOSED:
        library.normalizer = normalizers.NFC()
    steps = [pre_tokenizers.Split(Regex(cut), "isolated") for cut in CUTS[cut]]
    own = cut in OWN_EXPRESSION
    steps += [pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=own)]
    library.pre_tokenizer = pre_tokenizers.Sequence(steps)
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    library.add_tokens([AddedToken(t, normalized=False) for t in plain])
    return library


def from_gguf(metadata: dict[str, Any], where: Path) -> FromFile:
    """The tokeniser that a GGUF file's metadata describes. Raises InputError for other kinds."""

    def of(key: str):
        return metadata.get(f"tokenizer.ggml.{key}")

    kind, cut = of("model"), of("pre")
    if kind != "gpt2" or cut not in list(CUTS):
        raise InputError(
            f"{where}: the tokeniser {kind!r} with pre-tokeniser {cut!r} is not supported: use one "
            f"of gpt2 with {', '.join(CUTS)}"
        )
    tokens, types, merges = of("tokens"), of("token_type"), of("merges")
    lists = isinstance(tokens, list) and isinstance(merges, list)
    if not lists or not tokens or len(set(tokens)) != len(tokens):
        raise InputError(f"{where}: the tokeniser lacks tokens or merges: get the file anew")
    with reading(where):
        pairs = [tuple(merge.split(" ", 1)) for merge in merges]
        named = list(zip(tokens, types or [1] * len(tokens), strict=True))
        library = byte_level(
            {token: id for id, token in enumerate(tokens)},
            pairs,
            cut,
            [token for token, kind in named if kind == CONTROL],
            [token for token, kind in named if kind == USER_DEFINED],
        )
    return FromFile(library, of("bos_token_id"))


def from_folder(folder: Path, header: dict[str, Any]) -> FromFile | None:
    """The tokeniser in a Hugging Face folder whose config.json is `header`; None if it has none.

    Raises InputError for files that cannot be read, or that do not say how a text is cut.
    """
    whole, vocabulary, merges = (
        folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt")
    )
    if whole.is_file():
        with reading(whole):
            library = Tokenizer.from_file(str(whole))
        library.no_truncation()  # files in the wild carry the lengths of someone else's batches
        library.no_padding()
        extend(library, folder)
    elif vocabulary.is_file() and merges.is_file():
        library = from_vocabulary(vocabulary, merges, header.get("model_type"))
    else:
        return None
    return FromFile(library, bos_of(folder, header, library))


def from_vocabulary(path: Path, merges: Path, family: str) -> Tokenizer:
    """Byte-level BPE from vocab.json and merges.txt, cut as the family of models does."""
    if family not in list(FAMILIES):
        raise InputError(
            f"{path.parent}: vocab.json does not say how {family} cuts a text: get a tokenizer.json"
        )
    cut, special = FAMILIES[family]
    try:
        lines = merges.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(merges, error) from None
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    if odd := next((pair for pair in pairs if len(pair) != 2), None):
        raise InputError(f"{merges}: {' '.join(odd)!r} is no pair of tokens: get the file anew")
    words, settings, more = read_json(path), settings_of(path.parent), added(path.parent)
    prefix = settings.get("add_prefix_space") or False
    if not isinstance(prefix, bool):
        raise wrong(path.parent, "add_prefix_space", prefix)
    named = [content_of(path.parent, settings, f"{role}_token") for role in ROLES]
    with reading(path):
        words |= {token.content: id for id, token in more if token.content not in words}
        special = [token for token in dict.fromkeys([*special, *named]) if token in words]
        library = byte_level(words, pairs, cut, special, prefix=prefix)
    library.add_tokens([token for _, token in more])
    return library


def settings_of(folder: Path) -> dict[str, Any]:
    """What tokenizer_config.json says; nothing, where there is none."""
    path = folder / SETTINGS
    settings = read_json(path) if path.is_file() else {}
    if not isinstance(settings, dict):
        raise InputError(f"{path}: expected a JSON object: get the file anew")
    return settings


def added(folder: Path) -> list[tuple[int, AddedToken]]:
    """The tokens that tokenizer_config.json adds to a vocabulary, in the order of their ids."""
    entries = settings_of(folder).get("added_tokens_decoder") or {}
    try:
        tokens = [
            (int(id), AddedToken(entry["content"], **{f: entry[f] for f in FLAGS if f in entry}))
            for id, entry in entries.items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise wrong(folder, "added_tokens_decoder", entries) from None
    return sorted(tokens, key=lambda pair: pair[0])


def extend(library: Tokenizer, folder: Path) -> None:
    """Add what tokenizer_config.json knows and tokenizer.json does not, each under its id."""
    for id, token in added(folder):
        if library.token_to_id(token.content) is None:
            library.add_tokens([token])
            if (got := library.token_to_id(token.content)) != id:
                raise InputError(
                    f"{folder / SETTINGS}: {token.content!r} would be token {got}, not {id}: get "
                    "the folder anew"
                )


def bos_of(folder: Path, header: dict[str, Any], library: Tokenizer) -> int | None:
    """The id of the token that begins a text: the tokeniser's word for it, or the config's."""
    settings = settings_of(folder)
    if "bos_token" in settings:
        token = content_of(folder, settings, "bos_token")
        return None if token is None else library.token_to_id(token)
    id = header.get("bos_token_id")
    return id if type(id) is int else None


def content_of(folder: Path, settings: dict[str, Any], key: str) -> str | None:
    """A token that tokenizer_config.json names, as text or with its flags."""
    token = settings.get(key)
    token = token.get("content") if isinstance(token, dict) else token
    if not isinstance(token, str | None):
        raise wrong(folder, key, token)
    return token


def wrong(folder: Path, key: str, value: Any) -> InputError:
    return InputError(
        f"{folder / SETTINGS}: {key}={str(value)[:60]!r} is of the wrong type: get the file anew"
    )


@contextlib.contextmanager
def reading(path: Path):
    """Raise InputError for whatever the library does not like about a file."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # nothing more particular: its panics are no Exception
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> InputError:
    why = re.sub(r"\s+", " ", str(error))[:200]
    return InputError(f"{path}: the tokeniser cannot be read ({why}): get the file anew")
