"""`minitx bench --page`: every control of the page is moved, and its frames are measured."""

import json
import os
import subprocess
import sys

import pytest
from command_line import refused

from minitx.bench import frames
from minitx.page.writer import PANELS, source


def test_a_control_is_moved_over_its_whole_range():
    assert frames.values_of([-3, 3, 0.25])[0] == "-3.0"
    assert float(frames.values_of([-3, 3, 0.25])[-1]) == 3
    assert len(set(frames.values_of([0, 100, 1]))) == frames.MOVES + 1
    assert [float(value) for value in frames.values_of([0, 2, 1])] == [0, 1, 2]
    assert frames.values_of(["a", "b", "c"]) == ["b", "c", "a"]  # "a" is where it stands


def test_moves_are_summed_up():
    moves = [[5.0, 100], [1.0, 0], [9.0, 300]]
    assert frames.summary_of(moves) == {"ms": 5.0, "most_ms": 9.0, "multiply_adds": 100}


def test_without_a_browser_the_bench_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MINITX_CHROMIUM", raising=False)
    refused("bench", "--page", names=["Chromium", "minitx[browser]"], remarks=True)


@pytest.mark.long
def test_all_panels_are_measured():
    # In a process of its own: Playwright cannot be started twice in one.
    command = [sys.executable, "-m", "minitx", "bench", "--page", "--json"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode == 2 and not os.environ.get("MINITX_NEEDS_BROWSER"):
        pytest.skip(run.stderr)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)["page"]
    measured = {control["panel"] for control in found["controls"].values()}
    with_controls = {name for name in PANELS if "name:" in source(f"panels/{name}.js")}
    assert measured >= with_controls
    # One forward pass of the demo's model over 32 tokens is 38 million multiply-adds.
    assert 30e6 < found["typing"]["multiply_adds"] < 200e6
    assert found["prompt_tokens"] == 32 and found["bytes"] < 8e6
