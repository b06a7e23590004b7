"""What is checked of any book, a small one and the whole one."""

import html
import re
import urllib.parse
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a book."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pages(folder: Path) -> dict[Path, str]:
    """All pages of a book, without its panels."""
    return {path: path.read_text("utf-8") for path in sorted(folder.glob("*.html"))}


def follow_links(folder: Path) -> tuple[int, list[str]]:
    """How many links the pages have, and those that lead nowhere or out of the book."""
    texts = pages(folder)
    count = 0
    dead = []
    for path, text in texts.items():
        for target in re.findall(r'(?:href|src)="([^"]*)"', text):
            if target.startswith("data:"):
                continue
            count += 1
            address, _, anchor = html.unescape(target).partition("#")
            other = path.parent / address if address else path
            names = re.findall(r'\bid="?([^"\s>]+)', texts.get(other, ""))
            is_dead = urllib.parse.urlparse(address).scheme or not other.is_file()
            if is_dead or (anchor and other in texts and anchor not in names):
                dead.append(f"{path.name}: {target}")
    return count, dead


def read(tab, folder: Path, page: str, then: str = ""):
    """Open a page, and wait until its script has run."""
    tab.goto(f"{(folder / page).as_uri()}{then}")
    tab.wait_for_selector("html.running")
    return tab


def settle(tab) -> None:
    """Wait until the page has drawn what was asked of it."""
    tab.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")


def until(tab, expression: str) -> None:
    """Wait until an expression is true in the page, whose policy forbids scripts that wait."""
    for _ in range(100):
        settle(tab)
        if tab.evaluate(expression):
            return
    raise AssertionError(f"{expression} never came true")


def unfold(tab) -> None:
    """Open everything that is folded, take all hints, and answer all questions of quizzes."""
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    for button in tab.locator(".hint, .quiz li:first-child button").all():
        button.click()
    settle(tab)


def check_for_everybody(tab, page: str) -> None:
    """Nothing keeps people out, and the page does not scroll sideways."""
    found = Axe().run(tab)
    assert found.violations_count == 0, f"{page}: {found.generate_report()}"
    width = tab.viewport_size["width"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width, page
