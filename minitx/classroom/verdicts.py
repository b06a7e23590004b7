"""The end of a lesson's argument: its claims, judged on this machine's models and on a real one."""

from minitx.classroom.learner import collected, tell
from minitx.errors import InputError, suggest
from minitx.evidence.claims import claims_in_words
from minitx.runs.run import Run

REAL_MODEL = "smollm2"


def judge(*ids: str) -> None:
    """Judge claims on the zoo, over its seeds; print each verdict with its numbers and its rule.

    The verdicts are kept in the cache folder, where `minitx ledger` finds them. Raises InputError
    for an unknown claim.
    """
    from minitx.evidence import zoo_judging

    check(ids)
    for id, row in zoo_judging.judge(ids):
        show(id, row)


def judge_real_model(*ids: str) -> None:
    """Do the same on a real model, if one was pulled; otherwise say how to get it."""
    from minitx.evidence import judging, reading

    check(ids)
    run = real_model()
    if run is None:
        return
    for id, row in judging.judge_run(run, reading.read(run), ids):
        show(id, row, with_rule=False)


def real_model() -> Run | None:
    """Return a real model, and print which; None if none was pulled: then say how to get it."""
    from minitx.pretrained import loader

    try:
        run = loader.load(REAL_MODEL)
    except InputError:
        tell(
            f"(skipped: the same on a real model; `minitx pull {REAL_MODEL}` downloads one, 100 MB)"
        )
        return None
    tell(f"{run.name}, {run.config.depth} blocks, width {run.config.width}:")
    return run


def check(ids: tuple[str, ...]) -> None:
    """Raise InputError for an unknown claim."""
    words = claims_in_words()
    for id in ids:
        if id not in words:
            raise InputError(f"there is no claim {id!r}{suggest(id, words)}")


def show(id: str, row: dict, with_rule: bool = True) -> None:
    """Print a verdict as a sentence, and the rule that it follows from."""
    from minitx.evidence import summary

    if collected("verdict", id=id, row=row, with_rule=with_rule):
        return
    print()
    tell(f"{row['verdict'].upper()}  {claims_in_words()[id]} ({id})")
    tell(summary.in_words(row), "    ")
    if with_rule and "rule" in row:
        tell(f"Rule: {row['rule']}", "    ")
