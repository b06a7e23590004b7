"""Tokenizers from files: what splits a text is named, and decides the ids."""

import json

import numpy as np
import pytest
import tokenizers
from test_folder import refused

from minitx.pretrained import tokenizer_files
from minitx.text.bpe import BPE, byte_of_letter

LETTERS = list(byte_of_letter())
TEXT = "it's 1999\n\n2.  x²  naïve\t日本 👍🏽 \u00a0 e\u0301 "


def library(pre, merges=(), special=(), plain=()):
    tokens = [*LETTERS, *("".join(pair) for pair in merges), *special, *plain]
    vocabulary = {token: id for id, token in enumerate(tokens)}
    return tokenizer_files.byte_level(vocabulary, list(merges), pre, list(special), list(plain))


def pieces(pre, text) -> list[str]:
    """How a text is split before anything is merged."""
    cuts = library(pre).pre_tokenizer.pre_tokenize_str(text)
    return [text[a:b] for _, (a, b) in cuts]


@pytest.mark.parametrize("pre", tokenizer_files.EXPRESSIONS)
def test_every_text_comes_back(pre):
    words = library(pre, [("Ġ", "x"), ("1", "9")], ["<|end|>"])
    words = BPE(words.to_str(), strict=False)
    text = TEXT if pre != "qwen2" else TEXT.replace("e\u0301", "é")
    for given in (text, "", " ", "<|end|>a<|end|>", text + "<|end|>\n"):
        assert words.decode(words.encode(given)) == given
    assert words.encode("<|end|>").tolist() == [258]
    assert words.encode("x").dtype == np.int32 and len(words) == 259 == len(words.tokens)
    refused(lambda: words.encode("\ud800"), "surrogate")


def test_smollm_cuts_digits_before_anything_else():
    assert pieces("gpt-2", "\n\n12.") == ["\n", "\n", "12", "."]
    assert pieces("smollm", "\n\n12.") == ["\n\n", "1", "2", "."]
    assert pieces("gpt-2", "x²³") == ["x", "²³"] and pieces("smollm", "x²³") == ["x", "²", "³"]
    assert pieces("smollm", " 12") == [" ", "1", "2"] and pieces("gpt-2", " 12") == [" 12"]


def test_llama_and_qwen_cut_as_their_expressions_say():
    assert pieces("llama-bpe", "12345 a\n\n b.\n") == ["123", "45", " a", "\n\n", " b", ".\n"]
    assert pieces("qwen2", "123 IT'S") == ["1", "2", "3", " IT", "'S"]


def test_llama_keeps_a_known_piece_whole():
    merges = [("a", "b"), ("c", "d")]
    vocabulary = {token: id for id, token in enumerate([*LETTERS, "ab", "cd", "abcd"])}
    for pre, count in (("llama-bpe", 1), ("gpt-2", 2)):
        made = tokenizer_files.byte_level(vocabulary, merges, pre, [])
        assert len(made.encode("abcd").ids) == count


def folder_of(tmp_path, family, merges=(("Ġ", "t"), ("Ġt", "h"), ("1", "2"))):
    """vocab.json and merges.txt of a small byte-level tokeniser."""
    special = ["<|endoftext|>", "</s>", "<pad>"]
    words = [*special, *LETTERS, *("".join(m) for m in merges)]
    vocabulary = {word: n for n, word in enumerate(words)}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    lines = ["#version: 0.2", *(" ".join(m) for m in merges), ""]
    (tmp_path / "merges.txt").write_text("\n".join(lines), "utf-8")
    header = {"model_type": family, "bos_token_id": 1}
    return tokenizer_files.from_folder(tmp_path, header), vocabulary


def test_vocabulary_and_merges_are_cut_as_the_family_does(tmp_path):
    words, vocabulary = folder_of(tmp_path, "gpt2")
    assert words.encode(" th12 é").tolist() == [vocabulary[w] for w in ("Ġth", "12", "Ġ", "Ã", "©")]
    assert words.encode("<|endoftext|>").tolist() == [0] and words.bos == 1
    assert len(words.encode("</s>")) == 4
    words, _ = folder_of(tmp_path, "opt")
    assert words.encode("</s><pad>").tolist() == [1, 2]
    refused(lambda: folder_of(tmp_path, "llama"), "vocab.json", "tokenizer.json")
    for content in (b"\xff", b"a b c", b"ab"):
        (tmp_path / "merges.txt").write_bytes(content)
        refused(lambda: tokenizer_files.from_folder(tmp_path, {"model_type": "gpt2"}), "merges.txt")


def test_the_settings_beside_vocabulary_and_merges_are_followed(tmp_path):
    _, vocabulary = folder_of(tmp_path, "gpt2")
    settings = tmp_path / "tokenizer_config.json"
    end = len(vocabulary)
    extra = {"content": "<x>", "lstrip": True, "rstrip": True, "special": True}
    settings.write_text(json.dumps({"added_tokens_decoder": {str(end): extra}}))
    words = tokenizer_files.from_folder(tmp_path, {"model_type": "gpt2"})
    assert words.encode("a <x> a").tolist() == [vocabulary["a"], end, vocabulary["a"]]
    settings.write_text(json.dumps({"add_prefix_space": True, "eos_token": "</s>"}))
    words = tokenizer_files.from_folder(tmp_path, {"model_type": "gpt2"})
    assert words.encode("th").tolist() == [vocabulary["Ġth"]]
    assert words.encode("</s>").tolist() == [vocabulary["</s>"]]


@pytest.mark.parametrize(
    "settings, word",
    [
        ([], "expected a JSON object"),
        (None, "expected a JSON object"),
        ({"bos_token": 5}, "bos_token='5'"),
        ({"bos_token": {"content": []}}, "bos_token='[]'"),
        ({"add_prefix_space": "no"}, "add_prefix_space='no'"),
        ({"added_tokens_decoder": 5}, "added_tokens_decoder='5'"),
        ({"added_tokens_decoder": {"1": "a"}}, "added_tokens_decoder"),
        ({"added_tokens_decoder": {"x": {"content": "a"}}}, "added_tokens_decoder"),
    ],
)
def test_settings_of_the_wrong_type_are_refused_by_name(tmp_path, settings, word):
    folder_of(tmp_path, "gpt2")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    header = {"model_type": "gpt2"}
    refused(lambda: tokenizer_files.from_folder(tmp_path, header), "tokenizer_config.json", word)


def test_a_tokenizer_json_is_used_as_it_is_but_for_lengths_and_added_tokens(tmp_path):
    words, _ = folder_of(tmp_path, "gpt2")
    library = tokenizers.Tokenizer.from_str(words.to_json())
    library.enable_truncation(3)
    library.enable_padding(length=9)
    library.post_processor = tokenizers.processors.TemplateProcessing(
        "</s> $A", special_tokens=[("</s>", 1)]
    )
    library.save(str(tmp_path / "tokenizer.json"))
    again = tokenizer_files.from_folder(tmp_path, {"bos_token_id": 2})
    assert len(again.encode("abcdefgh")) == 8 and again.bos == 2
    settings = tmp_path / "tokenizer_config.json"
    for token, bos in (("</s>", 1), ({"content": "<pad>"}, 2), (None, None)):
        settings.write_text(json.dumps({"bos_token": token}))
        assert tokenizer_files.from_folder(tmp_path, {"bos_token_id": 2}).bos == bos
    end = len(again)
    for id, word in ((end, None), (end + 5, "would be token")):
        settings.write_text(json.dumps({"added_tokens_decoder": {str(id): {"content": "<new>"}}}))
        if word is None:
            added = tokenizer_files.from_folder(tmp_path, {})
            assert added.encode("a<new>").tolist()[1:] == [id] and len(added) == end + 1
        else:
            refused(lambda: tokenizer_files.from_folder(tmp_path, {}), "'<new>'", word, id)
    panics = {"type": "Precompiled", "precompiled_charsmap": ""}  # no Exception, but a panic
    whole = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    for text in ("{", json.dumps(whole | {"normalizer": panics})):
        (tmp_path / "tokenizer.json").write_text(text, "utf-8")
        refused(lambda: tokenizer_files.from_folder(tmp_path, {}), tmp_path / "tokenizer.json")


def test_a_folder_without_a_tokeniser_has_none(tmp_path):
    assert tokenizer_files.from_folder(tmp_path, {"model_type": "gpt2"}) is None
