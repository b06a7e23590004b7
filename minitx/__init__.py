"""minitx: see what happens inside a transformer.

The dimension key, for every array name in this package (`x_BTD` has the axes B, T, D):

    B  batch                T  position             S  attended position
    D  stream width         H  query heads          G  key/value heads
    K  head width           F  MLP width            V  vocabulary
    N  blocks               E  seeds                L  layers: the embedding, then each block
    R  stations of the stream: after the embedding, after every attention, after every MLP (1 + 2N)
    C  terms that add up to the last state: token, position, 2N updates, the final norm's bias
    W  windows of a text that do not overlap
    Z  predictions, or tokens, in a row   M  cells of a grid

Where to read first: `config.py` (every switch), `model.py` (the forward pass, and its record),
`layers.py` (its parts), `train.py` (the step), `measure.py` (norms, directions, confidence), and
`report.py` (what is concluded from them).
"""

import importlib

_HOME = {  # public name: the module that it comes from
    "ModelConfig": "config",
    "TrainConfig": "config",
    "PRESETS": "presets",
    "InputError": "errors",
    "Transformer": "model",
    "Trace": "model",
    "fit": "train",
    "fit_seeds": "train",
    "generate": "sample",
    "inspect": "report",
    "prepare": "text.data",
    "load": "pretrained.loader",
    "Grid": "ablation.grid",
    "ablate": "ablation.cells",
    "compare": "ablation.comparison",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    """Import a public name when it is first used, so that `import minitx` does not load jax."""
    if name not in _HOME:
        raise AttributeError(f"module 'minitx' has no attribute {name!r}")
    return getattr(importlib.import_module(f"minitx.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
