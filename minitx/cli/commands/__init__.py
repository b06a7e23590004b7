"""All commands by name, in the order in which `minitx --help` lists them."""

from minitx.cli.commands.experiments import Ablate, Compare
from minitx.cli.commands.lessons import Hint, Ledger, Lesson, Zoo
from minitx.cli.commands.machine import Bench, Data, Doctor, Pull
from minitx.cli.commands.models import Demo, Inspect, Sample, Train

COMMANDS = {
    "demo": Demo,
    "train": Train,
    "sample": Sample,
    "inspect": Inspect,
    "ablate": Ablate,
    "compare": Compare,
    "lesson": Lesson,
    "hint": Hint,
    "ledger": Ledger,
    "zoo": Zoo,
    "pull": Pull,
    "data": Data,
    "bench": Bench,
    "doctor": Doctor,
}
