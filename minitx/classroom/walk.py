"""A walk through a lesson in the terminal: prose, code, questions, figures, one cell at a time.

A lesson is a file in percent format; `cells` takes it apart, `walk` goes through it, `notebook`
makes a Jupyter notebook of it.
"""

import contextlib
import io
import re
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from minitx import files
from minitx.classroom import figures, lesson
from minitx.errors import InputError, suggest


@dataclass(frozen=True)
class Cell:
    """One cell of a lesson."""

    kind: str  # markdown, code or exercise
    text: str
    line: int  # of the file, where the text begins, from 1
    id: str = ""  # of an exercise


def lessons() -> dict[str, Path]:
    """The files of all lessons by name, L00 first."""
    paths = sorted(lesson.LESSONS.glob("l[0-9][0-9]_*.py"))
    return {path.name[:3].upper(): path for path in paths}


def find(name: str) -> str:
    """L07 for 7, 07, l7 or L07. Raises InputError for a lesson that is not there."""
    known, digits = lessons(), name.strip().lower().removeprefix("l")
    found = f"L{int(digits):02}" if digits.isdecimal() and len(digits) < 4 else name
    if found not in known:
        raise InputError(f"there is no lesson {name!r}{suggest(found, known)}")
    return found


def title(name: str) -> str:
    """The heading of a lesson."""
    return cells(name)[0].text.splitlines()[0].lstrip("# ")


def cells(name: str) -> list[Cell]:
    """A lesson's cells in order."""
    found, lines = [], lessons()[name].read_text("utf-8").splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith("# %%")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        mark, body = lines[start].removeprefix("# %%").strip(), lines[start + 1 : end]
        if mark == "[markdown]":
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body)
            found.append(Cell("markdown", text.strip(), start + 2))
        elif mark.startswith("exercise"):
            id = mark.split()[1]
            found.append(Cell("exercise", "\n".join(body).rstrip(), start + 2, id))
        else:
            found.append(Cell("code", "\n".join(body).rstrip(), start + 2))
    return found


def walk(name: str, straight: bool = False, show: bool = False, again: bool = False) -> None:
    """Go through a lesson; `straight` without waiting or asking, `show` opening each figure.

    Where one left off before, cells run again without waiting, up to there; unless `again`.
    Raises KeyboardInterrupt on Ctrl-C, when the place is kept.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    parts, namespace = cells(name), {"__name__": "__main__"}
    waits = not straight and sys.stdin is not None and sys.stdin.isatty()
    reached = 0 if again or not waits else int(lesson.recall(name).get("reached", 0))
    reached = 0 if reached >= len(parts) else reached
    lesson.room.ask = False if straight else None
    if reached:
        console.print(f"{name}: going on where you left, at part {reached + 1} of {len(parts)}.")
    try:
        for n, cell in enumerate(parts):
            ahead = n >= reached
            if ahead and waits:
                lesson.remember(name, reached=n)
            if cell.kind == "markdown":
                if ahead:
                    _prose(console, cell.text)
                continue
            if ahead:
                _code(console, cell.text)
            if ahead and waits and not _ready(cell, name):
                lesson.remember(name, reached=n)
                return
            quiet = contextlib.redirect_stdout(io.StringIO())
            with contextlib.nullcontext() if ahead else quiet:
                _run(cell, name, namespace, waits and ahead, show)
    except KeyboardInterrupt:
        print(f"\nleft at part {n + 1} of {len(parts)}: `minitx lesson {int(name[1:])}` goes on")
        raise
    finally:
        lesson.room.ask = None
    lesson.remember(name, reached=len(parts), done=True)


def _prose(console, text: str) -> None:
    from rich.markdown import Markdown

    console.print()
    console.print(Markdown(text), width=min(console.width, 92))


def _code(console, text: str) -> None:
    from rich.syntax import Syntax

    text = text.replace("  # fmt: skip", "")  # a word to the formatter, not to the learner
    console.print()
    console.print(Syntax(text, "python", theme="ansi_light", background_color="default",
                         word_wrap=True))  # fmt: skip
    console.print()


def _ready(cell: Cell, name: str) -> bool:
    """Wait for the learner; whether to go on."""
    if cell.kind == "exercise":
        path = own_file(cell, name)
        print(f"--- your turn: write it in {path}, save, and come back.")
        words = "[Enter: check it | h: hint | s: skip | q: leave] "
    else:
        words = "[Enter: run this | q: leave] "
    while True:
        try:
            answer = input(words).strip().lower()
        except EOFError:
            return False
        if answer in ("q", "quit"):
            print(f"left; `minitx lesson {int(name[1:])}` goes on here")
            return False
        if cell.kind != "exercise":
            return True
        if answer == "h":
            print(lesson.hint(cell.id))
        elif answer in ("s", "skip"):
            return True
        elif answer == "":
            namespace = {}
            if not _try(cell, name, namespace) or lesson.room.results.get(cell.id):
                return True
        else:
            print("Enter, h, s or q?")


def own_file(cell: Cell, name: str) -> Path:
    """Where the learner writes the solution; made from the stub if it is not there."""
    path = lesson.folder() / f"{cell.id.replace('.', '_')}.py"
    if not path.exists():
        head = "import numpy as np\n\nfrom minitx.classroom.lesson import check\n\n\n"
        lesson.keep(path, head + cell.text + "\n")
    return path


def _try(cell: Cell, name: str, namespace: dict) -> bool:
    """Run the learner's file; whether there is one."""
    path = lesson.folder() / f"{cell.id.replace('.', '_')}.py"
    if not path.is_file():
        return False
    try:
        _execute(path.read_text("utf-8"), path, namespace)
    except Exception as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        print(f"CHECK {cell.id}: {path}{where} broke with {type(error).__name__}: {error}")
        lesson.room.results[cell.id] = False
    return True


def _run(cell: Cell, name: str, namespace: dict, tell: bool, show: bool) -> None:
    """Run a cell in the lesson's namespace, where tracebacks and sources find its lines."""
    if cell.kind == "exercise" and tell and lesson.room.results.get(cell.id) is not None:
        return  # checked already, or given up after a try
    source = "\n" * (cell.line - 1) + cell.text
    output = _Watch(sys.stdout) if show else None
    with contextlib.redirect_stdout(output) if show else contextlib.nullcontext():
        _execute(source, lessons()[name], namespace)
    for path in output.figures if show else ():
        opened = False
        with contextlib.suppress(Exception):  # no display, no browser: the path was said
            opened = webbrowser.open(path.absolute().as_uri())
        if not opened:
            print(f"  nothing here can show it: open {path} yourself")


def _execute(source: str, path: Path, namespace: dict) -> None:
    """Run a lesson of ours, or the learner's own file, as `python FILE` would; nothing else."""
    exec(compile(source, str(path), "exec"), namespace)


class _Watch(io.TextIOBase):
    """Passes output on and remembers the figures that it names."""

    def __init__(self, below):
        self.below, self.line, self.figures = below, "", []

    def write(self, text: str) -> int:
        *whole, self.line = (self.line + text).split("\n")
        self.figures += filter(None, map(figures.path_of, whole))
        return self.below.write(text)

    def flush(self) -> None:
        self.below.flush()


def notebook(name: str, path: Path) -> Path:
    """Write a lesson as a Jupyter notebook. Raises InputError where jupytext is missing."""
    try:
        import jupytext
    except ImportError:
        raise InputError(
            "a notebook needs the package jupytext: pip install 'minitx[notebook]'"
        ) from None
    text = lessons()[name].read_text("utf-8")
    text = re.sub(r"(?m)^# %% exercise (\S+)$", r"# %%\n# exercise \1", text)
    made = jupytext.reads(text, fmt="py:percent")
    made.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python"
    }  # fmt: skip
    install = "# In Colab: upload minitx's wheel, then run  %pip install minitx-*.whl"
    made.cells.insert(1, _code_cell(jupytext, install))
    files.write(path, jupytext.writes(made, fmt="ipynb"))
    return path


def _code_cell(jupytext, text: str):
    return jupytext.reads(f"# %%\n{text}\n", fmt="py:percent").cells[0]


def progress(name: str) -> str:
    """How far the learner got: not begun, part 3 of 20, or done, with exercises solved."""
    kept = lesson.recall(name)
    exercises = [cell.id for cell in cells(name) if cell.kind == "exercise"]
    solved = sum(kept.get(id) is True for id in exercises)
    reached, parts = int(kept.get("reached", 0)), len(cells(name))
    where = f"part {reached + 1} of {parts}" if "reached" in kept else "-"
    where = "done" if kept.get("done") else where
    return f"{where:15} {f'{solved} of {len(exercises)} exercises' if kept else ''}".rstrip()


def advice() -> str:
    """The command for what is next: a lesson that was begun, else the first that is not done."""
    kept = {name: lesson.recall(name) for name in lessons()}
    ahead = [name for name in kept if not kept[name].get("done")]
    begun = [name for name in ahead if "reached" in kept[name]]
    if not ahead:
        return "minitx ledger"
    return f"minitx lesson {int((begun or ahead)[0][1:])}"
