"""What a reader answers: predictions, the gates behind them, quizzes and exercises, as HTML.

Everything can be read without JavaScript. Answers are encoded, so that neither the page's source
nor a search in it shows them beside their question; the page of answers has them in plain words.
"""

import base64
import json
import re
from html import escape
from typing import Any

from minitx.book import prose
from minitx.classroom.questions import LETTERS, in_words

Shown = dict[str, Any]


def hidden(value: Any) -> str:
    """Return a value that `book.js` decodes and that nobody reads by accident."""
    return base64.b64encode(json.dumps(value, ensure_ascii=False).encode()).decode()


def plain_words(text: str) -> str:
    """Return words as HTML; what stands in backticks is code.

    >>> plain_words("Type `x < 1`.")
    'Type <code>x &lt; 1</code>.'
    """
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


# --- predictions and own words --------------------------------------------------------------------


def prediction(asked: Shown) -> str:
    """Return a form that asks for a number or a choice before the reader sees the result."""
    id = asked["id"]
    inputs = choices(asked["choices"]) if asked["choices"] else number(asked)
    return (
        f'<form class="ask predict" id="{id}" data-id="{id}"><fieldset>'
        f"<legend><b>Predict</b> {plain_words(asked['question'])}</legend>\n"
        f'{inputs}\n<p class="row tools"><button type="submit">Predict</button>'
        '<button type="button" class="quiet show-me">Show me</button></p>'
        '<p class="said" role="status"></p></fieldset></form>'
    )


def number(asked: Shown) -> str:
    """Return an input for a number, with its range and its unit."""
    id, low, high, unit = (asked[name] for name in ("id", "low", "high", "unit"))
    bounds = "" if low is None else f' min="{low:g}"'
    bounds += "" if high is None else f' max="{high:g}"'
    label = f"Your number{in_range(low, high)}" + (f", in {unit}" if unit else "")
    return (
        f'<p class="row tools"><label for="{id}-number">{plain_words(label)}</label>'
        f'<input id="{id}-number" name="answer" type="number" step="any" required{bounds}></p>'
    )


def in_range(low: float | None, high: float | None) -> str:
    """Return the range of a number in words.

    >>> in_range(-1, 1), in_range(0, None), in_range(None, None)
    (' from -1 to 1', ' from 0', '')
    """
    if low is None:
        return "" if high is None else f" up to {high:g}"
    return f" from {low:g}" + ("" if high is None else f" to {high:g}")


def choices(words: list[str]) -> str:
    """Return a list of choices, one of them to be marked."""
    items = []
    for letter, choice in zip(LETTERS, words, strict=False):
        field = f'<input type="radio" name="answer" value="{escape(choice)}" required>'
        items.append(
            f"<li><label>{field} <span>{letter}) {plain_words(choice)}</span></label></li>"
        )
    return f'<ul class="choices">{"".join(items)}</ul>'


def writing(asked: Shown) -> str:
    """Return a field for the reader's own words, which nobody judges."""
    id = asked["id"]
    return (
        f'<div class="ask write" id="{id}" data-id="{id}">'
        f'<label for="{id}-words"><b>Write</b> {plain_words(asked["question"])}</label>'
        f'<textarea id="{id}-words" class="tools" rows="6"></textarea></div>'
    )


def gate(ids: list[str], inside: str) -> str:
    """Return what stays folded until the reader has made some predictions, or wants to see it."""
    links = ", ".join(f'<a href="#{id}">question {id}</a>' for id in ids)
    return (
        f'<details class="gate" data-for="{" ".join(ids)}"><summary>Show what came out</summary>\n'
        f'<p class="small first">Predict it first: {links}.</p>\n{inside}\n</details>'
    )


def truth(found: Shown) -> str:
    """Return what came of a prediction, to be compared with what the reader said."""
    value = found["truth"]
    exact = "" if isinstance(value, str) else f' data-truth="{value!r}"'
    return (
        f'<p class="truth" data-for="{found["id"]}"{exact} data-words="{escape(in_words(value))}">'
        f'<span class="compare">It is {plain_words(in_words(value))}:</span> '
        f"{plain_words(found['because'])}</p>"
    )


def sentence(words: str) -> str:
    """Return words that begin as a sentence does."""
    return words[:1].upper() + words[1:]


# --- the quiz ------------------------------------------------------------------------------------


def quiz(questions: list[Shown]) -> str:
    """Return the questions of a quiz; a click on a choice says whether it is right, and why."""
    return "\n".join(map(quiz_question, questions))


def quiz_question(question: Shown) -> str:
    id = question["id"]
    right = LETTERS[question["answer"]]
    words = f"{right}) {question['choices'][question['answer']]}. {question['why']}"
    secret = hidden({"answer": question["answer"], "words": words})
    items = []
    for place, choice in enumerate(question["choices"]):
        label = f"{LETTERS[place]}) {plain_words(choice)}"
        items.append(f'<li><button type="button" data-choice="{place}">{label}</button></li>')
    return (
        f'<section class="ask quiz" id="{id}" data-id="{id}" data-secret="{secret}" '
        f'aria-labelledby="{id}-words"><p id="{id}-words"><b>Quiz</b> '
        f'{plain_words(question["words"])}</p>\n<ol class="choices buttons">{"".join(items)}</ol>'
        f'<p class="said" role="status"></p>{without_script(id)}</section>'
    )


def without_script(id: str) -> str:
    """Return where a reader without JavaScript finds an answer."""
    return f'<noscript><p class="small"><a href="answers.html#{id}">The answer</a></p></noscript>'


# --- exercises -----------------------------------------------------------------------------------


def exercise(part: Shown) -> str:
    """Return the stub of an exercise, and hints that unfold one by one."""
    id = part["id"]
    secret = hidden([*map(plain_words, part["hints"]), solution(part)])
    return (
        f'<section class="exercise" id="{id}" data-id="{id}" '
        f'data-secret="{secret}" aria-label="Exercise {id}">\n'
        f"{prose.code(part['text'], f'Exercise {id}')}\n"
        '<ol class="hints" aria-live="polite"></ol>'
        '<p class="row tools"><button type="button" class="quiet hint">A nudge</button></p>'
        f"{without_script(id)}</section>"
    )


def solution(part: Shown) -> str:
    """Return the solution of an exercise, and what follows from it."""
    code = prose.code(part["solution"], f"Solution of {part['id']}")
    return code + (f"<p>{plain_words(part['conclusion'])}</p>" if part["conclusion"] else "")


def how_to(lesson: str) -> str:
    """Return how the exercises of a lesson are done: not in the book, but beside it."""
    command = f"minitx lesson {int(lesson[1:])}"
    return (
        f'<p class="small">Write your code in a terminal or in a notebook. <code>{command}</code> '
        "puts each exercise into a file for you, and checks what you write there; "
        f"<code>{command} --notebook</code> makes a notebook.</p>"
    )


def answers(parts: list[Shown]) -> str:
    """Return the answers of a lesson's quiz and exercises in plain words, for the last page."""
    found = []
    for part in parts:
        if part["kind"] == "exercise":
            hints = "".join(f"<li>{plain_words(hint)}</li>" for hint in part["hints"])
            name = part["id"]
            found.append(f'<h3 id="{name}">{name}</h3><ol>{hints}</ol>{solution(part)}')
        for shown in part["shown"]:
            for question in shown.get("questions", ()):
                letter = LETTERS[question["answer"]]
                words = f"{letter}) {question['choices'][question['answer']]}. {question['why']}"
                found.append(
                    f'<h3 id="{question["id"]}">{question["id"]}</h3>'
                    f"<p>{plain_words(question['words'])} …</p><p>{plain_words(words)}</p>"
                )
    return "\n".join(found)
