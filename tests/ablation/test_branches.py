"""Equal loss: a constant rate, cool-downs that branch off, and what is read between them."""

import dataclasses
import random

import numpy as np
import pytest
from made_up import make_table

from minitx.ablation import branches, one_cell
from minitx.ablation.branches import Branch, plan_branches
from minitx.ablation.cells import ablate, run_grid
from minitx.ablation.grid import Grid
from minitx.ablation.measures import END, EQUAL, find_crossing
from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.step import init_state
from minitx.text.data import prepare
from minitx.train import train_seeds

MODEL = ModelConfig(width=8, depth=1, heads=2, context=7, init_std=None)
TRAIN = TrainConfig(steps=60, batch=4, lr=0.03, warmup=9, decay="linear", eval_every=25)
GRID = Grid({"tied": (False, True)}, MODEL, TRAIN, rates=(0.03, 0.01), equal_loss=True, ties=False)
SEEDS = 2


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = random.Random(1)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(" ".join(rng.choice(["the", "cat", "sat", "on", "a"]) for _ in range(400)))
    return prepare(str(path))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("grid") / "out"
    return ablate(GRID, data, SEEDS, out), out


# --- which branches ------------------------------------------------------------------------------


def test_branches_end_at_steps_that_grow_by_a_factor_and_cool_for_a_tenth():
    planned = plan_branches(TrainConfig(steps=800, warmup=20))
    assert [branch.end for branch in planned] == [100, 141, 200, 283, 400, 566, 800]
    for start, end in planned:
        assert (end - start) / start == pytest.approx(0.1, abs=0.006)
    extra = branches.count_steps(planned) - 800
    assert extra == sum(end - start for start, end in planned[:-1]) == 153


def test_no_branch_starts_during_the_warm_up():
    assert plan_branches(TrainConfig(steps=60, warmup=20)) == [
        Branch(27, 30), Branch(38, 42), Branch(55, 60),
    ]  # fmt: skip
    with pytest.raises(InputError, match="steps=20 with warmup=19 leaves no constant rate"):
        plan_branches(TrainConfig(steps=20, warmup=19))


def test_a_grid_that_leaves_no_constant_rate_is_refused_by_cell(data):
    grid = dataclasses.replace(GRID, vary={"warmup": (9, 58)})
    with pytest.raises(InputError, match="cell warmup=58: steps=60 with warmup=58 leaves no"):
        ablate(grid, data, SEEDS)


@pytest.mark.parametrize("name, values", [("decay", ("linear", "constant")), ("final_lr", (0.1,))])
def test_a_decay_cannot_vary_at_equal_loss(name, values):
    with pytest.raises(InputError, match=f"{name} varies, but"):
        Grid({name: values}, equal_loss=True)


def test_the_steps_of_cool_downs_are_counted():
    (cell, _) = GRID.cells(vocab=7)
    planned = plan_branches(cell.train)
    assert cell.train.decay == "constant" and len(planned) == 6
    per_model = 60 + sum(end - start for start, end in planned[:-1])
    assert one_cell.count_steps(cell, [0, 1, 2]) == 2 * 60 + 3 * per_model
    assert one_cell.cooling_share(cell) == pytest.approx(per_model / 60 - 1)


# --- training ------------------------------------------------------------------------------------


def test_a_branch_is_the_model_that_a_linear_decay_to_zero_makes_of_the_trunk(finished, data):
    """The reference trains the trunk and the decay with schedules of the optimizer alone."""
    record = finished[0].records[0]
    config = dataclasses.replace(MODEL, vocab=len(data.tokenizer))
    start, end = record["branches"][1]
    rate = record["train"]["lr"]
    assert record["losses_at_rates"][GRID.rates.index(rate)] == min(record["losses_at_rates"])
    trunk = dataclasses.replace(TRAIN, decay="constant", steps=start).at_rate(rate)
    decay = dataclasses.replace(trunk, decay="linear", final_lr=0.0, warmup=start, steps=end)
    text = data.train_tokens, data.val_tokens
    ((report,),) = list(train_seeds(config, trunk, *text, [init_state(config, trunk, 1)]))[-1:]
    ((report,),) = list(train_seeds(config, decay, *text, [report.state]))[-1:]
    moment = record["seeds"][1]["history"][2]  # the first is untrained
    assert moment["step"] == end == report.evaluation.step
    assert moment["val_loss"] == pytest.approx(report.evaluation.val_loss, rel=1e-5)


def test_a_branch_leaves_the_model_that_goes_on_as_it_was(finished, data):
    record = finished[0].records[0]
    config = dataclasses.replace(MODEL, vocab=len(data.tokenizer))
    (cell, _) = GRID.cells(len(data.tokenizer))
    recipe = cell.train.at_rate(record["train"]["lr"])
    last = plan_branches(recipe)[-1:]
    states = [init_state(config, recipe, seed) for seed in range(SEEDS)]
    *_, reports = branches.train_branches(config, recipe, data, states, last)
    alone = [report.evaluation.val_loss for report in reports]
    assert alone == pytest.approx([e["history"][-1]["val_loss"] for e in record["seeds"]])


def test_only_models_that_have_cooled_down_are_in_the_history(finished):
    for record in finished[0].records:
        ends = [end for _, end in record["branches"]]
        for entry in record["seeds"]:
            assert [moment["step"] for moment in entry["history"]] == [0, *ends]


def test_a_grid_that_was_stopped_among_its_branches_gives_the_same_table(finished, data, tmp_path):
    table, _ = finished
    out = tmp_path / "out"
    steps = run_grid(GRID, data, SEEDS, out)
    for progress in steps:
        if progress.number == 2 and progress.done > 200:  # of 262: past the choice of a rate
            break
    steps.close()
    assert progress.record is None and len(list((out / "cells").iterdir())) == 1
    again = ablate(GRID, data, SEEDS, out)
    assert again.markdown() == table.markdown()
    assert again.results_csv() == table.results_csv()


def test_a_model_that_diverges_is_reported_and_the_others_go_on(data):
    wild = dataclasses.replace(TRAIN, clip=0.0, optimizer="sgd", decay="constant", warmup=0)
    config = dataclasses.replace(MODEL, vocab=len(data.tokenizer))
    states = [init_state(config, wild.at_rate(rate), 0) for rate in (0.1, 1e38)]
    planned = [Branch(20, 22), Branch(50, 55)]
    ends = []
    for good, bad in branches.train_branches(config, wild, data, states, planned):
        assert not good.failure
        if good.evaluation:
            ends.append((good.evaluation.step, bad.evaluation, bool(bad.failure)))
    assert ends == [(22, None, True), (55, None, True)]


# --- what is read --------------------------------------------------------------------------------


def test_equal_loss_is_read_between_the_nearest_branches(finished):
    table, _ = finished
    assert table.target == table.values("val_loss").max()
    steps = table.values("steps_to_loss")
    entropy = table.values("entropy", EQUAL)
    assert np.isfinite(steps).all() and (steps <= 60 * (1 + 1e-9)).all()
    m, e = np.unravel_index(steps.argmin(), steps.shape)
    history = table.entries(m)[e]["history"]
    losses = [moment["val_loss"] for moment in history]
    k = next(i for i, loss in enumerate(losses) if loss <= table.target)
    assert k > 1
    share = (losses[k - 1] - table.target) / (losses[k - 1] - losses[k])
    before, after = history[k - 1 : k + 1]
    by_hand = before["step"] * (after["step"] / before["step"]) ** share
    assert steps[m, e] == pytest.approx(by_hand)
    by_hand = before["entropy"] + share * (after["entropy"] - before["entropy"])
    assert entropy[m, e] == pytest.approx(by_hand)


def moments(*pairs):
    return [{"step": step, "loss": loss} for step, loss in pairs]


def test_steps_are_interpolated_by_their_logarithms():
    crossing = find_crossing(moments((0, 9.0), (20, 4.0), (80, 2.0)), "loss", 3.0)
    assert crossing.share == 0.5 and crossing.step == pytest.approx(40)
    early = find_crossing(moments((0, 9.0), (20, 4.0)), "loss", 6.5)
    assert early.is_early and early.step == pytest.approx(10)


def test_numbers_at_equal_loss_lie_between_the_two_nearest_branches():
    """Growth is 16 ** share of the steps, the loss falls along a line from 4 to 2 or to 2.5."""
    table = make_table(
        {"a": (1, 2)},
        lambda s: 2.0 if s["a"] == 1 else 2.5,
        lambda s: 16.0,
        at=(0, 10, 20, 30, 40, 50),
    )
    assert table.target == pytest.approx(2.5, abs=0.01)  # the first cell passes it at step 37.5
    values = table.values("growth", EQUAL)
    assert np.log(values[0]) == pytest.approx(0.75 * np.log(16), rel=0.02)
    assert np.log(values[1]) == pytest.approx(np.log(16), rel=0.02)
    steps = table.values("steps_to_loss")
    assert steps[0] == pytest.approx(30 * (40 / 30) ** 0.75, rel=0.01)


def test_without_cool_downs_nothing_is_said_about_equal_loss():
    table = make_table({"a": (1, 2)}, lambda s: 2.0, lambda s: 16.0)
    del table.records[1]["branches"]
    assert table.target is None and table.moments("growth") == (END,) and not table.not_learned
    assert "steps_to_loss" not in table.measures()
    text = " ".join(table.markdown().split())
    assert "`ablate --equal-loss` compares at equal loss too" in text
    assert "steps to" not in text and "at a loss of" not in text
    assert not [key for key in table.json()["effects"] if key.endswith("at equal loss")]
