"""Claims of the learner's own: files that are written, read and run, and every mistake in them."""

import ast
import types

import numpy as np
import pytest
from own_claim import FILE, line_of, reading, write

from minitx.classroom import own_claims
from minitx.classroom.own_evidence import evidence_of
from minitx.errors import InputError
from minitx.evidence.evidence import Untestable


def refused(call, *words) -> str:
    """Return the one line of an InputError that names all the words."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message
    return message


def read(id="U1"):
    return evidence_of(own_claims.find(id))


# --- files ---------------------------------------------------------------------------------------


def test_new_claims_are_counted_and_what_is_there_stays(answers):
    first = own_claims.new("One thing is true.")
    first.write_text("mine")
    assert own_claims.new("Another\n  is, too.") == answers / "claims" / "u2.py"
    own_claims.new("A third.").rename(answers / "claims" / "u11.py")
    assert own_claims.new("A fourth.").name == "u12.py"
    assert list(own_claims.paths()) == ["U1", "U2", "U11", "U12"]
    assert first.read_text() == "mine"
    assert own_claims.find("u2").words == "Another is, too."


@pytest.mark.parametrize(
    "words", ['It is "so".', "It's \\n {size} '''", '""" opens', "π wächst 🦊", "U0 says CLAIM"]
)
def test_a_claim_of_any_characters_comes_back(words):
    path = own_claims.new(words)
    assert own_claims.find("1").words == words
    ast.parse(path.read_text("utf-8"))


@pytest.mark.parametrize("words", ["", " \n", "!?", "bell \a", "lost \udcff"])
def test_a_claim_without_words_is_refused(words, answers):
    refused(lambda: own_claims.new(words), "claim")
    assert not answers.exists()


def test_the_template_is_short_runs_and_is_not_finished(answers):
    path = own_claims.new("Models are sure.")
    own = own_claims.find("U1")
    claim = evidence_of(own)
    text = path.read_text()
    assert len(text.splitlines()) <= 50
    assert len(own.unfinished) == text.count(own_claims.MARK) >= 6
    logits = types.SimpleNamespace(logits_TV=lambda window: np.zeros((5, 7)))
    numbers = claim.measure(logits, 0)
    assert numbers["unsure"] == pytest.approx(np.log(7)) and numbers["guessing"] == np.log(7)
    assert own_claims.states() == {"U1": ("to be filled in", "Models are sure.")}


def test_claims_that_do_not_exist_are_named():
    refused(lambda: own_claims.find("U1"), "'U1'", "minitx claim new")
    own_claims.new("One.")
    for words in ("U2", "A9", "", "u", "../u1", "9" * 5000):
        refused(lambda words=words: own_claims.find(words), "has no claim", "U1")


def test_an_unknown_escape_is_no_mistake(answers):
    write(answers, '"""The planted', '"""\\d: the planted')
    assert read().measure(reading(2), 0)["size"] == 2


def test_files_that_cannot_be_read_are_named(answers):
    path = write(answers)
    path.write_bytes(b"CLAIM = '\xff'")
    refused(lambda: own_claims.find("U1"), path, "UTF-8")
    path.write_bytes(b"a = '\x00'")
    refused(lambda: own_claims.find("U1"), path, "not Python")
    path.unlink()
    path.mkdir()
    refused(lambda: own_claims.find("U1"), path, "cannot read")
    assert own_claims.states()["U1"][0] == "broken"
    assert "cannot read" in own_claims.for_ledger()["U1"]["claim"]
    assert own_claims.keys() == {}


def test_a_verdict_is_valid_for_one_text_of_the_file(answers):
    path = write(answers)
    key = own_claims.find("U1").key
    rows = {"A9": {"verdict": "refuted"}, key: {"verdict": "supported"}}
    assert own_claims.under_ids(rows) == {"A9": rows["A9"], "U1": rows[key]}
    path.write_text(FILE + "# a remark\n")
    assert own_claims.under_ids(rows) == {"A9": rows["A9"]}
    path.write_text(FILE)
    assert "U1" in own_claims.under_ids(rows)
    path.unlink()
    assert own_claims.under_ids(rows) == {"A9": rows["A9"]}


# --- what a file says ----------------------------------------------------------------------------


def test_a_file_becomes_evidence(answers):
    write(answers)
    claim = read()
    assert claim.measure(reading(2, 3.5), 1) == {"size": 3.5, "by_chance": 0.5}
    assert claim.rule(size=0.3, by_chance=0.5) == "qualified"
    assert claim.rule_in_words.startswith("The size is above")


MISTAKES = {  # name: what stands there, what is written instead, the line, words of the message
    "syntax": ("def rule(size, by_chance):", "def rule(size, by_chance:", ..., ["not Python"]),
    "no claim": ('CLAIM = "Sizes are large."', "", None, ['CLAIM = "..."']),
    "empty claim": ('CLAIM = "Sizes are large."', 'CLAIM = " "', None, ['CLAIM = "..."']),
    "a broken line": ("PLANTED = {", "x = 1 / 0\nPLANTED = {", "1 / 0", ["ZeroDivisionError"]),
    "it exits": ("PLANTED = {", "import sys; sys.exit(3)\nPLANTED = {", "exit", ["SystemExit"]),
    "an import": ("three_way\n", "three_way, four_way\n", "four_way", ["ImportError"]),
    "no evidence": ("claim = Evidence(", "claim = dict(", None, ["no Evidence"]),
    "two of them": ("claim = ", "other = claim = Evidence('U1', 1, 2, '', '')\nclaim = ", None,
                    ["2 Evidences"]),
    "another id": ('id="U1"', 'id="A9"', "claim = ", ["'A9'", 'id="U1"']),
    "no measurement": ("measure=measure", "measure=3", "claim = ", ["measure=3", "a function"]),
    "no baseline": ('"a size of 0.5"', '" "', "claim = ", ["baseline", "words"]),
    "families": ('id="U1",', 'id="U1", of="families",', "claim = ", ["families", "one model"]),
    "species": ('id="U1",', 'id="U1", species="fables",', "claim = ", ["species", '("fables",)']),
    "a rule without words": ('    """The size is above what chance gives. Refuted if it is 0 or '
                             'less."""\n', "", "def rule", ["docstring"]),
    "nothing planted": ("PLANTED = {", "planted = {", None, ["PLANTED"]),
    "a wrong verdict": ('"refuted": [', '"false": [', '"false"', ["'false'", "qualified"]),
    "no refutation": ('"refuted": [', '"supported": [', "PLANTED", ["refuted", "tests nothing"]),
    "an empty list": ('[{"size": 2.0, "by_chance": 1.0}]', "[]", '"supported"', ["no planted"]),
    "not a case": ('[{"size": 2.0, "by_chance": 1.0}]', "[2.0]", '"supported"', ["2.0"]),
    "a planted text": ('{"size": -1.0', '{"size": "low"', '"refuted"', ["'low'", "size"]),
    "a case that comes out otherwise": ('{"size": 2.0', '{"size": 0.5', '"supported"',
                                        ["says qualified", "size=0.5"]),
    "cases of other names": ('{"size": -1.0', '{"sise": -1.0', '"refuted"', ["sise", "size"]),
    "a rule of other names": ("def rule(size, by_chance)", "def rule(size, chance)", "def rule",
                              ["takes size, chance", "by_chance, size"]),
    "a rule that breaks": ("    return three_way(", "    return size.x or three_way(", "size.x",
                           ["the rule breaks", "AttributeError"]),
    "a wrong word": ("    return three_way(supported=size > by_chance, refuted=size <= 0)",
                     '    return "true"', "def rule", ["'true'", "supported, qualified"]),
    "no word": ("    return three_way(supported=size > by_chance, refuted=size <= 0)",
                "    size", "def rule", ["None"]),
    "a sentence of other names": ("{size:.1f}", "{sise:.1f}", "sentence", ["sise"]),
    "a sentence without names": ("{size:.1f}", "{:.1f}", "sentence", ["by_chance, size"]),
    "a sentence that breaks": ("{size:.1f}", "{size:.1q}", "sentence", ["ValueError"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_named_with_its_line(name, answers):
    old, new, line, words = MISTAKES[name]
    path = write(answers, old, new)
    message = refused(read, path, *words)
    if line is ...:
        assert ", line " in message
    elif line:
        assert f"{path}, line {line_of(path.read_text(), line)}:" in message, message


MEASURED = '{"size": reading.size_W[window], "by_chance": 0.5}'
WRONG_NUMBERS = {  # what the measurement returns: words of the message
    '{"size": float("nan"), "by_chance": 0.5}': ["nan for size", "window 3"],
    '{"size": 1.0, "by_chance": float("-inf")}': ["-inf for by_chance"],
    '{"size": "large", "by_chance": 0.5}': ["'large' for size", "one number"],
    '{"size": None, "by_chance": 0.5}': ["None for size"],
    '{"size": reading.size_W, "by_chance": 0.5}': ["for size", "one number"],
    '{"size": 1j, "by_chance": 0.5}': ["1j for size"],
    '{1: 1.0, "by_chance": 0.5}': ["name 1"],
    "{}": ["empty dict"],
    "None": ["None", "numbers by name"],
    '"text"': ["'text'", "numbers by name"],
    '{"size": 1.0}': ["returns size", "by_chance, size"],
    '{"size": 1.0, "chance": 0.5}': ["chance, size", "by_chance, size"],
}


@pytest.mark.parametrize("returned", WRONG_NUMBERS)
def test_a_measurement_that_gives_no_numbers_is_named(returned, answers):
    path = write(answers, MEASURED, returned)
    claim = read()
    line = f"{path}, line {line_of(FILE, 'def measure')}: "
    refused(lambda: claim.measure(reading(1, 2, 3, 4), 3), line, *WRONG_NUMBERS[returned])


def test_a_measurement_that_breaks_is_named_with_its_line(answers):
    path = write(answers)
    line = line_of(FILE, "reading.size_W[window]")
    refused(lambda: read().measure(reading(1), 7), f"{path}, line {line}:", "IndexError")


def test_a_measurement_may_say_that_it_cannot_be_asked(answers):
    write(answers, "    return {", '    raise Untestable("it has no size")\n    return {')
    with pytest.raises(Untestable, match="it has no size"):
        read().measure(reading(1), 0)


def test_numbers_of_arrays_are_numbers_and_warnings_are_kept_back(answers):
    returned = "{'size': __import__('numpy').float32(1.5) / 1, 'by_chance': " \
        "__import__('numpy').log(__import__('numpy').zeros(1))[0]}"  # fmt: skip
    write(answers, MEASURED, returned)
    refused(lambda: read().measure(reading(1), 0), "-inf for by_chance")


def test_ctrl_c_is_not_a_mistake(answers):
    write(answers, "PLANTED = {", "raise KeyboardInterrupt\nPLANTED = {")
    with pytest.raises(KeyboardInterrupt):
        read()
