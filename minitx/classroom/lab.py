"""What lessons measure with: the states of a model, the text that it has not seen, one figure.

Shapes: a lesson's states are states_LZD, by layer L (the embedding first), token Z, width D. The
first position of each text is left out, because it attends to itself alone.
"""

from collections.abc import Callable

import numpy as np

from minitx import compiled, geometry, report
from minitx.classroom.figures import Picture
from minitx.model import Transformer
from minitx.runs.zoo import Family

TOKENS = 1024  # of held-out text; medians over them are steady


def held_out(family: Family, tokens: int = TOKENS) -> np.ndarray:
    """Return held-out text of a family as windows tokens_BT."""
    return report.sequences(family.data.val_tokens, family.config.context, tokens)


def states(model: Transformer, tokens_BT) -> np.ndarray:
    """Return the states after the embedding and after each block, states_LZD."""
    return geometry.later_states(compiled.states(model, tokens_BT))


def logits(model: Transformer, tokens_BT) -> np.ndarray:
    """Return the logits of all tokens but those at position 0, logits_ZV."""
    logits_BTV = np.asarray(compiled.trace(model, tokens_BT).logits_BTV, np.float64)
    return logits_BTV[:, 1:].reshape(-1, logits_BTV.shape[-1])


def over_seeds(measure: Callable[[Transformer], object], models: list[Transformer]) -> np.ndarray:
    """Return what is measured on each model, as an array whose first axis is the seed."""
    return np.array([measure(model) for model in models])


def draw(
    name: str,
    title: str,
    x,
    curves: dict,
    baselines: dict | None = None,
    labels: tuple[str, str] = ("", ""),
    guess: tuple[float | None, float] | None = None,
    **settings,
) -> None:
    """Draw curves and baselines over x in one panel, and save it.

    `curves` and `baselines` are values by label; values of several seeds have one row for each.
    `guess` is the learner's prediction and its place on the x axis. `settings` are those of
    matplotlib's Axes.set. The figure is saved as figures/NAME.png, with its numbers beside it.
    """
    picture = Picture(name, title)
    for label, values in curves.items():
        picture.line(0, x, values, label)
    for label, values in (baselines or {}).items():
        picture.baseline(0, x, values, label)
    if guess:
        value, place = guess
        picture.guess(0, value, at=place)
    picture.dress(0, "", *labels, **settings)
    if settings.get("xscale") == "log":
        picture.axes[0].set_xticks(x, [f"{value:g}" for value in x])
        picture.axes[0].minorticks_off()
    picture.save()
