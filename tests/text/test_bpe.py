"""Byte-level BPE: bytes and how they are shown, files from elsewhere, and what is refused."""

import json

import pytest
from any_text import END, FABLE, ODD, assert_exact, holds_for, split, with_special
from hypothesis import example
from hypothesis import strategies as st
from refusal import refused
from tokenizers import Tokenizer, decoders, models, normalizers

from minitx.text.bpe import BPE
from minitx.text.tokenizer import from_json, train

OURS = train("bpe", FABLE, vocab=400, special=(END, ODD))
THEIRS = BPE(OURS.to_json(), bos=0, strict=False)  # the same, as the file of a real model
BYTES = train("bpe", "x", vocab=256)


# --- round trips --------------------------------------------------------------------------------


@holds_for(with_special)
@example("\r\n")
@example(" " + END + " ")
@example("e\u0301 Ġ ▁ \x00")
def test_bpe_gives_back_any_text(text):
    assert_exact(OURS, text)


@holds_for(with_special)
def test_bpe_agrees_with_the_library(text):
    library = Tokenizer.from_str(OURS.to_json())
    ids = library.encode(text, add_special_tokens=False).ids
    assert OURS.encode(text).tolist() == THEIRS.encode(text).tolist() == ids
    if ODD not in text:
        assert library.decode(ids, skip_special_tokens=False) == OURS.decode(ids)


# --- ours and other people's --------------------------------------------------------------------


@holds_for(st.lists(st.integers(0, len(OURS) - 1)))
def test_any_bytes_decode_to_the_same_text_wherever_the_file_comes_from(ids):
    text = OURS.decode(ids)
    assert THEIRS.decode(ids) == text
    if OURS.tokens.index(ODD) not in ids:
        library = Tokenizer.from_str(OURS.to_json())
        assert library.decode(ids, skip_special_tokens=False) == text


def test_tokens_are_shown_alike_wherever_the_file_comes_from():
    assert THEIRS.tokens == OURS.tokens
    assert {END, ODD, " fox", "<0xE7>"} <= set(THEIRS.tokens)


def test_part_of_a_character_is_one_replacement_character():
    ids = BYTES.encode("a狐🦊")
    assert [BYTES.decode(ids[:end]) for end in range(2, 8)] == [
        "a\ufffd", "a\ufffd", "a狐", "a狐\ufffd", "a狐\ufffd", "a狐\ufffd",
    ]  # fmt: skip


def test_a_vocabulary_of_characters_falls_back_to_bytes_in_the_same_way():
    """As in files that were converted from SentencePiece."""
    vocabulary = {token: id for id, token in enumerate(["▁the", "▁", "x", "<0xE2>", "<0x82>"])}
    library = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    library.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    t = BPE(library.to_str(), strict=False)
    assert t.decode([0, 2, 0]) == "thex the" and t.decode([2, 3]) == "x\ufffd"
    assert t.tokens == ("the", "", "x", "<0xE2>", "<0x82>")


def test_ids_that_only_the_model_has_decode_to_nothing():
    beyond = len(THEIRS)
    for padding in (beyond, beyond + 1000, -1, 2**40):
        assert THEIRS.decode([0, padding, 1]) == END + ODD
        with refused(f"id {padding} "):
            OURS.decode([0, padding, 1])
    gap = json.loads(BYTES.to_json())
    gap["model"]["vocab"]["Ġx"] = 300
    t = BPE(json.dumps(gap), strict=False)
    assert len(t) == len(t.tokens) == 301 and t.tokens[280] == t.decode([280]) == ""
    with refused("0, 1, 2"):
        from_json(json.dumps(gap))


def test_the_file_of_a_real_model_may_normalise():
    library = Tokenizer.from_str(BYTES.to_json())
    library.normalizer = normalizers.NFC()
    t = BPE(library.to_str(), strict=False)
    assert t.decode(t.encode("e\u0301")) == "é"


def test_the_file_of_a_real_model_may_be_of_another_kind():
    library = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="?"))
    t = BPE(library.to_str(), strict=False)
    assert t.encode("a").tolist() == [0] and t.decode([0, 1]) == "a b" and t.tokens == ("a", "b")
    with refused("no tokens for this text"):
        t.encode("c")


def test_only_a_strict_tokenizer_needs_the_alphabet_of_bytes():
    """Letters that happen to be in it stand for themselves, unless the file says otherwise."""
    library = Tokenizer(models.BPE({"A": 0, "C": 1, "AC": 2}, [("A", "C")]))
    assert BPE(library.to_str(), strict=False).decode([2, 0]) == "AC A"
    library.decoder = decoders.ByteLevel()
    assert BPE(library.to_str(), strict=False).decode([2, 0]) == "ACA"


def test_a_token_outside_the_alphabet_stands_for_itself():
    file = json.loads(BYTES.to_json())
    file["model"]["vocab"] |= {"▁狐": 256, "Ġé": 257}
    t = BPE(json.dumps(file), strict=False)
    assert t.tokens[256] == t.decode([256]) == "▁狐"
    assert t.tokens[257] == " <0xE9>" and t.decode([257]) == " \ufffd"
    library = Tokenizer.from_str(json.dumps(file))
    for ids in ([256], [257], [256, 257, 256]):
        assert t.decode(ids) == library.decode(ids, skip_special_tokens=False)
    with refused("byte-level"):
        BPE(json.dumps(file))


def test_the_bos_token_is_part_of_a_tokenizer():
    assert OURS.bos is None and THEIRS.bos == 0
    assert THEIRS.encode("fox").tolist() == OURS.encode("fox").tolist()


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "normalizer", [{"type": "Strange"}, {"type": "Precompiled", "precompiled_charsmap": ""}]
)
def test_a_file_that_the_library_cannot_read_is_refused(strict, normalizer):
    with refused("`tokenizers`"):  # the second one makes it panic
        BPE(hub_file(normalizer=normalizer), strict=strict)


# --- training -------------------------------------------------------------------------------------


def test_bpe_begins_with_special_tokens_and_all_bytes():
    assert OURS.tokens[:2] == (END, ODD)
    smallest = train("bpe", FABLE, vocab=256)
    assert len(smallest) == 256
    assert len(smallest.encode("狐 é")) == 3 + 1 + 2
    ascii = {chr(byte) for byte in range(128)}
    assert set(smallest.tokens) == ascii | {f"<0x{byte:02X}>" for byte in range(128, 256)}


def test_bpe_vocab_bounds():
    assert len(train("bpe", "the " * 9, vocab=258)) == 258
    assert len(train("bpe", "the cat ", vocab=500)) == 256  # no pair occurs twice
    with refused("vocab=257", "258"):
        train("bpe", FABLE, vocab=257, special=(END, ODD))


def test_bpe_without_vocab_stops_at_1024():
    text = " ".join(f"{i:b}" for i in range(1500)) * 2
    assert len(train("bpe", text)) == 1024


def test_bpe_tokens_are_readable():
    assert split(OURS, "The fox\n") == ["The", " fox", "\n"]
    assert split(BYTES, " é狐") == [
        *(" ", "<0xC3>", "<0xA9>", "<0xE7>", "<0x8B>", "<0x90>"),
    ]
    assert " 狐" in train("bpe", " 狐 狐 狐 狐").tokens
    assert {"Ġ", "Ċ", " é"}.isdisjoint(OURS.tokens)


def test_bpe_leading_space():
    t = train("bpe", "fox fox\nfox fox")
    assert split(t, "fox fox") == ["fox", " fox"]  # no space is put before the first word


def test_digits_singly():
    text = "in 1984, 1984, 1984 and 1984"
    together, singly = train("bpe", text), train("bpe", text, digits=True)
    assert split(together, " 1984") == [" 1984"]
    assert split(singly, " 1984") == [" ", "1", "9", "8", "4"]
    assert_exact(singly, "7 x77\r\n 3.14 ٣")
    assert from_json(singly.to_json()) == singly


def test_no_merges_are_spent_inside_special_tokens():
    text = f"a{END}" * 50
    assert "endoftext" in train("bpe", text).tokens
    assert len(train("bpe", text, special=(END,))) == 257


@pytest.mark.parametrize(("special", "text"), [("é", "頁"), ("Ġthe", " the")])
def test_special_token_that_looks_like_bytes_never_changes_text(special, text):
    t = train("bpe", "in the end the hen the", special=(special,))
    assert_exact(t, f"<{special}>")
    with refused(repr(text), "index 3", "special"):
        t.encode(f"hen{text}")


# --- files from elsewhere that are used for training ---------------------------------------------


def hub_file(**changes):
    """Return a tokenizer.json as others make them, with some of its parts replaced."""
    return json.dumps(json.loads(OURS.to_json()) | changes)


def test_a_file_from_elsewhere_does_not_cut_or_pad():
    cuts = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
    pads = {"strategy": {"Fixed": 9000}, "direction": "Right", "pad_to_multiple_of": None}
    pads |= {"pad_id": 0, "pad_type_id": 0, "pad_token": END}
    t = from_json(hub_file(truncation=cuts, padding=pads))
    assert t.encode(FABLE).tolist() == OURS.encode(FABLE).tolist()


def test_a_file_that_adds_special_tokens_adds_none_here():
    single = [{"SpecialToken": {"id": END, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    special = {END: {"id": END, "ids": [0], "tokens": [END]}}
    pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}]
    template = {"type": "TemplateProcessing", "single": single, "pair": pair}
    t = from_json(hub_file(post_processor=template | {"special_tokens": special}))
    assert t.encode("fox").tolist() == OURS.encode("fox").tolist()


def test_a_file_that_changes_text_is_refused():
    t = from_json(hub_file(normalizer={"type": "Lowercase"}))
    assert_exact(t, "fox")
    with refused("'The fox'", "index 6"):
        t.encode("a fox The fox")


def test_a_file_that_lacks_bytes_is_refused():
    data = json.loads(train("bpe", "x", vocab=256).to_json())
    data["model"]["vocab"] = {chr(97 + i): i for i in range(26)}
    t = from_json(json.dumps(data))
    assert_exact(t, "fox")
    with refused("index 1"):
        t.encode("f🦊x")
