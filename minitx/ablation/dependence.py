"""On what a claim's verdict depends: the verdicts on every cell at every judged moment, compared.

A state of the panel is one cell after so many steps. Its verdict is the one that all seeds have; if
seeds disagree it is "undecided". Two states are neighbours if they differ in one factor only (a
switch of the grid, or the steps) and by one value of it. The verdict changes between neighbours if
both are decided, and differently. Only states that learned are compared.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitx.ablation.headlines import HEADLINES, Headline, side
from minitx.ablation.judged import KEY
from minitx.ablation.settings import identity, levels, name_of
from minitx.evidence.evidence import RULINGS

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
    def decided(self) -> dict[str, str]:
        """The verdicts on the claims that are decided here, in a model that learned."""
        if not self.learned:
            return {}
        return {id: verdict for id, verdict in self.verdicts.items() if verdict in RULINGS}


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
    found = {}
    for id in claims_of(table):
        found[id] = count(pairs, lambda state, id=id: state.decided.get(id))
    return found


def crossings(table) -> dict[str, dict[str, Changes]]:
    """Return for each number of HEADLINES in how many pairs of neighbours it crosses its threshold.

    In both neighbours, all seeds have to be on one side.
    """
    pairs = neighbours(table, states_of(table))
    ids = claims_of(table)
    found = {}
    for name, headline in HEADLINES.items():
        if headline.claim in ids:
            found[name] = count(pairs, functools.partial(side_of, headline))
    return found


def side_of(headline: Headline, state: State) -> str | None:
    """Return on which side of its threshold a number is, in a model that learned."""
    return side(state.seeds, headline) if state.learned else None


def count(pairs: dict[str, list], label: Callable[[State], str | None]) -> dict[str, Changes]:
    """Return by factor in how many pairs a label changes, of those in which both have a label."""
    found = {}
    for factor, both in pairs.items():
        labels = [(label(before), label(after)) for before, after in both]
        known = [(before, after) for before, after in labels if before and after]
        found[factor] = Changes(sum(before != after for before, after in known), len(known))
    return found


def total(found: dict[str, dict[str, Changes]]) -> dict[str, Changes]:
    """Return the changes by factor over all claims or numbers together."""
    sums = {}
    for factor in next(iter(found.values())):
        changed = sum(by_factor[factor].changed for by_factor in found.values())
        sums[factor] = Changes(
            changed, sum(by_factor[factor].pairs for by_factor in found.values())
        )
    return sums


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
    return {
        "verdicts": verdicts,
        "changes": as_json(changes(table)),
        "crossings": as_json(crossings(table)),
    }


def as_json(found: dict[str, dict[str, Changes]]) -> dict[str, dict[str, dict[str, int]]]:
    """Return the changes as plain JSON."""
    plain = {}
    for name, by_factor in found.items():
        plain[name] = {factor: change._asdict() for factor, change in by_factor.items()}
    return plain
