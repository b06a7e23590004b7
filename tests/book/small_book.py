"""A book that is made in seconds: one short lesson, on a tiny model with random weights."""

import contextlib
import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from minitx.book import cache, site, start
from minitx.classroom import lessons
from minitx.config import ModelConfig, TrainConfig
from minitx.model import Transformer, init_params
from minitx.page import contents
from minitx.runs import zoo

LESSON = '''# %% [markdown]
# # L03 Toy
# ## Does it grow?
#
# *25 minutes. You need lesson 3 and lesson 4.*
#
# **What many believe.** "It grows & shrinks <b>."
#
# Claims: the first thing (A9), and the second (B9, C1).
#
# ## Predict
#
# A *token* has a *cosine*. See `x_BTD`.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, judge, panel, predict, quiz, reveal, write,
)  # fmt: skip
from minitx.classroom.verdicts import show, show_ledger

guess = predict("L03.a", "how much?", low=0, high=8, unit="nats")
predict("L03.b", "which <one>?", ["it rises", "it falls"])

# %% quiet
panel("dial", c=2)

# %% folded Count to two
seen = ["one"]
seen.append("two")

# %% [markdown]
# ## Run it

# %%
picture = Picture("toy", "Does it grow?", panels=2)
picture.line(0, [1, 2, 3, 4], [[1.0, 2.0, 4.0, 8.0], [1.0, 3.0, 5.0, 9.0]], "a curve")
picture.baseline(0, [1, 2, 3, 4], [1.0, 1.5, 2.0, 2.5], "nothing")
picture.guess(0, 2 * guess + 1, at=3)
picture.dress(0, "Growth", "block", "length")
picture.bars(1, ["left", "right"], [0.25, 0.75], "shares")
picture.dress(1, "", "", "share")
picture.save()
print("SEEN", seen, guess is None)
reveal("L03.a", 2.5, "it is the SECRET half of five.")
reveal("L03.b", "it falls", "things <fall>.")

# %% folded The same figure once more
picture.save()

# %% [markdown]
# ## Your turn

# %% exercise L03.e1
@check("L03.e1")
def double(x):
    """Twice x."""
    ...

# %% quiet
quiz("L03")

# %% [markdown]
# ## Verdicts

# %% quiet
judge("B29")

# %% quiet
write("L03.picture", "What do <you> think?")
show("own", {"verdict": "refuted", "sentence": "It is <no>."}, words="A claim of one's own.")
show_ledger()
finish("L03")
'''
SOLUTIONS = """from minitx.classroom import Exercise, Question


def double(x):
    return x + x  # SOLUTION


EXERCISES = {"L03.e1": Exercise(double, ("a NUDGE", "the WAY"), lambda random: (random.random(),),
                                conclusion="So it DOUBLES.")}
QUIZ = {
    "L03.q1": Question("Which letter?", ("Alpha", "Beta"), 1, "The second is Beta, says WHY."),
    "L03.q2": Question("Which number?", ("one", "seven", "nine"), 0, "One is the first."),
}
"""
FINDINGS = {
    "findings": [
        {"claim": f"Claim {n} & more.", "verdict": verdict, "why": f"it is {n}", "numbers": {}}
        for n, verdict in enumerate(("supported", "qualified", "refuted"))
    ],
    "blocks": 2, "width": 12, "tokens": 1234,
}  # fmt: skip
CONFIG = ModelConfig(width=12, depth=2, heads=4, mlp_width=20, context=16)
RECIPE = TrainConfig(steps=4, eval_every=2, batch=3, warmup=0)


def random_family(name):
    """What `zoo.load` returns, with random weights."""
    data = zoo.prepare_species(name)[2]
    config = dataclasses.replace(CONFIG, vocab=len(data.tokenizer))
    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    random = np.random.default_rng(0)

    def model():
        weights = jax.tree.map(lambda leaf: random.normal(0, 0.1, leaf.shape).astype("f"), shapes)
        return Transformer.of(config, weights)

    models = [model() for _ in zoo.SEEDS]
    losses = np.ones((len(zoo.SEEDS), 1), np.float32)
    return zoo.Family(name, f"{name}-12345678", models, models, {4: models}, losses, losses, data)


@contextlib.contextmanager
def classroom(folder: Path):
    """A classroom with one lesson and one small model; yields the folder of the lesson."""
    files = folder / "lessons"
    (files / "solutions").mkdir(parents=True)
    (files / "l03_toy.py").write_text(LESSON)
    (files / "l04_other.py").write_text(LESSON.replace("L03", "L04").replace('"toy"', '"other"'))
    for name in ("l03", "l04"):
        text = SOLUTIONS.replace("L03", name.upper())
        (files / "solutions" / f"{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINITX_CACHE", str(folder / "cache"))
        patch.setattr(lessons, "LESSONS", files)
        patch.setattr(zoo, "ZOO", {"fables": zoo.Species("a small model", CONFIG, RECIPE)})
        patch.setattr(zoo, "load", random_family)
        patch.setattr(contents, "untrained_twin", lambda model, seed: model)
        patch.setattr(start, "findings", lambda: FINDINGS)
        patch.setattr(site, "judge_the_rest", lambda say: None)
        cache.digest_of_code.cache_clear()
        yield files


def silent(words: str) -> None:
    """Progress that nobody reads."""
