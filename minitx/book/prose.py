"""Prose and code as HTML: Markdown by markdown-it-py, coloured code by Pygments."""

import ast
from collections.abc import Collection, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from minitx.book.links import Links, slug

FORMATTER = HtmlFormatter(nowrap=True)
LEXER = PythonLexer(stripnl=False)


def code(text: str, label: str = "Code") -> str:
    """Return Python code with coloured words; a long line scrolls in its own frame."""
    text = text.replace("  # fmt: skip", "")  # a note to the formatter, not to the reader
    coloured = highlight(text, LEXER, FORMATTER).rstrip("\n")
    return (
        f'<pre class="code" tabindex="0" role="group" aria-label="{label}">'
        f"<code>{coloured}</code></pre>"
    )


def without_calls(text: str, names: Collection[str]) -> str:
    """Return code without the statements that are nothing but a call of one of these functions.

    >>> print(without_calls("x = 1\\nreveal(\\n    x)\\nprint(x)", ("reveal",)))
    x = 1
    print(x)
    """
    lines: list[str | None] = list(text.splitlines())
    for node in ast.parse(text).body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in names:
            lines[node.lineno - 1 : node.end_lineno] = [None] * (node.end_lineno - node.lineno + 1)
    return "\n".join(line for line in lines if line is not None).strip("\n")


def output(text: str) -> str:
    """Return what a program printed."""
    return (
        '<pre class="output" tabindex="0" role="group" aria-label="Output">'
        f"{escape(text.strip(chr(10)), quote=False)}</pre>"
    )


class Prose:
    """The Markdown of one page. It counts headings, so that each has an address of its own."""

    def __init__(self, links: Links):
        self.links = links
        self.slugs: dict[str, int] = {}
        self.parser = MarkdownIt("commonmark", {"html": False}).enable("table")
        self.parser.renderer.rules["text"] = self._text

    def html(self, text: str) -> str:
        """Return Markdown as HTML."""
        tokens = self.parser.parse(text)
        for place, token in enumerate(tokens):
            if token.type == "heading_open":
                token.attrSet("id", self.address(tokens[place + 1].content))
            elif token.type == "fence":
                token.info = ""
            elif token.type == "table_open":
                token.attrSet("class", "plain")
            for inner, after in zip(token.children or (), (token.children or ())[1:], strict=False):
                if inner.type == "em_open" and after.type == "text":
                    self._mark_term(token.children, inner, after)
        html = self.parser.renderer.render(tokens, self.parser.options, {})
        html = html.replace('<table class="plain">', '<div class="wide"><table class="plain">')
        return html.replace("</table>", "</table></div>")

    def address(self, heading: str) -> str:
        """Return an address for a heading that no other heading of the page has."""
        name = slug(heading)
        self.slugs[name] = self.slugs.get(name, 0) + 1
        return name if self.slugs[name] == 1 else f"{name}-{self.slugs[name]}"

    def _mark_term(self, tokens: Sequence[Token], opening: Token, word: Token) -> None:
        """Make an emphasised term that the glossary has a definition, with a link to it."""
        place = self.links.term(word.content)
        closing = tokens[tokens.index(word) + 1]
        if place and closing.type == "em_close":
            opening.tag = closing.tag = "dfn"
            word.meta["link"] = place

    def _text(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        if "link" in token.meta:
            return f'<a class="term" href="{token.meta["link"]}">{escape(token.content)}</a>'
        depth = sum(t.nesting for t in tokens[:index] if t.type in ("link_open", "link_close"))
        return escape(token.content, quote=False) if depth else self.links.in_text(token.content)
