"""Training: a pure step, run many at a time inside one compiled loop.

`step` is the whole of it; `train` runs steps and yields a `Report` every moment, `fit` runs to the
end. Arrays of token ids come in, parameters go out; nothing here reads or writes files.
"""

import functools
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from minitx.checkpoint import named_arrays
from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.model import Params, Transformer, init_params
from minitx.optimizer import make_optimizer, rate

EVAL_TOKENS = 8192  # read at once when evaluating: large enough to be fast, small enough for memory


class TrainState(NamedTuple):
    """All that the next step depends on, besides the configs and the text."""

    params: Params
    optimizer: optax.OptState
    step: jax.Array  # steps done
    loss_sum: jax.Array  # of the steps since the last evaluation
    grad_norm: jax.Array  # of the last step, before clipping
    bad_step: jax.Array  # the first step whose loss or gradient was not finite; -1 if none


class Evaluation(NamedTuple):
    """One line of metrics.jsonl; losses in nats per token."""

    step: int
    train_loss: float  # mean over the steps since the evaluation before
    val_loss: float  # over the whole validation split
    lr: float
    grad_norm: float
    tokens: int  # trained on so far
    seconds: float  # of training so far, evaluations and compilation included


class Report(NamedTuple):
    """Where training stands, after a stretch of steps."""

    state: TrainState
    step: int
    train_loss: float  # mean over the steps since the last evaluation
    tokens_per_second: float  # of this stretch; the first one compiles
    evaluation: Evaluation | None = None  # at the steps that have one


class NonFinite(InputError):
    """The loss or the gradient stopped being a finite number; `state` is the last good one."""

    def __init__(self, message: str, state: TrainState):
        super().__init__(message)
        self.state = state


def losses(kind: str, logits_BTV, target_BT):
    """The loss of each prediction, in nats or squared logits; shape (B, T)."""
    if kind == "cross_entropy":
        return optax.softmax_cross_entropy_with_integer_labels(logits_BTV, target_BT)
    one_hot_BTV = jax.nn.one_hot(target_BT, logits_BTV.shape[-1])
    return 0.5 * jnp.sum(jnp.square(logits_BTV - one_hot_BTV), axis=-1)


def make_batch(tokens, key, step, batch: int, context: int):
    """Inputs and targets (B, T), at random places that follow from the key and the step alone."""
    starts_B = jax.random.randint(
        jax.random.fold_in(key, step), (batch,), 0, len(tokens) - context
    )
    window = tokens[starts_B[:, None] + jnp.arange(context + 1)[None, :]]
    return window[:, :-1], window[:, 1:]


def initial_params(config: ModelConfig, seed: int) -> Params:
    """The untrained model that a run with this seed starts from."""
    return init_params(config, jax.random.fold_in(jax.random.key(seed), 0))


def init_state(config: ModelConfig, recipe: TrainConfig) -> TrainState:
    """The state before the first step."""
    params = initial_params(config, recipe.seed)
    return TrainState(
        params=params,
        optimizer=make_optimizer(recipe).init(params),
        step=jnp.int32(0),
        loss_sum=jnp.float32(0),
        grad_norm=jnp.float32(0),
        bad_step=jnp.int32(-1),
    )


def step_keys(recipe: TrainConfig, step):
    """The keys that fix a step's batch and its dropout."""
    key = jax.random.key(recipe.seed)
    return jax.random.fold_in(key, 1), jax.random.fold_in(jax.random.fold_in(key, 2), step)


def batch_loss(config: ModelConfig, recipe: TrainConfig, params, inputs_BT, targets_BT, key):
    """The mean loss of a batch; the key draws the dropout."""
    logits_BTV = Transformer.of(config, params)(inputs_BT, key if config.dropout else None)
    return losses(recipe.loss, logits_BTV, targets_BT).mean()


def step(config: ModelConfig, recipe: TrainConfig, state: TrainState, tokens) -> TrainState:
    """One step of training; if it is not finite, the state stays and `bad_step` says so."""
    batch_key, dropout_key = step_keys(recipe, state.step)
    inputs_BT, targets_BT = make_batch(tokens, batch_key, state.step, recipe.batch, config.context)
    loss, gradient = jax.value_and_grad(functools.partial(batch_loss, config, recipe))(
        state.params, inputs_BT, targets_BT, dropout_key
    )
    grad_norm = optax.tree.norm(gradient)
    updates, optimizer = make_optimizer(recipe).update(gradient, state.optimizer, state.params)
    new = TrainState(
        params=optax.apply_updates(state.params, updates),
        optimizer=optimizer,
        step=state.step + 1,
        loss_sum=state.loss_sum + loss,
        grad_norm=grad_norm,
        bad_step=state.bad_step,
    )
    whole = jax.tree.map(lambda p: jnp.isfinite(p).all(), new.params)
    good = jnp.isfinite(loss) & jnp.isfinite(grad_norm) & jax.tree.reduce(jnp.logical_and, whole)
    kept = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, state)
    return kept._replace(bad_step=jnp.where(good, -1, state.step))


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def run_steps(config: ModelConfig, recipe: TrainConfig, state: TrainState, tokens, until):
    """Steps up to `until`, in one compiled loop; it ends early at a step that is not finite."""
    return jax.lax.while_loop(
        lambda s: (s.step < until) & (s.bad_step < 0),
        lambda s: step(config, recipe, s, tokens),
        state,
    )


def windows(tokens: np.ndarray, context: int):
    """All of a text as inputs, targets (W, T) that do not overlap, and which of them count."""
    count = -(-(len(tokens) - 1) // context)
    padded = np.zeros(count * context + 1, np.int32)
    padded[: len(tokens)] = tokens
    counts = (np.arange(count * context) < len(tokens) - 1).astype(np.float32)
    shape = (count, context)
    return padded[:-1].reshape(shape), padded[1:].reshape(shape), counts.reshape(shape)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _sum_losses(config: ModelConfig, kind: str, params, inputs, targets, counts):
    transformer = Transformer.of(config, params)

    def group(arrays):
        inputs_BT, targets_BT, counts_BT = arrays
        return jnp.sum(losses(kind, transformer(inputs_BT), targets_BT) * counts_BT)

    return jnp.sum(jax.lax.map(group, (inputs, targets, counts)))


def evaluate(config: ModelConfig, kind: str, params: Params, tokens: np.ndarray) -> float:
    """The mean loss over a whole text, in windows of the context's length that do not overlap."""
    arrays = windows(np.asarray(tokens), config.context)
    groups = max(1, round(arrays[0].size / EVAL_TOKENS))
    size = -(-len(arrays[0]) // groups)
    fill = ((0, groups * size - len(arrays[0])), (0, 0))
    grouped = [np.pad(a, fill).reshape(groups, size, -1) for a in arrays]
    return float(_sum_losses(config, kind, params, *grouped)) / (len(tokens) - 1)


def check_lengths(config: ModelConfig, train_tokens, val_tokens) -> None:
    """Raise InputError if a text is too short to train or to validate this model on."""
    for name, tokens, need in (
        ("training", train_tokens, config.context + 1),
        ("validation", val_tokens, 2),
    ):
        if len(tokens) < need:
            raise InputError(
                f"the {name} split has {len(tokens)} tokens, but context={config.context} needs "
                f"{need}: use a longer text or a smaller --context"
            )


def train(
    config: ModelConfig,
    recipe: TrainConfig,
    train_tokens: np.ndarray,
    val_tokens: np.ndarray,
    state: TrainState | None = None,
    seconds: float = 0.0,
) -> Iterator[Report]:
    """Train, with a `Report` about twice a second and at every evaluation.

    Starts from `state` if one is given (its arrays are used up), else from the seed; `seconds` is
    the time already spent. The length of the stretches between reports has no influence on the
    result. Raises InputError where a text is shorter than the context, NonFinite where the loss or
    a gradient stops being a number.
    """
    check_lengths(config, train_tokens, val_tokens)
    started = time.perf_counter() - seconds
    state = init_state(config, recipe) if state is None else state
    device_tokens = jnp.asarray(train_tokens, jnp.int32)
    here, stretch = int(state.step), 1
    while here < recipe.steps:
        next_evaluation = min(recipe.steps, (here // recipe.eval_every + 1) * recipe.eval_every)
        goal = min(here + stretch, next_evaluation)
        clock = time.perf_counter()
        state = run_steps(config, recipe, state, device_tokens, goal)
        if int(state.bad_step) >= 0:
            raise NonFinite(explain(config, recipe, state, device_tokens), state)
        per_step = (time.perf_counter() - clock) / (goal - here)
        stretch = max(1, min(2 * stretch, int(0.5 / per_step)))
        here = goal
        since = (here - 1) % recipe.eval_every + 1
        speed = recipe.batch * config.context / per_step
        report = Report(state, here, float(state.loss_sum) / since, speed)
        if here == next_evaluation:
            val_loss = evaluate(config, recipe.loss, state.params, val_tokens)
            if not math.isfinite(val_loss):
                raise NonFinite(
                    f"the validation loss after step {here} is {val_loss}, though training is "
                    f"still finite: lower --lr (now {recipe.lr:g})",
                    state,
                )
            report = report._replace(
                state=state._replace(loss_sum=jnp.float32(0)),
                evaluation=Evaluation(
                    step=here,
                    train_loss=report.train_loss,
                    val_loss=val_loss,
                    lr=float(recipe.lr * rate(recipe, here - 1)),
                    grad_norm=float(state.grad_norm),
                    tokens=here * recipe.batch * config.context,
                    seconds=time.perf_counter() - started,
                ),
            )
            state = report.state
        yield report


def fit(
    config: ModelConfig, recipe: TrainConfig, train_tokens, val_tokens
) -> tuple[Transformer, list[Evaluation]]:
    """Train to the end: the trained model, and its evaluations.

    >>> import numpy as np
    >>> text = np.tile(np.arange(5), 40)  # 0 1 2 3 4 0 1 2 3 4 ...
    >>> config = ModelConfig(width=8, heads=2, depth=1, context=10, vocab=5)
    >>> recipe = TrainConfig(steps=60, lr=0.02, warmup=5, eval_every=30)
    >>> model, history = fit(config, recipe, text, text)
    >>> [e.step for e in history], history[-1].val_loss < 0.1
    ([30, 60], True)
    """
    history = []
    for report in train(config, recipe, train_tokens, val_tokens):
        if report.evaluation:
            history.append(report.evaluation)
    return Transformer.of(config, report.state.params), history


def explain(config: ModelConfig, recipe: TrainConfig, state: TrainState, tokens) -> str:
    """Why the step after `state` is not finite: which tensor went first, and what to do."""
    batch_key, dropout_key = step_keys(recipe, state.step)
    inputs_BT, targets_BT = make_batch(tokens, batch_key, state.step, recipe.batch, config.context)
    key = dropout_key if config.dropout else None
    trace = Transformer.of(config, state.params).trace(inputs_BT, key)
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
        f"lower --lr (now {recipe.lr:g}), raise --warmup (now {recipe.warmup}){clip}"
    )


ORDER = [
    "embedding", "position", "blocks",
    "attention_norm", "attention", "query", "key", "query_norm", "key_norm", "value", "out",
    "mlp_norm", "mlp", "gate", "up", "down", "final_norm", "unembedding",
]  # fmt: skip


def forward_order(params: Params) -> list[tuple[str, np.ndarray]]:
    """Every parameter with its dotted name, in the order in which the forward pass meets them."""

    def place(item):
        parts = item[0].split(".")
        return [int(p) if p.isdigit() else ORDER.index(p) if p in ORDER else 0 for p in parts]

    return sorted(named_arrays(params).items(), key=place)
