"""A corpus as tokens: where it is split, which tokenizer it gets, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from refusal import refused

from minitx.text import corpus
from minitx.text.data import prepare, read_tokenizer
from minitx.text.tokenizer import train

TEXT = "the cat sat on the mat, and the hen ran. " * 25


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_both_parts_together_are_the_text(text, kind):
    data = prepare(text, kind, vocab=270, val_fraction=0.3)
    tokens = np.concatenate([data.train_tokens, data.val_tokens])
    assert data.tokenizer.decode(tokens) == TEXT and data.tokenizer.kind == kind
    assert len(data.train_tokens) == int(len(tokens) * 0.7)
    assert data.sha256 == corpus.read_text(text).sha256 and data.generator is None


def test_a_tokenizer_comes_from_a_file_too(text, tmp_path, monkeypatch):
    (tmp_path / "mine.json").write_text(train("bpe", TEXT, 280).to_json())
    monkeypatch.chdir(tmp_path)
    data = prepare("mine.txt", "mine.json")
    assert data.tokenizer == read_tokenizer(tmp_path / "mine.json")
    assert data.config.tokenizer == str(tmp_path / "mine.json") and data.config.corpus == text


def test_a_generated_corpus_has_its_own_vocabulary():
    data = prepare("chain")
    assert data.tokenizer.tokens == data.generator.words and data.sha256 is None


def test_a_text_of_one_character_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("aaaaa")
    with refused("one character"):
        prepare(str(tmp_path / "a.txt"))


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
    with refused(tmp_path / "tokenizer.json", words):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_a_broken_tokenizer_is_refused_by_its_path(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with refused(tmp_path / "tokenizer.json", "broken JSON"):
        read_tokenizer(tmp_path / "tokenizer.json")
