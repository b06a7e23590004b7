"""The few models that lessons share: trained once on this machine, several seeds in one program.

`load("fables")` returns the trained models of that name. The first call trains them, later calls
read them from the cache. `build()` trains all that are missing, side by side on all cores. The hash
of a family covers everything that decides the result, the code that trains included: after a
change, it is trained again.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from minitx.config import ModelConfig, TrainConfig, to_json
from minitx.devices.workers import check_jobs
from minitx.errors import InputError, suggest
from minitx.model import Transformer, init_params
from minitx.runs import checkpoint
from minitx.runs.fingerprint import training_code
from minitx.runs.zoo_training import Task, train_all
from minitx.step import initial_params
from minitx.text.corpus import cache_folder
from minitx.text.data import Data, prepare

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Species:
    """A kind of model in the zoo: what to train, on which text, and what for."""

    about: str
    model: ModelConfig
    train: TrainConfig
    corpus: str = "fables"
    tokenizer: str = "char"


MAIN = ModelConfig(width=96, depth=6, heads=4, context=64)
SMALL = dataclasses.replace(MAIN, width=64, depth=2)
WORDS = ModelConfig(width=32, depth=1, heads=4, context=32)
HEADS = ModelConfig(width=48, depth=2, heads=4, context=32)
TABLES = dataclasses.replace(WORDS, norm="none", positions="none")
LONG = TrainConfig(
    steps=200, batch=12, optimizer="muon", lr=0.02, adam_lr=0.01, weight_decay=0.0, warmup=20,
    decay="linear", final_lr=0.0, eval_every=50,
)  # fmt: skip
SHORT = TrainConfig(steps=200, batch=12, lr=5e-3, warmup=30, eval_every=50)
SIZES = dataclasses.replace(SHORT, steps=300, weight_decay=0.0, eval_every=100)
PAIRS = dataclasses.replace(SHORT, lr=0.02, weight_decay=0.0, eval_every=100)
NAMES = ModelConfig(
    width=64, depth=2, heads=4, context=42, positions="rope", mlp_width=128, init_std=None
)  # the longest sentence of errands has 41 tokens before its last name
COPYING = dataclasses.replace(  # at higher rates, models take longer to learn to copy names
    LONG, steps=1200, batch=32, lr=0.015, adam_lr=0.002, warmup=10, eval_every=600
)
QUICK = dataclasses.replace(LONG, steps=100, batch=8, warmup=10, eval_every=100)

ZOO = {
    "fables": Species("the model that most lessons look into: 6 pre-LN blocks", MAIN, LONG),
    "nonorm": Species("the same without any norm", dataclasses.replace(MAIN, norm="none"), LONG),
    "postnorm": Species(
        "the same with norms after the additions",
        dataclasses.replace(MAIN, norm_place="post"),
        dataclasses.replace(LONG, steps=100),
    ),
    "noresidual": Species(
        "the same with the residual connection cut",
        dataclasses.replace(MAIN, residual=False),
        dataclasses.replace(LONG, steps=100),
    ),
    "deep": Species(
        "12 blocks",
        dataclasses.replace(MAIN, width=64, depth=12),
        dataclasses.replace(SHORT, steps=150),
    ),
    "bpe": Species(
        "tied embeddings, subwords, and norms with a bias",
        dataclasses.replace(SMALL, tied=True, bias=True, vocab=512),
        SHORT,
        tokenizer="bpe",
    ),
    **{
        f"positions-{kind}": Species(
            f"positions: {kind}", dataclasses.replace(SMALL, positions=kind), SHORT
        )
        for kind in ("none", "learned", "sinusoidal", "rope")
    },
    **{
        f"kingdom-{name}": Species(
            f"people of every rank, gender and age; {name} embeddings",
            dataclasses.replace(WORDS, tied=name == "tied"),
            dataclasses.replace(SHORT, steps=500, eval_every=100, batch=24),
            corpus="kingdom",
        )
        for name in ("tied", "untied")
    },
    "errands": Species(
        "who gave what to whom: 2 blocks, whose tokens are words", NAMES, COPYING, corpus="errands"
    ),
    **{
        f"head-{head}-{norm}": Species(
            f"logits by {head}, norm {norm}",
            dataclasses.replace(HEADS, head=head, norm=norm),
            QUICK,
        )
        for head in ("dot", "cosine", "distance")
        for norm in ("none", "layernorm")
    },
    **{
        f"chain-{depth}-{name}": Species(
            f"a Markov chain; blocks: {depth}, no norms, no positions, {name} embeddings",
            dataclasses.replace(TABLES, depth=depth, tied=name == "tied"),
            PAIRS,
            corpus="chain",
        )
        for depth in (0, 1)
        for name in ("tied", "untied")
    },
    **{
        f"sizes-{name}": Species(
            f"tokens that follow Zipf's law, and some that never occur: {name}",
            dataclasses.replace(WORDS, tied=name.endswith("-tied")),
            recipe,
            corpus="zipf",
        )
        for name, recipe in (
            ("adam-tied", SIZES),
            ("adam-untied", SIZES),
            ("decay-tied", dataclasses.replace(SIZES, weight_decay=1.0)),
            ("sgd-untied", dataclasses.replace(SIZES, optimizer="sgd", lr=0.2)),
        )
    },
}


@dataclass(frozen=True, eq=False)
class Family:
    """A trained species: one model for each seed, and how they got there."""

    name: str
    hash: str
    """The name, and eight letters that change with everything that decides the result."""
    models: list[Transformer]
    untrained: list[Transformer]
    stages: dict[int, list[Transformer]]
    """The models at each evaluation, by the number of steps."""
    train_losses: np.ndarray
    """Mean training loss before each evaluation, in nats per token: a row for each seed."""
    val_losses: np.ndarray
    """Validation loss at each evaluation, in nats per token: a row for each seed."""
    data: Data

    @property
    def config(self) -> ModelConfig:
        return self.models[0].config


def load(name: str) -> Family:
    """Return the models of that name; they are trained now if they are not in the cache.

    Raises InputError for an unknown name, an unusable cache, and training that broke down.
    """
    config, recipe, data = prepare_species(name)
    path = path_of(name, config, recipe, data)
    if not path.exists():
        for _ in build([name]):
            pass
    steps = range(recipe.eval_every, recipe.steps + 1, recipe.eval_every)
    tree = checkpoint.load(path, _shapes(config, steps), "zoo")
    stages = {}
    for step in steps:
        stages[step] = [Transformer.of(config, params) for params in tree["stages"][str(step)]]
    train_losses, val_losses = tree["losses"]
    return Family(
        name=name,
        hash=path.stem,
        models=stages[recipe.steps],
        untrained=[Transformer.of(config, initial_params(config, seed)) for seed in SEEDS],
        stages=stages,
        train_losses=train_losses,
        val_losses=val_losses,
        data=data,
    )


def build(names: Sequence[str] | None = None, jobs: int | None = None) -> Iterator[str]:
    """Train those of the named species, by default all, that are not in the cache.

    `jobs` of them are trained side by side, by default one on each core; the models are the same
    for any number. Yields each name as soon as its models are in the cache, those that were there
    first. A terminal or a notebook shows a progress line. Raises InputError as `load` does.
    """
    check_jobs(jobs)
    tasks = []
    for name in ZOO if names is None else names:
        task = Task(name, *prepare_species(name))
        if path_of(*task).exists():
            yield name
        else:
            tasks.append(task)
    for task, tree in train_all(tasks, SEEDS, jobs):
        checkpoint.save(path_of(*task), tree, "zoo")
        yield task.name


def path_of(name: str, config: ModelConfig, recipe: TrainConfig, data: Data) -> Path:
    """Return the file of a family in the cache."""
    return cache_folder() / "zoo" / f"{name}-{hash_of(config, recipe, data)}.safetensors"


def prepare_species(name: str) -> tuple[ModelConfig, TrainConfig, Data]:
    """Return what a species is trained with. Raises InputError for an unknown name."""
    if name not in ZOO:
        raise InputError(f"the zoo has no {name!r}{suggest(name, ZOO)}")
    species = ZOO[name]
    data = _prepare(species.corpus, species.tokenizer, species.model.vocab)
    return dataclasses.replace(species.model, vocab=len(data.tokenizer)), species.train, data


@functools.lru_cache(maxsize=8)
def _prepare(corpus: str, tokenizer: str, vocab: int) -> Data:
    """Return a corpus as tokens; species that share one share its arrays."""
    return prepare(corpus, tokenizer, vocab)


def hash_of(config: ModelConfig, recipe: TrainConfig, data: Data) -> str:
    """Return eight letters that change with everything that decides the trained weights."""
    parts = [
        json.dumps(
            [to_json(config), to_json(recipe), SEEDS, checkpoint.VERSIONS["zoo"], training_code()]
        ).encode(),
        data.train_tokens.tobytes(),
        data.val_tokens.tobytes(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:8]


def _shapes(config: ModelConfig, steps: range) -> dict:
    """Return the shapes of what `train_all` gives, for `checkpoint.load`."""
    params = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    return {
        "losses": jax.ShapeDtypeStruct((2, len(SEEDS), len(steps)), np.float32),
        "stages": {str(step): [params for _ in SEEDS] for step in steps},
    }
