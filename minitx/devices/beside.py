"""Work that goes on in threads beside other work: compiling, mostly, which leaves cores idle."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from minitx.devices.processes import is_alone


@contextlib.contextmanager
def beside(*calls: Callable[[], object]) -> Iterator[None]:
    """Make each call in a thread of its own while a block runs; wait for all at its end.

    For calls that only save time, as compiling ahead does: an error is dropped, because whoever
    needs the result will meet it again. Several processes must compile in the same order, so with
    others none of the calls is made.
    """
    threads = [threading.Thread(target=_quietly, args=(call,)) for call in calls if is_alone()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        call()
