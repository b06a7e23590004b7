"""Several devices and several processes: the same losses as one, and plain words where not."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
import safetensors.numpy

from minitx import devices, train
from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError

CONFIG = ModelConfig(width=12, depth=1, heads=3, mlp_width=20, context=6, vocab=7)
RECIPE = TrainConfig(steps=7, batch=8, warmup=2, lr=0.02, eval_every=3)
NOISE = np.random.default_rng(0).integers(0, 7, 300)
# Sums are taken in another order, so the last digits differ; after 7 steps they still agree so far.
SAME = 1e-5


def curve(count: int, recipe: TrainConfig = RECIPE, seeds=(4,)) -> np.ndarray:
    """Training and validation losses of the evaluations, and gradient norms; shape (n, E, 3)."""
    mesh = devices.make_mesh(count)
    found = [
        [(r.evaluation.train_loss, r.evaluation.val_loss, r.evaluation.grad_norm) for r in reports]
        for reports in train.train_seeds(CONFIG, recipe, NOISE, NOISE[:50], seeds, mesh=mesh)
        if reports[0].evaluation
    ]
    return np.array(found)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_four_devices_train_as_one_does(optimizer):
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    one, four = curve(1, recipe), curve(4, recipe)
    assert one.shape == (3, 1, 3)
    np.testing.assert_allclose(four, one, rtol=SAME)


def test_several_seeds_train_on_several_devices():
    one, two = curve(1, seeds=(4, 9)), curve(2, seeds=(4, 9))
    np.testing.assert_allclose(two, one, rtol=SAME)
    assert (np.abs(one[:, 0] - one[:, 1]) > 100 * SAME).any()


def test_without_the_mean_gradient_the_devices_would_part(monkeypatch):
    """The comparison above can fail: each device follows its own gradient here."""
    one = curve(1)
    train.run_steps.clear_cache()
    monkeypatch.setattr(jax.lax, "pmean", lambda x, axis: x)
    four = curve(4)
    train.run_steps.clear_cache()
    assert np.abs(four / one - 1).max() > 100 * SAME


def test_each_device_takes_other_rows_and_together_they_take_all():
    rows = np.arange(24).reshape(8, 3)
    mesh = devices.make_mesh(4)

    def gathered(rows):
        return jax.lax.all_gather(devices.own_share(rows), devices.AXIS)

    shares = devices.on_all_devices(gathered, mesh)(devices.put(rows, mesh))
    assert shares.shape == (4, 2, 3)
    np.testing.assert_array_equal(shares.reshape(8, 3), rows)


def test_dropout_differs_from_device_to_device():
    """Equal masks on all devices would be the same noise four times."""
    config = dataclasses.replace(CONFIG, dropout=0.5)
    recipe = dataclasses.replace(RECIPE, steps=1, eval_every=1)
    text = np.tile(np.arange(7), 20)[: CONFIG.context + 2]  # 1 batch row has 2 places to start from
    losses = {}
    for count in (1, 4):
        (reports,) = train.train_seeds(
            config, recipe, text, text, (4,), mesh=devices.make_mesh(count)
        )
        losses[count] = reports[0].evaluation.train_loss
    assert losses[1] != pytest.approx(losses[4], rel=SAME)


@pytest.mark.parametrize(("count", "batch", "choose"), [(4, 6, "4 or 8"), (4, 3, "choose 4")])
def test_a_batch_that_cannot_be_divided_is_refused(count, batch, choose):
    recipe = dataclasses.replace(RECIPE, batch=batch)
    with pytest.raises(InputError, match=f"batch={batch} cannot be divided among 4.*{choose}"):
        curve(count, recipe)


@pytest.mark.parametrize("count", [0, -1, 5])
def test_devices_that_are_not_there_are_refused(count):
    with pytest.raises(InputError, match=rf"devices={count}, but JAX finds 4 \(cpu\): choose from"):
        devices.make_mesh(count)
    assert devices.make_mesh().size == 4


# --- processes ------------------------------------------------------------------------------------

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


def minitx(folder, *arguments, **settings):
    """A process of the command line, with one device of its own."""
    flags = f"{devices_flag()}=1"
    return subprocess.Popen(
        [sys.executable, "-m", "minitx", *arguments],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "XLA_FLAGS": flags, **settings},
    )  # fmt: skip


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


def test_where_a_process_dies_the_other_says_so_and_ends(hosts):
    both = begun(hosts)
    both[1].kill()
    (status, _, said), _ = ends(both)
    assert status == 2, said
    assert "computation with the other processes failed" in said and "--resume" in said
    assert "Traceback" not in said


def test_waiting_for_processes_that_do_not_come_ends(hosts):
    """JAX alone would abort after five minutes, and heed no Ctrl-C before."""
    code = "from minitx import cli, devices; devices.WAIT_SECONDS = 1; raise SystemExit(cli.main())"
    where = ["--join", "--coordinator", f"localhost:{free_port()}", "--processes", "2"]
    for number in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code, "train", *FLAGS, *where, "--process-id", number],
            cwd=hosts[0], text=True, capture_output=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert "have not come within 1 s" in done.stderr and "Traceback" not in done.stderr
    waiting = minitx(hosts[0], "train", *FLAGS, *where, "--process-id", "0")
    assert waiting.stderr.readline().startswith("joining")
    time.sleep(1)
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 130, said


@pytest.mark.parametrize(
    ("coordinator", "words"),
    [
        ("localhost", "no HOST:PORT"), ("localhost:99999", "no HOST:PORT"), (":1", "no HOST:PORT"),
        ("no.such.host.invalid:1234", "cannot use coordinator"),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(coordinator, words):
    with pytest.raises(InputError, match=words):
        devices.check_address(coordinator, is_own=False)


def test_a_port_that_is_taken_is_refused():
    """JAX would crash on it."""
    with socket.create_server(("", 0)) as taken:
        address = f"localhost:{taken.getsockname()[1]}"
        devices.check_address(address, is_own=False)
        with pytest.raises(InputError, match=r"in use.*a free port"):
            devices.check_address(address, is_own=True)
    devices.check_address(address, is_own=True)


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
