"""A figure of a lesson as HTML: the drawing, the same in words, and its numbers as a table."""

import json
from html import escape
from typing import Any

Rows = list[list[Any]]
LONGEST = 60  # rows of a table that is shown whole; the file beside the page has them all
NAMED = 8  # series that the sentence speaks of


def figure(data: dict[str, Any]) -> str:
    """Return a figure. Its drawing and its file of numbers lie in the folder `figures`."""
    name = data["name"]
    words = in_words(data)
    guesses = escape(json.dumps(data["guesses"]))
    overlay = f'<svg class="guesses" data-guesses="{guesses}"></svg>' if data["guesses"] else ""
    return (
        f'<figure class="picture panels-{len(data["panels"])}" id="figure-{name}">\n'
        f'<div class="frame" tabindex="0" role="group" aria-label="{escape(data["title"])}">'
        f'<div class="sheet"><img src="figures/{name}.svg" alt="{escape(words)}">{overlay}</div>'
        "</div>\n"
        f"<details class=numbers><summary>The numbers of this figure</summary>\n<p>{escape(words)}"
        f'</p>\n{tables(data)}\n<p class="small"><a href="figures/{name}.csv" download>All of them '
        "as a CSV file</a></p></details>\n</figure>"
    )


def in_words(data: dict[str, Any]) -> str:
    """Return what a figure shows in a sentence for each panel: each series with its ends."""
    sentences = [with_stop(data["title"])]
    for number, panel in enumerate(data["panels"], start=1):
        by_series = series_of(data["rows"], number)
        said = [one_series(name, rows) for name, rows in list(by_series.items())[:NAMED]]
        if len(by_series) > NAMED:
            said.append(f"and {len(by_series) - NAMED} more")
        if said:
            about = panel["title"] or panel["y"] or f"Panel {number}"
            over = f" over {panel['x']}" if panel["x"] else ""
            sentences.append(with_stop(f"{about[0].upper()}{about[1:]}{over}: {'; '.join(said)}"))
    return " ".join(sentences)


def with_stop(words: str) -> str:
    """Return words with a mark at their end.

    >>> with_stop("Is it so?"), with_stop("It is")
    ('Is it so?', 'It is.')
    """
    return words if words.endswith((".", "?", "!")) else f"{words}."


def series_of(rows: Rows, panel: int) -> dict[str, Rows]:
    """Return the rows of a panel by series: x, mean, low, high."""
    found: dict[str, Rows] = {}
    for number, series, *values in rows:
        if number == panel:
            found.setdefault(series, []).append(values)
    return found


def one_series(name: str, rows: Rows) -> str:
    """Return a series in words: its one value, or where it begins and ends."""
    name = name or "values"
    first, last = rows[0], rows[-1]
    if isinstance(first[1], str):
        return f"{name} {first[1]}"
    if len(rows) == 1:
        return f"{name} {value(first[1])}"
    if len({row[0] for row in rows}) < len(rows) or len(rows) > 40:
        return f"{name}, {len(rows)} marks"
    return f"{name} from {value(first[1])} at {value(first[0])} to {value(last[1])} at " + value(
        last[0]
    )


def value(cell: Any) -> str:
    """Return a number with three digits, or words.

    >>> value(0.94912), value(12345.6), value("a name"), value(None), value(4)
    ('0.949', '12,346', 'a name', 'no value', '4')
    """
    if cell is None:
        return "no value"
    if isinstance(cell, str):
        return cell
    return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"


def tables(data: dict[str, Any]) -> str:
    """Return a table for each panel: a row for each x, a column for each series."""
    found = []
    for number, panel in enumerate(data["panels"], start=1):
        by_series = series_of(data["rows"], number)
        if by_series:
            title = panel["title"] or data["title"]
            found.append(table(title, panel["x"] or "x", by_series))
    return "\n".join(found)


def table(title: str, x: str, by_series: dict[str, Rows]) -> str:
    """Return the numbers of one panel."""
    names = list(by_series)
    lines: dict[tuple, dict[str, str]] = {}
    for name, rows in by_series.items():
        seen: dict[Any, int] = {}
        for place, mean, low, high in rows:
            # The marks of a scattered series may share an x: each gets a row of its own.
            seen[place] = seen.get(place, 0) + 1
            lines.setdefault((place, seen[place]), {})[name] = with_band(mean, low, high)
    head = "".join(f'<th scope="col">{escape(cell or "value")}</th>' for cell in (x, *names))
    body = []
    for (place, _), cells in list(lines.items())[:LONGEST]:
        values = "".join(f"<td>{escape(cells.get(name, ''))}</td>" for name in names)
        row = "everywhere" if place == "" else value(place)  # a level has no place of its own
        body.append(f'<tr><th scope="row">{escape(row)}</th>{values}</tr>')
    rest = len(lines) - LONGEST
    more = f'<p class="small">and {rest} more rows in the file</p>' if rest > 0 else ""
    label = escape(f"Numbers: {title}")
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="{label}"><table>'
        f"<caption>{escape(title)}</caption><tr>{head}</tr>\n{chr(10).join(body)}</table></div>{more}"
    )


def with_band(mean: Any, low: Any, high: Any) -> str:
    """Return a mean with its lowest and highest seed, if they differ.

    >>> with_band(0.5, 0.25, 0.75), with_band(2.0, 2.0, 2.0)
    ('0.5 (0.25 to 0.75)', '2')
    """
    shown = value(mean)
    if value(low) == shown == value(high):
        return shown
    return f"{shown} ({value(low)} to {value(high)})"
