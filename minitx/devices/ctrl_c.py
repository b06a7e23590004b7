"""Ctrl-C while a process starts, before there is anything to save."""

import contextlib
import os
import signal
import threading


@contextlib.contextmanager
def ends_on_ctrl_c():
    """End this process with status 130 at once, if Ctrl-C comes inside the block.

    A KeyboardInterrupt can get lost while modules are imported, and while a process waits for
    others: JAX adds a callback to Python's garbage collector, and Python drops an exception that is
    raised in such a callback. An exception can also crash the import of a C++ module. A shell
    script starts its background jobs with SIGINT ignored; here it counts all the same.
    """

    def leave(number, frame):
        os.write(2, b"minitx: interrupted\n")
        os._exit(130)

    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in its main thread only
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
