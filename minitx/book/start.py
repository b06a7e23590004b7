"""The first page: what the book is about, three findings, a panel, and the list of lessons."""

from html import escape
from typing import Any

from minitx import report
from minitx.book import panels
from minitx.book.links import Chapter
from minitx.evidence import ledger_page
from minitx.runs import zoo

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


def page(found: dict[str, Any], chapters: list[Chapter], built: str) -> str:
    """Return the text of the page. `built` is the day on which the book was made."""
    items = []
    for finding, lesson in zip(found["findings"], LESSONS, strict=True):
        chapter = next((c for c in chapters if c.lesson == lesson and c.is_there), None)
        where = f' <a href="{chapter.file}">{escape(chapter.title)}</a>' if chapter else ""
        items.append(
            f"<li><p><b>{escape(finding['claim'])}</b></p>"
            f"<p>{ledger_page.badge(finding['verdict'])} {escape(finding['why'])}.{where}</p></li>"
        )
    return "\n".join(
        [
            "<h1>See what happens inside a transformer</h1>",
            '<p class="question">And put what people say about it to the test.</p>',
            "<p>Two articles make 65 claims about what a language model does inside. This book puts "
            "them to the test, on small transformers that were trained on the machine that made it. "
            "Each lesson asks you for a prediction first, shows one experiment beside the baseline "
            "that it has to beat, and ends with verdicts. The panels compute: each contains a "
            "trained model, and your browser runs it while you move the sliders. Nothing is loaded "
            "from a network, and nothing is sent.</p>",
            '<h2 id="three-findings">Three findings</h2>',
            f"<p>About a model of {found['blocks']} blocks and width {found['width']}, measured on "
            f"{found['tokens']:,} tokens of text that it has not seen.</p>",
            f'<ol class="findings">{"".join(items)}</ol>',
            '<h2 id="try-it">Try it</h2>',
            "<p>The third finding, on the same model: make its last state longer before the final "
            "norm, and then after it.</p>",
            panels.frame(PANEL),
            '<h2 id="lessons">The lessons</h2>',
            contents(chapters),
            '<h2 id="other-pages">The rest of the book</h2>',
            '<ul><li><a href="measuring.html">How to measure</a>: baselines, bands, rules, and the '
            'words of the verdicts.</li><li><a href="ledger.html">The ledger</a>: all claims, and '
            'how each came out.</li><li><a href="glossary.html">Glossary</a>: terms, and the letters '
            'in the names of arrays.</li><li><a href="search.html">Index and search</a></li>'
            '<li><a href="answers.html">Answers</a> to quizzes and exercises.</li></ul>',
            f'<p class="small">Made on {built}.</p>',
        ]
    )


def contents(chapters: list[Chapter]) -> str:
    """Return the list of lessons with their questions."""
    items = []
    for chapter in chapters:
        title = escape(chapter.title, quote=False)
        name = f'<a href="{chapter.file}">{title}</a>' if chapter.is_there else title
        minutes = f", {chapter.minutes} minutes" if chapter.minutes else ""
        missing = "" if chapter.is_there else " (not in this book yet)"
        items.append(
            f'<li data-lesson="{chapter.lesson}">{name} <span class="small">'
            f"{escape(chapter.question, quote=False)}{minutes}{missing}</span></li>"
        )
    return f'<ul class="chapters">{"".join(items)}</ul>'
