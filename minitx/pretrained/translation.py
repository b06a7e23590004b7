"""Other people's configs in our words: what minitx does not support is refused by name."""

import json
from pathlib import Path
from typing import Any

from minitx.config import ModelConfig
from minitx.errors import InputError, suggest
from minitx.pretrained.architectures import (
    ARCHITECTURES,
    IRRELEVANT,
    SUPPORTED_EVERYWHERE,
    Architecture,
)

# null is a value of these keys: no window, and as many key/value heads as query heads. A null
# elsewhere means the same as a missing key.
NULLABLE = ("sliding_window", "num_key_value_heads")

DEFAULT_WINDOW = {"mistral": 4096, "qwen2": 4096}


def architecture_of(header: dict, path: str | Path) -> Architecture:
    """Return the tables that belong to a config. Raises InputError for an unknown family."""
    model_type = header.get("model_type")
    if model_type not in list(ARCHITECTURES):
        raise InputError(
            f"{path}: the architecture {model_type!r} is not supported"
            f"{suggest(str(model_type), ARCHITECTURES)}: use one of {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[model_type]


def translate(header: Any, path: str | Path) -> ModelConfig:
    """Return our config for a `header` in the words of Hugging Face's config.json.

    A sliding window that is shorter than the context becomes the context. Raises InputError, which
    names the first key that is missing or not supported.
    """
    if not isinstance(header, dict):
        raise InputError(f"{path}: expected a JSON object: give a model's config.json")
    architecture = architecture_of(header, path)
    settings = flattened(header, path)
    window = take_window(settings, path)
    check_supported(settings, architecture, path)
    fields = dict(architecture.constants)
    for key, field in architecture.fields.items():
        if key not in settings and key not in architecture.defaults:
            raise InputError(f"{path} lacks the key {key!r}: get the file again")
        fields[field] = settings.get(key, architecture.defaults.get(key))
    if fields["mlp"] not in list(architecture.activations):
        raise InputError(
            f"{path}: the activation {fields['mlp']!r} is not supported: use a model with "
            f"{', '.join(architecture.activations)}"
        )
    fields["mlp"] = architecture.activations[fields["mlp"]]
    try:
        config = ModelConfig(**fields)
        if window is not None and window < config.context:
            config = ModelConfig(**{**fields, "context": window})
    except InputError as error:
        raise InputError(f"{path}: {their_key(architecture, str(error))}{error}") from None
    return config


def check_supported(settings: dict, architecture: Architecture, path: str | Path) -> None:
    """Raise InputError for the first key, or value of a key, that minitx does not support."""
    usual = {"do_layer_norm_before": True, "word_embed_proj_dim": settings.get("hidden_size")}
    for key, meaning in architecture.refused.items():
        if settings.get(key, usual[key]) != usual[key]:
            raise InputError(
                f"{path}: {key}={settings[key]!r} means {meaning}, which is not supported: use "
                "another size"
            )
    supported = architecture.supported | SUPPORTED_EVERYWHERE
    for key, value in settings.items():
        if key in architecture.fields or key in architecture.refused or key in IRRELEVANT:
            continue
        if key not in supported:
            raise InputError(
                f"{path}: the key {key!r} (here {str(value)[:60]}) is not supported, so what it "
                "changes could not be computed: use a model without it"
            )
        if value != supported[key] or isinstance(value, bool) != isinstance(supported[key], bool):
            raise InputError(
                f"{path}: {key}={value!r} is not supported, only {supported[key]!r}: use another "
                "model"
            )


def their_key(architecture: Architecture, message: str) -> str:
    """Return their name of the field that an error message of ours begins with, and a colon."""
    for key, field in architecture.fields.items():
        if message.startswith(f"{field}="):
            return f"{key}: "
    return ""


def flattened(header: dict, path: str | Path) -> dict[str, Any]:
    """Return a header without nulls, and with the keys of its RoPE object at the top level.

    Older files have those keys at the top level, newer ones in an object of their own. Raises
    InputError for RoPE scaling, and for a key that has two values.
    """
    settings = {}
    for key, value in header.items():
        if value is not None or key in NULLABLE:
            settings[key] = value
    for group in ("rope_parameters", "rope_scaling"):
        rope = settings.pop(group, None)
        if rope is None:
            continue
        is_object = isinstance(rope, dict)
        if not is_object or rope.get("rope_type", rope.get("type", "default")) != "default":
            raise InputError(
                f"{path}: {group}={json.dumps(rope)[:80]} is not supported: use a model without "
                "RoPE scaling"
            )
        for key, value in rope.items():
            if key in ("rope_type", "type"):
                continue
            if settings.setdefault(key, value) != value:
                raise InputError(
                    f"{path}: {key} is {settings[key]!r} in one place and {value!r} in another: "
                    "get the file again"
                )
    return settings


def take_window(settings: dict, path: str | Path) -> int | None:
    """Take the keys about sliding windows out of `settings`; return the width of the window.

    In sequences that are not longer than the window, attention is the same with and without it.
    Returns None for a model without a window, and raises InputError for values of a wrong type.
    """
    model_type = settings["model_type"]
    width = settings.pop("sliding_window", DEFAULT_WINDOW.get(model_type))
    used = settings.pop("use_sliding_window", False)
    layers = settings.pop("layer_types", [])
    if not isinstance(used, bool):
        raise InputError(f"{path}: use_sliding_window={used!r} is not a bool: get the file again")
    if not isinstance(layers, list):
        raise InputError(f"{path}: layer_types={layers!r} is not a list: get the file again")
    for layer in layers:
        if layer not in ("full_attention", "sliding_attention"):
            raise InputError(f"{path}: a layer of type {layer!r} is not supported: use another")
    if model_type != "mistral" and not used and "sliding_attention" not in layers:
        return None
    if width is not None and (type(width) is not int or width < 1):
        raise InputError(f"{path}: sliding_window={width!r} is not a width: get the file again")
    return width
