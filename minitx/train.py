"""Training: a pure step, run many at a time inside one compiled loop.

`step` is the whole of it. `train_seeds` runs it for several seeds at once and says every moment
where each stands; `train` is the same for one seed, and `fit` and `fit_seeds` run to the end.
Arrays of token ids come in, parameters go out; nothing here reads or writes files.
"""

import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import AXIS, make_mesh, on_all_devices, over_seeds, own_share, put
from minitx.devices.processes import agree
from minitx.errors import InputError
from minitx.explain import explain
from minitx.model import Params, Transformer, init_params
from minitx.objective import batch_loss, evaluate_seeds, make_batch, step_keys
from minitx.optimizer import make_optimizer, rate


class TrainState(NamedTuple):
    """All that the next step depends on, besides the configs and the text."""

    params: Params
    optimizer: optax.OptState
    seed: jax.Array  # fixes the initial weights, the batches and the dropout
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
    """Where the training of one seed stands, after a stretch of steps."""

    state: TrainState
    step: int
    train_loss: float  # mean over the steps since the last evaluation
    tokens_per_second: float  # of this stretch, all seeds together; the first one compiles
    evaluation: Evaluation | None = None  # at the steps that have one
    failure: str | None = None  # why this seed cannot go on; `state` is then the last good one


class NonFinite(InputError):
    """The loss or the gradient stopped being a finite number; `state` is the last good one."""

    def __init__(self, message: str, state: TrainState):
        super().__init__(message)
        self.state = state


def initial_params(config: ModelConfig, seed) -> Params:
    """The untrained model that a run with this seed, from 0 to 2^32 - 1, starts from."""
    return _initial_params(config, jnp.uint32(seed))


@functools.partial(jax.jit, static_argnums=0)
def _initial_params(config: ModelConfig, seed) -> Params:
    return init_params(config, jax.random.fold_in(jax.random.key(seed), 0))


def init_state(config: ModelConfig, recipe: TrainConfig, seed=None) -> TrainState:
    """The state before the first step; the seed is the recipe's unless another is given."""
    seed = recipe.seed if seed is None else seed
    params = initial_params(config, seed)
    return TrainState(
        params=params,
        optimizer=make_optimizer(recipe).init(params),
        seed=jnp.uint32(seed),
        step=jnp.int32(0),
        loss_sum=jnp.float32(0),
        grad_norm=jnp.float32(0),
        bad_step=jnp.int32(-1),
    )


def step(
    config: ModelConfig, recipe: TrainConfig, tokens, state: TrainState, peak=None
) -> TrainState:
    """One step of training; if it is not finite, the state stays and `bad_step` says so.

    Each device of the mesh takes its share of the batch, and all then take the mean gradient: the
    step of one device, to rounding, but for dropout, which each device draws for its own share.
    A `peak` takes the place of the recipe's learning rate.
    """
    batch_key, dropout_key = step_keys(state.seed, state.step)
    batch = make_batch(tokens, batch_key, state.step, recipe.batch, config.context)
    inputs_BT, targets_BT = map(own_share, batch)
    dropout_key = jax.random.fold_in(dropout_key, jax.lax.axis_index(AXIS))
    loss, gradient = jax.lax.pmean(
        jax.value_and_grad(functools.partial(batch_loss, config, recipe))(
            state.params, inputs_BT, targets_BT, dropout_key
        ),
        AXIS,
    )
    grad_norm = optax.tree.norm(gradient)
    optimizer = make_optimizer(recipe, peak)
    updates, optimizer = optimizer.update(gradient, state.optimizer, state.params)
    new = state._replace(
        params=optax.apply_updates(state.params, updates),
        optimizer=optimizer,
        step=state.step + 1,
        loss_sum=state.loss_sum + loss,
        grad_norm=grad_norm,
    )
    whole = jax.tree.map(lambda p: jnp.isfinite(p).all(), new.params)
    good = jnp.isfinite(loss) & jnp.isfinite(grad_norm) & jax.tree.reduce(jnp.logical_and, whole)
    kept = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, state)
    return kept._replace(bad_step=jnp.where(good, -1, state.step))


@functools.partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def run_steps(
    config: ModelConfig, recipe: TrainConfig, mesh: Mesh, states, tokens, until, peak_E=None
):
    """Steps up to `until` for each of E states (used up), in one compiled loop.

    A state whose step is not finite stays where it is. On a CPU, one call for each step took 1.4
    times as long as one call for many. Peak rates for each may take
    the place of the recipe's; other ones need no compiling again.
    """

    def all_seeds(states, tokens, until, peak_E):
        def one_seed(state_and_peak):
            state, peak = state_and_peak
            return jax.lax.while_loop(
                lambda s: (s.step < until) & (s.bad_step < 0),
                lambda s: step(config, recipe, tokens, s, peak),
                state,
            )

        return over_seeds(one_seed, mesh)((states, peak_E))

    return on_all_devices(all_seeds, mesh)(states, tokens, until, peak_E)


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


def check_share(recipe: TrainConfig, mesh: Mesh) -> None:
    """Raise InputError if a batch cannot be divided among the devices of the mesh."""
    if recipe.batch % mesh.size:
        below = recipe.batch // mesh.size * mesh.size
        raise InputError(
            f"batch={recipe.batch} cannot be divided among {mesh.size} devices: choose "
            f"{f'{below} or ' if below else ''}{below + mesh.size}"
        )


def train_seeds(
    config: ModelConfig,
    recipe: TrainConfig,
    train_tokens: np.ndarray,
    val_tokens: np.ndarray,
    seeds: Sequence[int],
    states: list[TrainState] | None = None,
    mesh: Mesh | None = None,
    seconds: float = 0.0,
    rates: Sequence[float] | None = None,
) -> Iterator[list[Report]]:
    """Train a model for each of E seeds in one program; about twice a second, a report on each.

    Each becomes the model that it would be alone, to rounding. Starts from `states` if they are
    given, else from the seeds; `seconds` is the time already spent. How long the stretches between
    reports are has no influence on the result. `rates` are peak rates, one for each model, in place
    of the recipe's (adam_lr keeps its ratio to them): all rates share one program. A model whose
    loss or gradient stops being a number stays at its last good state, and its report says why; the
    others go on. Raises InputError where a text is shorter than the context, or a batch cannot be
    divided among the devices.
    """
    mesh = mesh or make_mesh(1)
    check_lengths(config, train_tokens, val_tokens)
    check_share(recipe, mesh)
    started = time.perf_counter() - seconds
    states = states or [init_state(config, recipe, seed) for seed in seeds]
    failures: list[str | None] = [None] * len(states)
    here, stretch = int(states[0].step), 1
    stacked = put(jax.tree.map(lambda *leaves: np.stack(leaves), *states), mesh)
    tokens = put(np.asarray(train_tokens, np.int32), mesh)
    program = dataclasses.replace(recipe, seed=0)  # one for all: the seeds travel in the states
    recipes, peaks = [recipe] * len(states), ()
    if rates is not None:
        share = (recipe.adam_lr or recipe.lr) / recipe.lr
        program = dataclasses.replace(program, lr=1.0, adam_lr=share)
        recipes = [dataclasses.replace(recipe, lr=lr) for lr in rates]
        peaks = (put(np.asarray(rates, np.float32), mesh),)
    while here < recipe.steps and None in failures:
        next_evaluation = min(recipe.steps, (here // recipe.eval_every + 1) * recipe.eval_every)
        goal = min(here + stretch, next_evaluation)
        clock = time.perf_counter()
        stacked = run_steps(config, program, mesh, stacked, tokens, goal, *peaks)
        bad_step_E = np.asarray(stacked.bad_step)  # waits until the steps are done
        per_step = (time.perf_counter() - clock) / (goal - here)
        stretch = int(agree(max(1, min(2 * stretch, int(0.5 / per_step)))))
        speed = len(failures) * recipe.batch * config.context / per_step
        since = (goal - 1) % recipe.eval_every + 1
        train_loss_E = np.asarray(stacked.loss_sum) / since
        val_loss_E = [None] * len(failures)
        if goal == next_evaluation:
            val_loss_E = evaluate_seeds(config, recipe.loss, stacked.params, val_tokens, mesh)
            stop_E = (bad_step_E < 0) & ~np.isfinite(val_loss_E)
            stacked = stacked._replace(
                loss_sum=put(np.zeros_like(train_loss_E), mesh),
                bad_step=put(np.where(stop_E, goal, bad_step_E), mesh),
            )
        states = unstack(stacked)
        reports = []
        for e, (state, val_loss) in enumerate(zip(states, val_loss_E, strict=True)):
            if bad_step_E[e] >= 0:
                here_too = jax.tree.map(np.asarray, state)  # also where processes share it
                failures[e] = failures[e] or explain(config, recipes[e], here_too, train_tokens)
            elif state.bad_step >= 0:
                failures[e] = (
                    f"the validation loss after step {goal} is {val_loss}, though training is "
                    f"still finite: lower --lr (now {recipes[e].lr:g})"
                )
            evaluation = None
            if val_loss is not None and failures[e] is None:
                evaluation = Evaluation(
                    step=goal,
                    train_loss=float(train_loss_E[e]),
                    val_loss=float(val_loss),
                    lr=float(recipes[e].lr * rate(recipe, goal - 1)),
                    grad_norm=float(state.grad_norm),
                    tokens=goal * recipe.batch * config.context,
                    seconds=time.perf_counter() - started,
                )
            reports.append(
                Report(state, goal, float(train_loss_E[e]), speed, evaluation, failures[e])
            )
        here = goal
        yield reports


@jax.jit
def unstack(stacked: TrainState) -> list[TrainState]:
    """The states one by one, from one whose arrays have an axis E in front."""
    leaves, structure = jax.tree.flatten(stacked)
    return [structure.unflatten([a[e] for a in leaves]) for e in range(len(stacked.step))]


def train(
    config: ModelConfig,
    recipe: TrainConfig,
    train_tokens: np.ndarray,
    val_tokens: np.ndarray,
    state: TrainState | None = None,
    mesh: Mesh | None = None,
    seconds: float = 0.0,
) -> Iterator[Report]:
    """`train_seeds` for the recipe's seed alone; raises NonFinite where that cannot go on."""
    states = None if state is None else [state]
    for (report,) in train_seeds(
        config, recipe, train_tokens, val_tokens, [recipe.seed], states, mesh, seconds
    ):
        if report.failure:
            raise NonFinite(report.failure, report.state)
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
    return fit_seeds(config, recipe, train_tokens, val_tokens, [recipe.seed])[0]


def fit_seeds(
    config: ModelConfig, recipe: TrainConfig, train_tokens, val_tokens, seeds: Sequence[int]
) -> list[tuple[Transformer, list[Evaluation]]]:
    """`fit` for each of several seeds, all in one program: a model and its evaluations for each.

    Raises NonFinite for the first seed whose training cannot go on.
    """
    histories = [[] for _ in seeds]
    for reports in train_seeds(config, recipe, train_tokens, val_tokens, seeds):
        for report, history in zip(reports, histories, strict=True):
            if report.failure:
                raise NonFinite(f"seed {int(report.state.seed)}: {report.failure}", report.state)
            if report.evaluation:
                history.append(report.evaluation)
    models = [Transformer.of(config, report.state.params) for report in reports]
    return list(zip(models, histories, strict=True))
