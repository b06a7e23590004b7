"""Several processes: the same losses as one, and an end in plain words where one of them fails."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import safetensors.numpy
from test_devices import SAME

from minitx.devices import processes
from minitx.errors import InputError

FLAGS = [
    "--preset", "bigram", "--width", "12", "--heads", "3", "--depth", "1", "--norm", "layernorm",
    "--context", "6", "--batch", "4", "--steps", "6", "--eval-every", "3", "--warmup", "2",
    "--corpus", "mine.txt",
]  # fmt: skip


def devices_flag() -> str:
    return "--xla_force_host_platform_device_count"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


STARTED = []


@pytest.fixture(autouse=True)
def _nothing_runs_on():
    yield
    for process in STARTED:
        process.kill()
        process.communicate()
    STARTED.clear()


def minitx(folder, *arguments, **settings):
    """A process of the command line, with one device of its own."""
    flags = f"{devices_flag()}=1"
    process = subprocess.Popen(
        [sys.executable, "-m", "minitx", *arguments],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "XLA_FLAGS": flags, **settings},
    )  # fmt: skip
    STARTED.append(process)
    return process


def start_two(folders, *more, second=(), **settings):
    """Two processes that train together; `second` are flags and `settings` those of the second."""
    where = ["--join", "--coordinator", f"localhost:{free_port()}", "--processes", "2"]
    flags = ["train", *FLAGS, *more, *where, "--process-id"]
    return [
        minitx(folders[0], *flags, "0"), minitx(folders[-1], *flags, "1", *second, **settings)
    ]  # fmt: skip


def ends(both) -> list[tuple[int, str, str]]:
    """Status, output and errors of processes, once they have ended."""
    out = [process.communicate(timeout=240) for process in both]
    return [(p.returncode, *words) for p, words in zip(both, out, strict=True)]


@pytest.fixture
def hosts(tmp_path):
    """Two folders with the same text, as two hosts have them that share no disk."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        (folder / "mine.txt").write_text("the cat sat on the mat, and the hen ran. " * 30)
    return folders


def test_two_processes_train_as_one_does_and_one_of_them_writes(hosts):
    ((status, _, said),) = ends([minitx(hosts[0], "train", *FLAGS, "--out", "one")])
    assert status == 0, said
    (first, out, said), (second, silent, nothing) = ends(start_two(hosts, "--out", "two", "--json"))
    assert (first, second) == (0, 0), said + nothing
    assert json.loads(out)["step"] == 6
    assert silent == "" and "step" not in nothing
    assert [path.name for path in hosts[1].iterdir()] == ["mine.txt"]
    lines = [
        [json.loads(line) for line in (hosts[0] / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("one", "two")
    ]
    assert [line["step"] for line in lines[1]] == [3, 6]
    for one, two in zip(*lines, strict=True):
        for name in ("train_loss", "val_loss", "grad_norm"):
            assert two[name] == pytest.approx(one[name], rel=SAME), name

    # The folder is taken now: all processes refuse, and none hangs.
    for status, _, words in ends(start_two(hosts, "--out", "two")):
        assert status == 2, words
        assert "minitx: error: " in words and "Traceback" not in words


@pytest.mark.parametrize(
    ("second", "settings", "words"),
    [
        (["--lr", "0.5"], {}, ["process 1 has another lr than process 0"] * 2),
        (["--corpus", "other.txt"], {}, ["process 1 has another text than process 0"] * 2),
        (["--corpus", "none.txt"], {}, ["process 1 cannot go on", "no file is called 'none.txt'"]),
        ([], {"XLA_FLAGS": f"{devices_flag()}=2"}, ["the processes have 1, 2 devices"] * 2),
    ],
)
def test_what_one_process_cannot_do_is_refused_by_both(hosts, second, settings, words):
    """Before the run's folder is begun; they would wait for each other, or train on two things."""
    (hosts[1] / "other.txt").write_text("the dog sat on the rug, and the pig ran. " * 30)
    for (status, _, said), word in zip(
        ends(start_two(hosts, "--out", "two", second=second, **settings)), words, strict=True
    ):
        assert status == 2, said
        assert word in said and "Traceback" not in said
    assert not (hosts[0] / "two").exists()


def begun(hosts) -> list[subprocess.Popen]:
    """Two processes that have saved once and would train for hours."""
    both = start_two(hosts, "--out", "two", "--steps", "9999999", "--eval-every", "50")
    for _ in range(2400):
        if (hosts[0] / "two" / "train_state.safetensors").exists():
            return both
        time.sleep(0.1)
    raise AssertionError(ends(both))


def test_ctrl_c_in_any_process_stops_and_saves_all(hosts):
    both = begun(hosts)
    both[1].send_signal(signal.SIGINT)
    for status, _, said in ends(both):
        assert status == 130, said
        assert "minitx: interrupted" in said and "Traceback" not in said
    step = json.loads((hosts[0] / "two/metrics.jsonl").read_text().splitlines()[-1])["step"]
    state = safetensors.numpy.load_file(hosts[0] / "two/train_state.safetensors")
    assert state["step"] >= step

    # The same flags go on with it, although the second host has no folder to take them from.
    again = start_two(hosts, "--out", "two", "--steps", "9999999", "--eval-every", "50", "--resume")
    for _ in range(2400):
        lines = (hosts[0] / "two/metrics.jsonl").read_text().splitlines()
        if json.loads(lines[-1])["step"] > step:
            break
        time.sleep(0.1)
    again[0].send_signal(signal.SIGINT)
    assert [status for status, _, _ in ends(again)] == [130, 130]


def test_where_a_process_dies_the_other_says_so_and_ends(hosts):
    both = begun(hosts)
    both[1].kill()
    (status, _, said), _ = ends(both)
    assert status == 2, said
    assert "computation with the other processes failed" in said and "--resume" in said
    assert "Traceback" not in said


def test_waiting_for_processes_that_do_not_come_ends(hosts):
    """JAX alone would abort after five minutes."""
    code = (
        "from minitx.cli import main; from minitx.devices import processes; "
        "processes.WAIT_SECONDS = 1; "
        "raise SystemExit(main.main())"
    )
    where = ["--join", "--coordinator", f"localhost:{free_port()}", "--processes", "2"]
    for number in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code, "train", *FLAGS, *where, "--process-id", number],
            cwd=hosts[0], text=True, capture_output=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert "have not come within 1 s" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("coordinator", "words"),
    [
        ("localhost", "no HOST:PORT"), ("localhost:99999", "no HOST:PORT"), (":1", "no HOST:PORT"),
        ("no.such.host.invalid:1234", "cannot use coordinator"),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(coordinator, words):
    with pytest.raises(InputError, match=words):
        processes.check_address(coordinator, is_own=False)


def test_a_port_that_is_taken_is_refused():
    """JAX would crash on it."""
    with socket.create_server(("", 0)) as taken:
        address = f"localhost:{taken.getsockname()[1]}"
        processes.check_address(address, is_own=False)
        with pytest.raises(InputError, match=r"in use.*a free port"):
            processes.check_address(address, is_own=True)
    processes.check_address(address, is_own=True)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--join"], "cannot join the other processes"),
        (["--join", "--coordinator", "localhost"], "no HOST:PORT"),
        (["--process-id", "1"], "go with --join"),
        (["--devices", "9"], "devices=9, but JAX finds 1"),
        (["--devices", "0"], "devices=0, but JAX finds 1"),
        (["--devices", "2", "--batch", "3"], "batch=3 cannot be divided among 2 devices"),
    ],
)
def test_wrong_flags_get_one_line(tmp_path, flags, words):
    (tmp_path / "mine.txt").write_text("the cat sat on the mat. " * 30)
    count = {"XLA_FLAGS": f"{devices_flag()}=2"} if "3" in flags else {}
    process = minitx(tmp_path, "train", *FLAGS, *flags, **count)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 2, said
    assert words in said and "Traceback" not in said
    assert sum(line.startswith("minitx: error: ") for line in said.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
