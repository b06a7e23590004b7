"""nanoGPT beside ours, with a stand-in that prints what nanoGPT would."""

import stat
import sys

import pytest

from minitx.bench import machine, nanogpt
from minitx.config import ModelConfig
from minitx.errors import InputError
from minitx.presets import PRESETS

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


def test_an_error_without_words_of_the_system_still_has_a_reason(stand_in, monkeypatch):
    def stuck(*arguments, **options):
        raise TimeoutError

    monkeypatch.setattr(nanogpt.subprocess, "run", stuck)
    with pytest.raises(InputError, match=r"cannot start .* \(TimeoutError\): check --python"):
        nanogpt.check(stand_in / "nano", sys.executable, "fables")


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
    sizes = (ModelConfig(), 7) if measure == "sampling_seconds" else ()
    with pytest.raises(InputError, match=r"without the expected output \(.*stopped early"):
        getattr(checkout, measure)(*sizes)
