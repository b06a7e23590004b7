"""Claims on tokenizers, measured on made-up ones whose answers are known in closed form."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from minitx.errors import InputError
from minitx.evidence import rare_words, tokens
from minitx.evidence.evidence import EVIDENCE, Untestable
from minitx.text import tokenizer


class Cutter:
    """A tokenizer with these tokens that cuts a text by a function of ours."""

    def __init__(self, tokens, cut=list):
        self.tokens = tuple(tokens)
        self.cut = cut

    def __len__(self):
        return len(self.tokens)

    def encode(self, text):
        pieces = self.cut(text)
        if not set(pieces) <= set(self.tokens):
            raise InputError("unknown")
        return np.array([self.tokens.index(piece) for piece in pieces])

    def decode(self, ids):
        return "".join(self.tokens[id] for id in ids)


@pytest.fixture
def measured(monkeypatch):
    """Return what a claim measures of a tokenizer on a text."""

    def measure(id, made, text):
        for module in (tokens, rare_words):
            monkeypatch.setattr(module, "shipped_text", lambda: text)
        strings_V = list(made.tokens) if made else []
        return EVIDENCE[id].measure(SimpleNamespace(tokenizer=made, strings_V=strings_V))

    return measure


def by_table(table):
    """Return a function that cuts each word as a table says; other words stay whole."""

    def cut(text):
        words = re.findall(r" ?[^ ]+", text)
        return [piece for word in words for piece in table.get(word, [word])]

    return cut


def test_characters_compress_nothing_and_lose_what_they_do_not_know(measured):
    found = measured("B5", Cutter("abc\n"), "ab\n\ncab")
    assert found["characters_per_token"] == 1 and found["english_back"] == 1
    assert found["unicode_back"] == 0 and found["strings_of_their_own"] == 1
    assert found["ids_back"] == 1 and found["pieces"] == 4


def test_bytes_lose_nothing(measured):
    made = tokenizer.train("bpe", "the hen and the hen and the hen", 260)
    found = measured("B5", made, "the hen")
    assert found["unicode_back"] == 1 and found["characters_per_token"] == 7 / 2
    assert found["ids_back"] < 0.5  # most rows of bytes are no text


def test_what_is_lost_is_counted(measured):
    folding = Cutter("abc\n", cut=lambda text: list(text.lower()))
    assert measured("B5", folding, "Ab\nb\n\nab\n\nca\n\nB")["english_back"] == 1 / 2
    assert measured("B5", Cutter("abca\n"), "ab")["strings_of_their_own"] == 4 / 5
    assert measured("B5", Cutter(["a", "b", "ab"]), "ab")["ids_back"] < 0.9


def test_random_texts_have_characters_of_each_length_and_only_assigned_ones():
    text = tokens.random_text(np.random.default_rng(3), 40)
    assert [len(character.encode()) for character in text] == [1, 2, 3, 4] * 10
    assert len(set(text)) > 30
    one = tokens.random_character(np.random.default_rng(0), 0xD7FF - 5, 0xE005)
    assert ord(one) < 0xD800  # from there on, halves of pairs and private use


def test_variants_and_spaces_are_counted(measured):
    made = Cutter(["hen", " hen", "Hen", " HEN,", "cat", " cat", ",", "!", " "])
    made.cut = by_table({"hen": ["hen"], " cat,": [" cat", ","], " hen!": [" ", "hen", "!"]})
    found = measured("B6", made, "hen cat, hen!")
    assert found["variants"] == (4 + 2) / 2
    assert found["times_as_long"] == pytest.approx(1 + 1 / 6)  # one of six pieces
    assert found["at_most"] == pytest.approx(1 + 2 / 5)  # two spaces, five words and signs


def test_where_longest_pieces_differ_from_the_tokenizer_is_counted(measured):
    table = {" abc": [" a", "bc"], "x": ["x"]}
    made = Cutter([" a", "bc", " ab", "c", "x", " de"], by_table(table))
    found = measured("B7", made, "x abc abc de")
    assert found["cut_by_longest"] == pytest.approx(1 / 3)  # of three words of the text
    assert found["words_cut_by_longest"] == pytest.approx(1 / 2)  # of two different ones
    assert found["ids_looked_up"] == 1
    made = Cutter([" a", "bc", "c", "x", " de", "x"], by_table(table))
    found = measured("B7", made, "x abc abc de")
    assert found["cut_by_longest"] == 1 and found["ids_looked_up"] == pytest.approx(5 / 6)


def pieces_in(counts, table):
    """Return a text with these counts of words, and a tokenizer that cuts them by a table."""
    text = "".join(f" {word}" * count for word, count in counts.items())
    cut = by_table(table)
    return Cutter(dict.fromkeys(cut(text)), cut), text


def test_rarity_is_told_from_length(measured):
    counts = {"abc": 8, "xyz": 2, "abcde": 8, "vwxyz": 2}
    rare = {" xyz": [" x", "yz"], " abcde": [" abc", "de"], " vwxyz": [" v", "w", "xyz"]}
    found = measured("B8", *pieces_in(counts, rare))
    assert found["rarity_at_one_length"] == pytest.approx(-1)
    assert -0.9 < found["rarity"] < -0.5
    assert found["odd"] == 1 and found["single_digits"] == found["marks"] == 0
    long = {" abcde": [" abc", "de"], " vwxyz": [" v", "wxyz"]}
    assert measured("B8", *pieces_in(counts, long))["rarity_at_one_length"] == 0


def test_a_piece_that_is_a_word_is_not_odd(measured):
    counts = {"lighthouse": 1, "light": 3, "house": 3, "pickle": 1, "xhouse": 1}
    table = {" lighthouse": [" light", "house"], " pickle": [" p", "ickle"]}
    table[" xhouse"] = [" x", "house"]
    assert measured("B8", *pieces_in(counts, table))["odd"] == pytest.approx(2 / 3)


def test_digits_and_marks_of_their_own_are_counted(measured):
    made = tokenizer.train("bpe", "1999 1999 hen <s>", 300, digits=True, special=("<s>", "[CLS]"))
    found = measured("B8", made, "hen hen hens")
    assert found["single_digits"] == 1 and found["marks"] == 2
    merged = tokenizer.train("bpe", "1999 1999 hen", 300)
    assert measured("B8", merged, "hen hen hens")["single_digits"] == 0.9  # "99" is one piece


def test_random_cuts_have_as_many_pieces():
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 9):
        pieces = rare_words.cut_at_random("hound", count, rng)
        assert "".join(pieces) == "hound" and len(pieces) == min(count, 5) and all(pieces)


@pytest.mark.parametrize("id", ["B5", "B6", "B7", "B8"])
def test_what_a_tokenizer_cannot_be_asked(id, measured):
    with pytest.raises(Untestable, match="not known"):
        measured(id, None, "hen")
    with pytest.raises(Untestable, match="cannot encode"):
        measured(id, Cutter("abc"), "a hen")


@pytest.mark.parametrize("id", ["B6", "B7", "B8"])
def test_pieces_have_to_add_up_to_the_text(id, measured):
    silent = Cutter(["h", "?"], cut=lambda text: ["h"])
    with pytest.raises(Untestable, match="add up"):
        measured(id, silent, "? hen")
