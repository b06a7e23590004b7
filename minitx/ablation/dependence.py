"""On what a claim's verdict depends: the verdicts on every cell at every judged moment, compared.

A state of the panel is one cell after so many steps. Its verdict is the one that all seeds have; if
seeds disagree it is "undecided". Two states are neighbours if they differ in one factor only (a
switch of the grid, or the steps) and by one value of it. The verdict changes between neighbours if
both are decided, and differently. Only states that learned are compared.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from minitx.ablation.judged import KEY
from minitx.ablation.page import bullets, fill
from minitx.ablation.settings import identity, levels, name_of
from minitx.evidence.claims import known_claims
from minitx.evidence.evidence import RULINGS, VERDICTS
from minitx.tables import markdown

STEPS = "steps trained"  # the factor that is no switch: how long a model has been trained


class State(NamedTuple):
    """One cell after so many steps, and what was found there."""

    m: int
    step: int
    loss: float  # mean over seeds; not a number where training failed before
    learned: bool  # in every seed
    verdicts: dict[str, str]  # over all seeds, by claim
    seeds: dict[int, dict[str, Any]]  # what `judged` kept: by seed, then by claim

    @property
    def decided(self) -> list[str]:
        """The claims that are decided here, in a model that learned."""
        if not self.learned:
            return []
        return [id for id, verdict in self.verdicts.items() if verdict in RULINGS]


class Changes(NamedTuple):
    """In how many pairs of neighbours the verdict changes."""

    changed: int
    pairs: int

    @property
    def share(self) -> float:
        return self.changed / self.pairs if self.pairs else 0.0

    def __str__(self) -> str:
        return f"{self.changed} of {self.pairs}"


def claims_of(table) -> list[str]:
    """Return the claims that every cell was judged by."""
    states = states_of(table)
    judged = {state.m for state in states}
    if len(judged) < len(table.records):
        return []
    return [id for id in states[0].verdicts if all(id in state.verdicts for state in states)]


def states_of(table) -> list[State]:
    """Return every cell at each of its judged moments."""
    states = []
    for m in range(len(table.records)):
        entries = table.entries(m)
        by_seed = {entry["seed"]: judged_moments(entry) for entry in entries}
        for step in sorted(set().union(*by_seed.values())):
            moments = {seed: found[step] for seed, found in by_seed.items() if step in found}
            losses = [moment.get(table.yardstick) for moment in moments.values()]
            is_whole = len(moments) == len(entries) and None not in losses
            learned = is_whole and table.learning_limit is not None
            states.append(
                State(
                    m=m,
                    step=step,
                    loss=float(np.mean(losses)) if is_whole else float("nan"),
                    learned=learned and max(losses) < table.learning_limit,
                    verdicts=common_verdicts([moment[KEY] for moment in moments.values()]),
                    seeds={seed: moment[KEY] for seed, moment in moments.items()},
                )
            )
    return states


def judged_moments(entry) -> dict[int, dict[str, Any]]:
    """Return the moments of a seed's history that were judged, by their step."""
    return {moment["step"]: moment for moment in entry["history"] if KEY in moment}


def common_verdicts(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return for each claim the verdict of all seeds, or "undecided" if they disagree.

    >>> yes, no = {"verdict": "supported"}, {"verdict": "refuted"}
    >>> common_verdicts([{"A8": yes, "A9": yes}, {"A8": yes, "A9": no}])
    {'A8': 'supported', 'A9': 'undecided'}
    """
    verdicts = {}
    for id in rows[0]:
        found = {row[id]["verdict"] for row in rows}
        verdicts[id] = found.pop() if len(found) == 1 else "undecided"
    return verdicts


# --- neighbours ----------------------------------------------------------------------------------


def neighbours(table, states: list[State]) -> dict[str, list[tuple[State, State]]]:
    """Return for each factor the pairs of states that differ in it alone, by one value."""
    factors = [*levels(table.cells), STEPS]
    coordinates = {}
    for state in states:
        settings = [identity(value) for value in table.cells[state.m].values()]
        coordinates[(*settings, state.step)] = state
    pairs: dict[str, list[tuple[State, State]]] = {}
    for axis, factor in enumerate(factors):
        values = list(dict.fromkeys(place[axis] for place in coordinates))
        if factor == STEPS:
            values.sort()
        after = dict(itertools.pairwise(values))
        pairs[factor] = []
        for place, state in coordinates.items():
            other = (*place[:axis], after.get(place[axis]), *place[axis + 1 :])
            if other in coordinates:
                pairs[factor].append((state, coordinates[other]))
    return pairs


def changes(table) -> dict[str, dict[str, Changes]]:
    """Return for each claim and each factor in how many pairs of neighbours the verdict changes."""
    pairs = neighbours(table, states_of(table))
    found: dict[str, dict[str, Changes]] = {}
    for id in claims_of(table):
        found[id] = {}
        for factor, both in pairs.items():
            decided = [(a, b) for a, b in both if id in a.decided and id in b.decided]
            changed = sum(a.verdicts[id] != b.verdicts[id] for a, b in decided)
            found[id][factor] = Changes(changed, len(decided))
    return found


def strongest(by_factor: dict[str, Changes]) -> list[str]:
    """Return the factors that change a verdict in the largest share of pairs; none if none do."""
    largest = max(change.share for change in by_factor.values())
    return [name for name, change in by_factor.items() if change.share == largest > 0]


def to_json(table) -> dict[str, Any]:
    """Return the verdict on each claim in each state, and the changes, for programs."""
    verdicts = []
    for state in states_of(table):
        verdicts.append({
            "cell": name_of(table.cells[state.m]),
            "steps": state.step,
            "learned": state.learned,
            "verdicts": state.verdicts,
        })  # fmt: skip
    counted = {}
    for id, by_factor in changes(table).items():
        counted[id] = {name: change._asdict() for name, change in by_factor.items()}
    return {"verdicts": verdicts, "changes": counted}


# --- in words ------------------------------------------------------------------------------------


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
    compared = [["claim", *next(iter(found.values()))]]
    for id, by_factor in found.items():
        compared.append([id, *map(str, by_factor.values())])
    between = (
        "In how many pairs of neighbours the verdict changes. Neighbours differ in one factor "
        "only, by one value; both have learned and are decided."
    )
    return [
        "## What the articles claim, in every cell",
        fill(intro),
        markdown(counted),
        fill(between),
        markdown(compared),
        bullets(in_words(id, by_factor) for id, by_factor in found.items()),
    ]


def in_words(id: str, by_factor: dict[str, Changes]) -> str:
    """Return a sentence: on which factor the verdict on a claim depends most."""
    claim = known_claims()[id]["claim"]
    head = f'{id} ("{claim.rstrip(".")}")'
    names = strongest(by_factor)
    if not names:
        pairs = sum(change.pairs for change in by_factor.values())
        return f"{head}: the verdict is the same in all {pairs} pairs of decided neighbours."
    most = ", ".join(f"{name} ({by_factor[name]} pairs)" for name in names)
    never = [name for name, change in by_factor.items() if change.pairs and not change.changed]
    rest = f" It never changes with {' or '.join(never)} alone." if never else ""
    return f"{head}: the verdict changes most often with {most}.{rest}"
