"""The commands that compare models: `minitx ablate` trains a grid, `minitx compare` takes runs."""

import contextlib
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
FILES = "results.csv, effects.csv, table.json, figures/"


@dataclass(frozen=True)
class Ablate:
    """Train every combination of some switches for several seeds; show what each switch does."""

    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A switch and its values, as in norm=none,layernorm; give it again for another switch."""
    grid: str | None = None
    """A shipped grid (depth, growth, optimiser, thread, width) or a TOML file; --vary adds
    to it."""
    seeds: int = 5
    """Models in each cell, trained together; with one there are no intervals."""
    rates: tuple[float, ...] | None = None
    """Learning rates that each cell chooses from; None: 0.3, 1 and 3 times --lr."""
    claims: str | None = None
    """Claims to judge every model by while it trains, such as A9,A10; None: those of the grid."""
    ties: bool = True
    """Train a cell also at a second rate, if that is nearly as good as its best: see the docs."""
    equal_loss: bool = False
    """Compare at equal loss too: the rate stays constant, with cool-downs, instead of --decay."""
    margin: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Differences up to this count as equal: 0.02 (nats of loss), or growth=1.1 (a factor)."""
    out: Path | None = None
    """Folder of the grid, by default ablations/NAME; its finished cells are used."""
    jobs: int | None = None
    """Cells that are trained side by side, one in each worker process; None: one for each core."""
    plan: bool = False
    """Try two cells briefly, print all cells and the time that they will take, and keep nothing."""
    json: bool = False
    """Print the table, or the plan, as JSON."""
    data: Flat[DataConfig] = field(default_factory=DataConfig)
    model: Flat[ModelConfig] = field(default_factory=lambda: MODEL)
    recipe: Flat[TrainConfig] = field(default_factory=lambda: TRAIN)

    def run(self) -> None:
        from minitx.ablation.margin import parse_margins
        from minitx.ablation.plan import plan
        from minitx.evidence import judging
        from minitx.evidence.claims import known_claims
        from minitx.text.data import prepare

        vary = parse_vary(self.vary)
        margins = parse_margins(self.margin)
        rates = self.rates
        claims = ()
        if self.claims is not None:
            claims = tuple(judging.chosen_claims(self.claims, list(known_claims())))
        if self.grid is not None:
            named_grid = read(self.grid)
            vary = named_grid.vary | vary
            margins = named_grid.margins | margins
            rates = rates or named_grid.rates
            claims = claims or named_grid.claims
        grid = Grid(
            vary, self.model, self.recipe, rates, margins, self.ties, self.equal_loss, claims
        )
        d = self.data
        data = prepare(d.corpus, d.tokenizer, self.model.vocab, d.val_fraction, d.digits)
        name = Path(self.grid).stem if self.grid else "-".join(vary)
        out = self.out or Path("ablations") / name
        if self.plan:
            forecast = plan(grid, data, self.seeds, out, self.jobs)
            print_json(forecast) if self.json else show_plan(forecast)
            return
        table = run_with_progress(grid, data, self.seeds, out, self.jobs)
        save(table, out)
        print_json(table.json()) if self.json else print(table.summary())
        say(f"\nsaved in {out}: table.md (this page and the full tables), {FILES}")


@dataclass(frozen=True)
class Compare:
    """Compare runs that were trained by hand; runs that differ only in the seed are one cell."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs on one text."""
    out: Path | None = None
    """Folder for the table and its figures; by default they are not kept."""
    json: bool = False
    """Print the table as JSON."""

    def run(self) -> None:
        from minitx.ablation.comparison import compare

        table = compare(self.runs)
        if self.out:
            if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
                raise InputError(f"{self.out} already holds something: choose another --out")
            save(table, self.out)
        if self.json:
            print_json(table.json())
        else:
            print(table.summary() if self.out else table.markdown())
        if self.out:
            say(f"\nsaved in {self.out}: table.md (this page and the full tables), {FILES}")


def defaults(given: dict[str, str | None]) -> Ablate:
    """Return the defaults of the flags of `ablate`: those of a named grid, or the default size."""
    name = given.get("--grid")
    if name is None:
        return Ablate()
    grid = read(name)
    return Ablate(model=grid.model, recipe=grid.train, equal_loss=grid.equal_loss)


def show_plan(forecast: dict) -> None:
    """Print the cells of a grid, and how long they will take."""
    width = max(len(cell["name"]) for cell in forecast["cells"])
    for number, cell in enumerate(forecast["cells"], 1):
        rates = ", ".join(f"{rate:g}" for rate in cell["rates"])
        mark = "  finished" if cell["finished"] else ""
        print(f"{number:3}  {cell['name']:{width}}  rates {rates}  {cell['steps']} steps{mark}")
    most = "at most " if forecast["is_most"] else ""
    print(
        f"\n{len(forecast['cells'])} cells, {len(forecast['seeds'])} seeds each; {most}"
        f"{forecast['steps']} steps of one model are left: {most}about "
        f"{duration(forecast['seconds'])} with {forecast['jobs']} cells side by side, estimated "
        "from a short trial"
    )
    if forecast["cool_downs"]:
        print(f"cool-downs for equal loss add {forecast['cool_downs']:.0%} to each model's steps")
    if most:
        print("the most is needed if every cell has a second rate that is nearly as good")


def run_with_progress(grid, data, seeds, out: Path, jobs: int | None = None):
    """Run a grid with a live line: cells finished, time left. After Ctrl-C, finished cells stay."""
    from tqdm import tqdm

    from minitx.ablation import cells, folder, one_cell
    from minitx.runs.training import interrupts

    planned = cells.check_cells(grid, data)
    seeds = cells.check_seeds(seeds)
    unfinished = folder.unfinished(planned, data, seeds, out)
    total = sum(one_cell.count_steps(cell, seeds) for cell in unfinished)
    done_by_cell = {}  # steps of the cells that this call trains
    finished = []
    started = time.monotonic()

    def show(progress):
        if not progress.was_finished:
            done_by_cell[progress.number] = progress.done
        done = sum(done_by_cell.values())
        bar.update(done - bar.n)
        if progress.record is None:
            return
        finished.append(progress)
        bar.set_description_str(f"{len(finished)} of {len(planned)} cells")
        left = ""
        if 0 < done < total:
            seconds = (time.monotonic() - started) * (total - done) / done
            left = f"; about {duration(seconds)} left"
        head = f"cell {progress.number} of {len(planned)}"
        bar.write(f"{head}: {describe_cell(progress)}{left}", sys.stderr)

    if len(seeds) == 1:
        say("one seed: there will be no intervals, and any difference may be chance")
    style = {"unit": "step", "dynamic_ncols": True, "leave": False, "disable": None}
    with (
        interrupts() as interrupted,
        tqdm(total=total, **style) as bar,
        contextlib.closing(cells.run_grid(grid, data, seeds, out, jobs)) as news,
    ):
        try:
            for progress in news:
                if progress is not None:
                    show(progress)
                if interrupted:
                    raise KeyboardInterrupt
        except (KeyboardInterrupt, InputError) as stop:
            bar.close()
            kept = f"{len(finished)} of {len(planned)} cells are finished and stay in {out}"
            if isinstance(stop, KeyboardInterrupt):
                say(f"stopped; {kept}: run the same command again to continue")
            elif done_by_cell:  # an error that came before any training says all itself
                say(f"stopped; {kept}")
            raise
    return cells.table_of(grid, finished, data, out)


def describe_cell(progress) -> str:
    """Return a finished cell in a line."""
    record = progress.record
    losses = []
    for entry in record["seeds"]:
        if not entry["failure"]:
            losses.append(entry["history"][-1]["val_loss"])
    parts = [f"lr {record['train']['lr']:g}"]
    for tied in record.get("tied", []):
        parts.append(f"nearly tied {tied['train']['lr']:g}")
    if losses and None not in losses:
        parts.append(f"loss {sum(losses) / len(losses):.3f}")
    if len(losses) < len(record["seeds"]):
        parts.append(f"{len(record['seeds']) - len(losses)} seeds diverged")
    parts.append("finished before" if progress.was_finished else f"{record['seconds']:.0f} s")
    return f"{progress.cell.name}: {', '.join(parts)}"


def save(table, out: Path) -> None:
    """Put a table into a folder: for readers, for programs, and as figures."""
    from minitx import files, plots
    from minitx.ablation import panels

    files.write(out / "table.md", table.markdown())
    files.write(out / "results.csv", table.results_csv())
    files.write(out / "effects.csv", table.effects_csv())
    files.write_json(out / "table.json", table.json())
    for name, (figure, rows) in panels.figures(table).items():
        plots.save(figure, out / "figures" / f"{name}.png", rows=rows)


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(40), duration(100), duration(5400)
    ('40 s', '2 min', '1.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
