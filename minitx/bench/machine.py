"""How fast this machine trains and samples, and how near that is to its limit.

Absolute times on a shared machine mean little, so each figure is a median of several rounds with
its spread, and what is compared is measured in turn, in one run.
"""

import dataclasses
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
from minitx.bench.child import child, time_to_loss
from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import make_mesh, put
from minitx.errors import InputError, suggest
from minitx.model import Transformer, flops_per_token
from minitx.presets import PRESETS
from minitx.tables import aligned
from minitx.text.data import prepare

STRETCH_SECONDS = 1.0  # of one measurement; long enough for the clock and for the processor's mood
SAMPLED = 1000  # tokens


def about() -> dict[str, Any]:
    """What is measured: devices, cores, versions, and the day."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "jax": jax.__version__,
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def seconds_per_call(f: Callable[[], Any], rounds: int) -> list[float]:
    """How long a call takes, in each of some rounds of about `STRETCH_SECONDS`."""
    jax.block_until_ready(f())  # compiles

    def stretch(calls):
        start = time.perf_counter()
        for _ in range(calls):
            result = f()
        jax.block_until_ready(result)
        return (time.perf_counter() - start) / calls

    calls = max(1, int(STRETCH_SECONDS / stretch(1)))
    return [stretch(calls) for _ in range(rounds)]


def ceiling(rounds: int) -> dict[str, Any]:
    """The largest rate that a plain product of two square matrices reaches here, in FLOP/s."""
    sizes = (1024, 2048) if jax.default_backend() == "cpu" else (4096, 8192)
    found = {}
    for dtype in ("float32", "bfloat16"):
        rates = []
        for size in sizes:
            a = jax.random.normal(jax.random.key(0), (size, size), jnp.float32).astype(dtype)
            times = seconds_per_call(lambda a=a: _product(a), rounds)
            rates.append(2 * size**3 / min(times))
        found[dtype] = max(rates)
    return found


_product = jax.jit(lambda a: a @ a)


def step_seconds(
    config: ModelConfig, recipe: TrainConfig, rounds: int, seeds: int = 1
) -> list[float]:
    """How long a training step of so many seeds at once takes, in each of some rounds."""
    recipe = dataclasses.replace(recipe, steps=2**30)
    mesh = make_mesh(1)
    tokens = put(np.random.default_rng(0).integers(0, config.vocab, 100_000, np.int32), mesh)
    states = [step.init_state(config, recipe, seed) for seed in range(seeds)]
    state = put(jax.tree.map(lambda *leaves: np.stack(leaves), *states), mesh)

    def stretch(steps):
        nonlocal state
        start, goal = time.perf_counter(), int(state.step[0]) + steps
        state = step.run_steps(config, recipe, mesh, state, tokens, goal)
        jax.block_until_ready(state)
        return (time.perf_counter() - start) / steps

    stretch(1)  # compiles
    steps = max(1, int(STRETCH_SECONDS / stretch(3)))
    return [stretch(steps) for _ in range(rounds)]


def sampling_seconds(config: ModelConfig, rounds: int) -> list[float]:
    """How long `SAMPLED` tokens take, one after the other, in each of some rounds."""
    model = Transformer.of(config, step.initial_params(config, 0))

    def write():
        return list(sample.generate(model, np.zeros((1, 1), np.int32), SAMPLED, 0.8))

    write()  # compiles
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        write()
        times.append(time.perf_counter() - start)
    return times


def preset(name: str, vocab: int, limit: dict[str, float], rounds: int) -> dict[str, Any]:
    """One preset's step time, tokens per second, share of the ceiling, sampling rate, memory, and
    compilation in a process of its own: with an empty cache, and again with what that one kept.
    """
    config = dataclasses.replace(PRESETS[name].model, vocab=vocab)
    recipe = PRESETS[name].train
    times = step_seconds(config, recipe, rounds)
    tokens = recipe.batch * config.context
    rate = tokens / statistics.median(times)
    with tempfile.TemporaryDirectory() as cache:
        cold, cached = (child(cache, "first_step", name, vocab) for _ in range(2))
    return {
        "parameters": sum(a.size for a in jax.tree.leaves(step.initial_params(config, 0))),
        "step_seconds": spread(times),
        "tokens_per_second": rate,
        "share_of_ceiling": flops_per_token(config) * rate / limit[recipe.precision],
        "trace_seconds": cold["trace_seconds"],
        "compile_seconds": {"cold": cold["compile_seconds"], "cached": cached["compile_seconds"]},
        "peak_memory_mib": cold["peak_memory_mib"],
        "sampled_tokens_per_second": SAMPLED / statistics.median(sampling_seconds(config, rounds)),
    }


def seeds_at_once(name: str, vocab: int, rounds: int) -> list[dict[str, float]]:
    """What a step of 1, 4, 16 seeds in one program costs; of 64 too, on an accelerator."""
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
    """Raise InputError for a preset that does not exist, no rounds, and a target that is none."""
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
    """What there is to measure of this machine: a name, and a function of what came before it."""
    on_cpu = jax.default_backend() == "cpu"
    presets = presets or (("demo", "nanogpt-cpu", "sprint") if on_cpu else ("demo", "nanogpt-gpu"))
    sprint = "sprint" if on_cpu else "sprint-gpu"
    data = prepare(corpus, PRESETS[sprint].tokenizer)
    train.check_lengths(PRESETS[sprint].model, data.train_tokens, data.val_tokens)
    vocab = len(data.tokenizer)
    return {
        "ceiling": lambda found: ceiling(rounds),
        **{name: lambda found, name=name: preset(name, vocab, found["ceiling"], rounds)
           for name in presets},
        "seeds": lambda found: seeds_at_once(presets[-1], vocab, rounds),
        "time to loss": lambda found: time_to_loss(sprint, corpus, target),
    }  # fmt: skip


def words(found: dict[str, Any]) -> str:
    """All that was measured, as tables to read."""
    m = found["machine"]
    versions = f"Python {m['python']}, jax {m['jax']}"
    sections = [f"{m['date']}  {m['device']}, {m['cores']} cores, {versions}"]
    if "ceiling" in found:
        rates = (f"{rate / 1e9:.0f} GFLOP/s in {kind}" for kind, rate in found["ceiling"].items())
        measured = [_preset_row(name, found[name]) for name in PRESETS if name in found]
        seeds = [
            [str(row["seeds"]), _ms(row["step_seconds"]), f"{row['times_one_seed']:.2f}"]
            for row in found["seeds"]
        ]
        sections += [
            f"largest rate of a plain matrix product: {', '.join(rates)}",
            aligned([PRESET_COLUMNS, *measured]),
            aligned([["seeds at once", "ms a step", "times one seed"], *seeds]),
            _sprint_words(found["time to loss"]),
        ]
    if "against nanoGPT" in found:
        sections.append(_nanogpt_words(found["against nanoGPT"]))
    if "against transformers" in found:
        sections.append(_transformers_words(found["against transformers"]))
    return "\n\n".join(sections)


def _sprint_words(sprint: dict[str, Any]) -> str:
    lines = [f"from the start of a process, {sprint['preset']} on {sprint['corpus']}:"]
    for which in ("cold", "cached"):
        end = sprint[which]
        missed = "" if end["reached"] else f", which misses the target of {sprint['target']}"
        lines.append(
            f"  {which:6} {end['seconds']:6.1f} s to a validation loss of {end['val_loss']:.4f} "
            f"after {end['step']} steps{missed}"
        )
    return "\n".join(lines)


def _nanogpt_words(both: dict[str, Any]) -> str:
    rounds = f"{both['rounds']} times in turn"
    rows = [[rounds, "nanoGPT s", "minitx s", "times as fast (min to max)"]]
    for what in ("step", "sampling", "whole_run"):
        theirs, ours = (both[what][f"{who}_seconds"]["median"] for who in ("nanogpt", "minitx"))
        ratio = both[what]["times_as_fast"]
        times = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
        rows.append([what.replace("_", " "), f"{theirs:.4g}", f"{ours:.4g}", times])
    return aligned(rows)


def _transformers_words(both: dict[str, Any]) -> str:
    trace, text, agreement = both["trace"], both["generate"], both["agreement"]
    rows = [
        [f"{both['model']}, median of {both['rounds']}", "transformers", "minitx", "times as fast"],
        [f"trace of {trace['tokens']} tokens, ms", _ms(trace["transformers_seconds"]),
         _ms(trace["minitx_seconds"]), f"{trace['times_as_fast']:.2f}"],
        [f"{text['tokens']} greedy tokens, tokens/s",
         f"{text['transformers_tokens_per_second']:.1f}",
         f"{text['minitx_tokens_per_second']:.1f}", f"{text['times_as_fast']:.2f}"],
    ]  # fmt: skip
    return (
        f"{aligned(rows)}\nlogits differ by {agreement['logits_relative_error']:.1e}, states by "
        f"{agreement['states_relative_error']:.1e}; {agreement['same_tokens']} of {text['tokens']} "
        "tokens are the same"
    )


PRESET_COLUMNS = [
    "preset", "parameters", "ms a step (min to max)", "tokens/s", "of the limit", "memory MiB",
    "sampled tokens/s", "s to trace", "s to compile", "compiled again",
]  # fmt: skip


def _preset_row(name: str, p: dict[str, Any]) -> list[str]:
    step, compiling = p["step_seconds"], p["compile_seconds"]
    return [
        name,
        str(p["parameters"]),
        f"{_ms(step['median'])} ({_ms(step['min'])} to {_ms(step['max'])})",
        f"{p['tokens_per_second']:.0f}",
        f"{p['share_of_ceiling']:.0%}",
        f"{p['peak_memory_mib']:.0f}",
        f"{p['sampled_tokens_per_second']:.0f}",
        f"{p['trace_seconds']:.2f}",
        f"{compiling['cold']:.2f}",
        f"{compiling['cached']:.2f}",
    ]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
