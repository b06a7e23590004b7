"""Several processes: the same losses as one, and an end in plain words when one of them fails."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import safetensors.numpy
from test_devices import SAME

from minitx.cli.main import main
from minitx.devices import joining
from minitx.devices.relay import Relay
from minitx.errors import InputError

FLAGS = [
    "--preset", "bigram", "--width", "12", "--heads", "3", "--depth", "1", "--norm", "layernorm",
    "--context", "6", "--batch", "4", "--eval-every", "3", "--warmup", "2", "--corpus", "mine.txt",
]  # fmt: skip
SHORT = [*FLAGS, "--steps", "6"]
ENDLESS = [*FLAGS, "--steps", "9999999", "--eval-every", "50", "--out", "two"]
SECONDS = 240  # for a process to end; reached only if it hangs
JAX_LOG = re.compile(r"^[WEF]\d{4} ", re.MULTILINE)  # how a line of JAX's own C++ log begins


# Ports below those that the system gives to connections of its own: in the seconds before a process
# listens, a relay or another test would be given a higher one. Each process of the tests draws its
# own.
PORTS = random.SystemRandom().sample(range(15000, 32000), 3000)


def free_port() -> int:
    """Return a port that nobody uses, another one each time."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = PORTS.pop()
            probe.bind(("", port))
            return port


STARTED = []


@pytest.fixture(autouse=True)
def _nothing_runs_on():
    yield
    for process in STARTED:
        process.kill()
        process.communicate()
    STARTED.clear()


def start(folder, *command, devices=1, before=()):
    """Start Python with devices of its own and the compiler of this process, without optimizations.

    The last of several equal flags counts.
    """
    flags = (
        f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices} "
        "--xla_backend_optimization_level=0"
    )
    process = subprocess.Popen(
        [*before, sys.executable, *command], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "XLA_FLAGS": flags},
    )  # fmt: skip
    STARTED.append(process)
    return process


def where(number: int, port: int) -> list[str]:
    address = f"localhost:{port}"
    return ["--join", "--coordinator", address, "--processes", "2", "--process-id", str(number)]


def start_two(folders, *flags, devices=(1, 1)):
    """Start two processes of the command line that train together."""
    port = free_port()
    return [
        start(folder, "-m", "minitx", "train", *flags, *where(n, port), devices=devices[n])
        for n, folder in enumerate(folders)
    ]


def ends(processes) -> list[tuple[int, str, str]]:
    """Return status, output and errors of processes, once they have ended."""
    words = [process.communicate(timeout=SECONDS) for process in processes]
    return [(p.returncode, *both) for p, both in zip(processes, words, strict=True)]


@pytest.fixture
def hosts(tmp_path):
    """Two folders with the same text, like two hosts that share no disk."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        (folder / "mine.txt").write_text("the cat sat on the mat, and the hen ran. " * 30)
    return folders


def metrics(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def train_here(monkeypatch, folder, *flags) -> int:
    """Train in this process; return the exit status."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["minitx", "train", *flags])
    return main()


# Joins once, then runs several commands, because starting a process takes seconds.
COMMANDS = """
import contextlib, io, json, sys
from minitx.cli.main import main
from minitx.devices import joining

address, number, commands = json.loads(sys.argv[1])
joining.join(address, 2, number)
joining.join = lambda *_: None
ends = []
for flags in commands:
    sys.argv = ["minitx", "train", *flags, "--join"]
    with contextlib.redirect_stderr(io.StringIO()) as said:
        ends.append([main(), said.getvalue()])
json.dump(ends, open("ends.json", "w"))
"""


def test_two_processes_train_as_one_does_and_refuse_what_differs(hosts, monkeypatch):
    """They would wait for each other, or train on two things; one process writes and talks."""
    (hosts[1] / "other.txt").write_text("the dog sat on the rug, and the pig ran. " * 30)
    two, new = [*SHORT, "--out", "two"], [*SHORT, "--out", "new"]
    cases = [  # flags, what the second process has instead, what each says
        ([*two, "--json"], [], ["saved in two", ""]),
        (two, [], ["two already contains a run", "process 0 cannot go on"]),
        (new, ["--lr", "0.5"], ["process 1 has another lr than process 0"] * 2),
        (new, ["--corpus", "other.txt"], ["process 1 has another text than process 0"] * 2),
        (new, ["--corpus", "none.txt"], ["process 1 cannot go on", "no file is called 'none.txt'"]),
    ]
    address = f"localhost:{free_port()}"
    pair = []
    for number, folder in enumerate(hosts):
        commands = [flags + number * second for flags, second, _ in cases]
        words = json.dumps([address, number, commands])
        pair.append(start(folder, "-c", COMMANDS, words))
    (first, out, said), (second, silent, nothing) = ends(pair)
    assert (first, second) == (0, 0), said + nothing
    assert json.loads(out)["step"] == 6
    assert silent == ""
    assert {path.name for path in hosts[1].iterdir()} == {"mine.txt", "other.txt", "ends.json"}
    assert not (hosts[0] / "new").exists()
    for number, folder in enumerate(hosts):
        found = json.loads((folder / "ends.json").read_text())
        assert [status for status, _ in found] == [0, 2, 2, 2, 2], found
        for (_, said), (_, _, words) in zip(found, cases, strict=True):
            assert words[number] in said

    assert train_here(monkeypatch, hosts[0], *SHORT, "--out", "one") == 0
    lines = [metrics(hosts[0] / run) for run in ("one", "two")]
    assert [line["step"] for line in lines[1]] == [3, 6]
    for one, both in zip(*lines, strict=True):
        for name in ("train_loss", "val_loss", "grad_norm"):
            assert both[name] == pytest.approx(one[name], rel=SAME), name


def test_processes_with_different_numbers_of_devices_are_refused(hosts):
    for status, _, said in ends(start_two(hosts, *SHORT, devices=(1, 2))):
        assert status == 2, said
        assert "the processes have 1, 2 devices" in said and "Traceback" not in said


def wait_until(condition, processes) -> None:
    """Wait until a condition holds while processes run; fail with what they said if it does not."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and all(process.poll() is None for process in processes):
        if condition():
            return
        time.sleep(0.1)
    for process in processes:
        process.kill()
    raise AssertionError(ends(processes))


def begun(hosts) -> list[subprocess.Popen]:
    """Start two processes that have saved once and would train for hours."""
    both = start_two(hosts, *ENDLESS)
    wait_until((hosts[0] / "two" / "train_state.safetensors").exists, both)
    return both


def assert_one_line(status: int, said: str) -> None:
    """Check that a process ended because another one did, and said so in one line of ours."""
    assert status == 2, said
    last = said.splitlines()[-1]
    assert last.startswith("minitx: error: a computation with the other processes failed"), said
    assert "--resume" in last
    assert said.count("minitx: error: ") == 1
    assert not JAX_LOG.search(said), said
    assert "Traceback" not in said


@pytest.mark.long
def test_ctrl_c_in_one_process_saves_and_stops_all_and_they_can_go_on(hosts):
    both = begun(hosts)
    both[1].send_signal(signal.SIGINT)
    for status, _, said in ends(both):
        assert status == 130, said
        assert "minitx: interrupted" in said and "Traceback" not in said
    step = metrics(hosts[0] / "two")[-1]["step"]
    state = safetensors.numpy.load_file(hosts[0] / "two/train_state.safetensors")
    assert state["step"] >= step

    # The same flags go on with it, although the second host has no folder to take them from.
    again = start_two(hosts, *ENDLESS, "--resume")
    wait_until(lambda: metrics(hosts[0] / "two")[-1]["step"] > step, again)
    again[1].kill()
    (status, _, said), _ = ends(again)
    assert_one_line(status, said)


@pytest.mark.long
@pytest.mark.parametrize("tries", [20])
def test_when_process_0_dies_the_other_says_so_in_one_line_and_ends(hosts, tries):
    """JAX alone would write lines of its C++ log and abort."""
    for _ in range(tries):
        both = begun(hosts)
        both[0].kill()
        _, (status, _, said) = ends(both)
        assert_one_line(status, said)
        for file in (hosts[0] / "two").iterdir():
            file.unlink()


def waiting(folder, number: int, before=()):
    """Start a process that waits for another, which never comes."""
    flags = [*SHORT, *where(number, free_port())]
    return start(folder, "-m", "minitx", "train", *flags, before=before)


# A shell script starts its background jobs so.
SIGINT_IGNORED = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]


def test_ctrl_c_ends_a_process_that_waits_for_others(hosts):
    both = [waiting(hosts[0], 0), waiting(hosts[0], 1, before=SIGINT_IGNORED)]
    for process in both:
        assert process.stderr.readline().startswith("joining")
    time.sleep(1)
    for process in both:
        process.send_signal(signal.SIGINT)
    for status, _, said in ends(both):
        assert (status, said) == (130, "minitx: interrupted\n")


@pytest.mark.long
def test_ctrl_c_ends_a_waiting_process_at_every_moment(hosts):
    """From the moment when it says that it joins: while it imports JAX, connects, and waits."""
    moments = random.Random(0)
    for number in range(200):
        process = waiting(hosts[0], number % 2)
        assert process.stderr.readline().startswith("joining")
        time.sleep(moments.uniform(0, 3))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS)
        assert (process.returncode, said) == (130, "minitx: interrupted\n"), number


def test_ctrl_c_is_not_lost_in_a_callback_of_the_garbage_collector(tmp_path):
    """Python drops an exception that is raised there, and JAX has such a callback."""
    code = """
import gc, os, signal, time
from minitx.devices.ctrl_c import ends_on_ctrl_c
with ends_on_ctrl_c():
    gc.callbacks.append(lambda *_: os.kill(os.getpid(), signal.SIGINT))
    gc.collect()
    time.sleep(60)
"""
    ((status, _, said),) = ends([start(tmp_path, "-c", code)])
    assert (status, said) == (130, "minitx: interrupted\n")


def test_waiting_for_processes_that_do_not_come_ends(hosts):
    """JAX alone would abort after five minutes."""
    code = (
        "from minitx.cli.main import main; from minitx.devices import joining; "
        "joining.WAIT_SECONDS = 1; raise SystemExit(main())"
    )
    both = [
        start(hosts[0], "-c", code, "train", *SHORT, *where(number, free_port()))
        for number in (0, 1)
    ]
    for status, _, said in ends(both):
        assert status == 2, said
        assert "have not come within 1 s" in said and "Traceback" not in said
        assert not JAX_LOG.search(said), said


@pytest.mark.parametrize(
    ("coordinator", "words"),
    [
        ("localhost", "not HOST:PORT"), ("localhost:99999", "not HOST:PORT"),
        (":1", "not HOST:PORT"), ("no.such.host.invalid:1234", "cannot use coordinator"),
    ],
)  # fmt: skip
def test_a_wrong_address_is_refused(coordinator, words):
    with pytest.raises(InputError, match=words):
        joining.check_address(coordinator, is_own=False)


def test_a_port_that_is_taken_is_refused():
    """JAX would crash on it."""
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        address = f"localhost:{port}"
        assert joining.check_address(address, is_own=False) == ("localhost", port)
        with pytest.raises(InputError, match=r"in use.*a free port"):
            joining.check_address(address, is_own=True)
    assert joining.check_address(address, is_own=True) == ("localhost", port)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--join"], "cannot join the other processes"),
        (["--join", "--coordinator", "localhost"], "not HOST:PORT"),
        (["--process-id", "1"], "go with --join"),
        (["--devices", "9"], "devices=9, but JAX finds 4"),
        (["--devices", "0"], "devices=0, but JAX finds 4"),
        (["--devices", "2", "--batch", "3"], "batch=3 cannot be divided among 2 devices"),
    ],
)
def test_wrong_flags_get_one_line(tmp_path, monkeypatch, capsys, flags, words):
    (tmp_path / "mine.txt").write_text("the cat sat on the mat. " * 30)
    assert train_here(monkeypatch, tmp_path, *SHORT, *flags) == 2
    said = capsys.readouterr().err
    assert words in said
    assert sum(line.startswith("minitx: error: ") for line in said.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def process_0():
    """A server that plays process 0."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connect(relay: Relay) -> socket.socket:
    host, port = relay.address.split(":")
    return socket.create_connection((host, int(port)), timeout=SECONDS)


@contextlib.contextmanager
def connected(relay: Relay, process_0: socket.socket):
    """Give both ends of a connection through a relay, after a word each way."""
    with contextlib.ExitStack() as both_ends:
        client = both_ends.enter_context(connect(relay))
        far, _ = process_0.accept()
        both_ends.enter_context(far)
        for sender, receiver in ((client, far), (far, client)):
            sender.sendall(b"hello")
            assert receiver.recv(5, socket.MSG_WAITALL) == b"hello"
        yield client, far


def test_a_relay_stays_open_when_process_0_has_gone_until_it_is_let_go(process_0):
    relay = Relay(*process_0.getsockname())
    with connected(relay, process_0) as (client, far):
        relay.hold()
        far.close()
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        relay.let_go()
        client.settimeout(SECONDS)
        assert client.recv(1) == b""


def test_a_relay_closes_what_one_end_closes_while_the_processes_meet(process_0):
    relay = Relay(*process_0.getsockname())
    with connected(relay, process_0) as (client, far):
        far.close()
        assert client.recv(1) == b""
    with connected(relay, process_0) as (client, far):
        client.close()
        assert far.recv(1) == b""

    process_0.close()  # JAX is told at once that nobody is there, and tries again
    with connect(relay) as client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""


def test_a_relay_that_reaches_itself_has_not_reached_process_0(process_0, monkeypatch):
    """A connection from a port to that same port succeeds although nobody listens there."""
    nobody = process_0.getsockname()
    process_0.close()
    create = socket.create_connection

    def to_itself(address, timeout):
        return create(address, timeout, source_address=nobody if address == nobody else None)

    monkeypatch.setattr(socket, "create_connection", to_itself)
    with connect(Relay(*nobody)) as client, contextlib.suppress(ConnectionResetError):
        client.sendall(b"hello")
        assert client.recv(5) == b""
