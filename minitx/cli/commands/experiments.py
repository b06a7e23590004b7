"""The commands that compare models: `minitx ablate` trains a grid, `minitx compare` takes runs."""

import io
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from minitx.ablation.grid import MODEL, TRAIN, Grid, parse_vary, read
from minitx.cli.terminal import print_json, say
from minitx.config import DataConfig, ModelConfig, TrainConfig
from minitx.errors import InputError

Flat = tyro.conf.OmitArgPrefixes


@dataclass(frozen=True)
class Ablate:
    """Train every combination of some switches for several seeds, and say what each switch does."""

    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A switch and its values, as in norm=none,layernorm; give it again for another switch."""
    grid: str | None = None
    """A shipped grid (depth, optimiser, thread, width) or a TOML file; --vary adds to it."""
    seeds: int = 5
    """Models of each cell, trained together; with one there are no intervals."""
    rates: tuple[float, ...] | None = None
    """Learning rates that each cell chooses from; None: 0.3, 1 and 3 times --lr."""
    out: Path | None = None
    """Folder of the grid, by default ablations/NAME; cells that are finished there are taken."""
    plan: bool = False
    """List the cells and the time that they will take, and run nothing."""
    json: bool = False
    """Print the table, or the plan, as JSON."""
    data: Flat[DataConfig] = field(default_factory=DataConfig)
    model: Flat[ModelConfig] = field(default_factory=lambda: MODEL)
    recipe: Flat[TrainConfig] = field(default_factory=lambda: TRAIN)

    def run(self) -> None:
        from minitx.ablation.plan import plan
        from minitx.text.data import prepare

        vary, rates = parse_vary(self.vary), self.rates
        if self.grid is not None:
            kept = read(self.grid)
            vary = kept.vary | vary
            rates = rates or kept.rates
        grid = Grid(vary, self.model, self.recipe, rates)
        d = self.data
        data = prepare(d.corpus, d.tokenizer, self.model.vocab, d.val_fraction, d.digits)
        name = Path(self.grid).stem if self.grid else "-".join(vary)
        out = self.out or Path("ablations") / name
        if self.plan:
            told = plan(grid, data, self.seeds, out)
            print_json(told) if self.json else show_plan(told)
            return
        table = run_with_progress(grid, data, self.seeds, out)
        save(table, out)
        print_json(table.json()) if self.json else print(table.summary())
        say(
            f"\nsaved: {out / 'table.md'} (also what happens inside the models, and how to read "
            "it all), results.csv, effects.csv, table.json, figures"
        )


@dataclass(frozen=True)
class Compare:
    """Compare runs that were trained by hand: those that differ in the seed alone are one cell."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs on one text."""
    out: Path | None = None
    """Folder for the table and its figures; by default they are not kept."""
    json: bool = False
    """Print the table as JSON."""

    def run(self) -> None:
        from minitx.ablation import comparison

        table = comparison.compare(self.runs)
        if self.out:
            if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
                raise InputError(f"{self.out} is there already: choose another --out")
            save(table, self.out)
        if self.json:
            print_json(table.json())
        else:
            print(table.summary() if self.out else table.markdown())
        if self.out:
            say(f"\nsaved: {self.out / 'table.md'} (the same and more), and figures")


def defaults(given: dict[str, str | None]) -> Ablate:
    """What the flags of `ablate` start from: the grid that is named, or the default size."""
    name = given.get("--grid")
    if name is None:
        return Ablate()
    grid = read(name)
    return Ablate(model=grid.model, recipe=grid.train)


def show_plan(told: dict) -> None:
    width = max(len(cell["name"]) for cell in told["cells"])
    for n, cell in enumerate(told["cells"], 1):
        rates = ", ".join(f"{rate:g}" for rate in cell["rates"])
        mark = "  finished" if cell["finished"] else ""
        print(f"{n:3}  {cell['name']:{width}}  rates {rates}  {cell['steps']} steps{mark}")
    print(
        f"\n{len(told['cells'])} cells, {len(told['seeds'])} seeds each, {told['steps']} steps of "
        f"one model to go: about {minutes(told['seconds'])}, by a trial of the first cell now"
    )


def run_with_progress(grid, data, seeds, out: Path):
    """Run a grid with a live line: cell n of N, time left. Ctrl-C leaves what is finished."""
    from tqdm import tqdm

    from minitx.ablation import cells
    from minitx.runs.training import interrupts

    planned, counted = cells.check_cells(grid, data), cells.check_seeds(seeds)
    ahead = cells.unfinished(planned, data, counted, out)
    total = sum(cells.work(cell, counted) for cell in ahead)
    records, before, started = [], 0, time.monotonic()
    if len(counted) == 1:
        say("one seed: there will be no intervals, and any difference may be chance")
    line = {"unit": "step", "dynamic_ncols": True, "leave": False, "disable": None}
    with interrupts() as interrupted, tqdm(total=total, **line) as bar:
        try:
            for p in cells.run_grid(grid, data, seeds, out):
                bar.set_description_str(f"cell {p.number} of {len(planned)}")
                if p.record and not p.kept:
                    before += p.steps
                bar.update(before + (0 if p.record else p.done) - bar.n)
                if p.record:
                    records.append(p.record)
                    seconds = (time.monotonic() - started) * (total - before) / max(1, before)
                    left = f"; about {minutes(seconds)} left" if 0 < before < total else ""
                    bar.write(f"cell {p.number} of {len(planned)}: {told(p)}{left}", sys.stderr)
                if interrupted:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            bar.close()
            say(
                f"stopped; {len(records)} of {len(planned)} cells are finished and stay in {out}: "
                "the same command goes on"
            )
            raise
    return cells.make_table(records, data)


def told(p) -> str:
    """One finished cell in a line."""
    ends = [entry["history"][-1]["val_loss"] for entry in p.record["seeds"] if not entry["failure"]]
    failed = len(p.record["seeds"]) - len(ends)
    words = [f"loss {sum(ends) / len(ends):.3f}"] if ends and None not in ends else []
    words += [f"{failed} seeds diverged"] if failed else []
    words += ["finished before"] if p.kept else [f"{p.record['seconds']:.0f} s"]
    return f"{p.cell.name}: lr {p.record['train']['lr']:g}, {', '.join(words)}"


def save(table, out: Path) -> None:
    """Put a table into a folder: for readers, for programs, and as pictures."""
    from minitx import files
    from minitx.ablation import panels
    from minitx.tables import to_csv

    files.write(out / "table.md", table.markdown())
    files.write(out / "results.csv", table.results_csv())
    files.write(out / "effects.csv", table.effects_csv())
    files.write_json(out / "table.json", table.json())
    for name, (figure, lines) in panels.figures(table).items():
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
        files.write(out / "figures" / f"{name}.png", picture.getvalue())
        files.write(out / "figures" / f"{name}.csv", to_csv(lines))


def minutes(seconds: float) -> str:
    """A time in words.

    >>> minutes(40), minutes(100), minutes(5400)
    ('40 s', '2 min', '1.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
