"""Claims of the learner's own, tried on an untrained model and judged on trained ones.

They are judged by the same machinery as the claims of the articles, and their verdicts lie in the
same files. A verdict that training cannot change says so.
"""

from collections.abc import Callable, Iterator
from typing import Any

from minitx.classroom.own_claims import OwnClaim
from minitx.classroom.own_evidence import evidence_of
from minitx.errors import InputError
from minitx.evidence import judging, summary, zoo_judging
from minitx.evidence.evidence import Evidence, Untestable
from minitx.evidence.reading import Reading, read_held_out
from minitx.evidence.verdicts import Judged
from minitx.report import untrained_twin
from minitx.runs.run import Run

SAYS_NOTHING = (
    "untrained models give the same numbers, within the intervals: this says nothing about training"
)
Row = dict[str, Any]


def check(own: OwnClaim) -> Iterator[str]:
    """Yield, step by step, what holds of a claim; nothing is judged.

    The numbers of the trained models are not told: whoever knows them can no longer write the rule
    before them. Raises InputError for the first mistake.
    """
    claim = finished(own)
    yield f"{own.id}: {own.words}"
    yield "The rule gives each planted case its verdict."
    yield from try_on_untrained(claim)
    yield f"{own.id} is ready: minitx claim judge {own.id}"


def finished(own: OwnClaim) -> Evidence:
    """Return what a file says, its rule tried. Raises InputError while lines are to be filled in.

    Mistakes come first: what is filled in should be right.
    """
    claim = evidence_of(own)
    if own.unfinished:
        lines = ", ".join(map(str, own.unfinished))
        raise InputError(
            f"{own.path} is not finished: it runs, but these lines are still to be filled in: "
            f"{lines}; replace what they say and take their mark FILL IN away"
        )
    return claim


def try_on_untrained(claim: Evidence) -> Iterator[str]:
    """Yield what a claim's measurement gives on untrained models, and if trained ones differ.

    The models are those of the family that the claim is judged on. Raises InputError for a
    measurement that gives other numbers when it is repeated.
    """
    row = untrained_row(claim)
    if "numbers" not in row:
        yield row["sentence"]
        return
    numbers = []
    for name, number in row["numbers"].items():
        numbers.append(f"{name.replace('_', ' ')} {summary.interval(number)}")
    yield (
        f"On untrained models of {claim.species[0]}, with 95 % intervals: {', '.join(numbers)}. "
        f"The verdict on them: {row['verdict']}."
    )
    repeated = untrained_row(claim)
    if repeated["numbers"] != row["numbers"]:
        raise InputError(
            f"{claim.id.split()[0]}: measured twice, it gives two results: draw random numbers "
            "from reading.random(window), which are the same each time"
        )
    trained = zoo_judging.judge_claim(claim)
    if "numbers" not in trained:
        yield trained["sentence"]
    elif judging.apart(trained["numbers"], row["numbers"]):
        yield "Trained models give other numbers than these, by more than the intervals."
    else:
        yield f"But beware: {SAYS_NOTHING}."


def judge_on_zoo(own: OwnClaim, claim: Evidence) -> Row:
    """Judge a claim on the zoo, over its seeds, and keep the verdict."""
    return _judge(own, claim, zoo_judging.kept(), zoo_judging.judge_claim, untrained_row)


def judge_on_model(own: OwnClaim, claim: Evidence, run: Run, seen: Reading) -> Row:
    """Judge a claim on one model that has read some windows, and keep the verdict."""

    def judge(claim: Evidence) -> Row:
        return judging.judge_claim(claim, seen)

    def judge_untrained(claim: Evidence) -> Row:
        twin = untrained_twin(run.model, 0)
        return judging.judge_claim(
            claim, Reading(twin, seen.tokens_WT, seen.text_W, seen.tokenizer)
        )

    return _judge(own, claim, judging.kept(run, seen), judge, judge_untrained)


def untrained_row(claim: Evidence) -> Row:
    """Return the verdict on the untrained models of the family that a claim is judged on."""
    family = zoo_judging.family(claim.species[0])
    readings = [read_held_out(model, family) for model in family.untrained]
    try:
        return zoo_judging.judge_seeds(claim, zoo_judging.measure_readings(claim, readings))
    except Untestable as why:
        return judging.untested(f"It cannot be asked of the untrained models: {why}.")


def _judge(
    own: OwnClaim,
    claim: Evidence,
    judged: Judged,
    judge_claim: Callable[[Evidence], Row],
    judge_untrained: Callable[[Evidence], Row],
) -> Row:
    """Judge a claim, say what limits the verdict, and keep it with the others on the model."""

    def judge(claim: Evidence) -> Row:
        row = judge_claim(claim) | {"claim": own.words}
        remarks = [row["why"]] if "why" in row else []
        untrained = judge_untrained(claim) if "numbers" in row else {}
        if "numbers" in untrained and not judging.apart(row["numbers"], untrained["numbers"]):
            remarks.append(SAYS_NOTHING)
        if judged_before(own, judged):
            remarks.append(
                "another version of this file was judged before: its author has seen numbers"
            )
        return row | ({"why": "; ".join(remarks)} if remarks else {})

    ((_, row),) = judged.judge([claim], judge)
    return row


def judged_before(own: OwnClaim, judged: Judged) -> bool:
    """Return whether a model has a verdict on another version of this claim."""
    return any(
        key != own.key and row.get("claim") == own.words for key, row in judged.claims.items()
    )
