"""The schedule of the learning rate, and how a gradient becomes an update."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from training import (
    TINY,
    assert_same_bits,
    quick,
    rate_by_hand,
)

from minitx.config import TrainConfig
from minitx.optimizer import make_optimizer, schedule
from minitx.parameters import named_arrays
from minitx.step import initial_params

DECAYS = ("cosine", "linear", "constant")


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize(("steps", "warmup"), [(20, 5), (20, 0), (7, 6), (5, 9), (4, 4), (1, 0)])
@pytest.mark.parametrize("final_lr", [0.0, 0.1, 1.0])
def test_the_rate_rises_and_falls_as_the_recipe_says(decay, steps, warmup, final_lr):
    recipe = TrainConfig(steps=steps, warmup=warmup, decay=decay, final_lr=final_lr)
    step = np.arange(steps)
    expected = [rate_by_hand(recipe, n) for n in step]
    assert schedule(recipe, step) == pytest.approx(expected, abs=1e-6)


def test_the_rate_rises_in_equal_steps_to_its_peak_and_then_falls():
    recipe = TrainConfig(steps=30, warmup=4, final_lr=0.1)
    found = np.asarray(schedule(recipe, np.arange(30)))
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert (np.diff(found[4:]) < 0).all()


def test_without_warmup_the_first_step_has_the_whole_rate():
    assert schedule(TrainConfig(warmup=0), 0) == 1


@pytest.mark.parametrize("decay", ["cosine", "linear"])
@pytest.mark.parametrize(("steps", "warmup"), [(20, 5), (20, 0), (10, 8)])
def test_when_the_last_step_is_done_the_rate_has_reached_its_final_share(decay, steps, warmup):
    recipe = TrainConfig(steps=steps, warmup=warmup, decay=decay, final_lr=0.1)
    assert schedule(recipe, steps) == pytest.approx(0.1, abs=1e-6)


PLAIN = TrainConfig(lr=0.5, warmup=0, decay="constant", clip=0, weight_decay=0, momentum=0)
SHAPES = {  # as in a model: matrices are called weight, tables table, vectors gain and bias
    "embedding": {"table": (7, 4)},
    "mlp": {"weight": (4, 6), "bias": (6,), "gain": (4,)},
    "down": {"weight": (6, 4)},
    "other": {"weight": (4, 6)},  # as the mlp's: muon takes matrices of one shape together
}


def tree_of(seed: int):
    """Random arrays of SHAPES."""
    rng = np.random.default_rng(seed)
    shapes, structure = jax.tree.flatten(SHAPES, is_leaf=lambda x: isinstance(x, tuple))
    return structure.unflatten([jnp.float32(rng.normal(size=shape)) for shape in shapes])


PARAMS, GRADIENT = tree_of(0), tree_of(1)


def updates_of(recipe: TrainConfig, *gradients):
    """What each gradient in turn adds to the parameters, which stay at PARAMS."""
    optimizer = make_optimizer(recipe)
    state, found = optimizer.init(PARAMS), []
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, PARAMS)
        found.append(updates)
    return found


def assert_near(one, other) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), one, other)


def test_plain_sgd_goes_against_the_gradient_by_the_rate():
    [update] = updates_of(dataclasses.replace(PLAIN, optimizer="sgd"), GRADIENT)
    assert_near(update, jax.tree.map(lambda g: -0.5 * g, GRADIENT))


def test_momentum_adds_what_is_left_of_the_gradients_before():
    recipe = dataclasses.replace(PLAIN, optimizer="sgd", momentum=0.75)
    found = updates_of(recipe, GRADIENT, PARAMS, GRADIENT)
    last = jax.tree.map(
        lambda g, p: -0.5 * (g + 0.75 * (p + 0.75 * g)), GRADIENT, PARAMS
    )  # fmt: skip
    assert_near(found[-1], last)


def test_adamw_divides_the_mean_gradient_by_the_root_of_its_mean_square():
    recipe = dataclasses.replace(PLAIN, optimizer="adamw", beta1=0.8, beta2=0.9, weight_decay=0.3)
    found = updates_of(recipe, GRADIENT, PARAMS)

    def second(first_gradient, gradient):  # Kingma and Ba 2015, with p = gradient as the weights
        m = 0.8 * 0.2 * first_gradient + 0.2 * gradient
        v = 0.9 * 0.1 * first_gradient**2 + 0.1 * gradient**2
        adam = (m / (1 - 0.8**2)) / (np.sqrt(v / (1 - 0.9**2)) + 1e-8)
        return -0.5 * (adam + 0.3 * gradient * (gradient.ndim == 2))

    assert_near(found[1], jax.tree.map(second, GRADIENT, PARAMS))


def test_each_step_has_the_rate_of_its_place_in_the_schedule():
    recipe = dataclasses.replace(PLAIN, optimizer="sgd", warmup=3, decay="linear", steps=10)
    for n, update in enumerate(updates_of(recipe, *[GRADIENT] * 10)):
        rate = -0.5 * rate_by_hand(recipe, n)
        np.testing.assert_allclose(update["mlp"]["gain"], rate * GRADIENT["mlp"]["gain"], rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_weight_decay_shrinks_matrices_and_tables_and_nothing_else(optimizer):
    recipe = dataclasses.replace(PLAIN, optimizer=optimizer, weight_decay=0.2)
    zero = jax.tree.map(jnp.zeros_like, PARAMS)
    [update] = updates_of(recipe, zero)
    assert_near(update, jax.tree.map(lambda p: -0.5 * 0.2 * p * (p.ndim == 2), PARAMS))


def test_weight_decay_is_not_part_of_the_gradient():
    recipe = dataclasses.replace(PLAIN, optimizer="adamw")
    [without] = updates_of(recipe, GRADIENT)
    [with_decay] = updates_of(dataclasses.replace(recipe, weight_decay=0.2), GRADIENT)
    decay = jax.tree.map(lambda p: -0.5 * 0.2 * p * (p.ndim == 2), PARAMS)
    assert_near(with_decay, jax.tree.map(jnp.add, without, decay))


@pytest.mark.parametrize(("size", "clip", "length"), [(40, 8, 8), (3, 8, 3), (40, 0, 40)])
def test_a_gradient_longer_than_the_clip_is_shortened_to_it(size, clip, length):
    gradient = jax.tree.map(lambda g: size * g / optax.tree.norm(GRADIENT), GRADIENT)
    recipe = dataclasses.replace(PLAIN, optimizer="sgd", clip=clip)
    [update] = updates_of(recipe, gradient)
    assert optax.tree.norm(update) == pytest.approx(0.5 * length, rel=1e-5)
    shorter = jax.tree.map(lambda g: g * length / size, gradient)  # in the same direction
    assert_near(update, jax.tree.map(lambda g: -0.5 * g, shorter))


MUON = dataclasses.replace(PLAIN, optimizer="muon", momentum=0.9)


def test_muon_turns_the_updates_of_matrices_into_near_orthogonal_ones():
    wide = math.sqrt(6 / 4)
    for update in updates_of(MUON, GRADIENT, PARAMS):
        for name, scale in (("mlp", wide), ("down", 1.0), ("other", wide)):
            values = np.linalg.svd(update[name]["weight"], compute_uv=False) / (0.5 * scale)
            assert (values > 0.6).all() and (values < 1.3).all(), name


def test_muon_goes_down_the_orthogonal_matrix_next_to_each_gradient():
    # However different their lengths: no matrix may borrow the scale of another.
    lengths = {"embedding": 1.0, "mlp": 1e3, "down": 1.0, "other": 1e-3}
    gradient = {part: jax.tree.map(lambda g, part=part: lengths[part] * g, GRADIENT[part])
                for part in GRADIENT}  # fmt: skip
    [update] = updates_of(MUON, gradient)
    for name in ("mlp", "down", "other"):
        u, _, v = np.linalg.svd(GRADIENT[name]["weight"], full_matrices=False)
        step = np.asarray(update[name]["weight"])
        assert np.sum(step * (u @ v)) / np.linalg.norm(step) / math.sqrt(4) < -0.97, name


def test_muon_stacks_the_matrices_of_one_shape_whichever_way_up_they_are():
    state = make_optimizer(MUON).init(PARAMS)
    stacks = [leaf.shape for leaf in jax.tree.leaves(state) if leaf.ndim == 3]
    assert stacks == [(3, 4, 6)]


@pytest.mark.parametrize(("adam_lr", "expected"), [(0.125, 0.125), (None, 0.5)])
def test_muon_leaves_tables_and_vectors_to_adam_at_a_rate_of_its_own(adam_lr, expected):
    [update] = updates_of(dataclasses.replace(MUON, adam_lr=adam_lr), GRADIENT)
    for array, gradient in (
        (update["embedding"]["table"], GRADIENT["embedding"]["table"]),
        (update["mlp"]["bias"], GRADIENT["mlp"]["bias"]),
        (update["mlp"]["gain"], GRADIENT["mlp"]["gain"]),
    ):
        # Adam's first step goes by the rate in each direction, however long the gradient is.
        np.testing.assert_allclose(array, -expected * jnp.sign(gradient), rtol=1e-4)


def test_adam_lr_changes_no_matrix():
    [one] = updates_of(MUON, GRADIENT)
    [other] = updates_of(dataclasses.replace(MUON, adam_lr=0.125), GRADIENT)
    assert_same_bits(one["mlp"]["weight"], other["mlp"]["weight"])


def test_muon_takes_the_matrices_of_a_model_and_adam_the_rest():
    @quick
    def first_updates():
        params = initial_params(dataclasses.replace(TINY, bias=True), 0)
        ones = jax.tree.map(jnp.ones_like, params)
        optimizer = make_optimizer(dataclasses.replace(MUON, adam_lr=0.125))
        return optimizer.update(ones, optimizer.init(params), params)[0]

    updates = first_updates()
    for name, update in named_arrays(updates).items():
        by_adam = np.allclose(update, -0.125, rtol=1e-4)
        assert by_adam == (not name.endswith(".weight")), name
