"""Records of lessons in the cache folder: one runs again only if what decides it has changed."""

import contextlib
import functools
import hashlib
import importlib.metadata
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

from minitx import files
from minitx.classroom import lessons
from minitx.classroom.verdicts import REAL_MODEL
from minitx.errors import InputError
from minitx.evidence import zoo_judging
from minitx.pretrained import loader
from minitx.runs import zoo
from minitx.text.corpus import cache_folder

Record = dict[str, Any]
PACKAGE = Path(__file__).parent.parent
ABOVE = ("ablation", "bench", "cli")  # rooms that no lesson's result depends on
RUNNING = ("recording.py", "pictures.py", "start.py")  # of this room, what decides a record
LIBRARIES = ("numpy", "jax", "jaxlib", "flax", "matplotlib", "tokenizers")


def path_of(name: str, digest: str) -> Path:
    """Return the file of a record: `name` is a lesson or `start`."""
    return cache_folder() / "book" / f"{name}-{digest}.json"


def digest_of(lesson: str) -> str:
    """Return twelve letters that change with everything that decides what a lesson shows."""
    parts = [
        digest_of_code(),
        zoo_judging.fingerprint(),
        real_model(),
        lessons.paths()[lesson].read_text("utf-8"),
        lessons.solutions(lesson).read_text("utf-8"),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def digest_of_start() -> str:
    """Return twelve letters that change with everything that decides the three findings."""
    parts = [digest_of_code(), zoo_judging.fingerprint()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@functools.cache
def digest_of_code() -> str:
    """Return a hash of all code that a lesson may call, and of the libraries below it."""
    digest = hashlib.sha256()
    for name in LIBRARIES:
        digest.update(f"{name} {importlib.metadata.version(name)}".encode())
    room = Path(__file__).parent
    code = [path for path in sorted(PACKAGE.rglob("*.py")) if not is_above(path)]
    for path in [*code, *(room / name for name in RUNNING)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_above(path: Path) -> bool:
    """Return whether a file of this package lies in a room above the lessons, or is one of them."""
    room = path.relative_to(PACKAGE).parts[0]
    return room in (*ABOVE, "book", "lessons")


def real_model() -> str:
    """Return which real model is at hand: its file and its size, or nothing."""
    try:
        path = loader.locate(REAL_MODEL)
    except InputError:
        return ""
    return f"{path.name} {path.stat().st_size}"


def kept(name: str, digest: str) -> Record | None:
    """Return a record that is in the cache and whole, or None."""
    path = path_of(name, digest)
    with contextlib.suppress(InputError):  # it is missing or broken: the lesson runs again
        return files.read_json(path)
    return None


def keep(name: str, digest: str, record: Record) -> None:
    """Put a record into the cache, and remove older ones of the same name."""
    path = path_of(name, digest)
    files.write_json(path, record)
    for other in path.parent.glob(f"{name}-*.json"):
        if other != path:
            other.unlink(missing_ok=True)


def record_all(names: list[str], jobs: int, say: Callable[[str], None]) -> dict[str, Record]:
    """Return the records of these lessons; those that are not in the cache are run now.

    A lesson that is done is kept at once, so that an interrupted book goes on there. With several
    jobs, that many processes run lessons side by side. Raises InputError for the first lesson that
    breaks, and names its line.
    """
    found = {}
    missing = {}
    for name in names:
        digest = digest_of(name)
        record = kept(name, digest)
        if record is None:
            missing[name] = digest
        else:
            found[name] = record
    if found:
        say(f"from the cache: {', '.join(found)}")
    if missing:
        say(f"to run: {', '.join(missing)}")
    run = one_after_the_other
    if min(jobs, len(missing)) > 1:
        for _ in zoo.build(jobs=jobs):
            pass  # otherwise several lessons would train the same models at once
        run = side_by_side
    for name, record, seconds in run(list(missing), jobs):
        keep(name, missing[name], record)
        found[name] = record
        say(f"{lessons.title(name)}: {seconds:.0f} s ({len(found)} of {len(names)})")
    return {name: found[name] for name in names}


def timed(name: str) -> tuple[str, Record, float]:
    """Run a lesson; return its name, its record, and how long it took in seconds."""
    from minitx.book.recording import record

    started = perf_counter()
    return name, record(name), perf_counter() - started


def one_after_the_other(names: list[str], jobs: int):
    """Yield each lesson as soon as it was run, in this process."""
    for name in names:
        yield timed(name)


def side_by_side(names: list[str], jobs: int):
    """Yield each lesson as soon as it was run, several at once, each in a process of its own."""
    # `spawn`, because JAX starts threads, which a forked process would not have.
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    try:
        waiting = {pool.submit(timed, name) for name in names}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BaseException:
        with contextlib.suppress(Exception):
            for process in list(pool._processes.values()):
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
