"""What does the unembedding see in states that are not the last?"""

import numpy as np

from minitx import measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading

LAYERS = 6  # of a deep model that are read, spread evenly


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
