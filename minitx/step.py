"""One step of training, and many of them in one compiled loop.

`step` is the whole of it, and a `TrainState` holds everything that the next step depends on.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import divide, laid_out, over_seeds, with_seed_axis
from minitx.model import Params, init_params
from minitx.objective import batch_loss, make_batch, step_keys
from minitx.optimizer import make_optimizer


class TrainState(NamedTuple):
    """All that the next step depends on, besides the configs and the text."""

    params: Params
    optimizer: optax.OptState
    seed: jax.Array  # fixes the initial weights, the batches and the dropout
    peak_lr: jax.Array  # the learning rate after the warm-up
    step: jax.Array  # steps done
    loss_sum: jax.Array  # of the steps since the last evaluation
    grad_norm: jax.Array  # of the last step, before clipping
    bad_step: jax.Array  # the first step whose loss or gradient was not finite; -1 if none


def step(
    config: ModelConfig, recipe: TrainConfig, mesh: Mesh, tokens, state: TrainState
) -> TrainState:
    """Return the state after one step, or the same state with `bad_step` set if it is not finite.

    The devices of the mesh, usually one, share the batch.
    """
    batch_key, dropout_key = step_keys(state.seed, state.step)
    batch = make_batch(tokens, batch_key, state.step, recipe.batch, config.context)
    inputs_BT, targets_BT = divide(batch, mesh)
    loss, gradient = jax.value_and_grad(functools.partial(batch_loss, config, recipe))(
        state.params, inputs_BT, targets_BT, dropout_key
    )
    grad_norm = optax.tree.norm(gradient)
    optimizer = make_optimizer(recipe, state.peak_lr)
    updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    after = state._replace(
        params=params,
        optimizer=optimizer_state,
        step=state.step + 1,
        loss_sum=state.loss_sum + loss,
        grad_norm=grad_norm,
    )
    finite = all_finite((loss, grad_norm, params))
    kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), after, state)
    return kept._replace(bad_step=jnp.where(finite, -1, state.step))


def all_finite(tree) -> jax.Array:
    """Return whether all numbers in a tree are finite."""
    return jax.tree.reduce(jnp.logical_and, jax.tree.map(lambda a: jnp.isfinite(a).all(), tree))


def initial_params(config: ModelConfig, seed) -> Params:
    """Return the untrained model that a run with this seed, from 0 to 2^32 - 1, starts from."""
    return init_params(config, jax.random.fold_in(jax.random.key(jnp.uint32(seed)), 0))


def init_state(config: ModelConfig, recipe: TrainConfig, seed: int | None = None) -> TrainState:
    """Return the state before the first step; the seed is the recipe's unless another is given."""
    seed = recipe.seed if seed is None else seed
    params = initial_params(config, seed)
    return TrainState(
        params=params,
        optimizer=jax.jit(make_optimizer(recipe).init)(params),  # zeros, by one small program
        seed=jnp.uint32(seed),
        peak_lr=jnp.float32(recipe.lr),
        step=jnp.int32(0),
        loss_sum=jnp.float32(0),
        grad_norm=jnp.float32(0),
        bad_step=jnp.int32(-1),
    )


def run_steps(
    config: ModelConfig, recipe: TrainConfig, mesh: Mesh, states: TrainState, tokens, until
) -> TrainState:
    """Run steps up to `until` for each of E states (used up), in one compiled loop.

    A state whose step is not finite stays where it is. Seeds and rates travel in the states, so
    that other ones need no compiling again.
    """
    return compiled_steps(config, program_of(recipe), mesh, states, tokens, until)


def program_of(recipe: TrainConfig) -> TrainConfig:
    """Return what of a recipe is compiled: all but the seed and the rate."""
    return dataclasses.replace(recipe.at_rate(1.0), seed=0)


@functools.partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def compiled_steps(config, program, mesh, states, tokens, until):
    """Run steps in a loop on the device: one call for each step took 1.4 times as long on a CPU."""

    def one_seed(state):
        return jax.lax.while_loop(
            lambda state: (state.step < until) & (state.bad_step < 0),
            lambda state: step(config, program, mesh, tokens, state),
            state,
        )

    return over_seeds(one_seed, mesh)(states)


def compile_steps(config: ModelConfig, recipe: TrainConfig, mesh: Mesh, length: int) -> None:
    """Compile `run_steps` ahead of its first call, for one seed and a text of so many tokens."""
    state = jax.eval_shape(lambda: with_seed_axis(init_state(config, recipe)))
    tokens = jax.ShapeDtypeStruct((length,), jnp.int32)
    arguments = laid_out((state, tokens), mesh)
    compiled_steps.lower(config, program_of(recipe), mesh, *arguments, 0).compile()
