"""Measurements that need a process of their own: start-up, compilation, peak memory."""

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
from minitx.devices.mesh import make_mesh, put, with_seed_axis
from minitx.errors import InputError
from minitx.presets import PRESETS
from minitx.runs import training
from minitx.text.data import prepare


def time_to_loss(name: str, corpus: str, target: float | None) -> dict[str, Any]:
    """Return how long a new process takes to reach a validation loss.

    "cold" starts with an empty cache of compiled programs, "cached" with the programs of the cold
    run. The clock includes imports, compilation and evaluations. It stops at the first evaluation
    at or below the target; without a target, at the last evaluation.
    """
    with tempfile.TemporaryDirectory() as cache:
        cold = in_new_process(cache, "whole_run", name, corpus)
        cached = in_new_process(cache, "whole_run", name, corpus)
    return {
        "preset": name,
        "corpus": corpus,
        "target": target,
        "cold": end_of_clock(cold, target),
        "cached": end_of_clock(cached, target),
    }


def end_of_clock(evaluations: list[dict[str, float]], target: float | None) -> dict[str, Any]:
    """Return the evaluation at which the clock stops, and whether it reached the target."""
    for evaluation in evaluations:
        if target is not None and evaluation["val_loss"] <= target:
            return {**evaluation, "reached": True}
    return {**evaluations[-1], "reached": target is None}


def in_new_process(cache: str, task: str, *arguments) -> Any:
    """Return what a task of `TASKS` returns in a new process.

    The process keeps compiled programs in the folder `cache`. Raises InputError if it fails.
    """
    # The new process imports from where this one does, whatever folder it is started in.
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; from minitx.bench import child; "
        "child.serve(*sys.argv[1:])"
    )
    call = [sys.executable, "-c", code, task, json.dumps(arguments), repr(time.time())]
    settings = {
        "JAX_COMPILATION_CACHE_DIR": cache,
        "TMPDIR": cache,  # a killed process leaves files there, which are deleted with the cache
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",  # as on the command line
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # this process already has part of the GPU
    }
    done = subprocess.run(call, capture_output=True, text=True, env={**os.environ, **settings})
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise InputError(f"measuring in a new process failed ({why}): run `minitx doctor`")
    return json.loads(done.stdout.splitlines()[-1])


def serve(task: str, arguments: str, started: str) -> None:
    """Run a task in the new process, and print what it returns as the last line."""
    print(json.dumps(TASKS[task](float(started), *json.loads(arguments))))


def first_step(started: float, name: str, vocab: int) -> dict[str, float]:
    """Return how long the training loop takes to trace and compile, and the memory of 3 steps."""
    config = dataclasses.replace(PRESETS[name].model, vocab=vocab)
    recipe = PRESETS[name].train
    mesh = make_mesh(1)
    tokens = np.random.default_rng(0).integers(0, vocab, 100_000, np.int32)
    state = with_seed_axis(step.init_state(config, recipe))
    state, tokens = jax.block_until_ready(put((state, tokens), mesh))
    start = time.perf_counter()
    program = step.program_of(recipe)
    traced = step.compiled_steps.lower(config, program, mesh, state, tokens, 3)
    middle = time.perf_counter()
    compiled = traced.compile()
    end = time.perf_counter()
    jax.block_until_ready(compiled(state, tokens, 3))
    return {
        "trace_seconds": middle - start,
        "compile_seconds": end - middle,
        "peak_memory_mib": peak_memory() / 2**20,
    }


def peak_memory() -> int:
    """Return the peak memory in bytes: the accelerator's, or else this process's."""
    statistics = jax.devices()[0].memory_stats()
    if statistics and "peak_bytes_in_use" in statistics:
        return statistics["peak_bytes_in_use"]
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, getrusage may give the peak of the parent process
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def whole_run(started: float, name: str, corpus: str) -> list[dict[str, float]]:
    """Train a preset as the command line does; return evaluations, with seconds since `started`."""
    data = prepare(corpus, PRESETS[name].tokenizer)
    config = dataclasses.replace(PRESETS[name].model, vocab=len(data.tokenizer))
    recipe = PRESETS[name].train
    evaluations = []
    with tempfile.TemporaryDirectory() as folder:
        state = training.begin(Path(folder) / "run", config, recipe, data, resume=False)
        for report in training.train_run(Path(folder) / "run", config, recipe, data, state):
            if report.evaluation:
                evaluation = report.evaluation
                evaluations.append(
                    {
                        "seconds": time.time() - started,
                        "step": evaluation.step,
                        "val_loss": evaluation.val_loss,
                    }
                )
    return evaluations


TASKS = {"first_step": first_step, "whole_run": whole_run}
