"""Claims, the rules that judge them, and the ledger of verdicts on this machine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minitx.classroom.answers import folder, keep
from minitx.classroom.learner import session, tell
from minitx.errors import InputError, suggest
from minitx.evidence.claims import known_claims

VERDICTS = ("supported", "qualified", "refuted")
UNTESTED = "untested"
FIELDS = {"verdict", "numbers", "seeds", "seeds_agree", "lesson", "run"}  # of a ledger's row


def verdict(supported: bool, refuted: bool) -> str:
    """Return the verdict of a rule that knows what supports its claim and what refutes it."""
    if refuted:
        return "refuted"
    return "supported" if supported else "qualified"


def claim(id: str, rule: Callable[..., str], *runs: Any, **numbers: Any) -> str:
    """Judge a claim by its rule, print the verdict, and put it into the ledger.

    Each number is one value, or an array with one value for each seed. The rule judges the means,
    and then each seed alone: if not all of them agree, the verdict is "qualified". The ledger keeps
    the verdict, the numbers with their lowest and highest seed, and how many seeds agree with the
    means. `runs` are families of the zoo, or names of other sources of the numbers. Raises
    InputError for an unknown claim, and for a rule that returns something else than a verdict.
    """
    known = known_claims()
    if id not in known:
        raise InputError(f"there is no claim {id!r}{suggest(id, known)}")
    values_by_name = {name: np.atleast_1d(np.asarray(n, float)) for name, n in numbers.items()}
    of_means = rule(**{name: float(values.mean()) for name, values in values_by_name.items()})
    if of_means not in VERDICTS:
        raise InputError(f"{id}: a verdict is one of {', '.join(VERDICTS)}, not {of_means!r}")
    seeds = max(map(len, values_by_name.values()), default=1)
    seeds_agree = 0
    for seed in range(seeds):
        of_seed = {name: float(v[seed % len(v)]) for name, v in values_by_name.items()}
        seeds_agree += rule(**of_seed) == of_means
    row = {
        "verdict": of_means if seeds_agree == seeds else "qualified",
        "numbers": {name: _summary(values) for name, values in values_by_name.items()},
        "seeds": seeds,
        "seeds_agree": seeds_agree,
        "lesson": settled_in(known[id]),
        "run": " ".join(getattr(run, "hash", str(run)) for run in runs) or "computed in the lesson",
    }
    ledger = read_ledger() | {id: row}
    if not keep(_ledger_path(), json.dumps(ledger, indent=1, allow_nan=False) + "\n"):
        session.unwritten.setdefault("ledger", {})[id] = row
    tell(f"{id}  {known[id]['claim']}")
    tell(f"{row['verdict'].upper()} here: {numbers_in_words(row)}", "    ")
    return row["verdict"]


def _summary(values: np.ndarray) -> dict[str, float | None]:
    """Return mean, lowest and highest value; None stands for one that is not finite."""
    numbers = {"mean": values.mean(), "low": values.min(), "high": values.max()}
    return {name: float(n) if np.isfinite(n) else None for name, n in numbers.items()}


def numbers_in_words(row: dict) -> str:
    """Return the numbers of a ledger's row with their lowest and highest seeds."""
    words = []
    for name, summary in row["numbers"].items():
        mean, low, high = ("?" if n is None else f"{n:.3g}" for n in summary.values())
        words.append(f"{name} {mean}" if low == high else f"{name} {mean} ({low} to {high})")
    text = ", ".join(words)
    if row["seeds"] > 1:
        text += f"; {row['seeds_agree']} of {row['seeds']} seeds agree"
    return text


def settled_in(row: dict) -> str:
    """Return the lesson that judges a claim; others in its row only use it."""
    return row["lesson"].split(",")[0]


def read_ledger() -> dict[str, dict]:
    """Return the verdicts so far, by claim. Raises InputError for a broken file."""
    path = _ledger_path()
    try:
        ledger = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        ledger = {}
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} ({error}): restore it, or delete it") from None
    if not isinstance(ledger, dict) or not all(map(_is_row, ledger.values())):
        raise InputError(f"{path} is not a ledger of minitx: restore it, or delete it")
    return ledger | session.unwritten.get("ledger", {})


def full_ledger() -> dict[str, dict]:
    """Return every claim with its verdict, and with its numbers if it was tested."""
    ledger = read_ledger()
    rows = {}
    for id, known in known_claims().items():
        rows[id] = {"verdict": UNTESTED} | known | ledger.get(id, {})
    return rows


def _ledger_path() -> Path:
    return folder() / "ledger.json"


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and row.keys() >= FIELDS
