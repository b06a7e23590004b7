"""What the tests of all commands share: calling minitx in this process, and judging its answer."""

import contextlib
import io
import os
import random
import sys
import typing
import warnings
from pathlib import Path

from minitx.cli import main as cli

# One tiny model and one short training for all tests: compiling is what takes the time.
SIZE = ["--width", "8", "--depth", "1", "--heads", "2", "--context", "8", "--batch", "2"]
SHORT = [*SIZE, "--steps", "4", "--eval-every", "2"]
PREFIX = "minitx: error: "


class Result(typing.NamedTuple):
    status: int
    out: str
    err: str


def minitx_main(*arguments) -> Result:
    """Run a command in this process."""
    before = sys.argv
    out = io.StringIO()
    err = io.StringIO()
    sys.argv = ["minitx", *map(str, arguments)]
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                status = cli.main()
            except SystemExit as stop:  # --help
                status = stop.code or 0
    finally:
        sys.argv = before
    return Result(status, out.getvalue(), err.getvalue())


def works(*arguments) -> Result:
    """Run a command that must succeed."""
    result = minitx_main(*arguments)
    assert result.status == 0, result
    assert PREFIX not in result.err
    return result


def refused(*arguments, names=(), remarks=False) -> str:
    """Run a command that must be refused: status 2, and one plain line that names the culprit.

    `remarks`: other lines may stand before it, about work that was really begun.
    """
    result = minitx_main(*arguments)
    assert result.status == 2, result
    assert result.out == "", result
    plain(result.err)
    *before, line = result.err.splitlines()
    assert line.startswith(PREFIX)
    assert not any(b.startswith(PREFIX) for b in before)
    assert remarks or not before, result.err
    for name in names:
        assert str(name) in line, f"{name!r} is not in {line!r}"
    return line


def plain(text: str) -> None:
    """Nothing of a traceback, of a parser's insides, or of a terminal's boxes and colours."""
    for ugly in (
        "Traceback", "tyro", "dummy", "----", "────", "│", "╭", "╰", "\x1b", "Warning", "Errno"
    ):  # fmt: skip
        assert ugly not in text, text


def write_text(path: Path, words=300, seed=1) -> Path:
    """A text of few letters, with the characters that the demo's prompt needs."""
    rng = random.Random(seed)
    cats = " ".join(rng.choice(["the", "cat", "sat", "on", "mats"]) for _ in range(words))
    path.write_text(f"The {cats}\n")
    return path


def listing(folder) -> dict[str, bytes]:
    """Every file below a folder, by its path, with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


def keep_to(folder, patch) -> None:
    """Let minitx and JAX keep nothing outside this folder."""
    patch.setenv("MINITX_CACHE", str(folder / ".cache"))
    defaults = {
        "JAX_COMPILATION_CACHE_DIR": str(folder / ".cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "9",
    }
    for name, value in defaults.items():
        patch.setenv(name, os.environ.get(name, value))
