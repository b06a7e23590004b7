"""What training minimises: the loss of a batch, and the mean loss over a whole text.

A batch follows from the seed and the step alone, so training can go on from any step.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import divide, laid_out, make_mesh, over_seeds, with_seed_axis
from minitx.model import Params, Transformer, init_params

EVAL_TOKENS = 8192  # read at once when evaluating: large enough to be fast, small enough for memory


def losses(kind: str, logits_BTV, target_BT):
    """Return the loss_BT of each prediction, in nats or in squared logits."""
    if kind == "cross_entropy":
        return optax.softmax_cross_entropy_with_integer_labels(logits_BTV, target_BT)
    one_hot_BTV = jax.nn.one_hot(target_BT, logits_BTV.shape[-1])
    return 0.5 * jnp.sum(jnp.square(logits_BTV - one_hot_BTV), axis=-1)


def step_keys(seed, step):
    """Return the keys that fix the batches of a run and the dropout of one step."""
    key = jax.random.key(seed)
    return jax.random.fold_in(key, 1), jax.random.fold_in(jax.random.fold_in(key, 2), step)


def make_batch(tokens, key, step, batch: int, context: int):
    """Return inputs_BT and targets_BT, from random places that follow from the key and the step."""
    starts_B = jax.random.randint(jax.random.fold_in(key, step), (batch,), 0, len(tokens) - context)
    window = tokens[starts_B[:, None] + jnp.arange(context + 1)[None, :]]
    return window[:, :-1], window[:, 1:]


def in_precision(recipe: TrainConfig, params: Params) -> Params:
    """Return the parameters as the forward pass uses them; the optimizer keeps them in float32."""
    return jax.tree.map(lambda p: p.astype(recipe.precision), params)


def batch_loss(config: ModelConfig, recipe: TrainConfig, params, inputs_BT, targets_BT, key):
    """Return the mean loss of a batch, in the recipe's precision; the key draws the dropout."""
    model = Transformer.of(config, in_precision(recipe, params))
    logits_BTV = model(inputs_BT, key if config.dropout else None)
    return losses(recipe.loss, logits_BTV.astype(jnp.float32), targets_BT).mean()


def windows(tokens: np.ndarray, context: int):
    """Cut a text into windows that do not overlap; the last one is padded.

    Returns inputs_WT, targets_WT, and counts_WT: 1 for each real prediction, 0 for padding.
    """
    predictions = len(tokens) - 1
    count = math.ceil(predictions / context)
    padded = np.zeros(count * context + 1, np.int32)
    padded[: len(tokens)] = tokens
    counts = (np.arange(count * context) < predictions).astype(np.float32)
    shape = (count, context)
    return padded[:-1].reshape(shape), padded[1:].reshape(shape), counts.reshape(shape)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _sum_losses(config: ModelConfig, kind: str, mesh: Mesh, params, groups):
    """Return the summed loss of each of E models over groups of windows, (groups, W, T) each."""

    def one_model(params):
        model = Transformer.of(config, params)

        def one_group(group):
            inputs_WT, targets_WT, counts_WT = divide(group, mesh)
            return jnp.sum(losses(kind, model(inputs_WT), targets_WT) * counts_WT)

        return jnp.sum(jax.lax.map(one_group, groups))

    return over_seeds(one_model, mesh)(params)


def evaluate_seeds(
    config: ModelConfig, kind: str, params: Params, tokens: np.ndarray, mesh: Mesh
) -> np.ndarray:
    """Return the mean loss over a whole text of each of E models, whose parameters have E in front.

    The text is read in windows of the context's length that do not overlap.
    """
    groups = _groups(tokens, config.context, len(jax.tree.leaves(params)[0]), mesh)
    return np.asarray(_sum_losses(config, kind, mesh, params, groups)) / (len(tokens) - 1)


def _groups(tokens: np.ndarray, context: int, models: int, mesh: Mesh) -> list[np.ndarray]:
    """Return the `windows` of a text in groups (groups, W, T) that are read one after another."""
    arrays = windows(np.asarray(tokens), context)
    count = len(arrays[0])
    groups = max(1, round(models * arrays[0].size / EVAL_TOKENS))
    size = math.ceil(count / groups / mesh.size) * mesh.size
    padding = ((0, groups * size - count), (0, 0))
    return [np.pad(array, padding).reshape(groups, size, -1) for array in arrays]


def compile_evaluation(config: ModelConfig, kind: str, tokens: np.ndarray, mesh: Mesh) -> None:
    """Compile `evaluate_seeds` ahead of its first call, for one model and this text."""
    params = jax.eval_shape(lambda: with_seed_axis(init_params(config, jax.random.key(0))))
    groups = _groups(tokens, config.context, 1, mesh)
    _sum_losses.lower(config, kind, mesh, laid_out(params, mesh), groups).compile()


def evaluate(config: ModelConfig, kind: str, params: Params, tokens: np.ndarray) -> float:
    """Return the mean loss of one model over a whole text."""
    stacked = with_seed_axis(jax.tree.map(jnp.asarray, params))
    return float(evaluate_seeds(config, kind, stacked, tokens, make_mesh(1))[0])
