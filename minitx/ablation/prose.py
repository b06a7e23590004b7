"""The table of an ablation in words: what its intervals allow to say, and a page of Markdown."""

import math

import numpy as np

from minitx.ablation.effects import LEVEL, Effect, estimate, main_effects
from minitx.ablation.grid import name_of, show
from minitx.ablation.moments import END, EQUAL, LEARNED, MEASURES, ONCE, SHOWN

ALPHA = 0.05  # chance of one false alarm among all comparisons of one measure
FAILED = "diverged"


def markdown(table) -> str:
    """What each switch does to the loss, then to all else, then how to read it."""
    parts = [summary(table)]
    shown = [name for name in SHOWN if name in table.measures()]
    if len(table.cells) > 1:
        if table.target is not None:
            title = f"## What each switch does inside, at equal loss ({table.target:.3f})"
            parts += [title, matrix(table, shown, EQUAL)]
        parts += ["## The same after equal steps", matrix(table, shown, END)]
    parts += ["## Every measure, cell by cell, after equal steps", means(table)]
    parts += ["## How to read this", legend(table)]
    return "\n\n".join(parts) + "\n"


def summary(table) -> str:
    """The part that fits a terminal: cells, and what each switch does to the loss and its speed."""
    parts = [f"# {table.title}", opening(table), "## Cells", cells(table)]
    parts += [f"## What each switch does to the {label(table.yardstick)}"]
    parts += [switches(table, table.yardstick)]
    if table.target is not None and len(table.cells) > 1:
        title = f"## What each switch does to the steps until {table.target:.3f}"
        told = "Among cells in which every seed gets there, so that no model that does not work "
        told += "has a part in it. x0.5: in half the steps."
        parts += [title, told, switches(table, "steps_to_loss")]
    return "\n\n".join(parts)


def label(name: str) -> str:
    return name.replace("_", " ")


def opening(table) -> str:
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
            "Not every seed learned much beyond frequencies in these cells: " + "; ".join(idle)
            + ". They are part of all that is said after equal steps, though what is measured "
            "inside them tells of models that do not work; at equal loss they, and the cells that "
            "are paired with them, are left out."
        )
    return " ".join(told)


def cells(table) -> str:
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


def switches(table, name: str) -> str:
    if len(table.cells) < 2:
        return "There is one cell: nothing to compare."
    told = sentences(table, name)
    return "\n".join(
        f"    - {line.strip()}" if line.startswith(" ") else f"- {line}" for line in told
    )


def matrix(table, names: list[str], at: str) -> str:
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
                row.append("n/a")
                continue
            values = [n if n is None or not MEASURES[name].ratio else _exp(n) for n in e[:3]]
            mark = "x" if MEASURES[name].ratio else ""
            sign = "" if MEASURES[name].ratio else "+"
            told = [f"{mark}{v:{sign}.3g}" for v in values if v is not None]
            row.append(told[0] + star + (f" ({told[1]} to {told[2]})" if len(told) == 3 else ""))
        rows.append([cell for cell in row])
    lacking = [not np.isfinite(row).all() for row in table.values(names[0], at)]
    told = "; ".join(name_of(c) for c, out in zip(table.cells, lacking, strict=True) if out)
    return lined(rows) + (f"\n\nLeft out, having no number: {told}." if told else "")


def means(table) -> str:
    names = [n for n in table.measures() if n != table.yardstick]
    rows = [["cell", *map(label, names)]]
    values = {name: table.values(name) for name in names}
    for m, cell in enumerate(table.cells):
        found = [cell_estimate(values[n][m], MEASURES[n].ratio) for n in names]
        rows.append([name_of(cell), *(f"{e.mean:.3g}" if e else "n/a" for e in found)])
    return lined(rows)


def legend(table) -> str:
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
        "counted. (edge): it is the smallest or the largest, so a better one may lie beyond.",
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
    return "n/a" if value is None else f"{value:.3f}"


def span(e) -> str:
    return "n/a" if e is None or e.low is None else f"{e.low:.3f} to {e.high:.3f}"


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


# --- sentences ----------------------------------------------------------------------------------


def sentence(table, effect: Effect, name: str, family: int) -> str:
    """What an interval allows to say about a change, and no more."""
    measure, e = MEASURES[name], effect.estimate
    missing = ", ".join(name_of(table.cells[m]) for m in effect.left_out)
    if len(effect.left_out) > 2:
        missing = f"{len(effect.left_out)} cells"
    if e is None:
        return f"{effect.change}: nothing can be said: no number from {missing}"
    without = f" (without {missing}: one of a pair has no number)" if missing else ""
    size = amount(e.mean, measure.ratio)
    head = f"{effect.change}: "
    if e.p is None:
        return f"{head}{size}{without}, from one seed: no interval, it may be chance"
    span = f"{size} ({amount(e.low, measure.ratio)} to {amount(e.high, measure.ratio)})"
    if not any(effect.differences_E):
        return f"{head}exactly the same in every seed{without}: no effect"
    if max(abs(e.low), abs(e.high)) <= measure.least:
        return f"{head}{span}{without}: no difference that could matter"
    if effect.adjusted_p is not None and effect.adjusted_p < ALPHA:
        verb = "higher" if e.mean > 0 else "lower"
        if effect.kind == "interaction":
            return f"{head}{span}{without}: the two depend on each other"
        return f"{head}{span}{without}: {verb}"
    if e.p < ALPHA:
        return (
            f"{head}{span}{without}: not settled: alone this interval would count, among "
            f"{family} comparisons it may be chance (Holm: p = {effect.adjusted_p:.2g})"
        )
    return f"{head}{span}{without}: no effect shown; anything in that interval is possible"


def sentences(table, name: str, at: str = END) -> list[str]:
    """One for every change of every switch; after it, the pairs of switches that depend on each
    other, with what the first does at each value of the second.
    """
    effects = table.effects(name, at)
    tested = sum(e.adjusted_p is not None for e in effects)
    told = [sentence(table, e, name, tested) for e in effects if e.kind == "main"]
    pairs = [e for e in effects if e.kind == "interaction"]
    loud = [e for e in pairs if called(e, name)]
    for effect in loud:
        told.append(sentence(table, effect, name, tested))
        told += _apart(table, effect, name, at)
    if pairs:
        quiet = len(pairs) - len(loud)
        told.append(
            f"of {quiet} {'other ' * bool(loud)}interactions (does what one change does depend on "
            "another?) none is shown"
        )
    return told


def _apart(table, effect: Effect, name: str, at: str) -> list[str]:
    """The first change of an interaction, at each value of the other switch."""
    change = effect.change.partition(", by ")[0]
    other = effect.switches[1]
    values_ME = table.values(name, at)
    if MEASURES[name].ratio:
        values_ME = np.log(np.where(values_ME > 0, values_ME, np.nan))
    told = []
    for value in effect.change.rpartition(": ")[2].split(" → "):
        rows = [m for m, cell in enumerate(table.cells) if show(cell[other]) == value]
        found = main_effects([table.cells[m] for m in rows], values_ME[rows])
        for e in found:
            if e.change == change and e.estimate:
                low, mean, high = (
                    amount(v, MEASURES[name].ratio)
                    for v in (e.estimate.low, e.estimate.mean, e.estimate.high)
                )
                told.append(f"  with {other}={value}: {change}: {mean} ({low} to {high})")
    return told


def called(effect: Effect, name: str) -> bool:
    """Whether an effect is shown: after Holm, and larger than what is too small to tell."""
    e = effect.estimate
    return bool(
        e is not None and effect.adjusted_p is not None and effect.adjusted_p < ALPHA
        and max(abs(e.low), abs(e.high)) > MEASURES[name].least
    )  # fmt: skip


def cell_estimate(values_E, ratio: bool):
    """The mean over seeds that have a number, with its interval; geometric for ratios."""
    values_E = values_E[np.isfinite(values_E)]
    if not len(values_E):
        return None
    if not ratio:
        return estimate(values_E)
    if (values_E <= 0).any():
        return None
    e = estimate(np.log(values_E))
    return e._replace(**{n: None if getattr(e, n) is None else math.exp(getattr(e, n))
                         for n in ("mean", "low", "high")})  # fmt: skip


def amount(value: float | None, ratio: bool) -> str:
    """A difference with its sign, or a ratio."""
    if value is None:
        return "?"
    if ratio:
        return f"x{math.exp(value):.3g}" if abs(value) < 700 else "x" + ("0" if value < 0 else "∞")
    digits = 3 if abs(value) < 100 else 0
    text = f"{value:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]  # no sign before a zero
