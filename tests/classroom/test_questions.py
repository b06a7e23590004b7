"""Predictions, what came of them, and quizzes: they survive any input, and never scold."""

import tomllib

import pytest

from minitx.classroom import hint
from minitx.classroom.answers import recall
from minitx.classroom.learner import tell, tell_lines
from minitx.classroom.questions import predict, quiz, reveal, write
from minitx.errors import InputError


@pytest.mark.parametrize(
    "typed, kept",
    [
        (["0.5"], 0.5),
        (["0,5"], 0.5),
        ([""], None),
        (["banana", "7", "nan", "0.4"], None),  # three tries
        (["banana", "1e-1"], 0.1),
        ([], None),  # the end of the input
    ],
)
def test_a_prediction_survives_any_answer(type_in, answers, typed, kept):
    type_in(*typed)
    assert predict("L08.a", "how much?", low=0, high=1) == kept
    stored = tomllib.loads((answers / "L08.toml").read_text())
    assert stored["L08.a"] == ("" if kept is None else kept)


def test_infinity_is_not_an_answer(type_in, answers, capsys):
    type_in("inf", "1e999", "2.5")
    assert predict("L08.a", "how much?", low=0) == 2.5
    assert capsys.readouterr().out.count("is not a number from 0.") == 2
    assert tomllib.loads((answers / "L08.toml").read_text()) == {"L08.a": 2.5}


def test_a_prediction_is_asked_for_once(type_in, capsys):
    type_in("b", "0.5")
    assert predict("L08.a", "which?", ["x", "y"]) == 1
    assert predict("L08.b", "how much?", unit="nats") == 0.5
    type_in("a", "0.6")
    assert predict("L08.a", "which?", ["x", "y"]) == 1
    assert predict("L08.b", "how much?", unit="nats") == 0.5
    out = capsys.readouterr().out
    assert "you said: y\n" in out and "you said: 0.5 nats\n" in out


def test_own_words_are_kept_and_shown_and_replaced(type_in, answers, capsys):
    type_in("It adds.", 'And "turns".', "")
    write("L08.picture", "What happens inside?")
    assert tomllib.loads((answers / "L08.toml").read_text()) == {
        "L08.picture": 'It adds.\nAnd "turns".'
    }
    type_in("")
    write("L08.picture", "What happens inside?")
    out = capsys.readouterr().out
    assert 'you wrote: It adds.\n  you wrote: And "turns".\n' in out
    assert recall("L08")["L08.picture"].startswith("It adds.")  # no new words: the old ones stay
    type_in("It turns.")  # then the input ends
    write("L08.picture", "What happens inside?")
    assert recall("L08")["L08.picture"] == "It turns."


def test_a_prediction_whose_choices_have_changed_is_asked_for_again(type_in):
    type_in("b")
    assert predict("L08.a", "which?", ["x", "y"]) == 1
    type_in("a")
    assert predict("L08.a", "which?", ["v", "w"]) == 0
    type_in("0.5")
    assert predict("L08.a", "how much?") == 0.5


@pytest.mark.parametrize(
    "typed, truth, said",
    [
        ("0.5", 0.94912, "You said 0.5. It is 0.949: because.\n"),
        ("0.95", 0.9498, "You said 0.95, and so it is: because.\n"),
        ("32", 32, "You said 32, and so it is: because.\n"),
        ("2000", 8192.0, "You said 2,000. It is 8,192: because.\n"),
        ("0", -0.25, "You said 0. It is -0.25: because.\n"),
        ("", 0.94912, "It is 0.949: because.\n"),
    ],
)
def test_a_number_is_revealed_beside_the_prediction(type_in, capsys, typed, truth, said):
    type_in(typed)
    predict("L08.a", "how much?")
    capsys.readouterr()
    reveal("L08.a", truth, "because.")
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    "typed, said",
    [
        ("b", 'You said "it falls". It is "it rises": because.\n'),
        ("a", 'You said "it rises", and so it is: because.\n'),
        ("", 'It is "it rises": because.\n'),
    ],
)
def test_a_choice_is_revealed_beside_the_prediction(type_in, capsys, typed, said):
    type_in(typed)
    predict("L08.a", "which?", ["it rises", "it falls"])
    capsys.readouterr()
    reveal("L08.a", "it rises", "because.")
    assert capsys.readouterr().out == said


def test_a_prediction_that_was_never_made_is_revealed_too(capsys):
    reveal("L08.a", 0.5, "because.")
    assert capsys.readouterr().out == "It is 0.5: because.\n"


def test_what_is_revealed_is_one_of_the_choices(type_in):
    type_in("a")
    predict("L08.a", "which?", ["rises", "falls"])
    with pytest.raises(InputError, match="'rise' is not one of its choices: rises, falls"):
        reveal("L08.a", "rise", "because.")


@pytest.mark.parametrize("typed", ["b", "B", "b)", "b.", "2", "2.", "beta", "BETA"])
def test_an_answer_is_a_letter_a_number_or_words(toy, type_in, capsys, typed):
    type_in(typed, "2")
    quiz("L00")
    out = capsys.readouterr().out
    assert "Yes: b) Beta. The second is Beta." in out
    assert "Not quite: it is a) one. One is the first." in out
    assert recall("L00") == {"L00.q1": True, "L00.q2": False}


def test_the_beginning_of_a_choice_names_it_and_its_words_come_before_its_number(type_in):
    choices = ["2", "1", "they rise", "they fall"]
    for place, typed in enumerate(["2", "1", "they r", "4"]):
        type_in(typed, "")
        assert predict(f"L08.{place}", "which?", choices) == place
    type_in("they", "")  # two choices begin so
    assert predict("L08.x", "which?", choices) is None


@pytest.mark.parametrize("typed", [[""], ["z", "nonsense", "3"], []])
def test_a_skipped_question_keeps_its_answer_to_itself(toy, type_in, capsys, typed):
    type_in(*typed, "")
    quiz("L00")
    out = capsys.readouterr().out
    assert "The second is Beta" not in out and "Not quite" not in out
    assert "skipped (the answer: minitx hint L00.q1)" in out and "minitx hint L00.q2" in out
    assert recall("L00") == {}


def test_what_a_question_does_not_understand_is_named(toy, type_in, capsys):
    type_in("c", "b", "c")
    quiz("L00")
    out = capsys.readouterr().out
    assert out.count("'c' is not one of a, b.") == 1 and "Yes: b) Beta" in out
    assert "Not quite: it is a) one" in out  # c is a choice of the second question


def test_the_hint_of_a_question_is_its_answer(toy):
    assert hint("L00.q1") == "L00.q1: b) Beta. The second is Beta."
    with pytest.raises(InputError, match=r"L00 has no question 'L00\.q7'"):
        hint("L00.q7")


def test_questions_of_an_unknown_lesson_are_named():
    with pytest.raises(InputError, match="there is no lesson 'L77'"):
        predict("L77.a", "?")


def test_lines_stay_apart_and_keep_their_indents(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "50")
    tell_lines("L08.e1, solution:\n\ndef double(x):\n    return 2 * x\n" + "word " * 20)
    out = capsys.readouterr().out
    assert out.startswith("L08.e1, solution:\n\ndef double(x):\n    return 2 * x\nword")
    assert max(map(len, out.splitlines())) <= 50


@pytest.mark.parametrize("columns", ["1", "47", "300"])
def test_no_word_is_broken_at_the_edge(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    words = " ".join(f"{n}-word" for n in range(40)) + " " + "x" * 120
    tell(words, "  ")
    out = capsys.readouterr().out
    assert out.split() == words.split() and out.startswith("  0-word")
    assert max(map(len, out.splitlines()[:-1])) <= max(40, min(92, int(columns)))
