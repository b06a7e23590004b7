"""Rows of cells as text: aligned for a terminal, as Markdown, or as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as lines whose columns are flush right.

    >>> print(aligned([["layer", "norm"], ["1", "12.50"]]))
    layer   norm
        1  12.50
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows, the first of them the heading, as a Markdown table that is aligned too.

    >>> print(markdown([["cell", "loss"], ["norm=none", "1.9"]]))
    | cell      | loss |
    |-----------|------|
    | norm=none | 1.9  |
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    heading, *body = rows
    return "\n".join([line(heading), rule, *map(line, body)])


def to_csv(rows: Iterable[Iterable[Any]]) -> str:
    """Return the rows as CSV text; None becomes an empty cell.

    >>> to_csv([["layer", "norm"], [0, None]])
    'layer,norm\\n0,\\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def columns_to_csv(columns: dict[str, list]) -> str:
    """Return lists of equal length as the columns of CSV text, under their names."""
    return to_csv([columns, *zip(*columns.values(), strict=True)])
