"""The command line: arguments in, exit status out.

0 done; 2 the input was at fault, said in one line; 130 after Ctrl-C, with everything saved; 1, with
a traceback, is a bug of ours.
"""

import contextlib
import io
import itertools
import os
import re
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Union

import tyro

import minitx
from minitx.cli.commands import COMMANDS, experiments
from minitx.cli.commands.models import Train
from minitx.config import DataConfig
from minitx.ctrl_c import ends_on_ctrl_c
from minitx.errors import InputError, suggest
from minitx.presets import PRESETS


def main() -> int:
    """Run the command that the process was started with."""
    try:
        with ends_on_ctrl_c():
            command = parse(sys.argv[1:])
            prepare_jax()
        command.run()
        if sys.stdout:  # there is none after `>&-`
            sys.stdout.flush()
        return 0
    except BrokenPipeError:  # whoever read our output has seen enough, as in `minitx ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("minitx: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        message = in_words(error)
        if message is None:
            raise
        message = message.replace("\n", "\\n")  # a file's name may hold one
        print(f"minitx: error: {message}", file=sys.stderr)
        return 2


def in_words(error: Exception) -> str | None:
    """What went wrong and the cure, if it is the input's or the machine's fault; None for ours."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}: check the path and its disk"
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "this machine has not the memory for that: take a smaller model, batch or --dtype"
    if last_file(error) == "xla_bridge.py":
        return (
            f"JAX finds no device for JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS')}: unset it, "
            "or set it to cpu"
        )
    return None


def last_file(error: Exception) -> str:
    """The name of the file in which an error arose."""
    frames = traceback.extract_tb(error.__traceback__)
    return Path(frames[-1].filename).name if frames else ""


def parse(arguments: list[str]):
    """The command that the arguments name. Raises InputError, with one line, for wrong ones."""
    first = arguments[0] if arguments else "--help"
    if not first.startswith("-") and first not in COMMANDS:
        raise InputError(f"there is no command {first!r}{suggest(first, COMMANDS)}")
    given, commands = given_flags(arguments), []
    for name, command in COMMANDS.items():
        start = {"default": OWN_DEFAULTS[first](given)} if name == first in OWN_DEFAULTS else {}
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


def train_defaults(given: dict[str, str | None]) -> Train:
    """What the flags of `train` start from: the preset that is named, or the run to be resumed."""
    folder = Path(given.get("--out") or "")
    if "--resume" in given and "--preset" not in given and (folder / "config.json").is_file():
        from minitx.runs.run import read_config

        model, recipe, data, _ = read_config(folder)
        return Train(data=data, model=model, recipe=recipe)
    name = given.get("--preset", "demo")
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}{suggest(str(name), PRESETS)}")
    preset = PRESETS[name]
    return Train(
        preset=name,
        data=DataConfig(tokenizer=preset.tokenizer),
        model=preset.model,
        recipe=preset.train,
    )


OWN_DEFAULTS = {"train": train_defaults, "ablate": experiments.defaults}


def given_flags(arguments: list[str]) -> dict[str, str | None]:
    """The flags among the arguments, each with what follows it."""
    flags = {}
    for argument, following in zip(arguments, [*arguments, None][1:], strict=True):
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            flags[name.replace("_", "-")] = value if equals else following
    return flags


def one_line(box: str, command: str) -> str:
    """The text of tyro's error box, without its frame, title, colours and usage notes."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip(" │") for line in box.splitlines()]

    def frame(line):
        return not line.strip("─-╭╮╰╯├┤ ")

    after_title = itertools.dropwhile(frame, lines[1:])
    body = " ".join(itertools.takewhile(lambda line: not frame(line), after_title))
    words = re.sub(r"^Error parsing __tyro\S*: ", "", body).rstrip(".")
    hint = f"minitx {command} --help" if command in COMMANDS else "minitx --help"
    return f"{words}: see `{hint}`"


def prepare_jax() -> None:
    """Keep compiled programs between starts, where there is a place for them."""
    from minitx.text.corpus import cache_folder

    warnings.filterwarnings("ignore", message=".*[Pp]ersistent compilation cache.*")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
