"""Which parts of a model decide between two tokens?

Two answers. Attribution takes the difference of two logits apart, with the divisor of the final
norm as it was; it sees what a part writes straight to the logits. Mean ablation replaces what a
part writes by its mean, and also sees what later parts make of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minitx import compiled
from minitx.config import ModelConfig
from minitx.model import Trace, Transformer


class Choices(NamedTuple):
    """Prompts, and two tokens for each that could come next."""

    tokens_BT: np.ndarray
    """Padded on the right."""
    last_B: np.ndarray
    """The position of each prompt's last token."""
    winner_B: np.ndarray
    loser_B: np.ndarray


def choices(prompts: Sequence) -> Choices:
    """Return the prompts of `errands` as a choice between the receiver and the giver."""
    last_B = np.array([len(prompt.ids) - 1 for prompt in prompts])
    tokens_BT = np.zeros((len(prompts), last_B.max() + 1), int)
    for row_T, prompt in zip(tokens_BT, prompts, strict=True):
        row_T[: len(prompt.ids)] = prompt.ids
    winner_B, loser_B = ([getattr(p, name) for p in prompts] for name in ("answer", "giver"))
    return Choices(tokens_BT, last_B, np.array(winner_B), np.array(loser_B))


def parts(config: ModelConfig) -> list[str]:
    """Return the names of the parts C that `attribution` tells apart."""
    blocks = [f"{part} {n + 1}" for n in range(config.depth) for part in ("attention", "MLP")]
    return ["token", "position", *blocks, "bias of the final norm"]


def attribution(model: Transformer, given: Choices) -> np.ndarray:
    """Return what each part adds to logit(winner) - logit(loser), terms_CB; their sum is all of it.

    Raises InputError for a model whose logits have no terms.
    """
    trace = compiled.trace(model, given.tokens_BT)
    terms_CBV = np.asarray(model.logit_terms(at(trace, given.last_B)))[:, :, 0]
    return difference(terms_CBV, given)


def at(trace: Trace, last_B) -> Trace:
    """Return the trace at one position of each sequence; its other fields are as they were."""
    rows_B = np.arange(len(last_B))

    def pick(a_BTX):
        return a_BTX[rows_B, last_B][:, None]

    return trace._replace(
        token_BTD=pick(trace.token_BTD),
        position_BTD=pick(trace.position_BTD),
        attention_update_NBTD=trace.attention_update_NBTD[:, rows_B, last_B][:, :, None],
        mlp_update_NBTD=trace.mlp_update_NBTD[:, rows_B, last_B][:, :, None],
        before_final_norm_BTD=pick(trace.before_final_norm_BTD),
        after_final_norm_BTD=pick(trace.after_final_norm_BTD),
    )


def difference(logits_CBV, given: Choices) -> np.ndarray:
    """Return logit(winner) - logit(loser) of predictions over B, on the last axis but one."""
    rows_B = np.arange(len(given.last_B))
    logits_CBV = np.asarray(logits_CBV, np.float64)
    return logits_CBV[..., rows_B, given.winner_B] - logits_CBV[..., rows_B, given.loser_B]


def mean_ablation(model: Transformer, given: Choices) -> np.ndarray:
    """Return by how much logit(winner) - logit(loser) falls without each sublayer, effect_RB.

    R counts the 2N sublayers. At every position, what the sublayer wrote is replaced by the mean of
    what it wrote over all tokens of all prompts. Raises InputError for a model whose last state is
    not a sum of updates.
    """
    trace = compiled.trace(model, given.tokens_BT)
    model.logit_terms(at(trace, given.last_B))  # raises for such a model
    rows_B = np.arange(len(given.last_B))
    is_real_BT = np.arange(given.tokens_BT.shape[1]) <= given.last_B[:, None]
    before_B = difference(trace.logits_BTV[rows_B, given.last_B], given)
    effect_RB = []
    for station in range(2 * model.config.depth):
        written = trace.mlp_update_NBTD if station % 2 else trace.attention_update_NBTD
        mean_D = written[station // 2][is_real_BT].mean(axis=0)
        stream_BTD = trace.stream_RBTD[station] + mean_D
        logits_BTV = compiled.continue_from(model, station + 1, stream_BTD)
        effect_RB.append(before_B - difference(logits_BTV[rows_B, given.last_B], given))
    return np.array(effect_RB).reshape(-1, len(rows_B))
