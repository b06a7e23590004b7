"""Tokenizers of other people's models, from the files that come with the models.

Every function here ends in a `BPE` that is not strict: the tokenizer as its model was trained with.
It adds nothing to a text; `--bos` prepends the BOS token.
"""

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from minitx.errors import InputError, reason
from minitx.files import read_json
from minitx.text.bpe import BPE, one_line

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# How a text is split before byte pairs are merged, by the names of pre-tokenizers in GGUF files:
# regular expressions, each applied to the pieces that the one before it left.
EXPRESSIONS = {
    "gpt-2": (),  # then GPT-2's own expression, which the library has
    "smollm": (r"\p{N}",),  # each digit alone, and then GPT-2's own expression
    "llama-bpe": (LLAMA3,),
    "qwen2": (LLAMA3.replace("{1,3}", ""),),
}
WITH_GPT2_EXPRESSION = ("gpt-2", "smollm")
NORMALISED = ("qwen2",)  # to NFC: a letter and its accent become one character

# For folders with vocab.json and merges.txt: by the config's model_type, the pre-tokenizer, and the
# special tokens that such files do not list.
FAMILIES = {
    "gpt2": ("gpt-2", ("<|endoftext|>",)),
    "opt": ("gpt-2", ("</s>", "<pad>")),
    "qwen2": ("qwen2", ("<|endoftext|>", "<|im_start|>", "<|im_end|>")),
}

SETTINGS = "tokenizer_config.json"
ROLES = ("bos", "eos", "unk", "pad")  # of the special tokens that it names
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")  # of a token that it adds

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # values of a GGUF file's tokenizer.ggml.token_type


def byte_level(
    vocabulary: dict[str, int],
    merges: list[tuple[str, str]],
    pre: str,
    special: list[str],
    plain: list[str] = (),
    prefix: bool = False,
) -> Tokenizer:
    """Return byte-level BPE that splits a text as the pre-tokenizer `pre` of EXPRESSIONS does.

    `special` and `plain` tokens are never split and must be in the vocabulary. `prefix` puts a
    space before a text that does not begin with one.
    """
    # Llama 3 keeps a piece that is in the vocabulary whole, whatever its merges say.
    model = models.BPE(vocabulary, merges, ignore_merges=pre == "llama-bpe", fuse_unk=False)
    library = Tokenizer(model)
    if pre in NORMALISED:
        library.normalizer = normalizers.NFC()
    use_regex = pre in WITH_GPT2_EXPRESSION
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in EXPRESSIONS[pre]),
            pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=use_regex),
        ]
    )
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    library.add_tokens([AddedToken(t, normalized=False) for t in plain])
    return library


def from_gguf(metadata: dict[str, Any], path: Path) -> BPE:
    """Return the tokenizer that a GGUF file's metadata describes.

    Raises InputError for other kinds than byte-level BPE, and for lists that do not fit together.
    """
    prefix = "tokenizer.ggml."
    settings = {key.removeprefix(prefix): value for key, value in metadata.items()}
    model = settings.get("model")
    pre = settings.get("pre")
    if model != "gpt2" or pre not in list(EXPRESSIONS):
        raise InputError(
            f"{path}: the tokenizer {model!r} with pre-tokenizer {pre!r} is not supported: use one "
            f"of gpt2 with {', '.join(EXPRESSIONS)}"
        )
    tokens = settings.get("tokens")
    merges = settings.get("merges")
    are_lists = isinstance(tokens, list) and isinstance(merges, list)
    if not are_lists or not tokens or len(set(tokens)) != len(tokens):
        raise InputError(f"{path}: the tokenizer lacks tokens or merges: get the file again")
    with readable(path):
        types = settings.get("token_type") or [NORMAL] * len(tokens)
        typed = list(zip(tokens, types, strict=True))
        library = byte_level(
            vocabulary={token: id for id, token in enumerate(tokens)},
            merges=[tuple(merge.split(" ", 1)) for merge in merges],
            pre=pre,
            special=[token for token, kind in typed if kind == CONTROL],
            plain=[token for token, kind in typed if kind == USER_DEFINED],
        )
    return BPE(library.to_str(), settings.get("bos_token_id"), strict=False)


def from_folder(folder: Path, header: dict[str, Any]) -> BPE | None:
    """Return the tokenizer in a Hugging Face folder whose config.json is `header`, if it has one.

    Raises InputError for files that cannot be read, or that do not say how a text is split.
    """
    whole = folder / "tokenizer.json"
    vocabulary = folder / "vocab.json"
    merges = folder / "merges.txt"
    if whole.is_file():
        with readable(whole):
            library = Tokenizer.from_file(str(whole))
        extend(library, folder)
    elif vocabulary.is_file() and merges.is_file():
        library = from_vocabulary(vocabulary, merges, header.get("model_type"))
    else:
        return None
    return BPE(library.to_str(), bos_of(folder, header, library), strict=False)


def from_vocabulary(path: Path, merges: Path, family: str) -> Tokenizer:
    """Return the byte-level BPE of vocab.json and merges.txt, as a family of models uses it.

    Raises InputError for a family that is not in FAMILIES, and for files that cannot be read.
    """
    folder = path.parent
    if family not in list(FAMILIES):
        raise InputError(
            f"{folder}: vocab.json does not say how {family} splits a text: get a tokenizer.json"
        )
    pre, usual = FAMILIES[family]
    pairs = read_merges(merges)
    vocabulary = read_json(path)
    settings = read_settings(folder)
    prefix = settings.get("add_prefix_space") or False
    if not isinstance(prefix, bool):
        raise wrong_type(folder, "add_prefix_space", prefix)
    named = [token_named(folder, settings, f"{role}_token") for role in ROLES]
    added = added_tokens(folder)
    with readable(path):
        for id, token in added:
            vocabulary.setdefault(token.content, id)
        special = [token for token in dict.fromkeys([*usual, *named]) if token in vocabulary]
        library = byte_level(vocabulary, pairs, pre, special, prefix=prefix)
    library.add_tokens([token for _, token in added])
    return library


def read_merges(path: Path) -> list[tuple[str, str]]:
    """Return the pairs of tokens in merges.txt; InputError for a line that is not a pair."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except OSError as error:
        raise InputError(f"cannot read {path} ({reason(error)}): check its permissions") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error.reason}): get the file again") from None
    pairs = []
    for line in lines:
        if not line or line.startswith("#version"):
            continue
        pair = tuple(line.split(" "))
        if len(pair) != 2:
            raise InputError(f"{path}: {line!r} is not a pair of tokens: get the file again")
        pairs.append(pair)
    return pairs


def read_settings(folder: Path) -> dict[str, Any]:
    """Return what tokenizer_config.json says; an empty dict if the folder does not have it."""
    path = folder / SETTINGS
    settings = read_json(path) if path.is_file() else {}
    if not isinstance(settings, dict):
        raise InputError(f"{path}: expected a JSON object: get the file again")
    return settings


def added_tokens(folder: Path) -> list[tuple[int, AddedToken]]:
    """Return the tokens that tokenizer_config.json adds to a vocabulary, in the order of ids."""
    entries = read_settings(folder).get("added_tokens_decoder") or {}
    tokens = []
    try:
        for id, entry in entries.items():
            flags = {flag: entry[flag] for flag in FLAGS if flag in entry}
            tokens.append((int(id), AddedToken(entry["content"], **flags)))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise wrong_type(folder, "added_tokens_decoder", entries) from None
    return sorted(tokens, key=lambda pair: pair[0])


def extend(library: Tokenizer, folder: Path) -> None:
    """Add the tokens of tokenizer_config.json that tokenizer.json lacks, each under its id."""
    for id, token in added_tokens(folder):
        if library.token_to_id(token.content) is not None:
            continue
        library.add_tokens([token])
        got = library.token_to_id(token.content)
        if got != id:
            raise InputError(
                f"{folder / SETTINGS}: {token.content!r} would be token {got}, not {id}: get the "
                "folder again"
            )


def bos_of(folder: Path, header: dict[str, Any], library: Tokenizer) -> int | None:
    """Return the id of the BOS token that tokenizer_config.json names, or else config.json."""
    settings = read_settings(folder)
    if "bos_token" in settings:
        token = token_named(folder, settings, "bos_token")
        return None if token is None else library.token_to_id(token)
    id = header.get("bos_token_id")
    return id if type(id) is int else None


def token_named(folder: Path, settings: dict[str, Any], key: str) -> str | None:
    """Return a token that tokenizer_config.json names, either as text or as text with flags."""
    token = settings.get(key)
    if isinstance(token, dict):
        token = token.get("content")
    if not isinstance(token, str | None):
        raise wrong_type(folder, key, token)
    return token


def wrong_type(folder: Path, key: str, value: Any) -> InputError:
    """Return the error for a value in tokenizer_config.json that nobody can use."""
    return InputError(
        f"{folder / SETTINGS}: {key}={str(value)[:60]!r} is of the wrong type: get the file again"
    )


def readable(path: Path):
    """Return a context that raises InputError for whatever the library does not like in a file."""
    return one_line(f"{path}: the tokenizer cannot be read", "get the file again")
