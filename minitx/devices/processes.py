"""Several processes that train together: how they agree.

Each process runs the same program, so each must call the functions below in the same order.
Without other processes, each function returns at once.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from minitx.errors import InputError

ALL = "all"  # the argument of a KeyboardInterrupt that all processes raise together


def is_first() -> bool:
    """Return whether this process writes the files and talks; a process that is alone does."""
    return jax.process_index() == 0


def is_alone() -> bool:
    """Return whether no other process trains with this one."""
    return jax.process_count() == 1


def agree(value: float) -> float:
    """Return the value that the first process has, where clocks or keyboards would differ."""
    if is_alone():
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def anywhere(flag: bool) -> bool:
    """Return whether the flag is set in any process."""
    if is_alone():
        return flag
    return bool(multihost_utils.process_allgather(np.int32(flag)).any())


def together(make: Callable[[], Any]) -> Any:
    """Return `make()` of this process, once every process has called its own.

    Raises the error of `make`, and InputError in the other processes, so that none waits.
    """
    if is_alone():
        return make()
    result = error = None
    try:
        result = make()
    except Exception as caught:
        error = caught
    failed = multihost_utils.process_allgather(np.int32(error is not None))
    if error:
        raise error
    if failed.any():
        raise InputError(f"process {failed.argmax()} cannot go on: see what it says")
    return result


def require_same(values: dict[str, Any]) -> None:
    """Check that every process has the same values under the same names.

    Raises InputError in all processes if a value differs from that of the first process.
    """
    if is_alone():
        return
    digests = [hashlib.sha256(repr(value).encode()).digest() for value in values.values()]
    own_words = np.stack([np.frombuffer(digest, np.uint32) for digest in digests])
    all_words = multihost_utils.process_allgather(own_words)  # by process, by name, 8 words each
    names = list(values)
    for process, index in np.argwhere((all_words != all_words[0]).any(-1)):
        raise InputError(
            f"process {process} has another {names[index]} than process 0: give all of them the "
            "same flags, texts and versions, with --resume too"
        )


def from_first(make: Callable[[], Any], like: Callable[[], Any]) -> Any:
    """Return in every process what `make()` returns in the first: None, or a tree of arrays.

    `like()` makes a tree of the same shapes for the other processes. Raises InputError in all
    processes if `make` fails in the first.
    """
    made = together(lambda: make() if is_first() else None)
    if is_alone() or not agree(made is not None):
        return made
    return multihost_utils.broadcast_one_to_all(like() if made is None else made)
