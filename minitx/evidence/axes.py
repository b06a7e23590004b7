"""A model in other axes: other numbers in every state, and the same predictions.

Nothing in a transformer reads a single channel of a state: tables, projections and the unembedding
take dot products. So an orthogonal matrix that multiplies the states, and all weights that read or
write them, cancels out, unless a norm stands in between that knows the axes.
"""

import numpy as np

from minitx.errors import InputError
from minitx.model import Transformer

# By the end of a parameter's name: which of its axes are channels of the stream.
READERS = ("query.weight", "key.weight", "value.weight", "up.weight", "gate.weight")
WRITERS = ("out.weight", "out.bias", "down.weight", "down.bias")
BY_CHANNEL = ("table", "norm.gain", "norm.bias", *WRITERS)
INSIDE_HEADS = ("query_norm.gain", "key_norm.gain")


def in_other_axes(model: Transformer, axes_DD) -> Transformer:
    """Return the model whose states are those of `model` times an orthogonal matrix.

    Its logits are the same up to rounding. Raises InputError where they would not be: for
    sinusoidal positions, which are no weights; and, unless the matrix permutes channels, for a norm
    that knows the axes: a LayerNorm by its mean, any norm by its gain.
    """
    axes_DD = np.asarray(axes_DD, np.float32)
    c = model.config
    permutes = bool(np.isin(axes_DD, (0, 1)).all())
    if c.positions == "sinusoidal":
        raise InputError("positions=sinusoidal are fixed to their channels: choose other positions")
    if not permutes and c.norm != "none" and (c.norm == "layernorm" or c.norm_gain):
        raise InputError(
            f"norm={c.norm} with norm_gain={c.norm_gain} gives other logits in turned axes: "
            "permute the channels, or use norm=rmsnorm with norm_gain=false"
        )
    return Transformer.of(c, _turned(model.params(), axes_DD))


def _turned(params, axes_DD, name: str = ""):
    """Return parameters in other axes; `name` is the dotted name of what they are part of."""
    if isinstance(params, dict):
        return {k: _turned(part, axes_DD, f"{name}.{k}") for k, part in params.items()}
    if name.endswith(INSIDE_HEADS):
        return params
    if name.endswith(READERS):
        return axes_DD.T @ params
    if name.endswith(BY_CHANNEL):
        return params @ axes_DD
    return params
