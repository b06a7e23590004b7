"""The folder of the book: all pages and what they need, written whole or not at all."""

import datetime
import json
import os
import re
import shutil
import string
from collections.abc import Callable, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from minitx import files
from minitx.book import cache, lesson_page, panels, reference, start
from minitx.book.links import Chapter, Links
from minitx.book.sections import Section, sections_of
from minitx.classroom import lessons
from minitx.errors import InputError
from minitx.evidence import ledger_page, verdicts, zoo_judging
from minitx.evidence.claims import known_claims

SOURCE = Path(__file__).parent / "source"
MARK = "book.json"  # a folder with this file is a book, and may be replaced
OTHER_PAGES = {
    "measuring.html": "How to measure",
    "ledger.html": "The ledger",
    "glossary.html": "Glossary",
    "search.html": "Index and search",
    "answers.html": "Answers",
}


def build(
    out: Path, chosen: Sequence[str] = (), jobs: int = 1, say: Callable[[str], None] = print
) -> Path:
    """Write the book into the folder `out`; return its first page.

    Lessons that are not in the cache are run, all of them or those that were `chosen`; of the
    others, those in the cache come along. Raises InputError for a lesson that breaks and for a
    folder that is something else. A book that was there stays as it is until the new one is whole.
    """
    out = out.absolute()
    refuse_other_folder(out)
    names = list(lessons.paths())
    records = cache.record_all([name for name in names if name in (chosen or names)], jobs, say)
    for name in names:
        if name not in records and (record := cache.kept(name, cache.digest_of(name))):
            records[name] = record
    if not chosen:
        judge_the_rest(say)
    write(out, {name: records[name] for name in names if name in records}, start_record(say))
    return out / "index.html"


def judge_the_rest(say: Callable[[str], None]) -> None:
    """Judge the claims that no lesson has judged on this machine yet, for the ledger."""
    missing = [id for id in known_claims() if id not in zoo_judging.kept().claims]
    for number, (id, row) in enumerate(zoo_judging.judge(missing), start=1):
        say(f"{id}: {row['verdict']} ({number} of {len(missing)} claims that no lesson has judged)")


def start_record(say: Callable[[str], None]) -> dict[str, Any]:
    """Return what the first page says of the main model, from the cache or measured now."""
    digest = cache.digest_of_start()
    found = cache.kept("start", digest)
    if found is None:
        say("measuring the three findings")
        found = start.findings()
        cache.keep("start", digest, found)
    return found


def refuse_other_folder(out: Path) -> None:
    """Raise InputError if `out` is a file, or a folder with something else than a book in it."""
    if out.is_dir() and (not any(out.iterdir()) or (out / MARK).is_file()):
        return
    if out.exists():
        raise InputError(f"{out} is there and is not a book: choose another folder with --out")


def write(out: Path, records: dict[str, dict[str, Any]], found: dict[str, Any]) -> None:
    """Write all files of a book into a new folder, and put it in the place of the old one."""
    beside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    old = beside.with_suffix(".old")
    try:
        write_files(beside, records, found)
        if out.exists():
            out.rename(old)
        beside.rename(out)
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_files(out: Path, records: dict[str, dict[str, Any]], found: dict[str, Any]) -> None:
    """Write all files of a book."""
    today = datetime.date.today().isoformat()
    chapters = [lesson_page.chapter(name, name in records) for name in lessons.paths()]
    by_name = {chapter.lesson: chapter for chapter in chapters}
    links = Links(by_name, {term.lower(): term for term in reference.terms()})
    bodies = {"index.html": start.page(found, chapters, today)}
    for name, record in records.items():
        bodies[by_name[name].file] = lesson_page.page(record, links)
    bodies["measuring.html"] = reference.measuring(links)
    bodies["ledger.html"] = with_lessons(ledger_page.body(known_claims(), rows_by_model()), by_name)
    bodies["glossary.html"] = reference.glossary(links)
    sections = [part for file, body in bodies.items() for part in sections_of(file, body)]
    bodies["search.html"] = reference.search(sections, chapters)
    bodies["answers.html"] = reference.answers(records, chapters)

    order = ["index.html", *(c.file for c in chapters if c.is_there), *OTHER_PAGES]
    titles = {c.file: c.title for c in chapters} | OTHER_PAGES | {"index.html": "Start"}
    for file, body in bodies.items():
        files.write(out / file, page(file, body, order, titles, chapters))
    shown = [
        item for record in records.values() for part in record["parts"] for item in part["shown"]
    ]
    for figure in (item for item in shown if item["kind"] == "figure"):
        files.write(out / "figures" / f"{figure['name']}.svg", figure["svg"])
        files.write(out / "figures" / f"{figure['name']}.csv", figure["csv"])
    panels.write(out, [start.PANEL, *(item for item in shown if item["kind"] == "panel")])
    style = [ledger_page.STYLE.read_text("utf-8"), source("book.css")]
    files.write(out / "book.css", "\n".join(style))
    files.write(out / "book.js", source("book.js"))
    files.write(out / "search.js", search_script(sections))
    files.write_json(out / MARK, {"made": today, "lessons": list(records)})


def with_lessons(ledger: str, chapters: dict[str, Chapter]) -> str:
    """Return the ledger, in which each lesson that the book has is a link."""

    def link(found: re.Match) -> str:
        chapter = chapters.get(found[1])
        if chapter is None or not chapter.is_there:
            return found[0]
        return f'lesson <a href="{chapter.file}">{found[1]}</a>'

    return re.sub(r"lesson (L\d\d)\b", link, ledger)


def page(
    file: str, body: str, order: list[str], titles: dict[str, str], chapters: list[Chapter]
) -> str:
    """Return a whole page around a body."""
    place = order.index(file)
    before = order[place - 1] if place else None
    after = order[place + 1] if place + 1 < len(order) else None
    lesson = next((chapter.lesson for chapter in chapters if chapter.file == file), "")
    return string.Template(source("page.html")).substitute(
        title=escape(f"{titles[file]}: the minitx book" if place else "The minitx book"),
        lesson=lesson,
        more='<script src="search.js" defer></script>\n' if file == "search.html" else "",
        chapters="\n".join(entry(chapter, file) for chapter in chapters),
        others="\n".join(line(name, title, file) for name, title in OTHER_PAGES.items()),
        body=body,
        before=f'<a rel="prev" href="{before}">← {escape(titles[before])}</a>' if before else "",
        after=f'<a rel="next" href="{after}">{escape(titles[after])} →</a>' if after else "",
    )


def entry(chapter: Chapter, here: str) -> str:
    """Return a lesson in the list of contents."""
    if chapter.is_there:
        return line(chapter.file, chapter.title, here)
    return f'<li class="missing">{escape(chapter.title, quote=False)}</li>'


def line(file: str, title: str, here: str) -> str:
    """Return a page in the list of contents."""
    current = ' aria-current="page"' if file == here else ""
    return f'<li><a href="{file}"{current}>{escape(title, quote=False)}</a></li>'


def rows_by_model() -> dict[str, dict[str, dict]]:
    """Return the rows of each model that was judged by these rules on this machine, by label."""
    known = known_claims()
    found = {}
    for judged in verdicts.read_all():
        rows = {id: row for id, row in judged.claims.items() if id in known}
        if judged.rules == verdicts.rules_hash() and rows:
            found[judged.label] = rows
    return found


def search_script(sections: list[Section]) -> str:
    """Return the text of all pages as a script: a page on disk cannot load it as data."""
    return f"const SECTIONS = {json.dumps([asdict(section) for section in sections])};\n"


def source(name: str) -> str:
    """Return the text of a file in `source/`."""
    return (SOURCE / name).read_text("utf-8")
