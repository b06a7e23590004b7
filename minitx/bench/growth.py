"""How the time and the memory of a training step grow with size, beside the operations counted.

One axis at a time is changed in a small base model. If time ~ size^k, log(time) against log(size)
is a line of slope k, the exponent. A time that grows like the operations has their exponent; fixed
costs make it smaller, and lost caches or copies make it larger.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from minitx import step
from minitx.bench.machine import spread, step_flops
from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import make_mesh, put

BASE = ModelConfig(width=128, depth=2, heads=4, context=64, vocab=128)
RECIPE = TrainConfig(batch=16, steps=2**30)
AXES = {
    "width": (64, 128, 256, 512),
    "depth": (1, 2, 4, 8),
    "context": (32, 64, 128, 256, 512),
    "batch": (4, 8, 16, 32, 64),
    "vocab": (128, 512, 2048, 8192),
}
ROUND_SECONDS = 0.3  # of one size; all sizes of an axis are measured in turn in each round
TEXT = 100_000  # random tokens to train on


def growth(rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return, for each axis, its sizes, what was measured and counted at each, and the exponents.

    `progress` is called with a line of text about what is next.
    """
    axes = {}
    for number, axis in enumerate(AXES, 1):
        progress(f"  {axis}, {number} of {len(AXES)}: {', '.join(map(str, AXES[axis]))}")
        axes[axis] = measure_axis(axis, AXES[axis], rounds)
    return {
        "base": {**dataclasses.asdict(BASE), "batch": RECIPE.batch},
        "rounds": rounds,
        "axes": axes,
    }


def measure_axis(axis: str, sizes: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Return time, memory and operations of a step at each size, and how each of them grows."""
    configs = [at_size(axis, size) for size in sizes]
    programs = [Program(config, recipe) for config, recipe in configs]
    seconds = [[program.seconds() for program in programs] for _ in range(rounds)]
    operations = [step_flops(config, recipe) for config, recipe in configs]
    memory = [program.bytes for program in programs]
    return {
        "sizes": list(sizes),
        "seconds": [statistics.median(one_size) for one_size in zip(*seconds, strict=True)],
        "bytes": memory,
        "operations": operations,
        "exponents": {
            "seconds": spread([exponent(sizes, one_round) for one_round in seconds]),
            "bytes": exponent(sizes, memory),
            "operations": exponent(sizes, operations),
        },
        "last_exponents": {
            "seconds": spread([exponent(sizes[-2:], one_round[-2:]) for one_round in seconds]),
            "bytes": exponent(sizes[-2:], memory[-2:]),
            "operations": exponent(sizes[-2:], operations[-2:]),
        },
    }


def at_size(axis: str, size: int) -> tuple[ModelConfig, TrainConfig]:
    """Return the base model and its recipe with one axis changed."""
    if axis == "batch":
        return BASE, dataclasses.replace(RECIPE, batch=size)
    return dataclasses.replace(BASE, **{axis: size}), RECIPE


def exponent(sizes, values) -> float:
    """Return the k of values ~ size^k: the slope of the least-squares line through the logarithms.

    >>> exponent([1, 2, 4], [5.0, 20.0, 80.0])
    2.0
    """
    slope, _ = np.polyfit(np.log(sizes), np.log(values), 1)
    return round(float(slope), 6) + 0.0  # no -0.0


class Program:
    """A compiled training step of one model; `bytes` is the memory that it needs."""

    def __init__(self, config: ModelConfig, recipe: TrainConfig):
        mesh = make_mesh(1)
        text = np.random.default_rng(0).integers(0, config.vocab, TEXT, np.int32)
        self.state, self.tokens = put((random_state(config, recipe), text), mesh)
        program = step.program_of(recipe)
        lowered = step.compiled_steps.lower(config, program, mesh, self.state, self.tokens, 1)
        self.compiled = lowered.compile()
        self.bytes = memory_of(self.compiled)
        self.run(1)
        self.steps = max(1, int(ROUND_SECONDS / self.run(2)))

    def run(self, steps: int) -> float:
        """Run steps, and return the seconds of one."""
        goal = int(self.state.step[0]) + steps
        start = time.perf_counter()
        self.state = jax.block_until_ready(self.compiled(self.state, self.tokens, goal))
        return (time.perf_counter() - start) / steps

    def seconds(self) -> float:
        """Return the seconds of a step in one round of about ROUND_SECONDS."""
        return self.run(self.steps)


def random_state(config: ModelConfig, recipe: TrainConfig) -> step.TrainState:
    """Return a state to time steps from, with E = 1 in front, its weights drawn by numpy.

    `init_state` would compile a program for each size, which takes longer than measuring it.
    """
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: step.init_state(config, recipe))
    state = jax.tree.map(lambda leaf: np.zeros((1, *leaf.shape), leaf.dtype), shapes)

    def draw(leaf):
        return 0.02 * rng.standard_normal(leaf.shape, np.float32)

    return state._replace(
        params=jax.tree.map(draw, state.params),
        peak_lr=np.full(1, recipe.lr, np.float32),
        bad_step=np.full(1, -1, np.int32),
    )


def memory_of(compiled) -> int:
    """Return the bytes of a compiled program: arguments, results of their own, intermediates."""
    sizes = compiled.memory_analysis()
    results = sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    return sizes.argument_size_in_bytes + results + sizes.temp_size_in_bytes


def rates(measured: dict[str, Any]) -> list[float]:
    """Return FLOP/s at each size of an axis: where they fall, time outgrows the operations."""
    pairs = zip(measured["operations"], measured["seconds"], strict=True)
    return [operations / seconds for operations, seconds in pairs]
