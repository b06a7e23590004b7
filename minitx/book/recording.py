"""A lesson, run once: its cells, and what each of them showed, as plain JSON.

A part is a cell with the list of what it showed, in order. Each thing shown has a `kind`: output
and words (text), prediction, truth (what came of a prediction), writing (the reader's own words),
figure, panel, quiz, verdict.
"""

import contextlib
import inspect
import io
import math
import os
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minitx.book import pictures
from minitx.classroom import lessons
from minitx.classroom.exercises import exercise
from minitx.classroom.learner import Session, session
from minitx.classroom.lessons import Cell
from minitx.classroom.questions import quiz_of
from minitx.classroom.walk import run_cell
from minitx.errors import InputError

Record = dict[str, Any]


def record(lesson: str) -> Record:
    """Run a lesson, and return its name and its parts.

    Nobody is asked, nothing is opened, and no answer of a learner is read or written. Raises
    InputError if a cell fails; it names the line of the lesson.
    """
    parts = []
    namespace = {"__name__": "__main__"}
    with _nobody_there():
        for cell in lessons.cells(lesson):
            part = {"kind": cell.kind, "text": cell.text, "shown": []}
            if cell.kind == "exercise":
                part |= exercise_of(cell)
            elif cell.kind != "markdown":
                part |= {"title": cell.title, "shown": _run(lesson, cell, namespace)}
            parts.append(part)
    name_figures(lesson, parts)
    return {"lesson": lesson, "parts": parts}


def name_figures(lesson: str, parts: list[dict[str, Any]]) -> None:
    """Give each figure a name of its own in the whole book: a lesson may draw one name twice."""
    counts: dict[str, int] = {}
    prefix = f"{lesson.lower()}_"
    for shown in (shown for part in parts for shown in part["shown"]):
        if shown["kind"] == "figure":
            name = prefix + shown["name"].removeprefix(prefix)
            counts[name] = counts.get(name, 0) + 1
            shown["name"] = name if counts[name] == 1 else f"{name}-{counts[name]}"


def exercise_of(cell: Cell) -> dict[str, Any]:
    """Return the id of an exercise with its hints; the last one is the solution."""
    known = exercise(cell.id)
    solution = inspect.getsource(known.solve).rstrip()
    return {
        "id": cell.id,
        "hints": list(known.hints),
        "solution": solution,
        "conclusion": known.conclusion,
    }


def _run(lesson: str, cell: Cell, namespace: dict) -> list[dict[str, Any]]:
    """Run one cell, and return what it showed."""
    shown: list[dict[str, Any]] = []
    session.collect = lambda kind, facts: shown.extend(plain(kind, facts))
    try:
        with contextlib.redirect_stdout(_Output(shown)):
            run_cell(lesson, cell, namespace)
    except Exception as error:
        path = lessons.paths()[lesson]
        line = _line_in(path, error) or cell.line
        what = f"{type(error).__name__}: {error}"
        raise InputError(
            f"{lesson} breaks at line {line} of {path.name} ({what}): repair the lesson; a book "
            "that was there is unchanged"
        ) from error
    return [item for item in shown if item["kind"] != "output" or item["text"].strip()]


def _line_in(path: Path, error: Exception) -> int | None:
    """Return the line of a lesson's file where an error arose, from the innermost of its frames."""
    if isinstance(error, SyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return lines[-1] if lines else None


class _Output(io.TextIOBase):
    """What a cell prints, put in order among everything else that it shows."""

    def __init__(self, shown: list[dict[str, Any]]):
        self.shown = shown

    def write(self, text: str) -> int:
        if not (self.shown and self.shown[-1]["kind"] == "output"):
            self.shown.append({"kind": "output", "text": ""})
        self.shown[-1]["text"] += text
        return len(text)


@contextlib.contextmanager
def _nobody_there() -> Iterator[None]:
    """Let lessons run without a learner: in a session and a folder of answers of their own."""
    before = dict(vars(session))
    answers = os.environ.get("MINITX_ANSWERS")
    with tempfile.TemporaryDirectory() as folder:
        vars(session).update(vars(Session(asks=False)))
        os.environ["MINITX_ANSWERS"] = folder
        try:
            yield
        finally:
            vars(session).update(before)
            os.environ.pop("MINITX_ANSWERS")
            if answers is not None:
                os.environ["MINITX_ANSWERS"] = answers


def plain(kind: str, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was shown as JSON has it; an empty list for what a book does not show."""
    if kind == "end":
        return []
    if kind == "figure":
        return [{"kind": kind, **pictures.as_data(facts["picture"])}]
    if kind == "quiz":
        questions = quiz_of(facts["lesson"])
        asked = [{"id": id, **vars(question)} for id, question in questions.items()]
        return [{"kind": kind, "questions": _as_json(asked)}]
    return [{"kind": kind, **{name: _as_json(value) for name, value in facts.items()}}]


def _as_json(value: Any) -> Any:
    """Return a value without numpy's types, tuples and infinities."""
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
