"""Several devices: the same losses as one, and plain words where not."""

import dataclasses

import jax
import numpy as np
import pytest

from minitx import train
from minitx.config import ModelConfig, TrainConfig
from minitx.devices import mesh as devices
from minitx.errors import InputError

CONFIG = ModelConfig(width=12, depth=1, heads=3, mlp_width=20, context=6, vocab=7)
RECIPE = TrainConfig(steps=7, batch=8, warmup=2, lr=0.02, eval_every=3)
NOISE = np.random.default_rng(0).integers(0, 7, 300)
# Sums are taken in another order, so the last digits differ; after 7 steps they still agree so far.
SAME = 1e-5


def curve(count: int, recipe: TrainConfig = RECIPE, seeds=(4,)) -> np.ndarray:
    """Training and validation losses of the evaluations, and gradient norms; shape (n, E, 3)."""
    mesh = devices.make_mesh(count)
    found = [
        [(r.evaluation.train_loss, r.evaluation.val_loss, r.evaluation.grad_norm) for r in reports]
        for reports in train.train_seeds(CONFIG, recipe, NOISE, NOISE[:50], seeds, mesh=mesh)
        if reports[0].evaluation
    ]
    return np.array(found)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_four_devices_train_as_one_does(optimizer):
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    one, four = curve(1, recipe), curve(4, recipe)
    assert one.shape == (3, 1, 3)
    np.testing.assert_allclose(four, one, rtol=SAME)


def test_several_seeds_train_on_several_devices():
    one, two = curve(1, seeds=(4, 9)), curve(2, seeds=(4, 9))
    np.testing.assert_allclose(two, one, rtol=SAME)
    assert (np.abs(one[:, 0] - one[:, 1]) > 100 * SAME).any()


def test_without_the_mean_gradient_the_devices_would_part(monkeypatch):
    """The comparison above can fail: each device follows its own gradient here."""
    one = curve(1)
    train.run_steps.clear_cache()
    monkeypatch.setattr(jax.lax, "pmean", lambda x, axis: x)
    four = curve(4)
    train.run_steps.clear_cache()
    assert np.abs(four / one - 1).max() > 100 * SAME


def test_each_device_takes_other_rows_and_together_they_take_all():
    rows = np.arange(24).reshape(8, 3)
    mesh = devices.make_mesh(4)

    def gathered(rows):
        return jax.lax.all_gather(devices.own_share(rows), devices.AXIS)

    shares = devices.on_all_devices(gathered, mesh)(devices.put(rows, mesh))
    assert shares.shape == (4, 2, 3)
    np.testing.assert_array_equal(shares.reshape(8, 3), rows)


def test_dropout_differs_from_device_to_device():
    """Equal masks on all devices would be the same noise four times."""
    config = dataclasses.replace(CONFIG, dropout=0.5)
    recipe = dataclasses.replace(RECIPE, steps=1, eval_every=1)
    text = np.tile(np.arange(7), 20)[: CONFIG.context + 2]  # 1 batch row has 2 places to start from
    losses = {}
    for count in (1, 4):
        (reports,) = train.train_seeds(
            config, recipe, text, text, (4,), mesh=devices.make_mesh(count)
        )
        losses[count] = reports[0].evaluation.train_loss
    assert losses[1] != pytest.approx(losses[4], rel=SAME)


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
