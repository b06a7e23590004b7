"""The tokenizers in the browser give the ids that Python gives, on any text."""

import json
import sys
import unicodedata
from types import SimpleNamespace

import pytest
from any_text import END, FABLE, ODD, awkward, unicode, with_special
from hypothesis import given, settings
from hypothesis import strategies as st

from minitx.errors import InputError
from minitx.page import writer
from minitx.page.portable import portable_tokenizer
from minitx.text import tokenizer
from minitx.text.bpe import BPE

EVERY = "".join(
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) not in ("Cn", "Cs")
)
KINDS = {
    "char": tokenizer.Characters(tuple(EVERY[:3000])),
    "word": tokenizer.train("word", FABLE + FABLE, special=(END, ODD)),
    "list": tokenizer.Vocabulary.of(["king", "queen", "狐", "naïve"]),
    "bpe": tokenizer.train("bpe", FABLE, 400),
    "bpe with digits": tokenizer.train("bpe", FABLE, 300, digits=True, special=(END, ODD)),
}


METASPACE = {"type": "Metaspace", "replacement": "_", "prepend_scheme": "always", "split": True}


def run_with(kept, vocab=None):
    config = SimpleNamespace(vocab=vocab or len(kept))
    return SimpleNamespace(name="tiny", tokenizer=kept, config=config)


@pytest.fixture(scope="module")
def kinds(shared_tab):
    """A page that has nothing but the tokenizers."""
    shared_tab.goto("about:blank")
    for name in ("model.js", "tokenizers.js"):
        shared_tab.add_script_tag(content=writer.source(name))
    contents = {kind: portable_tokenizer(run_with(kept)) for kind, kept in KINDS.items()}
    shared_tab.evaluate(
        "contents => { window.kinds = Object.fromEntries(Object.entries(contents)"
        ".map(([kind, content]) => [kind, makeTokenizer(content)])) }",
        contents,
    )
    return shared_tab


@pytest.fixture(scope="module")
def encode(kinds):
    """encode(kind, texts) -> for each text its ids and their text, or the error's words."""
    return lambda kind, texts: kinds.evaluate(
        """([kind, texts]) => texts.map((text) => {
          try {
            const ids = kinds[kind].encode(text);
            return { ids, text: kinds[kind].decode(ids) };
          } catch (error) {
            if (!(error instanceof InputError)) throw error;
            return { error: error.message };
          }
        })""",
        [kind, texts],
    )


def in_python(kept, text):
    try:
        ids = kept.encode(text).tolist()
    except InputError:
        return None
    return ids


def assert_same(encode, kind, texts):
    for text, ours in zip(texts, encode(kind, texts), strict=True):
        theirs = in_python(KINDS[kind], text)
        assert ours.get("ids") == theirs, (kind, text)
        if theirs is not None and kind != "list":
            assert ours["text"] == text
        else:
            assert theirs is not None or ":" in ours["error"]


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_python(encode, kind):
    @settings(max_examples=8)
    @given(st.lists(unicode | awkward | with_special | st.just(FABLE), min_size=9, max_size=9))
    def check(texts):
        assert_same(encode, kind, texts)

    check()


@pytest.mark.parametrize("stride", [29, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["word", "bpe", "bpe with digits"])
def test_every_character_is_cut_where_python_cuts_it(kinds, kind, stride):
    """Letters, digits and white space are the same classes in both languages.

    Characters that Python's Unicode tables do not have yet are left out.
    """
    texts = [f"a{character} {character}b" for character in EVERY[:300] + EVERY[300::stride]]
    in_pieces = tokenizer.PIECE.findall if kind == "word" else pre_tokenized(KINDS[kind])
    ours = pieces_of(kinds, kind, texts)
    wrong = [
        (text, pieces)
        for text, pieces in zip(texts, ours, strict=True)
        if pieces != in_pieces(text)
    ]
    assert not wrong, (len(wrong), wrong[:5])


def pieces_of(kinds, kind, texts):
    script = "text.match(PIECE) || []" if kind == "word" else f"kinds['{kind}'].pieces(text)"
    return kinds.evaluate(f"texts => texts.map(text => {script})", texts)


def pre_tokenized(kept: BPE):
    """A function from a text to the pieces that the library cuts it into."""
    cut = kept._library.pre_tokenizer.pre_tokenize_str
    return lambda text: [text[start:end] for _, (start, end) in cut(text)]


def test_errors_name_the_character_and_the_cure(encode):
    (unknown,) = encode("char", ["ab\U0001f98a"])
    what = "the character “\U0001f98a” (U+1F98A) is not in this model's vocabulary of 3000"
    assert unknown["error"] == f"{what}: leave it out"
    (word,) = encode("list", ["king kong"])
    assert "“kong”" in word["error"] and "king, queen" in word["error"]
    for kind in ("char", "bpe"):
        (half,) = encode(kind, ["\ud83d"])
        assert half["error"] == "U+D83D is half a surrogate pair, not text: remove it"


@pytest.mark.parametrize(
    "change, names",
    [
        (lambda t: t.update(normalizer={"type": "NFC"}), "the normalizer NFC"),
        (lambda t: t["model"].update(type="WordLevel", unk_token="a"), "the kind WordLevel"),
        (lambda t: t["model"].update(byte_fallback=True), "byte_fallback=True"),
        (lambda t: t.update(pre_tokenizer=METASPACE), "the pre-tokenizer Metaspace"),
        (lambda t: t["added_tokens"][0].update(lstrip=True), "'<|endoftext|>' with lstrip"),
    ],
)
def test_a_rule_that_the_page_lacks_is_refused_by_name(change, names):
    content = json.loads(KINDS["bpe with digits"].json)
    change(content)
    foreign = SimpleNamespace(name="theirs", tokenizer=BPE(json.dumps(content), strict=False))
    foreign.config = SimpleNamespace(vocab=300)
    with pytest.raises(InputError, match="theirs: a page does not support") as caught:
        portable_tokenizer(foreign)
    assert names in str(caught.value)


def test_rows_of_an_embedding_table_without_a_token_have_a_name():
    content = portable_tokenizer(run_with(KINDS["list"], vocab=6))
    assert content["tokens"][-2:] == ["<4>", "<5>"]
