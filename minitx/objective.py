"""What training minimises: the loss of a batch, and the mean loss over a whole text.

A batch follows from the seed and the step alone, so training can go on from any step.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import AXIS, make_mesh, on_all_devices, over_seeds, own_share
from minitx.model import Params, Transformer

EVAL_TOKENS = 8192  # read at once when evaluating: large enough to be fast, small enough for memory


def losses(kind: str, logits_BTV, target_BT):
    """The loss of each prediction, in nats or squared logits; shape (B, T)."""
    if kind == "cross_entropy":
        return optax.softmax_cross_entropy_with_integer_labels(logits_BTV, target_BT)
    one_hot_BTV = jax.nn.one_hot(target_BT, logits_BTV.shape[-1])
    return 0.5 * jnp.sum(jnp.square(logits_BTV - one_hot_BTV), axis=-1)


def make_batch(tokens, key, step, batch: int, context: int):
    """Inputs and targets (B, T), at random places that follow from the key and the step alone."""
    starts_B = jax.random.randint(jax.random.fold_in(key, step), (batch,), 0, len(tokens) - context)
    window = tokens[starts_B[:, None] + jnp.arange(context + 1)[None, :]]
    return window[:, :-1], window[:, 1:]


def step_keys(seed, step):
    """The keys that fix a step's batch and its dropout."""
    key = jax.random.key(seed)
    return jax.random.fold_in(key, 1), jax.random.fold_in(jax.random.fold_in(key, 2), step)


def in_precision(recipe: TrainConfig, params: Params) -> Params:
    """The parameters as the forward pass uses them; the optimiser keeps them in float32."""
    return jax.tree.map(lambda p: p.astype(recipe.precision), params)


def batch_loss(config: ModelConfig, recipe: TrainConfig, params, inputs_BT, targets_BT, key):
    """The mean loss of a batch, computed in the recipe's precision; the key draws the dropout."""
    model = Transformer.of(config, in_precision(recipe, params))
    logits_BTV = model(inputs_BT, key if config.dropout else None)
    return losses(recipe.loss, logits_BTV.astype(jnp.float32), targets_BT).mean()


def windows(tokens: np.ndarray, context: int):
    """All of a text as inputs, targets (W, T) that do not overlap, and which of them count."""
    count = -(-(len(tokens) - 1) // context)
    padded = np.zeros(count * context + 1, np.int32)
    padded[: len(tokens)] = tokens
    counts = (np.arange(count * context) < len(tokens) - 1).astype(np.float32)
    shape = (count, context)
    return padded[:-1].reshape(shape), padded[1:].reshape(shape), counts.reshape(shape)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _sum_losses(config: ModelConfig, kind: str, mesh: Mesh, params, inputs, targets, counts):
    """The summed loss of each of E models over groups of windows (groups, windows, T)."""

    def all_models(params, inputs, targets, counts):
        def one_model(params):
            transformer = Transformer.of(config, params)

            def group(arrays):
                inputs_BT, targets_BT, counts_BT = map(own_share, arrays)
                return jnp.sum(losses(kind, transformer(inputs_BT), targets_BT) * counts_BT)

            return jnp.sum(jax.lax.map(group, (inputs, targets, counts)))

        return jax.lax.psum(over_seeds(one_model, mesh)(params), AXIS)

    return on_all_devices(all_models, mesh)(params, inputs, targets, counts)


def evaluate_seeds(
    config: ModelConfig, kind: str, params: Params, tokens: np.ndarray, mesh: Mesh
) -> np.ndarray:
    """The mean loss over a whole text of each of E models, whose parameters have E in front.

    The text is read in windows of the context's length that do not overlap.
    """
    models = len(jax.tree.leaves(params)[0])
    arrays = windows(np.asarray(tokens), config.context)
    groups = max(1, round(models * arrays[0].size / EVAL_TOKENS))
    size = -(-len(arrays[0]) // groups // mesh.size) * mesh.size
    fill = ((0, groups * size - len(arrays[0])), (0, 0))
    grouped = [np.pad(a, fill).reshape(groups, size, -1) for a in arrays]
    return np.asarray(_sum_losses(config, kind, mesh, params, *grouped)) / (len(tokens) - 1)


def evaluate(config: ModelConfig, kind: str, params: Params, tokens: np.ndarray) -> float:
    """The mean loss of one model over a whole text."""
    stacked = jax.tree.map(lambda p: jnp.asarray(p)[None], params)
    return float(evaluate_seeds(config, kind, stacked, tokens, make_mesh(1))[0])
