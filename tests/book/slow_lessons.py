"""What stands for running a lesson in tests of processes: it imports nothing that is slow."""

import os
import time


def run(name):
    """Say which process ran a lesson; `broken` breaks, and `endless` never ends."""
    if name == "broken":
        raise ValueError("this lesson breaks")
    while name == "endless":
        time.sleep(0.1)
    return name, {"process": os.getpid()}, 0.25
