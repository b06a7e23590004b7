"""Grids that run: resumed, refused, diverged; tables recomputed from their own CSV."""

import csv
import dataclasses
import io
import json
import os
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from minitx import files
from minitx.ablation import cells, comparison
from minitx.ablation.cells import CHOOSER, ablate, run_grid
from minitx.ablation.grid import Grid
from minitx.ablation.moments import EQUAL
from minitx.ablation.plan import plan
from minitx.cli.commands import experiments
from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.runs import run
from minitx.text.data import prepare
from minitx.train import train_seeds

MODEL = ModelConfig(width=8, depth=1, heads=2, context=8, init_std=None)
TRAIN = TrainConfig(
    steps=60, batch=4, lr=0.03, warmup=4, decay="linear", final_lr=0.0, eval_every=15
)
GRID = Grid({"tied": (True, False), "lr": (0.03, 1e-6)}, MODEL, TRAIN)
SEEDS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng, path = random.Random(1), tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(" ".join(rng.choice(["the", "cat", "sat", "on", "a"]) for _ in range(400)))
    return prepare(str(path))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A grid with a planted effect (a rate at which nothing is learned), in a folder."""
    folder = tmp_path_factory.mktemp("grid") / "out"
    return ablate(GRID, data, SEEDS, folder), folder


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def effect_of(table, change, name=None):
    found = {e.change: e for e in table.effects(name or table.yardstick)}
    return found[change]


def test_a_planted_effect_is_found(finished):
    table, _ = finished
    effect = effect_of(table, "lr: 0.03 → 1e-06")
    assert effect.adjusted_p < 0.05 and effect.estimate.low > 0.1
    assert any("lr: 0.03 → 1e-06" in s and s.endswith(": higher") for s in
               table.markdown().splitlines())  # fmt: skip


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
        differences.append(mean["false"] - mean["true"])
    mean, spread = np.mean(differences), np.std(differences, ddof=1) / np.sqrt(SEEDS)
    (told,) = [r for r in rows_of(table.effects_csv())
               if (r["measure"], r["change"]) == ("val_loss", "tied: true → false")]  # fmt: skip
    assert float(told["mean"]) == pytest.approx(mean)
    assert float(told["high"]) == pytest.approx(mean + 4.3026527 * spread)  # t, 2 degrees, 97.5 %


def test_the_same_cell_under_two_names_is_no_effect(data):
    """Momentum is nothing to AdamW: two names, one computation."""
    table = ablate(Grid({"momentum": (0.5, 0.9)}, MODEL, TRAIN, rates=(0.03,)), data, 2)
    for name in table.measures():
        for effect in table.effects(name):
            assert effect.differences_E == (0.0, 0.0) or effect.estimate is None
    assert "exactly the same in every seed: no effect" in table.markdown()
    assert "*" not in table.markdown().split("## How to read")[0].replace("**", "")


def test_seeds_trained_together_are_those_trained_alone(data, finished):
    table, _ = finished
    config = dataclasses.replace(MODEL, tied=True, vocab=len(data.tokenizer))
    for e, seed in enumerate(table.seeds):
        *_, (report,) = train_seeds(config, TRAIN, data.train_tokens, data.val_tokens, [seed])
        assert table.values("val_loss")[0, e] == pytest.approx(report.evaluation.val_loss, abs=1e-4)


def test_rates_in_one_program_are_those_of_recipes_of_their_own(data):
    """To the bit, and with adam_lr in proportion."""
    config = dataclasses.replace(MODEL, vocab=len(data.tokenizer))
    for recipe in (TRAIN, dataclasses.replace(TRAIN, optimizer="muon", adam_lr=0.003)):
        texts = data.train_tokens, data.val_tokens
        *_, together = train_seeds(config, recipe, *texts, [5, 5], rates=[0.03, 0.06])
        own = dataclasses.replace(recipe, lr=0.06, adam_lr=recipe.adam_lr and 2 * recipe.adam_lr)
        *_, (alone,) = train_seeds(config, own, *texts, [5])
        leaves = (jax.tree.leaves(report.state.params) for report in (together[1], alone))
        for a, b in zip(*leaves, strict=True):
            np.testing.assert_array_equal(a, b)
        assert together[1].evaluation.lr == pytest.approx(alone.evaluation.lr)
        assert together[0].evaluation.lr == pytest.approx(alone.evaluation.lr / 2)


def test_the_rate_is_the_best_of_its_set_for_a_seed_that_is_not_counted(data):
    grid = Grid({"norm": ("rmsnorm",)}, MODEL, TRAIN, rates=(1e-6, 0.03))
    (record,) = [p.record for p in run_grid(grid, data, [0]) if p.record]
    low, good = record["losses_at_rates"]
    assert good < low and record["train"]["lr"] == 0.03
    assert cells.best_rate((0.1, 0.2, 0.3), [None, 5.0, None]) == 0.2
    assert cells.best_rate((0.2, 0.1), [None, None]) == 0.1  # all diverged: the least wild
    assert CHOOSER not in [entry["seed"] for entry in record["seeds"]]


def test_a_cell_that_diverges_is_a_result_with_step_and_cause(data):
    wild = dataclasses.replace(TRAIN, clip=0.0, optimizer="sgd", warmup=0)
    grid = Grid({"lr": (0.1, 1e38)}, MODEL, wild)
    table = ablate(grid, data, 2)
    good, bad = (table.entries(m) for m in range(2))
    assert all(entry["failure"] is None for entry in good)
    assert all((entry["failure"]["step"] >= 0 and "not finite" in entry["failure"]["cause"]) or
               "overflows" in entry["failure"]["cause"] for entry in bad)  # fmt: skip
    text = table.markdown()
    assert "diverged" in text and "lr=1e+38 (seed 0 at step" in text
    assert "nothing can be said" in text
    json.dumps(table.json(), allow_nan=False)


def test_a_finished_grid_runs_nothing_again_and_gives_the_same_table(finished, data, monkeypatch):
    table, folder = finished
    monkeypatch.setattr(cells, "train_cell", None)
    again = ablate(GRID, data, SEEDS, folder)
    assert again.markdown() == table.markdown()
    assert again.results_csv() == table.results_csv()


def test_another_grid_takes_what_it_can_use(finished, data, monkeypatch):
    _, folder = finished
    monkeypatch.setattr(cells, "train_cell", None)
    smaller = Grid({"lr": (1e-6, 0.03)}, dataclasses.replace(MODEL, tied=True), TRAIN)
    assert all(p.kept for p in run_grid(smaller, data, SEEDS, folder))


def test_a_grid_that_was_killed_goes_on_where_it_was(finished, data, tmp_path, monkeypatch):
    table, _ = finished
    steps = run_grid(GRID, data, SEEDS, tmp_path / "out")
    while not next(steps).record:
        pass
    steps.close()
    (cell,) = (tmp_path / "out" / "cells").iterdir()
    before = cell.read_bytes(), cell.stat().st_mtime_ns
    litter, fresh = (tmp_path / "out" / "cells" / f".x.json.{n}.tmp" for n in (1, 2))
    litter.write_text("half")
    fresh.write_text("being written by another process")
    os.utime(litter, (0, 0))
    again = ablate(GRID, data, SEEDS, tmp_path / "out")
    assert (cell.read_bytes(), cell.stat().st_mtime_ns) == before
    assert not litter.exists() and fresh.exists()
    assert again.markdown() == table.markdown()


def test_a_folder_of_something_else_is_refused(finished, data, tmp_path):
    _, folder = finished
    (tmp_path / "letter.txt").write_text("dear")
    other = Grid({"norm": ("none", "rmsnorm")}, MODEL, TRAIN)
    short = prepare(data.config.corpus, val_fraction=0.2)
    for grid, text, out, message in (
        (GRID, data, tmp_path, "something that is no ablation"),
        (GRID, data, tmp_path / "letter.txt", "something that is no ablation"),
        (other, data, folder, "holds another grid: none of its 4 finished cells is one of these 2"),
        (GRID, short, folder, "holds a grid on another text"),
    ):
        with pytest.raises(InputError, match=message):
            ablate(grid, text, SEEDS, out)


def test_a_damaged_cell_is_refused_by_name(finished, data, tmp_path):
    _, folder = finished
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    cell = min((copy / "cells").iterdir())
    cell.write_text(cell.read_text()[:100])
    with pytest.raises(InputError, match="no whole JSON"):
        ablate(GRID, data, SEEDS, copy)
    cell.write_text('{"key": "another"}')
    with pytest.raises(InputError, match="not the cell that its name says"):
        ablate(GRID, data, SEEDS, copy)


@pytest.mark.parametrize("seeds", [0, -1, [], [1, 1], [CHOOSER], 1001, [-1], [2**32]])
def test_seeds_that_cannot_be_are_refused(data, seeds):
    with pytest.raises(InputError, match="seeds="):
        ablate(GRID, data, seeds)


def test_a_text_too_short_for_a_cell_is_refused_naming_it(data):
    grid = Grid({"context": (8, 5000)}, MODEL, TRAIN)
    with pytest.raises(InputError, match="cell context=5000: the training split has"):
        ablate(grid, data, 2)


def test_one_seed_has_no_intervals_and_says_so(data):
    table = ablate(Grid({"tied": (True, False)}, MODEL, TRAIN, rates=(0.03,)), data, 1)
    text = table.markdown()
    assert "With one seed there are no intervals" in text and "from one seed" in text
    assert " to +" not in text.split("## The same after")[0]


def test_all_that_matters_is_in_the_key_and_nothing_else(data):
    (cell,) = Grid({"norm": ("none",)}, MODEL, TRAIN).cells(len(data.tokenizer))
    text = cells.fingerprint(data)
    key = cells.key_of(cell, text, [0, 1])

    def with_train(**changes):
        return cell._replace(train=dataclasses.replace(cell.train, **changes))

    assert key == cells.key_of(with_train(seed=7), text, [0, 1])
    assert key == cells.key_of(with_train(lr=0.5), text, [0, 1])  # the rates have it
    assert key == cells.key_of(cell._replace(settings={"depth": 1}), text, [0, 1])
    others = [
        cells.key_of(with_train(steps=61), text, [0, 1]),
        cells.key_of(with_train(loss="squared_error"), text, [0, 1]),
        cells.key_of(cell._replace(model=dataclasses.replace(cell.model, depth=2)), text, [0, 1]),
        cells.key_of(cell._replace(rates=(0.1,)), text, [0, 1]),
        cells.key_of(cell, text, [0, 2]),
        cells.key_of(cell, "other", [0, 1]),
    ]
    assert len({key, *others}) == 7


def test_equal_loss_is_read_between_the_nearest_evaluations(finished):
    table, _ = finished
    assert table.target == table.values("val_loss")[[0, 2]].max()  # the cells that learn
    steps, entropy = table.values("steps_to_loss"), table.values("entropy", EQUAL)
    assert np.isfinite(steps[[0, 2]]).all() and np.isnan(steps[[1, 3]]).all()
    history = table.entries(0)[0]["history"]
    losses = [moment["val_loss"] for moment in history]
    k = next(i for i, loss in enumerate(losses) if loss <= table.target)
    part = (losses[k - 1] - table.target) / (losses[k - 1] - losses[k])
    assert steps[0, 0] == pytest.approx(15 * (k - 1 + part))
    a, b = history[k - 1]["entropy"], history[k]["entropy"]
    assert entropy[0, 0] == pytest.approx(a + part * (b - a))


def test_cells_trained_on_two_losses_are_judged_by_what_their_scores_mean(data):
    grid = Grid({"loss": ("cross_entropy", "squared_error")}, MODEL, TRAIN, rates=(0.03,))
    table = ablate(grid, data, 2)
    assert table.yardstick == "fitted_loss" and not table.effects("val_loss")
    assert "whose values cannot be compared" in table.markdown()
    for record in table.records:  # each read as its own loss means it
        for entry in record["seeds"]:
            assert entry["history"][-1]["entropy"] < np.log(len(data.tokenizer)) - 0.1
    assert set(table.json()["sentences"]) >= {"fitted_loss"}


def test_a_plan_writes_nothing(data, tmp_path):
    told = plan(GRID, data, 2, tmp_path / "out")
    assert [cell["steps"] for cell in told["cells"]] == [120] * 4
    assert told["steps"] == 480 and told["seconds"] > 0
    assert not list(tmp_path.iterdir())


def test_the_plan_knows_what_is_finished(finished, data):
    told = plan(GRID, data, SEEDS, finished[1])
    assert all(cell["finished"] for cell in told["cells"]) and told["seconds"] == 0


def test_a_full_disk_is_told_and_what_is_finished_stays(finished, data, tmp_path, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    folder = tmp_path / "out"
    steps = run_grid(GRID, data, SEEDS, folder)
    while not next(steps).record:
        pass
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        list(steps)
    monkeypatch.undo()
    assert len(list((folder / "cells").iterdir())) == 1


def test_pictures_and_their_numbers_are_saved(finished, tmp_path):
    table, _ = finished
    experiments.save(table, tmp_path)
    for name in ("switches", "cells", "layers"):
        assert (tmp_path / "figures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        rows = rows_of((tmp_path / "figures" / f"{name}.csv").read_text())
        assert rows
    dots = rows_of((tmp_path / "figures" / "cells.csv").read_text())
    dots = [float(r["value"]) for r in dots if r["measure"] == "val_loss"]
    np.testing.assert_allclose(dots, table.values("val_loss").ravel())
    shown = rows_of((tmp_path / "figures" / "switches.csv").read_text())
    mean = [float(r["mean_over_cells"]) for r in shown
            if (r["measure"], r["switch"], r["value"]) == ("val_loss", "tied", "true")]  # fmt: skip
    np.testing.assert_allclose(mean, table.values("val_loss")[:2].mean(axis=0))


# --- runs trained by hand ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_hand(data, tmp_path_factory):
    """Two configs, two seeds: as `minitx train` makes them."""
    home, folders = tmp_path_factory.mktemp("runs"), []
    for norm in ("none", "rmsnorm"):
        for seed in (0, 1):
            config = dataclasses.replace(MODEL, norm=norm, vocab=len(data.tokenizer))
            recipe = dataclasses.replace(TRAIN, seed=seed)
            folder = home / f"{norm}-{seed}"
            state = run.begin(folder, config, recipe, data, False)
            list(run.train_run(folder, config, recipe, data, state))
            folders.append(folder)
    return folders


def test_runs_by_hand_are_compared_as_a_grid_is(by_hand, data):
    table = comparison.compare(by_hand)
    assert table.cells == [{"norm": "none"}, {"norm": "rmsnorm"}] and table.seeds == [0, 1]
    grid = Grid({"norm": ("none", "rmsnorm")}, MODEL, TRAIN, rates=(TRAIN.lr,))
    same = ablate(grid, data, 2)
    for name in ("val_loss", "growth", "entropy", "direction_swap", "gradient_ratio"):
        np.testing.assert_allclose(table.values(name), same.values(name), rtol=1e-3)


def test_runs_that_cannot_be_compared_are_refused(by_hand, tmp_path):
    for folders, message in (
        ([], "0 runs are too few"),
        (by_hand[:1], "1 runs are too few"),
        ([by_hand[0], by_hand[0]], "the same config and seed"),
        ([by_hand[0], by_hand[3]], "no seed is in every cell"),
        ([by_hand[0], tmp_path], "give the folder of a trained run"),
    ):
        with pytest.raises(InputError, match=message):
            comparison.compare(folders)


def test_an_unfinished_run_is_refused(by_hand, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(by_hand[2], copy)
    run.keep_metrics(copy, upto=30)
    with pytest.raises(InputError, match="at step 30 of 60"):
        comparison.compare([by_hand[0], copy])


# --- the command ---------------------------------------------------------------------------------

FLAGS = [
    "--width", "8", "--heads", "2", "--context", "8", "--batch", "2",
    "--steps", "8", "--eval-every", "4", "--warmup", "1",
]  # fmt: skip


def start(folder, *arguments):
    environment = {**os.environ, "MINITX_CACHE": str(folder / ".cache")}
    return subprocess.Popen(
        [sys.executable, "-m", "minitx", *arguments], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_ctrl_c_keeps_finished_cells_and_the_same_command_goes_on(data, tmp_path):
    command = [
        "ablate", "--vary", "depth=0,2", "--seeds", "2",
        "--corpus", data.config.corpus, *FLAGS, "--out", "out", "--rates", "0.01",
    ]  # fmt: skip
    process = start(tmp_path, *command)
    while process.poll() is None and not list((tmp_path / "out" / "cells").glob("*.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130 and "the same command goes on" in err and not out
    finished = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out" / "cells").glob("*.json")}
    assert len(finished) == 1
    process = start(tmp_path, *command, "--json")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert len(json.loads(out)["cells"]) == 2
    assert err.count("finished before") == len(finished)
    for name, when in finished.items():
        assert (tmp_path / "out" / "cells" / name).stat().st_mtime_ns == when
    assert files.read_json(tmp_path / "out" / "table.json") == json.loads(out)
