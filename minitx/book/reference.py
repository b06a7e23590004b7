"""The pages to look things up in: how to measure, the glossary, index and search, answers."""

import re
import string
import tomllib
from html import escape
from pathlib import Path
from typing import Any

import minitx
from minitx.book import forms, prose
from minitx.book.links import Chapter, Links, slug
from minitx.book.sections import Section
from minitx.evidence import judging, ledger_page, reading
from minitx.evidence.evidence import VERDICTS
from minitx.runs import zoo

SOURCE = Path(__file__).parent / "source"


def measuring(links: Links) -> str:
    """Return the page on baselines, bands, rules and verdicts; its numbers come from the code."""
    text = string.Template((SOURCE / "measuring.md").read_text("utf-8")).substitute(
        seeds=len(zoo.SEEDS),
        windows=reading.WINDOWS,
        window_tokens=reading.WINDOW_TOKENS,
        resamples=f"{judging.RESAMPLES:,}",
        agreement=f"{judging.AGREEMENT:.0%}".replace("%", " %"),
        interval=f"{judging.HIGH - judging.LOW:.0%}".replace("%", " %"),
    )
    html = prose.Prose(links).html(text)
    for verdict in VERDICTS:
        html = html.replace(f"<td>{verdict}</td>", f"<td>{ledger_page.badge(verdict)}</td>")
    return html


# --- the glossary --------------------------------------------------------------------------------


def terms() -> dict[str, str]:
    """Return the terms of the glossary with their definitions, in alphabetical order."""
    found = tomllib.loads((SOURCE / "glossary.toml").read_text("utf-8"))
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def dimension_key() -> dict[str, str]:
    """Return what each letter in the name of an array stands for.

    >>> dimension_key()["D"]
    'stream width'
    """
    key = (minitx.__doc__ or "").partition("dimension key")[2].partition("Reading order")[0]
    pairs = re.findall(r"(?:^| {2,})([A-Z]) {2}(\S(?:.*?\S)?)(?= {2,}|$)", key, re.MULTILINE)
    return dict(pairs)


def glossary(links: Links) -> str:
    """Return the terms, and the letters in the names of arrays."""
    writer = prose.Prose(Links(links.chapters))
    items = []
    for term, definition in terms().items():
        words = writer.html(definition).strip().removeprefix("<p>").removesuffix("</p>")
        items.append(f'<dt id="{slug(term)}">{escape(term)}</dt><dd>{words}</dd>')
    rows = "".join(
        f'<tr><th scope="row">{letter}</th><td>{escape(words)}</td></tr>'
        for letter, words in sorted(dimension_key().items())
    )
    return (
        "<h1>Glossary</h1>\n"
        '<p><a href="#array-names">The letters in the names of arrays</a> stand below.</p>\n'
        f'<dl class="terms">{"".join(items)}</dl>\n'
        '<h2 id="array-names">The letters in the names of arrays</h2>\n'
        "<p>The name of an array says what its axes are: <code>x_BTD</code> has the axes B, T and "
        "D.</p>\n"
        f'<table class="plain"><tr><th scope="col">letter</th><th scope="col">axis</th></tr>{rows}'
        "</table>"
    )


# --- index and search ----------------------------------------------------------------------------


def search(sections: list[Section], chapters: list[Chapter]) -> str:
    """Return the page with the search, and with the index, which needs no JavaScript."""
    files = {chapter.file: chapter for chapter in chapters}
    entries = []
    for term in terms():
        found = [
            section for section in sections if section.page in files and mentions(section, term)
        ]
        first = {section.page: section for section in reversed(found)}
        places = [
            f'<a href="{section.page}#{section.anchor}">{files[section.page].lesson}</a>'
            for section in sorted(first.values(), key=lambda section: section.page)
        ]
        definition = f'<a href="glossary.html#{slug(term)}">{escape(term)}</a>'
        entries.append(f"<li>{definition} {' '.join(places)}</li>")
    return (
        "<h1>Index and search</h1>\n"
        '<form class="tools search" role="search" action="search.html">'
        '<label for="query">Search the book</label> '
        '<span class="row"><input id="query" name="q" type="search">'
        '<button type="submit">Search</button></span></form>\n'
        '<p id="found" role="status"></p><ol id="results"></ol>\n'
        '<h2 id="index">Index</h2>\n<p>Each term leads to the glossary; each lesson, to the first '
        f'part of it that speaks of the term.</p>\n<ul class="index">{"".join(entries)}</ul>'
    )


def mentions(section: Section, term: str) -> bool:
    """Return whether a section speaks of a term, in the singular or the plural."""
    pattern = rf"\b{re.escape(term)}(?:s|es)?\b"
    return re.search(pattern, f"{section.title} {section.text}", re.IGNORECASE) is not None


def answers(records: dict[str, dict[str, Any]], chapters: list[Chapter]) -> str:
    """Return the answers to all quizzes, and hints and solutions of all exercises."""
    parts = [
        "<h1>Answers</h1>",
        "<p>To be read after you have tried it. In the lessons, the same answers unfold where the "
        "questions stand.</p>",
    ]
    for chapter in chapters:
        if chapter.lesson in records:
            title = escape(chapter.title, quote=False)
            parts.append(f'<h2 id="{chapter.lesson}">{title}</h2>')
            parts.append(forms.answers(records[chapter.lesson]["parts"]))
    return "\n".join(parts)
