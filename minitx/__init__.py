"""minitx: see what happens inside a transformer.

The dimension key, for every array name in this package (`x_BTD` has the axes B, T, D):

    B  batch                T  position             S  attended position
    D  stream width         H  query heads          G  key/value heads
    K  head width           F  MLP width            V  vocabulary
    N  blocks               E  seeds                L  layers: the embedding, then each block
    R  stations of the stream: after the embedding, after every attention, after every MLP (1 + 2N)
    C  terms that add up to the last state: token, position, 2N updates, the final norm's bias
    W  windows of a text that do not overlap
    Z  tokens, or predictions, of several sequences in a row
    M  cells of a grid

Reading order. The model: `config.py` (every switch), `presets.py`, `layers.py`, `model.py`,
`parameters.py`. Training: `objective.py`, `optimizer.py`, `step.py`, `train.py`, `progress.py`,
`explain.py`. Using it: `sample.py`, `compiled.py`. The lens: `measure.py`, `geometry.py`,
`last_state.py`, `report.py`, `findings.py`, `plots.py`.
The folders are rooms for one subject each; nobody needs them to understand the model.
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
