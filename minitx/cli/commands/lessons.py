"""The commands of the classroom: lessons, hints, the zoo.

Each command imports what it needs when it runs, so that `minitx --help` answers at once.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from minitx.cli.terminal import say
from minitx.errors import InputError


@dataclass(frozen=True)
class Lesson:
    """List the lessons, or walk through one: predict, run, investigate, judge."""

    name: tyro.conf.Positional[str | None] = None
    """The number of a lesson, or all; without it, the list of lessons with your progress."""
    yes: bool = False
    """Run straight through, without waiting or asking."""
    open: bool = True
    """Open figures and panels, if this machine has a screen."""
    again: bool = False
    """Begin at the beginning, not where you left."""
    notebook: bool = False
    """Write the lesson as a Jupyter notebook into the current folder instead."""
    jobs: int | None = None
    """For all lessons: models of the zoo that are trained side by side, one in each worker process;
    None: one for each core."""

    def run(self) -> None:
        from minitx.classroom import lessons
        from minitx.devices.workers import check_jobs

        check_jobs(self.jobs)

        if self.name is None:
            for name in lessons.paths():
                print(f"{lessons.title(name):64} {lessons.progress(name)}")
            say(f"\nnext: {lessons.next_command()}")
            return
        if self.name != "all":
            names = [lessons.find(self.name)]
        elif self.yes or self.notebook:
            names = list(lessons.paths())
        else:
            raise InputError("lesson all runs without waiting for you: add --yes")
        if self.name == "all" and not self.notebook:
            from minitx.runs import zoo

            for _ in zoo.build(jobs=self.jobs):
                pass  # the lessons find the models in the cache
        for name in names:
            if self.notebook:
                self.write_notebook(name)
            else:
                self.walk(name)

    def write_notebook(self, name: str) -> None:
        from minitx.classroom import lessons, notebook

        path = Path(lessons.paths()[name].stem + ".ipynb")
        print(notebook.write_notebook(name, path))

    def walk(self, name: str) -> None:
        from minitx.classroom.walk import walk

        started = time.perf_counter()
        walk(name, self.yes, self.open and not self.yes, self.again)
        if self.yes:
            say(f"{name}: {time.perf_counter() - started:.1f} s")


@dataclass(frozen=True)
class Hint:
    """Give a nudge for an exercise; asked again, the way; then the solution."""

    id: tyro.conf.Positional[str]
    """The id of the exercise, such as L08.e1."""

    def run(self) -> None:
        from minitx.classroom import hint
        from minitx.classroom.learner import tell_lines

        tell_lines(hint(self.id))


@dataclass(frozen=True)
class Zoo:
    """List the models that lessons share, or train those that are missing."""

    action: tyro.conf.Positional[Literal["list", "build"]] = "list"
    """list; build trains the models that are not in the cache yet."""
    jobs: int | None = None
    """Species that are trained side by side, one in each worker process; None: one for each
    core."""

    def run(self) -> None:
        from minitx.runs import zoo

        if self.action == "list":
            for name, species in zoo.ZOO.items():
                print(f"{name:22} {species.about}")
            return
        started = time.perf_counter()
        for name in zoo.build(jobs=self.jobs):
            family = zoo.load(name)
            seconds = time.perf_counter() - started
            losses = ", ".join(f"{loss:.3f}" for loss in family.val_losses[:, -1])
            print(f"{family.hash:32} validation loss {losses}   {seconds:5.1f} s", flush=True)
        say(f"all in {time.perf_counter() - started:.0f} s")
