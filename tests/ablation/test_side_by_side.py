"""Grids whose cells are trained in worker processes: the same results, and a plain end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import refused, write_text

from minitx import files
from minitx.ablation.cells import ablate
from minitx.ablation.grid import Grid
from minitx.config import ModelConfig, TrainConfig
from minitx.devices import workers
from minitx.text.data import prepare

MODEL = ModelConfig(width=8, depth=1, heads=2, context=7, init_std=None)
TRAIN = TrainConfig(steps=12, batch=4, lr=0.03, warmup=2, eval_every=6)
GRID = Grid({"tied": (False, True), "mlp_width": (5, 9)}, MODEL, TRAIN, rates=(0.03,))
FLAGS = [
    "--vary", "tied=false,true", "--width", "8", "--depth", "1", "--heads", "2", "--context", "7",
    "--batch", "4", "--warmup", "2", "--out", "out", "--corpus", "text.txt",
]  # fmt: skip


def cells_in(folder: Path) -> dict:
    """The finished cells, without the time that each took."""
    return {
        path.name: {**files.read_json(path), "seconds": None}
        for path in (folder / "cells").glob("*.json")
    }


@pytest.mark.long
def test_a_grid_is_the_same_to_the_bit_for_any_number_of_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "in_this_process", lambda: False)
    data = prepare(str(write_text(tmp_path / "text.txt")))
    alone = ablate(GRID, data, 2, tmp_path / "one", jobs=1)
    three = ablate(GRID, data, 2, tmp_path / "three", jobs=3)
    assert cells_in(tmp_path / "one") == cells_in(tmp_path / "three")
    assert alone.results_csv() == three.results_csv()
    assert alone.cells == three.cells


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds workers as Linux does")
def test_a_worker_that_is_killed_costs_one_line_and_no_finished_cell(tmp_path):
    write_text(tmp_path / "text.txt")
    command = [sys.executable, "-m", "minitx", "ablate", *FLAGS, "--seeds", "1", "--jobs", "1"]
    environment = {**os.environ, "MINITX_CACHE": str(tmp_path / ".cache")}
    process = subprocess.Popen(
        [*command, "--vary", "steps=3000,3001", "--eval-every", "1000"], cwd=tmp_path,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not cells_in(tmp_path / "out"):
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 1
    os.kill(int(children[0]), signal.SIGKILL)
    out, err = process.communicate()
    *_, kept, line = err.splitlines()
    assert process.returncode == 2 and not out, err
    assert kept == "stopped; 1 of 4 cells are finished and stay in out"
    assert line.startswith("minitx: error: a worker process has died (SIGKILL): run the same")


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5"])
@pytest.mark.parametrize("command", [("ablate", *FLAGS), ("zoo", "build"), ("bench",)])
def test_numbers_of_workers_that_cannot_be_are_refused(command, jobs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "text.txt")
    refused(*command, "--jobs", jobs, names=["jobs", jobs])
    assert not (tmp_path / "out").exists()
