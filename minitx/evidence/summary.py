"""Verdicts in words: a list for the terminal, a page in Markdown, models side by side."""

from collections import Counter
from typing import Any

from minitx import tables
from minitx.evidence.evidence import VERDICTS

Rows = dict[str, dict[str, Any]]  # by claim: what was found
ABBREVIATIONS = ("e.g.", "i.e.")


def counts(rows: Rows) -> str:
    """Return how many claims have each verdict, in words.

    >>> counts({"A8": {"verdict": "refuted"}, "A9": {"verdict": "refuted"}})
    '2 refuted'
    """
    found = Counter(row["verdict"] for row in rows.values())
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict])


def entry(id: str, words: str, row: dict[str, Any]) -> str:
    """Return one claim with its verdict and its sentence."""
    return f"{id:4}{row['verdict'].upper():12}{words}\n{'':16}{in_words(row)}"


def in_words(row: dict[str, Any]) -> str:
    """Return what was measured, and why that does not suffice if the verdict is undecided.

    >>> in_words({"sentence": "It is 3.", "why": "seeds disagree: seed 0 refuted"})
    'It is 3. (Seeds disagree: seed 0 refuted.)'
    """
    if "why" not in row:
        return row["sentence"]
    why = row["why"][0].upper() + row["why"][1:]
    return f"{row['sentence']} ({why}.)"


def sentences(rule: str) -> list[str]:
    """Return the sentences of a rule in words.

    A sentence ends at a full stop, question mark or exclamation mark, if the next word begins with
    a capital letter or a digit. Decimals and abbreviations end no sentence.

    >>> sentences("By 0.05 (e.g. Adam) it falls. Supported if it is above 0.5. 3 are few!")
    ['By 0.05 (e.g. Adam) it falls.', 'Supported if it is above 0.5.', '3 are few!']
    """
    found: list[str] = []
    has_ended = True
    for word in rule.split():
        bare = word.strip("\"'()")
        if has_ended and (not found or bare[:1].isupper() or bare[:1].isdigit()):
            found.append(word)
        else:
            found[-1] += f" {word}"
        has_ended = bare.endswith((".", "?", "!")) and bare not in ABBREVIATIONS
    return found


def claims_of(judged: dict[str, Rows]) -> list[str]:
    """Return the claims that any of the models was judged on."""
    return list(dict.fromkeys(id for rows in judged.values() for id in rows))


def side_by_side(words: dict[str, str], judged: dict[str, Rows]) -> list[list[str]]:
    """Return a table of claims and models: the verdict in each cell, a heading first."""
    table = [["claim", *judged, ""]]
    for id in words:
        verdicts = [rows[id]["verdict"] if id in rows else "" for rows in judged.values()]
        if any(verdicts):
            table.append([id, *verdicts, words[id]])
    return table


def one_claim(id: str, words: str, judged: dict[str, Rows]) -> str:
    """Return all that is known of a claim as Markdown: rule, baseline, verdicts, numbers."""
    rows = {model: rows[id] for model, rows in judged.items() if id in rows}
    parts = [f"## {id}: {words}"]
    measured = [row for row in rows.values() if "rule" in row]
    if measured:
        parts.append("Rule:")
        parts.append("\n".join(f"- {sentence}" for sentence in sentences(measured[0]["rule"])))
        parts.append(f"Baseline: {measured[0]['baseline']}.")
    for model, row in rows.items():
        parts.append(f"**{model}: {row['verdict']}.** {in_words(row)}")
    if measured:
        parts.append(tables.markdown(numbers_table(rows)))
    return "\n\n".join(parts)


def markdown(words: dict[str, str], judged: dict[str, Rows]) -> str:
    """Return a page in Markdown: the table, then each claim with rule, baseline and numbers."""
    parts = ["# Claims, judged", tables.markdown(side_by_side(words, judged))]
    parts += [one_claim(id, words[id], judged) for id in claims_of(judged)]
    return "\n\n".join(parts) + "\n"


def numbers_table(rows: Rows) -> list[list[str]]:
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
