"""`minitx page`: one HTML file in which a trained model computes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from minitx.cli.terminal import print_json, say
from minitx.errors import InputError


@dataclass(frozen=True)
class Page:
    """Write one HTML file in which a model computes while you type and move sliders.

    It opens in any browser, without a server and without a network.
    """

    models: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="MODEL")]
    """One or more: the folder of a run or other model, or a pulled model's name."""
    out: Path | None = None
    """The file; by default RUN/page.html, or page.html here for several models."""
    prompt: str | None = None
    """The text that the page starts with; by default from a run's held-out text."""
    best: bool = False
    """Use the weights with the lowest validation loss, not the last ones."""
    untrained: bool = True
    """Put the same models before training into the page too, as a baseline: it doubles the size."""
    open: bool = False
    """Open the page in your browser."""
    json: bool = False
    """Print the path and the size as JSON."""

    def run(self) -> None:
        if not self.models:
            raise InputError("no MODEL is given: name the folder of a run, or another model")
        from minitx.page import writer
        from minitx.pretrained import loader

        models = [loader.load(name, self.best) for name in self.models]
        path = self.out or default_path(models)
        size = writer.write(path, models, self.prompt, self.untrained)
        if self.json:
            print_json({"page": str(path), "bytes": size})
        announce(path, size, self.open)


def default_path(models) -> Path:
    """Return where the page goes: beside the run's other files, or into this folder."""
    if len(models) == 1 and models[0].recipe:
        return models[0].folder / "page.html"
    return Path("page.html")


def announce(path: Path, size: int, wants_to_see_it: bool) -> None:
    """Say where the page is, and open it if the user wants that and sits at a screen."""
    from minitx.page.browser import open_page

    say(f"page: {path} ({size / 1e6:.1f} MB; open it in a browser)")
    if wants_to_see_it and not open_page(path):
        say("--open: this machine has no screen, or you are connected to it from elsewhere")
