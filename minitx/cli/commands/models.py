"""The commands that train models and look at them; fields are flags, docstrings their help.

Each command imports what it needs when it runs, so that `minitx --help` answers at once.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from minitx.cli.terminal import (
    Stream,
    first_process_talks,
    inspect_run,
    print_json,
    say,
    train_with_progress,
)
from minitx.config import DataConfig, ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.presets import PRESETS

Flat = tyro.conf.OmitArgPrefixes
ELSEWHERE_T, ELSEWHERE_TOKENS = 128, 256  # read by a model from elsewhere, if nothing else is asked


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
    """Devices that share each batch, for the losses of one device (to rounding, and but for
    dropout, which each draws for itself); by default 1, or with --join all of the processes'."""
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
        from minitx.devices import joining

        if self.join:
            say("joining the other processes ...")
            joining.join(self.coordinator, self.processes, self.process_id)
        elif (self.coordinator, self.processes, self.process_id) != (None, None, None):
            raise InputError("--coordinator, --processes and --process-id go with --join: add it")

        from minitx.devices import processes  # these import JAX: a process joins before that
        from minitx.devices.mesh import make_mesh
        from minitx.runs.fingerprint import training_code
        from minitx.text.data import prepare

        count, d = 1 if self.devices is None and not self.join else self.devices, self.data

        def meet():
            return make_mesh(count), prepare(
                d.corpus, d.tokenizer, self.model.vocab, d.val_fraction, d.digits
            )

        out = self.out or Path("runs") / f"{Path(d.corpus).stem}-{self.preset}"
        with first_process_talks(), joining.company():
            processes.require_same({"version of minitx or JAX": training_code()})
            mesh, data = processes.together(meet)
            config = dataclasses.replace(self.model, vocab=len(data.tokenizer))
            processes.require_same(
                {
                    "text": data.sha256 or data.config.corpus,
                    "tokenizer": data.tokenizer.to_json(),
                    "val_fraction": d.val_fraction,
                    **dataclasses.asdict(config),
                    **dataclasses.asdict(self.recipe),
                }
            )
            last = train_with_progress(out, config, self.recipe, data, self.resume, mesh)
            if self.json:
                print_json({"run": str(out), **last})
            else:
                say(f"\nnext: minitx sample {out}\n      minitx inspect {out}")


@dataclass(frozen=True)
class Sample:
    """Let a trained model go on with a text."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """A run's or another model's folder, a GGUF file, or a name that was pulled."""
    prompt: str | None = None
    """Text to go on from; by default the start of a line."""
    bos: bool = False
    """Begin with the token that stands before a text, if the model has one."""
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
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of weights and states; bfloat16 halves the memory of a big model."""
    json: bool = False
    """Print the samples as JSON."""

    def run(self) -> None:
        import numpy as np

        from minitx import sample
        from minitx.pretrained import loader

        if self.samples < 1:
            raise InputError(f"samples={self.samples} is out of range: it must be at least 1")
        loaded = loader.load(self.model, self.best, self.dtype)
        words = loader.tokenizer_of(loaded)
        prompt = default_prompt(words) if self.prompt is None else self.prompt
        ids = np.concatenate([loader.beginning(loaded, self.bos), words.encode(prompt)])
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
    """Measure models layer by layer: norms, directions, confidence, beside their nulls."""

    models: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="MODEL")]
    """A run's or another model's folder, a GGUF file, or a name that was pulled; or several."""
    prompt: str | None = None
    """Measure on this text; by default on a run's validation split, or on the shipped fables."""
    corpus: str | None = None
    """Measure on this corpus, by name or path."""
    bos: bool = False
    """Begin with the token that stands before a text, if the model has one."""
    best: bool = False
    """Use the weights with the lowest validation loss in place of the last ones."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of weights and states; bfloat16 halves the memory of a big model."""
    untrained: bool = True
    """Compare with the same model before training, which is made in float32; a big model needs the
    memory for that."""
    figures: Path | None = None
    """Folder for the figures (PNG and CSV); by default RUN/figures, or MODEL-figures here."""
    json: bool = False
    """Print everything as JSON."""

    def run(self) -> None:
        from minitx.cli.terminal import compare_models
        from minitx.pretrained import loader

        if not self.models:
            raise InputError("no MODEL is named: give a folder, a GGUF file, or a pulled name")
        if self.prompt is not None and self.corpus is not None:
            raise InputError("--prompt and --corpus both name a text: give one of them")
        reports = {}
        for name in self.models:
            loaded = loader.load(name, self.best, self.dtype)
            tokens_BT = self.tokens(loaded)
            several = len(self.models) > 1
            figures = self.figures / loaded.name if self.figures and several else self.figures
            reports[name] = inspect_run(loaded, tokens_BT, figures, self.json, self.untrained)
            del loaded  # before the next one is read
        if several:
            compare_models(reports, self.figures or Path("comparison"), quiet=self.json)
        if self.json:
            print_json(reports if several else reports[name])

    def tokens(self, loaded):
        """What to measure a model on: tokens_BT. Raises InputError for what it cannot read."""
        import numpy as np

        from minitx import report
        from minitx.pretrained import loader
        from minitx.runs import run

        start, context = loader.beginning(loaded, self.bos), loaded.config.context
        if self.prompt is not None:
            ids = np.concatenate([start, loader.tokenizer_of(loaded).encode(self.prompt)])
            if len(ids) > context:
                raise InputError(
                    f"the prompt has {len(ids)} tokens, but the model reads {context}: shorten it"
                )
            tokens_BT = report.sequences(ids, len(ids))
        else:
            loader.tokenizer_of(loaded)
            foreign = loaded.data is None
            text = run.held_out(loaded, self.corpus or ("fables" if foreign else None))
            room = (min(context, ELSEWHERE_T) if foreign else context) - len(start)
            limit = ELSEWHERE_TOKENS if foreign else report.TOKENS
            tokens_BT = report.sequences(text, room, limit)
            start_BT = np.tile(start, (len(tokens_BT), 1))
            tokens_BT = np.concatenate([start_BT, tokens_BT], axis=1)
        if loaded.data is None:
            first = loaded.tokenizer.decode(tokens_BT[0, :1])
            say(
                f"{loaded.name}: {tokens_BT.shape[0]} x {tokens_BT.shape[1]} tokens, "
                f"{'BOS' if self.bos else 'no BOS'}; the first is {first!r}"
            )
        return tokens_BT


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
        from minitx.text.data import prepare

        preset = PRESETS["demo"]
        data = prepare("fables", preset.tokenizer)
        config = dataclasses.replace(preset.model, vocab=len(data.tokenizer))
        recipe = dataclasses.replace(preset.train, steps=self.steps, seed=self.seed)
        resume = (self.out / "config.json").exists()
        train_with_progress(self.out, config, recipe, data, resume)
        say("\n--- what it writes, one letter at a time " + "-" * 40)
        Sample(str(self.out), prompt="\n\n\nThe ", tokens=500, temperature=0.6).run()
        say("\n--- what happens inside, on text that it has not seen " + "-" * 26)
        Inspect((str(self.out),)).run()
        say(
            f"\nnext: minitx sample {self.out} --prompt 'The fox' --temperature 0.5\n"
            "      minitx train --norm none --out runs/no-norm    # change a switch\n"
            "      minitx inspect runs/no-norm                    # and look again"
        )


def default_prompt(tokenizer) -> str:
    """What stands before a line or a sentence, if the tokeniser knows it; else its first token."""
    return next((mark for mark in ("\n", ".") if mark in tokenizer.tokens), tokenizer.tokens[0])
