"""How fast this machine is: the arithmetic by hand, and the parts on small models."""

import dataclasses
import json
import math

import jax
import pytest

from minitx.bench import machine
from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.objective import batch_loss
from minitx.optimizer import muon
from minitx.parameters import count_params, name_of
from minitx.presets import PRESETS
from minitx.step import initial_params

CONFIG = ModelConfig(width=12, depth=2, heads=3, kv_heads=1, mlp_width=20, context=6, vocab=7)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(machine, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(machine, "SAMPLED", 5)


def test_flops_are_counted_as_by_hand():
    query_out, key_value, mlp = 2 * 12 * 12, 2 * 12 * 4, 2 * 12 * 20
    forward = 2 * (query_out + key_value + mlp) + 7 * 12  # two blocks, and the unembedding
    scores_and_sums = 2 * (6 * 12 + 6 * 12)
    assert machine.flops_per_token(CONFIG) == 6 * (forward + scores_and_sums)
    tied = dataclasses.replace(CONFIG, tied=True)
    assert machine.flops_per_token(tied) == machine.flops_per_token(CONFIG)


def test_flops_are_those_that_the_compiler_counts():
    """Of a gradient; XLA counts norms and softmax too, which are small once the width is not."""
    config = ModelConfig(width=128, depth=2, heads=4, context=64, vocab=65, mlp="relu")
    recipe, batch = TrainConfig(), jax.ShapeDtypeStruct((3, 64), "int32")
    params = jax.eval_shape(lambda: initial_params(config, 0))
    gradient = jax.grad(lambda p, x, y: batch_loss(config, recipe, p, x, y, None))
    cost = jax.jit(gradient).lower(params, batch, batch).compile().cost_analysis()
    assert 1.0 < cost["flops"] / (3 * 64 * machine.flops_per_token(config)) < 1.15


def test_muons_products_are_those_that_the_compiler_counts():
    config = ModelConfig(width=96, depth=1, heads=3, kv_heads=1, mlp_width=160, context=6, vocab=7)
    recipe = TrainConfig(batch=2, optimizer="muon")
    params = jax.eval_shape(lambda: initial_params(config, 0))
    weights = [leaf for name, leaf in with_names(params) if name.endswith("weight")]
    optimizer = muon(momentum=0.9)
    state = jax.eval_shape(optimizer.init, weights)
    cost = jax.jit(optimizer.update).lower(weights, state).compile().cost_analysis()
    adamw = dataclasses.replace(recipe, optimizer="adamw")
    counted = machine.step_flops(config, recipe) - machine.step_flops(config, adamw)
    assert 1.0 < cost["flops"] / counted < 1.1
    assert machine.step_flops(config, adamw) == 12 * machine.flops_per_token(config)


def with_names(tree):
    """The leaves of a tree under their dotted paths."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [(name_of(path), leaf) for path, leaf in leaves]


def test_a_spread_is_median_least_and_most():
    assert machine.spread([3.0, 1.0, 8.0]) == {"median": 3.0, "min": 1.0, "max": 8.0}


def test_steps_of_several_seeds_take_time():
    config = dataclasses.replace(PRESETS["bigram"].model, vocab=7)
    times = machine.step_seconds(config, TrainConfig(batch=2), rounds=2, seeds=3)
    assert len(times) == 2 and min(times) > 0


def test_the_ceiling_is_a_rate_of_both_types(monkeypatch):
    products = []

    def times(f, rounds):
        products.append(jax.eval_shape(f))
        return [0.5, 2.0]

    monkeypatch.setattr(machine, "seconds_per_call", times)
    assert machine.ceiling(2) == {"float32": 2 * 2048**3 / 0.5, "bfloat16": 2 * 2048**3 / 0.5}
    assert [(product.shape, str(product.dtype)) for product in products] == [
        ((n, n), dtype) for dtype in ("float32", "bfloat16") for n in (1024, 2048)
    ]


def test_a_call_is_timed_in_rounds():
    calls = []
    times = machine.seconds_per_call(lambda: calls.append(0), 3)
    assert len(times) == 3 and min(times) > 0 and len(calls) >= 5


def test_a_preset_is_measured_here_and_in_new_processes(monkeypatch):
    cold = {"trace_seconds": 0.5, "compile_seconds": 8.0, "peak_memory_mib": 321.0}
    cached = {"trace_seconds": 0.4, "compile_seconds": 1.5, "peak_memory_mib": 300.0}
    answers = iter([cold, cached])
    monkeypatch.setattr(machine, "in_new_process", lambda *arguments: next(answers))
    results = machine.measure_preset("bigram", 7, {"float32": 1e9, "bfloat16": 1e9}, 2)
    config = dataclasses.replace(PRESETS["bigram"].model, vocab=7)
    assert results["parameters"] == count_params(config)
    tokens = PRESETS["bigram"].train.batch * config.context
    assert results["tokens_per_second"] == pytest.approx(tokens / results["step_seconds"]["median"])
    share = results["tokens_per_second"] * machine.flops_per_token(config) / 1e9
    assert results["share_of_ceiling"] == pytest.approx(share)
    assert results["trace_seconds"] == 0.5 and results["peak_memory_mib"] == 321.0
    assert results["compile_seconds"] == {"cold": 8.0, "cached": 1.5}
    assert results["sampled_tokens_per_second"] > 0
    json.dumps(results, allow_nan=False)


def test_what_is_measured_depends_on_what_came_before(tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("the cat sat on the mat, and the hen ran. " * 40)
    monkeypatch.setattr(machine, "measure_preset", lambda name, *arguments: (name, *arguments))
    monkeypatch.setattr(machine, "seeds_at_once", lambda *arguments: arguments)
    parts = machine.parts(("bigram", "demo"), str(tmp_path / "mine.txt"), None, 2)
    assert list(parts) == ["ceiling", "bigram", "demo", "seeds", "time to loss"]
    vocab = len(set("the cat sat on the mat, and the hen ran. "))
    results = {"ceiling": {"float32": 3.0}}
    assert parts["bigram"](results) == ("bigram", vocab, {"float32": 3.0}, 2)
    assert parts["demo"](results)[0] == "demo"
    assert parts["seeds"](results) == ("demo", vocab, 2)


@pytest.mark.parametrize(
    ("presets", "rounds", "target", "words"),
    [
        (("sprnt",), 1, None, "no preset 'sprnt'.*sprint"),
        (("demo",), 0, None, "rounds=0 is out of range"),
        (("demo",), 1, math.nan, "target=nan is not a finite number"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(presets, rounds, target, words):
    with pytest.raises(InputError, match=words):
        machine.check(presets, rounds, target)


def test_a_text_too_short_for_the_sprint_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "short.txt").write_text("too short")
    with pytest.raises(InputError, match="the training split has 8 tokens, but context=64"):
        machine.parts((), str(tmp_path / "short.txt"), None, 1)
