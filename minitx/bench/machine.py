"""Measure how fast this machine trains and samples, and how near that is to its limit.

Absolute times on a shared machine mean little, so each figure is a median of several rounds with
its spread, and things that are compared are measured in turn, in one run.
"""

import dataclasses
import functools
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from minitx import sample, step, train
from minitx.bench.child import in_new_process, time_to_loss
from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import make_mesh, put
from minitx.errors import InputError, suggest
from minitx.model import Transformer, init_params
from minitx.optimizer import ITERATIONS
from minitx.parameters import count_params, flops_per_token
from minitx.presets import PRESETS
from minitx.text.data import prepare

ROUND_SECONDS = 1.0  # of one measurement; long enough to average over short disturbances
SAMPLED = 1000  # tokens


def about() -> dict[str, Any]:
    """Return what is measured: devices, cores, versions, and the date."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "jax": jax.__version__,
    }


def spread(values: list[float]) -> dict[str, float]:
    """Return the median, the smallest and the largest value."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def seconds_per_call(f: Callable[[], Any], rounds: int) -> list[float]:
    """Return how long a call takes, in each of `rounds` rounds of about `ROUND_SECONDS`."""
    jax.block_until_ready(f())  # compiles

    def measure(calls):
        start = time.perf_counter()
        for _ in range(calls):
            result = f()
        jax.block_until_ready(result)
        return (time.perf_counter() - start) / calls

    calls = max(1, int(ROUND_SECONDS / measure(1)))
    return [measure(calls) for _ in range(rounds)]


def ceiling(rounds: int) -> dict[str, Any]:
    """Return the largest rate of a plain product of two square matrices, in FLOP/s, by dtype."""
    sizes = (1024, 2048) if jax.default_backend() == "cpu" else (4096, 8192)
    largest = {}
    for dtype in ("float32", "bfloat16"):
        rates = []
        for size in sizes:
            matrix = jax.random.normal(jax.random.key(0), (size, size), jnp.float32).astype(dtype)
            times = seconds_per_call(functools.partial(_square, matrix), rounds)
            rates.append(2 * size**3 / min(times))
        largest[dtype] = max(rates)
    return largest


_square = jax.jit(lambda matrix: matrix @ matrix)


def step_seconds(
    config: ModelConfig, recipe: TrainConfig, rounds: int, seeds: int = 1
) -> list[float]:
    """Return how long a training step of `seeds` models at once takes, in each of the rounds."""
    recipe = dataclasses.replace(recipe, steps=2**30)
    mesh = make_mesh(1)
    tokens = put(np.random.default_rng(0).integers(0, config.vocab, 100_000, np.int32), mesh)
    states = [step.init_state(config, recipe, seed) for seed in range(seeds)]
    state = put(jax.tree.map(lambda *leaves: np.stack(leaves), *states), mesh)

    def measure(steps):
        nonlocal state
        goal = int(state.step[0]) + steps
        start = time.perf_counter()
        state = step.run_steps(config, recipe, mesh, state, tokens, goal)
        jax.block_until_ready(state)
        return (time.perf_counter() - start) / steps

    measure(1)  # compiles
    steps = max(1, int(ROUND_SECONDS / measure(3)))
    return [measure(steps) for _ in range(rounds)]


def step_flops(config: ModelConfig, recipe: TrainConfig) -> int:
    """Return the floating-point operations of a training step in matrix products, Muon's included.

    One of Muon's iterations on an m x n matrix X, m <= n, computes A = X X' (2 m m n operations),
    A A (2 m m m) and a product with X (2 m m n). The other optimizers have no matrix products.
    """
    flops = flops_per_token(config) * config.context * recipe.batch
    if recipe.optimizer != "muon":
        return flops
    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    for path, leaf in jax.tree_util.tree_flatten_with_path(shapes)[0]:
        if path[-1].key == "weight":
            m, n = sorted(leaf.shape)
            flops += ITERATIONS * (4 * m * m * n + 2 * m**3)
    return flops


def sampling_seconds(config: ModelConfig, rounds: int) -> list[float]:
    """Return how long it takes to sample `SAMPLED` tokens one by one, in each of the rounds."""
    model = Transformer.of(config, step.initial_params(config, 0))

    def generate():
        return list(sample.generate(model, np.zeros((1, 1), np.int32), SAMPLED, 0.8))

    generate()  # compiles
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        generate()
        times.append(time.perf_counter() - start)
    return times


def measure_preset(
    name: str, vocab: int, ceiling_rates: dict[str, float], rounds: int
) -> dict[str, Any]:
    """Return a preset's step time, rates, share of the ceiling, memory, and time to compile.

    Memory and compilation are measured in new processes: one with an empty cache of compiled
    programs, and one more with the cache that the first has filled.
    """
    config = dataclasses.replace(PRESETS[name].model, vocab=vocab)
    recipe = PRESETS[name].train
    times = step_seconds(config, recipe, rounds)
    seconds = statistics.median(times)
    with tempfile.TemporaryDirectory() as cache:
        cold = in_new_process(cache, "first_step", name, vocab)
        cached = in_new_process(cache, "first_step", name, vocab)
    return {
        "parameters": count_params(config),
        "step_seconds": spread(times),
        "tokens_per_second": recipe.batch * config.context / seconds,
        "share_of_ceiling": step_flops(config, recipe) / seconds / ceiling_rates[recipe.precision],
        "trace_seconds": cold["trace_seconds"],
        "compile_seconds": {"cold": cold["compile_seconds"], "cached": cached["compile_seconds"]},
        "peak_memory_mib": cold["peak_memory_mib"],
        "sampled_tokens_per_second": SAMPLED / statistics.median(sampling_seconds(config, rounds)),
    }


def seeds_at_once(name: str, vocab: int, rounds: int) -> list[dict[str, float]]:
    """Return what a step of 1, 4 and 16 seeds in one program costs; 64 too on an accelerator."""
    config = dataclasses.replace(PRESETS[name].model, vocab=vocab)
    counts = (1, 4, 16) if jax.default_backend() == "cpu" else (1, 4, 16, 64)
    rows = []
    for count in counts:
        times = step_seconds(config, PRESETS[name].train, rounds, count)
        rows.append({"seeds": count, "step_seconds": statistics.median(times)})
    for row in rows:
        row["times_one_seed"] = row["step_seconds"] / rows[0]["step_seconds"]
    return rows


def check(presets: tuple[str, ...], rounds: int, target: float | None) -> None:
    """Raise InputError for an unknown preset, less than one round, or an infinite target."""
    for name in presets:
        if name not in PRESETS:
            raise InputError(f"there is no preset {name!r}{suggest(name, PRESETS)}")
    if rounds < 1:
        raise InputError(f"rounds={rounds} is out of range: it must be at least 1")
    if target is not None and not math.isfinite(target):
        raise InputError(f"target={target} is not a finite number: give it one")


def parts(
    presets: tuple[str, ...], corpus: str, target: float | None, rounds: int
) -> dict[str, Callable[[dict], Any]]:
    """Return what to measure on this machine: by name, functions of the results before them.

    `target` is the validation loss at which the clock stops; None measures to the end of the run.
    Raises InputError for a corpus that is too short.
    """
    if jax.default_backend() == "cpu":
        usual, sprint = ("demo", "nanogpt-cpu", "sprint"), "sprint"
    else:
        usual, sprint = ("demo", "nanogpt-gpu"), "sprint-gpu"
    presets = presets or usual
    data = prepare(corpus, PRESETS[sprint].tokenizer)
    train.check_lengths(PRESETS[sprint].model, data.train_tokens, data.val_tokens)
    vocab = len(data.tokenizer)

    def measure_one(name, results):
        return measure_preset(name, vocab, results["ceiling"], rounds)

    functions = {"ceiling": lambda results: ceiling(rounds)}
    for name in presets:
        functions[name] = functools.partial(measure_one, name)
    functions["seeds"] = lambda results: seeds_at_once(presets[-1], vocab, rounds)
    functions["time to loss"] = lambda results: time_to_loss(sprint, corpus, target)
    return functions
