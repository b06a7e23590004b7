"""nanoGPT's own recipe beside ours, on the same text and machine, in turn, as ratios.

Nothing of nanoGPT is part of this package: a checkout is named by the user, and its scripts run in
processes of their own, in a temporary folder, with the user's torch.
"""

import dataclasses
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import jax

from minitx.bench import machine
from minitx.bench.child import time_to_loss
from minitx.errors import InputError
from minitx.presets import PRESETS
from minitx.text.corpus import read_text
from minitx.text.tokenizer import train as train_tokenizer

# The recipe that its README gives for a CPU; and the one in its configuration file, for a GPU.
CPU = [
    "--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=1", "--block_size=64",
    "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128", "--max_iters=2000",
    "--lr_decay_iters=2000", "--dropout=0.0",
]  # fmt: skip
GPU = ["--log_interval=1"]
SHORT = 150  # iterations that are enough to know the time of one
SAMPLE = """
import sys, time, torch
from model import GPT, GPTConfig
context, layers, heads, width, vocab, count, device = sys.argv[1:]
torch.manual_seed(0)
config = GPTConfig(block_size=int(context), vocab_size=int(vocab), n_layer=int(layers),
                   n_head=int(heads), n_embd=int(width), dropout=0.0, bias=False)
model = GPT(config).to(device).eval()
start = torch.zeros((1, 1), dtype=torch.long, device=device)
with torch.no_grad():
    model.generate(start, 50)
    clock = time.perf_counter()
    model.generate(start, int(count), temperature=0.8).cpu()
    print("seconds", time.perf_counter() - clock)
"""


NEEDED = (
    "train.py", "model.py", "configurator.py", "config/train_shakespeare_char.py",
    "data/shakespeare_char/prepare.py",
)  # fmt: skip


def check(folder: Path, python: str, corpus: str) -> None:
    """Raise InputError unless the folder is a checkout of nanoGPT, this Python has torch, and the
    corpus is a text.
    """
    for name in NEEDED:
        if not (folder / name).is_file():
            raise InputError(f"{folder} lacks {name}: name a checkout of nanoGPT by --against")
    call_python(python, folder, "-c", "import torch")
    read_text(corpus)


def call_python(python: str, folder: Path, *arguments: str) -> str:
    """What a script prints that is run in a folder. Raises InputError where it fails."""
    python = os.path.abspath(python) if os.path.dirname(python) else python  # relative to us
    try:
        done = subprocess.run([python, *arguments], cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise InputError(f"cannot start {python} ({error.strerror}): check --python") from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no word why"]
        raise InputError(
            f"nanoGPT cannot run ({words[-1]}): install what it needs, or name the Python that has "
            "it by --python"
        )
    return done.stdout


def found_in(log: str, figures: list) -> list:
    """The figures that a log holds. Raises InputError where there are none."""
    if not figures:
        last = (log.strip().splitlines() or ["nothing"])[-1]
        raise InputError(
            f"nanoGPT ended without what is to be measured (it last said: {last}): check the "
            "checkout that --against names"
        )
    return figures


class Checkout:
    """A checkout of nanoGPT at work in a temporary folder, on one text."""

    def __init__(self, folder: Path, python: str, corpus: str, work: Path):
        for name in NEEDED:
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, work / name)
        (work / "data/shakespeare_char/input.txt").write_text(read_text(corpus).text, "utf-8")
        self.python, self.work = python, work
        self.run("data/shakespeare_char/prepare.py")

    def run(self, *arguments: str) -> str:
        return call_python(self.python, self.work, *arguments)

    def train(self, *flags: str) -> str:
        """What its training prints, with its recipe for this machine."""
        recipe = CPU if jax.default_backend() == "cpu" else GPU
        return self.run("train.py", "config/train_shakespeare_char.py", *recipe, *flags)

    def step_seconds(self) -> float:
        """The median time of an iteration, as its log says."""
        log = self.train(f"--max_iters={SHORT}", "--eval_iters=1")
        times = re.findall(r"^iter (\d+): .* time ([\d.]+)ms", log, re.M)
        times = [float(ms) / 1000 for n, ms in times if int(n) > 10]
        return statistics.median(found_in(log, times))

    def whole_run(self) -> dict[str, float]:
        """Seconds from start to exit of its recipe, and the last validation loss that it prints."""
        start = time.perf_counter()
        log = self.train()
        losses = re.findall(r"val loss ([\d.]+)", log)
        return {
            "seconds": time.perf_counter() - start,
            "val_loss": float(found_in(log, losses)[-1]),
        }

    def sampling_seconds(self, config, vocab: int) -> float:
        """How long it takes to sample as many tokens as we do, once it is loaded."""
        device = "cpu" if jax.default_backend() == "cpu" else "cuda"
        sizes = (config.context, config.depth, config.heads, config.width, vocab, machine.SAMPLED)
        log = self.run("-c", SAMPLE, *map(str, sizes), device)
        return float(found_in(log, re.findall(r"seconds ([\d.e-]+)", log))[-1])


def against(folder: Path, python: str, corpus: str, rounds: int) -> dict[str, Any]:
    """Both in turn, `rounds` times: steps of one recipe, whole recipes, and sampling.

    On a CPU nanoGPT's recipe for it stands against our `nanogpt-cpu` (a step, sampling) and our
    `sprint` (from the start of a process to its end); elsewhere the larger ones. Ratios say how
    many times as fast ours is.
    """
    on_cpu = jax.default_backend() == "cpu"
    same, sprint = ("nanogpt-cpu", "sprint") if on_cpu else ("nanogpt-gpu", "sprint-gpu")
    vocab = len(train_tokenizer("char", read_text(corpus).text))
    config = dataclasses.replace(PRESETS[same].model, vocab=vocab)
    seconds: dict[str, list[tuple[float, float]]] = {"step": [], "sampling": [], "whole_run": []}
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as work:
        checkout = Checkout(folder, python, corpus, Path(work))
        for _ in range(rounds):
            (step,) = machine.step_seconds(config, PRESETS[same].train, 1)
            seconds["step"].append((step, checkout.step_seconds()))
            (written,) = machine.sampling_seconds(config, 1)
            seconds["sampling"].append((written, checkout.sampling_seconds(config, vocab)))
            theirs.append(checkout.whole_run())
            ours.append(time_to_loss(sprint, corpus, None))
            seconds["whole_run"].append((ours[-1]["cold"]["seconds"], theirs[-1]["seconds"]))
    return {
        "rounds": rounds,
        "nanogpt_val_loss": [t["val_loss"] for t in theirs],
        "sprint_val_loss": [o["cold"]["val_loss"] for o in ours],
        **{
            what: {
                "minitx_seconds": machine.spread([o for o, _ in pairs]),
                "nanogpt_seconds": machine.spread([t for _, t in pairs]),
                "times_as_fast": machine.spread([t / o for o, t in pairs]),
            }
            for what, pairs in seconds.items()
        },
    }
