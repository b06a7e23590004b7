"""The bench: its arithmetic by hand, its parts on small models, and nanoGPT's stand-in."""

import dataclasses
import json
import math
import os
import stat
import subprocess
import sys
import time

import jax
import pytest

from minitx.bench import child, machine, nanogpt
from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.model import count_params
from minitx.objective import batch_loss
from minitx.presets import PRESETS
from minitx.train import initial_params

CONFIG = ModelConfig(width=12, depth=2, heads=3, kv_heads=1, mlp_width=20, context=6, vocab=7)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(machine, "STRETCH_SECONDS", 0.01)
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


def test_a_spread_is_median_least_and_most():
    assert machine.spread([3.0, 1.0, 8.0]) == {"median": 3.0, "min": 1.0, "max": 8.0}


@pytest.mark.parametrize("seeds", [1, 3])
def test_steps_and_samples_take_time(seeds):
    times = machine.step_seconds(CONFIG, TrainConfig(batch=2), rounds=2, seeds=seeds)
    times += machine.sampling_seconds(CONFIG, rounds=2)
    assert len(times) == 4 and min(times) > 0


def test_the_ceiling_is_a_rate_of_both_types(monkeypatch):
    seen = []

    def times(f, rounds):
        seen.append(f())
        return [0.5, 2.0]

    monkeypatch.setattr(machine, "seconds_per_call", times)
    assert machine.ceiling(2) == {"float32": 2 * 2048**3 / 0.5, "bfloat16": 2 * 2048**3 / 0.5}
    assert [(a.shape, str(a.dtype)) for a in seen] == [
        ((n, n), t) for t in ("float32", "bfloat16") for n in (1024, 2048)
    ]


def test_a_preset_is_measured_here_and_in_new_processes():
    found = machine.preset("bigram", 7, {"float32": 1e9, "bfloat16": 1e9}, 2)
    config = dataclasses.replace(PRESETS["bigram"].model, vocab=7)
    assert found["parameters"] == count_params(config)
    tokens = PRESETS["bigram"].train.batch * config.context
    assert found["tokens_per_second"] == pytest.approx(tokens / found["step_seconds"]["median"])
    share = found["tokens_per_second"] * machine.flops_per_token(config) / 1e9
    assert found["share_of_ceiling"] == pytest.approx(share)
    assert found["trace_seconds"] > 0 and found["compile_seconds"].keys() == {"cold", "cached"}
    assert 50 < found["peak_memory_mib"] < 5000
    assert found["sampled_tokens_per_second"] > 0
    json.dumps(found, allow_nan=False)


def test_a_run_is_timed_from_the_start_of_its_process(tmp_path):
    (tmp_path / "mine.txt").write_text("the cat sat on the mat, and the hen ran. " * 40)
    found = child.time_to_loss("bigram", str(tmp_path / "mine.txt"), 1.0)
    for which in ("cold", "cached"):
        assert found[which]["reached"] and found[which]["val_loss"] <= 1.0
        assert found[which]["step"] <= PRESETS["bigram"].train.steps
    assert found["cold"]["val_loss"] == found["cached"]["val_loss"]
    long_ago = child.whole_run(time.time() - 5000, "bigram", str(tmp_path / "mine.txt"))
    assert all(evaluation["seconds"] > 5000 for evaluation in long_ago)


def test_the_clock_stops_at_the_first_evaluation_below_the_target():
    losses = [3.0, 2.0, 1.5, 1.9]
    run = [{"seconds": n, "step": n, "val_loss": loss} for n, loss in enumerate(losses)]
    assert child.reached(run, 2.0) == {**run[1], "reached": True}
    assert child.reached(run, 1.0) == {**run[3], "reached": False}
    assert child.reached(run, None) == {**run[3], "reached": True}


def test_a_process_that_fails_says_why(tmp_path):
    with pytest.raises(InputError, match=r"measuring in a new process failed \(.*none\.txt"):
        child.time_to_loss("bigram", str(tmp_path / "none.txt"), None)


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


def test_a_process_that_is_killed_leaves_nothing_behind(tmp_path, monkeypatch):
    """Its folders lie in the cache, which goes with whoever asked for it."""
    monkeypatch.setattr(child.sys, "path", [str(tmp_path), *sys.path])
    code = "import os, tempfile; tempfile.mkdtemp(); os.kill(os.getpid(), 9)"
    (tmp_path / "jax.py").write_text(code)  # stands in for what a killed run was doing
    (tmp_path / "cache").mkdir()
    with pytest.raises(InputError, match="measuring in a new process failed"):
        child.child(str(tmp_path / "cache"), "whole_run")
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_new_process_imports_what_this_one_does(tmp_path, monkeypatch):
    """Whatever lies in the folder from which the command was called."""
    (tmp_path / "random.py").write_text("raise ImportError('this is not the library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(child.sys, "path", [p for p in sys.path if p])
    with pytest.raises(InputError, match=r"none\.txt"):
        child.child(str(tmp_path), "whole_run", "bigram", "none.txt")


# --- nanoGPT --------------------------------------------------------------------------------------

STAND_IN = """#!{python}
import pathlib, sys
first = sys.argv[1]
pathlib.Path("calls").open("a").write(" ".join(sys.argv[1:]).replace("\\n", ";") + "\\n")
if first == "-c" and "generate" in sys.argv[2]:
    print("seconds 2.5")
if first == "train.py":
    print("step 0: train loss 4.2, val loss 4.3")
    for n in range(20):
        print(f"iter {{n}}: loss 2.0, time {{900 if n < 11 else 40 + n % 3}}.00ms, mfu 1.00%")
    print("step 20: train loss 1.8, val loss 1.9012")
if first.endswith("prepare.py"):
    assert pathlib.Path("data/shakespeare_char/input.txt").read_text().startswith("the cat")
"""


@pytest.fixture
def stand_in(tmp_path):
    """A folder like a checkout, and a Python that prints what nanoGPT would."""
    for name in nanogpt.NEEDED:
        (tmp_path / "nano" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "nano" / name).write_text("")
    python = tmp_path / "python"
    python.write_text(STAND_IN.format(python=sys.executable))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "mine.txt").write_text("the cat sat on the mat, and the hen ran. " * 40)
    return tmp_path


def test_both_are_measured_in_turn_and_compared(stand_in, monkeypatch):
    ours = iter([8.0, 16.0])
    monkeypatch.setattr(machine, "step_seconds", lambda *arguments: [0.0205])
    monkeypatch.setattr(machine, "sampling_seconds", lambda *arguments: [0.25])
    run = {"val_loss": 1.88, "seconds": None}
    monkeypatch.setattr(
        nanogpt, "time_to_loss", lambda *a: {"cold": {**run, "seconds": next(ours)}}
    )
    monkeypatch.setattr(nanogpt.time, "perf_counter", iter([0, 48, 100, 148]).__next__)
    python, corpus = str(stand_in / "python"), str(stand_in / "mine.txt")
    nanogpt.check(stand_in / "nano", python, corpus)
    found = nanogpt.against(stand_in / "nano", python, corpus, 2)
    assert found["nanogpt_val_loss"] == [1.9012, 1.9012]
    assert found["sprint_val_loss"] == [1.88, 1.88]
    assert found["step"]["times_as_fast"]["median"] == pytest.approx(2.0)  # 41 ms is their median
    assert found["sampling"]["times_as_fast"]["median"] == pytest.approx(10.0)
    ratio = found["whole_run"]["times_as_fast"]
    assert (ratio["min"], ratio["median"], ratio["max"]) == pytest.approx((3.0, 4.5, 6.0))


def test_nanogpt_is_given_its_own_recipe(stand_in, tmp_path):
    checkout = nanogpt.Checkout(
        stand_in / "nano", str(stand_in / "python"), str(stand_in / "mine.txt"), tmp_path / "work"
    )
    checkout.train()
    recipe = (tmp_path / "work" / "calls").read_text().splitlines()[-1].split()
    given = dict(flag[2:].split("=") for flag in recipe if flag.startswith("--"))
    model, train = PRESETS["nanogpt-cpu"].model, PRESETS["nanogpt-cpu"].train
    for name, ours in {
        "block_size": model.context, "batch_size": train.batch, "n_layer": model.depth,
        "n_head": model.heads, "n_embd": model.width, "max_iters": train.steps,
        "dropout": model.dropout,
    }.items():  # fmt: skip
        assert float(given[name]) == ours, name
    assert model.tied and not model.bias and model.mlp == "gelu"
    assert not list((stand_in / "nano").rglob("input.txt"))  # the checkout stays as it is


def test_a_folder_that_is_no_checkout_is_refused(stand_in):
    (stand_in / "nano" / "model.py").unlink()
    with pytest.raises(InputError, match=r"lacks model\.py: name a checkout of nanoGPT"):
        nanogpt.check(stand_in / "nano", sys.executable, "fables")


def test_a_python_without_torch_is_refused_before_anything_is_measured(stand_in):
    bad = stand_in / "python"
    bad.write_text(f"#!{sys.executable}\nraise SystemExit('No module named torch')\n")
    with pytest.raises(InputError, match=r"nanoGPT cannot run \(No module named torch\).*--python"):
        nanogpt.check(stand_in / "nano", str(bad), "fables")
    with pytest.raises(InputError, match=r"cannot start .*nowhere.*check --python"):
        nanogpt.check(stand_in / "nano", str(stand_in / "nowhere"), "fables")


def test_a_text_that_nanogpt_cannot_read_is_refused_before_anything_is_measured(stand_in):
    with pytest.raises(InputError, match="'kingdom' is a generator"):
        nanogpt.check(stand_in / "nano", str(stand_in / "python"), "kingdom")


def test_a_python_is_found_from_the_folder_in_which_the_command_was_called(stand_in, monkeypatch):
    monkeypatch.chdir(stand_in)
    nanogpt.check(stand_in / "nano", "./python", "fables")


@pytest.mark.parametrize("measure", ["step_seconds", "whole_run", "sampling_seconds"])
def test_a_checkout_that_ends_without_a_figure_is_refused(stand_in, tmp_path, measure):
    stand_in_that_stops = f"#!{sys.executable}\nprint('stopped early')\n"
    (stand_in / "python").write_text(stand_in_that_stops)
    checkout = nanogpt.Checkout(
        stand_in / "nano", str(stand_in / "python"), str(stand_in / "mine.txt"), tmp_path / "work"
    )
    sizes = (CONFIG, 7) if measure == "sampling_seconds" else ()
    with pytest.raises(InputError, match=r"without what is to be measured \(.*stopped early"):
        getattr(checkout, measure)(*sizes)


# --- in words -------------------------------------------------------------------------------------


def made_up() -> dict:
    spread = {"median": 0.04, "min": 0.03, "max": 0.05}
    end = {"seconds": 12.3, "step": 340, "val_loss": 1.8765}
    pair = {"minitx_seconds": spread, "nanogpt_seconds": spread, "times_as_fast": spread}
    return {
        "machine": {"date": "2000-01-02", "device": "abacus", "cores": 2, "python": "3",
                    "jax": "1"},
        "ceiling": {"float32": 123e9, "bfloat16": 45e9},
        "demo": {
            "parameters": 777, "step_seconds": spread, "tokens_per_second": 999.0,
            "share_of_ceiling": 0.31, "trace_seconds": 0.6, "peak_memory_mib": 456.0,
            "compile_seconds": {"cold": 5.5, "cached": 0.7}, "sampled_tokens_per_second": 888.0,
        },
        "seeds": [{"seeds": 1, "step_seconds": 0.02, "times_one_seed": 1.0}],
        "time to loss": {
            "preset": "sprint", "corpus": "fables", "target": 1.88,
            "cold": {**end, "reached": True}, "cached": {**end, "reached": False},
        },
        "against transformers": {
            "model": "smollm2", "rounds": 5,
            "trace": {"tokens": 128, "minitx_seconds": 0.2, "transformers_seconds": 0.3,
                      "times_as_fast": 1.51},
            "generate": {"tokens": 64, "minitx_tokens_per_second": 36.5,
                         "transformers_tokens_per_second": 18.4, "times_as_fast": 1.98},
            "agreement": {"logits_relative_error": 2e-6, "states_relative_error": 7e-6,
                          "same_tokens": 63},
        },
        "against nanoGPT": {"rounds": 3, "step": pair, "sampling": pair, "whole_run": pair},
    }  # fmt: skip


def test_words_hold_every_figure():
    text = machine.words(made_up())
    for figure in ("abacus", "123 GFLOP/s", "777", "40.0 (30.0 to 50.0)", "999", "31%", "456",
                   "888", "0.60", "5.50", "0.70", "20.0", "12.3 s", "1.8765", "340 steps",
                   "misses the target of 1.88", "3 times in turn", "whole run",
                   "trace of 128 tokens", "200.0", "300.0", "1.51", "36.5", "18.4", "1.98",
                   "2.0e-06", "7.0e-06", "63 of 64 tokens"):  # fmt: skip
        assert figure in text, figure
    assert text.count("misses the target") == 1
    alone = machine.words({k: v for k, v in made_up().items() if "against" not in k})
    assert "nanoGPT" not in alone and "transformers" not in alone
    only = {k: v for k, v in made_up().items() if k in ("machine", "against nanoGPT")}
    assert "GFLOP/s" not in machine.words(only) and "whole run" in machine.words(only)


def test_the_command_measures_what_is_asked_for(tmp_path):
    (tmp_path / "mine.txt").write_text("the cat sat on the mat. " * 60)
    for flags, words in (
        (["--rounds", "0"], "rounds=0"), (["sprnt"], "no preset"),
        (["--against", "nowhere"], "lacks train.py"), (["--corpus", "none.txt"], "none.txt"),
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "minitx", "bench", *flags], cwd=tmp_path, text=True,
            capture_output=True, env={**os.environ, "COLUMNS": "200"}, timeout=240,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert words in done.stderr and "Traceback" not in done.stderr
        assert done.stdout == "" and "ceiling" not in done.stderr
