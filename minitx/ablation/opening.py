"""How the page of an ablation begins: what ran, what cannot be answered, and the answers in short.

For a reader who has never seen the project.
"""

import itertools
import math

from minitx.ablation.effects import having, levels, main_effects
from minitx.ablation.grid import name_of, show
from minitx.ablation.moments import END, EQUAL, MEASURES
from minitx.ablation.sentences import amount, called, label, mixed, named, parts, span

# Of what is inside, what the short answers tell.
INSIDE = ("growth", "trained_growth", "size_effect", "length_swap")


def opening(table) -> str:
    """What ran, and how it is judged; the cells whose insides say nothing."""
    seeds, yardstick = len(table.seeds), label(table.yardstick)
    told = [
        f"{len(table.cells)} cells, {seeds} seed{'s' * (seeds != 1)} each. {models(table)}",
        f"A model that knew the frequencies of tokens and nothing else would have a {yardstick} of "
        f"{table.ignorant:.3f}.",
    ]
    if table.truth is not None:
        told.append(f"The corpus is generated: its entropy is {table.truth:.3f} nats, exactly.")
    if table.yardstick == "fitted_loss":
        told.append(
            "The cells were trained on different losses, whose values cannot be compared. They are "
            "judged by the fitted loss: the cross-entropy of their predictions, each read as its "
            "loss means it (scores are logits after cross-entropy, probabilities after squared "
            "error), with a temperature fitted on other text."
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
    if table.idle and table.target is not None:
        told.append(
            f"In {len(table.idle)} of {len(table.cells)} cells not every seed learned much beyond "
            f"frequencies: {named(table.cells, table.idle)}. They are part of what is said about "
            "the loss. What is measured inside them tells of models that do not work, so of all "
            "that is said about the inside they are left out, with the cells that are paired with "
            "them."
        )
    missing = unanswered(table)
    parts = [" ".join(told)]
    if missing:
        parts.append("**What cannot be answered here.** " + " ".join(f"{m}." for m in missing))
    return "\n\n".join(parts)


def models(table) -> str:
    """The size of the models, the text, and how they were trained."""

    def each(part, name):
        values = list({show(r[part].get(name)): None for r in table.records})
        return f"{', '.join(values[:-1])} or {values[-1]}" if values[1:] else values[0]

    sizes = [record["parameters"] for record in table.records if "parameters" in record]
    size = f", {min(sizes):,} parameters" if sizes else ""
    if sizes and min(sizes) < max(sizes):
        size = f", {min(sizes):,} to {max(sizes):,} parameters"
    rates = {r for record in table.records for r in record.get("rates", [record["train"]["lr"]])}
    tried = ", ".join(f"{rate:g}" for rate in sorted(rates))
    return (
        f"The models: width {each('model', 'width')}, depth {each('model', 'depth')}, context "
        f"{each('model', 'context')}{size}. The text: {table.text or 'not told'}. Training: "
        f"{each('train', 'steps')} steps of {each('train', 'batch')} sequences, learning rate"
        f"{'s tried: ' if len(rates) > 1 else ' '}{tried}; evaluated every "
        f"{each('train', 'eval_every')} steps."
    )


def unanswered(table) -> list[str]:
    """What this grid cannot say about its switches, and why."""
    idle, cells = set(table.idle), table.cells
    steps = " or ".join(sorted({show(r["train"]["steps"]) for r in table.records}))
    told = []
    if len(idle) == len(cells):
        return [f"What any switch does inside cannot be said: no cell learns in {steps} steps"]
    for switch, values in levels(cells).items():
        if len(values) < 2:
            continue
        lost = [v for v in values if set(having(cells, switch, v)) <= idle]
        named_values = " or ".join(f"{switch}={show(v)}" for v in lost)
        if lost:
            subject = "it" if len(values) - len(lost) < 2 else named_values
            told.append(
                f"{switch}: what {subject} does inside cannot be said: with {named_values} no cell "
                f"learns in {steps} steps{at_the_edge(table, switch, lost)}"
            )
        kept = [v for v in values if v not in lost]
        for a, b in itertools.combinations(kept, 2):
            (effect,) = (e for e in table.effects("growth")
                         if e.change == f"{switch}: {show(a)} → {show(b)}")  # fmt: skip
            if not effect.estimate and effect.left_out and idle & set(effect.left_out):
                told.append(
                    f"{effect.change}: what this does inside cannot be said: no two cells that "
                    "differ in it alone both learn"
                )
    early = [m for m in table.early if m not in idle]
    if early:
        first = " or ".join(map(str, sorted({table.early[m] for m in early})))
        told.append(
            f"At equal loss nothing can be said of these cells, which pass {table.target:.3f} "
            f"before they are first measured, at step {first}: {named(cells, early)}"
        )
    return told


def at_the_edge(table, switch: str, values: list) -> str:
    """How many of the cells with these values took the smallest or the largest rate there was."""
    rows = [m for value in values for m in having(table.cells, switch, value)]
    tried = [(table.records[m]["train"]["lr"], table.records[m].get("rates", [])) for m in rows]
    edge = sum(len(rates) > 1 and lr in (min(rates), max(rates)) for lr, rates in tried)
    return f" ({edge} of {len(rows)} at the smallest or largest rate tried)" if edge else ""


def in_short(table) -> dict[str, list[str]]:
    """For each switch what it does to the loss, and to the first of what is inside.

    Of a switch with more than two values, what each does in place of the first.
    """
    told = {}
    at = EQUAL if table.target is not None else END
    for switch, values in levels(table.cells).items():
        if len(values) < 2:
            continue
        first = show(values[0])
        head = f"{first} → {show(values[1])}" if len(values) == 2 else f"in place of {first}"
        told_of = [answer(table, switch, values, table.yardstick, END)]
        inside = [n for n in INSIDE if n in table.measures()]
        answers = [answer(table, switch, values, name, at) for name in inside]
        told_of += [a for a in answers if a] or ["what it does inside cannot be said here"]
        told[f"{switch} ({head})"] = [part for part in told_of if part]
    return told


def answer(table, switch: str, values: list, name: str, at: str) -> str:
    """What the changes from a switch's first value do to one measure; '' if no pair has numbers.

    Where it is shown to depend on another switch, or does opposite things there, the parts too.
    """
    by_change = {e.change: e for e in table.effects(name, at)}
    told = []
    for value in values[1:]:
        effect = by_change[f"{switch}: {show(values[0])} → {show(value)}"]
        if not effect.estimate:
            continue
        size = amount(effect.estimate.mean, MEASURES[name].ratio)
        if effect.estimate.p is None:
            size += " (one seed)"
        elif not called(effect, name):
            size = "nothing shown"
        opposite = mixed(table, effect, name, at)
        if opposite:
            size += f" on average, but opposite things ({'; '.join(opposite)})"
        elif found := parts(table, effect, name, at):
            size += f" on average ({'; '.join(found)})"
        if name == table.yardstick and table.idle:
            size += among_learners(table, effect.change)
        told.append(f"{show(value)} {size}" if len(values) > 2 else size)
    return f"{label(name)}: {'; '.join(told)}" if told else ""


def among_learners(table, change: str) -> str:
    """What a change does to the loss where both cells of a pair learn."""
    values_ME = table.compared(table.yardstick)
    values_ME[table.idle] = math.nan
    (effect,) = (e for e in main_effects(table.cells, values_ME) if e.change == change)
    if not effect.estimate:
        return ""
    return f", among cells that learn {span(effect, table.yardstick)}"


def short(table) -> str:
    """The answers as a list, and how to take them."""
    lines = []
    for head, answers in in_short(table).items():
        lines += [f"- {head}:", *(f"    - {answer}" for answer in answers)]
    where = f"at a loss of {table.target:.3f}" if table.target is not None else "after equal steps"
    steps = table.learned_values("steps_to_loss")
    steps[table.idle] = math.nan
    if table.target is not None and math.isfinite(low := min(steps.ravel(), default=math.nan)):
        where += f" (reached after {low:.0f} to {max(steps.ravel()):.0f} steps)"
    how = (
        "Averages over the other switches; a lower loss is better. Growth: how many times longer "
        "the state is after the last block than at the embedding; trained growth: that, by the "
        "same before training. Size effect: how much surer the model becomes when the last state "
        "is made 4 times as long, 0 by construction behind a final norm. Length swap: how far "
        f"predictions move when tokens exchange the lengths of their states. All these {where}; "
        "the loss after equal steps."
    )
    return "\n".join([how, "", *lines])
