"""Verdicts in words: a list for the terminal, a page in Markdown, models side by side."""

from collections import Counter
from typing import Any

from minitx import tables
from minitx.evidence.evidence import VERDICTS


def counts(rows: dict[str, dict[str, Any]]) -> str:
    """Return how many claims have each verdict, in words.

    >>> counts({"A8": {"verdict": "refuted"}, "A9": {"verdict": "refuted"}})
    '2 refuted'
    """
    found = Counter(row["verdict"] for row in rows.values())
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict])


def listing(words: dict[str, str], rows: dict[str, dict[str, Any]]) -> str:
    """Return each claim with its verdict and its sentence, for a terminal."""
    return "\n".join(entry(id, words[id], row) for id, row in rows.items())


def entry(id: str, words: str, row: dict[str, Any]) -> str:
    """Return one claim with its verdict and its sentence."""
    return f"{id:4}{row['verdict'].upper():12}{words}\n{'':16}{row['sentence']}"


def side_by_side(words: dict[str, str], judged: dict[str, dict[str, dict]]) -> list[list[str]]:
    """Return a table of claims and models: the verdict in each cell, a heading first."""
    ids = dict.fromkeys(id for rows in judged.values() for id in rows)
    table = [["claim", *judged, ""]]
    for id in ids:
        verdicts = [rows[id]["verdict"] if id in rows else "" for rows in judged.values()]
        table.append([id, *verdicts, words[id]])
    return table


def markdown(words: dict[str, str], judged: dict[str, dict[str, dict]]) -> str:
    """Return a page in Markdown: the table, then each claim with rule, baseline and numbers."""
    parts = ["# Claims, judged", tables.markdown(side_by_side(words, judged))]
    for id in dict.fromkeys(id for rows in judged.values() for id in rows):
        parts.append(f"## {id}: {words[id]}")
        rows = {model: rows[id] for model, rows in judged.items() if id in rows}
        measured = [row for row in rows.values() if "rule" in row]
        if measured:
            parts.append(f"Rule: {measured[0]['rule']}")
            parts.append(f"Baseline: {measured[0]['baseline']}.")
        parts += [
            f"**{model}: {row['verdict']}.** {row['sentence']}" for model, row in rows.items()
        ]
        if measured:
            parts.append(tables.markdown(numbers_table(rows)))
    return "\n\n".join(parts) + "\n"


def numbers_table(rows: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Return the numbers of a claim by model, with their 95 % intervals."""
    names = dict.fromkeys(name for row in rows.values() for name in row.get("numbers", {}))
    table = [["", *rows]]
    for name in names:
        cells = [interval(row.get("numbers", {}).get(name)) for row in rows.values()]
        table.append([name.replace("_", " "), *cells])
    return table


def interval(number: dict[str, float] | None) -> str:
    """Return a number with its interval.

    >>> interval({"mean": 0.5, "low": 0.25, "high": 0.75}), interval({"mean": 2.0}), interval(None)
    ('0.5 (0.25 to 0.75)', '2', '')
    """
    if number is None:
        return ""
    if "low" not in number:
        return f"{number['mean']:.3g}"
    return f"{number['mean']:.3g} ({number['low']:.3g} to {number['high']:.3g})"
