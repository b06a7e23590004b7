"""What several tests of training share: tiny models, texts, and comparisons to the bit."""

import dataclasses
import functools
import math

import jax
import numpy as np

from minitx.config import ModelConfig, TrainConfig
from minitx.step import init_state

CONTEXT, VOCAB = 6, 7
TINY = ModelConfig(width=8, depth=1, heads=2, mlp_width=10, context=CONTEXT, vocab=VOCAB)
DROPPING = dataclasses.replace(TINY, dropout=0.25)
TWO_BLOCKS = dataclasses.replace(TINY, depth=2)
BIGRAM = ModelConfig(width=8, depth=0, heads=1, context=CONTEXT, vocab=VOCAB, norm="none",
                     positions="none")  # fmt: skip
ROUND = np.tile(np.arange(VOCAB), 40)  # 0 1 2 3 4 5 6 0 1 ...: each token says which comes next
NOISE = np.random.default_rng(0).integers(0, VOCAB, 200)

# Dropout is on, so that its keys are tried too; evaluations at 4, 8 and, out of turn, 11.
LOOP = TrainConfig(steps=11, batch=3, warmup=2, lr=0.01, eval_every=4)
# A rate at which training soon overflows.
WILD = TrainConfig(steps=9, batch=3, lr=1e30, optimizer="sgd", clip=0, warmup=0)

quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
"""jit for what is compiled to run once: the compiler takes half the time."""


def copy(tree):
    """The arrays on the host, where training cannot use them up."""
    return jax.tree.map(lambda a: np.array(a), tree)


def assert_same_bits(one, other) -> None:
    """The same tree, and the same bits in every leaf."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def differ(one, other) -> bool:
    """Whether any number in two trees of one structure differs."""
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any((np.asarray(a) != np.asarray(b)).any() for a, b in leaves)


def rate_by_hand(recipe: TrainConfig, step: int) -> float:
    rising = (step + 1) / (recipe.warmup + 1) if step < recipe.warmup else 1.0
    done = 0.0
    if recipe.steps > recipe.warmup:
        done = min(1.0, max(0.0, (step - recipe.warmup) / (recipe.steps - recipe.warmup)))
    if recipe.decay == "cosine":
        left = (1 + math.cos(math.pi * done)) / 2
    elif recipe.decay == "linear":
        left = 1 - done
    else:
        left = 1.0
    return min(rising, recipe.final_lr + (1 - recipe.final_lr) * left)


def states_of(config: ModelConfig, recipe: TrainConfig, seeds) -> list:
    """The states that several seeds start from."""
    return [init_state(config, recipe, seed) for seed in seeds]
