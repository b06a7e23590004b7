"""The commands of the classroom: lessons, hints, the ledger, the zoo.

Each command imports what it needs when it runs, so that `minitx --help` answers at once.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from minitx.cli.terminal import print_json, say
from minitx.errors import InputError


@dataclass(frozen=True)
class Lesson:
    """List the lessons, or walk through one: predict, run, investigate, judge."""

    name: tyro.conf.Positional[str | None] = None
    """A lesson's number, or all; without it, the list with your progress."""
    yes: bool = False
    """Run straight through, without waiting or asking."""
    open: bool = False
    """Open each figure as it is made."""
    again: bool = False
    """Begin at the beginning, not where you left."""
    notebook: bool = False
    """Write the lesson as a Jupyter notebook into the present folder instead."""

    def run(self) -> None:
        from minitx.classroom import walk

        if self.name is None:
            for name in walk.lessons():
                print(f"{walk.title(name):64} {walk.progress(name)}".rstrip())
            say(f"\nnext: {walk.advice()}")
            return
        every = self.name == "all"
        names = list(walk.lessons()) if every else [walk.find(self.name)]
        if every and not (self.yes or self.notebook):
            raise InputError("lesson all walks through them without you: add --yes")
        for name in names:
            if self.notebook:
                path = Path(f"{walk.lessons()[name].stem}.ipynb")
                print(walk.notebook(name, path))
                continue
            clock = time.perf_counter()
            walk.walk(name, self.yes, self.open, self.again)
            if self.yes:
                say(f"{name}: {time.perf_counter() - clock:.1f} s")


@dataclass(frozen=True)
class Hint:
    """A nudge for an exercise; asked again, the way; then the solution."""

    id: tyro.conf.Positional[str]
    """Of the exercise, such as L07.e1."""

    def run(self) -> None:
        from minitx.classroom import lesson

        print(lesson.hint(self.id))


@dataclass(frozen=True)
class Ledger:
    """All claims, and what became of them on this machine."""

    markdown: bool = False
    """Print a Markdown table."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        from minitx.classroom import lesson, walk

        ledger, present = lesson.read_ledger(), walk.lessons()
        rows = {id: entry | ledger.get(id, {}) for id, entry in lesson.claims().items()}
        if self.json:
            print_json({id: {"verdict": "untested"} | row for id, row in rows.items()})
            return
        if self.markdown:
            print("| id | claim | verdict here | numbers | run |\n|---|---|---|---|---|")
        for id, row in rows.items():
            verdict = row.get("verdict", "untested")
            settles = row["lesson"].split(",")[0]
            where = f"see {settles}" if settles in present else f"its lesson, {settles}, is to come"
            numbers = lesson.figures(row) if "numbers" in row else where
            if self.markdown:
                print(f"| {id} | {row['claim']} | {verdict} | {numbers} | {row.get('run', '')} |")
            else:
                run = f"; run {row['run']}" if "run" in row else ""
                print(f"{id:4}{verdict.upper():10} {row['claim']}\n{'':14} {numbers}{run}")
        verdicts = [row.get("verdict", "untested") for row in rows.values()]
        counts = (f"{verdicts.count(v)} {v}" for v in (*lesson.VERDICTS, "untested"))
        say(f"\n{len(rows)} claims: {', '.join(counts)}")


@dataclass(frozen=True)
class Zoo:
    """List the models that lessons share, or train those that are missing."""

    action: tyro.conf.Positional[Literal["list", "build"]] = "list"
    """list; build trains whatever is not in the cache yet."""

    def run(self) -> None:
        from minitx.runs import zoo

        started = time.perf_counter()
        for name, species in zoo.ZOO.items():
            if self.action == "list":
                print(f"{name:22} {species.about}")
                continue
            clock = time.perf_counter()
            family = zoo.load(name)
            losses = ", ".join(f"{loss:.3f}" for loss in family.val_loss_EA[:, -1])
            print(f"{family.hash:32} validation loss {losses}   "
                  f"{time.perf_counter() - clock:5.1f} s", flush=True)  # fmt: skip
        if self.action == "build":
            say(f"all in {time.perf_counter() - started:.0f} s")
