"""The table of an ablation as a page of Markdown; its first part is for the terminal too."""

import math

import numpy as np

from minitx.ablation.effects import LEVEL
from minitx.ablation.grid import name_of, show
from minitx.ablation.moments import END, EQUAL, LEARNED, MEASURES, ONCE, SHOWN
from minitx.ablation.opening import opening, short
from minitx.ablation.sentences import (
    ALPHA,
    called,
    cell_estimate,
    depending,
    label,
    mixed,
    named,
    sentences,
)

FAILED = "diverged"
IDLE = " (did not learn)"  # after the name of a cell of which not every seed did


def markdown(table) -> str:
    """What each switch does to the loss, then to all else, then how to read it."""
    parts = [summary(table)]
    shown = [name for name in SHOWN if name in table.measures()]
    if len(table.cells) > 1:
        if table.target is not None:
            title = f"## What each switch does inside, at equal loss ({table.target:.3f})"
            parts += [title, inside(table, shown, EQUAL)]
        parts += ["## The same after equal steps", inside(table, shown, END)]
    parts += ["## Every measure, cell by cell, after equal steps", means(table)]
    parts += ["## How to read this", legend(table)]
    return "\n\n".join(parts) + "\n"


def summary(table) -> str:
    """The part that fits a terminal: cells, and what each switch does to the loss and its speed."""
    parts = [f"# {table.title}", opening(table)]
    if len(table.cells) > 1:
        parts += ["## In short", short(table)]
    parts += ["## Cells", cells(table)]
    parts += [f"## What each switch does to the {label(table.yardstick)}"]
    parts += [switches(table, table.yardstick)]
    if table.target is not None and len(table.cells) > 1:
        title = f"## What each switch does to the steps until {table.target:.3f}"
        told = "Among cells in which every seed gets there, so that no model that does not work "
        told += "has a part in it. x0.5: in half the steps."
        parts += [title, told, switches(table, "steps_to_loss")]
    return "\n\n".join(parts)


def cells(table) -> str:
    """The cells, the rate that each chose, its loss, and when it got to the common loss."""
    loss, steps = table.values(table.yardstick), table.values("steps_to_loss")
    target = "" if table.target is None else f" {table.target:.3f}"
    rows = [["cell", "lr", label(table.yardstick), f"{LEVEL:.0%} interval", f"steps to{target}"]]
    if table.yardstick == "fitted_loss":
        rows[0].append("own loss")
    for m, (cell, record) in enumerate(zip(table.cells, table.records, strict=True)):
        e, reached = cell_estimate(loss[m], False), cell_estimate(steps[m], True)
        rates = record.get("rates", [])
        edge = len(rates) > 1 and record["train"]["lr"] in (min(rates), max(rates))
        row = [
            name_of(cell),
            f"{record['train']['lr']:g}{' (edge)' if edge else ''}",
            number(e and e.mean) if e else FAILED,
            bounds(e),
            "never" if reached is None else f"{reached.mean:.0f}",
        ]
        if m in table.early:
            row[-1] = f"before {table.early[m]}"
        elif reached is not None and reached.count < len(table.seeds):
            row[-1] += f" ({reached.count} of {len(table.seeds)} seeds)"
        if e and e.count < len(table.seeds):
            row[2] += f" ({len(table.seeds) - e.count} of {len(table.seeds)} {FAILED})"
        if table.yardstick == "fitted_loss":
            own = cell_estimate(table.values("val_loss")[m], False)
            row.append(number(own and own.mean))
        rows.append(row)
    return lined(rows)


def switches(table, name: str) -> str:
    if len(table.cells) < 2:
        return "There is one cell: nothing to compare."
    return bullets(sentences(table, name))


def bullets(told: list[str]) -> str:
    """Lines as a list; those that are indented as a list within it."""
    return "\n".join(
        f"    - {line.strip()}" if line.startswith(" ") else f"- {line}" for line in told
    )


def inside(table, names: list[str], at: str) -> str:
    """The table of changes and measures, what it leaves out, and what depends on what."""
    names = [n for n in names if at == END or n not in ONCE]
    parts = [matrix(table, names, at)]
    if " (mixed)" in parts[0]:
        parts.append(
            "(mixed): the change does opposite things at different values of another switch, as "
            "told below, so its average stands for neither."
        )
    lacking = ~np.isfinite(table.learned_values(names[0], at)).all(axis=1)
    others = [m for m in np.flatnonzero(lacking) if m not in table.idle]
    if table.idle:
        told = f"Left out, since not every seed learned: {named(table.cells, table.idle)}."
        parts.append(told)
    if others:
        parts.append(f"Left out, having no number: {named(table.cells, others)}.")
    if len(table.cells[0]) > 1:
        told, alike = [], {}
        for name in names:
            for line in [*depending(table, name, at), *apart(table, name, at)]:
                if "interaction" in line:  # the same for many measures: said once
                    alike.setdefault(line, []).append(label(name))
                else:
                    told.append(line if line.startswith(" ") else f"{label(name)}: {line}")
        told += [f"{', '.join(who)}: {line}" for line, who in alike.items()]
        parts += ["What depends on what (interactions):", bullets(told)]
    return "\n\n".join(parts)


def apart(table, name: str, at: str) -> list[str]:
    """What a mixed effect is made of, if no interaction that is shown tells it already."""
    effects = table.effects(name, at)
    loud = {e.change.partition(", by ")[0] for e in effects
            if e.kind == "interaction" and called(e, name)}  # fmt: skip
    return [
        f"{e.change}: mixed: {' and '.join(parts)}"
        for e in effects
        if e.kind == "main" and e.change not in loud
        for parts in [mixed(table, e, name, at)]
        if parts
    ]


def matrix(table, names: list[str], at: str) -> str:
    """Changes down, measures across; a star where an effect is shown."""
    columns = {name: [e for e in table.effects(name, at) if e.kind == "main"] for name in names}
    rows = [["change", *map(label, names)]]
    for i, first in enumerate(columns[names[0]]):
        row = [first.change]
        for name in names:
            e = columns[name][i].estimate
            star = "*" if called(columns[name][i], name) else ""
            star += " (mixed)" if mixed(table, columns[name][i], name, at) else ""
            if e is None:
                row.append("n/a")
                continue
            values = [n if n is None or not MEASURES[name].ratio else _exp(n) for n in e[:3]]
            ratio = MEASURES[name].ratio
            told = [f"x{v:.3g}" if ratio else figure(v, "+") for v in values if v is not None]
            row.append(told[0] + star + (f" ({told[1]} to {told[2]})" if len(told) == 3 else ""))
        rows.append([cell for cell in row])
    return lined(rows)


def means(table) -> str:
    names = [n for n in table.measures() if n != table.yardstick]
    rows = [["cell", *map(label, names)]]
    values = {name: table.values(name) for name in names}
    for m, cell in enumerate(table.cells):
        found = [cell_estimate(values[n][m], MEASURES[n].ratio) for n in names]
        mark = IDLE if m in table.idle else ""
        told = [f"{e.mean:.3g}" if e and MEASURES[n].ratio else figure(e.mean) if e else "n/a"
                for n, e in zip(names, found, strict=True)]  # fmt: skip
        rows.append([name_of(cell) + mark, *told])
    return lined(rows)


def legend(table) -> str:
    spacing = " or ".join(dict.fromkeys(show(r["train"]["eval_every"]) for r in table.records))
    told = [
        f"- Intervals are Student's t at {LEVEL:.0%} over {len(table.seeds)} seeds. Seeds are "
        "paired: each has the same batches in every cell, and the same initial weights where "
        "shapes agree. A change is what each seed says by itself, averaged over the other switches "
        "and then over seeds. For the loss, cells that did not learn are part of that average: "
        "read the interactions too.",
        "- Interaction: what one change does depends on another switch. (mixed): it does opposite "
        "things there, each with an interval (not corrected) that leaves out zero, so its average "
        "stands for neither.",
        "- An effect is shown (*) if its p value stays below "
        f"{ALPHA:g} after Holm's correction for all comparisons of that measure, interactions "
        "included: the chance of one false star or more in a whole column is below that.",
        "- The learning rate of a cell is the best of its set for one more seed, which is not "
        "counted. (edge): it is the smallest or the largest, so a better one may lie beyond.",
        "- Equal loss: the highest loss at which a seed that learns ends; numbers are read, along "
        f"a line, between the two nearest evaluations, {spacing} steps apart, and there is none "
        "where the earlier of the two is before training. A seed learns if it gets a "
        f"{'tenth' if LEARNED == 0.1 else f'{LEARNED:.0%}'} of the way from knowing "
        "frequencies to the best seed.",
        "- Ratios (x) are compared as logarithms, and their means are geometric.",
        *(f"- {label(name)}: {MEASURES[name].about}." for name in table.measures()),
        "- These are small models, trained briefly on one text. What they show, they show there.",
    ]
    return "\n".join(told)


def lined(rows: list[list[str]]) -> str:
    """Rows as a Markdown table, aligned to be read as text too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def figure(value: float, sign: str = "") -> str:
    """Three digits, and 0 for what is but rounding."""
    return f"{value:{sign}.3g}" if abs(value) >= 1e-5 else "0"


def number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def bounds(e) -> str:
    return "n/a" if e is None or e.low is None else f"{e.low:.3f} to {e.high:.3f}"


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
