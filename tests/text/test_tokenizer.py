"""Round trips on any Unicode, exact vocabularies, and an InputError for all that cannot be used."""

import dataclasses
import doctest
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from any_text import END, FABLE, ODD, any_text, assert_exact, holds_for, split, with_special
from hypothesis import example
from hypothesis import strategies as st
from refusal import refused

from minitx.text import tokenizer
from minitx.text.tokenizer import BPE, Characters, Vocabulary, Words, from_json, train

CHAR = train("char", FABLE)
WORD = train("word", FABLE, special=(END,))
BPE_ = train("bpe", FABLE, vocab=400, special=(END, ODD))
LIST = Vocabulary.of(["king", "queen", "kin", "crown"])
ALL = pytest.mark.parametrize("t", [CHAR, WORD, BPE_, LIST], ids=lambda t: t.kind)
ANY_KIND = pytest.mark.parametrize("kind", ["char", "word", "bpe"])


# --- round trips --------------------------------------------------------------------------------


@holds_for(any_text.filter(len))
def test_characters_give_back_any_text(text):
    t = train("char", text)
    assert_exact(t, text)
    assert split(t, text) == list(text)


@holds_for(st.data(), with_special.filter(len), st.sampled_from([(), (END,), (END, ODD, "<")]))
def test_words_give_back_any_text_over_their_characters(data, text, special):
    t = train("word", text, special=special)
    assert_exact(t, text)
    assert_exact(t, data.draw(st.text(st.sampled_from(text))))
    assert_exact(t, text + "".join(special) + text)


@holds_for(any_text)
@example("  a  b\n\n c\t")
def test_pieces_joined_are_the_text(text):
    assert "".join(tokenizer._pieces(text, ())) == text


@holds_for(st.lists(st.sampled_from(LIST.tokens)))
def test_a_list_gives_back_its_words(words):
    assert_exact(LIST, " ".join(words))
    assert LIST.decode(LIST.encode(" \n ".join(words))) == " ".join(words)


@ALL
def test_empty_text(t):
    assert_exact(t, "")
    assert t.decode([]) == ""


# --- the same for all ---------------------------------------------------------------------------


@ALL
def test_tokens_are_in_the_order_of_the_ids(t):
    assert isinstance(t.tokens, tuple) and len(t.tokens) == len(t) > 3
    text = "king queen" if t is LIST else "The fox"
    assert ("" if t is not LIST else " ").join(split(t, text)) == text
    assert t.decode([len(t) - 1]) == t.tokens[-1]


@ALL
def test_json_gives_back_an_equal_tokenizer(t):
    again = from_json(t.to_json())
    assert again is not t
    assert again == t and type(again) is type(t) and again.tokens == t.tokens
    text = "king crown" if t is LIST else FABLE
    assert again.encode(text).tolist() == t.encode(text).tolist()
    if t is not BPE_:
        assert json.loads(t.to_json())["version"] == 1
        assert json.loads(t.to_json())["kind"] == t.kind
        assert "\\u" not in t.to_json()  # a person can read it


@ALL
def test_frozen(t):
    with pytest.raises(dataclasses.FrozenInstanceError):
        t.kind = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(t, dataclasses.fields(t)[0].name, ("a",))
    assert hash(t) == hash(from_json(t.to_json()))


@ALL
@pytest.mark.parametrize("bad", [-1, "V", 2**40])
def test_id_outside_the_vocabulary(t, bad):
    bad = len(t) if bad == "V" else bad
    with refused(f"id {bad} ", "position 2", f"vocabulary of {len(t)}"):
        t.decode([0, 1, bad])
    with refused(f"id {bad} "):
        t.decode(np.array([bad]))


@ALL
@pytest.mark.parametrize("ids", [[0.5], [[0, 1]], np.zeros((1, 1), int)], ids=str)
def test_ids_that_are_no_row_of_whole_numbers(t, ids):
    with pytest.raises(TypeError):
        t.decode(ids)


@pytest.mark.parametrize("t", [CHAR, WORD, BPE_], ids=lambda t: t.kind)
def test_half_a_surrogate_pair(t):
    with refused("U+D83E", "index 4", "UTF-8"):
        t.encode("fox \ud83e")


def test_half_a_surrogate_pair_among_words():
    with refused("'\\ud83e'"):
        LIST.encode("king \ud83e")


@ANY_KIND
def test_training_is_deterministic(kind):
    """Also in other processes, where Python and the library hash strings otherwise."""
    ties = " ".join(f"{a}{b}" for a in "stuvwxyz" for b in "abcdefgh") * 2
    here = train(kind, ties, vocab=350).to_json()
    assert train(kind, ties, vocab=350).to_json() == here
    code = (
        f"from minitx.text.tokenizer import train; print(train({kind!r}, {ties!r}, 350).to_json())"
    )
    for seed in ("1", "2"):
        assert python(code, PYTHONHASHSEED=seed) == here


def test_import_is_light():
    code = "import minitx.text.tokenizer as t, sys; t.from_json(t.train('word', 'a b').to_json());"
    code += "print({'tokenizers', 'jax'} & set(sys.modules))"
    assert python(code) == "set()"


def python(code, **environment):
    """Return what `code` prints in a fresh interpreter, which starts in the repository."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={"PYTHONUTF8": "1", **environment},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.rstrip("\n")


def test_examples_in_the_docstrings():
    failed, tried = doctest.testmod(tokenizer)
    assert failed == 0 and tried >= 6


# --- characters ---------------------------------------------------------------------------------


def test_characters_are_the_sorted_set():
    t = train("char", "ba\r\nab 🦊é")
    assert t == Characters(("\n", "\r", " ", "a", "b", "é", "🦊"))
    assert t.encode("a🦊\r\n").tolist() == [3, 6, 1, 0]


def test_nothing_is_normalised():
    with refused("U+00E9"):
        train("char", "e\u0301").encode("é")


@pytest.mark.parametrize("t", [CHAR, train("word", FABLE)], ids=lambda t: t.kind)
@pytest.mark.parametrize("text", ["fox fox Ж fox Ж ß", " foxyЖ"])
def test_unknown_character_is_named(t, text):
    with refused("'Ж'", "U+0416", f"index {text.index('Ж')} ", str(len(t)), "bpe"):
        t.encode(text)


# --- words --------------------------------------------------------------------------------------


def test_words_begin_with_special_tokens_then_characters_then_frequent_pieces():
    t = train("word", "b c c a<e> c a b", special=("<e>", "<f>"))
    characters = (" ", "<", ">", "a", "b", "c", "e")
    assert t.special == ("<e>", "<f>")
    # " c" three times; " a" twice; " b", "b" and the special token once or there already
    assert t.tokens == ("<e>", "<f>", *characters, " c", " a")


def test_equally_frequent_words_are_sorted():
    assert train("word", "z y x z y x z").tokens[4:] == (" x", " y", " z")


def test_vocab_bounds_the_words():
    text = "a b c c d d d"
    assert len(train("word", text, vocab=5)) == 5
    assert train("word", text, vocab=7).tokens[5:] == (" d", " c")
    assert train("word", text, vocab=1000).tokens[5:] == (" d", " c", " b")  # also what occurs once
    with refused("vocab=4", "needs 5"):
        train("word", text, vocab=4)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("the cat", ["the", " cat"]),
        ("the  cat", ["the", " ", " cat"]),
        ("   cat ", ["  ", " cat", " "]),
        ("I've o\u2019clock 'tis", ["I've", " o\u2019clock", " '", "tis"]),
        ("dogs' rock'n'roll", ["dogs", "'", " rock'n'roll"]),
        ('so: "no"...', ["so", ":", ' "', "no", '"...']),
        ("one\r\n\n two", ["one", "\r\n\n", " two"]),
        ("a\n\tb", ["a", "\n", "\t", "b"]),
    ],
)
def test_where_words_are_cut(text, pieces):
    assert list(tokenizer._pieces(text, ())) == pieces


def test_the_space_belongs_to_the_word():
    assert split(WORD, "The crow. The fox") == ["The", " crow", ".", " The", " fox"]
    assert WORD.encode("The")[0] != WORD.encode(" The")[0]


def test_unknown_word_is_spelled_out():
    assert split(WORD, "The sofa had") == ["The", " ", "s", "o", "f", "a", " had"]


def test_unknown_character_is_counted_through_special_tokens():
    with refused("'Ж'", f"index {len(END) + 4} "):
        WORD.encode(f"{END} foxЖ")


# --- a list of words ----------------------------------------------------------------------------


def test_list_ids_are_places():
    assert LIST.encode("  crown\tking\n").tolist() == [3, 0]


def test_list_names_an_unknown_word_and_its_neighbours():
    with refused("'crwn'", "position 1 ", "of 4", "try 'crown'"):
        LIST.encode("king crwn")
    with refused("'zzz'", "try 'king' or 'queen' or 'kin'"):
        LIST.encode("zzz")


@pytest.mark.parametrize("words", [["a b"], ["a", "a"], [""], [" a"], [], [3], "aa"], ids=repr)
def test_list_of_bad_words(words):
    with refused():
        Vocabulary.of(words)


# --- special tokens -----------------------------------------------------------------------------


@pytest.mark.parametrize("t", [WORD, BPE_], ids=lambda t: t.kind)
def test_special_tokens_are_single_ids(t):
    assert t.tokens[0] == END
    assert t.encode(END).tolist() == [0]
    assert t.encode(f"fox{END}{END} fox").tolist().count(0) == 2
    assert_exact(t, f"The fox {END}\n")


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_the_longest_special_token_wins(kind):
    t = train(kind, "a b <x> <x>y", special=("<x>", "<x>y", "(.*)"))
    assert t.encode("<x>y<x>").tolist() == [1, 0]
    assert t.encode("(.*)").tolist() == [2]
    assert 2 not in t.encode("a b")


# --- files that cannot be read ------------------------------------------------------------------


def own(**changes):
    return json.dumps({"version": 1, "kind": "char", "tokens": ["a", "b"]} | changes)


def model(**changes):
    return json.dumps({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []} | changes})


def test_the_templates_are_good():
    assert from_json(own()) == Characters(("a", "b"))
    assert from_json(own(kind="word", special=["a"])) == Words(("a", "b"), ("a",))
    assert from_json(own(kind="list")) == Vocabulary(("a", "b"))
    assert isinstance(from_json(model()), BPE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["JSON"]),
        (own()[:-3], ["broken JSON", "column"]),
        (BPE_.to_json()[:1000], ["broken JSON", "column"]),
        ("[" * 100_000, ["broken JSON"]),
        ('["a"]', ['no "kind"']),
        ("7", ['no "kind"']),
        ("{}", ['no "kind"']),
        (own(kind="bpe"), ["'bpe'", "char, word, list"]),
        (own(kind=["char"]), ["['char']"]),
        (own(kind=None), ["None"]),
        (own(version=2), ["version 2", "version 1"]),
        ('{"kind": "char", "tokens": ["a"]}', ["version None"]),
        (own(tokens=[]), ["empty"]),
        (own(tokens="ab"), ["lists", "tokens"]),
        (own(tokens={"a": 0}), ["lists", "tokens"]),
        (own(tokens=["a", 7]), ["tokens[1]", "7"]),
        (own(tokens=["a", ["b"]]), ["tokens[1]", "['b']"]),
        (own(tokens=["a", ""]), ["tokens[1]", "''"]),
        (own(tokens=["a", "b", "a"]), ["tokens[2]", "'a'", "distinct"]),
        (own(tokens=["a", "\ud83e"]), ["U+D83E"]),
        (own(extra=[]), ["extra"]),
        ('{"kind": "char", "version": 1}', ["tokens"]),
        (own(kind="word"), ["special"]),
        (own(kind="word", special=[1]), ["special[0]"]),
        (own(kind="list", tokens=["a b"]), ["'a b'"]),
        ('{"model": 1}', ["`tokenizers`"]),
        (model(type="Strange"), ["`tokenizers`"]),
        (model(merges=[["a", "q"]]), ["`tokenizers`", "q"]),
        (model(vocab={}), ["byte-level"]),
        (model(vocab={"a": 7}), ["byte-level", "0, 1, 2"]),
        (model(vocab={"a": 0, "▁the": 1}), ["byte-level"]),
        (model(type="WordLevel", unk_token="a"), ["byte-level"]),
    ],
)
def test_a_bad_file_is_refused(text, words):
    with refused(*words):
        from_json(text)


@pytest.mark.parametrize("cls", [Characters, Words, Vocabulary])
def test_a_bad_vocabulary_is_refused(cls):
    with refused("tuple"):
        cls(["a", "b"])
    with refused("empty"):
        cls(())
    with refused("distinct"):
        cls(("a", "a"))


# --- training on what cannot be used ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["chars", "", None, "list", ["char"]])
def test_unknown_kind(kind):
    with refused(repr(kind), "char", "word", "bpe"):
        train(kind, "text")


@ANY_KIND
def test_empty_text_to_train_on(kind):
    with refused("empty"):
        train(kind, "")


@ANY_KIND
def test_surrogates_to_train_on(kind):
    with refused("U+DC80", "index 3"):
        train(kind, "fox\udc80")


@ANY_KIND
@pytest.mark.parametrize("vocab", [0, -5, 2])
def test_vocab_too_small(kind, vocab):
    with refused(f"vocab={vocab} ", "needs 256" if kind == "bpe" else "needs 3"):
        train(kind, "abc", vocab=vocab)


def test_vocab_is_a_bound_for_characters():
    assert train("char", "abc", vocab=3) == train("char", "abc", vocab=9) == train("char", "abc")


@pytest.mark.parametrize("kind", ["word", "bpe"])
@pytest.mark.parametrize("special", [END, [END], (END, END), ("",), (7,), ("\ud83e",)], ids=repr)
def test_bad_special_tokens(kind, special):
    with refused():
        train(kind, FABLE, special=special)


def test_options_that_do_not_fit_the_kind():
    with refused("special"):
        train("char", FABLE, special=(END,))
    for kind in ("char", "word"):
        with refused("digits", kind):
            train(kind, FABLE, digits=True)
