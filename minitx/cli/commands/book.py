"""`minitx book`: all lessons, run on this machine, as pages that open from disk."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from minitx.cli.terminal import say
from minitx.errors import InputError


@dataclass(frozen=True)
class Book:
    """Run the lessons and write them as a book: pages with figures and models that compute.

    It opens in any browser, without a server and without a network.
    """

    lessons: tyro.conf.Positional[tuple[str, ...]] = ()
    """The numbers of lessons to run; of the others, those that were run before come along. By
    default all lessons."""
    out: Path = Path("book")
    """The folder; a book that is there is replaced when the new one is whole."""
    jobs: int = 1
    """How many lessons run side by side, each in a process of its own."""
    open: bool = False
    """Open the book in your browser."""

    def run(self) -> None:
        from minitx.book import site
        from minitx.classroom import lessons
        from minitx.page.browser import open_page

        if self.jobs < 1:
            raise InputError(f"jobs={self.jobs} is out of range: it must be at least 1")
        chosen = [lessons.find(name) for name in self.lessons]
        first = site.build(self.out, chosen, self.jobs, say)
        print(first)
        if self.open and not open_page(first):
            say("--open: this machine has no screen, or you are connected to it from elsewhere")
