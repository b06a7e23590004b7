"""From the words of a command line to a command: flags, their defaults, and errors in one line."""

import contextlib
import io
import itertools
import re
from typing import Annotated, Any, Union

import tyro

import minitx
from minitx.cli.commands import COMMANDS, DEFAULTS
from minitx.errors import InputError, suggest


def parse(arguments: list[str]):
    """Return the command that the arguments describe, ready to run.

    Raises InputError for wrong arguments, and SystemExit after printing a help text.
    """
    arguments = arguments or ["--help"]
    name = arguments[0]
    if not name.startswith("-") and name not in COMMANDS:
        raise InputError(f"there is no command {name!r}{suggest(name, COMMANDS)}")
    commands = subcommands(name, given_flags(arguments))
    error_box = io.StringIO()
    try:
        with contextlib.redirect_stderr(error_box):
            return tyro.cli(
                commands,
                prog="minitx",
                description=minitx.__doc__.splitlines()[0],
                args=arguments,
            )
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise InputError(one_line(error_box.getvalue(), name)) from None


def subcommands(name: str, flags: dict[str, str | None]) -> Any:
    """Return all commands as one type for tyro; the command `name` starts from its own defaults."""
    types = []
    for command_name, command in COMMANDS.items():
        mark = tyro.conf.subcommand(command_name, prefix_name=False)
        if command_name == name and name in DEFAULTS:
            mark = tyro.conf.subcommand(
                command_name, prefix_name=False, default=DEFAULTS[name](flags)
            )
        types.append(Annotated[command, mark])
    return Union[tuple(types)]  # noqa: UP007 (the number of types is known at run time only)


def given_flags(arguments: list[str]) -> dict[str, str | None]:
    """Return the flags among the arguments, each with the word that follows it.

    >>> given_flags(["train", "--preset=bigram", "--resume"])
    {'--preset': 'bigram', '--resume': None}
    """
    flags = {}
    for argument, following in itertools.zip_longest(arguments, arguments[1:]):
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            flags[name.replace("_", "-")] = value if equals else following
    return flags


def one_line(error_box: str, command: str) -> str:
    """Return the text of tyro's error box without its frame, title, colours and usage notes."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip(" │") for line in error_box.splitlines()]
    after_title = itertools.dropwhile(is_frame, lines[1:])
    body = itertools.takewhile(lambda line: not is_frame(line), after_title)
    words = re.sub(r"^Error parsing __tyro\S*: ", "", " ".join(body)).rstrip(".")
    help_of = f"minitx {command} --help" if command in COMMANDS else "minitx --help"
    return f"{words}: see `{help_of}`"


def is_frame(line: str) -> bool:
    """Return whether a line consists of nothing but the strokes of a box."""
    return not line.strip("─-╭╮╰╯├┤ ")
