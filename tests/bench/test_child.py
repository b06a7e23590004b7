"""What is measured in new processes: what they run, what they leave behind, and how they fail."""

import sys
import time

import pytest

from minitx.bench import child
from minitx.errors import InputError
from minitx.presets import PRESETS


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("the cat sat on the mat, and the hen ran. " * 40)
    return str(path)


def test_a_new_process_says_what_it_measured(tmp_path):
    measured = child.in_new_process(str(tmp_path), "first_step", "bigram", 7)
    assert measured["trace_seconds"] > 0 and measured["compile_seconds"] > 0
    assert 50 < measured["peak_memory_mib"] < 5000


def test_a_run_is_timed_from_the_start_of_its_process(text):
    long_ago = child.whole_run(time.time() - 5000, "bigram", text)
    assert all(evaluation["seconds"] > 5000 for evaluation in long_ago)
    assert long_ago[-1]["step"] == PRESETS["bigram"].train.steps
    assert long_ago[-1]["val_loss"] <= 1.0


@pytest.mark.long
def test_a_process_may_start_from_what_another_compiled(text):
    measured = child.time_to_loss("bigram", text, 1.0)
    for which in ("cold", "cached"):
        assert measured[which]["reached"] and measured[which]["val_loss"] <= 1.0
        assert measured[which]["step"] <= PRESETS["bigram"].train.steps
    assert measured["cold"]["val_loss"] == measured["cached"]["val_loss"]


def test_both_processes_share_one_cache(monkeypatch):
    calls = []

    def in_new_process(*arguments):
        calls.append(arguments)
        return [{"seconds": 10.0 * len(calls), "step": 3, "val_loss": 2.5}]

    monkeypatch.setattr(child, "in_new_process", in_new_process)
    measured = child.time_to_loss("bigram", "fables", 2.6)
    assert calls[0] == calls[1] and calls[0][1:] == ("whole_run", "bigram", "fables")
    assert measured["cold"] == {"seconds": 10.0, "step": 3, "val_loss": 2.5, "reached": True}
    assert measured["cached"]["seconds"] == 20.0 and measured["target"] == 2.6


def test_the_clock_stops_at_the_first_evaluation_below_the_target():
    losses = [3.0, 2.0, 1.5, 1.9]
    run = [{"seconds": n, "step": n, "val_loss": loss} for n, loss in enumerate(losses)]
    assert child.end_of_clock(run, 2.0) == {**run[1], "reached": True}
    assert child.end_of_clock(run, 1.0) == {**run[3], "reached": False}
    assert child.end_of_clock(run, None) == {**run[3], "reached": True}


def test_a_process_that_fails_says_why(tmp_path, monkeypatch):
    """It imports what this one does, whatever lies in the folder that it is started in."""
    (tmp_path / "random.py").write_text("raise ImportError('this is not the library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(child.sys, "path", [path for path in sys.path if path])
    with pytest.raises(InputError, match=r"measuring in a new process failed \(.*none\.txt"):
        child.in_new_process(str(tmp_path), "whole_run", "bigram", "none.txt")


def test_a_process_that_is_killed_leaves_nothing_behind(tmp_path, monkeypatch):
    """Its folders lie in the cache, which goes with whoever asked for it."""
    monkeypatch.setattr(child.sys, "path", [str(tmp_path), *sys.path])
    code = "import os, tempfile; tempfile.mkdtemp(); os.kill(os.getpid(), 9)"
    (tmp_path / "jax.py").write_text(code)  # stands in for what a killed run was doing
    (tmp_path / "cache").mkdir()
    with pytest.raises(InputError, match="measuring in a new process failed"):
        child.in_new_process(str(tmp_path / "cache"), "whole_run")
    assert len(list((tmp_path / "cache").iterdir())) == 1
