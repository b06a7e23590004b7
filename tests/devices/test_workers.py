"""Worker processes: the same numbers for any number of them, and none is left, however it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import worker_tasks

from minitx.devices import workers
from minitx.errors import InputError

SECONDS = 120  # for something to happen; reached only if it hangs
LETTERS = [("a", 3), ("b", 1), ("c", 4)]


@pytest.fixture(autouse=True)
def _workers_are_used(monkeypatch):
    monkeypatch.setattr(workers, "in_this_process", lambda: False)


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that has ended but was not asked how does not count."""
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        with contextlib.suppress(OSError):
            return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def values_by_task(news):
    found = {}
    for one in news:
        if one is not None:
            found.setdefault(one[0], []).append(one[1])
    return found


# --- tasks and results ---------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_all_that_tasks_yield_comes_under_their_numbers(jobs, capfd):
    found = values_by_task(workers.run(worker_tasks.count, LETTERS, jobs))
    assert found == {
        number: [(name, n) for n in range(1, upto + 1)]
        for number, (name, upto) in enumerate(LETTERS)
    }
    assert capfd.readouterr().out == ""


def test_results_stand_in_the_order_of_the_tasks():
    assert workers.results(worker_tasks.count, LETTERS, 3) == LETTERS
    assert workers.results(worker_tasks.count, []) == []


def test_an_accelerator_belongs_to_this_process(monkeypatch):
    monkeypatch.setattr(workers, "in_this_process", lambda: True)
    monkeypatch.setattr(workers, "start", None)  # a worker would break
    found = [task for task, _ in workers.run(worker_tasks.count, LETTERS, 2)]
    assert found == [0, 0, 0, 1, 2, 2, 2, 2]


def test_a_worker_has_one_thread_one_device_and_no_workers_of_its_own(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    (found,) = workers.results(worker_tasks.surroundings, [()], 1)
    assert found["pid"] != os.getpid()
    assert all(found[name] == "1" for name in workers.ONE_THREAD)
    assert found["JAX_PLATFORMS"] == "cpu"
    flags = found["XLA_FLAGS"].split()
    assert "--xla_cpu_multi_thread_eigen=false" in flags
    assert flags[-1] == "--xla_force_host_platform_device_count=1"  # the last of equal ones counts
    ((own, of_its_task),) = workers.results(worker_tasks.nested, [()], 1)
    assert own == of_its_task


def test_seeds_are_the_same_to_the_bit_for_any_number_of_workers():
    """Nor do they depend on the threads of this process."""
    from training import BIGRAM, LOOP, NOISE, assert_same_bits

    from minitx.train import fit_seeds

    seeds = [5, 6]
    alone = fit_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], seeds, jobs=1)
    both = fit_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], seeds, jobs=2)
    for (model, history), (other, other_history) in zip(alone, both, strict=True):
        assert_same_bits(model.params(), other.params())
        assert [e._replace(seconds=0) for e in history] == [
            e._replace(seconds=0) for e in other_history
        ]
    assert (np.asarray(alone[0][0].unembedding_VD) != np.asarray(alone[1][0].unembedding_VD)).any()


@pytest.mark.parametrize("jobs", [0, -1, -(10**9)])
def test_numbers_of_workers_that_cannot_be_are_refused(jobs):
    with pytest.raises(InputError, match=f"jobs={jobs} is out of range: it must be at least 1"):
        list(workers.run(worker_tasks.count, LETTERS, jobs))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_only_the_cores_that_this_process_may_use_count():
    before = os.sched_getaffinity(0)
    assert workers.check_jobs(None) == len(before)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert workers.check_jobs(None) == 1
    finally:
        os.sched_setaffinity(0, before)


# --- how it ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, error, message",
    [
        ("input", InputError, r"^x=3 is too large: choose 2$"),
        ("disk", OSError, "No space left on device.*some/file"),
        ("memory", MemoryError, "much too large"),
        ("bug", RuntimeError, r"(?s)in a worker:.*worker_tasks.py.*ZeroDivisionError: a bug"),
        ("death", InputError, r"^a worker process has died \(SIGKILL\): run the same command"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_raised_here(kind, error, message, tmp_path):
    pids = []
    with pytest.raises(error, match=message):
        for news in workers.run(worker_tasks.fail, [(kind,)], 1):
            if news:
                pids.append(news[1])
    assert len(pids) == 1 and not is_running(pids[0])


def test_workers_end_with_the_iterator(tmp_path):
    news = workers.run(worker_tasks.endless, [(tmp_path,)] * 2, 2)
    begun = 0
    while begun < 2:
        begun += next(news) is not None
    assert next(news) is None  # nothing new: a chance to look at the clock
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 2 and all(map(is_running, pids))
    news.close()
    assert not any(map(is_running, pids))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("ending", ["kill", "ctrl-c"])
def test_no_worker_outlives_the_process_that_started_it(ending, tmp_path):
    """Ctrl-C goes to all processes of a terminal; workers leave it to the one that began them."""
    script = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import pathlib, signal, worker_tasks\n"
        "from minitx.devices import workers\n"
        # A shell starts its background jobs, and so perhaps these tests, with SIGINT ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "workers.in_this_process = lambda: False\n"
        f"tasks = [(pathlib.Path({str(tmp_path)!r}),)] * 3\n"
        "for news in workers.run(worker_tasks.endless, tasks, 3): pass"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: len(list(tmp_path.iterdir())) == 3)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    if ending == "kill":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=SECONDS)
    wait_for(lambda: not any(map(is_running, pids)))
    if ending == "kill":
        assert process.returncode == -signal.SIGKILL and err == ""
    else:
        assert process.returncode == -signal.SIGINT
        assert err.count("KeyboardInterrupt") == 1 and err.count("Traceback") == 1
