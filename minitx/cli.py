"""The command line: arguments in, exit status out.

0 done; 2 the input was at fault, said in one line; 130 after Ctrl-C, with everything saved; 1, with
a traceback, is a bug of ours.
"""

import contextlib
import io
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Annotated, Union

import tyro

import minitx
from minitx.commands import COMMANDS, Train
from minitx.config import PRESETS, ModelConfig, TrainConfig, from_json
from minitx.errors import InputError, suggest


def main() -> int:
    """Run the command that the process was started with."""
    try:
        command = parse(sys.argv[1:])
        prepare_jax()
        command.run()
        sys.stdout.flush()
    except InputError as error:
        print(f"minitx: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("minitx: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough, as in `minitx ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parse(arguments: list[str]):
    """The command that the arguments name. Raises InputError, with one line, for wrong ones."""
    first = arguments[0] if arguments else "--help"
    if not first.startswith("-") and first not in COMMANDS:
        raise InputError(f"there is no command {first!r}{suggest(first, COMMANDS)}")
    commands = []
    for name, command in COMMANDS.items():
        start = {"default": train_defaults(arguments)} if name == first == "train" else {}
        mark = tyro.conf.subcommand(name, prefix_name=False, **start)
        commands.append(Annotated[command, mark])
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(
                Union[tuple(commands)],  # noqa: UP007 (a union that is made here)
                prog="minitx",
                description=minitx.__doc__.splitlines()[0],
                args=arguments or ["--help"],
            )
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise InputError(one_line(errors.getvalue(), first)) from None


def train_defaults(arguments: list[str]) -> Train:
    """What the flags of `train` start from: the run to be resumed, or the preset."""
    given = given_flags(arguments)
    config_file = Path(given.get("--out") or "") / "config.json"
    if "--resume" in given and config_file.is_file():
        from minitx import checkpoint

        stored = checkpoint.read_json(config_file)
        with contextlib.suppress(KeyError, TypeError):  # run.py says what is wrong with such a file
            data = stored["data"]
            return Train(
                corpus=data["corpus"],
                tokenizer=data["tokenizer"],
                digits=data["digits"],
                val_fraction=data["val_fraction"],
                model=from_json(ModelConfig, stored["model"], str(config_file)),
                recipe=from_json(TrainConfig, stored["train"], str(config_file)),
            )
    name = given.get("--preset", "demo")
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}{suggest(str(name), PRESETS)}")
    preset = PRESETS[name]
    return Train(
        tokenizer=preset.tokenizer, preset=name, model=preset.model, recipe=preset.train
    )


def given_flags(arguments: list[str]) -> dict[str, str | None]:
    """The flags among the arguments, each with what follows it."""
    flags = {}
    for argument, following in zip(arguments, [*arguments, None][1:], strict=True):
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            flags[name.replace("_", "-")] = value if equals else following
    return flags


def one_line(box: str, command: str) -> str:
    """The text of an error box, without its frame, its usage notes and its line breaks."""
    lines = [line.strip("│ ") for line in box.splitlines()]
    body = []
    for line in lines[1:]:
        if line.startswith(("─", "╰")):
            break
        body.append(line)
    words = re.sub(r"^Error parsing __tyro\S*: ", "", " ".join(filter(None, body)))
    hint = f"minitx {command} --help" if command in COMMANDS else "minitx --help"
    return f"{words.rstrip('.')}: see `{hint}`"


def prepare_jax() -> None:
    """Keep compiled programs between starts, where there is a place for them."""
    from minitx.corpus import cache_folder

    warnings.filterwarnings("ignore", message=".*[Pp]ersistent compilation cache.*")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
