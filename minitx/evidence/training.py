"""What does training change: directions or lengths? And what can sublayers read of them?"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from minitx import compiled, geometry, measure, report
from minitx.config import ModelConfig
from minitx.evidence.evidence import evidence, three_way
from minitx.model import Params, Transformer
from minitx.runs.zoo import Family

WINDOWS = 10
MOST = 2.0  # times its length: no turn moves a vector further


def windows_of(family: Family, count: int, length: int | None = None) -> np.ndarray:
    """Return windows of a family's held-out text, tokens_BT, as long as its context by default."""
    length = length or family.config.context
    return report.sequences(family.data.val_tokens, length, count * length)


# --- C4: logits, by directions or by lengths -----------------------------------------------------


def read_and_next(model: Transformer, tokens_BT) -> tuple[np.ndarray, np.ndarray]:
    """Return what the unembedding reads, x_ZD, and the tokens that follow, without position 0."""
    x_BTD = compiled.trace(model, tokens_BT).after_final_norm_BTD[:, 1:-1]
    return np.asarray(x_BTD.reshape(-1, x_BTD.shape[-1]), np.float64), tokens_BT[:, 2:].ravel()


def hybrid(lengths_of, directions_of) -> np.ndarray:
    """Return logits_ZV with the lengths of one pair (states, rows) and the directions of another.

    >>> hybrid(([[2.0, 0.0]], [[3.0, 0.0]]), ([[0.0, 1.0]], [[0.0, 5.0]])).tolist()
    [[6.0]]
    """
    x_ZD, w_VD = lengths_of
    lengths_ZV = measure.norms(x_ZD)[:, None] * measure.norms(w_VD)
    x_ZD, w_VD = directions_of
    return lengths_ZV * measure.cosines(np.asarray(x_ZD)[:, None], np.asarray(w_VD))


def loss_of(logits_ZV, next_Z) -> float:
    """Return the mean loss in nats."""
    return float(-measure.log_softmax(logits_ZV)[np.arange(len(next_Z)), next_Z].mean())


def right_and_wrong(values_ZV, next_Z) -> tuple[float, float]:
    """Return the mean over right tokens, and over all others."""
    right = values_ZV[np.arange(len(next_Z)), next_Z].sum()
    count = len(next_Z)
    return float(right / count), float((values_ZV.sum() - right) / (values_ZV.size - count))


def c4(right, wrong, untrained, directions, lengths, trained):
    """Training should separate the logits: right ones end above 0, and wrong ones below 0. "By
    alignment" means that directions bring this about, and lengths do not. So the model is mixed
    with itself from before training in two ways. The trained directions with the lengths from
    before should bring at least half of the fall of the loss. The trained lengths with the
    directions from before should bring nothing. Supported if the right logit is above 0 and the
    wrong one below 0, the trained directions alone bring at least half of the fall of the loss, and
    the trained lengths alone leave the loss at least as high as before training. Refuted if the
    right logit is not above the wrong one, or if the trained lengths alone leave a lower loss than
    the trained directions alone."""
    fall = untrained - trained
    apart = right > 0 > wrong
    return three_way(
        supported=apart and untrained - directions >= fall / 2 and lengths >= untrained,
        refuted=right <= wrong or lengths < directions,
    )


@evidence(
    "C4",
    rule=c4,
    baseline="the untrained model: no logit knows which token is right",
    sentence="After training the right logit is {right:.1f} and a wrong one {wrong:.1f} on "
    "average. The loss falls from {untrained:.2f} to {trained:.2f} nats. With the "
    "trained directions and the lengths from before training it is {directions:.2f}; with the "
    "trained lengths and the directions from before, {lengths:.2f}.",
    of="families",
)
def measure_c4(seed: int, family: Family) -> dict[str, float]:
    tokens_BT = windows_of(family, WINDOWS)
    pairs = []
    for model in (family.untrained[seed], family.models[seed]):
        x_ZD, next_Z = read_and_next(model, tokens_BT)
        pairs.append((x_ZD, np.asarray(model.unembedding_VD, np.float64)))
    before, after = pairs
    right, wrong = right_and_wrong(hybrid(after, after), next_Z)
    return {
        "right": right,
        "wrong": wrong,
        "untrained": loss_of(hybrid(before, before), next_Z),
        "directions": loss_of(hybrid(before, after), next_Z),
        "lengths": loss_of(hybrid(after, before), next_Z),
        "trained": loss_of(hybrid(after, after), next_Z),
    }


# --- C6: what a sublayer reads -------------------------------------------------------------------


@functools.partial(jax.jit, static_argnums=0)
def predict_from(config: ModelConfig, params: Params, tokens_BT, read_RBTD):
    """Return the logits_BTV if sublayer r reads read_RBTD[r] instead of the stream."""
    model = Transformer.of(config, params)
    position_T = jnp.arange(tokens_BT.shape[1])
    x_BTD = sum(model.embed(tokens_BT, position_T))
    for r, read_BTD in enumerate(read_RBTD):
        block = model.blocks[r // 2]
        if r % 2 == 0:
            x_BTD += block.attention(block.attention_norm(read_BTD), position_T)[0]
        else:
            x_BTD += block.mlp(block.mlp_norm(read_BTD))
    return model.readout(x_BTD)


def moved(x_ZD, length_Z, order) -> tuple[np.ndarray, np.ndarray]:
    """Return states with other lengths, and states turned as far towards those that `order` names.

    Both are moved by the same distance, at most `MOST` times their length.
    """
    own_Z = np.maximum(measure.norms(x_ZD), 1e-30)
    factor_Z1 = np.minimum(length_Z / own_Z, 1 + MOST)[:, None]
    return factor_Z1 * x_ZD, geometry.turned(x_ZD, x_ZD[order], np.abs(factor_Z1 - 1))


def effects(model: Transformer, tokens_BT) -> dict[str, float]:
    """Return mean KL and added loss if sublayers read states of other lengths, or turned ones.

    Each sublayer reads what it read before, edited in one of these two ways.
    """
    trace = compiled.trace(model, tokens_BT)
    read_RBTD = trace.stream_RBTD[:-1]
    edits = {"lengths": read_RBTD.copy(), "turns": read_RBTD.copy()}
    for r, read_BTD in enumerate(read_RBTD):
        later_BTD = np.asarray(read_BTD[:, 1:], np.float64)  # position 0 stays as it is
        x_ZD = later_BTD.reshape(-1, later_BTD.shape[-1])
        order = geometry.derangement(len(x_ZD))
        changed = moved(x_ZD, measure.norms(x_ZD)[order], order)
        for edit, new_ZD in zip(edits.values(), changed, strict=True):
            edit[r, :, 1:] = new_ZD.reshape(later_BTD.shape)
    next_Z = tokens_BT[:, 2:].ravel()
    before_ZV = trace.logits_BTV[:, 1:-1].reshape(len(next_Z), -1)
    found = {}
    for name, edit in edits.items():
        after_BTV = np.asarray(predict_from(model.config, model.params(), tokens_BT, edit))
        after_ZV = after_BTV[:, 1:-1].reshape(len(next_Z), -1)
        found[f"kl_{name}"] = float(measure.kl(before_ZV, after_ZV).mean())
        found[f"added_{name}"] = loss_of(after_ZV, next_Z) - loss_of(before_ZV, next_Z)
    return found


def c6(kl_normed, kl_normed_turned, added_bare, added_bare_turned, added_untrained):
    """Every sublayer reads each state with the length of another token's state: lengths are
    exchanged. For comparison, the states are turned instead, and each is moved equally far. A norm
    divides the length away before a sublayer reads the state. That is algebra. The check for this
    is that the exchange moves predictions by less than 1 % of what the turns do. What is left to
    find is whether sublayers without norms use lengths. They use them if the exchange raises the
    held-out loss by more than 0.001 nats, and by more than in the untrained model. The use matters
    if the exchange costs at least a tenth of what the turns cost; less is a side matter. Supported
    if the check holds, sublayers without norms use lengths, and the use matters. Refuted if the
    check fails, or if sublayers without norms do not use lengths."""
    blind = kl_normed < 0.01 * kl_normed_turned
    used = added_bare > max(0.001, added_untrained)
    return three_way(
        supported=blind and used and added_bare >= 0.1 * added_bare_turned,
        refuted=not blind or not used,
    )


@evidence(
    "C6",
    rule=c6,
    baseline="states turned towards those of other tokens, moved as far as by the exchange of "
    "lengths; and the untrained model without norms",
    sentence="Every sublayer reads each state with the length of another token's state. In a model "
    "with norms the predictions move by {kl_normed:.1e} nats (by {kl_normed_turned:.3f} if the "
    "states are turned equally far instead). In a model without norms the held-out loss rises by "
    "{added_bare:.3f} nats (by {added_bare_turned:.3f} if they are turned). Before training it "
    "rises by {added_untrained:.4f}.",
    of="families",
    species=("fables", "nonorm"),
)
def measure_c6(seed: int, normed: Family, bare: Family) -> dict[str, float]:
    tokens_BT = windows_of(normed, WINDOWS)
    with_norms = effects(normed.models[seed], tokens_BT)
    without = effects(bare.models[seed], tokens_BT)
    return {
        "kl_normed": with_norms["kl_lengths"],
        "kl_normed_turned": with_norms["kl_turns"],
        "added_bare": without["added_lengths"],
        "added_bare_turned": without["added_turns"],
        "added_untrained": effects(bare.untrained[seed], tokens_BT)["added_lengths"],
    }
