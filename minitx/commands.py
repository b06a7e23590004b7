"""All commands by name, in the order in which `minitx --help` lists them."""

from minitx.commands_lesson import Hint, Ledger, Lesson, Zoo
from minitx.commands_machine import Bench, Data, Doctor, Pull
from minitx.commands_model import Demo, Inspect, Sample, Train

COMMANDS = {
    "demo": Demo,
    "train": Train,
    "sample": Sample,
    "inspect": Inspect,
    "lesson": Lesson,
    "hint": Hint,
    "ledger": Ledger,
    "zoo": Zoo,
    "pull": Pull,
    "data": Data,
    "bench": Bench,
    "doctor": Doctor,
}
