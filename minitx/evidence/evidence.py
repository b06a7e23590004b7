"""What evidence for a claim consists of, and the list of all claims.

A rule is written before its result. It gets numbers by name and returns one of `RULINGS`. Its
docstring says it in words: first what is compared and the reason for each threshold, then a
sentence for each verdict, such as "Supported if ..." and "Refuted if ...". Qualified is what
remains, so it has a sentence only where that needs a reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

RULINGS = ("supported", "qualified", "refuted", "by algebra")
# What judging adds to them: the windows or the texts do not agree; the claim was not judged.
VERDICTS = (*RULINGS, "undecided", "untested")


class Untestable(Exception):
    """A claim that cannot be asked of this model; the message says why, in words."""


@dataclass(frozen=True)
class Evidence:
    """How one claim is judged."""

    id: str
    measure: Callable[..., dict[str, float]]
    """Returns numbers by name. Its arguments depend on `of`. Raises Untestable."""
    rule: Callable[..., str]
    baseline: str
    """What would be measured if there were nothing to find, in words."""
    sentence: str
    """What was measured, for a layman; {name} stands for a number."""
    of: Literal["windows", "model", "families", "mathematics"] = "windows"
    """What the claim is about, and so what is measured:
    windows: a model that reads; called with a `Reading` and a window's number;
    model: a model's weights or tokenizer alone, so that no interval is involved; called with a
        `Reading`;
    families: several trained models; called with a seed's number and the families of `species`;
    mathematics: no model at all; called without arguments."""
    species: tuple[str, ...] = ("fables",)
    """The species of the zoo to judge the claim on. A claim that one model can settle is judged on
    the models of the first."""

    @property
    def needs_one_model(self) -> bool:
        return self.of in ("windows", "model")

    @property
    def rule_in_words(self) -> str:
        """The rule's docstring as one line; `summary.sentences` takes it apart."""
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
