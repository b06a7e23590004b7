"""`minitx train`: train a transformer on a text, into the folder of a run."""

import contextlib
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tyro

from minitx.cli.terminal import first_process_talks, print_json, say, show_progress
from minitx.config import DataConfig, ModelConfig, TrainConfig
from minitx.errors import InputError, suggest
from minitx.presets import PRESETS

Flat = tyro.conf.OmitArgPrefixes


@dataclass(frozen=True)
class Train:
    """Train a transformer on a text, into a folder that can be sampled, inspected and resumed."""

    preset: Literal[*PRESETS] = "demo"
    """Named model and recipe from which all other flags start."""
    out: Path | None = None
    """Folder of the run; by default runs/CORPUS-PRESET."""
    resume: bool = False
    """Continue the run in --out; it ends with the same bytes as if it had never stopped."""
    json: bool = False
    """Print the last evaluation as JSON."""
    devices: int | None = None
    """Number of devices that share each batch; by default 1, or all of them with --join.
    Losses match training on one device up to rounding."""
    join: bool = False
    """Train together with other processes, on this host or others; start each one with --join."""
    coordinator: str | None = None
    """HOST:PORT of process 0, where JAX cannot find it (it can on TPU pods and under Slurm)."""
    processes: int | None = None
    """Number of processes that train together, where JAX cannot find it."""
    process_id: int | None = None
    """Number of this process, from 0, where JAX cannot find it."""
    data: Flat[DataConfig] = field(default_factory=DataConfig)
    model: Flat[ModelConfig] = field(default_factory=ModelConfig)
    recipe: Flat[TrainConfig] = field(default_factory=TrainConfig)

    def run(self) -> None:
        self.join_the_others()

        from minitx.devices import joining, processes
        from minitx.runs.fingerprint import training_code

        out = self.out or Path("runs") / f"{Path(self.data.corpus).stem}-{self.preset}"
        with first_process_talks(), joining.company():
            processes.require_same({"version of minitx or JAX": training_code()})
            mesh, data = processes.together(self.find_devices_and_text)
            config = dataclasses.replace(self.model, vocab=len(data.tokenizer))
            processes.require_same(
                {
                    "text": data.sha256 or data.config.corpus,
                    "tokenizer": data.tokenizer.to_json(),
                    "val_fraction": self.data.val_fraction,
                    **dataclasses.asdict(config),
                    **dataclasses.asdict(self.recipe),
                }
            )
            last = train_into(out, config, self.recipe, data, self.resume, mesh)
            if self.json:
                print_json({"run": str(out), **last})
            else:
                say(f"\nnext: minitx sample {out}\n      minitx inspect {out}")

    def join_the_others(self) -> None:
        """Meet the other processes, if there are any: before anything else imports JAX."""
        from minitx.devices import joining

        if self.join:
            say("joining the other processes ...")
            joining.join(self.coordinator, self.processes, self.process_id)
        elif (self.coordinator, self.processes, self.process_id) != (None, None, None):
            raise InputError("--coordinator, --processes and --process-id go with --join: add it")

    def find_devices_and_text(self):
        """Return the mesh of devices to train on, and the text as tokens."""
        from minitx.devices.mesh import make_mesh
        from minitx.text.data import prepare

        count = self.devices
        if count is None and not self.join:
            count = 1
        mesh = make_mesh(count)
        data = prepare(
            self.data.corpus,
            self.data.tokenizer,
            self.model.vocab,
            self.data.val_fraction,
            self.data.digits,
        )
        return mesh, data


def defaults(flags: dict[str, str | None]) -> Train:
    """Return what the flags of `train` start from: a preset, or the run that is resumed."""
    folder = Path(flags.get("--out") or "")
    if "--resume" in flags and "--preset" not in flags and (folder / "config.json").is_file():
        from minitx.runs.run import read_config

        model, recipe, data, _ = read_config(folder)
        return Train(data=data, model=model, recipe=recipe)
    name = flags.get("--preset", "demo")
    if name is None:
        raise InputError(f"--preset needs a name: choose from {', '.join(PRESETS)}")
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}{suggest(name, PRESETS)}")
    preset = PRESETS[name]
    return Train(
        preset=name,
        data=DataConfig(tokenizer=preset.tokenizer),
        model=preset.model,
        recipe=preset.train,
    )


def train_into(
    out: Path, config: ModelConfig, recipe: TrainConfig, data, resume: bool, mesh=None
) -> dict[str, Any]:
    """Train into a run's folder and show the progress; return the last line of metrics.jsonl."""
    from minitx.devices.processes import from_first, is_first
    from minitx.parameters import count_params
    from minitx.runs import run, training
    from minitx.step import init_state
    from minitx.train import check_share

    if mesh:
        check_share(recipe, mesh)  # before the folder is made
    state = from_first(
        lambda: training.begin(out, config, recipe, data, resume),
        lambda: init_state(config, recipe),
    )
    say(
        f"{data.config.corpus}: {len(data.train_tokens)} tokens to train on, "
        f"{len(data.val_tokens)} held out, {len(data.tokenizer)} distinct\n"
        f"model: {config.depth} blocks of width {config.width}, {count_params(config)} parameters"
    )
    if data.generator:
        say(f"the corpus has an entropy of exactly {data.generator.entropy():.4f} nats per token")
    reports = training.train_run(out, config, recipe, data, state, mesh)
    try:
        with contextlib.closing(reports):
            show_progress(reports, int(state.step) if state else 0, recipe.steps)
    except KeyboardInterrupt:
        say(f"stopped; saved in {out}. To continue: minitx train --resume --out {out}")
        raise
    say(f"saved in {out}")
    history = run.read_metrics(out)
    if not (is_first() and history):  # the folder may exist on the first process's host only
        return {}
    say_if_best_is_earlier(out, history[-1])
    return history[-1]


def say_if_best_is_earlier(out: Path, last: dict[str, Any]) -> None:
    """Name the step of the best weights, if the last evaluation is worse."""
    from minitx.runs import run

    best = run.best_evaluation(out)
    if best and best["val_loss"] < last["val_loss"]:
        say(
            f"the validation loss was lowest at step {best['step']}: {best['val_loss']:.4f}, now "
            f"{last['val_loss']:.4f}. The weights of that step are kept too: add --best to "
            f"`minitx sample {out}` or `minitx inspect {out}`"
        )
