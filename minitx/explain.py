"""Why a step of training was not finite: which tensor went first, and what to do about it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from minitx.config import ModelConfig, TrainConfig
from minitx.model import Params, Transformer
from minitx.objective import batch_loss, in_precision, make_batch, step_keys
from minitx.parameters import named_arrays


def explain(config: ModelConfig, recipe: TrainConfig, state, tokens) -> str:
    """Why the step after a `TrainState` is not finite: which tensor went first, and what to do."""
    batch_key, dropout_key = step_keys(state.seed, state.step)
    tokens = jnp.asarray(tokens, jnp.int32)
    inputs_BT, targets_BT = make_batch(tokens, batch_key, state.step, recipe.batch, config.context)
    trace = Transformer.of(config, in_precision(recipe, state.params)).trace(
        inputs_BT, dropout_key if config.dropout else None
    )
    loss, gradient = jax.value_and_grad(functools.partial(batch_loss, config, recipe))(
        state.params, inputs_BT, targets_BT, dropout_key
    )
    named = [("the parameter " + name, array) for name, array in forward_order(state.params)]
    named += [("the embedding", trace.stream_RBTD[0])]
    for n in range(config.depth):
        named += [
            (f"the attention pattern of block {n}", trace.pattern_NBHTS[n]),
            (f"the attention update of block {n}", trace.attention_update_NBTD[n]),
            (f"the stream after the attention of block {n}", trace.stream_RBTD[2 * n + 1]),
            (f"the MLP update of block {n}", trace.mlp_update_NBTD[n]),
            (f"the stream after block {n}", trace.stream_RBTD[2 * n + 2]),
        ]
    named += [("the final norm's output", trace.after_final_norm_BTD)]
    named += [("the logits", trace.logits_BTV), ("the loss", loss)]
    # Gradients are made from the end of the model to its start.
    backwards = reversed(forward_order(gradient))
    named += [("the gradient of " + name, array) for name, array in backwards]
    first = next((name for name, a in named if not np.isfinite(np.asarray(a)).all()), None)
    if first:
        cause = f"{first} is not finite first"
    elif not np.isfinite(optax.tree.norm(gradient)):
        cause = "the gradient's norm overflows"
    else:
        cause = "the update overflows a parameter"
    clip = "" if recipe.clip else ", or clip gradients with --clip 1"
    return (
        f"training stopped at step {int(state.step)}: {cause}; "
        f"lower --lr (now {float(state.peak_lr):g}), raise --warmup (now {recipe.warmup}){clip}"
    )


ORDER = [
    "embedding", "position", "blocks",
    "attention_norm", "attention", "query", "key", "query_norm", "key_norm", "value", "out",
    "mlp_norm", "mlp", "gate", "up", "down", "final_norm", "unembedding", "head",
]  # fmt: skip


def forward_order(params: Params) -> list[tuple[str, np.ndarray]]:
    """Every parameter with its dotted name, in the order in which the forward pass meets them."""

    def place(item):
        parts = item[0].split(".")
        return [int(p) if p.isdigit() else ORDER.index(p) if p in ORDER else 0 for p in parts]

    return sorted(named_arrays(params).items(), key=place)
