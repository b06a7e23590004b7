"""The learner's answers on disk: a file for each lesson, such as L08.toml.

They lie in a folder `answers`, or in the one that $MINITX_ANSWERS names, and never leave the
machine. A lesson also runs if the folder cannot be written: its answers are then kept in memory
until the program ends.
"""

import json
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minitx import files
from minitx.classroom.learner import session
from minitx.errors import InputError


def folder() -> Path:
    """Return the folder of answers: $MINITX_ANSWERS, or `answers` in the working directory."""
    return Path(os.environ.get("MINITX_ANSWERS") or "answers").expanduser()


def attempt(write: Callable[..., None], *arguments: Any, **options: Any) -> bool:
    """Call `write`, and return whether it could write; the first failure is reported."""
    try:
        write(*arguments, **options)
        return True
    except InputError as error:
        if not session.warned:
            cure = "or set MINITX_ANSWERS to a folder of your own"
            print(f"your answers are not saved: {error}; {cure}", file=sys.stderr)
            session.warned = True
        return False


def keep(path: Path, content: str) -> bool:
    """Write a file into the folder of answers, and return whether that was possible."""
    return attempt(files.write, path, content)


def recall(lesson: str) -> dict[str, Any]:
    """Return all answers to a lesson, by id. Raises InputError for a broken file."""
    path = folder() / f"{lesson}.toml"
    try:
        answers = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        answers = {}
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): check permissions") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise InputError(f"{path} is not a TOML file ({error}): repair or delete it") from None
    return answers | session.unwritten.get(lesson, {})


def remember(lesson: str, answers: dict[str, Any]) -> None:
    """Add answers to those of a lesson: strings, finite numbers, booleans or lists of them."""
    lines = []
    for id, answer in (recall(lesson) | answers).items():
        # Such values are written alike in JSON and in TOML.
        value = json.dumps(answer, ensure_ascii=False, allow_nan=False)
        lines.append(f"{json.dumps(id)} = {value}\n")
    if not keep(folder() / f"{lesson}.toml", "".join(lines)):
        session.unwritten.setdefault(lesson, {}).update(answers)
