"""What a person sees in the terminal: progress, tables, text as it comes.

Results go to standard output, progress and remarks to standard error.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any


def train_with_progress(out: Path, config, recipe, data, resume: bool, mesh=None) -> dict[str, Any]:
    """Train into a folder with a live line; the last evaluation, as metrics.jsonl has it."""
    from tqdm import tqdm

    from minitx.devices.processes import from_first, is_first
    from minitx.model import count_params
    from minitx.runs import run
    from minitx.step import init_state
    from minitx.train import check_share

    if mesh:
        check_share(recipe, mesh)  # before the folder is begun
    state = from_first(
        lambda: run.begin(out, config, recipe, data, resume), lambda: init_state(config, recipe)
    )
    say(
        f"{data.config.corpus}: {len(data.train_tokens)} tokens to train on, "
        f"{len(data.val_tokens)} held out, {len(data.tokenizer)} distinct\n"
        f"model: {config.depth} blocks of width {config.width}, {count_params(config)} parameters"
    )
    if data.generator:
        say(f"the corpus has an entropy of {data.generator.entropy():.4f} nats per token, exactly")
    bar = tqdm(
        total=recipe.steps,
        initial=int(state.step) if state else 0,
        unit="step",
        dynamic_ncols=True,
        leave=False,
        disable=None,  # unless standard error is a terminal
    )
    reports = run.train_run(out, config, recipe, data, state, mesh)
    with contextlib.closing(reports), bar:
        try:
            for report in reports:
                bar.update(report.step - bar.n)
                bar.set_postfix_str(
                    f"loss {report.train_loss:.4f}, {report.tokens_per_second:.0f} tokens/s"
                )
                if report.evaluation:
                    e = report.evaluation
                    bar.write(
                        f"step {e.step:5}   training loss {e.train_loss:.4f}   "
                        f"validation loss {e.val_loss:.4f}   {e.seconds:6.1f} s",
                        file=sys.stderr,
                    )
        except KeyboardInterrupt:
            bar.close()
            say(f"stopped; all of it is in {out}: go on with `minitx train --resume --out {out}`")
            raise
    say(f"saved in {out}")
    lines = run.read_metrics(out)  # of the first process: the folder may be its host's alone
    return lines[-1] if is_first() and lines else {}


def inspect_run(
    loaded, tokens_BT, figures: Path | None, quiet: bool, untrained: bool = True
) -> dict[str, Any]:
    """Measure, print unless quiet, save the findings and the figure; everything as JSON has it."""
    from minitx import files, findings, plots, report
    from minitx.tables import columns_to_csv

    seed = loaded.recipe.seed if loaded.recipe else 0
    found = report.inspect(loaded.model, tokens_BT, seed, untrained)
    if not quiet:
        c = loaded.config
        print(f"trained ({c.norm}, {c.norm_place}), medians over {found['tokens']} tokens:\n")
        print(report.table(found["layers"]), end="\n\n")
        if untrained:
            print(f"untrained, the same seed:\n\n{report.table(found['untrained'])}\n")
        print(f"the last state made c times as long:\n\n{report.scale_table(found['scale'])}\n")
        print(findings.text(found["findings"]))
    own = loaded.folder if loaded.recipe else Path(f"{Path(loaded.name).name}-figures")
    folder = figures or (own / "figures" if loaded.recipe else own)
    picture = io.BytesIO()
    figure = plots.dashboard(found, title=f"{loaded.name}: inside a trained transformer")
    figure.savefig(picture, format="png", metadata={"Software": None})
    files.write(folder / "dashboard.png", picture.getvalue())
    for name in ("layers", "untrained", "scale"):
        if found[name]:
            files.write(folder / f"dashboard-{name}.csv", columns_to_csv(found[name]))
    files.write_json((figures or own) / "findings.json", found["findings"])
    say(f"\nfigure: {folder / 'dashboard.png'}")
    return found


def compare_models(reports: dict[str, dict], folder: Path, quiet: bool) -> None:
    """Set models that were inspected side by side: a table, and a figure with its numbers."""
    from minitx import files, plots, report
    from minitx.tables import columns_to_csv

    columns = report.side_by_side({name: found["layers"] for name, found in reports.items()})
    if not quiet:
        print(f"\n\nside by side:\n\n{report.comparison_table(columns)}")
    picture = io.BytesIO()
    plots.comparison({name: found["layers"] for name, found in reports.items()}).savefig(
        picture, format="png", metadata={"Software": None}
    )
    files.write(folder / "comparison.png", picture.getvalue())
    files.write(folder / "comparison.csv", columns_to_csv(columns))
    say(f"\nfigure: {folder / 'comparison.png'}")


class Stream:
    """Prints tokens as text while they come; half of a character waits for its other half."""

    def __init__(self, tokenizer, ids):
        self.tokenizer, self.ids, self.shown = tokenizer, list(ids), 0
        self.add([])

    def add(self, ids) -> None:
        self.ids += list(ids)
        text = self.tokenizer.decode(self.ids)
        whole = text.rstrip("\ufffd")
        print(whole[self.shown :], end="", flush=True)
        self.shown = len(whole)


@contextlib.contextmanager
def first_process_talks():
    """Of several processes that train together, the others keep silent, but for errors."""
    from minitx.devices.processes import is_alone, is_first

    if is_alone():
        yield
        return
    # The library that connects the processes writes to descriptor 1 behind Python's back.
    with os.fdopen(os.dup(1), "w") as own, contextlib.redirect_stdout(own):
        os.dup2(2, 1)
        if is_first():
            yield
            return
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield


def say(words: str) -> None:
    """A remark to the person, on standard error."""
    print(words, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    print(json.dumps(value, allow_nan=False))
