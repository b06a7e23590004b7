"""What does the unembedding see in states that are not the last?"""

import numpy as np

from minitx import compiled, measure
from minitx.evidence import linear_maps
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading

LAYERS = 6  # of a deep model that are read, spread evenly
COMPARED = 16  # states of a window that are compared with all rows of a table


def b36(share_of_layers, at_half_depth, mean_prediction):
    """Before the last layer, the lens is nearer to the final prediction than the mean prediction is
    (one distribution for all positions) in at least three layers of four. Refuted below one in
    four."""
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
    """How near the states at half depth are to the rows of each table, where 100 % is what the
    table has at its own end of the model, and 0 % what a rotated table has. The states have left
    the input space and not reached the output space if both are below 90 %. They are in between if
    both are above 10 %, so that something of both spaces is there. Refuted if one is 90 % or more:
    then states midway are still, or already, at home."""
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
    position_TD = reading.trace.position_BTD[window, places_T] / reading.model.embedding_scale
    turn_DD = linear_maps.rotation(states_LTD.shape[-1], reading.random(window))

    def compare(x_LTD, own_end, rows_VD, shift_TD) -> np.ndarray:
        midway_TD, end_TD = x_LTD[depth // 2], x_LTD[own_end]
        # Turning the states gives the same cosines as turning the table the other way.
        x_XTD = np.stack([midway_TD, midway_TD @ turn_DD, end_TD, end_TD @ turn_DD])
        midway, rotated, at_end, rotated_at_end = nearest_cosines(x_XTD, rows_VD, shift_TD)
        return np.array([midway, rotated, (midway - rotated) / (at_end - rotated_at_end)])

    cosine_input, rotated_input, input_left = compare(
        states_LTD, 0, reading.embedding_VD, position_TD
    )
    cosine_output, rotated_output, output_reached = compare(
        read_LTD, depth, reading.unembedding_VD, np.zeros_like(position_TD)
    )
    return {
        "cosine_input": cosine_input,
        "rotated_input": rotated_input,
        "input_left": input_left,
        "cosine_output": cosine_output,
        "rotated_output": rotated_output,
        "output_reached": output_reached,
    }


def nearest_cosines(x_XTD, rows_VD, shift_TD) -> np.ndarray:
    """Return for each of X arrays the mean over T of the cosine with the nearest row of a table.

    `shift_TD` is added to all rows before they are compared with state t: its position's vector.
    """
    x_XTD = np.asarray(x_XTD, np.float64)
    shift_TD = np.asarray(shift_TD, np.float64)
    dot_XTV = x_XTD @ rows_VD.T
    square_TV = np.einsum("VD,VD->V", rows_VD, rows_VD)
    if shift_TD.any():  # |row + shift|^2, without an array (T, V, D) of their sums
        dot_XTV += np.sum(x_XTD * shift_TD, axis=-1, keepdims=True)
        square_TV = square_TV + 2 * shift_TD @ rows_VD.T
        square_TV += np.sum(shift_TD**2, axis=1, keepdims=True)
    length_TV = np.sqrt(np.maximum(square_TV, 0))
    dot_XTV /= np.where(length_TV > 0, length_TV, np.inf)
    length_XT = measure.norms(x_XTD)
    nearest_XT = dot_XTV.max(axis=-1) / np.where(length_XT > 0, length_XT, np.inf)
    return nearest_XT.mean(axis=1)
