"""Exercises: a learner's function is tried beside the solution, and its mistake is named.

A mistake is a function too: the one that a learner writes who misunderstands in a typical way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Exercise:
    """What a solution file says of one exercise."""

    solve: Callable
    """The solution."""
    hints: tuple[str, str]
    """A nudge, then the way; after these the solution itself."""
    inputs: Callable[[np.random.Generator], tuple] = lambda random: ()
    """Arguments to try it on, drawn at random."""
    mistakes: dict[str, Callable] = field(default_factory=dict)
    """What to say to a learner whose function does the same as this one."""
    judge: Callable[..., str | None] | None = None
    """Where many answers are right: judge(answer, *arguments) gives what is wrong with one."""
    tolerance: float = 1e-5


def complaint_about(exercise: Exercise, function: Callable) -> str | None:
    """What is wrong with a solution, named as its likely mistake; None if nothing is."""
    trials = []
    for trial in range(5):
        arguments = exercise.inputs(np.random.default_rng(trial))
        try:
            answer = function(*_copies(arguments))
        except Exception as error:
            shapes = ", ".join(_shape(a) for a in arguments) or "nothing"
            return f"it broke with {type(error).__name__}: {error} (given {shapes})"
        if answer is None or answer is ...:
            return "not done yet: it returns nothing. Replace the `...` by your code."
        trials.append((arguments, answer))
    if exercise.judge:
        verdicts = (exercise.judge(answer, *arguments) for arguments, answer in trials)
        return next(filter(None, verdicts), None)
    wanted = [exercise.solve(*_copies(arguments)) for arguments, _ in trials]
    if all(_same(a, w, exercise.tolerance) for (_, a), w in zip(trials, wanted, strict=True)):
        return None
    for message, mistake in exercise.mistakes.items():
        if all(_same(a, mistake(*_copies(args)), exercise.tolerance) for args, a in trials):
            return message
    for (arguments, answer), right in zip(trials, wanted, strict=True):
        if _shape(answer) != _shape(right):
            return f"the shape is off: it returns {_shape(answer)}, where {_shape(right)} is meant"
        if not _same(answer, right, exercise.tolerance):
            given = ", ".join(_brief(a) for a in arguments)
            return f"given {given} it returns {_brief(answer)}, where {_brief(right)} is meant"
    return None


def _copies(arguments: tuple) -> tuple:
    """So that a function that changes its arguments spoils nothing."""
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in arguments)


def _same(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(b, (str, list)):  # words
        return type(a) is type(b) and a == b
    try:
        a, b = np.asarray(a, float), np.asarray(b, float)
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
    text = np.array2string(np.asarray(value), precision=4, threshold=8, separator=", ")
    return " ".join(text.split())[:90]
