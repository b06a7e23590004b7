"""The classroom: predict, check, hint, quiz, claim, and the ledger of what became of each claim.

A lesson's file calls these as it runs. What the learner answers is kept in a folder `answers`
(another by $MINITX_ANSWERS): L07.toml for a lesson, ledger.json for the verdicts. Nothing in it
ever leaves the machine. Where nobody is there to answer, or nothing can be written, a lesson runs
all the same.
"""

import contextlib
import inspect
import json
import os
import runpy
import shutil
import sys
import textwrap
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from minitx import files
from minitx.classroom.exercises import Exercise, complaint_about
from minitx.errors import InputError, suggest

PACKAGE = Path(__file__).parent.parent
# A wheel carries the lessons inside the package; a checkout has them beside the package.
LESSONS = next(p for p in (PACKAGE / "lessons", PACKAGE.parent / "lessons") if p.is_dir())
VERDICTS = ("supported", "qualified", "refuted")
TRIES = 3  # at one question, before it is taken as skipped


# --- what is kept ------------------------------------------------------------------------------


def folder() -> Path:
    """Where answers are kept: $MINITX_ANSWERS, or `answers` in the present folder."""
    return Path(os.environ.get("MINITX_ANSWERS") or "answers").expanduser()


def keep(path: Path, content: str | bytes) -> bool:
    """Write a file of the learner's, or say once that nothing can be kept; whether it was."""
    try:
        files.write(path, content)
        return True
    except InputError as error:
        if not room.warned:
            cure = "or set MINITX_ANSWERS to a folder of your own"
            print(f"nothing is kept: {error}; {cure}", file=sys.stderr)
            room.warned = True
        return False


@cache
def _unwritten() -> dict[str, dict]:
    """What could not be put on disk, so that it is known at least until the lesson ends."""
    return {}


def recall(lesson: str) -> dict[str, Any]:
    """All that the learner answered in a lesson, by name. Raises InputError for a broken file."""
    path = folder() / f"{lesson}.toml"
    try:
        kept = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        kept = {}
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): check permissions") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise InputError(f"{path} is no TOML ({error}): mend it, or delete it") from None
    return kept | _unwritten().get(lesson, {})


def remember(lesson: str, **answers: Any) -> None:
    """Keep answers of a lesson beside those that are there; values are what TOML can hold."""
    everything = recall(lesson) | answers
    # JSON's strings, numbers, booleans and lists of them are TOML's too.
    lines = [
        f"{json.dumps(name)} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in everything.items()
    ]
    if not keep(folder() / f"{lesson}.toml", "\n".join(lines) + "\n"):
        _unwritten().setdefault(lesson, {}).update(answers)


# --- asking ------------------------------------------------------------------------------------


@dataclass
class Room:
    """Who is in the classroom: the stepper sets this, a script finds it out."""

    ask: bool | None = None
    """Whether somebody can answer; None: if standard input is a terminal, or a notebook."""
    results: dict[str, bool] = field(default_factory=dict)
    """Of the exercises checked since the lesson was begun: whether they passed."""
    warned: bool = False
    """Whether it was said that nothing can be kept."""


room = Room()


def tell(text: str, indent: str = "") -> None:
    """Print words, none of them broken at the edge of a terminal."""
    width = max(40, min(92, shutil.get_terminal_size((92, 24)).columns))
    further = indent + "  "
    print(textwrap.fill(text, width, initial_indent=indent, subsequent_indent=further,
                        break_long_words=False, break_on_hyphens=False))  # fmt: skip


def _ask(prompt: str) -> str | None:
    """A line from the learner; None where nobody can answer."""
    notebook = "ipykernel" in sys.modules
    there = room.ask if room.ask is not None else notebook or (sys.stdin and sys.stdin.isatty())
    if not there:
        return None
    try:
        return input(prompt).strip()
    except EOFError:
        print()
        return None
    except Exception:
        if notebook:  # one that is run through by a machine has nobody to ask
            return None
        raise


def predict(
    id: str,
    question: str,
    choices: Sequence[str] = (),
    low: float = -np.inf,
    high: float = np.inf,
    unit: str = "",
) -> float | int | None:
    """Ask for a number from low to high, or for one of the choices, before anything is seen.

    Gives the number, the place of the choice (from 0), or None if it was skipped. What was once
    predicted stays: a lesson that is run again shows it and does not ask.
    """
    name = _lesson(id)
    print()
    tell(f"PREDICT {id}: {question}")
    for letter, choice in zip("abcdefgh", choices, strict=False):
        tell(f"{letter}) {choice}", "  ")
    known = recall(name).get(id, "")
    if known != "" and (not choices or known in choices):
        print(f"  you said: {known}{unit and ' ' + unit}")
        return choices.index(known) if choices else float(known)
    answer = _one_of("your choice", choices) if choices else _number(low, high, unit)
    remember(name, **{id: "" if answer is None else choices[answer] if choices else answer})
    if answer is None:
        print("  skipped")
    return answer


def _one_of(what: str, choices: Sequence[str]) -> int | None:
    letters = "abcdefgh"[: len(choices)]
    for _ in range(TRIES):
        answer = _ask(f"  {what} ({'/'.join(letters)}, Enter skips): ")
        if not answer:
            return None
        if answer.lower().rstrip(")") in list(letters):
            return letters.index(answer.lower()[0])
        print(f"  {answer[:40]!r} is none of {', '.join(letters)}.")
    return None


def _number(low: float, high: float, unit: str) -> float | None:
    for _ in range(TRIES):
        answer = _ask(f"  your number{unit and f' in {unit}'} (Enter skips): ")
        if not answer:
            return None
        with contextlib.suppress(ValueError):
            number = float(answer.replace(",", "."))
            if low <= number <= high:
                return number
        print(f"  {answer[:40]!r} is no number from {low:g} to {high:g}.")
    return None


def quiz(id: str, question: str, choices: Sequence[str], answer: int, why: str) -> None:
    """Ask, say at once whether it was right, and why; `answer` is the right choice's place."""
    print()
    tell(f"QUIZ {id}: {question}")
    for letter, choice in zip("abcdefgh", choices, strict=False):
        tell(f"{letter}) {choice}", "  ")
    chosen = _one_of("your answer", choices)
    if chosen is not None:
        remember(_lesson(id), **{id: chosen == answer})
    said = {None: "The answer is", answer: "Yes:"}.get(chosen, "Not quite: it is")
    tell(f"{said} {'abcdefgh'[answer]}) {choices[answer]}. {why}", "  ")


# --- exercises ---------------------------------------------------------------------------------


def exercise(id: str) -> Exercise:
    """The exercise of that id, such as L07.e1. Raises InputError for an unknown one."""
    name, known = _lesson(id), _exercises(_lesson(id))
    if id not in known:
        raise InputError(f"{name} has no exercise {id!r}{suggest(id, known)}")
    return known[id]


@cache
def _exercises(lesson: str) -> dict[str, Exercise]:
    found = runpy.run_path(str(LESSONS / "solutions" / f"{lesson.lower()}.py"))
    return found["EXERCISES"]


def check(id: str) -> Callable[[Callable], Callable]:
    """Put above the learner's function, it tries it at random and says what is wrong, if anything.

    Raises InputError for an unknown exercise.
    """
    wanted = exercise(id)

    def judge(function: Callable) -> Callable:
        complaint = complaint_about(wanted, function)
        room.results[id] = complaint is None
        if complaint is None:
            print(f"CHECK {id}: right.")
            remember(_lesson(id), **{id: True})
        else:
            tell(f"CHECK {id}: {complaint}")
            print(f"  (help: minitx hint {id})")
        return function

    return judge


def hint(id: str) -> str:
    """The next hint to an exercise: a nudge, the way, then the solution."""
    wanted, name = exercise(id), _lesson(id)
    level = min(int(recall(name).get(f"{id}.hints", 0)), 2)
    remember(name, **{f"{id}.hints": level + 1})
    if level < 2:
        return f"{id}, hint {level + 1} of 3: {wanted.hints[level]}"
    return f"{id}, solution:\n\n{inspect.getsource(wanted.solve)}"


# --- claims ------------------------------------------------------------------------------------


def verdict(supported: bool, refuted: bool) -> str:
    """What a claim's rule says, from what would support the claim and what would refute it."""
    return "refuted" if refuted else "supported" if supported else "qualified"


def claim(id: str, rule: Callable[..., str], *runs: Any, **numbers: Any) -> str:
    """Judge a claim by its rule and put it into the ledger, with numbers, band and run.

    Each number is one value, or an array with one for each seed. The rule judges the means and
    each seed alone; where they do not all agree, the claim is qualified. The band is the lowest to
    the highest seed, and `seeds_agree` how many say alone what the means say.
    `runs` are the zoo's families, or names of what else the numbers came from.
    """
    if id not in claims():
        raise InputError(f"there is no claim {id!r}{suggest(id, claims())}")
    values = {name: np.atleast_1d(np.asarray(n, float)) for name, n in numbers.items()}
    verdict = rule(**{name: float(v.mean()) for name, v in values.items()})
    if verdict not in VERDICTS:
        raise InputError(f"{id}: a verdict is one of {', '.join(VERDICTS)}, not {verdict!r}")
    seeds = max((len(v) for v in values.values()), default=1)
    alone = [
        rule(**{name: float(v[s % len(v)]) for name, v in values.items()}) for s in range(seeds)
    ]
    said = verdict if alone.count(verdict) == seeds else "qualified"
    run = " ".join(getattr(r, "hash", str(r)) for r in runs) or "made up for it"
    numbers = {
        name: {"mean": _plain(v.mean()), "low": _plain(v.min()), "high": _plain(v.max())}
        for name, v in values.items()
    }
    row = {
        "verdict": said,
        "numbers": numbers,
        "seeds": seeds,
        "seeds_agree": alone.count(verdict),
        "lesson": claims()[id]["lesson"].split(",")[0],
        "run": run,
    }
    ledger = read_ledger() | {id: row}
    if not keep(folder() / "ledger.json", json.dumps(ledger, indent=1, allow_nan=False) + "\n"):
        _unwritten().setdefault("ledger", {})[id] = row
    tell(f"{id}  {claims()[id]['claim']}")
    tell(f"{said.upper()} here: {figures(row)}", "    ")
    return said


def _plain(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def figures(row: dict) -> str:
    """The numbers of a ledger's row with their bands, in words."""
    words = []
    for name, n in row["numbers"].items():
        mean, low, high = (format(n[k], ".3g") if n[k] is not None else "?" for k in n)
        words.append(f"{name} {mean}" + (f" ({low} to {high})" if low != high else ""))
    agree = f"; {row['seeds_agree']} of {row['seeds']} seeds alike" if row["seeds"] > 1 else ""
    return ", ".join(words) + agree


@cache
def claims() -> dict[str, dict[str, str]]:
    """All claims by id, each with its lesson and its source, in the order of the articles."""
    return tomllib.loads((LESSONS / "claims.toml").read_text("utf-8"))


def read_ledger() -> dict[str, dict]:
    """The verdicts so far, by claim. Raises InputError for a broken file."""
    path = folder() / "ledger.json"
    try:
        ledger = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        ledger = {}
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} ({error}): restore it, or delete it") from None
    fields = {"verdict", "numbers", "seeds", "seeds_agree", "lesson", "run"}
    if not isinstance(ledger, dict) or not all(
        isinstance(row, dict) and fields <= row.keys() for row in ledger.values()
    ):
        raise InputError(f"{path} is no ledger of minitx: restore it, or delete it")
    return ledger | _unwritten().get("ledger", {})


def _lesson(id: str) -> str:
    """L07 of L07.e1. Raises InputError for what is no such id."""
    name = id.partition(".")[0].upper()
    if not (LESSONS / "solutions" / f"{name.lower()}.py").is_file():
        known = sorted(p.stem.upper() for p in (LESSONS / "solutions").glob("l[0-9][0-9].py"))
        raise InputError(f"there is no lesson {name!r}{suggest(name, known)}")
    return name
