"""The articles' claims, judged on every model of a grid while it trains.

A grid names the claims. Its models are judged before training and after the 1st, 3rd, 9th, ...
evaluation and the last one, so that each moment has about three times the steps of the one before.
A verdict depends on the rules in `minitx.evidence` alone; this module only asks for it.
"""

from typing import Any

import jax
import numpy as np

from minitx import measure
from minitx.ablation.grid import Cell
from minitx.ablation.measures import Entry
from minitx.config import TrainConfig
from minitx.errors import InputError
from minitx.evidence import judging, reading
from minitx.evidence.claims import known_claims
from minitx.evidence.evidence import EVIDENCE
from minitx.evidence.reading import Passage, Reading
from minitx.model import Params, Transformer
from minitx.text.data import Data

KEY = "claims"  # of a moment in a seed's history: its verdicts and their numbers, by claim


def judged_steps(recipe: TrainConfig) -> list[int]:
    """Return the steps after which models are judged.

    >>> judged_steps(TrainConfig(steps=720, eval_every=80))
    [0, 80, 240, 720]
    """
    steps = [0]
    step = recipe.eval_every
    while step < recipe.steps:
        steps.append(step)
        step *= 3
    return [*steps, recipe.steps]


def check(cell: Cell, data: Data) -> None:
    """Raise InputError for a claim, a model or a text with which nothing can be judged."""
    if not cell.claims:
        return
    if judging.chosen_claims(",".join(cell.claims), list(known_claims())) != [*cell.claims]:
        ids = ", ".join(map(repr, cell.claims))
        raise InputError(f"the claims {ids} are not all ids: write them as in A8")
    if cell.model.head != "dot":
        raise InputError(
            f"it has head={cell.model.head}, and the claims speak of logits that are dot "
            "products: leave the claims out, or use head=dot"
        )
    windows(cell, data)


def count_judgements(cell: Cell, seeds: int) -> int:
    """Return how often models of a cell are judged, over all seeds."""
    return seeds * len(judged_steps(cell.train)) if cell.claims else 0


def windows(cell: Cell, data: Data) -> np.ndarray:
    """Return the held-out windows that all models of a cell are judged on, tokens_WT.

    Raises InputError if the held-out text is too short for them.
    """
    length = min(cell.model.context, reading.WINDOW_TOKENS)
    passage = Passage("the validation split", data.val_tokens)
    return reading.windows_of(passage, reading.WINDOWS, length)


def judge_model(cell: Cell, params: Params, data: Data) -> dict[str, Any]:
    """Return the verdict on each claim of a cell, with the means of its numbers."""
    tokens_WT = windows(cell, data)
    model = Transformer.of(cell.model, jax.tree.map(np.asarray, params))
    texts = [data.config.corpus] * len(tokens_WT)
    seen = Reading(model, tokens_WT, texts, data.tokenizer)
    rows = {}
    for id in cell.claims:
        row = judging.judge_claim(EVIDENCE[id], seen)
        names = list(row.get("numbers", {}))
        means = measure.plain([row["numbers"][name]["mean"] for name in names])
        numbers = dict(zip(names, means, strict=True))
        rows[id] = {"verdict": row["verdict"], "numbers": numbers}
    return rows


def judge_latest(cell: Cell, data: Data, entry: Entry, params: Params) -> None:
    """Add the verdicts on a model to the latest moment of its history, if they are due then."""
    moment = entry["history"][-1]
    if cell.claims and moment["step"] in judged_steps(cell.train):
        moment[KEY] = judge_model(cell, params, data)
