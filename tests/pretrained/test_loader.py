"""Models by name or path: what is meant, what is refused, and what stands before a text."""

import dataclasses
import hashlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from test_folder import FIXTURES, refused
from test_tokenizer_files import folder_of

import minitx
from minitx.errors import InputError
from minitx.pretrained import loader


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINITX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def snapshot(cache, repository, commit="0123abcd", ref="main", fixture="gpt2") -> Path:
    """A hub's cache as its client lays it out: blobs, snapshots that link to them, refs."""
    home = cache / "hub" / f"models--{repository.replace('/', '--')}"
    folder = home / "snapshots" / commit
    folder.mkdir(parents=True)
    (home / "blobs").mkdir()
    (home / "refs").mkdir()
    (home / "refs" / ref).write_text(commit)
    (home / "pulled").mkdir()
    for name in (ref, commit):  # written last, when all of it has arrived
        (home / "pulled" / name).write_text(commit)
    for path in (FIXTURES / fixture).iterdir():
        blob = home / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        blob.write_bytes(path.read_bytes())
        (folder / path.name).symlink_to(blob)
    return folder


def test_a_pulled_model_is_found_by_name_and_revision(cache):
    refused(lambda: minitx.load("gpt2"), "minitx pull gpt2")
    folder = snapshot(cache, "openai-community/gpt2")
    assert loader.locate("gpt2") == loader.locate("openai-community/gpt2") == folder
    assert loader.locate("gpt2@0123abcd") == folder
    loaded = minitx.load("gpt2")
    assert loaded.config.width == 35 and loaded.name == "gpt2" and loaded.recipe is None
    assert loaded.model(np.zeros((1, 3), int)).shape == (1, 3, 53)
    refused(lambda: minitx.load("gpt2@other"), "minitx pull gpt2")
    snapshot(cache, "facebook/opt-125m", ref="v2", fixture="opt")
    refused(lambda: minitx.load("opt-125m"), "minitx pull opt-125m")
    assert minitx.load("opt-125m@v2").config.position_offset == 2


def test_what_exists_comes_before_a_pulled_name(cache, tmp_path, monkeypatch):
    snapshot(cache, "openai-community/gpt2")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt2").symlink_to(FIXTURES / "opt")
    assert minitx.load("gpt2").config.positions == "learned"
    assert minitx.load("gpt2").config.position_offset == 2


def test_names_and_places_that_hold_no_model_are_refused(tmp_path):
    refused(lambda: minitx.load("smolm2"), "smolm2", "did you mean 'smollm2'")
    refused(lambda: minitx.load(tmp_path / "none"), "none")
    refused(lambda: minitx.load(tmp_path), tmp_path, "config.json does not exist")
    (tmp_path / "config.json").write_text("{}")
    refused(lambda: minitx.load(tmp_path), tmp_path / "config.json", "not the config of a run")
    (tmp_path / "config.json").write_text("{")
    refused(lambda: minitx.load(tmp_path), tmp_path / "config.json", "not a complete JSON")
    refused(lambda: minitx.load(FIXTURES / "opt", best=True), "--best")
    refused(lambda: minitx.load(FIXTURES / "opt", dtype="int8"), "int8", "bfloat16")
    for name in ("../../x", "a/../b", "/a/b", "a/b/c", " "):
        with pytest.raises(InputError):
            minitx.load(name)


def test_a_tokeniser_that_is_too_large_is_of_another_model(tmp_path):
    for path in (FIXTURES / "gpt2").iterdir():
        (tmp_path / path.name).symlink_to(path)
    folder_of(tmp_path, "gpt2")
    refused(lambda: minitx.load(tmp_path), tmp_path, "262 tokens", "the model 53")


def test_bos_is_explicit(cache):
    loaded = minitx.load(FIXTURES / "gpt2")
    refused(lambda: loader.tokenizer_of(loaded), "gpt2", "tokenizer.json")
    refused(lambda: loader.beginning(loaded, True), "BOS")
    assert loader.beginning(loaded, False).tolist() == []
    for id in (-1, 53, 10**12, "<s>", True):
        words = types.SimpleNamespace(bos=id)
        other = dataclasses.replace(loaded, tokenizer=words)
        refused(lambda other=other: loader.beginning(other, True), repr(id), "53 tokens", "--bos")


def test_gguf_files_need_their_package(tmp_path, monkeypatch):
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "gguf", None)
    refused(lambda: minitx.load(tmp_path / "a.gguf"), "pip install 'minitx[pretrained]'")


# --- the command line ----------------------------------------------------------------------------


def readable(tmp_path, name="gpt2") -> Path:
    """A fixture with a tokeniser that fits its vocabulary."""
    folder = tmp_path / name
    folder.mkdir()
    for path in (FIXTURES / name).iterdir():
        (folder / path.name).symlink_to(path)
    words = ["<s>", *"abcdefghijklmnopqrstuvwxyz", "Ġ"]
    (folder / "vocab.json").write_text(json.dumps({w: n for n, w in enumerate(words)}))
    (folder / "merges.txt").write_text("")
    (folder / "tokenizer_config.json").write_text('{"bos_token": "<s>"}')
    return folder


def test_sample_and_inspect_take_any_model(tmp_path, monkeypatch, capsys):
    from minitx.cli.commands import Inspect, Sample

    monkeypatch.chdir(tmp_path)
    one = str(readable(tmp_path))
    Sample(one, prompt="the fox", tokens=3, bos=True, json=True).run()
    assert json.loads(capsys.readouterr().out)["samples"][0].startswith("<s>the fox")
    Inspect((one,), prompt="the fox and", bos=True, untrained=False).run()
    out, err = capsys.readouterr()
    assert "1 x 12 tokens of the prompt; BOS, the first token is '<s>'" in err
    assert "norm pos 0" in out and "UNTESTED here" in out
    assert (tmp_path / "gpt2-figures" / "dashboard.png").exists()
    assert not (tmp_path / "gpt2-figures" / "dashboard-untrained.csv").exists()
    refused(lambda: Inspect((one,), prompt="the fox " * 5).run(), "40 tokens", "19")


@pytest.mark.long
def test_a_model_is_set_beside_an_untrained_one_of_its_config(tmp_path, monkeypatch, capsys):
    from minitx.cli.commands import Inspect

    monkeypatch.chdir(tmp_path)
    Inspect((str(readable(tmp_path)),), prompt="the fox and", json=True).run()
    found = json.loads(capsys.readouterr().out)
    assert len(found["untrained"]["norm_median"]) == len(found["layers"]["norm_median"])
    assert found["untrained"]["norm_median"] != found["layers"]["norm_median"]


def test_several_models_are_set_side_by_side(tmp_path, monkeypatch, capsys):
    from minitx.cli.commands import Inspect

    monkeypatch.chdir(tmp_path)
    models = tuple(str(readable(tmp_path, name)) for name in ("gpt2", "opt"))
    Inspect(models, prompt="the fox ands", untrained=False, json=True).run()
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(models)
    lines = (tmp_path / "comparison" / "comparison.csv").read_text().splitlines()
    assert len(lines) == 1 + 4  # gpt2 is the deeper one, with three blocks and the embedding
    assert all(model in lines[0] for model in models) and lines[4].endswith(",,")
    Inspect(models, prompt="the fox ands", untrained=False, figures=tmp_path / "f").run()
    assert "side by side" in capsys.readouterr().out
    assert (tmp_path / "f" / "comparison.png").exists()
    refused(lambda: Inspect(()).run(), "no MODEL is given")
