"""What a rule says of the numbers that one model gives.

This module imports no claims, so that a claim about other claims can use it.
"""

import numpy as np

from minitx.evidence.evidence import RULINGS, Evidence
from minitx.evidence.reading import Reading

Numbers = dict[str, float]


def measure_windows(claim: Evidence, reading: Reading) -> dict[str, np.ndarray]:
    """Return the numbers of a claim over windows W."""
    rows = [claim.measure(reading, window) for window in range(len(reading.text_W))]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def ruled(claim: Evidence, numbers: Numbers) -> str:
    """Return what the rule says of these numbers."""
    ruling = claim.rule(**numbers)
    assert ruling in RULINGS, f"{claim.id}: {ruling!r} is not a ruling"
    return ruling
