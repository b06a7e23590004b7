"""The text of the book's pages, section by section: what the search looks through."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

HEADINGS = ("h1", "h2", "h3", "dt", "summary")
LEFT_OUT = ("script", "style", "svg", "pre", "table", "noscript", "button", "label", "time")


@dataclass
class Section:
    """A heading with an address, and the words below it."""

    page: str
    anchor: str
    title: str
    text: str


class _Reader(HTMLParser):
    """Goes through a page and begins a section at each heading that has an address."""

    def __init__(self, page: str):
        super().__init__()
        self.sections = [Section(page, "", "", "")]
        self.inside: list[str] = []
        self.heading = ""

    def handle_starttag(self, tag, attributes):
        if tag in LEFT_OUT:
            self.inside.append(tag)
        anchor = dict(attributes).get("id")
        is_first = tag == "h1" and not self.sections[0].title
        if tag in HEADINGS and (anchor or is_first) and not self.inside:
            if not is_first:
                self.sections.append(Section(self.sections[0].page, anchor, "", ""))
            self.heading = tag

    def handle_endtag(self, tag):
        if self.inside and tag == self.inside[-1]:
            self.inside.pop()
        if tag == self.heading:
            self.heading = ""

    def handle_data(self, data):
        if self.inside:
            return
        section = self.sections[-1]
        if self.heading:
            section.title += data
        else:
            section.text += f"{data} "


def sections_of(page: str, html: str) -> list[Section]:
    """Return the sections of a page, with their words in one line.

    >>> sections_of("a.html", '<h1>A</h1><p>One.</p><h2 id="b">B</h2><p>Two,<br>three.</p>')[1]
    Section(page='a.html', anchor='b', title='B', text='Two, three.')
    """
    reader = _Reader(page)
    reader.feed(html)
    for section in reader.sections:
        section.title = re.sub(r"\s+", " ", section.title).strip()
        section.text = re.sub(r"\s+", " ", section.text).strip()
    return [section for section in reader.sections if section.title or section.text]
