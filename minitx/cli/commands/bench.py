"""`minitx bench`: how fast this machine trains and samples."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from minitx.cli.terminal import print_json, say


@dataclass(frozen=True)
class Bench:
    """Measure how fast this machine trains and samples, and how near that is to its limit."""

    presets: tyro.conf.Positional[tuple[str, ...]] = ()
    """Presets to measure; by default those that suit this machine, or none with the flags below."""
    corpus: str = "fables"
    """Text for the runs that are timed to a loss: a name that `minitx data` lists, or a path."""
    target: float | None = None
    """Validation loss at which the clock stops; by default it stops at the end of training."""
    against: Path | None = None
    """Checkout of nanoGPT: train its own recipe there and here, in turn."""
    python: str = sys.executable
    """Python that has the torch that nanoGPT needs."""
    against_transformers: bool = False
    """Run a real model here and in the transformers library, on the same weights, in turn."""
    page: bool = False
    """Move every control of the page in Chromium, and measure its frames."""
    growth: bool = False
    """Measure how the time and memory of a step grow with width, depth, context, batch and
    vocabulary, and draw it."""
    out: Path = Path("bench-growth")
    """Folder for the figure of --growth and its numbers."""
    jobs: int | None = None
    """Train one model in each of 1, 2, 4, ... worker processes, up to this number, at once."""
    model: str = "smollm2"
    """The real model: the name of a pulled model, a folder, or a GGUF file."""
    rounds: int = 3
    """How often each thing is measured; the result is the median with its spread."""
    json: bool = False
    """Print everything as JSON."""

    def run(self) -> None:
        from minitx.bench import machine, nanogpt, real_model, side_by_side, summary
        from minitx.devices.workers import check_jobs

        machine.check(self.presets, self.rounds, self.target)
        check_jobs(self.jobs)
        parts = {"machine": lambda found: machine.about()}
        others = (self.against, self.against_transformers, self.page, self.growth, self.jobs)
        if self.presets or not any(others):
            parts |= machine.parts(self.presets, self.corpus, self.target, self.rounds)
        if self.jobs is not None:
            parts["workers"] = lambda found: side_by_side.growth(self.jobs)
        if self.against:
            nanogpt.check(self.against, self.python, self.corpus)
            parts["against nanoGPT"] = lambda found: nanogpt.against(
                self.against, self.python, self.corpus, self.rounds
            )
        if self.against_transformers:
            real_model.import_both()
            parts["against transformers"] = lambda found: real_model.against_transformers(
                self.model, max(real_model.ROUNDS, self.rounds)
            )
        if self.page:
            from minitx.bench import frames

            parts["page"] = lambda found: frames.frame_times()
        if self.growth:
            from minitx.bench import growth

            self.out.mkdir(parents=True, exist_ok=True)  # fails now, not after a minute
            parts["growth"] = lambda found: growth.growth(self.rounds, say)
        found = {}
        for number, (name, measure) in enumerate(parts.items(), 1):
            say(f"[{number}/{len(parts)}] {name} ...")
            found[name] = measure(found)
        if self.growth:
            from minitx.bench import growth_figure

            growth_figure.save(found["growth"], self.out / "growth.png")
            say(f"figure: {self.out / 'growth.png'}")
        if self.json:
            print_json(found)
        else:
            print(summary.summary(found))
