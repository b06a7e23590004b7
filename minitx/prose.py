"""The table of an ablation as a page to read: Markdown."""

import math

from minitx.effects import LEVEL
from minitx.grid import name_of
from minitx.table import (
    ALPHA, END, EQUAL, LEARNED, MEASURES, ONCE, SHOWN, Table, called, cell_estimate,
)  # fmt: skip

FAILED = "diverged"


def markdown(table: Table) -> str:
    """Cells, then what each switch does to the loss, then to all else, then how to read it."""
    parts = [f"# {table.title}", opening(table), "## Cells", cells(table)]
    parts += [f"## What each switch does to the {label(table.yardstick)}", sentences(table)]
    shown = [name for name in SHOWN if name in table.measures()]
    if table.seeds and len(table.cells) > 1:
        for at in (END, EQUAL):
            if at == EQUAL and table.target is None:
                continue
            words = "after equal steps" if at == END else f"at equal loss ({table.target:.3f})"
            parts += [f"## What each switch does inside, {words}", matrix(table, shown, at)]
    parts += ["## Every measure, cell by cell, after equal steps", means(table)]
    parts += ["## How to read this", legend(table)]
    return "\n\n".join(parts) + "\n"


def label(name: str) -> str:
    return name.replace("_", " ")


def opening(table: Table) -> str:
    seeds = len(table.seeds)
    steps = sorted({record["train"]["steps"] for record in table.records})
    told = [
        f"{len(table.cells)} cells, {seeds} seed{'s' * (seeds != 1)} each, "
        f"{' or '.join(map(str, steps))} steps.",
        f"A model that knew the frequencies of tokens and nothing else would have a "
        f"{label(table.yardstick)} of {table.ignorant:.3f}.",
    ]
    if table.truth is not None:
        told.append(f"The corpus is generated: its entropy is {table.truth:.3f} nats, exactly.")
    if table.yardstick == "fitted_loss":
        told.append(
            "The cells were trained on different losses, whose values cannot be compared. They are "
            "judged by one that treats them alike: cross-entropy after a temperature was fitted on "
            "other text."
        )
    if seeds < 2:
        told.append("**With one seed there are no intervals: any difference may be chance.**")
    failed = [
        f"{name_of(cell)} (seed {entry['seed']} at step {entry['failure']['step']})"
        for cell, record in zip(table.cells, table.records, strict=True)
        for entry in record["seeds"]
        if entry["failure"]
    ]
    if failed:
        told.append(f"Training failed in {len(failed)}: {'; '.join(failed)}.")
    idle = [
        name_of(cell)
        for cell, row in zip(table.cells, table.values(table.yardstick), strict=True)
        if table.target is not None and not (row <= table.target).all()
    ]
    if idle:
        told.append(
            "In these cells not every seed learned much beyond frequencies, so what is measured "
            "inside them tells of models that do not work: " + "; ".join(idle) + "."
        )
    return " ".join(told)


def cells(table: Table) -> str:
    """The cells, the rate that each chose, its loss, and when it got to the loss that all reach."""
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
            span(e),
            "never" if reached is None else f"{reached.mean:.0f}",
        ]
        if reached is not None and reached.count < len(table.seeds):
            row[-1] += f" ({reached.count} of {len(table.seeds)} seeds)"
        if e and e.count < len(table.seeds):
            row[2] += f" ({len(table.seeds) - e.count} of {len(table.seeds)} {FAILED})"
        if table.yardstick == "fitted_loss":
            own = cell_estimate(table.values("val_loss")[m], False)
            row.append(number(own and own.mean))
        rows.append(row)
    return lined(rows)


def sentences(table: Table) -> str:
    if len(table.cells) < 2:
        return "There is one cell: nothing to compare."
    told = table.sentences(table.yardstick)
    return "\n".join(
        f"    - {line.strip()}" if line.startswith(" ") else f"- {line}" for line in told
    )


def matrix(table: Table, names: list[str], at: str) -> str:
    """Changes down, measures across; a star where an effect is shown."""
    names = [n for n in names if at == END or n not in ONCE]
    columns = {name: [e for e in table.effects(name, at) if e.kind == "main"] for name in names}
    rows = [["change", *map(label, names)]]
    for i, first in enumerate(columns[names[0]]):
        row = [first.change]
        for name in names:
            e = columns[name][i].estimate
            star = "*" if called(columns[name][i], name) else ""
            if e is None:
                row.append("–")
                continue
            values = [n if n is None or not MEASURES[name].ratio else _exp(n) for n in e[:3]]
            mark = "x" if MEASURES[name].ratio else ""
            sign = "" if MEASURES[name].ratio else "+"
            told = [f"{mark}{v:{sign}.3g}" for v in values if v is not None]
            row.append(told[0] + star + (f" ({told[1]} to {told[2]})" if len(told) == 3 else ""))
        rows.append([cell.replace("-", "−") for cell in row])
    return lined(rows)


def means(table: Table) -> str:
    names = [n for n in table.measures() if n != table.yardstick]
    rows = [["cell", *map(label, names)]]
    values = {name: table.values(name) for name in names}
    for m, cell in enumerate(table.cells):
        found = [cell_estimate(values[n][m], MEASURES[n].ratio) for n in names]
        rows.append([name_of(cell), *(f"{e.mean:.3g}" if e else "–" for e in found)])
    return lined(rows)


def legend(table: Table) -> str:
    told = [
        f"- Intervals are Student's t at {LEVEL:.0%} over {len(table.seeds)} seeds. Seeds are "
        "paired: each has the same batches in every cell, and the same initial weights where "
        "shapes agree. A change is what each seed says by itself, averaged over the other switches "
        "and then over seeds. So an average over cells that do not work is part of it: read the "
        "interactions.",
        "- An effect is shown (*) if its p value stays below "
        f"{ALPHA:g} after Holm's correction for all comparisons of that measure, interactions "
        "included. Each measure is a family of its own.",
        "- The learning rate of a cell is the best of its set for one more seed, which is not "
        "counted. (edge): the best was the smallest or the largest, so a better one may lie beyond.",
        "- Equal loss: the highest loss at which a seed that learns ends; numbers are read between "
        "the two nearest evaluations. A seed learns if it gets a "
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


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def span(e) -> str:
    return "–" if e is None or e.low is None else f"{e.low:.3f} to {e.high:.3f}"


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
