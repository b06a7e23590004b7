"""One model under the lens: what `minitx inspect` tables, draws and concludes.

`inspect` measures, `findings` judges, `table` prints. Each verdict's rule stands in code beside its
claim and knows the null that the claim has to beat.
"""

from typing import Any

import jax
import numpy as np

from minitx import compiled, measure
from minitx.devices.mesh import sparing
from minitx.errors import InputError
from minitx.findings import findings
from minitx.model import Transformer
from minitx.step import initial_params
from minitx.tables import aligned

TOKENS = 4096  # measured at most; medians are steady long before that
LOGITS = 2**24  # held at once by a lens: those of a long text can be larger than the model
SCALES = tuple(2.0 ** (e / 2) for e in range(-6, 7))  # 1/8 to 8, and 1 in the middle


def sequences(tokens: np.ndarray, context: int, limit: int = TOKENS) -> np.ndarray:
    """Up to `limit` of a text as windows (B, T) of the context's length, spread evenly over it."""
    T = min(context, len(tokens))
    if T < 3:
        raise InputError(f"{len(tokens)} tokens are too few to measure: give at least 3")
    count = min(len(tokens) // T, max(1, limit // T))
    starts = np.linspace(0, len(tokens) - T, count).astype(int)
    return np.stack([tokens[s : s + T] for s in starts])


def measure_layers(model: Transformer, tokens_BT) -> dict[str, list]:
    """The table of a model: lists by layer, the embedding first.

    Raises InputError for a model whose states overflow: of those there is nothing to say.
    """
    states_LBTD = compiled.states(model, tokens_BT)
    finite_L = np.isfinite(states_LBTD).all(axis=(1, 2, 3))
    if not finite_L.all():
        raise InputError(
            f"from layer {finite_L.argmin()} on, the model (or its untrained twin) has states that "
            "are no finite numbers: use one with smaller weights (or --no-untrained)"
        )
    lens = [_lens(model, x_BTD, states_LBTD[-1]) for x_BTD in states_LBTD]
    return measure.layers(states_LBTD) | {name: [row[name] for row in lens] for name in lens[0]}


def _lens(model: Transformer, x_BTD, last_BTD) -> dict[str, float]:
    """`measure.lens` of one layer, in stretches of sequences whose logits fit into memory."""
    together = max(1, LOGITS // (model.config.vocab * x_BTD.shape[1]))
    rows = []
    for b in range(0, len(x_BTD), together):
        logits = compiled.readout(model, x_BTD[b : b + together])
        final = compiled.readout(model, last_BTD[b : b + together])
        rows += [(measure.lens(logits, final), len(logits))]
    return {name: sum(row[name] * count for row, count in rows) / len(x_BTD) for name in rows[0][0]}


def measure_scale(model: Transformer, tokens_BT) -> dict[str, list]:
    """Entropy (nats) and largest probability when the last state is c times as long: lists over c.

    `after_norm` scales what the unembedding reads, `before_norm` what the final norm reads.
    """
    state_BTD = compiled.states(model, tokens_BT)[-1]
    logits_BTV = compiled.readout(model, state_BTD)
    curve: dict[str, list] = {"c": list(SCALES)}
    for c in SCALES:
        # The unembedding has no bias, so scaling what it reads is scaling the logits.
        after, before = c * logits_BTV, compiled.readout(model, c * state_BTD)
        for place, logits in (("after_norm", after), ("before_norm", before)):
            for name, value in measure.confidence(logits).items():
                quantity, _, bound = name.partition("_")
                key = f"{quantity}_{place}" + (f"_{bound}" if bound else "")
                curve.setdefault(key, []).append(value)
    return curve


def inspect(
    model: Transformer, tokens_BT: np.ndarray, seed: int, null: bool = True
) -> dict[str, Any]:
    """Everything that `minitx inspect` tells, as plain JSON, the three findings among it.

    The untrained model beside it has the same config and the initial weights of `seed`; without
    `null` it is left out, and what needs it is untested.
    """
    with sparing(model.params()):
        layers = measure_layers(model, tokens_BT)
        scale = measure_scale(model, tokens_BT)
        untrained = measure_layers(_fresh(model, seed), tokens_BT) if null else None
    return {
        "tokens": int(tokens_BT.size),
        "sequences": len(tokens_BT),
        "layers": layers,
        "untrained": untrained,
        "scale": scale,
        "findings": findings(layers, untrained, scale),
    }


def _fresh(model: Transformer, seed: int) -> Transformer:
    """The untrained model of the same config and type, with the initial weights of `seed`."""
    dtype, params = model.embedding.table.dtype, initial_params(model.config, seed)
    return Transformer.of(model.config, jax.tree.map(lambda leaf: leaf.astype(dtype), params))


COLUMNS = {  # of the printed table: name, heading, format
    "norm_median": ("norm", ".2f"),
    "norm_first_position": ("norm pos 0", ".2f"),
    "growth": ("growth", ".3f"),
    "update_norm": ("update", ".2f"),
    "cos_prev": ("cos prev", ".3f"),
    "null_cos": ("null 1/g", ".3f"),
    "cos_prev_centred": ("centred", ".3f"),
    "cos_random_pairs": ("random pair", ".3f"),
    "cos_embedding": ("cos emb", ".3f"),
    "lens_entropy": ("lens H", ".3f"),
    "lens_kl": ("lens KL", ".3f"),
    "lens_top1": ("lens top1", ".3f"),
}


def table(layers: dict[str, list]) -> str:
    """The layers as aligned columns."""
    depth = len(layers["norm_median"])
    rows = [["layer", *(heading for heading, _ in COLUMNS.values())]]
    for n in range(depth):
        values = ((layers[name][n], form) for name, (_, form) in COLUMNS.items())
        rows.append(
            ["embed" if n == 0 else str(n), *("" if v is None else f"{v:{f}}" for v, f in values)]
        )
    return aligned(rows)


COMPARED = ("norm_median", "norm_first_position", "cos_prev", "null_cos", "cos_random_pairs",
            "cos_embedding")  # fmt: skip


def side_by_side(models: dict[str, dict[str, list]]) -> dict[str, list]:
    """Columns "model: quantity" over the layers of the deepest; None below a model's last one."""
    depth = max(len(layers["norm_median"]) for layers in models.values())
    columns: dict[str, list] = {"layer": list(range(depth))}
    for name, layers in models.items():
        for quantity in COMPARED:
            values = layers[quantity]
            columns[f"{name}: {quantity}"] = values + [None] * (depth - len(values))
    return columns


def comparison_table(columns: dict[str, list]) -> str:
    """The columns of `side_by_side` as aligned text, the models' names above them."""
    names = [key.rpartition(": ") for key in columns if key != "layer"]
    rows = [["layer", *(model for model, *_ in names)], ["", *(COLUMNS[q][0] for *_, q in names)]]
    forms = [COLUMNS[q][1] for *_, q in names]
    for n, *values in zip(*columns.values(), strict=True):
        cells = ("" if v is None else f"{v:{f}}" for v, f in zip(values, forms, strict=True))
        rows.append(["embed" if n == 0 else str(n), *cells])
    return aligned(rows)


def scale_table(scale: dict[str, list]) -> str:
    """Entropy and largest probability by scale, as aligned columns."""
    names = ("entropy_after_norm", "top_after_norm", "entropy_before_norm", "top_before_norm")
    rows = [["c", "H after norm", "top after", "H before norm", "top before"]]
    for n, c in enumerate(scale["c"]):
        rows.append([f"{c:.3g}", *(f"{scale[name][n]:.3f}" for name in names)])
    return aligned(rows)
