"""The sentences of an ablation's page: what ran, what it cannot say, and how to read it."""

import textwrap

from minitx.ablation.effects import ALPHA
from minitx.ablation.margin import write_margins
from minitx.ablation.measures import MEASURES
from minitx.ablation.settings import name_all, name_of, show


def what_ran(table) -> str:
    """Return the size of the grid and of its models, the text, the training, and the baseline."""
    sizes = [record["parameters"] for record in table.records]
    parameters = f"{min(sizes):,}" + (f" to {max(sizes):,}" if min(sizes) < max(sizes) else "")
    rates = {rate for r in table.records for rate in r.get("rates", [r["train"]["lr"]])}
    best_of = "best of " if any(len(r.get("rates", [])) > 1 for r in table.records) else ""
    is_cooled = any("branches" in record for record in table.records)
    cooled = ", constant until a cool-down" if is_cooled else ""
    text = (
        f"{count(len(table.cells), 'cell')}, {count(len(table.seeds), 'seed')} each. Models: "
        f"width {used(table, 'model', 'width')}, depth {used(table, 'model', 'depth')}, context "
        f"{used(table, 'model', 'context')}, {parameters} parameters. Text: {table.text}. "
        f"Training: {used(table, 'train', 'steps')} steps of {used(table, 'train', 'batch')} "
        f"sequences, learning rate {best_of}{', '.join(map(show, sorted(rates)))}{cooled}. "
        "Baseline: a model that knows how often each token occurs, and nothing else, has a "
        f"{label(table.yardstick)} of {table.baseline_loss:.3f}."
    )
    if table.corpus_entropy is not None:
        text += f" The corpus is generated; its entropy is {table.corpus_entropy:.3f} nats."
    if table.yardstick == "fitted_loss":
        text += (
            " The cells were trained on different losses, whose values cannot be compared. They are"
            " compared by the fitted loss: the cross-entropy of their predictions at a temperature"
            " that is fitted on other text."
        )
    return fill(text)


def limits(table) -> list[str]:
    """Return paragraphs on what a reader must know before believing the tables."""
    paragraphs = []
    if len(table.seeds) < 2:
        paragraphs.append("**With one seed there are no intervals: any difference may be chance.**")
    if table.margins_remark:
        paragraphs.append(f"**The {table.margins_remark}.**")
    failures = []
    for cell, record in zip(table.cells, table.records, strict=True):
        for entry in record["seeds"]:
            if entry["failure"]:
                step = entry["failure"]["step"]
                failures.append(f"{name_of(cell)} (seed {entry['seed']} at step {step})")
    if failures:
        paragraphs.append(f"**Training diverged in {len(failures)}:** {'; '.join(failures)}.")
    if table.not_learned and table.learned_loss is not None:
        paragraphs.append(
            f"**In {len(table.not_learned)} of {len(table.cells)} cells not every seed learned** "
            f"much beyond the baseline: {name_all(table.cells, table.not_learned)}. Their losses "
            "count. All comparisons of what happens inside leave them out, with their partners."
        )
    missing = unanswered(table)
    if missing:
        paragraphs.append("**This grid cannot answer** " + "; ".join(missing) + ".")
    return [fill(paragraph) for paragraph in paragraphs]


def unanswered(table) -> list[str]:
    """Return which questions about the inside of the models this grid cannot answer, and why."""
    steps = used(table, "train", "steps")
    if len(table.not_learned) == len(table.cells):
        return [f"what any switch does inside: no cell learned in {steps} steps"]
    messages = []
    for effect in table.effects(table.yardstick, learned_only=True):
        if effect.kind == "main" and effect.estimate is None:
            messages.append(
                f"what {effect.name} does inside: no two cells that differ only in it both learned "
                f"in {steps} steps"
            )
    early = [m for m in table.early if m not in table.not_learned]
    if early:
        messages.append(
            f"anything at equal loss about {name_all(table.cells, early)}: the loss passed "
            f"{table.target:.3f} before the first evaluation"
        )
    return messages


def legend(table, names: list[str]) -> list[str]:
    """Return how to read the short page."""
    lines = [
        "Effect: the difference between cells that differ in this change alone, seed by seed (a "
        "seed has the same batches in every cell), averaged over the other switches and the "
        f"seeds. x: a ratio. Intervals: Student's t over {count(len(table.seeds), 'seed')}.",
        f"*: shown: p is below {ALPHA:g} after Holm's correction for all comparisons of that "
        "measure, interactions included. Interaction: one change alters what another one does.",
        "(mixed): the change has opposite effects at different values of another switch, so the "
        "average describes neither.",
        equal_loss(table),
        "lr: the best of the learning rates for one more seed, which is not counted. (edge): the "
        "smallest or the largest of them, so a better one may lie beyond.",
    ]
    if table.rates > 1:
        lines.append(
            "nearly tied lr: another rate whose loss, for the seed that chooses, is above the best "
            "by at most two standard deviations of the seeds' final losses. All seeds were trained "
            "at it too. Effects are given at the chosen rates; their intervals cover the interval "
            "at every combination of these rates."
        )
    if table.margins:
        lines.append(
            f"Margin ({write_margins(table.margins)}): how large a difference may be while cells "
            "count as equal. Equal within the margin: the whole interval lies within it. Beyond "
            "the margin: the whole interval lies outside. Undecided: neither."
        )
    return lines + [f"{label(name)}: {MEASURES[name].description}." for name in names]


def equal_loss(table) -> str:
    """Return what equal loss is or, if the grid did not ask for it, why it is not there."""
    if table.target is None:
        return (
            "What happens inside is compared after equal steps, so it may come from one model "
            "being trained better than another. `ablate --equal-loss` compares at equal loss too."
        )
    return (
        "Equal loss: when a seed's loss falls to the highest final loss of a seed that learned. "
        "What differs there does not come from better training. It is read between models that "
        "were trained at a constant rate for different times and then cooled down alike."
    )


def used(table, part: str, field: str) -> str:
    """Return the values of a config's field in all cells: '64', or '32 or 64'."""
    return " or ".join(dict.fromkeys(show(record[part][field]) for record in table.records))


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def label(name: str) -> str:
    return name.replace("_", " ")


def fill(text: str, **indents: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False, **indents)


def bullets(texts) -> str:
    return "\n".join(fill(text, initial_indent="- ", subsequent_indent="  ") for text in texts)
