"""What has to be measured in a process of its own: start-up, compilation, peak memory."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from minitx import step
from minitx.devices.mesh import make_mesh, put
from minitx.errors import InputError
from minitx.presets import PRESETS
from minitx.runs import training
from minitx.text.data import prepare


def time_to_loss(name: str, corpus: str, target: float | None) -> dict[str, Any]:
    """From the start of a process to a validation loss: with an empty cache, and started again.

    The clock runs through imports, compilation and evaluations, up to the first evaluation, over
    the whole validation split, at or below the target; without one, up to the last.
    """
    with tempfile.TemporaryDirectory() as cache:
        return {
            "preset": name,
            "corpus": corpus,
            "target": target,
            "cold": reached(child(cache, "whole_run", name, corpus), target),
            "cached": reached(child(cache, "whole_run", name, corpus), target),
        }


def reached(evaluations: list[dict[str, float]], target: float | None) -> dict[str, Any]:
    """The evaluation at which the target was reached, or the last one, and whether it was."""
    for evaluation in evaluations:
        if target is not None and evaluation["val_loss"] <= target:
            return {**evaluation, "reached": True}
    return {**evaluations[-1], "reached": target is None}


def child(cache: str, task: str, *arguments) -> Any:
    """What a task of `TASKS` returns in a new process that keeps compiled programs in `cache`."""
    # On the path that this process has, and not on the folder that it happens to stand in.
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; from minitx.bench import child; "
        "child.serve(*sys.argv[1:])"
    )
    call = [sys.executable, "-c", code, task, json.dumps(arguments), repr(time.time())]
    settings = {
        "JAX_COMPILATION_CACHE_DIR": cache,
        "TMPDIR": cache,  # what a killed process leaves there goes with it
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",  # as the command line has it
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # this process has a part of the GPU's memory
    }
    done = subprocess.run(call, capture_output=True, text=True, env={**os.environ, **settings})
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no word why"]
        raise InputError(f"measuring in a new process failed ({words[-1]}): run `minitx doctor`")
    return json.loads(done.stdout.splitlines()[-1])


def serve(task: str, arguments: str, started: str) -> None:
    """The other end of `child`: print what the task returns as the last line."""
    print(json.dumps(TASKS[task](float(started), *json.loads(arguments))))


def first_step(started: float, name: str, vocab: int) -> dict[str, float]:
    """How long the training loop takes to trace and to compile, and the peak memory of 3 steps."""
    config = dataclasses.replace(PRESETS[name].model, vocab=vocab)
    recipe, mesh = PRESETS[name].train, make_mesh(1)
    tokens = np.random.default_rng(0).integers(0, vocab, 100_000, np.int32)
    state = jax.tree.map(lambda a: a[None], step.init_state(config, recipe))
    state, tokens = jax.block_until_ready(put((state, tokens), mesh))
    clock = time.perf_counter()
    program = step.program_of(recipe)
    traced = step.compiled_steps.lower(config, program, mesh, state, tokens, 3)
    between = time.perf_counter()
    compiled = traced.compile()
    end = time.perf_counter()
    jax.block_until_ready(compiled(state, tokens, 3))
    return {
        "trace_seconds": between - clock,
        "compile_seconds": end - between,
        "peak_memory_mib": peak_memory() / 2**20,
    }


def peak_memory() -> int:
    """Bytes: of the accelerator, or of this process where it has none."""
    of_device = jax.devices()[0].memory_stats()
    if of_device and "peak_bytes_in_use" in of_device:
        return of_device["peak_bytes_in_use"]
    status = Path("/proc/self/status")
    if status.exists():  # there getrusage would tell of the parent too
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def whole_run(started: float, name: str, corpus: str) -> list[dict[str, float]]:
    """Train a preset as the command line does; its evaluations, with seconds since the start."""
    data = prepare(corpus, PRESETS[name].tokenizer)
    config = dataclasses.replace(PRESETS[name].model, vocab=len(data.tokenizer))
    recipe = PRESETS[name].train
    evaluations = []
    with tempfile.TemporaryDirectory() as folder:
        state = training.begin(Path(folder) / "run", config, recipe, data, resume=False)
        for report in training.train_run(Path(folder) / "run", config, recipe, data, state):
            if report.evaluation:
                e = report.evaluation
                seconds = time.time() - started
                evaluations.append({"seconds": seconds, "step": e.step, "val_loss": e.val_loss})
    return evaluations


TASKS = {"first_step": first_step, "whole_run": whole_run}
