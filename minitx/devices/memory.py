"""Memory that training needs again at once."""

import ctypes
import sys

# Names and numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees. Call it before JAX starts its threads.

    XLA allocates the buffers of every step again. The C library of Linux gives large ones back to
    the system, which then has to clear every page of them: in the demo 8 of 92 seconds of CPU time
    (2026-11-29). Other systems are left as they are. Only for processes that train: memory that a
    large model no longer needs would stay here, too.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(M_ARENA_MAX, 1)  # the arenas of threads would give memory back whatever is set below
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
