"""Which pages the book has, and how words become links to them."""

import re
from dataclasses import dataclass, field
from html import escape

from minitx.evidence.claims import known_claims


def slug(words: str) -> str:
    """Return words as they stand in an address.

    >>> slug("Why the belief fails, and when it is right")
    'why-the-belief-fails-and-when-it-is-right'
    """
    return "-".join(re.findall(r"[a-z0-9]+", words.lower())) or "part"


@dataclass(frozen=True)
class Chapter:
    """A lesson as a page of the book."""

    lesson: str
    """Its name, such as L08."""
    file: str
    title: str
    question: str
    minutes: str
    is_there: bool
    """Whether the book has the page; otherwise it only knows that the lesson exists."""


@dataclass(frozen=True)
class Links:
    """What words may point to: lessons of the book, claims of its ledger, terms of its glossary."""

    chapters: dict[str, Chapter]
    terms: dict[str, str] = field(default_factory=dict)
    """Each term of the glossary by itself in small letters."""

    def in_text(self, words: str) -> str:
        """Return words as HTML, in which claims and lessons are links.

        >>> Links({}).in_text("as A9 < B1 says")
        'as <a href="ledger.html#A9">A9</a> &lt; <a href="ledger.html#B1">B1</a> says'
        """
        html = escape(words, quote=False)
        html = re.sub(r"\b[ABC]\d{1,2}\b", self._claim, html)
        return re.sub(r"\b([Ll]esson) (\d{1,2})\b", self._lesson, html)

    def _claim(self, found: re.Match) -> str:
        id = found[0]
        return f'<a href="ledger.html#{id}">{id}</a>' if id in known_claims() else id

    def _lesson(self, found: re.Match) -> str:
        chapter = self.chapters.get(f"L{int(found[2]):02}")
        if chapter is None or not chapter.is_there:
            return found[0]
        return f'<a href="{chapter.file}">{found[0]}</a>'

    def term(self, words: str) -> str | None:
        """Return the place of a term in the glossary, or None."""
        small = words.lower()
        for name in (small, small.removesuffix("s")):
            if name in self.terms:
                return f"glossary.html#{slug(self.terms[name])}"
        return None
