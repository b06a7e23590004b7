"""One tiny run for all tests of what lies on disk: how it is trained, read and compared."""

import dataclasses
import json
import random
from pathlib import Path

import pytest

from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.runs import training

WEIGHTS = ("model.safetensors", "best.safetensors", "train_state.safetensors")
FILES = {"config.json", "tokenizer.json", "metrics.jsonl", *WEIGHTS}

# Dropout, so that its random numbers have to be taken up again too; steps that end between two
# evaluations; a seed and a rate with which the validation loss goes up and down, and up at the end.
# One model and one recipe for nearly all tests, because compiling is what takes the time.
CONFIG = ModelConfig(width=8, depth=1, heads=2, context=8, dropout=0.1)
RECIPE = TrainConfig(steps=31, batch=2, lr=0.3, warmup=2, eval_every=3, seed=5)


def write_text(path: Path, words=400) -> Path:
    rng = random.Random(1)
    vocabulary = ["the", "cat", "sat", "on", "a", "mat", "and", "ran"]
    path.write_text(" ".join(rng.choice(vocabulary) for _ in range(words)))
    return path


def reports_of(folder, data, resume=False, recipe=RECIPE, **switches):
    """The reports of a training in this process, as they come."""
    config = dataclasses.replace(CONFIG, vocab=len(data.tokenizer), **switches)
    state = training.begin(Path(folder), config, recipe, data, resume)
    return training.train_run(Path(folder), config, recipe, data, state)


def fit(folder, data, resume=False, recipe=RECIPE, **switches):
    """Train in this process, to the end."""
    return list(reports_of(folder, data, resume, recipe, **switches))


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def metrics(folder) -> list[dict]:
    """The lines of metrics.jsonl without their seconds, which are never the same twice."""
    lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    evaluations = [json.loads(line) for line in lines]
    for evaluation in evaluations:
        del evaluation["seconds"]
    return evaluations


def assert_same(folder, reference):
    """Equal to the byte, except the seconds; and nothing else lies about."""
    ours, theirs = contents(folder), contents(reference)
    for name in theirs.keys() - {"metrics.jsonl"}:
        assert ours[name] == theirs[name], name
    assert metrics(folder) == metrics(reference)
    assert ours.keys() == theirs.keys()


def refused(function, *words) -> str:
    """The one line that an InputError says; it names all the words."""
    with pytest.raises(InputError) as caught:
        function()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message
    return message
