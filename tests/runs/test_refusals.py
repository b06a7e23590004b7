"""A run that is begun or resumed with something else is refused, and nothing of it is lost."""

import contextlib
import dataclasses
import random
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from tiny_run import (
    CONFIG,
    FILES,
    RECIPE,
    WEIGHTS,
    contents,
    fit,
    refused,
    reports_of,
    write_text,
)

from minitx.progress import NonFinite
from minitx.runs import run, training
from minitx.step import init_state
from minitx.text import tokenizer
from minitx.text.data import prepare


def unchanged(folder, function, *words) -> str:
    before = contents(folder) if Path(folder).is_dir() else None
    message = refused(function, *words)
    assert (contents(folder) if Path(folder).is_dir() else None) == before
    return message


def test_another_run_is_not_overwritten(copy, data):
    unchanged(copy, lambda: fit(copy, data), copy, "--resume", "--out")


def test_a_folder_with_other_files_is_not_touched(tmp_path, data):
    (tmp_path / "thesis.txt").write_text("years of work")
    unchanged(tmp_path, lambda: fit(tmp_path, data), tmp_path, "--out")
    unchanged(tmp_path, lambda: fit(tmp_path, data, resume=True), tmp_path, "--out")


def test_resume_needs_a_run(tmp_path, data):
    folder = tmp_path / "none"
    unchanged(folder, lambda: fit(folder, data, resume=True), folder, "--resume")
    assert not folder.exists()
    fit(tmp_path, data)  # an empty folder will do
    assert contents(tmp_path).keys() == FILES


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 12}, {"batch": 3}, {"lr": 0.2}, {"optimizer": "sgd"}, {"warmup": 3}, {"seed": 1},
        {"eval_every": 4}, {"clip": 0.0}, {"decay": "linear"}, {"loss": "squared_error"},
    ],
)  # fmt: skip
def test_resume_with_another_recipe_is_refused(copy, data, change):
    [(name, value)] = change.items()
    recipe = dataclasses.replace(RECIPE, **change)
    words = (f"{name}={getattr(RECIPE, name)}", str(value), copy)
    unchanged(copy, lambda: fit(copy, data, resume=True, recipe=recipe), *words)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 16}, {"depth": 2}, {"heads": 1}, {"context": 9}, {"norm": "rmsnorm"},
        {"dropout": 0.2}, {"tied": True}, {"bias": True}, {"mlp": "relu"}, {"norm_epsilon": 1e-6},
    ],
)  # fmt: skip
def test_resume_with_another_model_is_refused(copy, data, change):
    [(name, value)] = change.items()
    unchanged(copy, lambda: fit(copy, data, resume=True, **change), name, str(value), copy)


def test_resume_with_another_text_is_refused(tmp_path):
    text = write_text(tmp_path / "text.txt")
    folder = tmp_path / "run"
    fit(folder, prepare(str(text)))
    for words in (text.read_text()[:-1] + "e", text.read_text()[:-9]):
        text.write_text(words)
        data = prepare(str(text))
        unchanged(folder, lambda data=data: fit(folder, data, resume=True), "sha256", folder)
    write_text(text)
    other = write_text(tmp_path / "other.txt")
    for name, data in {
        "corpus": prepare(str(other)),
        "val_fraction": prepare(str(text), val_fraction=0.2),
    }.items():
        unchanged(folder, lambda data=data: fit(folder, data, resume=True), name, folder)


def test_resume_with_another_tokenizer_is_refused(tmp_path, text):
    """Of the same kind, size and file name, but with other ids: the weights would mean nothing."""
    path, folder = tmp_path / "tokens.json", tmp_path / "run"
    tokens = tokenizer.train("char", text.read_text()).tokens
    path.write_text(tokenizer.Characters(tokens).to_json())
    fit(folder, prepare(str(text), str(path)))
    path.write_text(tokenizer.Characters(tokens[::-1]).to_json())
    data = prepare(str(text), str(path))
    unchanged(folder, lambda: fit(folder, data, resume=True), folder, "tokenizer")


@pytest.mark.parametrize("damage", ["empty", "cut", "random", "foreign", "other run", "folder"])
def test_a_broken_state_is_refused_with_a_cure(copy, data, damage):
    path = copy / "train_state.safetensors"
    whole = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
        refused(lambda: fit(copy, data, resume=True), path)
        return
    path.write_bytes({
        "empty": b"",
        "cut": whole[:-5],
        "random": random.Random(1).randbytes(500),
        "foreign": safetensors.numpy.save({"a": np.ones(3)}),
        "other run": (copy / "model.safetensors").read_bytes(),
    }[damage])  # fmt: skip
    message = unchanged(copy, lambda: fit(copy, data, resume=True), path)
    assert "restore" in message or "train again" in message or "minitx" in message


def test_a_state_that_was_lost_does_not_cost_the_rest(copy, data):
    """Weights and metrics of a whole run are there: starting again would overwrite them."""
    (copy / "train_state.safetensors").unlink()
    unchanged(copy, lambda: fit(copy, data, resume=True), copy)


@pytest.mark.parametrize("content", [b"", None, b"\xff\xfe\0garbage"])
def test_metrics_that_were_lost_do_not_cost_the_best_weights(tmp_path, data, reference, content):
    """Whoever goes on without metrics.jsonl does not take worse weights for the best."""
    best_step = run.best_evaluation(reference)["step"]
    assert best_step < RECIPE.steps  # there are worse ones to come
    with contextlib.closing(reports_of(tmp_path / "run", data)) as reports:
        next(report for report in reports if report.step == best_step)
    (tmp_path / "run" / "metrics.jsonl").unlink()
    if content is not None:
        (tmp_path / "run" / "metrics.jsonl").write_bytes(content)
    fit(tmp_path / "run", data, resume=True)
    assert run.read_metrics(tmp_path / "run")[-1]["step"] == RECIPE.steps
    for name in WEIGHTS:
        assert contents(tmp_path / "run")[name] == contents(reference)[name]


def test_a_text_that_is_too_short_leaves_nothing(tmp_path):
    text = tmp_path / "short.txt"
    text.write_text("abcdefghi")
    folder = tmp_path / "run"
    refused(lambda: fit(folder, prepare(str(text))), "context=8", "--context")
    assert not folder.exists()  # so that the same command works once the cure has been taken
    for val_fraction, split in ((0.01, "validation"), (0.99, "training")):
        data = prepare(str(text), val_fraction=val_fraction)
        refused(lambda data=data: fit(folder, data, context=2), split)
        assert not folder.exists()


def test_training_that_explodes_keeps_its_last_good_state(tmp_path, data, monkeypatch):
    """What `train` calls the last good state is saved, and can be loaded and resumed."""
    config = dataclasses.replace(CONFIG, vocab=len(data.tokenizer))
    good = init_state(config, RECIPE)._replace(step=jnp.int32(2), bad_step=jnp.int32(2))

    def train(*arguments):
        raise NonFinite("stopped at step 3: lower --lr", good)
        yield

    monkeypatch.setattr(training, "train", train)
    refused(lambda: fit(tmp_path, data), "step 3", "--lr", tmp_path)
    run.load(tmp_path)
    assert run.read_metrics(tmp_path) == []
    state = training.begin(tmp_path, config, RECIPE, data, resume=True)
    assert int(state.step) == 2 and int(state.bad_step) == -1
    jax.tree.map(np.testing.assert_array_equal, good.params, state.params)


@pytest.mark.parametrize("path", ["/proc/no/such", "a" * 300, "text.txt", "text.txt/run"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, data, path):
    write_text(tmp_path / "text.txt")
    refused(lambda: fit(tmp_path / path, data), path)
    refused(lambda: run.load(tmp_path / path), path)
