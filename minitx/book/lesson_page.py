"""A lesson as a page: its record, cell by cell, as HTML."""

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from minitx.book import figures, forms, panels, prose
from minitx.book.links import Chapter, Links
from minitx.classroom import lessons
from minitx.evidence import ledger_page, summary
from minitx.evidence.claims import claims_in_words

Shown = dict[str, Any]
# Calls that do nothing but show what the page shows anyway; some give the result away.
SHOWN_BESIDE = (
    "predict", "write", "reveal", "panel", "quiz", "judge", "judge_real_model", "show",
    "show_ledger", "finish",
)  # fmt: skip
BOUNDARIES = ("prediction", "writing", "panel", "quiz")  # they are never folded, and end what is


def chapter(lesson: str, is_there: bool) -> Chapter:
    """Return what other pages say of a lesson, from its first cell."""
    title, question, about = opening(lessons.cells(lesson)[0].text)
    minutes = re.search(r"(\d+) minutes", about)
    return Chapter(
        lesson=lesson,
        file=f"{lessons.paths()[lesson].stem}.html",
        title=title,
        question=question,
        minutes=minutes[1] if minutes else "",
        is_there=is_there,
    )


def opening(text: str) -> tuple[str, str, str]:
    """Return the title of a lesson, its question, and the rest of its first cell.

    >>> opening("# L08 Directions\\n## Do layers turn?\\n\\nIt begins.")
    ('L08 Directions', 'Do layers turn?', 'It begins.')
    """
    title, _, rest = text.partition("\n")
    question = ""
    if rest.startswith("## "):
        question, _, rest = rest.partition("\n")
    return title.lstrip("# "), question.removeprefix("## "), rest.strip()


def page(record: dict[str, Any], links: Links) -> str:
    """Return the text of a lesson's page."""
    lesson = record["lesson"]
    writer = prose.Prose(links)
    title, question, first = opening(record["parts"][0]["text"])
    first_exercise = next((part["id"] for part in record["parts"] if "id" in part), "")
    parts = [
        f"<h1>{escape(title, quote=False)}</h1>",
        f'<p class="question">{escape(question, quote=False)}</p>',
        writer.html(first),
    ]
    for part in record["parts"][1:]:
        if part["kind"] == "markdown":
            parts.append(writer.html(part["text"]))
        elif part["kind"] == "exercise":
            if part["id"] == first_exercise:
                parts.append(forms.how_to(lesson))
            parts.append(forms.exercise(part))
        else:
            parts += code_cell(part)
    parts.append(keeping(lesson))
    return "\n".join(filter(None, parts))


def code_cell(part: dict[str, Any]) -> list[str]:
    """Return a cell's code, if it is worth reading, and what it showed."""
    found = []
    code = prose.without_calls(part["text"], SHOWN_BESIDE)
    if part["kind"] == "code" and code:
        found.append(prose.code(code))
    elif part["kind"] == "folded":
        code = prose.code(code)
        title = escape(part["title"], quote=False)
        found.append(f'<details class="code-of"><summary>{title}</summary>\n{code}</details>')
    for ids, group in gated(part["shown"]):
        inside = "\n".join(map(html_of, group))
        found.append(forms.gate(ids, inside) if ids else inside)
    return found


def gated(shown: list[Shown]) -> Iterator[tuple[list[str], list[Shown]]]:
    """Yield what a cell showed in groups, each with the predictions that it waits for.

    A result waits for the predictions that it is compared with, and so does all that was shown with
    it: the figure and the numbers that give it away.
    """
    group: list[Shown] = []
    for item in shown:
        if item["kind"] not in BOUNDARIES:
            group.append(item)
            continue
        if group:
            yield awaited_by(group), group
        yield [], [item]
        group = []
    if group:
        yield awaited_by(group), group


def awaited_by(group: list[Shown]) -> list[str]:
    """Return the predictions whose results are in a group."""
    ids = [item["id"] for item in group if item["kind"] == "truth"]
    for item in group:
        ids += [guess["id"] for guess in item.get("guesses", ())]
    return list(dict.fromkeys(ids))


def html_of(shown: Shown) -> str:
    """Return one thing that a cell showed."""
    return SHOW[shown["kind"]](shown)


def words(shown: Shown) -> str:
    return f"<p>{forms.plain_words(shown['text'])}</p>"


def output(shown: Shown) -> str:
    return prose.output(shown["text"]) if shown["text"].strip() else ""


def verdict(shown: Shown) -> str:
    """Return a verdict as a sentence; its rule and its numbers open on request."""
    id, row = shown["id"], shown["row"]
    known = claims_in_words()
    claim = escape(shown["words"] or known[id], quote=False)
    on = f"; {escape(shown['on'])}" if shown["on"] else ""
    where = f' (<a href="ledger.html#{id}">{id}</a>{on})' if id in known else ""
    parts = [
        '<div class="verdict">',
        f'<p class="claim-words">{ledger_page.badge(row["verdict"])} {claim}{where}</p>',
        f"<p>{escape(summary.in_words(row), quote=False)}</p>",
    ]
    if "numbers" in row:
        rows = {"here": row}
        parts.append(
            "<details><summary>Rule and numbers</summary>\n"
            f"<p><b>Baseline:</b> {escape(row['baseline'], quote=False)}.</p>"
            f"{ledger_page.rule(row['rule'])}"
            f"{ledger_page.figures(rows)}{ledger_page.numbers(rows)}</details>"
        )
    return "\n".join([*parts, "</div>"])


def ledger(shown: Shown) -> str:
    return '<p><a href="ledger.html">The ledger</a> has all claims, and how each came out.</p>'


def quiz(shown: Shown) -> str:
    return forms.quiz(shown["questions"])


def keeping(lesson: str) -> str:
    """Return how a reader keeps their answers: in this browser, or as a file for the classroom."""
    return (
        '<section class="keeping tools" aria-label="Your answers">\n'
        "<p>Your answers stay in this browser. Saved as a file into the folder "
        f"<code>answers</code>, they are found by <code>minitx lesson {int(lesson[1:])}</code>.</p>"
        f'<p class="row"><button type="button" class="quiet save" data-lesson="{lesson}">'
        f"Save {lesson}.toml</button> "
        f'<button type="button" class="quiet forget" data-lesson="{lesson}">'
        "Forget them</button></p>"
        "</section>"
    )


SHOW = {
    "output": output,
    "words": words,
    "prediction": forms.prediction,
    "truth": forms.truth,
    "writing": forms.writing,
    "figure": figures.figure,
    "panel": panels.frame,
    "verdict": verdict,
    "ledger": ledger,
    "quiz": quiz,
}
