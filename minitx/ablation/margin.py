"""Margins: how large a difference may be while two cells still count as equal.

That a difference is not shown does not make cells equal: too few seeds show nothing. With a margin,
set before anything is trained, an interval says one of three things. All of it lies within the
margin: equal. All of it lies beyond the margin: different. Anything else: undecided.

The interval is the one that the page shows, at 95 %. The usual test of equivalence (two one-sided
tests at 5 %) needs only the interval at 90 % to lie within. The wider one calls cells equal by
mistake in at most 2.5 % of comparisons instead of 5 %, and a reader can check it on the page.
"""

import math
from collections.abc import Iterable

from minitx.ablation.effects import Estimate
from minitx.ablation.measures import MEASURES
from minitx.errors import InputError, suggest

Margins = dict[str, float]  # by measure, in its unit; of ratios the factor, which is above 1

EQUAL = "equal within the margin"
BEYOND = "beyond the margin"
UNDECIDED = "undecided"

LOSS = "loss"  # this name stands for both of these, in nats
LOSSES = ("val_loss", "fitted_loss")


def parse_margins(words: Iterable[str]) -> Margins:
    """Return margins from words like '0.02' (the loss) or 'growth=1.1'. Raises InputError.

    >>> parse_margins(["0.02", "growth=1.1"])
    {'loss': 0.02, 'growth': 1.1}
    """
    margins: Margins = {}
    for word in words:
        name, _, number = word.rpartition("=")
        name = name.strip().replace("-", "_") or LOSS
        if name in margins:
            raise InputError(f"--margin {name} is given twice: give it once")
        try:
            margins[name] = float(number)
        except ValueError:
            raise InputError(
                f"--margin {word}: {number.strip()!r} is not a number: write 0.02 or growth=1.1"
            ) from None
    return check_margins(margins)


def check_margins(margins: Margins) -> Margins:
    """Return the margins. Raises InputError for an unknown measure or an impossible number."""
    known = [LOSS, *MEASURES]
    for name, size in margins.items():
        if name not in known:
            raise InputError(f"margin: there is no measure {name!r}{suggest(name, known)}")
        is_ratio = name in MEASURES and MEASURES[name].ratio
        least = 1 if is_ratio else 0
        if isinstance(size, bool) or not isinstance(size, (int, float)):
            raise InputError(f"margin {name}={size!r} is not a number: give it one")
        if not least < size < math.inf:
            kind = "it is a factor" if is_ratio else "it is a difference"
            raise InputError(
                f"margin {name}={size:g} is out of range: {kind}, so it must be above {least}"
            )
    return margins


def margin_of(margins: Margins, name: str) -> float | None:
    """Return the margin of a measure as its effects are computed: of ratios, the logarithm.

    >>> margin_of({"loss": 0.02}, "fitted_loss"), margin_of({"loss": 0.02}, "growth")
    (0.02, None)
    """
    size = margins.get(name)
    if size is None and name in LOSSES:
        size = margins.get(LOSS)
    if size is None:
        return None
    return math.log(size) if MEASURES[name].ratio else size


def judge(estimate: Estimate | None, margin: float | None) -> str | None:
    """Return what an interval says about a margin; None without an interval or a margin."""
    if estimate is None or estimate.low is None or margin is None:
        return None
    if -margin <= estimate.low and estimate.high <= margin:
        return EQUAL
    if estimate.high < -margin or margin < estimate.low:
        return BEYOND
    return UNDECIDED


def write_margins(margins: Margins) -> str:
    """Return margins as words.

    >>> write_margins({"loss": 0.02, "growth": 1.1})
    'loss 0.02, growth x1.1'
    """
    words = []
    for name, size in margins.items():
        is_ratio = name in MEASURES and MEASURES[name].ratio
        words.append(f"{name.replace('_', ' ')} {'x' if is_ratio else ''}{size:g}")
    return ", ".join(words) or "none"
