"""What a page says of the claims that a grid was judged by: the verdicts, and what changes them."""

from minitx.ablation.dependence import (
    Changes,
    changes,
    claims_of,
    crossings,
    states_of,
    strongest,
    total,
)
from minitx.ablation.headlines import HEADLINES
from minitx.ablation.wording import bullets, fill
from minitx.evidence.claims import known_claims
from minitx.evidence.evidence import VERDICTS
from minitx.tables import markdown


def section(table) -> list[str]:
    """Return what a page says of the claims, in paragraphs; nothing if none were judged."""
    ids = claims_of(table)
    if not ids:
        return []
    states = states_of(table)
    trained = [state for state in states if state.step]
    learned = [state for state in trained if state.learned]
    steps = ", ".join(str(step) for step in sorted({state.step for state in trained}))
    found = changes(table)
    intro = (
        f"Judged after {steps} steps: {len(trained)} states (a cell after so many steps), and "
        f"every seed has learned in {len(learned)} of them. Only these count here. A verdict "
        'is "undecided" if seeds disagree, or if another sample of windows could change it.'
    )
    counted = [["claim", *VERDICTS]]
    for id in ids:
        verdicts = [state.verdicts[id] for state in learned]
        counted.append([id, *(str(verdicts.count(verdict)) for verdict in VERDICTS)])
    used = [k for k in range(len(counted[0])) if any(row[k] != "0" for row in counted[1:])]
    counted = [[row[k] for k in used] for row in counted]
    between = (
        "In how many pairs of neighbours the verdict changes. Neighbours differ in one factor "
        "only, by one value; both have learned and are decided."
    )
    return [
        "## What the articles claim, in every cell",
        fill(intro),
        markdown(counted),
        fill(between),
        markdown(rows_of("claim", found)),
        bullets(in_words(id, by_factor) for id, by_factor in found.items()),
        *crossings_in_words(table),
    ]


def rows_of(kind: str, found: dict[str, dict[str, Changes]]) -> list[list[str]]:
    """Return the changes as the rows of a table, the heading first."""
    rows = [[kind, *next(iter(found.values()))]]
    for name, by_factor in found.items():
        rows.append([name, *map(str, by_factor.values())])
    if len(found) > 1:
        rows.append(["all", *map(str, total(found).values())])
    return rows


def crossings_in_words(table) -> list[str]:
    """Return the paragraphs on the numbers behind the verdicts; nothing if there are none."""
    found = crossings(table)
    if not found:
        return []
    named = {}
    for name, by_factor in found.items():
        named[f"{HEADLINES[name].claim}: {name} > {HEADLINES[name].threshold:g}"] = by_factor
    intro = (
        "A verdict can stay the same while the numbers that it needs move apart. In how many pairs "
        "of neighbours that learned a number crosses its threshold, in all seeds:"
    )
    by_factor = total(found)
    names = strongest(by_factor)
    most = " and ".join(f"{name} ({by_factor[name]} pairs)" for name in names)
    end = f"Over all numbers, thresholds are crossed most often with {most}."
    if not names:
        end = "No pair of neighbours lies on both sides of a threshold."
    return [fill(intro), markdown(rows_of("number", named)), end]


def in_words(id: str, by_factor: dict[str, Changes]) -> str:
    """Return a sentence: on which factor the verdict on a claim depends most."""
    claim = known_claims()[id]["claim"]
    head = f'{id} ("{claim.rstrip(".")}")'
    names = strongest(by_factor)
    if not names:
        pairs = sum(change.pairs for change in by_factor.values())
        return f"{head}: the verdict is the same in all {pairs} pairs of decided neighbours."
    most = " and ".join(f"{name} ({by_factor[name]} pairs)" for name in names)
    never = [name for name, change in by_factor.items() if change.pairs and not change.changed]
    rest = f" It never changes with {' or '.join(never)} alone." if never else ""
    return f"{head}: the verdict changes most often with {most}.{rest}"
