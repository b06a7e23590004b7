"""What each command does; its fields are its flags, its docstrings their help.

Each command imports what it needs when it runs, so that `minitx --help` answers at once.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from minitx.config import PRESETS, DataConfig, ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.experiments import Ablate, Compare
from minitx.terminal import (
    Stream,
    first_process_talks,
    inspect_run,
    print_json,
    say,
    train_with_progress,
)

Flat = tyro.conf.OmitArgPrefixes


@dataclass(frozen=True)
class Train:
    """Train a transformer on a text, into a folder that can be sampled, inspected and resumed."""

    preset: Literal[*PRESETS] = "demo"
    """Where all other flags start from."""
    out: Path | None = None
    """Folder of the run; by default runs/CORPUS-PRESET."""
    resume: bool = False
    """Go on with the run in --out, to the same bits as if it had never stopped."""
    json: bool = False
    """Print the last evaluation as JSON."""
    devices: int | None = None
    """Devices that share each batch; by default one, or with --join all that the processes have."""
    join: bool = False
    """Train together with the other processes that were started so, on this host or on others."""
    coordinator: str | None = None
    """HOST:PORT of process 0, where JAX does not know it (it does on TPU pods and Slurm)."""
    processes: int | None = None
    """How many processes train together, where JAX does not know it."""
    process_id: int | None = None
    """Which of them this one is, from 0, where JAX does not know it."""
    data: Flat[DataConfig] = field(default_factory=DataConfig)
    model: Flat[ModelConfig] = field(default_factory=ModelConfig)
    recipe: Flat[TrainConfig] = field(default_factory=TrainConfig)

    def run(self) -> None:
        from minitx import devices, run

        if self.join:
            devices.join(self.coordinator, self.processes, self.process_id)
        elif (self.coordinator, self.processes, self.process_id) != (None, None, None):
            raise InputError("--coordinator, --processes and --process-id go with --join: add it")
        mesh = devices.make_mesh(self.devices or (None if self.join else 1))
        d = self.data
        data = run.prepare(d.corpus, d.tokenizer, self.model.vocab, d.val_fraction, d.digits)
        out = self.out or Path("runs") / f"{Path(d.corpus).stem}-{self.preset}"
        config = dataclasses.replace(self.model, vocab=len(data.tokenizer))
        with first_process_talks():
            last = train_with_progress(out, config, self.recipe, data, self.resume, mesh)
            if self.json:
                print_json({"run": str(out), **last})
            else:
                say(f"\nnext: minitx sample {out}\n      minitx inspect {out}")


@dataclass(frozen=True)
class Sample:
    """Let a trained model go on with a text."""

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of a run."""
    prompt: str | None = None
    """Text to go on from; by default the start of a line."""
    tokens: int = 400
    """Tokens to add."""
    temperature: float = 0.8
    """Divides the logits: 0 always takes the likeliest token, 1 draws as the model believes."""
    top_k: int | None = None
    """Draw among the k likeliest tokens only."""
    samples: int = 1
    """How many, at once; each continues the same prompt."""
    seed: int = 0
    """Another seed, another text."""
    best: bool = False
    """Use the weights with the lowest validation loss in place of the last ones."""
    json: bool = False
    """Print the samples as JSON."""

    def run(self) -> None:
        import numpy as np

        from minitx import run, sample

        loaded = run.load(self.run_folder, self.best)
        if self.samples < 1:
            raise InputError(f"samples={self.samples} is out of range: it must be at least 1")
        prompt = default_prompt(loaded.tokenizer) if self.prompt is None else self.prompt
        ids = loaded.tokenizer.encode(prompt)
        if len(ids) > loaded.config.context:
            say(
                f"the prompt has {len(ids)} tokens and the model reads {loaded.config.context}: "
                "going on from its end"
            )
        stretches = sample.generate(
            loaded.model, np.tile(ids, (self.samples, 1)), self.tokens, self.temperature,
            self.top_k, self.seed,
        )  # fmt: skip
        if self.samples == 1 and not self.json:
            show = Stream(loaded.tokenizer, ids)
            for made_BT in stretches:
                show.add(made_BT[0])
            print()
            return
        made = np.concatenate(list(stretches), axis=1)
        texts = [loaded.tokenizer.decode(np.concatenate([ids, row])) for row in made]
        if self.json:
            print_json({"prompt": prompt, "seed": self.seed, "samples": texts})
        for n, text in enumerate(texts if not self.json else [], 1):
            print(f"--- {n} ---\n{text}\n")


@dataclass(frozen=True)
class Inspect:
    """Measure a trained model layer by layer: norms, directions, confidence, beside their nulls."""

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of a run."""
    prompt: str | None = None
    """Measure on this text; by default on the run's validation split."""
    corpus: str | None = None
    """Measure on this corpus, by name or path."""
    best: bool = False
    """Use the weights with the lowest validation loss in place of the last ones."""
    figures: Path | None = None
    """Folder for the dashboard (PNG and CSV); by default RUN/figures."""
    json: bool = False
    """Print everything as JSON."""

    def run(self) -> None:
        from minitx import report, run

        loaded = run.load(self.run_folder, self.best)
        if self.prompt is not None and self.corpus is not None:
            raise InputError("--prompt and --corpus both name a text: give one of them")
        if self.prompt is None:
            tokens_BT = report.sequences(run.held_out(loaded, self.corpus), loaded.config.context)
        else:
            ids = loaded.tokenizer.encode(self.prompt)
            if len(ids) > loaded.config.context:
                raise InputError(
                    f"the prompt has {len(ids)} tokens, but the model reads "
                    f"{loaded.config.context}: shorten it"
                )
            tokens_BT = report.sequences(ids, len(ids))
        found = inspect_run(loaded, tokens_BT, self.figures, quiet=self.json)
        if self.json:
            print_json(found)


@dataclass(frozen=True)
class Demo:
    """Train on the shipped fables for about a minute, sample, and see the three findings."""

    out: Path = Path("minitx-demo")
    """Folder of the run; a demo that was broken off there goes on."""
    steps: int = PRESETS["demo"].train.steps
    """Optimiser steps."""
    seed: int = 0
    """Another seed, another model."""

    def run(self) -> None:
        from minitx import run

        preset = PRESETS["demo"]
        data = run.prepare("fables", preset.tokenizer)
        config = dataclasses.replace(preset.model, vocab=len(data.tokenizer))
        recipe = dataclasses.replace(preset.train, steps=self.steps, seed=self.seed)
        resume = (self.out / "config.json").exists()
        train_with_progress(self.out, config, recipe, data, resume)
        say("\n--- what it writes, one letter at a time " + "-" * 40)
        Sample(self.out, prompt="\n\n\nThe ", tokens=500, temperature=0.6).run()
        say("\n--- what happens inside, on text that it has not seen " + "-" * 26)
        Inspect(self.out).run()
        say(
            f"\nnext: minitx sample {self.out} --prompt 'The fox' --temperature 0.5\n"
            "      minitx train --norm none --out runs/no-norm    # change a switch\n"
            "      minitx inspect runs/no-norm                    # and look again"
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
        from minitx import corpus

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
class Doctor:
    """Say what this machine has, and check that it computes a known forward pass correctly."""

    json: bool = False
    """Print what was found as JSON."""

    def run(self) -> None:
        from minitx import doctor

        found = doctor.examine()
        if self.json:
            print_json(found)
        else:
            for name, value in found.items():
                print(f"{name:16} {value}")
        doctor.judge(found)


def default_prompt(tokenizer) -> str:
    """What stands before a line or a sentence, if the tokeniser knows it; else its first token."""
    return next((mark for mark in ("\n", ".") if mark in tokenizer.tokens), tokenizer.tokens[0])


COMMANDS = {
    "demo": Demo,
    "train": Train,
    "sample": Sample,
    "inspect": Inspect,
    "ablate": Ablate,
    "compare": Compare,
    "data": Data,
    "doctor": Doctor,
}
