"""One model under the lens: everything that `minitx inspect` measures, and its tables.

`inspect` measures a model beside its untrained twin, `findings.py` judges the numbers, `table` and
`side_by_side` show them.
"""

from typing import Any

import jax
import numpy as np

from minitx import compiled, geometry, measure
from minitx.config import ModelConfig
from minitx.devices.mesh import sparing
from minitx.errors import InputError
from minitx.findings import findings
from minitx.findings import text as findings_text
from minitx.last_state import (
    CALIBRATION,
    LOGITS,
    measure_calibration,
    measure_displacement,
    measure_last_state,
    measure_scale,
)
from minitx.model import Transformer
from minitx.step import initial_params
from minitx.tables import aligned

TOKENS = 4096  # measured at most; medians are steady long before that


def sequences(tokens: np.ndarray, context: int, limit: int = TOKENS) -> np.ndarray:
    """Return up to `limit` tokens of a text as windows tokens_BT, spread evenly over it.

    T is the context, or the length of a shorter text. Raises InputError for fewer than 3 tokens.
    """
    T = min(context, len(tokens))
    if T < 3:
        raise InputError(f"{len(tokens)} tokens are too few to measure: give at least 3")
    count = min(len(tokens) // T, max(1, limit // T))
    starts = np.linspace(0, len(tokens) - T, count).astype(int)
    return np.stack([tokens[s : s + T] for s in starts])


def measure_layers(model: Transformer, tokens_BT) -> dict[str, list]:
    """Return what is measured of a model by layer, as lists that start with the embedding.

    Raises InputError for a model whose states overflow.
    """
    states_LBTD = compiled.states(model, tokens_BT)
    finite_L = np.isfinite(states_LBTD).all(axis=(1, 2, 3))
    if not finite_L.all():
        raise InputError(
            f"the states of the model (or of its untrained twin) are not finite from layer "
            f"{finite_L.argmin()} on: use a model with smaller weights (or --no-untrained)"
        )
    lens = [_lens(model, x_BTD, states_LBTD[-1]) for x_BTD in states_LBTD]
    lens_columns = {name: [row[name] for row in lens] for name in lens[0]}
    return measure.layers(states_LBTD) | geometry.updates(states_LBTD) | lens_columns


def _lens(model: Transformer, x_BTD, last_BTD) -> dict[str, float]:
    """Return `measure.lens` of one layer, for so many sequences at once as memory allows."""
    at_once = max(1, LOGITS // (model.config.vocab * x_BTD.shape[1]))
    sums: dict[str, float] = {}
    for start in range(0, len(x_BTD), at_once):
        logits_BTV = compiled.readout(model, x_BTD[start : start + at_once])
        final_BTV = compiled.readout(model, last_BTD[start : start + at_once])
        for name, mean in measure.lens(logits_BTV, final_BTV).items():
            sums[name] = sums.get(name, 0.0) + mean * len(logits_BTV)
    return {name: total / len(x_BTD) for name, total in sums.items()}


def inspect(
    model: Transformer,
    tokens_BT: np.ndarray,
    seed: int,
    untrained: bool = True,
    truth_BTV: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return everything that `minitx inspect` measures, and the three findings, as plain JSON.

    The baseline is an untrained model of the same config, with the initial weights of `seed`. If
    `untrained` is false it is left out, and findings that need it are untested. `truth_BTV` is the
    true distribution of the token after each one, if it is known.
    """
    with sparing(model.params()):
        layers = measure_layers(model, tokens_BT)
        scale = measure_scale(model, tokens_BT)
        displacement = measure_displacement(model, tokens_BT)
        calibration = measure_calibration(model, tokens_BT, truth_BTV)
        models = {"trained": model}
        twin = None
        if untrained:
            models["untrained"] = untrained_twin(model, seed)
            twin = measure_layers(models["untrained"], tokens_BT)
        last_state = measure_last_state(models, tokens_BT)
    return {
        "tokens": int(tokens_BT.size),
        "sequences": len(tokens_BT),
        "layers": layers,
        "untrained": twin,
        "last_state": last_state,
        "scale": scale,
        "displacement": displacement,
        "calibration": calibration,
        "findings": findings(layers, twin, scale, last_state),
    }


def untrained_twin(model: Transformer, seed: int) -> Transformer:
    """Return the untrained model of the same config and dtype, with the weights of `seed`."""
    dtype = model.embedding.table.dtype
    params = initial_params(model.config, seed)
    return Transformer.of(model.config, jax.tree.map(lambda leaf: leaf.astype(dtype), params))


COLUMNS = {  # of the table of layers: name, heading, format
    "norm_median": ("norm", ".2f"),
    "norm_first_position": ("norm pos 0", ".2f"),
    "growth": ("growth", ".3f"),
    "cos_prev": ("cos prev", ".3f"),
    "null_cos": ("1/growth", ".3f"),
    "cos_prev_centred": ("centred", ".3f"),
    "cos_random_pairs": ("pairs", ".3f"),
    "cos_embedding": ("cos emb", ".3f"),
    "lens_entropy": ("lens H", ".3f"),
    "lens_kl": ("lens KL", ".3f"),
    "lens_top1": ("lens top1", ".3f"),
}
UPDATES = {  # of the table of updates
    "update_norm": ("|u|", ".2f"),
    "step": ("r = |u|/|x|", ".3f"),
    "cos_update": ("cos(x, u)", ".3f"),
    "cos_update_centred": ("centred", ".3f"),
    "cos_update_rest": (f"without top {geometry.TOP}", ".3f"),
    "cos_prev": ("cos prev", ".3f"),
    "null_cos": ("1/growth", ".3f"),
    "step_null_cos": ("1/sqrt(1+r^2)", ".3f"),
}


def table(layers: dict[str, list], columns: dict[str, tuple[str, str]] = COLUMNS) -> str:
    """Return the named columns of `layers` as aligned text, a line for each layer."""
    rows = [["layer", *(heading for heading, _ in columns.values())]]
    for n in range(len(layers["norm_median"])):
        cells = [_cell(layers[name][n], form) for name, (_, form) in columns.items()]
        rows.append([_layer_name(n), *cells])
    return aligned(rows)


def updates_table(layers: dict[str, list]) -> str:
    """Return the updates as aligned columns, from the first block on."""
    heading, _, *lines = table(layers, UPDATES).split("\n")
    return "\n".join([heading, *lines])


def _layer_name(n: int) -> str:
    return str(n) if n else "embed"


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


COMPARED = ("norm_median", "norm_first_position", "cos_prev", "null_cos", "cos_random_pairs",
            "cos_embedding")  # fmt: skip


def side_by_side(models: dict[str, dict[str, list]]) -> dict[str, list]:
    """Return columns "model: quantity" by layer; None after the last layer of a shallow model."""
    depth = max(len(layers["norm_median"]) for layers in models.values())
    columns: dict[str, list] = {"layer": list(range(depth))}
    for name, layers in models.items():
        for quantity in COMPARED:
            values = layers[quantity]
            columns[f"{name}: {quantity}"] = values + [None] * (depth - len(values))
    return columns


def comparison_table(columns: dict[str, list]) -> str:
    """Return the columns of `side_by_side` as aligned text under the names of the models."""
    models, headings, forms = ["layer"], [""], []
    for name in columns:
        if name != "layer":
            model, _, quantity = name.rpartition(": ")
            heading, form = COLUMNS[quantity]
            models.append(model)
            headings.append(heading)
            forms.append(form)
    rows = [models, headings]
    for n, *values in zip(*columns.values(), strict=True):
        cells = [_cell(value, form) for value, form in zip(values, forms, strict=True)]
        rows.append([_layer_name(n), *cells])
    return aligned(rows)


def text(found: dict[str, Any], config: ModelConfig) -> str:
    """Return a report of `inspect` as text: its tables, then the findings."""
    layers, untrained = found["layers"], found["untrained"]
    parts = [
        f"trained ({config.norm}, {config.norm_place}), medians over {found['tokens']} tokens:",
        table(layers),
    ]
    if untrained:
        parts += ["untrained, the same seed:", table(untrained)]
    if config.depth:
        parts += ["updates u beside the states x that they change, trained:", updates_table(layers)]
    if config.depth and untrained:
        parts += ["updates, untrained:", updates_table(untrained)]
    parts += [
        "shares of the last state's squared length; correlation of its length with the entropy:",
        last_state_table(found["last_state"]),
        "the last state made c times as long:",
        scale_table(found["scale"]),
        "mean KL (nats) after the last state x was moved by the same distance, longer or turned:",
        displacement_table(found["displacement"]),
        "are predictions as sure as they should be (a temperature above 1: they are too sure):",
        calibration_table(found["calibration"]),
    ]
    return "\n\n".join([*parts, findings_text(found["findings"])])


def last_state_table(last_state: dict[str, list]) -> str:
    """Return the shares and the correlations of each model as aligned columns."""
    names = ("share_embedding", "share_updates", "share_cross", "pearson", "spearman")
    rows = [["", "embedding", "updates", "cross terms", "Pearson", "Spearman"]]
    for n, model in enumerate(last_state["model"]):
        rows.append([model, *(_cell(last_state[name][n], ".3f") for name in names)])
    return aligned(rows)


def displacement_table(displacement: dict[str, list]) -> str:
    """Return the divergences by distance as aligned columns."""
    rows = [["distance", "longer before norm", "towards another", "random",
             "longer after norm", "towards another", "random"]]  # fmt: skip
    names = [
        f"{move}_{place}" for place in ("before_norm", "after_norm") for move in geometry.MOVES
    ]
    for n, distance in enumerate(displacement["distance"]):
        cells = [f"{displacement[name][n]:z.4f}" for name in names]
        rows.append([f"{distance:.1f} |x|", *cells])
    return aligned(rows)


def calibration_table(calibration: dict[str, list]) -> str:
    """Return what is known of the calibration as aligned columns."""
    known = {name: column[0] for name, column in calibration.items() if column[0] is not None}
    headings = [CALIBRATION[name] for name in known]
    return aligned([headings, [f"{number:.4g}" for number in known.values()]])


def scale_table(scale: dict[str, list]) -> str:
    """Return entropy and largest probability by scale as aligned columns."""
    names = ("entropy_after_norm", "top_after_norm", "entropy_before_norm", "top_before_norm")
    rows = [["c", "H after norm", "top after", "H before norm", "top before"]]
    for n, c in enumerate(scale["c"]):
        rows.append([f"{c:.3g}", *(f"{scale[name][n]:.3f}" for name in names)])
    return aligned(rows)
