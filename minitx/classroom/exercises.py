"""Exercises: a learner's function is tried beside the solution, and its mistake is named.

A mistake is a function too: what a learner writes who misunderstands in a typical way.
"""

import inspect
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minitx.classroom.answers import recall, remember
from minitx.classroom.learner import session, tell
from minitx.classroom.lessons import from_solutions, lesson_of
from minitx.classroom.questions import question, solution_of
from minitx.errors import InputError, suggest

LONG_ARRAY = 8  # numbers; a complaint names the shape of a longer array
LONGEST = 90  # characters of a value in a complaint
TRIALS = 5  # times that a function is called, each time with other random arguments


@dataclass(frozen=True)
class Exercise:
    """What a file of solutions says about one exercise."""

    solve: Callable
    """The solution."""
    hints: tuple[str, str]
    """A nudge, then the way; the third hint is the solution itself."""
    inputs: Callable[[np.random.Generator], tuple] = lambda random: ()
    """Draws the arguments of one trial."""
    mistakes: dict[str, Callable] = field(default_factory=dict)
    """What to say to a learner whose function does the same as this one."""
    judge: Callable[..., str | None] | None = None
    """If many answers are right: judge(answer, *arguments) says what is wrong with one, or None."""
    tolerance: float = 1e-5
    conclusion: str = ""
    """What follows from a right answer; it settles what the learner was asked to say first."""


def exercise(id: str) -> Exercise:
    """Return the exercise of that id, such as L08.e1. Raises InputError for an unknown one."""
    lesson = lesson_of(id)
    known = exercises_of(lesson)
    if id not in known:
        raise InputError(f"{lesson} has no exercise {id!r}{suggest(id, known)}")
    return known[id]


def exercises_of(lesson: str) -> dict[str, Exercise]:
    """Return the exercises of a lesson by id."""
    return from_solutions(lesson, "EXERCISES")


def check(id: str) -> Callable[[Callable], Callable]:
    """Return a decorator that tries the learner's function and prints what is wrong with it.

    Raises InputError for an unknown exercise.
    """
    wanted = exercise(id)

    def decorate(function: Callable) -> Callable:
        complaint = complaint_about(wanted, function)
        session.passed[id] = complaint is None
        if complaint is None:
            tell(f"CHECK {id}: right. {wanted.conclusion}".rstrip())
            remember(lesson_of(id), {id: True})
        else:
            tell(f"CHECK {id}: {complaint}")
            print(f"  (help: minitx hint {id})")
        return function

    return decorate


def hint(id: str) -> str:
    """Return the next hint to an exercise: a nudge, then the way, then the solution.

    For a question of a quiz, such as L08.q1, return its answer.
    """
    if re.search(r"\.q\d+$", id):
        return f"{id}: {solution_of(question(id))}"
    wanted = exercise(id)
    lesson = lesson_of(id)
    level = min(int(recall(lesson).get(f"{id}.hints", 0)), len(wanted.hints))
    remember(lesson, {f"{id}.hints": level + 1})
    if level < len(wanted.hints):
        return f"{id}, hint {level + 1} of {len(wanted.hints) + 1}: {wanted.hints[level]}"
    return f"{id}, solution:\n\n{inspect.getsource(wanted.solve)}"


def complaint_about(exercise: Exercise, function: Callable) -> str | None:
    """Return what is wrong with a learner's function, or None if it is right.

    If the function does the same as a typical mistake, the complaint is about that mistake.
    """
    trials = []  # pairs of arguments and answer
    for seed in range(TRIALS):
        arguments = exercise.inputs(np.random.default_rng(seed))
        try:
            answer = function(*_copies(arguments))
        except Exception as error:
            shapes = ", ".join(map(_shape, arguments)) or "nothing"
            where = _line_of(error, function)
            return f"it broke with {type(error).__name__}{where}: {error} (given {shapes})"
        if answer is None or answer is ...:
            return "not done yet: it returns nothing. Replace the `...` by your code."
        trials.append((arguments, answer))
    if exercise.judge:
        complaints = (exercise.judge(answer, *arguments) for arguments, answer in trials)
        return next(filter(None, complaints), None)
    if _does_the_same(exercise.solve, trials, exercise.tolerance):
        return None
    for message, mistake in exercise.mistakes.items():
        if _does_the_same(mistake, trials, exercise.tolerance):
            return message
    return _first_difference(exercise, trials)


def _does_the_same(function: Callable, trials: list, tolerance: float) -> bool:
    """Return whether a function gives the learner's answers to all arguments."""
    for arguments, answer in trials:
        if not _same(answer, function(*_copies(arguments)), tolerance):
            return False
    return True


def _first_difference(exercise: Exercise, trials: list) -> str | None:
    """Return in words where the learner's answers differ from the solution's."""
    for arguments, answer in trials:
        right = exercise.solve(*_copies(arguments))
        if _shape(answer) != _shape(right):
            return f"it returns {_shape(answer)}, but it should return {_shape(right)}"
        if not _same(answer, right, exercise.tolerance):
            given = ", ".join(map(_brief, arguments))
            return f"given {given}, it returns {_brief(answer)}, but it should be {_brief(right)}"
    return None


def _line_of(error: Exception, function: Callable) -> str:
    """Return in which line of the learner's function an error arose, or "" if in none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if frame.filename == inspect.getsourcefile(function)]
    return f" in line {own[-1]}" if own else ""


def _copies(arguments: tuple) -> tuple:
    """Copy arrays, so that a function that changes its arguments does not change ours."""
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in arguments)


def _same(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(b, (str, list)):  # words
        return type(a) is type(b) and a == b
    try:
        a = np.asarray(a, float)
        b = np.asarray(b, float)
    except (TypeError, ValueError):
        return False
    return a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


def _shape(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"an array {tuple(value.shape)}" if value.shape else "a number"
    if isinstance(value, (int, float)):
        return "a number"
    return f"a {type(value).__name__}"


def _brief(value: Any) -> str:
    """Return a value in a few words: an array that is not small by its shape."""
    if isinstance(value, np.ndarray):
        if value.size > LONG_ARRAY:
            return _shape(value)
        text = np.array2string(value, precision=4, separator=", ")
    elif isinstance(value, float):
        text = f"{value:.4g}"
    else:
        text = repr(value)
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else words[:LONGEST] + " ..."
