"""What is measured of a model in an ablation: the same for every cell, seed and moment of training.

All of it on the same held-out tokens, so that what differs between cells is the model alone. A swap
gives every token the length, or the direction, of another token's state at one station, and lets
the rest of the model go on; the divergence from its old prediction tells what that station's
lengths, or directions, were needed for.

Predictions are read off the scores as the loss means them (`reading`). Cross-entropy makes them
logits. Squared error makes them the probabilities themselves: softmax of those is flat at any
temperature, so a model that knew all would look as if it knew little.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from minitx import measure
from minitx.config import ModelConfig, TrainConfig
from minitx.model import Params, Transformer
from minitx.objective import batch_loss, make_batch, step_keys
from minitx.report import sequences

SWAPPED = 8  # sequences of the text on which swaps are measured; each asks for 2R forward passes


class Sample(NamedTuple):
    """Held-out text to measure on: inputs (B, T), and for each prediction what comes true.

    `truth_BTV` is the true distribution where the corpus is generated (`known`), else 1 at the
    token that came.
    """

    tokens_BT: np.ndarray
    truth_BTV: np.ndarray
    known: bool


def sample(train_tokens, val_tokens, context: int, vocab: int, generator=None) -> Sample:
    """Windows of the validation split, spread evenly over it.

    The truth of a generated corpus knows all that came before; the model its window only.
    """
    index_BT = sequences(np.arange(len(val_tokens)), context + 1)
    inputs_BT, next_BT = val_tokens[index_BT[:, :-1]], val_tokens[index_BT[:, 1:]]
    if generator is None:
        return Sample(inputs_BT, np.eye(vocab)[next_BT], False)
    stream = np.concatenate([train_tokens, val_tokens])
    probs_TV = generator.next_probs(stream)[len(train_tokens) :]
    return Sample(inputs_BT, probs_TV[index_BT[:, :-1]], True)


def exchange(x_BTD, order):
    """The states with lengths, and with directions, exchanged among tokens; position 0 stays.

    `order` says from which of the B (T - 1) later tokens each takes its own. A state of zero has no
    direction: it gives and keeps none.
    """
    B, T, D = x_BTD.shape
    later_ZD = x_BTD[:, 1:].reshape(-1, D)
    length_Z1 = jnp.linalg.norm(later_ZD, axis=-1, keepdims=True)
    direction_ZD = later_ZD / jnp.where(length_Z1 > 0, length_Z1, 1)

    def put_back(swapped_ZD):
        return jnp.concatenate([x_BTD[:, :1], swapped_ZD.reshape(B, T - 1, D)], axis=1)

    lengths = put_back(direction_ZD * length_Z1[order])
    return lengths, put_back(direction_ZD[order] * length_Z1)


def derangement(count: int) -> np.ndarray:
    """An order, the same every time, in which nobody is where they were."""
    way = np.random.default_rng(0).permutation(count)
    order = np.empty(count, int)
    order[way] = np.roll(way, 1)
    return order


@functools.partial(jax.jit, static_argnums=0)
def _look(config: ModelConfig, params: Params, tokens_BT, order):
    model = Transformer.of(config, params)
    trace = model.trace(tokens_BT)
    x_BTD = trace.before_final_norm_BTD
    swapped = []
    for r, state_BTD in enumerate(trace.stream_RBTD[:, :SWAPPED]):
        pair = jnp.concatenate(exchange(state_BTD, order))
        swapped.append(model.continue_from(r, pair))
    scaled = model.readout(0.5 * x_BTD), model.readout(2.0 * x_BTD)
    return trace.stream_RBTD[::2], trace.logits_BTV, jnp.stack(swapped), scaled


def reading(loss: str, scores_ZV, truth_ZV) -> Callable:
    """From scores to logits, for a model trained on this loss; what is to be fitted, on this text.

    The one place where the two losses differ in how they are judged.
    """
    if loss == "cross_entropy":
        return np.asarray
    some = slice(None, None, 3)  # enough for one number, and the fit takes longer than all else
    floor = measure.fitted_floor(scores_ZV[some], truth_ZV[some])
    return functools.partial(measure.log_scores, floor=floor)


def measure_model(
    config: ModelConfig, params: Params, sample: Sample, loss: str = "cross_entropy"
) -> dict[str, Any]:
    """Numbers, and lists by layer or station, of one model on one sample; None where undefined.

    `growth` is the median length after the last block over the embedding's, `later_growth` that
    over the length after the first block. `temperature`, and what `reading` fits for the `loss`
    that the model was trained on, follow from one half of the sample, and `fitted_loss` is the
    cross-entropy (nats) at them on the other half. `size_effect` is by how much the entropy falls
    when the last state is made four times as long, from half to twice its size, before the final
    norm. The null of `cos_prev` is that of updates at right angles to the state; without residual
    connections nothing is carried over that could be updated, and there is none.
    """
    few = min(SWAPPED, len(sample.tokens_BT))
    order = derangement(few * (sample.tokens_BT.shape[1] - 1))
    found = jax.tree.map(np.asarray, _look(config, params, sample.tokens_BT, order))
    stream_LBTD, scores_BTV, swapped, scaled = found
    layers = measure.layers(stream_LBTD)
    norms, first = layers["norm_median"], 1 if config.depth > 1 else 0
    if not config.residual:
        layers["null_cos"] = [None] * len(norms)
    cos, null = layers["cos_prev"][first + 1 :], layers["null_cos"][first + 1 :]

    truth_ZV = sample.truth_BTV.reshape(-1, config.vocab)
    scores_ZV = scores_BTV.reshape(truth_ZV.shape)
    middle = len(sample.tokens_BT) // 2 * sample.tokens_BT.shape[1]
    read = reading(loss, scores_ZV[:middle], truth_ZV[:middle])
    logits_BTV, swapped = read(scores_BTV), read(swapped)
    half_BTV, twice_BTV = map(read, scaled)
    logits_ZV = logits_BTV.reshape(truth_ZV.shape)
    temperature = measure.fitted_temperature(logits_ZV[:middle], truth_ZV[:middle])
    fitted_loss = measure.cross_entropy(logits_ZV[middle:] / temperature, truth_ZV[middle:])

    before_BTV = logits_BTV[:few, 1:]
    kl_RX = [[measure.kl(before_BTV, swapped_BTV[:, 1:]).mean()
              for swapped_BTV in (pair[:few], pair[few:])] for pair in swapped]  # fmt: skip
    kl_length_R, kl_direction_R = (measure.plain(kl_R) for kl_R in zip(*kl_RX, strict=True))
    fall = measure.entropy(half_BTV).mean() - measure.entropy(twice_BTV).mean()
    numbers = {
        "fitted_loss": fitted_loss,
        "growth": _ratio(norms[-1], norms[0]) if config.depth else None,
        "later_growth": _ratio(norms[-1], norms[1]) if config.depth > 1 else None,
        "cos_prev": _mean(cos),
        "null_cos": _mean(null),
        "cos_excess": _mean([_less(c, n) for c, n in zip(cos, null, strict=True)]),
        "cos_embedding": layers["cos_embedding"][-1],
        "temperature": temperature,
        **measure.calibration(logits_ZV, truth_ZV),
        "accuracy": _accuracy(scores_ZV, truth_ZV),  # a floor could make the likeliest tokens equal
        "size_effect": float(fall),
        "length_swap": _mean(kl_length_R),
        "direction_swap": _mean(kl_direction_R),
    }
    if sample.known:
        sure = truth_ZV > 0
        own = -np.sum(truth_ZV * np.log(truth_ZV, where=sure, out=np.zeros_like(truth_ZV)), axis=-1)
        numbers["kl_truth"] = measure.cross_entropy(logits_ZV, truth_ZV) - float(own.mean())
    kept = ("norm_median", "cos_prev", "null_cos", "cos_embedding", "growth")
    numbers = {name: measure.plain([value])[0] if value is not None else None
               for name, value in numbers.items()}  # fmt: skip
    numbers |= {f"{name}_by_layer": layers[name] for name in kept}
    swaps = {"length_swap": kl_length_R, "direction_swap": kl_direction_R}
    return numbers | {f"{name}_by_station": kl_R for name, kl_R in swaps.items()}


@functools.partial(jax.jit, static_argnums=(0, 1))
def _first_gradient(config: ModelConfig, recipe: TrainConfig, params, seed, tokens):
    batch_key, dropout_key = step_keys(seed, 0)
    inputs_BT, targets_BT = make_batch(tokens, batch_key, 0, recipe.batch, config.context)
    dropout_key = jax.random.fold_in(dropout_key, 0)  # as on the first device
    loss = functools.partial(batch_loss, config, recipe)
    gradient = jax.grad(loss)(params, inputs_BT, targets_BT, dropout_key)

    def length(part):
        return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(part)))

    blocks = [length(gradient["blocks"][n]) for n in range(config.depth)]
    return length(gradient["embedding"]), blocks


def first_gradient(config: ModelConfig, recipe: TrainConfig, params, seed: int, tokens):
    """The length of the gradient of the embedding, then of each block, at the first step."""
    program = TrainConfig(batch=recipe.batch, loss=recipe.loss, precision=recipe.precision)
    embedding, blocks = _first_gradient(config, program, params, np.uint32(seed), tokens)
    return measure.plain([embedding, *blocks])


def _accuracy(scores_ZV, truth_ZV) -> float:
    return float(truth_ZV[np.arange(len(truth_ZV)), scores_ZV.argmax(axis=-1)].mean())


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _mean(values: list) -> float | None:
    """The mean, if there are values and all of them are numbers."""
    return float(np.mean(values)) if values and None not in values else None
