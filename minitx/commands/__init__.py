"""All commands by name, in the order in which `minitx --help` lists them."""

from minitx.commands.experiments import Ablate, Compare
from minitx.commands.lesson import Hint, Ledger, Lesson, Zoo
from minitx.commands.machine import Bench, Data, Doctor, Pull
from minitx.commands.model import Demo, Inspect, Sample, Train

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
