"""Compiled programs that several test files share.

They are kept on disk, because compiled programs in memory are dropped after each file.
"""

import contextlib
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache


def folder(tmp_path_factory) -> Path:
    """Return the folder in which this session keeps them."""
    return tmp_path_factory.getbasetemp() / "compiled"


@contextlib.contextmanager
def kept_in(folder: Path):
    """Let JAX look for each program there before it compiles it, and put it there afterwards."""
    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
