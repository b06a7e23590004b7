"""The first page: what the book is about, three findings, a panel, and the list of lessons."""

import string
from html import escape
from pathlib import Path
from typing import Any

from minitx import report
from minitx.book import forms, panels
from minitx.book.links import Chapter
from minitx.evidence import ledger_page
from minitx.evidence.claims import known_claims
from minitx.runs import zoo

SOURCE = Path(__file__).parent / "source"
FAMILY = "fables"
LESSONS = ("L07", "L08", "L05")  # where each finding comes from, in their order
PANEL = {"name": "dial", "family": FAMILY, "view": {}}


def findings() -> dict[str, Any]:
    """Return the three findings about the book's main model, and what it is, as plain JSON."""
    family = zoo.load(FAMILY)
    model = family.models[0]
    tokens_BT = report.sequences(family.data.val_tokens, family.config.context)
    found = report.inspect(model, tokens_BT, zoo.SEEDS[0])
    return {
        "findings": found["findings"],
        "blocks": family.config.depth,
        "width": family.config.width,
        "tokens": found["tokens"],
    }


def page(found: dict[str, Any], chapters: list[Chapter], day: str) -> str:
    """Return the text of the page. `day` is when the book was made."""
    by_name = {chapter.lesson: chapter for chapter in chapters}
    findings = [
        finding_item(finding, by_name.get(lesson))
        for finding, lesson in zip(found["findings"], LESSONS, strict=True)
    ]
    return string.Template((SOURCE / "start.html").read_text("utf-8")).substitute(
        claims=len(known_claims()),
        blocks=found["blocks"],
        width=found["width"],
        tokens=f"{found['tokens']:,}",
        findings="\n".join(findings),
        panel=panels.frame(PANEL),
        chapters="\n".join(map(chapter_item, chapters)),
        day=day,
    )


def finding_item(finding: dict[str, Any], chapter: Chapter | None) -> str:
    """Return a finding with its verdict, and the lesson that it comes from."""
    where = ""
    if chapter and chapter.is_there:
        where = f' <a href="{chapter.file}">{escape(chapter.title, quote=False)}</a>'
    why = escape(forms.sentence(finding["why"]), quote=False)
    return (
        f"<li><p><b>{escape(finding['claim'], quote=False)}</b></p>"
        f"<p>{ledger_page.badge(finding['verdict'])} {why}.{where}</p></li>"
    )


def chapter_item(chapter: Chapter) -> str:
    """Return a lesson with its question, and how long it takes."""
    name = escape(chapter.title, quote=False)
    if chapter.is_there:
        name = f'<a href="{chapter.file}">{name}</a>'
    about = [chapter.question]
    if chapter.minutes:
        about.append(f"{chapter.minutes} minutes.")
    if not chapter.is_there:
        about.append("Not in this book yet.")
    words = escape(" ".join(about), quote=False)
    return f'<li data-lesson="{chapter.lesson}">{name} <span class="small">{words}</span></li>'
