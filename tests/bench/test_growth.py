"""How a step grows with size: planted times with known exponents, and a real step of each axis."""

import csv
import dataclasses
import json
import math

import jax
import numpy as np
import pytest

from minitx.bench import growth, growth_figure, machine
from minitx.bench.summary import growth_table
from minitx.config import ModelConfig
from minitx.parameters import count_params, flops_per_token
from minitx.step import init_state

SIZES = (3, 6, 12)


class Planted:
    """A program whose time grows as context^1.5 (a tenth more in every round), memory as ^0.5."""

    def __init__(self, config, recipe):
        self.context = config.context
        self.bytes = 1000 * math.sqrt(config.context)
        self.rounds = 0

    def seconds(self):
        self.rounds += 1
        return 0.002 * self.context**1.5 * 1.1**self.rounds


def test_planted_exponents_are_found(monkeypatch):
    monkeypatch.setattr(growth, "Program", Planted)
    found = growth.measure_axis("context", SIZES, rounds=3)
    assert found["sizes"] == list(SIZES)
    assert found["seconds"] == pytest.approx([0.002 * size**1.5 * 1.1**2 for size in SIZES])
    for exponents in (found["exponents"], found["last_exponents"]):
        assert exponents["seconds"] == pytest.approx(dict.fromkeys(("median", "min", "max"), 1.5))
        assert exponents["bytes"] == pytest.approx(0.5)
    assert found["operations"] == [
        flops_per_token(dataclasses.replace(growth.BASE, context=size)) * size * 16
        for size in SIZES
    ]
    assert 1.0 < found["exponents"]["operations"] < 1.2  # attention's share is small at 12 tokens
    rates = growth.rates(found)
    assert rates[2] == pytest.approx(found["operations"][2] / found["seconds"][2])


def test_a_step_in_the_curve_is_seen_by_the_last_exponent_alone(monkeypatch):
    class Stepped(Planted):
        def seconds(self):
            return 0.01 if self.context < 12 else 0.08

    monkeypatch.setattr(growth, "Program", Stepped)
    found = growth.measure_axis("context", SIZES, rounds=2)
    assert found["exponents"]["seconds"]["median"] == pytest.approx(1.5)
    assert found["last_exponents"]["seconds"]["median"] == pytest.approx(3.0)


def test_sizes_are_measured_in_turn(monkeypatch):
    order = []

    class Noted(Planted):
        def seconds(self):
            order.append(self.context)
            return super().seconds()

    monkeypatch.setattr(growth, "Program", Noted)
    growth.measure_axis("context", SIZES, rounds=2)
    assert order == [3, 6, 12, 3, 6, 12]


@pytest.mark.parametrize("axis", growth.AXES)
def test_an_axis_changes_one_thing(axis):
    size = growth.AXES[axis][0]
    config, recipe = growth.at_size(axis, size)
    before = {**dataclasses.asdict(growth.BASE), **dataclasses.asdict(growth.RECIPE)}
    after = {**dataclasses.asdict(config), **dataclasses.asdict(recipe)}
    assert after == {**before, axis: size}


def test_operations_grow_as_by_hand():
    """A block has 12 D^2 weights and attends with 2 T D products, the unembedding has D V."""

    def by_hand(width=128, depth=2, context=64, batch=16, vocab=128):
        a_token = depth * (12 * width**2 + 2 * context * width) + vocab * width
        return 6 * batch * context * a_token

    for axis, sizes in growth.AXES.items():
        for size in sizes:
            assert machine.step_flops(*growth.at_size(axis, size)) == by_hand(**{axis: size})


def test_a_real_step_takes_time_and_memory(monkeypatch):
    monkeypatch.setattr(growth, "ROUND_SECONDS", 0.001)
    monkeypatch.setattr(growth, "TEXT", 50)
    config = ModelConfig(width=8, depth=0, heads=1, context=6, vocab=7, norm="none")
    program = growth.Program(config, dataclasses.replace(growth.RECIPE, batch=3))
    steps = int(program.state.step[0])
    assert program.seconds() > 0
    assert int(program.state.step[0]) == steps + program.steps  # all were finite
    weights_and_moments = 3 * 4 * count_params(config)
    assert weights_and_moments < program.bytes < 10 * weights_and_moments


def test_steps_are_timed_from_a_state_like_that_of_training():
    config = ModelConfig(width=8, depth=1, heads=2, context=6, vocab=7, bias=True)
    real = jax.eval_shape(lambda: init_state(config, growth.RECIPE))
    made = growth.random_state(config, growth.RECIPE)
    assert jax.tree.structure(made) == jax.tree.structure(real)
    for ours, theirs in zip(jax.tree.leaves(made), jax.tree.leaves(real), strict=True):
        assert (ours.shape, ours.dtype) == ((1, *theirs.shape), theirs.dtype)
    assert made.bad_step == -1 and made.peak_lr == np.float32(growth.RECIPE.lr)


@pytest.fixture
def found(monkeypatch):
    monkeypatch.setattr(growth, "Program", Planted)
    monkeypatch.setattr(growth, "AXES", {"context": SIZES, "batch": (2, 5)})
    said = []
    results = growth.growth(2, said.append)
    assert said == ["  context, 1 of 2: 3, 6, 12", "  batch, 2 of 2: 2, 5"]
    return results


def test_the_results_are_json_and_a_table(found):
    json.dumps(found, allow_nan=False)
    text = growth_table(found)
    for words in ("2 times in turn", "context 3 to 12", "batch 2 to 5", "1.50 (1.50 to 1.50)",
                  "0.50", "1.50 / 1.0", "1.00", "12.0 to 96.0"):  # fmt: skip
        assert words in text, words


def test_the_figure_has_its_numbers_beside_it(found, tmp_path):
    growth_figure.save(found, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
    with open(tmp_path / "growth.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["axis"], int(row["size"])) for row in rows] == [
        ("context", 3), ("context", 6), ("context", 12), ("batch", 2), ("batch", 5)
    ]  # fmt: skip
    measured = found["axes"]["context"]
    assert [float(row["seconds"]) for row in rows[:3]] == measured["seconds"]
    assert [float(row["bytes"]) for row in rows[:3]] == measured["bytes"]
    assert [int(row["operations"]) for row in rows[:3]] == measured["operations"]


def test_the_dashed_line_ends_where_the_measured_one_does(found):
    top = growth_figure.figure(found).axes[0]
    measured, counted = (line.get_ydata() for line in top.lines)
    assert measured[-1] == counted[-1]
    operations = found["axes"]["context"]["operations"]
    assert counted[0] / counted[-1] == pytest.approx(operations[0] / operations[-1])
