"""The ledger as one HTML file: claims and models, each claim with its evidence under it.

The page needs no script and loads nothing. A claim opens to what was measured: a figure with an
interval for each model, the sentence, the baseline, the rule and the numbers as a table.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from minitx.evidence import summary
from minitx.evidence.evidence import VERDICTS
from minitx.evidence.summary import Rows

STYLE = Path(__file__).with_name("ledger.css")
SIGNS = {  # verdicts can be told apart without colours
    "supported": "✓",
    "qualified": "◐",
    "refuted": "✗",
    "by algebra": "=",
    "undecided": "?",
    "untested": "-",
}
BASELINES = {  # words in the name of a number that is a baseline
    "random", "shuffled", "untrained", "rotated", "chance", "chances", "walk", "another",
    "elsewhere", "strangers", "commonest", "angle", "appending",
}  # fmt: skip
PLOT = 360  # width of a figure's axis, in pixels
NAME = 170  # width of the models' names beside it
LINE = 20  # height of a model's line


def page(claims: Mapping[str, Mapping[str, str]], judged: dict[str, Rows]) -> str:
    """Return the page: `claims` with their words, lessons and sources; rows by model."""
    return (
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
        '<meta name=viewport content="width=device-width, initial-scale=1">\n'
        f"<title>minitx: the ledger</title>\n<style>\n{STYLE.read_text('utf-8')}</style>\n"
        f"<main>\n{body(claims, judged)}\n</main>\n</html>\n"
    )


def body(claims: Mapping[str, Mapping[str, str]], judged: dict[str, Rows]) -> str:
    """Return the text of the page, which other pages can take in."""
    parts = [
        "<h1>The ledger</h1>",
        f"<p>{len(claims)} claims about what happens inside a transformer, and how each came out. "
        "Open a claim to see what was measured, against which baseline, and by which rule.</p>",
        counts_table(judged),
        legend(),
    ]
    parts += [claim_section(id, claim, judged) for id, claim in claims.items()]
    return "\n".join(parts)


def counts_table(judged: dict[str, Rows]) -> str:
    """Return how many claims have each verdict, for each model."""
    head = "".join(f"<th scope=col>{badge(verdict)}</th>" for verdict in VERDICTS)
    lines = [f"<tr><th scope=col>model</th>{head}</tr>"]
    for model, rows in judged.items():
        verdicts = [row["verdict"] for row in rows.values()]
        cells = "".join(f"<td>{verdicts.count(verdict)}</td>" for verdict in VERDICTS)
        lines.append(f"<tr><th scope=row>{escape(model)}</th>{cells}</tr>")
    return scrolling("Verdicts by model", f"<table class=counts>{''.join(lines)}</table>")


def legend() -> str:
    """Return what the verdicts mean that are not plain words."""
    return (
        f"<p class=small>{badge('by algebra')} holds for any weights; the rule has the derivation. "
        f"{badge('undecided')} another sample of texts or seeds would give another verdict. "
        f"{badge('untested')} it cannot be asked of this model, or has not been.</p>"
    )


def badge(verdict: str) -> str:
    """Return a verdict with its sign and its colour."""
    kind = verdict.replace(" ", "-")
    return f'<span class="badge {kind}"><b aria-hidden=true>{SIGNS[verdict]}</b> {verdict}</span>'


def claim_section(id: str, claim: Mapping[str, str], judged: dict[str, Rows]) -> str:
    """Return a claim with its verdicts, which opens to its evidence."""
    rows = {model: found[id] for model, found in judged.items() if id in found}
    badges = []
    for model in judged:
        verdict = rows[model]["verdict"] if model in rows else "untested"
        name = f"<span class=model>{escape(model.split()[0])}</span>"
        badges.append(f"<span class=cell>{name} {badge(verdict)}</span>")
    words = f"<span class=id>{id}</span> <span class=words>{escape(claim['claim'])}</span>"
    return (
        f"<details class=claim id={id}>"
        f"<summary>{words}<span class=badges>{''.join(badges)}</span></summary>\n"
        f"<div class=evidence>{evidence_of(claim, rows)}</div></details>"
    )


def evidence_of(claim: Mapping[str, str], rows: Rows) -> str:
    """Return sentences, figures, baseline, rule and numbers of a claim."""
    parts = []
    for model, row in rows.items():
        sentence = escape(summary.in_words(row))
        parts.append(f"<p>{badge(row['verdict'])} <b>{escape(model)}.</b> {sentence}</p>")
    measured = {model: row for model, row in rows.items() if "numbers" in row}
    if measured:
        first = next(iter(measured.values()))
        parts.append(figures(measured))
        parts.append(f"<p><b>Baseline:</b> {escape(first['baseline'])}.</p>")
        parts.append(rule(first["rule"]))
        parts.append(numbers(measured))
    lesson = escape(claim["lesson"].split(",")[0])
    parts.append(f"<p class=small>{escape(claim['source'])} · lesson {lesson}</p>")
    return "\n".join(parts)


def rule(words: str) -> str:
    """Return a rule as a list of its sentences."""
    items = "".join(f"<li>{escape(part, quote=False)}</li>" for part in summary.sentences(words))
    return f"<p><b>Rule:</b></p>\n<ul class=rule>{items}</ul>"


def numbers(rows: Rows) -> str:
    """Return the numbers of a claim by model, as a table."""
    heading, *lines = summary.numbers_table(rows)
    head = "".join(f"<th scope=col>{escape(cell) or 'number'}</th>" for cell in heading)
    body = ""
    for name, *cells in lines:
        values = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        body += f"<tr><th scope=row>{escape(name)}</th>{values}</tr>"
    return scrolling("Numbers by model", f"<table><tr>{head}</tr>{body}</table>")


def scrolling(label: str, table: str) -> str:
    """Return a table that scrolls in a frame of its own where the screen is narrow."""
    return f'<div class=wide tabindex=0 role=group aria-label="{label}">{table}</div>'


def figures(rows: Rows) -> str:
    """Return the numbers of a claim as figures: means with 95 % intervals, by model.

    Baselines are hollow. Cosines, shares and correlations share one axis, so that they can be
    compared with each other.
    """
    names = dict.fromkeys(name for row in rows.values() for name in row["numbers"])
    together: dict[str, dict] = {}
    drawn = []
    for name in names:
        by_model = {m: row["numbers"][name] for m, row in rows.items() if name in row["numbers"]}
        title = name.replace("_", " ")
        if max(abs(end) for end in ends_of(by_model)) <= 1:
            together[title] = by_model
        else:
            drawn.append(figure({title: by_model}))
    if together:
        drawn.insert(0, figure(together))
    key = ""
    if any(map(is_baseline, names)):
        key = "<p class=small>● measured, with its 95 % interval; ○ a baseline</p>"
    return f"<div class=figures>{''.join(drawn)}</div>{key}"


def is_baseline(name: str) -> bool:
    """Return whether a number is what would be measured if there were nothing to find.

    >>> is_baseline("right_angle_growth"), is_baseline("cosine")
    (True, False)
    """
    return not BASELINES.isdisjoint(name.replace(" ", "_").split("_"))


def ends_of(by_model: dict[str, dict[str, float]]) -> list[float]:
    """Return the mean and the bounds of each model's number."""
    return [end for number in by_model.values() for end in number.values()]


def figure(numbers: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return numbers by name and model as SVG: a line for each model, on one axis."""
    ends = [end for by_model in numbers.values() for end in ends_of(by_model)]
    low, high = min(ends), max(ends)
    if 0 <= low <= high / 2:
        low = 0.0  # then the places on the axis are in proportion to the numbers
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return round(NAME + 10 + (value - low) / span * PLOT, 1)

    parts = []
    words = []
    y = 0
    for name, by_model in numbers.items():
        kind = "baseline" if is_baseline(name) else "measured"
        y += LINE
        parts.append(f"<text class=name x=0 y={y + 4}>{escape(name)}</text>")
        for model, number in by_model.items():
            y += LINE
            parts.append(f'<text x={NAME} y={y + 4} text-anchor="end">{escape(model)}</text>')
            parts.append(f"<line class=axis x1={x(low)} x2={x(low + span)} y1={y} y2={y} />")
            if "low" in number:
                bounds = f"x1={x(number['low'])} x2={x(number['high'])}"
                parts.append(f"<line class=interval {bounds} y1={y} y2={y} />")
            parts.append(f"<circle class={kind} cx={x(number['mean'])} cy={y} r=4 />")
            words.append(f"{name}, {model}: {summary.interval(number)}")
    y += LINE
    for value in (low, low + span):
        parts.append(f'<text x={x(value)} y={y + 4} text-anchor="middle">{value:.3g}</text>')
    label = escape("; ".join(words))
    box = f"0 0 {NAME + PLOT + 50} {y + LINE // 2}"
    return f'<svg viewBox="{box}" role=img aria-label="{label}">{"".join(parts)}</svg>'
