"""`minitx page`: where the page goes, what is in it, and what is refused."""

import json
import os
import re

import pytest
from command_line import listing, refused, works

from minitx.page import writer


def models_of(path) -> list[dict]:
    """What a page says of its models."""
    found = re.findall(
        r'<script type="application/json" data-model[^>]*>(.*?)</script>', path.read_text("utf-8")
    )
    return [json.loads(text) for text in found]


def test_the_page_lies_beside_the_other_files_of_a_run(run):
    said = works("page", run)
    path = run / "page.html"
    assert str(path) in said.err and "MB" in said.err and not said.out
    (model,) = models_of(path)
    assert model["name"] == "run" and len(model["examples"]) > 1 and sum(model["frequencies"])
    twice = works("page", run, "--json")
    assert json.loads(twice.out) == {"page": str(path), "bytes": path.stat().st_size}


def test_a_prompt_and_another_place(run, home):
    works("page", run, "--prompt", "the cat", "--out", home / "new" / "my.html", "--no-untrained")
    (model,) = models_of(home / "new" / "my.html")
    assert model["examples"][0] == "the cat"
    assert 'id="untrained-0"' not in (home / "new" / "my.html").read_text()


def test_several_models_in_one_page(run, home):
    os.symlink(run, home / "other")
    works("page", run, "other")
    assert [model["name"] for model in models_of(home / "page.html")] == ["run", "other"]
    refused("page", run, run, names=["two models are called run"])


def test_nothing_opens_where_nobody_looks(run, monkeypatch):
    monkeypatch.setenv("CI", "1")
    assert "no screen" in works("page", run, "--open").err


@pytest.mark.parametrize(
    "arguments, names",
    [
        ([], ["MODEL"]),
        (["nothing"], ["nothing"]),
        (["run", "--prompt", "the cat sat"], ["11 tokens", "run", "reads 8"]),
        (["run", "--prompt", "t"], ["1 tokens", "at least 2"]),
        (["run", "--prompt", "QX"], ["'Q'"]),
        (["run", "--out", "run/config.json/page.html"], ["config.json/page.html"]),
    ],
)
def test_input_that_cannot_be_used_is_refused(run, home, arguments, names):
    before = listing(home)
    refused("page", *arguments, names=names)
    assert listing(home) == before


def test_a_model_that_is_too_large_is_refused_with_its_size(run, home, monkeypatch):
    weights = (run / "model.safetensors").stat().st_size  # float32: as many bytes as two float16
    monkeypatch.setattr(writer, "LIMIT", weights)
    before = listing(home)
    refused("page", "run", names=["run: the page would be", "--no-untrained"])
    monkeypatch.setattr(writer, "LIMIT", weights // 2)
    assert "--no-untrained" not in refused("page", "run", names=["smaller"])
    assert listing(home) == before


def test_a_run_without_weights_or_text(run, home, monkeypatch):
    config = json.loads((run / "config.json").read_text())
    config["data"]["corpus"] = str(home / "gone.txt")
    (run / "config.json").write_text(json.dumps(config))
    refused("page", "run", names=["gone.txt", "--prompt"])
    works("page", "run", "--prompt", "the cat")
    assert models_of(run / "page.html")[0]["frequencies"] is None
    (run / "model.safetensors").unlink()
    refused("page", "run", "--prompt", "the cat", names=["model.safetensors"])
