"""What could be read from an early state, if it were first translated for the unembedding?

A tuned lens is an affine map for each layer from its states to the last ones (Belrose 2023). Here
it is fitted by ridge regression in closed form, not to the KL. It is always tested on windows that
it was not fitted to, because a map with D x D parameters can learn any short text by heart.
"""

from typing import NamedTuple

import numpy as np

from minitx import compiled, measure
from minitx.evidence import linear_maps
from minitx.evidence.reading import Reading, to_float32
from minitx.model import Transformer
from minitx.report import untrained_twin

FOLDS = 5  # parts of the text; the lens for each is fitted to the others


class TunedLens(NamedTuple):
    """An affine map from states of one layer to last states, both after the final norm."""

    mean_D: np.ndarray
    map_DD: np.ndarray
    final_mean_D: np.ndarray

    def __call__(self, read_TD) -> np.ndarray:
        """Return what the unembedding should read in place of states that the final norm made."""
        return self.final_mean_D + (read_TD - self.mean_D) @ self.map_DD


def fit(read_ZD, final_ZD) -> TunedLens:
    """Return the lens from states of a layer to last states, both after the final norm."""
    read_ZD, final_ZD = (np.asarray(x, np.float64) for x in (read_ZD, final_ZD))
    mean_D, final_mean_D = read_ZD.mean(axis=0), final_ZD.mean(axis=0)
    map_DD = linear_maps.ridge(read_ZD - mean_D, final_ZD - final_mean_D)
    return TunedLens(mean_D, map_DD, final_mean_D)


def share_named(model: Transformer, read_LZD, final_ZD) -> np.ndarray:
    """Return by layer how often a tuned lens names the token that the model says in the end.

    The lens of a layer is fitted to the first half of its states Z and tested on the second half.
    All states are those after the final norm; `read_LZD` may come from another model.
    """
    half = len(final_ZD) // 2
    translated_LZD = [fit(read[:half], final_ZD[:half])(read[half:]) for read in read_LZD]
    both_LZD = np.array([*translated_LZD, final_ZD[half:]], np.float32)
    named_LZ = compiled.unembed(model, both_LZD).argmax(axis=-1)
    return np.mean(named_LZ[:-1] == named_LZ[-1], axis=1)


def kl_by_layer(reading: Reading) -> dict[str, list[float]]:
    """Return how far each lens is from the final prediction on held-out windows, as lists over L.

    Mean KL in nats. `logit` is the lens that is not tuned, `tuned` is fitted to the layer's states,
    `from_embedding` to those of the embedding, and `from_untrained` to those of this layer in the
    untrained model. All are fitted to the last states of the trained model. `mean` is the mean
    prediction, one distribution for all positions. What a tuned lens reads was in the layer only as
    far as it beats the last three.
    """
    read_LWTD = read_states(reading, reading)
    twin = Reading(untrained_twin(reading.model, 0), reading.tokens_WT, reading.text_W)
    untrained_LWTD = read_states(twin, reading)
    final_WTD = read_LWTD[-1]
    from_embedding = tuned_kl(reading, read_LWTD[0], final_WTD)
    columns: dict[str, list[float]] = {
        "logit": [], "tuned": [], "from_embedding": [], "from_untrained": [], "mean": []
    }  # fmt: skip
    for read_WTD, untrained_WTD in zip(read_LWTD, untrained_LWTD, strict=True):
        columns["logit"].append(mean_kl(reading, final_WTD, read_WTD))
        columns["tuned"].append(tuned_kl(reading, read_WTD, final_WTD))
        columns["from_embedding"].append(from_embedding)
        columns["from_untrained"].append(tuned_kl(reading, untrained_WTD, final_WTD))
        columns["mean"].append(mean_prediction_kl(reading))
    return columns


def read_states(reading: Reading, reader: Reading) -> np.ndarray:
    """Return the states of one model after the final norm of a reader, read_LWTD.

    Position 0 is left out.
    """
    states_LWTD = reading.trace.states_LBTD[:, :, 1:]
    read = [compiled.final_norm(reader.model, states_WTD) for states_WTD in states_LWTD]
    return np.asarray(read, np.float64)


def tuned_kl(reading: Reading, read_WTD, final_WTD) -> float:
    """Return the mean KL on windows that the lens was not fitted to; each window is one once."""
    W = len(read_WTD)
    folds = min(FOLDS, W)
    translated_WTD = np.empty_like(final_WTD)
    for fold in range(folds):
        tested_W = np.arange(W) % folds == fold
        known_ZD, final_ZD = (
            x_WTD[~tested_W].reshape(-1, x_WTD.shape[-1]) for x_WTD in (read_WTD, final_WTD)
        )
        translated_WTD[tested_W] = fit(known_ZD, final_ZD)(read_WTD[tested_W])
    return mean_kl(reading, final_WTD, translated_WTD)


def mean_kl(reading: Reading, final_WTD, read_WTD) -> float:
    """Return the mean KL between what the unembedding makes of two arrays of states."""
    kl_W = []
    for final_TD, read_TD in zip(final_WTD, read_WTD, strict=True):  # one window's logits at a time
        final_TV, read_TV = (
            compiled.unembed(reading.model, to_float32(x_TD))[0] for x_TD in (final_TD, read_TD)
        )
        kl_W.append(measure.kl(final_TV, read_TV).mean())
    return float(np.mean(kl_W))


def mean_prediction_kl(reading: Reading) -> float:
    """Return the mean KL between the final predictions and the mean of all of them."""
    windows = range(len(reading.tokens_WT))
    mean_V = np.log(
        np.mean([measure.softmax(reading.logits_TV(w)).mean(axis=0) for w in windows], axis=0)
    )
    return float(np.mean([measure.kl(reading.logits_TV(w), mean_V[None]).mean() for w in windows]))
