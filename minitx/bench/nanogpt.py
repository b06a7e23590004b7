"""nanoGPT's own recipe beside ours: on the same text and machine, in turn, as ratios.

nanoGPT is Andrej Karpathy's repository of that name. No part of it is in this package: the user
names a checkout, and its scripts run in processes of their own, in a temporary folder, with the
user's torch.
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
from minitx.errors import InputError, reason
from minitx.presets import PRESETS
from minitx.text.corpus import read_text
from minitx.text.tokenizer import train as train_tokenizer

# For a CPU, the recipe that its README gives; for a GPU, the one in its configuration file.
CPU = [
    "--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=1", "--block_size=64",
    "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128", "--max_iters=2000",
    "--lr_decay_iters=2000", "--dropout=0.0",
]  # fmt: skip
GPU = ["--log_interval=1"]
SHORT = 150  # iterations; enough to measure the time of one
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
    """Raise InputError for a folder without nanoGPT, a Python without torch, or a bad corpus."""
    for name in NEEDED:
        if not (folder / name).is_file():
            raise InputError(f"{folder} lacks {name}: name a checkout of nanoGPT by --against")
    call_python(python, folder, "-c", "import torch")
    read_text(corpus)


def call_python(python: str, folder: Path, *arguments: str) -> str:
    """Run a script in a folder and return what it prints. Raises InputError if it fails."""
    if os.path.dirname(python):  # a relative path starts from our folder, not from that one
        python = os.path.abspath(python)
    try:
        done = subprocess.run([python, *arguments], cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise InputError(f"cannot start {python} ({reason(error)}): check --python") from None
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise InputError(
            f"nanoGPT cannot run ({why}): install what it needs, or name the Python that has "
            "it by --python"
        )
    return done.stdout


def find_all(pattern: str, log: str) -> list:
    """Return what a pattern finds in nanoGPT's log. Raises InputError if it finds nothing."""
    matches = re.findall(pattern, log, re.MULTILINE)
    if not matches:
        last = (log.strip().splitlines() or ["nothing"])[-1]
        raise InputError(
            f"nanoGPT ended without the expected output (its last line: {last}): check the "
            "checkout that --against names"
        )
    return matches


class Checkout:
    """A copy of nanoGPT in the folder `work`, set up for one text."""

    def __init__(self, folder: Path, python: str, corpus: str, work: Path):
        for name in NEEDED:
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, work / name)
        (work / "data/shakespeare_char/input.txt").write_text(read_text(corpus).text, "utf-8")
        self.python = python
        self.work = work
        self.run("data/shakespeare_char/prepare.py")

    def run(self, *arguments: str) -> str:
        """Run its Python in the folder and return what that prints."""
        return call_python(self.python, self.work, *arguments)

    def train(self, *flags: str) -> str:
        """Train with its recipe for this machine and return what that prints."""
        recipe = CPU if jax.default_backend() == "cpu" else GPU
        return self.run("train.py", "config/train_shakespeare_char.py", *recipe, *flags)

    def step_seconds(self) -> float:
        """Return the median time of an iteration in its log, from iteration 11 on."""
        log = self.train(f"--max_iters={SHORT}", "--eval_iters=1")
        times = find_all(r"^iter (?!\d:|10:)\d+: .* time ([\d.]+)ms", log)
        return statistics.median(float(milliseconds) / 1000 for milliseconds in times)

    def whole_run(self) -> dict[str, float]:
        """Return the seconds that its recipe takes, and the last validation loss that it prints."""
        start = time.perf_counter()
        log = self.train()
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "val_loss": float(find_all(r"val loss ([\d.]+)", log)[-1])}

    def sampling_seconds(self, config, vocab: int) -> float:
        """Return how long a loaded model takes to sample as many tokens as ours does."""
        device = "cpu" if jax.default_backend() == "cpu" else "cuda"
        sizes = (config.context, config.depth, config.heads, config.width, vocab, machine.SAMPLED)
        log = self.run("-c", SAMPLE, *map(str, sizes), device)
        return float(find_all(r"seconds ([\d.e-]+)", log)[-1])


def against(folder: Path, python: str, corpus: str, rounds: int) -> dict[str, Any]:
    """Measure both in turn, `rounds` times: a step, sampling, and a whole run.

    A step and sampling are those of one recipe: nanoGPT's for this kind of machine, and our preset
    of the same sizes. The whole runs are nanoGPT's recipe and our sprint, from the start of a
    process to its end. Ratios say how many times as fast ours is.
    """
    if jax.default_backend() == "cpu":
        same, sprint = "nanogpt-cpu", "sprint"
    else:
        same, sprint = "nanogpt-gpu", "sprint-gpu"
    vocab = len(train_tokenizer("char", read_text(corpus).text))
    config = dataclasses.replace(PRESETS[same].model, vocab=vocab)
    seconds = {"step": [], "sampling": [], "whole_run": []}  # pairs: ours, theirs
    val_losses = []
    with tempfile.TemporaryDirectory() as work:
        checkout = Checkout(folder, python, corpus, Path(work))
        for _ in range(rounds):
            (ours,) = machine.step_seconds(config, PRESETS[same].train, 1)
            seconds["step"].append((ours, checkout.step_seconds()))
            (ours,) = machine.sampling_seconds(config, 1)
            seconds["sampling"].append((ours, checkout.sampling_seconds(config, vocab)))
            their_run = checkout.whole_run()
            our_run = time_to_loss(sprint, corpus, None)["cold"]
            seconds["whole_run"].append((our_run["seconds"], their_run["seconds"]))
            val_losses.append((our_run["val_loss"], their_run["val_loss"]))
    results = {
        "rounds": rounds,
        "nanogpt_val_loss": [theirs for _, theirs in val_losses],
        "sprint_val_loss": [ours for ours, _ in val_losses],
    }
    for what, pairs in seconds.items():
        results[what] = {
            "minitx_seconds": machine.spread([ours for ours, _ in pairs]),
            "nanogpt_seconds": machine.spread([theirs for _, theirs in pairs]),
            "times_as_fast": machine.spread([theirs / ours for ours, theirs in pairs]),
        }
    return results
