"""The files of lessons: where they lie, which cells they have, and how far the learner got.

A lesson is a Python file in percent format. `# %%` begins a cell of code, `# %% [markdown]` a cell
of prose, `# %% exercise L08.e1` the stub of an exercise, `# %% folded What it does` a cell of
measuring code that is shown on request, and `# %% quiet` a cell whose code is not worth reading,
such as the questions of a quiz.
"""

import functools
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minitx.classroom.answers import recall
from minitx.errors import InputError, suggest

PACKAGE = Path(__file__).parent.parent
# A wheel carries the lessons inside the package; a checkout has them beside the package.
LESSONS = next(p for p in (PACKAGE / "lessons", PACKAGE.parent / "lessons") if p.is_dir())


@dataclass(frozen=True)
class Cell:
    """One cell of a lesson."""

    kind: str
    """markdown, code, folded, quiet or exercise."""
    text: str
    line: int
    """Where the text begins in the lesson's file; the first line is 1."""
    id: str = ""
    """The id of an exercise, such as L08.e1."""
    title: str = ""
    """What a folded cell does."""


def paths() -> dict[str, Path]:
    """Return the file of each lesson by its name, L00 first."""
    found = sorted(LESSONS.glob("l[0-9][0-9]_*.py"))
    return {path.name[:3].upper(): path for path in found}


def solutions(lesson: str) -> Path:
    """Return the file with the solutions of a lesson's exercises, and with its quiz."""
    return LESSONS / "solutions" / f"{lesson.lower()}.py"


def from_solutions(lesson: str, name: str) -> dict[str, Any]:
    """Return the EXERCISES or the QUIZ of a lesson, by id."""
    return _read_solutions(solutions(lesson))[name]


@functools.cache
def _read_solutions(path: Path) -> dict[str, Any]:
    return runpy.run_path(str(path))


def find(words: str) -> str:
    """Return L08 for 8, 08, l8 or L08. Raises InputError for a lesson that does not exist."""
    known = paths()
    digits = words.strip().lower().removeprefix("l")
    name = f"L{int(digits):02}" if digits.isdecimal() and len(digits) < 4 else words
    if name not in known:
        raise InputError(f"there is no lesson {words!r}{suggest(name, known)}")
    return name


def lesson_of(id: str) -> str:
    """Return L08 for L08.e1. Raises InputError for an id of no lesson."""
    lesson = id.partition(".")[0].upper()
    if not solutions(lesson).is_file():
        raise InputError(f"there is no lesson {lesson!r}{suggest(lesson, paths())}")
    return lesson


def cells(lesson: str) -> list[Cell]:
    """Return a lesson's cells in order."""
    lines = paths()[lesson].read_text("utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("# %%")]
    found = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        mark = lines[start].removeprefix("# %%").strip()
        body = lines[start + 1 : end]
        first = start + 2  # after the mark, counted from 1
        if mark == "[markdown]":
            prose = [line.removeprefix("#").removeprefix(" ") for line in body]
            found.append(Cell("markdown", "\n".join(prose).strip(), first))
            continue
        code = "\n".join(body).rstrip()
        kind, _, words = mark.partition(" ")
        if kind == "exercise":
            found.append(Cell("exercise", code, first, id=words))
        elif kind in ("folded", "quiet"):
            found.append(Cell(kind, code, first, title=words))
        else:
            found.append(Cell("code", code, first))
    return found


def title(lesson: str) -> str:
    """Return the heading of a lesson."""
    return cells(lesson)[0].text.splitlines()[0].lstrip("# ")


def question_of(lesson: str) -> str:
    """Return the question that a lesson asks, which stands under its heading, or ""."""
    lines = cells(lesson)[0].text.splitlines()
    return next((line.lstrip("# ") for line in lines if line.startswith("## ")), "")


def exercise_ids(lesson: str) -> list[str]:
    """Return the ids of a lesson's exercises."""
    return [cell.id for cell in cells(lesson) if cell.kind == "exercise"]


def progress(lesson: str) -> str:
    """Return how far the learner got: "-", "part 3 of 20" or "done", and the exercises solved."""
    answers = recall(lesson)
    if not answers:
        return "-"
    exercises = exercise_ids(lesson)
    solved = sum(answers.get(id) is True for id in exercises)
    if answers.get("done"):
        where = "done"
    elif "reached" in answers:
        where = f"part {int(answers['reached']) + 1} of {len(cells(lesson))}"
    else:
        where = "-"
    return f"{where:15} {solved} of {len(exercises)} exercises"


def after(lesson: str) -> str | None:
    """Return the first lesson after this one that is not done, or None."""
    later = [name for name in paths() if name > lesson]
    return next((name for name in later if not recall(name).get("done")), None)


def next_command() -> str:
    """Return the command that goes on: with a lesson that was begun, or with the first not done."""
    open_lessons = []
    for lesson in paths():
        answers = recall(lesson)
        if answers.get("done"):
            continue
        if "reached" in answers:
            return f"minitx lesson {int(lesson[1:])}"
        open_lessons.append(lesson)
    if not open_lessons:
        return "minitx ledger"
    return f"minitx lesson {int(open_lessons[0][1:])}"
