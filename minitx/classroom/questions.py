"""Questions to the learner: predictions and what came of them, a quiz, and room for own words.

The questions of a quiz, with their answers, stand in the file of the lesson's solutions, so that
nobody reads an answer before the question.
"""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from minitx.classroom.answers import recall, remember
from minitx.classroom.awaited import Awaited
from minitx.classroom.learner import ask, collected, session, tell
from minitx.classroom.lessons import from_solutions, lesson_of
from minitx.errors import InputError, suggest

LETTERS = "abcdefgh"
TRIES = 3  # wrong inputs to one question, before it counts as skipped
SKIPPED = ""  # what stands in the file of answers for a skipped question


@dataclass(frozen=True)
class Question:
    """One question of a quiz."""

    words: str
    choices: tuple[str, ...]
    answer: int
    """The index of the right choice."""
    why: str
    """Why it is right, in a sentence."""


def predict(
    id: str,
    question: str,
    choices: Sequence[str] = (),
    low: float = -math.inf,
    high: float = math.inf,
    unit: str = "",
) -> float | int | Awaited | None:
    """Ask for a number from low to high, or for one of the choices.

    Returns the number, the index of the choice, or None if the question was skipped. A prediction
    is made once: when the lesson runs again, it is shown, and the question is not asked. While a
    book is made, a number is `Awaited`.
    """
    lesson = lesson_of(id)
    session.choices[id] = tuple(choices)
    if collected(
        "prediction", id=id, question=question, choices=choices, low=low, high=high, unit=unit
    ):
        return None if choices else Awaited(id)
    _pose("PREDICT", question, choices)
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


def write(id: str, question: str) -> None:
    """Ask for some lines in the learner's own words; an empty line ends them.

    They are kept with the answers and never judged. When the lesson runs again, they are shown, and
    new lines take their place.
    """
    lesson = lesson_of(id)
    if collected("writing", id=id, question=question):
        return
    _pose("WRITE", question, ())
    for line in str(recall(lesson).get(id, "")).splitlines():
        print(f"  you wrote: {line}")
    lines = []
    while typed := ask("  your words (Enter ends): "):
        lines.append(typed)
    if lines:
        remember(lesson, {id: "\n".join(lines)})


def reveal(id: str, truth: float | str, because: str) -> None:
    """Say what came out beside what the learner predicted: "You said 0.5. It is 0.95: ...".

    `truth` is a number, or one of the choices in words. Raises InputError if it is neither.
    """
    choices = session.choices.get(id, ())
    if choices and truth not in choices:
        raise InputError(f"{id}: {truth!r} is not one of its choices: {', '.join(choices)}")
    if collected("truth", id=id, truth=truth, because=because):
        return
    said = recall(lesson_of(id)).get(id, SKIPPED)
    value = in_words(truth)
    if said == SKIPPED:
        tell(f"It is {value}: {because}")
    elif in_words(said) == value:
        tell(f"You said {value}, and so it is: {because}")
    else:
        tell(f"You said {in_words(said)}. It is {value}: {because}")


def in_words(answer: float | str) -> str:
    """Return a number with three significant digits, or more before the point; or words, quoted.

    >>> in_words(0.94912), in_words(8192.0), in_words("it rises")
    ('0.949', '8,192', '"it rises"')
    """
    if isinstance(answer, str):
        return f'"{answer}"'
    return f"{answer:,.0f}" if abs(answer) >= 1000 else f"{answer:.3g}"


def quiz(lesson: str) -> None:
    """Ask the questions of a lesson's quiz, and say at once whether each answer was right and why.

    A skipped question stays open: its answer is not told.
    """
    if collected("quiz", lesson=lesson):
        return
    for id, question in quiz_of(lesson).items():
        _pose("QUIZ", question.words, question.choices)
        chosen = _ask_choice("your answer", question.choices)
        if chosen is None:
            print(f"  skipped (the answer: minitx hint {id})")
            continue
        remember(lesson, {id: chosen == question.answer})
        opening = "Yes:" if chosen == question.answer else "Not quite: it is"
        tell(f"{opening} {solution_of(question)}", "  ")


def quiz_of(lesson: str) -> dict[str, Question]:
    """Return the questions of a lesson's quiz by id, such as L08.q1."""
    return from_solutions(lesson, "QUIZ")


def question(id: str) -> Question:
    """Return the question of that id. Raises InputError for an unknown one."""
    lesson = lesson_of(id)
    known = quiz_of(lesson)
    if id not in known:
        raise InputError(f"{lesson} has no question {id!r}{suggest(id, known)}")
    return known[id]


def solution_of(question: Question) -> str:
    """Return the right choice with its reason."""
    letter = LETTERS[question.answer]
    return f"{letter}) {question.choices[question.answer]}. {question.why}"


def _pose(kind: str, question: str, choices: Sequence[str]) -> None:
    print()
    tell(f"{kind}: {question}")
    for letter, choice in zip(LETTERS, choices, strict=False):
        tell(f"{letter}) {choice}", "  ")


def _ask_choice(what: str, choices: Sequence[str]) -> int | None:
    """Return the index of the choice that the learner names, or None.

    A choice may be named by its words, by its letter, or by its number from 1.
    """
    letters = list(LETTERS[: len(choices)])
    for _ in range(TRIES):
        typed = ask(f"  {what} ({'/'.join(letters)}, Enter skips): ")
        if not typed:
            return None
        place = _choice_named(typed.lower().rstrip(")."), choices)
        if place is not None:
            return place
        print(f"  {typed[:40]!r} is not one of {', '.join(letters)}.")
    return None


def _choice_named(typed: str, choices: Sequence[str]) -> int | None:
    """Return the index of the choice that was typed, or None. The beginning of its words will do.

    >>> _choice_named("both", ["a or b", "both of them"]), _choice_named("1", ["2", "1", "3"])
    (1, 1)
    """
    words = [choice.lower() for choice in choices]
    numbers = [str(place + 1) for place in range(len(choices))]
    for names in (words, list(LETTERS[: len(choices)]), numbers):  # a choice's own words count most
        if typed in names:
            return names.index(typed)
    begun = [place for place, choice in enumerate(words) if choice.startswith(typed)]
    return begun[0] if len(begun) == 1 else None


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
