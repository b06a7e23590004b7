"""Several processes that train together: how they meet, and how they part when one of them fails.

JAX finds and connects them. Where JAX would crash or wait without end (a port in use, a process
that never starts, one that dies), this module raises an error of one line.

JAX is imported inside of functions, so that Ctrl-C is safe during the import: see `ctrl_c`.
"""

import atexit
import collections
import contextlib
import os
import re
import socket
import threading
import time

from minitx.devices.ctrl_c import ends_on_ctrl_c
from minitx.devices.relay import Relay
from minitx.errors import InputError

WAIT_SECONDS = 300  # for the other processes; the hosts of a cluster start minutes apart
PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")  # names through which gRPC would connect


def join(coordinator: str | None, count: int | None, process_id: int | None) -> None:
    """Join the other processes of this training; on TPU pods and clusters JAX finds them itself.

    Elsewhere, give the address (HOST:PORT) of process 0, the number of processes, and the number of
    this process. Raises InputError if the processes cannot be found or do not meet.
    """
    with ends_on_ctrl_c():
        relay = None
        if coordinator is not None:
            host, port = check_address(coordinator, process_id == 0)
            if process_id != 0:
                relay = Relay(host, port)
                coordinator = relay.address
                if any(name in os.environ for name in PROXIES):
                    os.environ["no_grpc_proxy"] = "127.0.0.1"  # noqa: SIM112 (gRPC spells it so)
        devices = meet(coordinator, count, process_id)
    if relay:
        relay.hold()
        # JAX takes its leave of process 0 at exit, and must not wait for it if it has died.
        atexit.register(relay.let_go)
    if len(set(devices)) > 1:
        raise InputError(
            f"the processes have {', '.join(map(str, devices))} devices: give each of them the "
            "same number"
        )


def meet(coordinator: str | None, count: int | None, process_id: int | None) -> list[int]:
    """Connect this process to the others; return the number of devices that each process has.

    Raises InputError if JAX cannot connect, or if a process is missing after WAIT_SECONDS.
    """
    import jax

    failures, devices = [], []

    def connect():
        try:
            jax.distributed.initialize(
                coordinator, count, process_id, initialization_timeout=2 * WAIT_SECONDS
            )
            devices.extend(jax.devices())
        except Exception as error:  # JAX asks many kinds of cluster, which fail in many ways
            failures.append(str(error) or type(error).__name__)

    # JAX waits in C++, where Python cannot interrupt it, and aborts if a process does not come.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    end = time.monotonic() + WAIT_SECONDS
    while thread.is_alive() and time.monotonic() < end:
        thread.join(0.2)  # Python handles a signal only while its main thread is awake
    if thread.is_alive():
        leave_at_once(2)
        raise InputError(
            f"the other processes have not come within {WAIT_SECONDS} s: start all of them with "
            "the same --coordinator and --processes, and check that they can reach that address"
        )
    if failures:
        if jax.distributed.is_initialized():
            leave_at_once(2)
        raise InputError(
            f"cannot join the other processes ({failures[0].splitlines()[0]}): outside a TPU "
            "pod or a cluster that JAX knows, give --coordinator HOST:PORT --processes N "
            "--process-id I"
        )
    found = collections.Counter(device.process_index for device in devices)
    return [found[process] for process in sorted(found)]


def check_address(coordinator: str, is_own: bool) -> tuple[str, int]:
    """Return the host and port in HOST:PORT; `is_own` if this process has to listen there.

    Raises InputError if this is no such address, or if nothing can listen there.
    """
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise InputError(
            f"coordinator={coordinator!r} is not HOST:PORT: give, for example, localhost:29500"
        )
    host = host.strip("[]")
    try:
        socket.getaddrinfo(host, port)
        if is_own:  # JAX crashes if it cannot listen
            both = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if both else socket.AF_INET
            socket.create_server(("", int(port)), family=family, dualstack_ipv6=both).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "this is not the name of a host"
        raise InputError(
            f"cannot use coordinator={coordinator!r} ({reason}): give the host of process 0 and a "
            "free port"
        ) from None
    return host, int(port)


def leave_at_once(status: int) -> None:
    """Skip JAX's farewell when this process ends, because it would wait for the other processes."""
    atexit.register(os._exit, status)


@contextlib.contextmanager
def company():
    """Run a block in which processes compute together; leave at once if one of them fails.

    Errors that every process has already seen, InputError and KeyboardInterrupt(ALL), are raised
    as usual. Raises InputError if a computation with the other processes failed.
    """
    import jax

    from minitx.devices.processes import ALL, is_alone

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
        # JAX raises one of two types, and its message begins with the kind of the failure.
        jax_failed = isinstance(error, ValueError | jax.errors.JaxRuntimeError)
        jax_failed = jax_failed and re.match("[A-Z_]+: ", str(error)) is not None
        leave_at_once(2 if jax_failed else 1)
        if not jax_failed or "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise InputError(
            f"a computation with the other processes failed ({str(error).splitlines()[0]}): see "
            "what they say, then start all of them again, with --resume if the run had begun"
        ) from None
