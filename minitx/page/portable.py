"""Our tokenizers as JSON that `source/tokenizers.js` can use: strings, bytes and merges.

A tokenizer with a rule that the page does not have is refused by name, never guessed at.
"""

import json
from typing import Any

from minitx.errors import InputError
from minitx.runs.run import Run
from minitx.text.bpe import BPE, byte_of_letter

# What tokenizers/BPE files may say besides the vocabulary, and what it must be.
MODEL = {
    "dropout": (None, 0.0),
    "unk_token": (None,),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (False,),
    "ignore_merges": (False,),
}


def portable_tokenizer(run: Run) -> dict[str, Any]:
    """Return a model's tokenizer as JSON. Raises InputError if the page cannot do what it does."""
    tokenizer = run.tokenizer
    if tokenizer is None:
        raise InputError(f"{run.name} has no tokenizer, and a page needs one: choose another model")
    # A real model's embedding table may have more rows than its tokenizer has tokens.
    padding = [f"<{id}>" for id in range(len(tokenizer), run.config.vocab)]
    if isinstance(tokenizer, BPE):
        return portable_bpe(run, padding)
    content = json.loads(tokenizer.to_json())
    return {**content, "tokens": [*tokenizer.tokens, *padding]}


def portable_bpe(run: Run, padding: list[str]) -> dict[str, Any]:
    """Return a byte-level BPE tokenizer: the bytes of each token, and merges by id."""
    content = json.loads(run.tokenizer.json)
    digits = splits_digits(run, content)
    model = content["model"]
    for name, allowed in MODEL.items():
        if model.get(name, allowed[0]) not in allowed:
            refuse(run, f"the BPE option {name}={model[name]!r}")
    ids = model["vocab"]
    byte = byte_of_letter()
    added = {token["content"]: token["id"] for token in content.get("added_tokens") or []}
    for token in content.get("added_tokens") or []:
        for flag in ("single_word", "lstrip", "rstrip"):
            if token.get(flag):
                refuse(run, f"the token {token['content']!r} with {flag}")
    bytes_V = [""] * run.config.vocab
    for token, id in ids.items():
        if token not in added:
            if set(token) - byte.keys():
                refuse(run, f"the token {token!r}, which is not byte-level BPE")
            bytes_V[id] = "".join(chr(byte[letter]) for letter in token)
    for token, id in added.items():
        bytes_V[id] = token.encode().decode("latin-1")
    merges = []
    for pair in model["merges"]:
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        merges.append([ids[left], ids[right], ids[left + right]])
    return {
        "kind": "bpe",
        "tokens": [*run.tokenizer.tokens, *padding],
        "bytes": bytes_V,
        "merges": merges,
        "special": list(added.items()),
        "digits": digits,
    }


def splits_digits(run: Run, content: dict[str, Any]) -> bool:
    """Return whether each digit is a token. Raises InputError for a rule that the page lacks."""
    if content.get("normalizer"):
        refuse(run, f"the normalizer {content['normalizer'].get('type')}")
    if content["model"].get("type") != "BPE":
        refuse(run, f"the kind {content['model'].get('type')}")
    step = content.get("pre_tokenizer") or {}
    steps = step.get("pretokenizers", []) if step.get("type") == "Sequence" else [step]
    digits = {"type": "Digits", "individual_digits": True}
    has_digits = steps[:1] == [digits]
    rest = steps[1:] if has_digits else steps
    is_byte_level = (
        len(rest) == 1
        and rest[0].get("type") == "ByteLevel"
        and rest[0].get("use_regex", True)
        and not rest[0].get("add_prefix_space", True)
    )
    if not is_byte_level:
        refuse(run, f"the pre-tokenizer {', '.join(str(s.get('type')) for s in steps)}")
    return has_digits


def refuse(run: Run, what: str) -> None:
    """Raise InputError: the page cannot do that."""
    raise InputError(
        f"{run.name}: a page does not support {what} of its tokenizer: choose a model with "
        "characters, words or byte-level BPE"
    )
