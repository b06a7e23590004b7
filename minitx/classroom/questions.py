"""Questions to the learner: a prediction before the result is seen, and a quiz after it."""

import contextlib
import math
from collections.abc import Sequence

from minitx.classroom.answers import recall, remember
from minitx.classroom.learner import ask, tell
from minitx.classroom.lessons import lesson_of

LETTERS = "abcdefgh"
TRIES = 3  # wrong inputs to one question, before it counts as skipped
SKIPPED = ""  # what stands in the file of answers for a skipped question


def predict(
    id: str,
    question: str,
    choices: Sequence[str] = (),
    low: float = -math.inf,
    high: float = math.inf,
    unit: str = "",
) -> float | int | None:
    """Ask for a number from low to high, or for one of the choices.

    Returns the number, the index of the choice, or None if the question was skipped. A prediction
    is made once: when the lesson runs again, it is shown, and the question is not asked.
    """
    lesson = lesson_of(id)
    _pose("PREDICT", id, question, choices)
    earlier = recall(lesson).get(id, SKIPPED)
    if earlier in choices or (not choices and isinstance(earlier, (int, float))):
        print(f"  you said: {earlier} {unit}".rstrip())
        return choices.index(earlier) if choices else float(earlier)
    answer = _ask_choice("your choice", choices) if choices else _ask_number(low, high, unit)
    if answer is None:
        remember(lesson, {id: SKIPPED})
        print("  skipped")
    else:
        remember(lesson, {id: choices[answer] if choices else answer})
    return answer


def quiz(id: str, question: str, choices: Sequence[str], answer: int, why: str) -> None:
    """Ask, and say at once whether the choice was right and why; `answer` is the right index."""
    _pose("QUIZ", id, question, choices)
    chosen = _ask_choice("your answer", choices)
    if chosen is None:
        opening = "The answer is"
    else:
        remember(lesson_of(id), {id: chosen == answer})
        opening = "Yes:" if chosen == answer else "Not quite: it is"
    tell(f"{opening} {LETTERS[answer]}) {choices[answer]}. {why}", "  ")


def _pose(kind: str, id: str, question: str, choices: Sequence[str]) -> None:
    print()
    tell(f"{kind} {id}: {question}")
    for letter, choice in zip(LETTERS, choices, strict=False):
        tell(f"{letter}) {choice}", "  ")


def _ask_choice(what: str, choices: Sequence[str]) -> int | None:
    """Return the index of the choice that the learner names, or None."""
    letters = list(LETTERS[: len(choices)])
    for _ in range(TRIES):
        typed = ask(f"  {what} ({'/'.join(letters)}, Enter skips): ")
        if not typed:
            return None
        letter = typed.lower().rstrip(")")
        if letter in letters:
            return letters.index(letter)
        print(f"  {typed[:40]!r} is not one of {', '.join(letters)}.")
    return None


def _ask_number(low: float, high: float, unit: str) -> float | None:
    """Return a finite number from low to high that the learner types, or None."""
    what = f"your number in {unit}" if unit else "your number"
    for _ in range(TRIES):
        typed = ask(f"  {what} (Enter skips): ")
        if not typed:
            return None
        with contextlib.suppress(ValueError):
            number = float(typed.replace(",", "."))
            if math.isfinite(number) and low <= number <= high:
                return number
        print(f"  {typed[:40]!r} is not a number{_range(low, high)}.")
    return None


def _range(low: float, high: float) -> str:
    words = f" from {low:g}" if low > -math.inf else ""
    return words + (f" up to {high:g}" if high < math.inf else "")
