"""Every switch of a model and of its training, as frozen dataclasses that refuse nonsense.

A config is hashable, travels as JSON, and is varied with `dataclasses.replace`:

>>> import dataclasses
>>> config = ModelConfig(width=64, heads=4)
>>> dataclasses.replace(config, norm="rmsnorm").norm
'rmsnorm'
>>> ModelConfig(width=64, heads=5)
Traceback (most recent call last):
minitx.errors.InputError: heads=5 does not divide width=64: choose heads from 1, 2, 4, 8, 16, 32, 64
"""

import dataclasses
import math
import sys
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

from minitx.errors import InputError, suggest

SCHEMA_VERSION = 3  # of the JSON; raised when a field comes, goes or changes its meaning


@dataclass(frozen=True)
class ModelConfig:
    """The architecture: every switch that the lessons argue about is a field here."""

    width: int = 128
    """Width D of the residual stream."""
    depth: int = 6
    """Number N of blocks; 0 connects embedding and unembedding directly (a bigram table)."""
    heads: int = 4
    """Query heads H; must divide the width, unless --head-width is given."""
    kv_heads: int | None = None
    """Key/value heads G, shared by groups of query heads; None: one for every query head."""
    head_width: int | None = None
    """Width K of a head; None: width / heads."""
    mlp_width: int | None = None
    """Hidden width F of the MLP; None: 4 x width, or 8/3 x width for swiglu (equal parameters)."""
    context: int = 128
    """Longest sequence that the model can read, in tokens."""
    vocab: int = 512
    """Tokens V: the most that a word or bpe tokenizer may have; char takes what it needs."""
    norm: Literal["none", "layernorm", "rmsnorm"] = "layernorm"
    """Kind of normalisation; none is the identity."""
    norm_place: Literal["pre", "post", "final"] = "pre"
    """pre: before every sublayer and the unembedding; post: after every addition; final: before
    the unembedding only."""
    norm_gain: bool = True
    """Whether norms have a learned gain (and, with --bias, LayerNorm a learned bias)."""
    norm_epsilon: float = 1e-5
    """Added to the variance (LayerNorm) or mean square (RMSNorm) before the root."""
    qk_norm: bool = False
    """RMS-normalise every query and key head before the dot product."""
    tied: bool = False
    """Tied: the embedding table also unembeds. Untied: the unembedding has a table of its own."""
    head: Literal["dot", "cosine", "distance"] = "dot"
    """How a state x and a row w of the unembedding make a logit. dot: x.w; cosine: a learned scale
    times their cosine; distance: minus half their squared distance."""
    residual: bool = True
    """Add each sublayer's output to the stream (true) or replace the stream by it (false)."""
    positions: Literal["none", "learned", "sinusoidal", "rope"] = "learned"
    """How a token knows its position."""
    rope_base: float = 10000.0
    """Base of the rotary wavelengths, for positions=rope."""
    position_offset: int = 0
    """Rows of a learned position table before position 0 (OPT has 2)."""
    mlp: Literal["gelu", "gelu_tanh", "relu", "relu2", "swiglu", "none"] = "gelu"
    """The MLP's nonlinearity; relu2 is relu squared; none leaves the MLP out."""
    bias: bool = False
    """Biases in every linear layer and LayerNorm."""
    qkv_bias: bool | None = None
    """Biases of the query, key and value projections; None: the same as --bias."""
    mlp_bias: bool | None = None
    """Biases of the MLP; None: the same as --bias."""
    dropout: float = 0.0
    """Probability of dropping an element of the embedding, the patterns and the updates."""
    init: Literal["plain", "scaled", "zero"] = "scaled"
    """Initial weights of the projections that write to the stream: plain, scaled by 1/sqrt(2N),
    or zero."""
    init_std: float | None = 0.02
    """Standard deviation of all other initial weights; None: 1/sqrt(inputs) for each matrix."""

    def __post_init__(self):
        check_types(self)
        for name in (
            "width", "heads", "kv_heads", "head_width", "mlp_width", "context", "vocab",
        ):  # fmt: skip
            require(self, name, lambda value: value is None or value >= 1, "at least 1")
        for name in ("depth", "position_offset"):
            require(self, name, lambda value: value >= 0, "at least 0")
        for name in ("norm_epsilon", "rope_base"):
            require(self, name, lambda value: value > 0, "above 0")
        require(self, "init_std", lambda value: value is None or value > 0, "above 0")
        require(self, "dropout", lambda value: 0 <= value < 1, "at least 0 and below 1")
        if self.head_width is None and self.width % self.heads:
            raise InputError(
                f"heads={self.heads} does not divide width={self.width}: "
                f"choose heads from {divisors(self.width)}"
            )
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise InputError(
                f"kv_heads={self.kv_heads} does not divide heads={self.heads}: "
                f"choose kv_heads from {divisors(self.heads)}"
            )
        if self.positions == "rope" and self.sizes["K"] % 2:
            raise InputError(
                f"positions=rope turns pairs of channels, but heads are {self.sizes['K']} wide "
                f"(width={self.width}, heads={self.heads}, head_width={self.head_width}): make "
                "that even"
            )
        if self.positions == "sinusoidal" and self.width % 2:
            raise InputError(
                f"positions=sinusoidal pairs sines with cosines, but width={self.width} is odd: "
                "make it even"
            )
        if self.position_offset and self.positions != "learned":
            raise InputError(
                f"position_offset={self.position_offset} shifts a learned position table, "
                f"but positions={self.positions}: set position_offset=0 or positions=learned"
            )
        if self.init == "zero" and not self.residual and self.depth:
            raise InputError(
                "init=zero with residual=false makes every state and every gradient zero, so "
                "nothing could be learned: set init=scaled or residual=true"
            )

    @property
    def sizes(self) -> dict[str, int]:
        """The letters of the dimension key that the config fixes, with their sizes."""
        hidden = 8 * self.width // 3 if self.mlp == "swiglu" else 4 * self.width
        return {
            "D": self.width,
            "H": self.heads,
            "G": self.kv_heads or self.heads,
            "K": self.head_width or self.width // self.heads,
            "F": self.mlp_width or hidden,
            "V": self.vocab,
            "N": self.depth,
            "R": 1 + 2 * self.depth,
        }


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained. The seed fixes everything."""

    steps: int = 1000
    """Optimizer steps."""
    batch: int = 16
    """Sequences B per step, each of the model's context length."""
    lr: float = 1e-3
    """Peak learning rate."""
    optimizer: Literal["adamw", "muon", "sgd"] = "adamw"
    """muon: matrices by Muon at --lr, everything else by Adam at --adam-lr."""
    adam_lr: float | None = None
    """Peak rate of the parameters that muon leaves to Adam; None: the same as --lr."""
    warmup: int = 50
    """Steps in which the rate rises from 0 to its peak."""
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    """How the rate falls from its peak to --final-lr x peak."""
    final_lr: float = 0.1
    """What the rate has fallen to after the last step, as a share of the peak."""
    clip: float = 1.0
    """Clip the gradient to this norm; 0 switches clipping off."""
    weight_decay: float = 0.1
    """Decoupled weight decay, on matrices and tables only, times the rate."""
    beta1: float = 0.9
    """Decay of Adam's mean gradient."""
    beta2: float = 0.99
    """Decay of Adam's mean squared gradient."""
    momentum: float = 0.95
    """Momentum of sgd and muon."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of forward and backward passes; parameters and optimizer stay in float32."""
    loss: Literal["cross_entropy", "squared_error"] = "cross_entropy"
    """squared_error: half the squared distance of the logits to the one-hot target."""
    seed: int = 0
    """Fixes the initial weights, the batches and the dropout."""
    eval_every: int = 100
    """Steps between evaluations on the whole validation split, each with a checkpoint."""

    def __post_init__(self):
        check_types(self)
        for name in ("steps", "batch", "eval_every"):
            require(self, name, lambda value: 1 <= value < 2**31, "at least 1 and below 2^31")
        require(self, "warmup", lambda value: 0 <= value < 2**31, "at least 0 and below 2^31")
        for name in ("clip", "weight_decay"):
            require(self, name, lambda value: value >= 0, "at least 0")
        for name in ("lr", "adam_lr"):
            require(self, name, lambda value: value is None or value > 0, "above 0")
        require(self, "final_lr", lambda value: 0 <= value <= 1, "between 0 and 1")
        for name in ("beta1", "beta2", "momentum"):
            require(self, name, lambda value: 0 <= value < 1, "at least 0 and below 1")
        require(self, "seed", lambda value: 0 <= value < 2**32, "between 0 and 2^32 - 1")

    @property
    def adam_share(self) -> float:
        """adam_lr as a share of lr, to six digits: recipes that differ in lr alone share it."""
        return float(f"{(self.adam_lr or self.lr) / self.lr:.6g}")

    def at_rate(self, lr: float) -> "TrainConfig":
        """Return the recipe at another peak rate; adam_lr keeps its ratio to it."""
        adam_lr = None if self.adam_lr is None else lr * self.adam_share
        return dataclasses.replace(self, lr=lr, adam_lr=adam_lr)


@dataclass(frozen=True)
class DataConfig:
    """What a model is trained on, and how it is split into tokens."""

    corpus: str = "fables"
    """A name that `minitx data` lists, or the path of a UTF-8 text file."""
    tokenizer: str = "char"
    """char, word, bpe (trained to --vocab tokens), or the path of a tokenizer.json."""
    digits: bool = False
    """Make each digit a token of its own (bpe)."""
    val_fraction: float = 0.1
    """Share of the text, at its end, that is held out for validation."""

    def __post_init__(self):
        check_types(self)
        require(self, "val_fraction", lambda value: 0 < value < 1, "above 0 and below 1")


def to_json(config) -> dict[str, Any]:
    """Return the config as a JSON object, with its version."""
    return {"version": SCHEMA_VERSION, **dataclasses.asdict(config)}


def from_json(kind: type, values: Any, where: str = "config.json"):
    """Return a config of class `kind` from what `to_json` gave; errors name the source `where`.

    Raises InputError for another version, and for unknown, missing or impossible fields.
    """
    if not isinstance(values, dict):
        raise InputError(f"{where}: expected a JSON object for {kind.__name__}: restore the file")
    if values.get("version") != SCHEMA_VERSION:
        raise InputError(
            f"{where}: {kind.__name__} version {values.get('version')!r}, but this minitx reads "
            f"version {SCHEMA_VERSION}: train again, or use the minitx that wrote it"
        )
    given = {name: value for name, value in values.items() if name != "version"}
    known = [field.name for field in dataclasses.fields(kind)]
    for name in given.keys() - set(known):
        raise InputError(f"{where}: {kind.__name__} has no field {name!r}{suggest(name, known)}")
    for name in known:
        if name not in given:
            raise InputError(f"{where}: {kind.__name__} lacks the field {name!r}: restore the file")
    try:
        return kind(**given)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def check_types(config) -> None:
    """Raise InputError for the first field whose value is not of the type that it declares."""
    for name, hint in typing.get_type_hints(type(config)).items():
        value = getattr(config, name)
        if typing.get_origin(hint) is Literal:
            choices = typing.get_args(hint)
            if value not in choices:
                raise InputError(f"{name}={value!r} is not known: choose from {', '.join(choices)}")
            continue
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if float in options and type(value) is int and abs(value) <= sys.float_info.max:
            object.__setattr__(config, name, value := float(value))  # 1 and 1.0 hash to one config
        if type(value) not in options:  # not isinstance: True is no number here
            wanted = " or ".join("None" if o is type(None) else o.__name__ for o in options)
            raise InputError(f"{name}={value!r} is not a {wanted}: give it one")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{name}={value} is not a finite number: give it one")


def require(config, name: str, holds, wanted: str) -> None:
    """Raise InputError unless `holds` for the field's value."""
    if not holds(getattr(config, name)):
        raise InputError(f"{name}={getattr(config, name)} is out of range: it must be {wanted}")


def divisors(number: int) -> str:
    """Return the divisors of a number, up to 1024, as words for an error message."""
    return ", ".join(str(d) for d in range(1, min(number, 1024) + 1) if number % d == 0)
