"""The golden forward pass: true to the oracle, and able to fail."""

import jax
import numpy as np
import pytest
import reference

from minitx.cli import doctor
from minitx.errors import InputError


def test_the_golden_logits_are_those_of_the_numpy_model():
    params = jax.tree.map(np.asarray, doctor.golden_params())
    logits = reference.run(doctor.GOLDEN_CONFIG, params, doctor.GOLDEN_TOKENS)["logits_BTV"]
    np.testing.assert_allclose(doctor.GOLDEN_LOGITS, logits[0, -1], atol=1e-6)


def test_this_machine_computes_them():
    found = doctor.examine()
    assert found["golden_error"] < 1e-4  # what float32 leaves; the limit itself is wider
    doctor.judge(found)


@pytest.mark.parametrize("error", [2 * doctor.TOLERANCE, float("nan")])
def test_a_machine_that_computes_something_else_is_refused(error):
    found = doctor.examine() | {"golden_error": error}
    with pytest.raises(InputError, match="golden forward pass is off"):
        doctor.judge(found)


def test_a_wrong_model_is_far_beyond_the_limit(monkeypatch):
    monkeypatch.setattr("minitx.layers.rope", lambda x_BTHK, position_T, base: x_BTHK)
    jax.clear_caches()
    assert doctor.golden_error() > 10 * doctor.TOLERANCE
    jax.clear_caches()
