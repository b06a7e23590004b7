"""From the learner's file to evidence that can be judged: every mistake is named, with its line.

A file is checked in two steps. `evidence_of` runs it and tries the rule on the planted cases. The
measurement that it returns checks its own numbers each time that it is called.
"""

import dataclasses
import functools
import inspect
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from minitx.classroom.own_claims import OwnClaim
from minitx.errors import InputError
from minitx.evidence.evidence import RULINGS, Evidence, Untestable

NEEDED = ("supported", "refuted")  # verdicts that have to be planted
PARTS = {"measure": "a function", "rule": "a function", "baseline": "words", "sentence": "words"}
LONGEST = 200  # characters of a message that is not ours


def evidence_of(own: OwnClaim) -> Evidence:
    """Return what a file says, ready to be judged.

    Its id is the name of this version of the file. Raises InputError for each mistake.
    """
    namespace = _run(own)
    claim = _claim_in(own, namespace)
    planted = _planted_in(own, namespace)
    names = sorted(planted[NEEDED[0]][0])
    claim = dataclasses.replace(
        claim,
        id=own.key,
        rule=_checked_rule(own, claim.rule),
        measure=_checked_measurement(own, claim.measure, names),
    )
    for ruling, cases in planted.items():
        for numbers in cases:
            _try_case(own, claim, ruling, numbers, names)
    return claim


def _run(own: OwnClaim) -> dict[str, Any]:
    """Run the learner's own file, and return what it defines."""
    with _broken(own, "the file"):
        return _execute(own)


def _execute(own: OwnClaim) -> dict[str, Any]:
    """Run the learner's own file, as `import` would; nothing else."""
    namespace = {"__name__": own.path.stem, "__file__": str(own.path)}
    exec(compile(own.text, str(own.path), "exec"), namespace)
    return namespace


class _broken:
    """Turns whatever the learner's code raises into an InputError that names the line.

    Its warnings, as of a division by zero, are left out: what comes of them is checked.
    """

    def __init__(self, own: OwnClaim, part: str):
        self.own = own
        self.part = part
        self.quiet = warnings.catch_warnings()

    def __enter__(self):
        self.quiet.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, kind, error, trace):
        self.quiet.__exit__(kind, error, trace)
        if error is None or isinstance(error, (Untestable, InputError)):
            return
        if not isinstance(error, (Exception, SystemExit)):
            return  # such as Ctrl-C
        frames = traceback.extract_tb(trace)
        lines = [frame.lineno for frame in frames if frame.filename == str(self.own.path)]
        where = self.own.at(lines[-1] if lines else None)
        message = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
        raise InputError(f"{where}: {self.part} breaks with {message}") from None


def _claim_in(own: OwnClaim, namespace: dict[str, Any]) -> Evidence:
    """Return the only Evidence in a file. Raises InputError if something of it is missing."""
    found = [value for value in namespace.values() if isinstance(value, Evidence)]
    if len(found) != 1:
        count = "no Evidence" if not found else f"{len(found)} Evidences"
        raise InputError(f"{own.path} defines {count}: end it with one, claim = Evidence(...)")
    (claim,) = found
    where = own.at(own.line_with("Evidence(", after="claim"))
    if claim.id != own.id:
        raise InputError(
            f"{where}: its id is {claim.id!r}, but the file's name says {own.id}: write "
            f'id="{own.id}"'
        )
    for part, kind in PARTS.items():
        value = getattr(claim, part)
        is_right = callable(value) if kind == "a function" else _is_words(value)
        if not is_right:
            raise InputError(f"{where}: {part}={_brief(value)} is not {kind}")
    if not claim.needs_one_model:
        raise InputError(
            f"{where}: of={_brief(claim.of)}, but a claim of your own is about one model: write "
            'of="windows", or of="model" for one about weights alone'
        )
    if not isinstance(claim.species, tuple) or not claim.species:
        raise InputError(f'{where}: species={_brief(claim.species)}: write it as ("fables",)')
    if not _is_words(claim.rule.__doc__):
        line = own.at(_line_of(own, claim.rule))
        raise InputError(f"{line}: the rule has no words: say it in its docstring, with reasons")
    return claim


def _planted_in(own: OwnClaim, namespace: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """Return the planted cases by verdict. Raises InputError for what is not such a case."""
    planted = namespace.get("PLANTED")
    where = own.at(own.line_with("PLANTED"))
    if not isinstance(planted, dict):
        raise InputError(
            f"{where}: PLANTED has to be planted cases by verdict, such as "
            '{"supported": [{"size": 2.0}], "refuted": [{"size": 1.0}]}'
        )
    for ruling, cases in planted.items():
        line = _case_at(own, ruling)
        if ruling not in RULINGS:
            raise InputError(
                f"{line}: PLANTED has {_brief(ruling)}, which is not a verdict of a rule: choose "
                f"from {', '.join(RULINGS)}"
            )
        if not isinstance(cases, list) or not cases:
            raise InputError(f"{line}: {ruling} has no planted cases: write a list of them")
        for numbers in cases:
            complaint = _complaint_about_numbers(numbers)
            if complaint:
                raise InputError(f"{line}: a planted case of {ruling} is {complaint}")
    for ruling in NEEDED:
        if ruling not in planted:
            raise InputError(
                f"{where}: no case is planted for {ruling}: a rule that cannot say it tests nothing"
            )
    return planted


def _try_case(
    own: OwnClaim, claim: Evidence, ruling: str, numbers: dict[str, float], names: list[str]
) -> None:
    """Raise InputError if the rule does not give its verdict to a planted case."""
    where = _case_at(own, ruling)
    shown = ", ".join(f"{name}={value:g}" for name, value in numbers.items())
    if sorted(numbers) != names:
        raise InputError(
            f"{where}: the planted case {shown} has other names than the first one, which has "
            f"{', '.join(names)}"
        )
    try:
        inspect.signature(claim.rule).bind(**numbers)
    except TypeError as error:
        takes = ", ".join(inspect.signature(claim.rule).parameters) or "nothing"
        raise InputError(
            f"{own.at(_line_of(own, claim.rule))}: the rule takes {takes}, but the planted cases "
            f"have {', '.join(names)} ({error}): use the same names"
        ) from None
    given = claim.rule(**numbers)
    if given != ruling:
        raise InputError(
            f"{where}: the rule says {given} of the case {shown}, which is planted for {ruling}: "
            "one of the two is wrong"
        )
    try:
        claim.in_words(numbers)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise InputError(
            f"{own.at(own.line_with('sentence'))}: the sentence cannot be filled with the numbers "
            f"{', '.join(names)} ({type(error).__name__}: {error})"
        ) from None


def _checked_rule(own: OwnClaim, rule: Callable) -> Callable[..., str]:
    """Return the rule, so that a mistake in it is named when it is called."""

    @functools.wraps(rule)
    def checked(**numbers: float) -> str:
        with _broken(own, "the rule"):
            given = rule(**numbers)
        if not isinstance(given, str) or given not in RULINGS:
            raise InputError(
                f"{own.at(_line_of(own, rule))}: the rule returns {_brief(given)}: it has to "
                f"return one of {', '.join(RULINGS)}"
            )
        return given

    return checked


def _checked_measurement(own: OwnClaim, measure: Callable, names: list[str]) -> Callable[..., dict]:
    """Return the measurement, so that a mistake in it is named when it is called.

    It has to return finite numbers with the names that the planted cases have.
    """

    @functools.wraps(measure)
    def checked(*arguments: Any) -> dict[str, float]:
        with _broken(own, "the measurement"):
            numbers = measure(*arguments)
        where = own.at(_line_of(own, measure))
        window = f"in window {arguments[1]} " if len(arguments) > 1 else ""
        complaint = _complaint_about_numbers(numbers)
        if complaint:
            raise InputError(
                f"{where}: {window}the measurement returns {complaint}; where the claim cannot be "
                'asked of a model, raise Untestable("why")'
            )
        if sorted(numbers) != names:
            raise InputError(
                f"{where}: the measurement returns {', '.join(sorted(numbers))}, but the rule and "
                f"its planted cases have {', '.join(names)}: use the same names"
            )
        return {name: float(value) for name, value in numbers.items()}

    return checked


def _complaint_about_numbers(numbers: Any) -> str | None:
    """Return what is wrong with what should be finite numbers by name, or None."""
    if not isinstance(numbers, dict):
        return f'{_brief(numbers)}, not numbers by name, such as {{"size": 2.0}}'
    if not numbers:
        return "an empty dict: it needs at least one number"
    for name, value in numbers.items():
        if not isinstance(name, str):
            return f"a number by the name {_brief(name)}: a name has to be a string"
        array = np.asarray(value) if np.isscalar(value) or hasattr(value, "shape") else None
        if array is None or array.shape or array.dtype.kind not in "biuf":
            return f"{_brief(value)} for {name}: it has to be one number"
        if not np.isfinite(array):
            return f"{value} for {name}, which is not a finite number"
    return None


def _is_words(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _line_of(own: OwnClaim, function: Callable) -> int | None:
    """Return the line where a function of the file begins."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code.co_firstlineno if code and code.co_filename == str(own.path) else None


def _case_at(own: OwnClaim, ruling: Any) -> str:
    """Return where the cases of a verdict are planted."""
    return own.at(own.line_with(str(ruling), after="PLANTED") or own.line_with("PLANTED"))


def _brief(value: Any) -> str:
    words = " ".join(repr(value).split())
    return words if len(words) <= 40 else f"{words[:37]}..."
