"""`minitx doctor`: its golden forward pass is true to the numpy model, and able to fail."""

import importlib.metadata
import json

import jax
import numpy as np
import pytest
import reference
from command_line import PREFIX, minitx_main, works

from minitx.cli import doctor
from minitx.errors import InputError


@pytest.fixture(scope="module")
def examined():
    """What `minitx doctor --json` finds on this machine."""
    result = works("doctor", "--json")
    assert result.out.count("\n") == 1
    return json.loads(result.out)


def test_the_golden_logits_are_those_of_the_numpy_model():
    params = jax.tree.map(np.asarray, doctor.golden_params())
    logits = reference.run(doctor.GOLDEN_CONFIG, params, doctor.GOLDEN_TOKENS)["logits_BTV"]
    np.testing.assert_allclose(doctor.GOLDEN_LOGITS, logits[0, -1], atol=1e-6)


def test_this_machine_computes_them(examined):
    assert examined.keys() >= {
        "python", "minitx", "jax", "numpy", "system", "cores", "backend", "devices", "cache",
        "golden_error", "golden_limit",
    }  # fmt: skip
    assert 0 <= examined["golden_error"] < 1e-4  # what float32 leaves
    assert examined["golden_error"] < examined["golden_limit"] < 0.01
    assert examined["minitx"] == importlib.metadata.version("minitx")
    doctor.judge(examined)


@pytest.mark.parametrize("error", [2 * doctor.TOLERANCE, float("nan"), float("inf")])
def test_a_machine_that_computes_something_else_is_refused(monkeypatch, error):
    monkeypatch.setattr(doctor, "golden_error", lambda: error)
    with pytest.raises(InputError, match="golden forward pass is off"):
        doctor.judge(doctor.examine())
    result = minitx_main("doctor")
    assert result.status == 2 and result.err.startswith(PREFIX)
    assert "golden_error" in result.out and importlib.metadata.version("jax") in result.out


@pytest.mark.parametrize("mistake", ["no rotation", "a weight off by 5 %"])
def test_a_wrong_model_is_beyond_the_limit(monkeypatch, mistake):
    if mistake == "no rotation":
        monkeypatch.setattr("minitx.layers.rope", lambda x_BTHK, position_T, base: x_BTHK)
        jax.clear_caches()
    else:
        weights = doctor.golden_params()
        weights["blocks"][1]["mlp"]["up"]["weight"] *= 1.05
        monkeypatch.setattr(doctor, "golden_params", lambda: weights)
    assert doctor.golden_error() > doctor.TOLERANCE
    jax.clear_caches()
