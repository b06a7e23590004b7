"""The end of a lesson's argument: its claims, judged on this machine's models and on a real one."""

from minitx.classroom.learner import collected, tell
from minitx.errors import InputError, suggest
from minitx.evidence.claims import claims_in_words
from minitx.runs.run import Run

REAL_MODEL = "smollm2"
MEANINGS = {
    "qualified": "a part of the claim holds here, or it holds under a condition",
    "by algebra": "it is true for all weights, and could not come out otherwise",
    "undecided": "other seeds, or other samples of the text, would give another verdict",
    "untested": "it cannot be asked of this model",
}  # supported and refuted say it themselves


def judge(*ids: str) -> None:
    """Judge claims on the zoo, over its seeds; print each verdict with its numbers and its rule.

    The verdicts are kept in the cache folder, where `minitx ledger` finds them. Raises InputError
    for an unknown claim.
    """
    from minitx.evidence import zoo_judging

    check(ids)
    verdicts = []
    for id, row in zoo_judging.judge(ids):
        show(id, row, on=models_of(id))
        verdicts.append(row["verdict"])
    print()
    for verdict, meaning in MEANINGS.items():
        if verdict in verdicts:
            tell(f"{verdict.upper()}: {meaning}.")


def judge_real_model(*ids: str) -> None:
    """Do the same on a real model, if it can be read."""
    from minitx.evidence import judging, reading

    check(ids)
    run = real_model()
    if run is None:
        return
    for id, row in judging.judge_run(run, reading.read(run), ids):
        show(id, row, with_rule=False)


def real_model() -> Run | None:
    """Return a real model, and print which; None if it cannot be read: then say how to get it."""
    from minitx.pretrained import loader

    try:
        run = loader.load(REAL_MODEL)
    except InputError as error:  # it was not pulled, or the package that reads it is missing
        tell(f"(skipped: {error})")
        return None
    tell(f"{run.name}, {run.config.depth} blocks, width {run.config.width}:")
    return run


def show_ledger() -> None:
    """Print the claims that were judged on the zoo, by verdict, and how many are still open."""
    from minitx.evidence import zoo_judging
    from minitx.evidence.evidence import VERDICTS

    if collected("ledger"):
        return
    words = claims_in_words()
    rows = zoo_judging.kept().claims
    for verdict in VERDICTS:
        ids = [id for id in words if id in rows and rows[id]["verdict"] == verdict]
        if ids:
            print(f"\n{verdict.upper()}, {len(ids)}:")
        for id in ids:
            tell(f"{words[id]} ({id})", "    ")
    open_ids = [id for id in words if id not in rows]
    if open_ids:
        print()
        tell(f"Not judged yet: {len(open_ids)} of {len(words)} (`minitx judge zoo` judges all).")
    tell("`minitx ledger` has real models beside these, and `minitx ledger A9` all numbers of A9.")


def check(ids: tuple[str, ...]) -> None:
    """Raise InputError for an unknown claim."""
    words = claims_in_words()
    for id in ids:
        if id not in words:
            raise InputError(f"there is no claim {id!r}{suggest(id, words)}")


def models_of(id: str) -> str:
    """Return on which models of the zoo a claim is judged: "models: fables", or nothing."""
    from minitx.evidence.evidence import EVIDENCE

    claim = EVIDENCE[id]
    species = {"families": claim.species, "mathematics": ()}.get(claim.of, claim.species[:1])
    return f"models: {', '.join(species)}" if species else ""


def show(id: str, row: dict, with_rule: bool = True, words: str = "", on: str = "") -> None:
    """Print a verdict as a sentence, and the rule that it follows from.

    `words` are the claim, if it is not one of the articles'; `on` says what it was judged on.
    """
    from minitx.evidence import summary

    if collected("verdict", id=id, row=row, words=words, on=on):
        return
    print()
    where = f"{id}; {on}" if on else id
    tell(f"{row['verdict'].upper()}  {words or claims_in_words()[id]} ({where})")
    tell(summary.in_words(row), "    ")
    if with_rule and "rule" in row:
        tell("Rule:", "    ")
        for sentence in summary.sentences(row["rule"]):
            tell(sentence, "      ")
