"""What this machine has, and whether it computes what it should.

Some accelerators return wrong numbers without a word. So a small model with weights from a formula
is run here, and its logits are compared with those that plain float64 arithmetic gives.
"""

import importlib.metadata
import os
import platform
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from minitx.config import ModelConfig
from minitx.errors import InputError
from minitx.model import Transformer, init_params
from minitx.text.corpus import cache_folder

GOLDEN_CONFIG = ModelConfig(
    width=12, depth=2, heads=3, mlp_width=20, context=8, vocab=7, positions="rope", bias=True
)
GOLDEN_TOKENS = np.array([[3, 1, 4, 1, 5, 2, 6, 5]])
# The logits after the last token, by the numpy model in tests/reference.py; a test keeps them so.
GOLDEN_LOGITS = (-6.248692, 2.487692, 2.467764, -6.238333, 7.013587, -4.421291, -0.293872)
TOLERANCE = 1e-3  # of the largest logit: rounding stays far below it, a wrong operation above


def golden_params():
    """Weights that need no random numbers: each array is a stretch of a sine wave."""
    shapes = jax.eval_shape(lambda: init_params(GOLDEN_CONFIG, jax.random.key(0)))
    leaves, structure = jax.tree.flatten(shapes)
    arrays = [
        2 * np.sin(2.39 * (1 + n / 7) * np.arange(leaf.size) + n).reshape(leaf.shape)
        for n, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, [jnp.asarray(a, jnp.float32) for a in arrays])


def golden_error() -> float:
    """How far this machine's logits are from the true ones, as a share of the largest."""
    run = jax.jit(lambda params: Transformer.of(GOLDEN_CONFIG, params)(GOLDEN_TOKENS)[0, -1])
    with jax.default_matmul_precision("highest"):  # accelerators round products by default
        logits_V = np.asarray(run(golden_params()), np.float64)
    return float(np.abs(logits_V - GOLDEN_LOGITS).max() / np.abs(GOLDEN_LOGITS).max())


def examine() -> dict[str, Any]:
    """Versions, devices and the golden forward pass, as plain JSON."""
    packages = ("minitx", "jax", "jaxlib", "flax", "optax", "numpy", "safetensors", "tokenizers")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "backend": jax.default_backend(),
        "devices": [str(device.device_kind) for device in jax.devices()],
        "cache": str(cache_folder()),
        "golden_error": golden_error(),
        "golden_limit": TOLERANCE,
    }


def version(package: str) -> str:
    """The installed version of a package, or that it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def judge(found: dict[str, Any]) -> None:
    """Raise InputError if the golden forward pass came out wrong."""
    if not found["golden_error"] <= TOLERANCE:  # also when it is NaN
        raise InputError(
            f"the golden forward pass is off by {found['golden_error']:.2g} on "
            f"{found['backend']} (at most {TOLERANCE:g}): trust nothing from this device; "
            "set JAX_PLATFORMS=cpu"
        )
