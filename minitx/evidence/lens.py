"""What does the unembedding see in states that are not the last?"""

import functools

import numpy as np

from minitx import compiled, measure
from minitx.evidence import linear_maps
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading
from minitx.model import Transformer

LAYERS = 6  # of a deep model that are read, spread evenly
HOME = 0.02  # of a cosine, by which states are nearer to a table than to a rotated one at their end
COMPARED = 16  # states of a window that are compared with all rows of a table


def b36(share_of_layers, at_half_depth, mean_prediction):
    """The lens reads each state before the last layer as if it were the last state. Its prediction
    is compared with the final prediction, by KL divergence. The baseline is the mean of the
    window's predictions, one distribution for all positions. A lens that is not nearer than this
    baseline shows nothing about the state. A natural lens should beat the baseline in most layers,
    which means three of four. A lens that beats it in fewer than one layer of four does not serve
    for looking inside. Supported if the lens is nearer than the mean prediction in at least 75 % of
    the layers. Refuted if the lens is nearer than the mean prediction in less than 25 % of the
    layers."""
    return three_way(supported=share_of_layers >= 0.75, refuted=share_of_layers < 0.25)


@evidence(
    "B36",
    rule=b36,
    baseline="the mean of the window's predictions, one distribution for all positions",
    sentence="Before the last layer, the lens is nearer to the final prediction than the mean "
    "prediction is in {share_of_layers:.0%} of the layers. At half depth its KL is "
    "{at_half_depth:.2f} nats; that of the mean prediction is {mean_prediction:.2f}.",
)
def measure_b36(reading: Reading, window: int) -> dict[str, float]:
    depth = reading.config.depth
    if depth < 2:
        raise Untestable("with fewer than 2 blocks there is nothing before the last layer")
    states_LTD = reading.states_LTD(window)
    final_TV = reading.logits_TV(window)
    mean_V = np.log(measure.softmax(final_TV).mean(axis=0))
    mean_prediction = float(measure.kl(final_TV, mean_V[None]).mean())
    half = depth // 2
    layers = np.unique([half, *np.linspace(0, depth - 1, min(depth, LAYERS)).astype(int)])
    kl_by_layer = {
        layer: float(measure.kl(final_TV, reading.readout(states_LTD[layer])).mean())
        for layer in layers
    }
    return {
        "share_of_layers": float(np.mean([kl < mean_prediction for kl in kl_by_layer.values()])),
        "at_half_depth": kl_by_layer[half],
        "mean_prediction": mean_prediction,
    }


def b35(cosine_input, rotated_input, input_left, cosine_output, rotated_output, output_reached):
    """The cosine of a state with the nearest row of a table says how near the state is to that
    table. The mean row is taken away first, because it tells no token from another. The lead of a
    table is how far this cosine is above the cosine with the same table, randomly rotated. The
    share of a table is its lead at half depth, divided by its lead at its own end of the model. The
    embedding's own end is the start, and the unembedding's own end is the last layer. A share of 90
    % or more means that states are at home in the table's space. If both shares are below 90 %,
    states have left the input space and not reached the output space. If both are above 10 %,
    something of both spaces is there, so that states are in between. Supported if both shares are
    above 10 % and below 90 %. Refuted if one of the shares is 90 % or more. Untested if the lead of
    a table is below 0.02 at its own end: then even states that should be at home there are not near
    to its rows."""
    has_both = min(input_left, output_reached) > 0.1
    return three_way(supported=has_both, refuted=max(input_left, output_reached) >= 0.9)


@evidence(
    "B35",
    rule=b35,
    baseline="the same tables, randomly rotated: 0 %",
    sentence="At half depth the cosine with the nearest row of the embedding is {cosine_input:.2f} "
    "(rotated table: {rotated_input:.2f}), which is {input_left:.0%} of what it is at the start, "
    "counted from the rotated table. With the nearest row of the unembedding it is "
    "{cosine_output:.2f} (rotated: {rotated_output:.2f}), {output_reached:.0%} of what it is at "
    "the end.",
)
def measure_b35(reading: Reading, window: int) -> dict[str, float]:
    depth = reading.config.depth
    if depth < 2:
        raise Untestable("with fewer than 2 blocks no state is midway")
    places_T = np.unique(np.linspace(1, reading.tokens_WT.shape[1] - 1, COMPARED).astype(int))
    states_LTD = reading.trace.states_LBTD[:, window, places_T]
    read_LTD = compiled.final_norm(reading.model, states_LTD)
    token_mean_D = reading.embedding_VD.mean(axis=0) * reading.model.embedding_scale
    token_LTD = states_LTD - reading.trace.position_BTD[window, places_T] - token_mean_D
    turn_DD = linear_maps.rotation(states_LTD.shape[-1], reading.random(window))

    def compare(midway_TD, own_end_TD, table: str) -> list[float]:
        unit_VD = unit_rows(reading, table)
        midway, rotated, at_end, rotated_at_end = (
            nearest_cosine(x_TD, unit_VD)
            # Turning the states gives the same cosines as turning the table the other way.
            for x_TD in (midway_TD, midway_TD @ turn_DD, own_end_TD, own_end_TD @ turn_DD)
        )
        if at_end - rotated_at_end < HOME:
            raise Untestable(
                "even where they should be at home, its states are no nearer to the rows of its "
                f"{table.removesuffix('_VD')} than to rows in random directions"
            )
        return [midway, rotated, (midway - rotated) / (at_end - rotated_at_end)]

    half = depth // 2
    cosine_input, rotated_input, input_left = compare(token_LTD[half], token_LTD[0], "embedding_VD")
    cosine_output, rotated_output, output_reached = compare(
        read_LTD[half], read_LTD[-1], "unembedding_VD"
    )
    return {
        "cosine_input": cosine_input,
        "rotated_input": rotated_input,
        "input_left": input_left,
        "cosine_output": cosine_output,
        "rotated_output": rotated_output,
        "output_reached": output_reached,
    }


def input_lens(model: Transformer, states_LZD, token_Z) -> np.ndarray:
    """Return by layer the share of states that are nearest, by cosine, to the embedding they had.

    What all rows share, and what all states of a layer share, is taken away first.
    """
    rows_VD = np.asarray(model.embedding.table[...], np.float64)
    rows_VD = rows_VD - rows_VD.mean(axis=0)
    unit_VD = rows_VD / np.maximum(measure.norms(rows_VD), 1e-30)[:, None]
    centred_LZD = states_LZD - states_LZD.mean(axis=1, keepdims=True)
    return np.mean((centred_LZD @ unit_VD.T).argmax(axis=-1) == token_Z, axis=1)


@functools.lru_cache(maxsize=4)
def unit_rows(reading: Reading, table: str) -> np.ndarray:
    """Return the rows of a table without their mean, each made a vector of length 1, as float32.

    What all rows share does not tell one token from another: in the unembedding it moves all logits
    alike, and so no prediction.
    """
    rows_VD = getattr(reading, table)
    rows_VD = rows_VD - rows_VD.mean(axis=0)
    length_V = measure.norms(rows_VD)
    return (rows_VD / np.where(length_V > 0, length_V, np.inf)[:, None]).astype(np.float32)


def nearest_cosine(x_TD, unit_VD) -> float:
    """Return the mean over states of the cosine with the nearest row, for rows of length 1."""
    length_T = measure.norms(x_TD)
    unit_TD = x_TD / np.where(length_T > 0, length_T, np.inf)[:, None]
    return float(np.mean(np.max(unit_TD.astype(np.float32) @ unit_VD.T, axis=1)))
