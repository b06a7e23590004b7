"""Other people's configs in our words: what is not understood is refused by name, never guessed."""

import json
from pathlib import Path
from typing import Any

from minitx.config import ModelConfig
from minitx.errors import InputError, suggest
from minitx.pretrained.architectures import ARCHITECTURES, EVERYWHERE, HARMLESS, Architecture


def architecture_of(header: dict, where: str | Path) -> Architecture:
    """The tables that go with a config. Raises InputError for a family that has none."""
    kind = header.get("model_type")
    if kind not in list(ARCHITECTURES):
        raise InputError(
            f"{where}: the architecture {kind!r} is not supported"
            f"{suggest(str(kind), ARCHITECTURES)}: use one of {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[kind]


def translate(header: Any, where: str | Path) -> ModelConfig:
    """Our config from another's `header`, in the words of Hugging Face's config.json.

    Where a sliding window is shorter than the context, the window becomes the context.

    Raises InputError naming the first key that is missing, not understood, or not supported.
    """
    if not isinstance(header, dict):
        raise InputError(f"{where}: expected a JSON object: give a model's config.json")
    a = architecture_of(header, where)
    given = flat(header, where)
    context_limit = window(given, where)
    for key, reason in a.refused.items():
        whole = {"do_layer_norm_before": True, "word_embed_proj_dim": given.get("hidden_size")}
        if given.get(key, whole[key]) != whole[key]:
            raise InputError(
                f"{where}: {key}={given[key]!r} means {reason}, which is not supported: use "
                "another size"
            )
    for key, value in given.items():
        if key in a.fields or key in a.refused or key in HARMLESS:
            continue
        supported = a.only | EVERYWHERE
        if key not in supported:
            raise InputError(
                f"{where}: the key {key!r} (here {str(value)[:60]}) is not understood, so what it "
                "changes could not be computed: use a model without it"
            )
        if value != supported[key] or isinstance(value, bool) != isinstance(supported[key], bool):
            raise InputError(
                f"{where}: {key}={value!r} is not supported, only {supported[key]!r}: use another "
                "model"
            )
    fields = dict(a.same)
    for key, ours in a.fields.items():
        if key not in given and key not in a.defaults:
            raise InputError(f"{where} lacks the key {key!r}: get the file anew")
        fields[ours] = given.get(key, a.defaults.get(key))
    if fields["mlp"] not in list(a.mlp):
        raise InputError(
            f"{where}: the activation {fields['mlp']!r} is not supported: use a model with "
            f"{', '.join(a.mlp)}"
        )
    fields["mlp"] = a.mlp[fields["mlp"]]
    try:
        config = ModelConfig(**fields)
        if context_limit is not None and context_limit < config.context:
            config = ModelConfig(**{**fields, "context": context_limit})
    except InputError as error:
        # The message begins with our name of a field, which the file does not know.
        key = next((key for key, ours in a.fields.items() if str(error).startswith(f"{ours}=")), "")
        raise InputError(f"{where}: {key and key + ': '}{error}") from None
    return config


def flat(header: dict, where: str | Path) -> dict[str, Any]:
    """A header with the keys of its rope at the top, as before they had an object of their own.

    What is null is as good as absent, but for windows and key/value heads, where it has a meaning
    of its own: no window, and as many as there are query heads.
    """
    own = ("sliding_window", "num_key_value_heads")
    given = {k: v for k, v in header.items() if v is not None or k in own}
    for group in ("rope_parameters", "rope_scaling"):
        rope = given.pop(group, None)
        if rope is None:
            continue
        kind = rope.get("rope_type", rope.get("type", "default")) if isinstance(rope, dict) else 0
        if kind != "default":
            raise InputError(
                f"{where}: {group}={json.dumps(rope)[:80]} is not supported: use a model without "
                "rope scaling"
            )
        for key, value in rope.items():
            if key in ("rope_type", "type"):
                continue
            if given.setdefault(key, value) != value:
                raise InputError(
                    f"{where}: {key} is {given[key]!r} in one place and {value!r} in another: get "
                    "the file anew"
                )
    return given


def window(given: dict, where: str | Path) -> int | None:
    """The longest sequence for which a sliding window hides nothing; takes its keys out of `given`.

    Within it, attention is the same with and without the window, so it becomes the context.
    """
    kind = given["model_type"]
    size = given.pop("sliding_window", 4096 if kind in ("mistral", "qwen2") else None)
    used = given.pop("use_sliding_window", False)
    layers = given.pop("layer_types", [])
    for key, value, type_ in (("use_sliding_window", used, bool), ("layer_types", layers, list)):
        if not isinstance(value, type_):
            raise InputError(f"{where}: {key}={value!r} is no {type_.__name__}: get the file anew")
    for layer in layers:
        if layer not in ("full_attention", "sliding_attention"):
            raise InputError(f"{where}: a layer of type {layer!r} is not supported: use another")
    if not (kind == "mistral" or used or "sliding_attention" in layers):
        return None
    if size is not None and (type(size) is not int or size < 1):
        raise InputError(f"{where}: sliding_window={size!r} is no width: get the file anew")
    return size
