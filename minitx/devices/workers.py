"""Worker processes: many small trainings side by side, one on each core.

One small model cannot keep several cores busy, so each worker computes with one thread. It does so
even if it is the only worker: its numbers then do not depend, to the bit, on how many workers there
are, on how many cores the machine has, or on which worker gets which task.

A worker is a new Python process, started in the same way on every system. It does not run the
user's main script again, so scripts and notebooks need no guard. Tasks and results travel as
pickles through pipes between our own processes; no file is ever read that way. When this process
ends, however it ends, its pipes close, and each worker ends at once.

An accelerator belongs to one process. There, everything runs in this process, one task after
another.
"""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minitx.errors import InputError

# XLA's CPU client takes the size of its thread pool from NPROC. The first flag is part of the key
# under which compiled programs are kept: programs of processes with several threads divide their
# work otherwise, and round otherwise.
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false --xla_force_host_platform_device_count=1"
ONE_THREAD = {
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
DEATH_SECONDS = 10  # between the last word of a worker and its end
HEARTBEAT = 0.5  # seconds without news after which the caller can see to Ctrl-C

YIELDED, FINISHED, FAILED = "yielded", "finished", "failed"  # what a worker says about its task

_is_worker = False


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_jobs(jobs: int | None) -> int:
    """Return the number of workers; None: one for each core. Raises InputError for less than 1."""
    if jobs is None:
        return cores()
    if jobs < 1:
        raise InputError(f"jobs={jobs} is out of range: it must be at least 1")
    return jobs


def count(jobs: int | None, tasks: int) -> int:
    """Return how many of so many tasks run side by side."""
    return 1 if in_this_process() else max(1, min(check_jobs(jobs), tasks))


def in_this_process() -> bool:
    """Return whether tasks run in this process: it holds an accelerator, or is itself a worker."""
    if _is_worker:
        return True
    import jax

    return jax.default_backend() != "cpu"


def run(
    function: Callable[..., Iterator[Any]], tasks: Sequence[tuple], jobs: int | None = None
) -> Iterator[tuple[int, Any] | None]:
    """Call `function(*task)` for each task in up to `jobs` workers; yield what the calls yield.

    `function` is a generator function at the top level of a module, and all values can be pickled.
    Tasks begin in the order given. Yields the number of a task and a value of it, as soon as it
    comes, and None when nothing has come for a while. Raises what a call raises, as an InputError,
    OSError, MemoryError or RuntimeError, and InputError if a worker dies. All workers are ended
    when the iterator ends or is closed.
    """
    check_jobs(jobs)
    if in_this_process():
        for number, task in enumerate(tasks):
            for value in function(*task):
                yield number, value
        return
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for number, task in enumerate(tasks):
        waiting.put((number, pickle.dumps((function, task))))
    news: queue.SimpleQueue = queue.SimpleQueue()
    unfinished = len(tasks)
    with contextlib.ExitStack() as stack:
        for _ in range(count(jobs, len(tasks))):
            stack.enter_context(worker(waiting, news))
        while unfinished:
            try:
                number, kind, value = news.get(timeout=HEARTBEAT)
            except queue.Empty:
                yield None
                continue
            if kind == FAILED:
                raise value
            if kind == FINISHED:
                unfinished -= 1
            else:
                yield number, value


def results(
    function: Callable[..., Iterator[Any]], tasks: Sequence[tuple], jobs: int | None = None
) -> list:
    """Return the last value of each call of `run`, in the order of the tasks."""
    last = {}
    for news in run(function, tasks, jobs):
        if news is not None:
            number, value = news
            last[number] = value
    return [last[number] for number in range(len(tasks))]


@contextlib.contextmanager
def worker(waiting: queue.SimpleQueue, news: queue.SimpleQueue):
    """Start a worker that takes waiting tasks; at the end of the block it is no more."""
    process = start()
    thread = threading.Thread(target=supply, args=(process, waiting, news), daemon=True)
    thread.start()
    try:
        yield
    finally:
        process.kill()
        process.wait()
        thread.join()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what was not yet sent
                pipe.close()


def start() -> subprocess.Popen:
    """Start a process that serves. Ctrl-C does not reach it: this process ends it."""
    # The worker imports from where this process does, whatever folder it is started in.
    code = f"import sys; sys.path[:] = {sys.path!r}; from minitx.devices import workers; "
    flags = f"{os.environ.get('XLA_FLAGS', '')} {XLA_FLAGS}".strip()
    options: dict[str, Any] = {}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
        before = None
    else:  # a new process inherits the signals that are blocked
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(
            [sys.executable, "-c", code + "workers.serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | ONE_THREAD | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            **options,
        )
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def supply(process: subprocess.Popen, waiting: queue.SimpleQueue, news: queue.SimpleQueue) -> None:
    """Give a worker one waiting task after another, and pass on what it says about each."""
    while True:
        try:
            number, task = waiting.get_nowait()
        except queue.Empty:
            return
        kind = YIELDED
        try:
            pickle.dump(task, process.stdin)
            process.stdin.flush()
            while kind == YIELDED:
                kind, value = pickle.load(process.stdout)
                news.put((number, kind, value))
        except (EOFError, OSError, pickle.UnpicklingError):
            news.put((number, FAILED, InputError(death_of(process))))
            return


def death_of(process: subprocess.Popen) -> str:
    """Return in words how a worker has ended that nobody asked to end."""
    try:
        status = process.wait(DEATH_SECONDS)
    except subprocess.TimeoutExpired:
        return "a worker process answered with something else: run the same command again"
    how = f"status {status}"
    if status < 0:
        with contextlib.suppress(ValueError):
            how = signal.Signals(-status).name
    return (
        f"a worker process has died ({how}): run the same command again, and if the system killed "
        "it for lack of memory, with fewer --jobs"
    )


# --- inside a worker -----------------------------------------------------------------------------


def serve() -> None:
    """Run tasks from standard input, and answer on standard output, until the input ends."""
    global _is_worker
    _is_worker = True
    warnings.filterwarnings("ignore", message=".*[Pp]ersistent compilation cache.*")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a task prints must not mix with the answers
    tasks: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=listen, args=(tasks,), daemon=True).start()

    def say(kind, value):
        try:
            pickle.dump((kind, value), answers)
            answers.flush()
        except OSError:  # nobody listens any more
            os._exit(1)

    while True:
        function, task = pickle.loads(tasks.get())
        try:
            for value in function(*task):
                say(YIELDED, value)
            say(FINISHED, None)
        except Exception as error:
            say(FAILED, portable(error))


def listen(tasks: queue.SimpleQueue) -> None:
    """Put tasks in line; end this process, whatever it is doing, when no more can come."""
    with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            tasks.put(pickle.load(sys.stdin.buffer))
    os._exit(0)


def portable(error: Exception) -> Exception:
    """Return an error that can be pickled, and says the same."""
    if isinstance(error, InputError):
        return InputError(str(error))
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror, error.filename)
    if isinstance(error, MemoryError):
        return MemoryError(str(error))
    return RuntimeError("in a worker:\n" + "".join(traceback.format_exception(error)))
