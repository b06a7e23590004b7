"""What evidence for a claim consists of, and the list of all claims that one model can settle.

A rule is written before its result. Its docstring says it in words, with the reason for each
threshold. It gets numbers by name and returns one of `RULINGS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RULINGS = ("supported", "qualified", "refuted", "by algebra")
# What judging adds to them: the windows or the texts do not agree; the claim was not judged.
VERDICTS = (*RULINGS, "undecided", "untested")


class Untestable(Exception):
    """A claim that cannot be asked of this model; the message says why, in words."""


@dataclass(frozen=True)
class Evidence:
    """How one claim is judged on one model."""

    id: str
    measure: Callable[..., dict[str, float]]
    """From a `Reading` and a window's number to numbers by name; from the `Reading` alone if the
    numbers are those of the weights. Raises Untestable."""
    rule: Callable[..., str]
    baseline: str
    """What would be measured if there were nothing to find, in words."""
    sentence: str
    """What was measured, for a layman; {name} stands for a number."""
    is_of_weights: bool = False
    """Whether the weights alone decide, so that no text and no interval is involved."""

    @property
    def rule_in_words(self) -> str:
        return " ".join((self.rule.__doc__ or "").split())

    def in_words(self, numbers: dict[str, float]) -> str:
        """Return the sentence with these numbers."""
        return self.sentence.format(**numbers)


EVIDENCE: dict[str, Evidence] = {}


def evidence(id: str, **parts: Any) -> Callable:
    """Put a measurement with its rule, baseline and sentence into `EVIDENCE`, as a decorator."""

    def register(measure: Callable) -> Callable:
        EVIDENCE[id] = Evidence(id, measure, **parts)
        return measure

    return register


def three_way(supported: bool, refuted: bool) -> str:
    """Return the ruling of a rule that knows what supports its claim and what refutes it."""
    if refuted:
        return "refuted"
    return "supported" if supported else "qualified"
