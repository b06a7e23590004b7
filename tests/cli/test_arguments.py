"""Words of a command line become a command: help, flags, presets, and bad ones refused."""

import dataclasses
import re
import sys
import typing
from pathlib import Path

import pytest
from command_line import listing, refused, works

from minitx.cli.arguments import parse
from minitx.cli.commands import COMMANDS
from minitx.config import ModelConfig, TrainConfig
from minitx.presets import PRESETS


def test_minitx_alone_prints_the_help(home):
    alone, asked = works(), works("--help")
    assert alone.out == asked.out and alone.err == ""
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", alone.out)
    assert set(COMMANDS) == {
        "demo", "train", "sample", "inspect", "ablate", "compare", "lesson", "hint", "ledger",
        "claim", "zoo", "page", "book", "judge", "pull", "data", "bench", "doctor",
    }  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(home, name):
    result = works(name, "--help")
    assert result.err == "" and "usage: minitx" in result.out
    assert "tyro" not in result.out.lower()
    shown = re.sub(r"[│\s]+", " ", result.out)
    for field in dataclasses.fields(COMMANDS[name]):
        if field.name in ("data", "model", "recipe"):
            continue
        positional = field.name in ("models", "action") or (name, field.name) in (
            ("sample", "model"), ("data", "name"), ("pull", "name"), ("bench", "presets"),
            ("compare", "runs"), ("lesson", "name"), ("hint", "id"), ("ledger", "claim"),
            ("claim", "claim"), ("book", "lessons"),
        )  # fmt: skip
        if not positional:
            assert f"--{field.name.replace('_', '-')}" in shown, field.name
    assert "MODEL" in shown or name not in ("sample", "inspect")


def docs(kind) -> dict[str, str]:
    """The docstring below each field of a config, in one line."""
    source = Path(sys.modules[kind.__module__].__file__).read_text("utf-8")
    body = source[source.index(f"class {kind.__name__}:") :]
    found = re.findall(r'^    (\w+): [^\n]*\n    """(.*?)"""', body, re.MULTILINE | re.DOTALL)
    return {name: " ".join(words.split()) for name, words in found}


@pytest.mark.parametrize("kind", [ModelConfig, TrainConfig])
def test_train_has_a_flat_flag_with_a_help_text_for_every_field(home, kind):
    shown = re.sub(r"[│\s]+", " ", works("train", "--help").out)
    for field in dataclasses.fields(kind):
        flag = f"--{field.name.replace('_', '-')}"
        assert re.search(rf"(?<![\w-]){flag}(?![\w-])", shown), flag
        assert docs(kind)[field.name] in shown, field.name
    assert "--model" not in shown and "--recipe" not in shown


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_where_flags_start_from(home, name):
    preset = PRESETS[name]
    command = parse(["train", "--preset", name])
    assert (command.model, command.recipe) == (preset.model, preset.train)
    assert command.data.tokenizer == preset.tokenizer and command.preset == name
    for arguments in (
        ["train", "--preset", name, "--depth", "7", "--lr", "0.5"],
        ["train", "--lr", "0.5", "--depth=7", f"--preset={name}"],
    ):
        command = parse(arguments)
        assert command.model == dataclasses.replace(preset.model, depth=7)
        assert command.recipe == dataclasses.replace(preset.train, lr=0.5)


def another(kind, field):
    """A value that the field may have, other than its default."""
    special = {
        "heads": 2, "kv_heads": 1, "head_width": 6, "mlp_width": 5, "position_offset": 3,
        "dropout": 0.5, "init_std": 0.25, "adam_lr": 0.25, "final_lr": 0.5, "beta1": 0.5,
        "beta2": 0.5, "momentum": 0.5,
    }  # fmt: skip
    hint = typing.get_type_hints(kind)[field.name]
    if field.name in special:
        return special[field.name]
    if typing.get_origin(hint) is typing.Literal:
        return next(v for v in typing.get_args(hint) if v != field.default)
    if hint is bool or bool in typing.get_args(hint):
        return not field.default
    return 6 * field.default if hint is int and field.default else 7


def flag_for(field, value) -> list[str]:
    """The words that set a field to a value."""
    name = field.name.replace("_", "-")
    if value is True and field.default is False:
        return [f"--{name}"]
    if value is False and field.default is True:
        return [f"--no-{name}"]
    return [f"--{name}", str(value)]


@pytest.mark.parametrize("part, kind", [("model", ModelConfig), ("recipe", TrainConfig)])
def test_every_field_can_be_set(part, kind):
    for field in dataclasses.fields(kind):
        value = another(kind, field)
        assert value != field.default
        more = ["--positions", "learned"] if field.name == "position_offset" else []
        start = parse(["train", *more])
        changed = dataclasses.replace(getattr(start, part), **{field.name: value})
        command = parse(["train", *more, *flag_for(field, value)])
        assert command == dataclasses.replace(start, **{part: changed}), field.name


def test_none_can_be_said(home):
    command = parse(["train", "--init-std", "None", "--kv-heads", "None"])
    assert command.model.init_std is None and command.model.kv_heads is None


@pytest.mark.parametrize(
    "arguments, names",
    [
        (["trian"], ["trian", "train"]),
        (["x"], ["'x'", "sample"]),
        ([""], ["''"]),
        (["--no-such"], ["--no-such"]),
        (["-x"], ["-x"]),
        (["sample"], ["MODEL"]),
        (["inspect"], ["MODEL"]),
        (["sample", "none"], ["none", "pulled"]),
        (["sample", "."], ["config.json"]),
        (["inspect", "none"], ["none", "pulled"]),
        (["sample", "a" * 300], ["a" * 300]),
        (["sample", "none\nwhere"], ["where"]),
        (["train", "sample"], ["sample"]),
        (["doctor", "surplus"], ["surplus"]),
        (["data", "fetch"], ["fetch", "get"]),
        (["data", "get"], ["name"]),
        (["data", "show"], ["name"]),
        (["data", "get", "nothing"], ["nothing", "tinyshakespeare"]),
        (["data", "show", "nothing"], ["nothing", "fables"]),
        (["data", "get", "tinyshakespeare", "--url", "ftp://host/x"], ["ftp://host/x"]),
        (["demo", "--steps", "0"], ["steps=0"]),
        (["demo", "--seed", "-1"], ["seed=-1"]),
        (["demo", "--out", "/proc/no/run"], ["/proc/no/run"]),
    ],
)
def test_bad_commands_are_refused(home, arguments, names):
    refused(*arguments, names=names)
    assert listing(home) == {}
