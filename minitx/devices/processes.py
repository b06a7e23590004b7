"""Several processes that train together: how they meet, agree, and part.

JAX finds them and connects them. What it answers with a crash or a wait without end (a port in use,
nobody coming, one of them dying, two different recipes) is one line of words here.
"""

import atexit
import collections
import contextlib
import hashlib
import os
import re
import socket
import threading
import time
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from minitx.errors import InputError

WAIT_SECONDS = 300  # for the others to come; hosts of a cluster start minutes apart
ALL = "all"  # of an interrupt that all processes have agreed to obey


def join(coordinator: str | None, processes: int | None, process_id: int | None) -> None:
    """Join the other processes of this training; JAX finds them itself on TPU pods and clusters.

    Elsewhere the address (host:port) of process 0, the number of processes, and which of them this
    one is have to be given. Raises InputError where they cannot be found or met.
    """
    if coordinator is not None:
        check_address(coordinator, process_id == 0)
    failures = []

    def meet():
        try:
            jax.distributed.initialize(
                coordinator, processes, process_id, initialization_timeout=2 * WAIT_SECONDS
            )
        except Exception as error:  # JAX asks clusters in many ways, and each can fail in its own
            failures.append(str(error) or type(error).__name__)

    # In a thread: JAX heeds no Ctrl-C while it waits, and aborts the process where nobody comes.
    meeting = threading.Thread(target=meet, daemon=True)
    try:
        meeting.start()
        end = time.monotonic() + WAIT_SECONDS
        while meeting.is_alive() and time.monotonic() < end:
            meeting.join(0.2)  # a signal may reach another thread: this one heeds it on waking
    except KeyboardInterrupt:
        leave_at_once(130)
        raise
    if meeting.is_alive():
        leave_at_once(2)
        raise InputError(
            f"the other processes have not come within {WAIT_SECONDS} s: start all of them, with "
            "the same --coordinator and --processes, and see that they can reach it"
        )
    if failures:
        raise InputError(
            f"cannot join the other processes ({failures[0].splitlines()[0]}): outside a TPU "
            "pod or a cluster that JAX knows, give --coordinator HOST:PORT --processes N "
            "--process-id I"
        )
    counts = collections.Counter(device.process_index for device in jax.devices())
    if len(set(counts.values())) > 1:
        raise InputError(
            f"the processes have {', '.join(str(counts[n]) for n in sorted(counts))} devices: give "
            "each the same number"
        )


def check_address(coordinator: str, is_own: bool) -> None:
    """Raise InputError for what is no host:port, and where process 0 cannot listen at its own."""
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise InputError(f"coordinator={coordinator!r} is no HOST:PORT: give, say, localhost:29500")
    try:
        socket.getaddrinfo(host.strip("[]"), port)
        if is_own:  # JAX crashes where it cannot listen
            both = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if both else socket.AF_INET
            socket.create_server(("", int(port)), family=family, dualstack_ipv6=both).close()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no name of a host"
        raise InputError(
            f"cannot use coordinator={coordinator!r} ({why}): name the host of process 0 and a "
            "free port"
        ) from None


def leave_at_once(status: int) -> None:
    """Let this process end, once it ends, without JAX's farewell, which waits for the others."""
    atexit.register(os._exit, status)


@contextlib.contextmanager
def company():
    """Where one process fails, or a computation with the others, no waiting for them at the end.

    What all know of keeps its usual end: InputError, and KeyboardInterrupt(ALL).
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        if is_alone() or error.args == (ALL,):
            raise
        if isinstance(error, KeyboardInterrupt):
            leave_at_once(130)
            raise
        # JAX raises this or a ValueError; both begin with what kind of failure it was.
        jax_failed = isinstance(error, ValueError | jax.errors.JaxRuntimeError)
        jax_failed = jax_failed and re.match("[A-Z_]+: ", str(error)) is not None
        leave_at_once(2 if jax_failed else 1)
        if not jax_failed or "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise InputError(
            f"a computation with the other processes failed ({str(error).splitlines()[0]}): see "
            "what they say, then start all of them again, with --resume if the run had begun"
        ) from None


def is_first() -> bool:
    """Whether this is the process that writes files and talks; it alone is, where there is one."""
    return jax.process_index() == 0


def is_alone() -> bool:
    """Whether no other process trains with this one."""
    return jax.process_count() == 1


def agree(value: float) -> float:
    """The number that the first process has, for all processes: where clocks or keys decide."""
    if is_alone():
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def anywhere(flag: bool) -> bool:
    """Whether this is so in any process."""
    return flag if is_alone() else bool(multihost_utils.process_allgather(np.int32(flag)).any())


def together(make):
    """What `make()` gives here, once it has given something in every process.

    Raises InputError in all processes where it fails in one, so that none waits for that one.
    """
    if is_alone():
        return make()
    made, error = None, None
    try:
        made = make()
    except Exception as caught:
        error = caught
    failed_P = multihost_utils.process_allgather(np.int32(error is not None))
    if error:
        raise error
    if failed_P.any():
        raise InputError(f"process {failed_P.argmax()} cannot go on: see what it says")
    return made


def require_same(given: dict[str, Any]) -> None:
    """Raise InputError, in all processes, where one was given something else than the first.

    All have to name the same things.
    """
    if is_alone():
        return
    digests = [hashlib.sha256(repr(value).encode()).digest() for value in given.values()]
    words = np.stack([np.frombuffer(digest, np.uint32) for digest in digests])
    all_words = multihost_utils.process_allgather(words)
    for process, name in np.argwhere((all_words != all_words[0]).any(-1)):
        raise InputError(
            f"process {process} has another {list(given)[name]} than process 0: give all of them "
            "the same flags, texts and versions, with --resume too"
        )


def from_first(make, like):
    """What `make()` gives in the first process, for all: None, or arrays as `like()` has them.

    Raises InputError in all processes where `make` does in the first.
    """
    made = together(lambda: make() if is_first() else None)
    if is_alone() or not agree(made is not None):
        return made
    return multihost_utils.broadcast_one_to_all(like() if made is None else made)
