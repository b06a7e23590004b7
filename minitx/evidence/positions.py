"""Does the story change if nobody says where a token stands?"""

import itertools

import numpy as np

from minitx.evidence.evidence import EVIDENCE, Untestable, evidence, three_way
from minitx.evidence.reading import read_held_out
from minitx.evidence.rulings import measure_windows, ruled
from minitx.runs.zoo import Family

# The claims of the lessons L04 to L08 that a model of two blocks can be asked, without those that
# hold by algebra: they cannot depend on positions.
STORY = ("A8", "A9", "A13", "A14", "B2", "B16", "B24", "B31", "B37", "C5", "C7", "C8", "C9")


def b15(changed_without, changed_by_kind, loss_without):
    """The article sets positions aside, so its other claims are the measure. The rule asks how many
    of their verdicts change without positions. The baseline is the share of verdicts that change
    from one kind of positions to another. One verdict in ten more than the baseline is few enough.
    One in four more means that the story depends on positions. The loss without positions is shown
    and does not decide, because the claim does not speak of it. Supported if the share of verdicts
    that change without positions is at most 10 percentage points above the baseline. Refuted if
    this share is at least 25 percentage points above the baseline."""
    beyond = changed_without - changed_by_kind
    return three_way(supported=beyond <= 0.1, refuted=beyond >= 0.25)


@evidence(
    "B15",
    rule=b15,
    baseline="one kind of positions in place of another: learned, sinusoidal or RoPE",
    sentence="Without positions {changed_without:.0%} of the verdicts of lessons L04 to L08 "
    "change; from one kind of positions to another {changed_by_kind:.0%} do. The loss without "
    "positions, minus the mean loss of the kinds with positions, is {loss_without:+.3f} nats.",
    of="families",
    species=("positions-none", "positions-learned", "positions-sinusoidal", "positions-rope"),
)
def measure_b15(seed: int, without: Family, *kinds: Family) -> dict[str, float]:
    of_without = story(without, seed)
    of_kinds = [story(family, seed) for family in kinds]
    losses = [family.val_losses[seed, -1] for family in kinds]
    return {
        "changed_without": mean_change([(of_without, verdicts) for verdicts in of_kinds]),
        "changed_by_kind": mean_change(list(itertools.combinations(of_kinds, 2))),
        "loss_without": float(without.val_losses[seed, -1] - np.mean(losses)),
    }


def story(family: Family, seed: int) -> list[str]:
    """Return what the rules of `STORY` say of the means of one model."""
    reading = read_held_out(family.models[seed], family)
    rulings = []
    for id in STORY:
        try:
            numbers_W = measure_windows(EVIDENCE[id], reading)
            means = {name: float(values.mean()) for name, values in numbers_W.items()}
            rulings.append(ruled(EVIDENCE[id], means))
        except Untestable:
            rulings.append("untested")
    return rulings


def mean_change(pairs: list[tuple[list[str], list[str]]]) -> float:
    """Return the share of verdicts that differ, over pairs of lists.

    >>> mean_change([(["refuted", "supported"], ["refuted", "qualified"])])
    0.5
    """
    return float(np.mean([np.not_equal(one, other) for one, other in pairs]))
