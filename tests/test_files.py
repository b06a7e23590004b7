"""Files on disk: written whole or not at all; JSON read or refused; nothing is executed."""

import ast
import errno
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tiny_run import refused

import minitx
from minitx import files


def failing(code):
    def fail(*arguments, **keywords):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.fixture
def path(tmp_path):
    """A file that is there."""
    (tmp_path / "a").write_bytes(b"old")
    return tmp_path / "a"


@pytest.mark.parametrize("function", ["replace", "fsync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_write_that_fails_changes_nothing(path, monkeypatch, function, code):
    monkeypatch.setattr(os, function, failing(code))
    new = path.with_name("new")
    refused(lambda: files.write(path, b"x" * 1000), path, os.strerror(code))
    refused(lambda: files.write(new, b"x" * 1000), new, os.strerror(code))
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_an_error_without_a_number_says_why(path, monkeypatch):
    """Libraries raise OSError without `strerror`; "None" is no reason."""

    def fail(*arguments, **keywords):
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        assert "None" not in refused(lambda: files.write(path, b"new"), path, "TimeoutError")
    monkeypatch.setattr(Path, "read_text", fail)
    assert "None" not in refused(lambda: files.read_json(path), path, "TimeoutError")


def test_a_file_that_stops_growing_half_way_changes_nothing(path):
    """A real failure of the system's write, after the first bytes: files may not pass 4 KiB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        refused(lambda: files.write(path, b"x" * 50_000), path)
        refused(lambda: files.write(path, b"x" * 5000), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_an_interrupt_half_way_changes_nothing(path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]  # nor a temporary file that nobody removes


ON_A_SMALL_DISK = """
    import os, subprocess, sys
    from pathlib import Path
    from minitx import files
    from minitx.errors import InputError

    disk = Path(sys.argv[1])
    files.write(disk / "a", b"old")

    def fails(path, content, word):
        try:
            files.write(path, content)
        except InputError as error:
            assert word in str(error), error
            assert str(path) in str(error), error
        else:
            raise SystemExit("it did not fail")
        assert (disk / "a").read_bytes() == b"old"
        assert os.listdir(disk) == ["a"], os.listdir(disk)

    fails(disk / "a", b"x" * 1_000_000, "No space left")
    fails(disk / "b", b"x" * 1_000_000, "No space left")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    fails(disk / "a", b"new", "Read-only")
    fails(disk / "folder" / "b", b"new", "Read-only")
    print("passed")
"""


def test_a_full_disk_and_a_read_only_disk_change_nothing(tmp_path):
    """On a real file system of 64 KiB, in a name space of its own."""
    alone = ["unshare", "--map-root-user", "--mount"]
    mount = f"mount -t tmpfs -o size=64k none {tmp_path}"
    if (
        not shutil.which("unshare")
        or subprocess.run([*alone, "sh", "-c", mount], capture_output=True).returncode
    ):
        pytest.skip("this system lets us mount nothing")
    run = subprocess.run(
        [*alone, "sh", "-c", f'{mount} && exec "$@"', "sh",
         sys.executable, "-c", textwrap.dedent(ON_A_SMALL_DISK), tmp_path],
        capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(minitx.__file__).parent.parent)},
    )  # fmt: skip
    assert run.returncode == 0 and run.stdout == "passed\n", run.stderr


def test_places_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (
        tmp_path / "file" / "a", tmp_path / "folder", tmp_path / ("a" * 300), Path("/proc/no/a")
    ):  # fmt: skip
        refused(lambda path=path: files.write(path, b"x"), path)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_writing_replaces_and_makes_folders(tmp_path):
    path = tmp_path / "new" / "deep" / "a"
    files.write(path, "ä\r\n")
    assert path.read_bytes() == "ä\r\n".encode()
    files.write(path, b"2")
    assert path.read_bytes() == b"2"
    assert os.listdir(path.parent) == ["a"]


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    """Whatever is at the path when the system is asked for anything is whole: old or new."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    seen = []

    def watch(function):
        def call(*arguments, **keywords):
            seen.append(path.read_bytes())
            result = function(*arguments, **keywords)
            seen.append(path.read_bytes())
            return result

        return call

    monkeypatch.setattr(os, "fsync", watch(os.fsync))
    monkeypatch.setattr(os, "replace", watch(os.replace))
    files.write(path, b"new")
    assert len(seen) >= 4 and seen[0] == b"old" and set(seen) == {b"old", b"new"}


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    calls = []

    def note(name):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a: [calls.append(name), real(*a)][1])

    note("fsync")
    note("replace")
    files.write(tmp_path / "a", b"x")
    assert calls[:2] == ["fsync", "replace"]


# --- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b'{"a": 1', b"nul", b"[" * 100_000, b'{"a": 1} x']
)
def test_broken_json_is_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    refused(lambda: files.read_json(path), path)


def test_json_comes_back_and_nan_is_refused(tmp_path):
    value = {"a": [1, 2.5, None, True], "ä": "\u2028"}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "a.json", {"a": float("nan")})
    assert files.read_json(tmp_path / "a.json") == value
    refused(lambda: files.read_json(tmp_path / "none.json"), tmp_path / "none.json")
    refused(lambda: files.read_json(tmp_path), tmp_path)


# --- nothing that is read is executed -------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return os.mkdir, (Bomb.path,)


def test_a_pickle_is_never_opened(tmp_path):
    Bomb.path = str(tmp_path / "exploded")
    path = tmp_path / "a"
    path.write_bytes(pickle.dumps({"a": Bomb()}))
    refused(lambda: files.read_json(path), path)
    assert not Path(Bomb.path).exists()


DANGEROUS_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


DANGEROUS_CALLS = {"eval", "exec", "compile", "__import__", "runpy.run_path", "runpy.run_module"}


# The classroom runs lessons, their solutions, the learner's own exercises and claims: each in one
# place.
CLASSROOM = {
    ("classroom/own_evidence.py", "_execute"): ["exec", "compile"],
    ("classroom/walk.py", "_execute"): ["exec", "compile"],
    ("classroom/lessons.py", "_read_solutions"): ["runpy.run_path"],
}


# Our own processes send each other values through pipes; no file is read in this way.
BETWEEN_PROCESSES = {("devices/workers.py", "pickle")}


def test_the_package_has_no_way_to_execute_a_file():
    package, seen = Path(minitx.__file__).parent, {}
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        relative = path.relative_to(package).as_posix()
        excused = {}
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                place = relative, function.name
                if place in CLASSROOM:
                    excused |= {id(node): place for node in ast.walk(function)}
        for node in ast.walk(tree):
            where = f"{path.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                modules = {a.name.split(".")[0] for a in node.names} & DANGEROUS_MODULES
                assert all((relative, module) in BETWEEN_PROCESSES for module in modules), where
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in DANGEROUS_MODULES, where
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in DANGEROUS_CALLS:
                    assert id(node) in excused, where
                    seen.setdefault(excused[id(node)], []).append(called)
                assert called not in {"np.load", "numpy.load", "jnp.load", "yaml.load"}, where
                assert "allow_pickle" not in {k.arg for k in node.keywords}, where
    assert seen == CLASSROOM
