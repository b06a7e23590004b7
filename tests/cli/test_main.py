"""The process: its exit status, one line for each fault, whatever the terminal or the locale."""

import contextlib
import errno
import os
import pty
import subprocess
import sys
import textwrap

import pytest
from command_line import PREFIX, SHORT, listing, minitx_main, plain

from minitx.cli.commands.doctor import Doctor
from minitx.errors import InputError


def test_the_module_runs_too(home):
    done = subprocess.run(
        [sys.executable, "-m", "minitx", "--help"], capture_output=True, text=True, cwd=home
    )
    assert done.returncode == 0 and done.stdout.startswith("usage: minitx") and not done.stderr


def test_a_terminal_gets_the_same_plain_line(home):
    """There the parser draws boxes with colours; none of it may be left over."""
    arguments = ["train", "--steps", "many"]
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "minitx", *arguments], stdin=slave, stdout=slave, stderr=slave,
        cwd=home, env=os.environ | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(master, 4096):
            shown += piece
    os.close(master)
    assert process.wait() == 2
    lines = shown.decode().splitlines()
    plain(shown.decode())
    assert len(lines) == 1 and lines[0].startswith(PREFIX)
    assert "--steps" in lines[0] and "many" in lines[0]
    piped = minitx_main(*arguments)
    assert piped.err.splitlines() == lines


def test_any_locale_gets_the_same_plain_line(home):
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "minitx", "train", "--heads", "5"],
        capture_output=True, text=True, cwd=home,
        env=os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
    )  # fmt: skip
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    plain(done.stderr)


def test_output_that_nobody_can_take(home):
    """A closed pipe is no fault; a full disk is one, and is said in one line."""
    command = f"{sys.executable} -m minitx"
    done = subprocess.run(
        f"{command} data show fables | head -c 1; {command} --help | head -c 1",
        shell=True, capture_output=True, text=True, cwd=home,
    )  # fmt: skip
    assert done.stdout == "Tu"
    assert "Error" not in done.stderr
    if not os.path.exists("/dev/full"):
        return
    done = subprocess.run(
        f"{command} data list > /dev/full", shell=True, capture_output=True, text=True, cwd=home
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(PREFIX)


def test_without_any_standard_output(home):
    done = subprocess.run(
        f"{sys.executable} -m minitx data list >&-",
        shell=True, capture_output=True, text=True, cwd=home,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


def test_folders_that_may_not_be_read_or_written(home, text):
    """Without root's privilege to ignore permissions."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    if drop and subprocess.run([*drop, "true"], capture_output=True).returncode:
        pytest.skip("cannot drop root's privileges")
    (home / "locked").mkdir(mode=0)
    (home / "fixed").mkdir(mode=0o555)
    script = """
        import sys
        from minitx.cli.main import main
        statuses = []
        for words in sys.argv[1:]:
            sys.argv = ["minitx", *words.split()]
            statuses.append(main())
        print(statuses)
    """
    train = f"train --corpus {text} {' '.join(SHORT)} --out "
    done = subprocess.run(
        [*drop, sys.executable, "-c", textwrap.dedent(script), train + "locked",
         train + "locked/run", train + "fixed", train + "fixed/run", "sample locked",
         "inspect locked", "train --resume --out locked"],
        capture_output=True, text=True, cwd=home,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    (home / "locked").chmod(0o755)
    assert done.stdout == "[2, 2, 2, 2, 2, 2, 2]\n", done.stderr
    assert len(lines) == 7 and all(line.startswith(PREFIX) for line in lines)
    assert all(("locked" if i not in (2, 3) else "fixed") in line for i, line in enumerate(lines))
    assert listing(home) == {}


def test_a_device_that_is_not_there(home):
    done = subprocess.run(
        [sys.executable, "-m", "minitx", "doctor"], capture_output=True, text=True, cwd=home,
        env=os.environ | {"JAX_PLATFORMS": "nonsense"},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(PREFIX) and "nonsense" in done.stderr


# --- in this process -----------------------------------------------------------------------------


@pytest.fixture
def failing(monkeypatch):
    """Make `minitx doctor` fail with an error of one's choice."""

    def fail_with(error):
        def run(command):
            raise error

        monkeypatch.setattr(Doctor, "run", run)
        return minitx_main("doctor")

    return fail_with


def test_ctrl_c_is_status_130(home, failing):
    result = failing(KeyboardInterrupt())
    assert result.status == 130 and result.err == "minitx: interrupted\n"


@pytest.mark.parametrize(
    "error, words",
    [
        (InputError("two\nlines"), "two\\nlines"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a/b"), "a/b: No space left on device"),
        (TimeoutError(), "TimeoutError"),
        (OSError("the socket was closed"), "the socket was closed"),
        (MemoryError(), "memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "memory"),
    ],
)
def test_a_fault_of_the_input_or_the_machine_is_one_line_and_status_2(home, failing, error, words):
    result = failing(error)
    assert result.status == 2
    assert result.err.startswith(PREFIX + words) or (words == "memory" and words in result.err)
    assert result.err.count("\n") == 1
    plain(result.err)


def test_a_bug_of_ours_keeps_its_traceback(home, failing):
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())
