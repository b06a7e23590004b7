"""A grid of experiments: some switches, the values that each takes, and what stays the same.

Every combination of values is a cell. All cells are made and checked before anything runs:

>>> grid = Grid({"norm": ("none", "layernorm"), "tied": (True, False)})
>>> [cell.name for cell in grid.cells(vocab=50)][:2]
['norm=none tied=true', 'norm=none tied=false']
>>> Grid({"norm": ("batchnorm",)})
Traceback (most recent call last):
minitx.errors.InputError: norm='batchnorm' is not known: choose from none, layernorm, rmsnorm
"""

import dataclasses
import itertools
import tomllib
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from minitx.ablation.settings import Settings, name_of, show
from minitx.config import ModelConfig, TrainConfig, check_types
from minitx.errors import InputError, suggest

SHIPPED = Path(__file__).parent / "grids"

# What `minitx ablate` trains by default: deep enough for growth through layers to show, and small
# enough for a cell of five seeds in well under a minute on two cores. With initial weights of
# 1/sqrt(inputs), a stream without norms or without residual connections reaches the last layer. At
# the usual 0.02 it vanishes on the way, and the ablation would show nothing else.
MODEL = ModelConfig(width=64, depth=4, context=64, positions="rope", init_std=None)
TRAIN = TrainConfig(
    steps=240, batch=8, lr=0.01, warmup=20, decay="linear", final_lr=0.0, eval_every=20
)
SPREAD = (0.3, 1.0, 3.0)  # times --lr: the rates that each cell may choose from

FIELDS = {
    **{name: ModelConfig for name in typing.get_type_hints(ModelConfig)},
    **{name: TrainConfig for name in typing.get_type_hints(TrainConfig)},
}
FIXED = {
    "seed": "every cell has the same seeds: choose how many with --seeds",
    "vocab": "the tokenizer decides it for all cells: give it as a flag",
    "eval_every": "it does not influence training: give it as a flag",
}


class Cell(NamedTuple):
    """One combination: its settings, the configs with them, and the rates to choose from."""

    settings: Settings
    model: ModelConfig
    train: TrainConfig
    rates: tuple[float, ...]
    ties: bool = False  # train also at a second rate, if it is nearly as good as the best
    equal_loss: bool = False  # train at a constant rate, with cool-downs (`branches.py`)
    claims: tuple[str, ...] = ()  # of the articles, by which the models are judged

    @property
    def name(self) -> str:
        return name_of(self.settings)


@dataclass(frozen=True)
class Grid:
    """Switches, their values, and what all cells share. Raises InputError for impossible values."""

    vary: dict[str, tuple]
    model: ModelConfig = field(default_factory=lambda: MODEL)
    train: TrainConfig = field(default_factory=lambda: TRAIN)
    rates: tuple[float, ...] | None = None
    """Peak rates that each cell chooses from; None: 0.3, 1 and 3 times the recipe's."""
    margins: dict[str, float] = field(default_factory=dict)
    """By measure, how large a difference may be while cells count as equal (`margin.py`)."""
    ties: bool = True
    """Train each cell also at a second rate, if it is nearly as good as the best."""
    equal_loss: bool = False
    """Train at a constant rate with cool-downs, so that cells can be compared at equal loss."""
    claims: tuple[str, ...] = ()
    """Claims of the articles that all models are judged by while they train (A8, A9, ...)."""

    def __post_init__(self):
        if not self.vary:
            raise InputError("nothing varies: name a switch and its values (norm=none,rmsnorm)")
        for name, values in self.vary.items():
            check_name(name)
            if isinstance(values, str) or not isinstance(values, Iterable) or not list(values):
                raise InputError(f"{name} has no values: give a list of them")
            values = tuple(values)
            for value in values:
                if values.count(value) > 1:
                    raise InputError(f"{name}={show(value)} is given twice: name each value once")
                check_value(name, value)
        object.__setattr__(self, "vary", {name: tuple(v) for name, v in self.vary.items()})
        for rate in self.rates or ():
            dataclasses.replace(self.train, lr=rate)
        if self.rates and "lr" in self.vary:
            raise InputError("lr varies, so there is no rate to choose: leave the rates out")
        for name in ("decay", "final_lr"):
            if self.equal_loss and name in self.vary:
                raise InputError(
                    f"{name} varies, but models are compared at equal loss after training at a "
                    "constant rate with cool-downs: leave one of the two out"
                )

    def cells(self, vocab: int) -> list[Cell]:
        """Return all combinations for a vocabulary. Raises InputError naming an impossible one."""
        base = dataclasses.replace(self.model, vocab=vocab)
        cells = []
        for values in itertools.product(*self.vary.values()):
            settings = dict(zip(self.vary, values, strict=True))
            parts = {kind: {} for kind in (ModelConfig, TrainConfig)}
            for name, value in settings.items():
                parts[FIELDS[name]][name] = value
            try:
                model = dataclasses.replace(base, **parts[ModelConfig])
                train = dataclasses.replace(self.train, **parts[TrainConfig])
            except InputError as error:
                raise InputError(f"cell {name_of(settings)}: {error}") from None
            rates = self.rates or tuple(float(f"{s * train.lr:.6g}") for s in SPREAD)
            if "lr" in settings:
                rates = (train.lr,)
            if self.equal_loss:
                train = dataclasses.replace(train, decay="constant", final_lr=0.0)
            ties = self.ties and len(rates) > 1
            cells.append(Cell(settings, model, train, rates, ties, self.equal_loss, self.claims))
        return cells


def read(name: str | Path) -> Grid:
    """Return the shipped grid of that name, or the one in a TOML file.

    The file has a table [vary], and may have [model], [train], [margins], `equal_loss`, and lists
    `rates` and `claims`. Raises InputError for a file that cannot be read, and for unknown names
    and values in it.
    """
    path = SHIPPED / f"{name}.toml"
    if not path.is_file():
        path = Path(name)
        if path.suffix != ".toml":
            raise InputError(f"there is no grid {str(name)!r}{suggest(str(name), names())}")
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): name another file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML ({error}): correct it") from None
    known = ["vary", "model", "train", "margins", "rates", "equal_loss", "claims", "about"]
    for key in content.keys() - set(known):
        raise InputError(f"{path}: unknown key {key!r}{suggest(key, known)}")
    try:
        for key in ("vary", "model", "train", "margins"):
            if not isinstance(content.get(key, {}), dict):
                raise InputError(f"{key} is not a table: write [{key}]")
        vary = {}
        for name, values in content.get("vary", {}).items():
            check_name(name)
            values = values if isinstance(values, list) else [values]
            vary[name] = tuple(from_text(name, value) for value in values)
        rates = content.get("rates")
        if rates is not None and not isinstance(rates, list):
            raise InputError("rates is not a list: write rates = [0.003, 0.01]")
        claims = content.get("claims", [])
        if not isinstance(claims, list) or not all(isinstance(id, str) for id in claims):
            raise InputError('claims is not a list of ids: write claims = ["A8", "A9"]')
        model = MODEL
        train = TRAIN
        for name, value in content.get("model", {}).items():
            model = changed(model, name, value)
        for name, value in content.get("train", {}).items():
            train = changed(train, name, value)
        rates = tuple(rates) if rates else None
        equal_loss = content.get("equal_loss", False)
        if not isinstance(equal_loss, bool):
            raise InputError("equal_loss is not true or false: write equal_loss = true")
        margins = content.get("margins", {})
        return Grid(vary, model, train, rates, margins, equal_loss=equal_loss, claims=tuple(claims))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def names() -> list[str]:
    """Return the names of the shipped grids."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def parse_vary(words: Iterable[str]) -> dict[str, tuple]:
    """Return switches from words like 'norm=none,layernorm'. Raises InputError for unknown ones.

    >>> parse_vary(["tied=true,false", "lr=0.1", "kv_heads=none,2"])
    {'tied': (True, False), 'lr': (0.1,), 'kv_heads': (None, 2)}
    """
    vary: dict[str, tuple] = {}
    for word in words:
        name, equals, values = word.partition("=")
        name = name.strip().replace("-", "_")
        check_name(name)
        if not equals or not values.strip():
            raise InputError(f"--vary {word}: it has no values: write {name}=ONE,ANOTHER")
        if name in vary:
            raise InputError(f"--vary {name} is given twice: give all its values at once")
        vary[name] = tuple(from_text(name, text.strip()) for text in values.split(","))
    return vary


def changed(config, name: str, value):
    """Return the config with one field changed. Raises InputError if it has no such field."""
    known = [f.name for f in dataclasses.fields(config)]
    if name not in known:
        raise InputError(f"{type(config).__name__} has no field {name!r}{suggest(name, known)}")
    return dataclasses.replace(config, **{name: from_text(name, value)})


def check_name(name: str) -> str:
    """Return the name of a switch. Raises InputError for any other name."""
    if name in FIXED:
        raise InputError(f"{name} cannot vary: {FIXED[name]}")
    if name not in FIELDS:
        known = [n for n in FIELDS if n not in FIXED]
        raise InputError(f"there is no switch {name!r}{suggest(name, known)}")
    return name


def from_text(name: str, text):
    """Return the value that a word stands for in a field; other types are returned unchanged."""
    hint = typing.get_type_hints(FIELDS[name])[name]
    if not isinstance(text, str) or typing.get_origin(hint) is typing.Literal:
        return text
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if types.NoneType in options and text.lower() == "none":
        return None
    if bool in options:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{name}={text!r} is not known: choose from true, false")
        return text.lower() == "true"
    for kind in options:
        if kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    wanted = " or ".join(kind.__name__ for kind in options if kind is not types.NoneType)
    raise InputError(f"{name}={text!r} is not a {wanted}: give it one")


def check_value(name: str, value) -> None:
    """Raise InputError for a value that its field can never have.

    What depends on other fields (heads must divide the width) is left to `Grid.cells`, which can
    name the cell.
    """
    hint = typing.get_type_hints(FIELDS[name])[name]
    check_types(dataclasses.make_dataclass("Value", [(name, hint)])(value))
