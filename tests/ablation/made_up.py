"""Tables of made-up cells, so that the truth is known."""

import itertools

import numpy as np

from minitx.ablation.table import Table

SEEDS = 5
BASELINE = 3.0


def make_table(vary, final_loss, growth, at=(0, 20, 40), middle_loss=None) -> Table:
    """A table of cells whose final losses and growth follow from their settings.

    `middle_loss` gives the loss at the moments between; by default it falls along a line from 4.
    """
    noise = np.random.default_rng(0)
    records = []
    for values in itertools.product(*vary.values()):
        settings = dict(zip(vary, values, strict=True))
        seeds = []
        for seed in range(SEEDS):
            history = []
            for step in at:
                share = step / at[-1]
                loss = 4 + share * (final_loss(settings) - 4)
                if middle_loss and 0 < share < 1:
                    loss = middle_loss(settings)
                grown = growth(settings) ** share * (1 + 0.01 * noise.normal())
                history.append({
                    "step": step, "val_loss": loss + 0.001 * noise.normal(), "growth": grown,
                    "cos_prev": 0.9, "cos_excess": 0.4, "size_effect": 0.5 * share,
                    "direction_swap": 1e-9 + share, "norm_median_by_layer": [1.0, grown],
                    "cos_prev_by_layer": [None, 0.9], "null_cos_by_layer": [None, 0.5],
                })  # fmt: skip
            seeds.append({"seed": seed, "failure": None, "history": history,
                          "gradient_by_layer": [1.0, 2.0, 3.0]})  # fmt: skip
        branches = [[round(0.9 * step), step] for step in at[1:]]
        records.append({
            "settings": settings, "seeds": seeds, "rates": [0.1, 0.3, 1.0], "parameters": 1234,
            "branches": branches,
            "model": {"width": 8, "depth": 2, "context": 16},
            "train": {"loss": "cross_entropy", "lr": 0.3, "steps": at[-1], "batch": 4,
                      "eval_every": at[1]},
        })  # fmt: skip
    return Table(records, "A grid", BASELINE, None, "fables, 100 tokens")


GRID = {"norm": ("none", "ln"), "residual": (True, False), "loss": ("ce", "se")}


def only_with_residual(settings) -> float:
    """A final loss: nothing is learned without residual connections."""
    return 2.0 if settings["residual"] else 3.01


def opposite(settings) -> float:
    """A growth: a norm makes it smaller after one loss and larger after the other."""
    if not settings["residual"]:
        return 1000.0 if settings["norm"] == "none" else 1.0
    if settings["norm"] == "none":
        return 8.0
    return 4.0 if settings["loss"] == "ce" else 64.0


def disputed() -> Table:
    """Half of the cells do not learn, and in the others a norm has opposite effects."""
    return make_table(
        GRID,
        only_with_residual,
        opposite,
        middle_loss=lambda settings: 2.5 if settings["residual"] else 3.02,
    )
