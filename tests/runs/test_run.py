"""The folder of a run, read: every file may be missing, broken or of another run."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
import safetensors.numpy
from tiny_run import CONFIG, RECIPE, WEIGHTS, refused, write_text

import minitx.text.data as data_module
from minitx import sample
from minitx.runs import checkpoint, run
from minitx.text import corpus, tokenizer
from minitx.text.data import prepare


def test_load_gives_back_the_run(reference, data, text):
    loaded = run.load(reference)
    assert loaded.recipe == RECIPE
    assert loaded.config == dataclasses.replace(CONFIG, vocab=len(data.tokenizer))
    assert loaded.tokenizer.tokens == data.tokenizer.tokens
    assert loaded.data == data.config and loaded.sha256 == data.sha256
    assert loaded.folder == reference
    assert loaded.data.corpus == str(text)
    tokens = next(sample.generate(loaded.model, data.train_tokens[None, :4], 3))
    assert tokens.shape == (1, 3)


def edit(folder, change):
    path = folder / "config.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_load_refuses_what_is_no_run(tmp_path):
    refused(lambda: run.load(tmp_path / "none"), tmp_path / "none", "config.json")
    refused(lambda: run.load(tmp_path), tmp_path, "config.json")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", "7", "null", '{"model": {}}', "\ufeff{}", "[" * 100_000]
)
def test_load_refuses_a_broken_config(copy, content):
    (copy / "config.json").write_text(content)
    refused(lambda: run.load(copy), copy / "config.json")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: c["model"].update(version=1), ["version 1"]),
        (lambda c: c["train"].update(version=0), ["version 0"]),
        (lambda c: c["model"].pop("version"), ["version"]),
        (lambda c: c["model"].update(wdith=3), ["wdith", "width"]),
        (lambda c: c["train"].update(colour=3), ["colour"]),
        (lambda c: c["model"].pop("width"), ["width"]),
        (lambda c: c["model"].update(width="8"), ["width"]),
        (lambda c: c["model"].update(heads=3), ["heads=3"]),
        (lambda c: c["model"].update(norm="batchnorm"), ["batchnorm"]),
        (lambda c: c["train"].update(lr=None), ["lr"]),
        (lambda c: c.update(model=None), ["ModelConfig"]),
        (lambda c: c.update(train=[1]), ["TrainConfig"]),
        (lambda c: c.pop("data"), ["config"]),
        (lambda c: c.update(data=None), ["data"]),
        (lambda c: c.update(data=[]), ["data"]),
        (lambda c: c.update(data={}), ["data"]),
        (lambda c: c["data"].pop("corpus"), ["corpus"]),
        (lambda c: c["data"].update(corpus=None), ["corpus"]),
        (lambda c: c["data"].update(val_fraction="x"), ["val_fraction"]),
        (lambda c: c["data"].update(val_fraction=7), ["val_fraction"]),
    ],
)
def test_load_refuses_a_config_that_does_not_fit(copy, change, words):
    edit(copy, change)
    refused(lambda: run.held_out(run.load(copy)), copy / "config.json", *words)


def test_load_refuses_a_tokenizer_that_does_not_fit(copy, data):
    path = copy / "tokenizer.json"
    for content in (None, b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"model": {"type": "BPE"}}'):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        else:
            refused(lambda: run.load(copy), path)
            path.touch()
        refused(lambda: run.load(copy), path)
    path.write_text(tokenizer.Characters((*data.tokenizer.tokens, "Z")).to_json())
    refused(lambda: run.load(copy), path, len(data.tokenizer) + 1, len(data.tokenizer))


@pytest.mark.parametrize("best", [False, True])
def test_load_refuses_weights_that_do_not_fit(copy, best):
    path = copy / WEIGHTS[best]
    whole = path.read_bytes()
    tensors = safetensors.numpy.load_file(path)
    marked = {"minitx": json.dumps({"kind": "model", "version": 1})}

    for value in (np.nan, np.inf):
        changed = {name: array.copy() for name, array in tensors.items()}
        changed["blocks.0.mlp.up.weight"][1, 1] = value
        path.write_bytes(safetensors.numpy.save(changed, metadata=marked))
        refused(lambda: run.load(copy, best), path, "blocks.0.mlp.up.weight")

    path.write_bytes(whole[:-1])
    refused(lambda: run.load(copy, best), path)
    path.unlink()
    refused(lambda: run.load(copy, best), copy)
    path.write_bytes(whole)
    edit(copy, lambda c: c["model"].update(depth=2))
    refused(lambda: run.load(copy, best), path, "blocks.1.")


def test_weights_that_may_not_be_read_are_not_called_missing(copy, monkeypatch):
    path = copy / "model.safetensors"
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read it; so the library says what it says to others

        def denied(*arguments, **keywords):
            raise FileNotFoundError(f"No such file or directory: {path}")

        monkeypatch.setattr(checkpoint.safetensors, "safe_open", denied)
    assert "does not exist" not in refused(lambda: run.load(copy), path)


# --- the text to measure on -----------------------------------------------------------------------


def test_held_out_is_the_validation_split(reference, data):
    loaded = run.load(reference)
    np.testing.assert_array_equal(run.held_out(loaded), data.val_tokens)


def test_what_a_run_has_not_seen_of_its_own_text_is_the_held_out_part(reference, data, tmp_path):
    """Whether the text is named or not, and by whatever name."""
    loaded = run.load(reference)
    other_name = tmp_path / "copy.txt"
    shutil.copy(loaded.data.corpus, other_name)
    for name in (None, loaded.data.corpus, str(other_name)):
        passage = run.unseen(loaded, name)
        np.testing.assert_array_equal(passage.tokens, data.val_tokens)
        assert passage.source == f"the held-out part of {name or loaded.data.corpus}"


def test_what_a_run_has_not_seen_of_another_text_is_the_whole(reference, tmp_path):
    loaded = run.load(reference)
    other = tmp_path / "other.txt"
    other.write_text("the mat")
    passage = run.unseen(loaded, str(other))
    np.testing.assert_array_equal(passage.tokens, loaded.tokenizer.encode("the mat"))
    assert passage.source == f"the whole of {other}"
    other.write_text("the QUEEN")
    refused(lambda: run.unseen(loaded, str(other)), "'Q'")
    refused(lambda: run.unseen(loaded, "no-such-text"), "no-such-text")


@pytest.mark.parametrize("name", ["kingdom", "zipf", "chain"])
def test_a_generated_corpus_is_refused_where_the_tokens_mean_something_else(reference, name):
    """Its ids are words of its own; read as characters they would measure nonsense."""
    assert name in corpus.GENERATORS
    refused(lambda: run.unseen(run.load(reference), name), name)


def test_held_out_refuses_a_text_that_has_changed(reference, tmp_path):
    text = tmp_path / "text.txt"
    loaded = run.load(reference)
    data = dataclasses.replace(loaded.data, corpus=str(text))
    loaded = dataclasses.replace(loaded, data=data)
    refused(lambda: run.held_out(loaded), text)
    write_text(text, words=401)
    refused(lambda: run.held_out(loaded), text, "changed")


def test_a_generated_run_is_held_out_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(data_module, "GENERATED_TOKENS", 3000)
    monkeypatch.setattr(run, "GENERATED_TOKENS", 3000)
    made = prepare("chain")
    config = dataclasses.replace(CONFIG, vocab=len(made.tokenizer))
    loaded = run.Run(tmp_path, None, config, RECIPE, made.tokenizer, made.config, None)
    np.testing.assert_array_equal(run.held_out(loaded), made.val_tokens)
    np.testing.assert_array_equal(run.unseen(loaded, "chain").tokens, made.val_tokens)


# --- the best weights ----------------------------------------------------------------------------


def test_the_best_weights_say_what_they_are(copy):
    lines = run.read_metrics(copy)
    best = min(lines, key=lambda line: line["val_loss"])
    (copy / "metrics.jsonl").unlink()
    assert run.best_evaluation(copy) == {"step": best["step"], "val_loss": best["val_loss"]}
    (copy / "best.safetensors").write_bytes(b"damaged")
    assert run.best_evaluation(copy) is None
    (copy / "best.safetensors").unlink()
    assert run.best_evaluation(copy) is None
