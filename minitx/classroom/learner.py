"""The learner in front of the screen: whether anybody is there, how to tell and how to ask."""

import shutil
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WIDEST = 92  # columns of text; longer lines are hard to read
NARROWEST = 40


@dataclass
class Session:
    """What the classroom knows while one program runs; nothing of it is written to disk."""

    asks: bool | None = None
    """Whether to wait for answers; None: wait if a person can type them."""
    opens: bool = False
    """Whether to open figures and panels, if this machine has a screen."""
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """For each prediction that was asked for: what could be chosen."""
    passed: dict[str, bool] = field(default_factory=dict)
    """For each exercise that was checked: whether the answer was right."""
    figures: list[Path] = field(default_factory=list)
    """The figures that were saved, in order."""
    unwritten: dict[str, dict] = field(default_factory=dict)
    """Answers that could not be written to disk, by the name of their file."""
    collect: Callable[[str, dict[str, Any]], None] | None = None
    """What takes everything that would be shown, with its kind: a book that is being made."""
    warned: bool = False
    """Whether the learner was told that answers cannot be written."""


session = Session()


def collected(kind: str, **facts: Any) -> bool:
    """Hand over what is to be shown, if a book collects it; return whether one does."""
    if session.collect is None:
        return False
    session.collect(kind, facts)
    return True


def tell(text: str, indent: str = "") -> None:
    """Print text, wrapped to the terminal's width; no word is broken."""
    if collected("words", text=text):
        return
    columns = shutil.get_terminal_size((WIDEST, 24)).columns
    lines = textwrap.fill(
        text,
        max(NARROWEST, min(WIDEST, columns)),
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    print(lines)


def tell_lines(text: str) -> None:
    """Print text whose lines stay apart, such as code; a line that is too long is wrapped."""
    for line in text.splitlines():
        tell(line)


def in_notebook() -> bool:
    """Return whether a notebook runs this program."""
    return "ipykernel" in sys.modules


def ask(prompt: str) -> str | None:
    """Return a line that the learner types, or None if nobody can type one."""
    if session.asks is None:
        can_answer = in_notebook() or (sys.stdin is not None and sys.stdin.isatty())
    else:
        can_answer = session.asks
    if not can_answer:
        return None
    try:
        return input(prompt).strip()
    except EOFError:
        print()
        return None
    except Exception:
        if in_notebook():  # a notebook that a program runs refuses to ask, with an error of its own
            return None
        raise
