"""A corpus as tokens: generated or read, cut in two, refused where nothing could be learned."""

from pathlib import Path

import numpy as np
import pytest
import refusal
from tiny_run import refused, write_text

import minitx.text.data as data_module
from minitx.config import DataConfig
from minitx.text import corpus, tokenizer
from minitx.text.data import prepare


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "text.txt")


@pytest.mark.parametrize("name", sorted(corpus.GENERATORS))
def test_prepare_generates(name, monkeypatch):
    monkeypatch.setattr(data_module, "GENERATED_TOKENS", 3000)
    made = prepare(name)
    assert made.generator.words == made.tokenizer.tokens
    together = np.concatenate([made.train_tokens, made.val_tokens])
    np.testing.assert_array_equal(together, made.generator.sample(3000, seed=0))
    assert len(made.val_tokens) == 300
    assert made.config.corpus == name and made.sha256 is None
    assert together.min() >= 0 and together.max() < len(made.tokenizer)


@pytest.mark.parametrize("kind", ["char", "word", "bpe", "file"])
def test_prepare_reads_a_text(text, tmp_path, kind):
    words = text.read_text()
    if kind == "file":
        kind = str(tmp_path / "my tokens.json")
        Path(kind).write_text(tokenizer.train("bpe", words, 270).to_json())
    made = prepare(str(text), kind, vocab=300, val_fraction=0.25)
    together = np.concatenate([made.train_tokens, made.val_tokens])
    assert made.tokenizer.decode(together) == words
    assert len(made.train_tokens) == int(len(together) * 0.75)
    assert made.generator is None
    assert made.config == DataConfig(str(text), kind, digits=False, val_fraction=0.25)
    assert made.sha256 == corpus.read_text(str(text)).sha256


def test_prepare_reads_the_shipped_text():
    made = prepare("fables")
    assert (
        made.tokenizer.decode(made.train_tokens[:4000])
        == ((corpus.DATA / "fables.txt").read_text("utf-8")[:4000])
    )
    assert made.config.corpus == "fables"


@pytest.mark.parametrize("val_fraction", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")])
def test_prepare_refuses_a_fraction_out_of_range(text, val_fraction):
    refused(lambda: prepare(str(text), val_fraction=val_fraction), "val_fraction")


def test_prepare_refuses_what_cannot_be_learned(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("a" * 1000)
    refused(lambda: prepare(str(text)), text)
    text.write_text("ab" * 100)
    refused(lambda: prepare(str(text), "words"), "words")
    refused(lambda: prepare(str(text), str(tmp_path / "no.json")), tmp_path / "no.json")
    refused(lambda: prepare(str(text), "bpe", vocab=100), "vocab=100")
    refused(lambda: prepare(str(text), "char", digits=True), "digits")
    foreign = tmp_path / "t.json"
    foreign.write_text(tokenizer.Characters(("x", "y")).to_json())
    refused(lambda: prepare(str(text), str(foreign)), "'a'")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "(Permission denied)"),
        (TimeoutError(), "(TimeoutError)"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "is not UTF-8"),
    ],
)
def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path, monkeypatch, error, words):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(Path, "read_text", fail)
    with refusal.refused(tmp_path / "tokenizer.json", words):
        data_module.read_tokenizer(tmp_path / "tokenizer.json")


def test_a_broken_tokenizer_is_refused_by_its_path(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with refusal.refused(tmp_path / "tokenizer.json", "broken JSON"):
        data_module.read_tokenizer(tmp_path / "tokenizer.json")
