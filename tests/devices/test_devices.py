"""Several devices: the same losses as one, and plain words where not."""

import dataclasses

import jax
import numpy as np
import pytest

from minitx import step, train
from minitx.config import ModelConfig, TrainConfig
from minitx.devices import mesh as devices
from minitx.errors import InputError
from minitx.step import init_state

CONFIG = ModelConfig(width=12, depth=1, heads=3, mlp_width=20, context=6, vocab=7)
RECIPE = TrainConfig(steps=7, batch=8, warmup=2, lr=0.02, eval_every=3)
NOISE = np.random.default_rng(0).integers(0, 7, 300)
# Sums are taken in another order, so the last digits differ; after 7 steps they still agree so far.
SAME = 1e-5


def curve(count: int, recipe: TrainConfig = RECIPE, config=CONFIG, seeds=(4,)) -> np.ndarray:
    """Training and validation losses of the evaluations, and gradient norms; shape (n, E, 3)."""
    states = [init_state(config, recipe, seed) for seed in seeds]
    mesh = devices.make_mesh(count)
    found = [
        [(r.evaluation.train_loss, r.evaluation.val_loss, r.evaluation.grad_norm) for r in reports]
        for reports in train.train_seeds(config, recipe, NOISE, NOISE[:50], states, mesh)
        if reports[0].evaluation
    ]
    return np.array(found)


# Muon gives matrices to its own rule and all other parameters to AdamW: one case tries both rules.
@pytest.mark.parametrize(
    ("optimizer", "dropout"),
    [
        ("muon", 0.5),
        pytest.param("adamw", 0.5, marks=pytest.mark.long),
        pytest.param("sgd", 0.0, marks=pytest.mark.long),
    ],
)
def test_four_devices_train_as_one_does(optimizer, dropout):
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    config = dataclasses.replace(CONFIG, dropout=dropout)
    one, four = (curve(count, recipe, config, seeds=(4, 9)) for count in (1, 4))
    assert one.shape == (3, 2, 3)
    np.testing.assert_allclose(four, one, rtol=SAME)
    assert (np.abs(one[:, 0] - one[:, 1]) > 100 * SAME).any()  # the seeds differ


def work_of_each(count: int) -> float:
    """Operations of one training step on each of so many devices, as the compiler counts them."""
    mesh = devices.make_mesh(count)
    states = devices.put(
        jax.tree.map(lambda a: np.asarray(a)[None], init_state(CONFIG, RECIPE)), mesh
    )
    tokens = devices.put(NOISE.astype(np.int32), mesh)
    program = step.program_of(RECIPE)
    lowered = step.compiled_steps.lower(CONFIG, program, mesh, states, tokens, 1)
    return lowered.compile().cost_analysis()["flops"]


@pytest.mark.long
def test_each_device_does_its_share_of_the_work(monkeypatch):
    one, two = work_of_each(1), work_of_each(2)
    assert two < 0.75 * one
    monkeypatch.setattr(step, "divide", lambda batch, mesh: batch)
    step.compiled_steps.clear_cache()
    assert work_of_each(2) == one  # without the division, both would do all of it
    step.compiled_steps.clear_cache()


@pytest.mark.parametrize(("count", "batch", "choose"), [(4, 6, "4 or 8"), (4, 3, "choose 4")])
def test_a_batch_that_cannot_be_divided_is_refused(count, batch, choose):
    recipe = dataclasses.replace(RECIPE, batch=batch)
    with pytest.raises(InputError, match=f"batch={batch} cannot be divided among 4.*{choose}"):
        curve(count, recipe)


@pytest.mark.parametrize("count", [0, -1, 5])
def test_devices_that_are_not_there_are_refused(count):
    with pytest.raises(InputError, match=rf"devices={count}, but JAX finds 4 \(cpu\): choose from"):
        devices.make_mesh(count)
    assert devices.make_mesh().size == 4
