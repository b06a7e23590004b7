"""Grids that run: planted effects are found, and a grid is resumed, refused, or diverges."""

import csv
import dataclasses
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minitx import files
from minitx.ablation import cells, comparison, folder, one_cell
from minitx.ablation.cells import ablate, run_grid
from minitx.ablation.effects import Change
from minitx.ablation.folder import CHOOSER
from minitx.ablation.grid import Grid
from minitx.ablation.plan import Cost, cost_between, plan
from minitx.cli.commands import experiments
from minitx.config import DataConfig, ModelConfig, TrainConfig, from_json
from minitx.errors import InputError
from minitx.runs import training
from minitx.text.data import prepare
from minitx.train import fit

# One model and one recipe for nearly all tests, so that little has to be compiled.
MODEL = ModelConfig(width=8, depth=1, heads=2, context=7, init_std=None)
TRAIN = TrainConfig(
    steps=60, batch=4, lr=0.03, warmup=4, decay="linear", final_lr=0.0, eval_every=15
)
GRID = Grid({"tied": (False, True), "lr": (0.03, 1e-6)}, MODEL, TRAIN)
UNTIED = Grid({"tied": (False,)}, MODEL, TRAIN, rates=(0.03,))
SEEDS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = random.Random(1)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(" ".join(rng.choice(["the", "cat", "sat", "on", "a"]) for _ in range(400)))
    return prepare(str(path))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A grid with a planted effect (a rate at which nothing is learned), in a folder."""
    out = tmp_path_factory.mktemp("grid") / "out"
    return ablate(GRID, data, SEEDS, out), out


@pytest.fixture(scope="module")
def started(data, tmp_path_factory):
    """The folder of the same grid, stopped after its first cell."""
    out = tmp_path_factory.mktemp("started") / "out"
    steps = run_grid(GRID, data, SEEDS, out)
    while not next(steps).record:
        pass
    steps.close()
    return out


def copy_of(out, tmp_path):
    return shutil.copytree(out, tmp_path / "copy")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


# --- numbers -------------------------------------------------------------------------------------


def test_a_planted_effect_is_found(finished):
    table, _ = finished
    effects = {e.change: e for e in table.effects("val_loss") if e.by is None}
    effect = effects[Change("lr", 0.03, 1e-6)]
    assert effect.adjusted_p < 0.05 and effect.estimate.low > 0.1
    rows = [r for r in table.summary().splitlines() if r.startswith("| val loss")]
    assert [("lr: 0.03" in row) for row in rows] == [("*" in row) for row in rows]
    assert not table.is_shown(effects[Change("tied", False, True)], "val_loss")


def test_a_paired_difference_follows_from_the_csv(finished):
    table, _ = finished
    rows = [r for r in rows_of(table.results_csv()) if r["measure"] == "val_loss"]
    differences = []
    for seed in map(str, range(SEEDS)):
        mean = {
            tied: np.mean([float(r["value"]) for r in rows
                           if (r["tied"], r["seed"]) == (tied, seed)])
            for tied in ("true", "false")
        }  # fmt: skip
        differences.append(mean["true"] - mean["false"])
    mean = np.mean(differences)
    spread = np.std(differences, ddof=1) / np.sqrt(SEEDS)
    (row,) = [r for r in rows_of(table.effects_csv())
              if (r["measure"], r["change"]) == ("val_loss", "tied: false → true")]  # fmt: skip
    assert float(row["mean"]) == pytest.approx(mean)
    assert float(row["high"]) == pytest.approx(mean + 4.3026527 * spread)  # t, 2 degrees, 97.5 %
    assert (row["switch"], row["before"], row["after"]) == ("tied", "false", "true")


@pytest.mark.long
def test_a_cell_can_be_trained_again_from_its_own_record(data):
    """The record has the configs that trained it: also the rate of Adam beside that of Muon."""
    muon = dataclasses.replace(TRAIN, optimizer="muon", lr=0.01, adam_lr=0.005)
    grid = Grid({"tied": (False,)}, MODEL, muon, rates=(1e-6, 0.06))
    (record,) = [p.record for p in run_grid(grid, data, [5]) if p.record]
    low, good = record["losses_at_rates"]
    assert good < low and record["train"]["lr"] == 0.06  # the best for a seed that is not counted
    assert record["train"]["adam_lr"] == pytest.approx(0.03)  # scaled alike
    assert [entry["seed"] for entry in record["seeds"]] == [5]
    config = from_json(ModelConfig, record["model"])
    recipe = from_json(TrainConfig, record["train"])
    _, history = fit(
        config, dataclasses.replace(recipe, seed=5), data.train_tokens, data.val_tokens
    )
    assert history[-1].val_loss == pytest.approx(record["seeds"][0]["history"][-1]["val_loss"])


def test_the_best_rate_has_the_lowest_loss():
    assert one_cell.best_rate((0.1, 0.2, 0.3), [None, 5.0, None]) == 0.2
    assert one_cell.best_rate((0.2, 0.1), [None, None]) == 0.1  # all diverged: the lowest


def ended(*losses):
    return [{"failure": None, "history": [{"val_loss": loss}]} for loss in losses]


def test_a_rate_within_two_deviations_of_the_seeds_is_nearly_tied():
    (cell,) = Grid({"tied": (False,)}, MODEL, TRAIN, rates=(0.1, 0.2, 0.3)).cells(vocab=7)
    seeds = ended(2.0, 2.1, 2.2)  # a standard deviation of 0.1
    assert one_cell.nearly_tied(cell, [2.25, 2.1, 2.8], seeds) == [0.1]
    assert one_cell.nearly_tied(cell, [2.31, 2.1, 2.8], seeds) == []
    assert one_cell.nearly_tied(cell, [2.15, 2.1, 2.12], seeds) == [0.3]  # one, the nearest
    assert one_cell.nearly_tied(cell, [None, 2.1, None], seeds) == []
    assert one_cell.nearly_tied(cell, [None, None, None], seeds) == []
    failed = [{"failure": {"step": 3}, "history": [{"val_loss": 9.0}]}]
    assert one_cell.nearly_tied(cell, [2.25, 2.1, 2.8], seeds + failed) == [0.1]
    assert one_cell.nearly_tied(cell, [2.1, 2.1, 2.1], ended(2.0)) == []  # no spread is known
    assert one_cell.nearly_tied(cell._replace(ties=False), [2.1, 2.1, 2.1], seeds) == []


def test_the_steps_of_a_cell_are_the_most_that_it_may_need():
    (cell,) = Grid({"tied": (False,)}, MODEL, TRAIN).cells(vocab=7)
    assert one_cell.count_steps(cell, [0, 1, 2]) == 60 * (3 + 3 + 3)
    assert one_cell.count_steps(cell._replace(ties=False), [0, 1, 2]) == 60 * (3 + 3)
    assert one_cell.count_steps(cell, [0]) == 60 * (3 + 1)
    (fixed,) = Grid({"lr": (0.1,)}, MODEL, TRAIN).cells(vocab=7)
    assert not fixed.ties and one_cell.count_steps(fixed, [0, 1, 2]) == 60 * 3


def test_a_cell_is_trained_at_a_nearly_tied_rate_as_it_would_be_at_that_rate_alone(
    finished, data, tmp_path
):
    """At rates that hardly differ, losses hardly do. The other rate's seeds are those of GRID."""
    grid = Grid({"tied": (False,)}, MODEL, TRAIN, rates=(0.03, 0.0300001))
    table = ablate(grid, data, SEEDS, tmp_path / "out")
    (record,) = table.records
    (tied,) = record["tied"]
    assert {record["train"]["lr"], tied["train"]["lr"]} == set(grid.rates)
    assert [entry["seed"] for entry in tied["seeds"]] == list(range(SEEDS))
    for a in range(2):
        values = table.values_at_rates("entropy")[0, a]
        np.testing.assert_allclose(values, finished[0].values("entropy")[0], rtol=1e-3)
    assert "nearly tied lr" in table.summary()
    again = ablate(grid, data, SEEDS, tmp_path / "out")
    assert again.markdown() == table.markdown() and again.results_csv() == table.results_csv()


def test_a_cell_that_diverges_is_a_result_with_step_and_cause(data):
    wild = dataclasses.replace(TRAIN, clip=0.0, optimizer="sgd", warmup=0)
    table = ablate(Grid({"tied": (False,), "lr": (0.1, 1e38)}, MODEL, wild), data, SEEDS)
    good, bad = (table.entries(m) for m in range(2))
    assert all(entry["failure"] is None for entry in good)
    for entry in bad:
        cause = entry["failure"]["cause"]
        assert entry["failure"]["step"] >= 0 and ("not finite" in cause or "overflows" in cause)
    text = table.markdown()
    assert "diverged" in text and "lr=1e+38 (seed 0 at step" in text
    assert "This grid cannot answer" in text
    json.dumps(table.json(), allow_nan=False)


def test_cells_trained_on_two_losses_are_judged_by_what_their_scores_mean(finished, data):
    record = finished[0].records[0]
    squared = dataclasses.replace(TRAIN, loss="squared_error")
    grid = Grid({"tied": (False,)}, MODEL, squared, rates=(0.03,))
    (other,) = [p.record for p in run_grid(grid, data, SEEDS) if p.record]
    records = [{**r, "settings": {"loss": r["train"]["loss"]}} for r in (record, other)]
    table = cells.make_table(records, data)
    assert table.yardstick == "fitted_loss" and not table.effects("val_loss")
    assert "whose values cannot be compared" in " ".join(table.markdown().split())
    for record in table.records:  # each read as its own loss means it
        for entry in record["seeds"]:
            assert entry["history"][-1]["entropy"] < np.log(len(data.tokenizer)) - 0.1


# --- the folder ----------------------------------------------------------------------------------


def test_a_finished_grid_runs_nothing_again_and_gives_the_same_table(finished, data, monkeypatch):
    table, out = finished
    monkeypatch.setattr(cells, "train_cell", None)
    again = ablate(GRID, data, SEEDS, out)
    assert again.markdown() == table.markdown()
    assert again.results_csv() == table.results_csv()


def test_another_grid_takes_what_it_can_use(finished, data, monkeypatch):
    _, out = finished
    monkeypatch.setattr(cells, "train_cell", None)
    smaller = Grid({"lr": (1e-6, 0.03)}, dataclasses.replace(MODEL, tied=True), TRAIN)
    assert all(p.was_finished for p in run_grid(smaller, data, SEEDS, out))


def test_a_grid_that_was_stopped_goes_on_where_it_was(finished, started, data, tmp_path):
    table, _ = finished
    out = copy_of(started, tmp_path)
    (cell,) = (out / "cells").iterdir()
    before = cell.read_bytes(), cell.stat().st_mtime_ns
    litter, fresh = (out / "cells" / f".x.json.{n}.tmp" for n in (1, 2))
    litter.write_text("half")
    fresh.write_text("being written by another process")
    os.utime(litter, (0, 0))
    again = ablate(GRID, data, SEEDS, out)
    assert (cell.read_bytes(), cell.stat().st_mtime_ns) == before
    assert not litter.exists() and fresh.exists()
    assert again.markdown() == table.markdown()


def test_a_full_disk_is_reported_and_what_is_finished_stays(started, data, tmp_path, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    out = copy_of(started, tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        list(run_grid(GRID, data, SEEDS, out))
    assert len(list((out / "cells").iterdir())) == 1


def test_what_takes_longest_begins_first(data, monkeypatch):
    """Else one worker is left alone with it at the end."""
    begun = []

    def run(function, tasks, jobs):
        begun.extend(cell.name for cell, *_ in tasks)
        return iter(())

    monkeypatch.setattr(cells.workers, "run", run)
    grid = Grid({"depth": (1, 3, 2)}, ModelConfig(width=12, heads=3, context=8))
    assert list(run_grid(grid, data, seeds=2)) == []
    assert begun == ["depth=3", "depth=2", "depth=1"]


def test_a_folder_of_something_else_is_refused(finished, data, tmp_path):
    _, out = finished
    (tmp_path / "letter.txt").write_text("dear")
    other = Grid({"norm": ("none", "rmsnorm")}, MODEL, TRAIN)
    short = prepare(data.config.corpus, val_fraction=0.2)
    for grid, text, place, message in (
        (GRID, data, tmp_path, "something other than an ablation"),
        (GRID, data, tmp_path / "letter.txt", "something other than an ablation"),
        (other, data, out, "holds another grid: none of its 4 finished cells is one of these 2"),
        (GRID, short, out, "holds a grid on another text"),
    ):
        with pytest.raises(InputError, match=message):
            ablate(grid, text, SEEDS, place)


def test_a_damaged_cell_is_refused_by_name(finished, data, tmp_path):
    out = copy_of(finished[1], tmp_path)
    cell = min((out / "cells").iterdir())
    cell.write_text(cell.read_text()[:100])
    with pytest.raises(InputError, match=cell.name):
        ablate(GRID, data, SEEDS, out)
    cell.write_text('{"key": "another"}')
    with pytest.raises(InputError, match="not the cell that its name says"):
        ablate(GRID, data, SEEDS, out)


@pytest.mark.parametrize("seeds", [0, -1, [], [1, 1], [CHOOSER], 1001, [-1], [2**32]])
def test_seeds_that_cannot_be_are_refused(data, seeds):
    with pytest.raises(InputError, match="seeds="):
        ablate(GRID, data, seeds)


def test_a_text_too_short_for_a_cell_is_refused_naming_it(data):
    grid = Grid({"context": (8, 5000)}, MODEL, TRAIN)
    with pytest.raises(InputError, match="cell context=5000: the training split has"):
        ablate(grid, data, 2)


def test_all_that_matters_is_in_the_key_and_nothing_else(data):
    (cell,) = Grid({"norm": ("none",)}, MODEL, TRAIN).cells(len(data.tokenizer))
    text_hash = folder.hash_text(data)
    key = folder.key_of(cell, text_hash, [0, 1])

    def with_train(**changes):
        return cell._replace(train=dataclasses.replace(cell.train, **changes))

    assert key == folder.key_of(with_train(seed=7), text_hash, [0, 1])
    assert key == folder.key_of(with_train(lr=0.5), text_hash, [0, 1])  # the rates have it
    assert key == folder.key_of(cell._replace(settings={"depth": 1}), text_hash, [0, 1])
    deeper = dataclasses.replace(cell.model, depth=2)
    others = [
        folder.key_of(with_train(steps=61), text_hash, [0, 1]),
        folder.key_of(with_train(loss="squared_error"), text_hash, [0, 1]),
        folder.key_of(with_train(adam_lr=0.015), text_hash, [0, 1]),
        folder.key_of(cell._replace(model=deeper), text_hash, [0, 1]),
        folder.key_of(cell._replace(rates=(0.1,)), text_hash, [0, 1]),
        folder.key_of(cell._replace(ties=False), text_hash, [0, 1]),
        folder.key_of(cell, text_hash, [0, 2]),
        folder.key_of(cell, "other", [0, 1]),
    ]
    assert len({key, *others}) == 9


# --- the plan ------------------------------------------------------------------------------------


def test_a_plan_tries_a_cell_and_writes_nothing(data, tmp_path):
    forecast = plan(UNTIED, data, SEEDS, tmp_path / "out")
    assert [cell["steps"] for cell in forecast["cells"]] == [180]
    assert forecast["steps"] == 180 and forecast["seconds"] > 0
    assert not list(tmp_path.iterdir())


def test_the_plan_knows_what_is_finished(finished, data):
    forecast = plan(GRID, data, SEEDS, finished[1])
    assert all(cell["finished"] for cell in forecast["cells"]) and forecast["seconds"] == 0


def test_costs_between_two_sizes_lie_on_a_line_of_their_operations():
    small, middle, large, equal = (
        Grid({"width": (width,)}, MODEL, TRAIN).cells(vocab=1)[0] for width in (4, 8, 16, 4)
    )
    cheap = Cost(1.0, 2.0, 3.0)
    dear = Cost(1.0, 10.0, 3.0)
    cost = cost_between(middle, small, cheap, large, dear)
    assert cost.once == 1 and 2 < cost.step < 6  # below the middle: operations grow with squares
    assert cost_between(large, small, cheap, large, dear) == dear
    assert cost_between(small, small, cheap, equal, dear) == Cost(1.0, 6.0, 3.0)


# --- runs trained by hand ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_hand(data, tmp_path_factory):
    """Two configs, two seeds: as `minitx train` makes them."""
    home = tmp_path_factory.mktemp("runs")
    folders = []
    for tied in (False, True):
        for seed in (0, 1):
            config = dataclasses.replace(MODEL, tied=tied, vocab=len(data.tokenizer))
            recipe = dataclasses.replace(TRAIN, seed=seed)
            folders.append(home / f"{tied}-{seed}")
            state = training.begin(folders[-1], config, recipe, data, False)
            list(training.train_run(folders[-1], config, recipe, data, state))
    return folders


def test_runs_by_hand_are_compared_as_a_grid_is(by_hand, finished):
    table = comparison.compare(by_hand)
    assert table.cells == [{"tied": False}, {"tied": True}] and table.seeds == [0, 1]
    for name in ("val_loss", "growth", "entropy", "direction_swap", "first_block_gradient"):
        same = finished[0].values(name)[[0, 2], :2]
        np.testing.assert_allclose(table.values(name), same, rtol=1e-3)
    uneven = comparison.compare(by_hand[:3])
    assert uneven.seeds == [0]


def test_runs_that_cannot_be_compared_are_refused(by_hand, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(by_hand[2], copy)
    training.keep_metrics(copy, upto=30)
    for folders, message in (
        ([], "two runs, but 0"),
        (by_hand[:1], "two runs, but 1"),
        ([by_hand[0], by_hand[0]], "the same config and seed"),
        ([by_hand[0], by_hand[3]], "no seed is in every cell"),
        ([by_hand[0], tmp_path], "give the folder of a trained run"),
        ([by_hand[0], copy], "at step 30 of 60"),
    ):
        with pytest.raises(InputError, match=message):
            comparison.compare(folders)


def test_the_command_compare_saves_the_table_and_its_figures(by_hand, tmp_path, capsys):
    experiments.Compare(tuple(by_hand), tmp_path / "out").run()
    page = capsys.readouterr().out
    assert page.startswith("# 4 runs on ")
    assert (tmp_path / "out" / "table.md").read_text().startswith(page.rstrip())
    for name in ("switches", "cells", "layers"):
        assert (tmp_path / "out" / "figures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert rows_of((tmp_path / "out" / "figures" / f"{name}.csv").read_text())
    with pytest.raises(InputError, match="choose another --out"):
        experiments.Compare(tuple(by_hand), tmp_path / "out").run()


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.long
def test_ctrl_c_keeps_finished_cells_and_the_same_command_goes_on(data, tmp_path, capsys):
    flags = {
        "width": 8, "depth": 1, "heads": 2, "context": 7, "batch": 4, "steps": 60,
        "eval_every": 15, "warmup": 4, "final_lr": 0.0,
    }  # fmt: skip
    arguments = ["--corpus", data.config.corpus, "--init-std", "None", "--decay", "linear"]
    for name, value in flags.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    command = [sys.executable, "-m", "minitx", "ablate", "--vary", "tied=false,true",
               "--vary", "lr=0.03,1e-6", "--seeds", str(SEEDS), "--out", "out", *arguments,
               "--positions", "learned"]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "MINITX_CACHE": str(tmp_path / ".cache")},
    )  # fmt: skip
    while process.poll() is None and not list((tmp_path / "out" / "cells").glob("*.json")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130 and "run the same command again" in err and not out, err
    finished = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out" / "cells").glob("*.json")}
    assert 1 <= len(finished) < 4
    again = experiments.Ablate(
        ("tied=false,true", "lr=0.03,1e-6"), seeds=SEEDS, out=tmp_path / "out", json=True,
        data=DataConfig(data.config.corpus), model=MODEL, recipe=TRAIN,
    )  # fmt: skip
    again.run()
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["cells"]) == 4
    assert printed.err.count("finished before") == len(finished)
    for name, when in finished.items():
        assert (tmp_path / "out" / "cells" / name).stat().st_mtime_ns == when
    assert files.read_json(tmp_path / "out" / "table.json") == json.loads(printed.out)
