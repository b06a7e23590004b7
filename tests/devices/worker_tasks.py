"""What the tests of workers let them do; workers import it."""

import os
import signal
import sys
import time

from minitx.devices import workers
from minitx.errors import InputError


def count(name, upto):
    """Yield a name with 1, 2, ...; print between, as a library might."""
    for number in range(1, upto + 1):
        print("this must not mix with the answers")
        sys.stdout.flush()
        os.write(1, b"neither must this\n")
        yield name, number


def surroundings():
    """Yield what a worker finds itself in."""
    names = [*workers.ONE_THREAD, "XLA_FLAGS", "JAX_PLATFORMS"]
    yield {name: os.environ.get(name) for name in names} | {"pid": os.getpid()}


def nested():
    """Yield the process in which tasks of a task run."""
    yield os.getpid(), workers.results(surroundings, [()])[0]["pid"]


def fail(kind):
    """Yield the own process, then fail in one of several ways."""
    yield os.getpid()
    if kind == "input":
        raise InputError("x=3 is too large: choose 2")
    if kind == "disk":
        raise OSError(28, "No space left on device", "some/file")
    if kind == "memory":
        raise MemoryError("much too large")
    if kind == "death":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ZeroDivisionError("a bug")


def endless(folder):
    """Leave the own process id in a folder, and never end, like a long call into compiled code."""
    (folder / str(os.getpid())).touch()
    yield "begun"
    while True:
        time.sleep(0.01)
