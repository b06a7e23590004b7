"""Training into a folder: killed, interrupted, resumed; always the same bytes at the end."""

import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import kept_programs
import numpy as np
import pytest
import safetensors.numpy
from tiny_run import (
    CONFIG,
    FILES,
    RECIPE,
    WEIGHTS,
    assert_same,
    contents,
    fit,
    metrics,
    reports_of,
)

from minitx import files
from minitx.objective import evaluate
from minitx.progress import Evaluation
from minitx.runs import run, training
from minitx.step import init_state


def test_a_run_writes_its_files_and_nothing_else(reference):
    assert contents(reference).keys() == FILES
    config = json.loads((reference / "config.json").read_text())
    assert config.keys() == {"model", "train", "data", "sha256"}
    assert config["model"]["vocab"] == len(
        json.loads((reference / "tokenizer.json").read_text())["tokens"]
    )


def test_the_same_seed_makes_the_same_bytes(tmp_path, data, reference):
    fit(tmp_path / "run", data)
    assert_same(tmp_path / "run", reference)
    other = dataclasses.replace(RECIPE, seed=1)
    fit(tmp_path / "other", data, recipe=other)
    for name in WEIGHTS:
        assert contents(tmp_path / "other")[name] != contents(reference)[name]


def test_metrics_have_a_line_for_every_evaluation(reference):
    lines = [json.loads(s) for s in (reference / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [*range(3, 31, 3), 31]
    for line in lines:
        assert list(line) == list(Evaluation._fields)
        assert line["tokens"] == line["step"] * RECIPE.batch * CONFIG.context
        assert all(np.isfinite(value) for value in line.values())
    seconds = [line["seconds"] for line in lines]
    assert sorted(seconds) == seconds and seconds[0] > 0


def test_the_saved_weights_are_those_that_were_measured(reference, data):
    lines = metrics(reference)
    for best, loss in ((False, lines[-1]["val_loss"]), (True, min(e["val_loss"] for e in lines))):
        loaded = run.load(reference, best)
        params = loaded.model.params()
        assert evaluate(loaded.config, "cross_entropy", params, data.val_tokens) == loss
    assert lines[-1]["val_loss"] > min(e["val_loss"] for e in lines)  # else that proved nothing
    assert contents(reference)["best.safetensors"] != contents(reference)["model.safetensors"]


def test_best_is_the_lowest_validation_loss(tmp_path, data):
    config = dataclasses.replace(CONFIG, vocab=len(data.tokenizer))
    state = init_state(config, RECIPE)
    training.begin(tmp_path, config, RECIPE, data, resume=False)
    holders = []
    for step, loss in enumerate([3.0, 1.0, 2.0, 1.0, 0.5, 0.7], 1):
        params = jax.tree.map(lambda a, step=step: jnp.full_like(a, step), state.params)
        at = state._replace(params=params, step=jnp.int32(step))
        training.save(tmp_path, at, Evaluation(step, 0.0, loss, 0.0, 0.0, 0, 0.0))
        stored = safetensors.numpy.load_file(tmp_path / "best.safetensors")
        last = safetensors.numpy.load_file(tmp_path / "model.safetensors")
        holders.append(int(stored["embedding.table"][0, 0]))
        assert last["embedding.table"][0, 0] == step
    assert holders == [1, 2, 2, 2, 5, 5]


# --- stopped anywhere, and resumed ----------------------------------------------------------------


class Killed(BaseException):
    """What `kill -9` is to a process."""


def dying_write(monkeypatch, after: int, halfway: bool):
    """Let the process die at a write: just before it, or with half of it in a temporary file."""
    real = files.write
    count = iter(range(100_000))

    def write(path, content):
        if next(count) < after:
            return real(path, content)
        if halfway:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.with_name(f".{path.name}.12345.tmp").write_bytes(data[: len(data) // 2])
        raise Killed

    monkeypatch.setattr(files, "write", write)


@pytest.mark.parametrize("halfway", [False, True], ids=["between", "within"])
def test_a_run_that_dies_at_any_write_can_be_begun_again(
    tmp_path, data, reference, monkeypatch, halfway
):
    """Before each write up to the second evaluation's last; then the same command, to the end."""
    for after in range(11):
        folder = tmp_path / str(after)
        with monkeypatch.context() as patch:
            dying_write(patch, after, halfway)
            with pytest.raises(Killed):
                fit(folder, data)
        fit(folder, data, resume=(folder / "config.json").exists())
        assert_same(folder, reference)


@pytest.mark.parametrize(
    "switches, recipe",
    [
        (
            {"tied": True, "norm_place": "post", "head": "cosine"},
            {"optimizer": "muon", "adam_lr": 1e-3},
        ),
        pytest.param(
            {"positions": "rope", "mlp": "swiglu"},
            {"optimizer": "sgd", "decay": "linear"},
            marks=pytest.mark.long,
        ),
    ],
)
def test_other_models_and_optimisers_resume_to_the_same_bits(tmp_path, data, switches, recipe):
    recipe = dataclasses.replace(RECIPE, steps=11, lr=0.01, **recipe)
    fit(tmp_path / "a", data, recipe=recipe, **switches)
    with contextlib.closing(reports_of(tmp_path / "b", data, recipe=recipe, **switches)) as reports:
        next(report for report in reports if report.step == 6)
    assert int(safetensors.numpy.load_file(tmp_path / "b" / WEIGHTS[2])["step"]) == 6
    fit(tmp_path / "b", data, resume=True, recipe=recipe, **switches)
    assert_same(tmp_path / "b", tmp_path / "a")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("during", ["the step", "the report"])
def test_ctrl_c_between_evaluations_saves_at_once(
    tmp_path, data, reference, monkeypatch, number, during
):
    """At step 1: the next evaluation is at step 3. It comes while steps are computed, or while the
    caller of `train_run` has its report in hand."""
    real = training.train
    before = signal.getsignal(number)

    def train(*arguments):
        for report in real(*arguments):
            if report.step == 1:
                os.kill(os.getpid(), number)
            yield report

    if during == "the step":
        monkeypatch.setattr(training, "train", train)
    with pytest.raises(KeyboardInterrupt):
        for report in reports_of(tmp_path / "run", data):
            if during == "the report" and report.step == 1:
                os.kill(os.getpid(), number)
            last = report.step
    assert signal.getsignal(number) == before
    assert last < 3
    stored = safetensors.numpy.load_file(tmp_path / "run" / "train_state.safetensors")
    assert int(stored["step"]) == last
    assert metrics(tmp_path / "run") == []
    run.load(tmp_path / "run")  # the weights are there too
    monkeypatch.undo()
    fit(tmp_path / "run", data, resume=True)
    assert_same(tmp_path / "run", reference)


def test_a_second_ctrl_c_does_not_wait(tmp_path, data):
    reports = reports_of(tmp_path, data)
    with contextlib.closing(reports):
        next(reports)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)


def test_a_finished_run_is_left_as_it_is(copy, data):
    before = contents(copy)
    assert fit(copy, data, resume=True) == []
    assert contents(copy) == before


@pytest.mark.parametrize("tail", ['{"step": 12, "train_lo', "\0\0\0", '{"step": 12}\n', "nul\n"])
def test_a_broken_last_line_is_cut(tmp_path, data, reference, tail):
    with contextlib.closing(reports_of(tmp_path / "run", data)) as reports:
        next(report for report in reports if report.step == 6)
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_text(path.read_text() + tail)
    assert [e["step"] for e in run.read_metrics(tmp_path / "run")] == [3, 6]
    fit(tmp_path / "run", data, resume=True)
    assert_same(tmp_path / "run", reference)


def test_lines_later_than_the_state_are_grown_again(tmp_path, data, reference):
    with contextlib.closing(reports_of(tmp_path / "run", data)) as reports:
        next(report for report in reports if report.step == 6)
    shutil.copy(reference / "metrics.jsonl", tmp_path / "run")
    fit(tmp_path / "run", data, resume=True)
    assert_same(tmp_path / "run", reference)


# --- real processes, really killed ----------------------------------------------------------------


STRIKE = """
import os, sys, threading, time
from minitx import files
from minitx.cli.main import main

number, writes, delay = int(sys.argv.pop(1)), int(sys.argv.pop(1)), float(sys.argv.pop(1))
real = files.write

def strike():
    time.sleep(delay)
    os.kill(os.getpid(), number)

def write(*arguments):
    global writes
    real(*arguments)
    writes -= 1
    if writes == 0:
        threading.Thread(target=strike).start()

files.write = write
sys.exit(main())
"""


def process(folder, text, *more, cache, number=0, writes=0, delay=0.0):
    """`minitx train` as a process that gets a signal, `delay` seconds after so many writes."""
    words = ["--corpus", str(text), "--out", str(folder)]
    for name, value in (dataclasses.asdict(CONFIG) | dataclasses.asdict(RECIPE)).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words += [f"--{flag}" if value else f"--no-{flag}"]
        else:
            words += [f"--{flag}", str(value)]
    return subprocess.run(
        [sys.executable, "-c", STRIKE, str(int(number)), str(writes), str(delay), "train", *words,
         *more],
        capture_output=True, text=True,
        env=os.environ | {
            "MINITX_CACHE": str(cache), "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        },
    )  # fmt: skip


@pytest.fixture
def cache(tmp_path_factory):
    return kept_programs.folder(tmp_path_factory)


@pytest.mark.long
def test_a_process_that_is_killed_or_stopped_can_be_resumed(tmp_path, text, cache, reference):
    """kill -9 while the first state is about to be written, Ctrl-C, a polite kill; then the end."""
    folder = tmp_path / "run"
    more = []
    for number, writes in ((signal.SIGKILL, 6), (signal.SIGINT, 9), (signal.SIGTERM, 9)):
        done = process(folder, text, *more, cache=cache, number=number, writes=writes)
        more = ["--resume"]
        if number == signal.SIGKILL:
            assert done.returncode == -signal.SIGKILL, done.stderr
            continue
        assert done.returncode == 130, done.stderr
        assert "Traceback" not in done.stderr and done.stdout == ""
        assert done.stderr.splitlines()[-1] == "minitx: interrupted"
        state = safetensors.numpy.load_file(folder / "train_state.safetensors")
        assert 0 < metrics(folder)[-1]["step"] <= int(state["step"]) < RECIPE.steps
    done = process(folder, text, *more, cache=cache)
    assert done.returncode == 0, done.stderr
    assert_same(folder, reference)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_a_process_that_is_killed_at_random_moments_can_be_resumed(
    tmp_path, text, cache, reference, seed
):
    folder = tmp_path / "run"
    rng = random.Random(seed)
    more = []
    for _ in range(4):
        done = process(
            folder, text, *more, cache=cache, number=signal.SIGKILL, writes=rng.randint(3, 9),
            delay=rng.random() * 0.005,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stderr
        more = ["--resume"]
    done = process(folder, text, *more, cache=cache)
    assert done.returncode == 0, done.stderr
    assert_same(folder, reference)
