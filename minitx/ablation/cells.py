"""Ablations: every cell of a grid trained for several seeds, measured, kept, and put in one table.

    table = ablate(Grid({"norm": ("none", "rmsnorm"), "tied": (True, False)}), "fables", seeds=5)
    print(table.summary())

Cells are trained side by side, one on each core. The seeds of a cell train in one program. Before
that, one seed that is not counted chooses the cell's learning rate. If another rate was nearly as
good, the seeds train at that one too. A finished cell is kept on disk (`folder.py`), so a grid that
was stopped goes on.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from minitx import files
from minitx.ablation import folder, judged
from minitx.ablation.branches import plan_branches
from minitx.ablation.folder import CHOOSER
from minitx.ablation.grid import Cell, Grid
from minitx.ablation.margin import check_margins
from minitx.ablation.one_cell import Record, count_steps, flops_per_step, train_cell
from minitx.ablation.table import Table, make_table
from minitx.devices import workers
from minitx.errors import InputError
from minitx.text.data import Data, prepare
from minitx.train import check_lengths


class Progress(NamedTuple):
    """Where one cell of a grid stands: its steps done, and all its steps.

    Steps are counted over all models of the cell. `record` is there when the cell is finished.
    """

    number: int
    cell: Cell
    done: int
    steps: int
    record: Record | None = None
    was_finished: bool = False  # before this grid began


def ablate(
    grid: Grid,
    corpus: str | Data = "fables",
    seeds: int | Sequence[int] = 5,
    out: Path | str | None = None,
    jobs: int | None = None,
) -> Table:
    """Run a grid to its end, in a folder if one is given, and return its table.

    `jobs` cells are trained side by side, by default one on each core; the table is the same for
    any number. Raises InputError for a cell that is not possible, a text too short for one, or a
    folder that holds something else; nothing has run then.
    """
    data = corpus if isinstance(corpus, Data) else prepare(corpus)
    finished = [p for p in run_grid(grid, data, seeds, out, jobs) if p and p.record]
    return table_of(grid, finished, data, out)


def table_of(grid: Grid, finished: list[Progress], data: Data, out: Path | str | None) -> Table:
    """Return the table of a grid's finished cells, with the margins that its folder holds.

    Its cells stand in the order of the grid, whichever finished first.
    """
    records = [p.record for p in sorted(finished, key=lambda p: p.number)]
    if out is None:
        return make_table(records, data, margins=grid.margins)
    margins, remark = folder.read_margins(Path(out))
    return make_table(records, data, margins=margins, margins_remark=remark)


def run_grid(
    grid: Grid,
    data: Data,
    seeds: int | Sequence[int] = 5,
    out: Path | str | None = None,
    jobs: int | None = None,
) -> Iterator[Progress | None]:
    """Yield the progress of `ablate`, and None when there is no news for a while.

    Cells that were finished before come first. A finished cell is on disk before it is reported.
    """
    seeds = check_seeds(seeds)
    workers.check_jobs(jobs)
    cells = check_cells(grid, data)
    text_hash = folder.hash_text(data)
    keys = [folder.key_of(cell, text_hash, seeds) for cell in cells]
    if out is not None:
        folder.open_folder(Path(out), keys, data, text_hash)
        folder.set_margins(Path(out), grid.margins)
    unfinished = []
    for number, (cell, key) in enumerate(zip(cells, keys, strict=True), 1):
        steps = count_steps(cell, seeds)
        path = None if out is None else folder.path_of(Path(out), key)
        if path and path.exists():
            record = folder.read_record(path, key, cell)
            yield Progress(number, cell, steps, steps, record, was_finished=True)
        else:
            unfinished.append((Progress(number, cell, 0, steps), key, path))
    # What takes longest comes first, so that no worker is left alone with it at the end.
    unfinished.sort(key=lambda one: -flops_per_step(one[0].cell) * one[0].steps)
    tasks = [(progress.cell, data, seeds) for progress, _, _ in unfinished]
    for news in workers.run(train_cell, tasks, jobs):
        if news is None:
            yield None
            continue
        task, (done, record) = news
        progress, key, path = unfinished[task]
        if record is not None:
            record = {"format": folder.FORMAT, "key": key, **record}
            if path:
                files.write_json(path, record)
            record = {**record, "settings": progress.cell.settings}
        yield progress._replace(done=done, record=record)


def check_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds; a number stands for 0, 1, ... Raises InputError for impossible ones."""
    if isinstance(seeds, int):
        if not 1 <= seeds <= 1000:
            raise InputError(
                f"seeds={seeds} is out of range: choose 1 to 1000; intervals need at least 2"
            )
        return list(range(seeds))
    seeds = [int(seed) for seed in seeds]
    are_possible = all(0 <= seed < 2**32 and seed != CHOOSER for seed in seeds)
    if not seeds or len(set(seeds)) < len(seeds) or not are_possible:
        raise InputError(
            f"seeds={seeds}: give at least one, each once, from 0 to 2^32 - 1, and not {CHOOSER}, "
            "which chooses learning rates"
        )
    return seeds


def check_cells(grid: Grid, data: Data) -> list[Cell]:
    """Return the cells of a grid. Raises InputError naming one that this text is too short for."""
    check_margins(grid.margins)
    cells = grid.cells(len(data.tokenizer))
    for cell in cells:
        try:
            if cell.equal_loss:
                plan_branches(cell.train)
            check_lengths(cell.model, data.train_tokens, data.val_tokens)
            if len(data.val_tokens) <= cell.model.context:
                raise InputError(
                    f"the validation split has {len(data.val_tokens)} tokens, but measuring needs "
                    f"{cell.model.context + 1}: use a longer text or a smaller --context"
                )
            judged.check(cell, data)
        except InputError as error:
            raise InputError(f"cell {cell.name}: {error}") from None
    return cells
