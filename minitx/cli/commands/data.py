"""`minitx data`: the texts to train on."""

from dataclasses import dataclass
from typing import Literal

import tyro

from minitx.cli.terminal import say
from minitx.errors import InputError

SHOWN_CHARACTERS = 1000
SHOWN_WORDS = 60


@dataclass(frozen=True)
class Data:
    """List the corpora, show one, or download one that is not shipped."""

    action: tyro.conf.Positional[Literal["list", "show", "get"]] = "list"
    """list: all corpora; show NAME: its beginning; get NAME: download it and check its hash."""
    name: tyro.conf.Positional[str | None] = None
    """Name of a corpus; show takes the path of a text too."""
    url: str | None = None
    """Download from this address; the hash must still match."""

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
            show_generator(corpus.generate(self.name))
        else:
            show_text(corpus.read_text(self.name))


def show_generator(generator) -> None:
    """Print the first words that a generator makes."""
    ids = generator.sample(SHOWN_WORDS, seed=0)
    print(" ".join(generator.words[id] for id in ids))
    say(f"\n{len(generator.words)} words; exact entropy {generator.entropy():.4f} nats per word")


def show_text(text) -> None:
    """Print the beginning of a text."""
    print(text.text[:SHOWN_CHARACTERS])
    say(f"\n{len(text.text)} characters, {len(set(text.text))} distinct; sha256 {text.sha256}")
