"""All commands by name, in the order in which `minitx --help` lists them.

A new command is a frozen dataclass in a file of its own here, and a line in `COMMANDS`. Its fields
are the flags, the docstrings below them are the help texts, and `run` does the work. It imports
what it needs inside `run`, so that `minitx --help` answers at once.
"""

from minitx.cli.commands import experiments, train
from minitx.cli.commands.bench import Bench
from minitx.cli.commands.book import Book
from minitx.cli.commands.claim import Claim
from minitx.cli.commands.data import Data
from minitx.cli.commands.demo import Demo
from minitx.cli.commands.doctor import Doctor
from minitx.cli.commands.experiments import Ablate, Compare
from minitx.cli.commands.inspect import Inspect
from minitx.cli.commands.judge import Judge
from minitx.cli.commands.ledger import Ledger
from minitx.cli.commands.lessons import Hint, Lesson, Zoo
from minitx.cli.commands.page import Page
from minitx.cli.commands.pull import Pull
from minitx.cli.commands.sample import Sample
from minitx.cli.commands.train import Train

COMMANDS = {
    "demo": Demo,
    "train": Train,
    "sample": Sample,
    "inspect": Inspect,
    "page": Page,
    "judge": Judge,
    "ablate": Ablate,
    "compare": Compare,
    "lesson": Lesson,
    "hint": Hint,
    "book": Book,
    "claim": Claim,
    "ledger": Ledger,
    "zoo": Zoo,
    "pull": Pull,
    "data": Data,
    "bench": Bench,
    "doctor": Doctor,
}

# Commands in which one flag, such as --preset, decides what the others start from: a function from
# the flags that are given to the command with these defaults.
DEFAULTS = {"train": train.defaults, "ablate": experiments.defaults}
