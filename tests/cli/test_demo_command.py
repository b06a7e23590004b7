"""`minitx demo`: trains, samples and inspects; a second call continues."""

import dataclasses
import shutil

import pytest
from command_line import refused, works

from minitx.presets import PRESETS
from minitx.text import corpus

STEPS = 4


@pytest.fixture
def tiny(home, text, monkeypatch):
    """The demo in small: the text and the model that all commands are tested with."""
    (home / "data").mkdir()
    shutil.copy(text, home / "data" / corpus.SHIPPED["fables"])
    monkeypatch.setattr(corpus, "DATA", home / "data")
    demo = PRESETS["demo"]
    model = dataclasses.replace(demo.model, width=8, depth=1, heads=2, context=8)
    recipe = dataclasses.replace(demo.train, steps=STEPS, batch=2, eval_every=2)
    monkeypatch.setitem(PRESETS, "demo", dataclasses.replace(demo, model=model, train=recipe))


def test_the_demo_trains_samples_and_inspects(home, tiny):
    result = works("demo", "--steps", STEPS)
    for claim in ("norm of the state grows", "keep the state's direction", "how sure"):
        assert claim in result.out
    assert "\n\n\nThe " in result.out and "minitx sample minitx-demo" in result.err
    run = home / "minitx-demo"
    assert {path.name for path in run.iterdir()} >= {
        "model.safetensors",
        "findings.json",
        "page.html",
    }
    assert "minitx-demo/page.html" in result.err

    before = (run / "metrics.jsonl").read_bytes()
    again = works("demo", "--steps", STEPS)
    assert again.out == result.out
    assert (run / "metrics.jsonl").read_bytes() == before
    refused("demo", "--steps", STEPS + 1, names=["steps=4", "minitx-demo"])
