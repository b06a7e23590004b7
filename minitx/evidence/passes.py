"""What does one pass through the model give?"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from minitx import compiled, objective, report
from minitx.config import ModelConfig, TrainConfig
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading
from minitx.model import Params, Transformer
from minitx.optimizer import make_optimizer
from minitx.runs.zoo import Family
from minitx.sample import generate

MADE = 8  # tokens that are generated
TEXTS = 4  # prompts: the first windows
PASSES = 100  # of training
PREDICTIONS = 32  # of a pass, if the context is not shorter


def b17(same, same_without_appending):
    """Generating is this loop: predict a token, append it, and run again. The library also keeps
    what it computed for earlier tokens in a cache. By algebra, a cache changes nothing except the
    rounding. The check compares our own loop, which has no cache, with the library. Rounding may
    exchange a few tokens, but not more than one in ten. By algebra if the loop makes 100 % of the
    tokens that the library generates. Refuted if the loop makes less than 90 % of the tokens that
    the library generates. Qualified if the loop makes at least 90 % of these tokens, but not all:
    then rounding makes some of them differ."""
    if same == 1:
        return "by algebra"
    return "refuted" if same < 0.9 else "qualified"


@evidence(
    "B17",
    rule=b17,
    baseline="the same loop that does not append: it predicts the first token again and again",
    sentence="A loop that predicts the best token, appends it, and runs again makes {same:.1%} of "
    "the tokens that the library generates. A loop that does not append reads the same text each "
    "time and predicts the same token: it makes {same_without_appending:.1%} of them.",
    of="model",
)
def measure_b17(reading: Reading) -> dict[str, float]:
    tokens_WT = reading.tokens_WT[:TEXTS]
    length = min(tokens_WT.shape[1], 2 * MADE)
    if length < 4:
        raise Untestable("its context is too short for a prompt and its continuation")
    start = length // 2
    prompt_BT = tokens_WT[:, :start]
    made = list(generate(reading.model, prompt_BT, length - start, temperature=0))
    expected_BT = np.concatenate(made, axis=1)
    found_BT = continue_by_hand(reading.model, prompt_BT, length - start)
    return {
        "same": float(np.mean(found_BT == expected_BT)),
        "same_without_appending": float(np.mean(found_BT[:, :1] == expected_BT)),
    }


def continue_by_hand(model: Transformer, prompt_BT, count: int) -> np.ndarray:
    """Return `count` tokens for each prompt: predict the best one, append it, run again."""
    start = prompt_BT.shape[1]
    params = model.params()
    # Zeros fill up the row, so that one compiled program serves all steps; no token looks ahead.
    tokens_BT = np.pad(prompt_BT, ((0, 0), (0, count)))
    for end in range(start, start + count):
        (logits_BTV,) = compiled.trace_fields(model.config, ("logits_BTV",), params, tokens_BT)
        tokens_BT[:, end] = np.asarray(logits_BTV)[:, end - 1].argmax(axis=-1)
    return tokens_BT[:, start:]


def b19(predictions, loss_every, loss_last):
    """Two models start alike and learn from equally many passes. One learns from all predictions of
    a pass, and the other from the last prediction alone. If the other predictions of a pass teach
    something, the first model is better at the last position. A loss that is lower by 0.1 nats
    makes the true token 10 % more likely. Supported if learning from all predictions gives a loss
    at the last position that is lower by at least 0.1 nats. Refuted if learning from all
    predictions gives a loss at the last position that is not lower."""
    gain = loss_last - loss_every
    return three_way(supported=gain >= 0.1, refuted=gain <= 0)


@evidence(
    "B19",
    rule=b19,
    baseline="no gain: the other predictions of a pass teach nothing about the last one",
    sentence="After 100 passes the loss at the last position is {loss_every:.3f} nats for a model "
    "that learned from all {predictions:.0f} predictions of a pass, and {loss_last:.3f} for one "
    "that learned from the last alone.",
    of="families",
    species=("positions-learned",),
)
def measure_b19(seed: int, family: Family) -> dict[str, float]:
    return {
        "predictions": float(min(family.config.context, PREDICTIONS)),
        "loss_every": loss_after_training(family, seed, first=0),
        "loss_last": loss_after_training(family, seed, first=-1),
    }


def loss_after_training(family: Family, seed: int, first: int) -> float:
    """Return the held-out loss at the last position of a model that learned from `first` on.

    Both trainings begin with the same weights and read the same windows.
    """
    config = family.config
    window = min(config.context, PREDICTIONS) + 1
    rng = np.random.default_rng(seed)
    tokens = family.data.train_tokens
    starts_NB = rng.integers(len(tokens) - window, size=(PASSES, 12))
    batches_NBT = tokens[starts_NB[..., None] + np.arange(window)]
    recipe = TrainConfig(steps=PASSES, lr=5e-3, warmup=10)
    params = learn(config, recipe, first, family.untrained[seed].params(), batches_NBT)
    held_out_BT = report.sequences(family.data.val_tokens, window)
    return float(losses(config, params, held_out_BT)[:, -1].mean())


@functools.partial(jax.jit, static_argnums=0)
def losses(config: ModelConfig, params: Params, tokens_BT):
    """Return the loss_BT of each prediction of a window from the tokens before."""
    logits_BTV = Transformer.of(config, params)(tokens_BT[:, :-1])
    return objective.losses("cross_entropy", logits_BTV, tokens_BT[:, 1:])


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def learn(config: ModelConfig, recipe: TrainConfig, first: int, params: Params, batches_NBT):
    """Return the parameters after a step on each batch, from the predictions at `first` and on."""
    optimizer = make_optimizer(recipe)

    def mean_loss(params, tokens_BT):
        return losses(config, params, tokens_BT)[:, first:].mean()

    def step(carry, tokens_BT):
        params, state = carry
        gradient = jax.grad(mean_loss)(params, tokens_BT)
        updates, state = optimizer.update(gradient, state, params)
        return (jax.tree.map(jnp.add, params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), batches_NBT)
    return params
