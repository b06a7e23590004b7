"""The page of an ablation, in Markdown: what ran, what each switch does, and how to read it.

`short` fits a screen and a half; `full` adds the tables of all measures.
"""

from typing import NamedTuple

from minitx.ablation.effects import ALPHA, LEVEL, Effect, Estimate, estimate_level
from minitx.ablation.measures import END, EQUAL, MEASURES, three_digits
from minitx.ablation.settings import name_of, show
from minitx.ablation.wording import bullets, count, label, legend, limits, what_ran
from minitx.tables import markdown

FIRST = ("growth", "size_effect", "length_swap")  # of what happens inside, on the short page
INSIDE = (
    "growth", "trained_growth", "later_growth", "cos_prev", "cos_excess", "step_excess",
    "cos_update", "size_effect", "temperature", "length_swap", "direction_swap",
)  # fmt: skip
INTERACTIONS = 6  # at most, on the short page
INTERVAL = f"{LEVEL:.0%} interval"  # heading of a column


class View(NamedTuple):
    """A measure as a page shows it: at equal steps or at equal loss, of all cells or of some."""

    name: str
    at: str = END
    learned_only: bool = False  # internal measures leave out cells that did not learn anyway


def short(table) -> str:
    """Return what ran, the cells, the effects on the loss and on FIRST, and how to read them."""
    loss = [View(table.yardstick)]
    learned_loss = [View(table.yardstick, learned_only=True)] if table.not_learned else []
    at = END if table.target is None else EQUAL
    inside = [View(name, at) for name in FIRST if name in table.measures()]
    parts = [f"# {table.title}", what_ran(table), *limits(table), "## Cells", cells_table(table)]
    if len(table.cells) > 1:
        when = "" if table.target is None else f", the others at a loss of {table.target:.3f}"
        parts.append(f"## What each switch does (the loss after equal steps{when})")
        parts.append(effects_table(table, loss + learned_loss + inside))
        parts += interactions(table, loss + inside, INTERACTIONS)
    parts += table.claims_section()
    parts += ["## How to read this", bullets(legend(table, [view.name for view in inside]))]
    return "\n\n".join(parts)


def full(table) -> str:
    """Return the short page, all measures at both moments and in every cell, and what they are."""
    parts = [short(table)]
    available = table.measures()
    inside = [name for name in INSIDE if name in available]
    before = [name for name in ("first_block_gradient",) if name in available]
    names = (table.yardstick, *before, *inside)
    sections = [("after equal steps", [View(name) for name in names])]
    if table.target is not None:
        views = [View("steps_to_loss"), *(View(name, EQUAL) for name in inside)]
        sections.insert(0, (f"at equal loss ({table.target:.3f})", views))
    if len(table.cells) > 1:
        for moment, views in sections:
            parts += [f"## All measures {moment}", effects_table(table, views)]
            parts += interactions(table, views, limit=None)
    parts += ["## Every measure, cell by cell, after equal steps", levels_table(table)]
    definitions = [f"{label(name)}: {MEASURES[name].explanation}." for name in available]
    parts += ["## The measures", bullets(definitions)]
    return "\n\n".join(parts) + "\n"


def cells_table(table) -> str:
    """Return the cells with their rates, losses, and steps until the common loss."""
    has_own_loss = table.yardstick != "val_loss"
    heading = ["cell", "lr", label(table.yardstick), INTERVAL]
    if table.target is not None:
        heading.append(f"steps to {table.target:.3f}")
    if table.rates > 1:
        heading.append("nearly tied lr")
    rows = [[*heading, "own loss"] if has_own_loss else heading]
    values = {name: table.values(name) for name in (table.yardstick, "val_loss")}
    for m, record in enumerate(table.records):
        rates = record.get("rates", [])
        lr = record["train"]["lr"]
        is_extreme = len(rates) > 1 and lr in (min(rates), max(rates))
        loss = estimate_level(values[table.yardstick][m])
        row = [
            name_of(table.cells[m]),
            f"{lr:g}{' (edge)' if is_extreme else ''}",
            "diverged" if loss is None else f"{loss.mean:.3f}{out_of(table, loss)}",
            "" if loss is None or loss.low is None else f"{loss.low:.3f} to {loss.high:.3f}",
        ]
        if table.target is not None:
            row.append(steps_to_target(table, m))
        if table.rates > 1:
            row.append(tied_rates(table, m))
        if has_own_loss:
            own_loss = estimate_level(values["val_loss"][m])
            row.append("" if own_loss is None else f"{own_loss.mean:.3f}")
        rows.append(row)
    return markdown(rows)


def steps_to_target(table, m: int) -> str:
    """Return after how many steps the seeds of a cell reached the common loss."""
    if m in table.early:
        return f"before {table.early[m]}"
    steps = estimate_level(table.values("steps_to_loss")[m], ratio=True)
    return "never" if steps is None else f"{steps.mean:.0f}{out_of(table, steps)}"


def tied_rates(table, m: int) -> str:
    """Return the nearly tied rates of a cell, each with the loss of its seeds there."""
    losses_AE = table.values_at_rates(table.yardstick)[m]
    texts = []
    for training, losses_E in zip(table.trainings(m)[1:], losses_AE[1:], strict=False):
        loss = estimate_level(losses_E)
        size = "diverged" if loss is None else f"{loss.mean:.3f}{out_of(table, loss)}"
        texts.append(f"{training['train']['lr']:g}: {size}")
    return ", ".join(texts)


def out_of(table, estimate: Estimate) -> str:
    """Return how many seeds a mean stands for, if not for all of them."""
    seeds = len(table.seeds)
    return "" if estimate.count == seeds else f" ({estimate.count} of {seeds} seeds)"


def effects_table(table, views: list[View]) -> str:
    """Return a row for every change that has a number: measure, change, effect, interval, note."""
    rows = [["measure", "change", "effect", INTERVAL, "note"]]
    for name, at, learned_only in views:
        heading = label(name) + (" (learned)" if learned_only else "")
        for effect in table.effects(name, at, learned_only):
            if effect.kind == "interaction" or effect.estimate is None:
                continue
            notes = verdict(effect, name)
            if not learned_only and table.opposed(effect, name, at):
                notes.append("(mixed)")
            if effect.combinations > 1:
                notes.append(range_over_rates(effect, name))
            if judgement := table.judge(effect, name):
                notes.append(judgement)
            if effect.left_out:
                notes.append(f"without {count(len(effect.left_out), 'cell')}")
            star = "*" if table.is_shown(effect, name) else ""
            size = MEASURES[name].write_difference(effect.estimate.mean) + star
            rows.append([heading, effect.name, size, interval(effect, name), ", ".join(notes)])
    return markdown(rows) if len(rows) > 1 else "No change has a number."


def range_over_rates(effect: Effect, name: str) -> str:
    """Return the lowest and the highest estimate over all combinations of nearly tied rates."""
    write = MEASURES[name].write_difference
    bounds = f"{write(effect.lowest)} to {write(effect.highest)}"
    return f"{bounds} over {effect.combinations} combinations of rates"


def verdict(effect: Effect, name: str) -> list[str]:
    """Return why an effect is not shown, if the reason is not simply a wide interval."""
    estimate = effect.estimate
    if estimate.p is None:
        return ["one seed"]
    if not any(effect.differences_E):
        return ["identical in every seed"]
    if max(abs(estimate.low), abs(estimate.high)) <= MEASURES[name].negligible:
        return ["negligible"]
    if estimate.p < ALPHA <= effect.adjusted_p:
        return [f"not after Holm: p = {effect.adjusted_p:.2g}"]
    return []


def interactions(table, views: list[View], limit: int | None) -> list[str]:
    """Return how many interactions are shown, and a list of them: the first ones, up to a limit."""
    lines = []
    tested = 0
    missing = 0
    for name, at, _ in views:
        for effect in table.effects(name, at):
            if effect.kind == "main":
                continue
            tested += effect.estimate is not None
            missing += effect.estimate is None
            if table.is_shown(effect, name):
                lines.append(describe_interaction(table, effect, name, at))
    if not tested + missing:
        return []
    summary = f"Interactions: {len(lines)} of {tested} shown."
    if missing:
        summary += f" {missing} more cannot be computed, because cells lack a number."
    if limit is not None and len(lines) > limit:
        lines[limit:] = [f"{len(lines) - limit} more are in the full tables."]
    return [summary, bullets(lines)] if lines else [summary]


def describe_interaction(table, effect: Effect, name: str, at: str) -> str:
    """Return the size of an interaction, and what the first change does on both sides of it."""
    write = MEASURES[name].write_difference
    sides = []
    for value, estimate in table.simple_effects(effect.change, effect.by.switch, name, at):
        if value in (effect.by.before, effect.by.after):
            sides.append(f"{write(estimate.mean)} with {effect.by.switch}={show(value)}")
    size = f"{write(effect.estimate.mean)}* ({interval(effect, name)})"
    return f"{label(name)}: {effect.name}: {size}; {', '.join(sides)}"


def levels_table(table) -> str:
    """Return the mean of every measure in every cell."""
    names = [name for name in table.measures() if name != table.yardstick]
    rows = [["cell", *map(label, names)]]
    for m, cell in enumerate(table.cells):
        row = [name_of(cell) + (" (did not learn)" if m in table.not_learned else "")]
        for name in names:
            level = estimate_level(table.values(name)[m], MEASURES[name].ratio)
            row.append("n/a" if level is None else three_digits(level.mean))
        rows.append(row)
    return markdown(rows)


def interval(effect: Effect, name: str) -> str:
    """Return the bounds of an effect; nothing for one seed."""
    if effect.estimate.low is None:
        return ""
    write = MEASURES[name].write_difference
    return f"{write(effect.estimate.low)} to {write(effect.estimate.high)}"
