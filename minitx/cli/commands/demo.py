"""`minitx demo`: train, sample and inspect a small model, in less than a minute."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from minitx.cli.commands.inspect import Inspect
from minitx.cli.commands.page import Page
from minitx.cli.commands.sample import Sample
from minitx.cli.commands.train import train_into
from minitx.cli.terminal import say
from minitx.presets import PRESETS


@dataclass(frozen=True)
class Demo:
    """Train on the shipped fables for about half a minute, sample, and see the three findings."""

    out: Path = Path("minitx-demo")
    """Folder of the run; a demo that was stopped there continues."""
    steps: int = PRESETS["demo"].train.steps
    """Optimizer steps."""
    seed: int = 0
    """Another seed gives another model."""
    open: bool = False
    """Open the page in your browser at the end."""

    def run(self) -> None:
        from minitx.text.data import prepare

        preset = PRESETS["demo"]
        data = prepare("fables", preset.tokenizer)
        config = dataclasses.replace(preset.model, vocab=len(data.tokenizer))
        recipe = dataclasses.replace(preset.train, steps=self.steps, seed=self.seed)
        resume = (self.out / "config.json").exists()
        train_into(self.out, config, recipe, data, resume)
        say("\n--- what it writes, one letter at a time " + "-" * 40)
        Sample(str(self.out), prompt="\n\n\nThe ", tokens=500, temperature=0.6).run()
        say("\n--- what happens inside, on text that it has not seen " + "-" * 26)
        Inspect((str(self.out),)).run()
        Page((str(self.out),), open=self.open).run()
        say(
            f"\nnext: minitx sample {self.out} --prompt 'The fox' --temperature 0.5\n"
            "      minitx train --norm none --out runs/no-norm    # change a switch\n"
            "      minitx inspect runs/no-norm                    # and look again"
        )
