"""A hash of everything in this installation that decides what training computes.

The zoo and the cells of ablations keep their results under it, and processes that train together
compare it.
"""

import ast
import functools
import hashlib
import importlib.metadata
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
# All modules that `minitx.train` imports, directly or not; a test keeps the list complete. That of
# workers is one of them: it fixes the number of threads, and with it how sums are rounded.
MODULES = (
    "errors", "config", "layers", "model", "parameters", "devices.beside", "devices.mesh",
    "devices.processes", "devices.workers", "objective", "optimizer", "step", "explain",
    "progress", "train",
)  # fmt: skip
LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy")


@functools.cache
def training_code() -> str:
    """Return the hash of the code that trains, without its comments, and of its libraries."""
    parts = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    for module in MODULES:
        path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
        parts.append(ast.dump(ast.parse(path.read_text("utf-8"))))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
