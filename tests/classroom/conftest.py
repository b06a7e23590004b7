"""What the tests of the classroom share: a folder of answers, a small lesson, an untrained zoo."""

import builtins
import dataclasses
import io
import sys

import jax
import numpy as np
import pytest

from minitx import report
from minitx.classroom import lessons
from minitx.classroom.learner import Session, session
from minitx.model import init_params
from minitx.runs import zoo

LESSON = '''# %% [markdown]
# # L00 Toy
#
# Words with **stress**.

# %% quiet
from minitx.classroom import check, finish, predict, quiz, reveal

guess = predict("L00.a", "how much?", low=0, high=1)
kind = predict("L00.b", "which?", ["this", "that"])

# %% folded Count to two
seen = ["one"]
seen.append("two")

# %%
print("SEEN", seen, guess, kind)
reveal("L00.a", 0.5, "it is a half.")
reveal("L00.b", "that", "it is not this.")


# %% exercise L00.e1
@check("L00.e1")
def double(x):
    """Twice x."""
    ...

# %% quiet
quiz("L00")

# %%
print("END")

# %% quiet
finish("L00")
'''
SOLUTIONS = """from minitx.classroom import Exercise, Question


def double(x):
    return 2 * x


EXERCISES = {"L00.e1": Exercise(double, ("add", "x + x"), lambda random: (random.random(),),
                                {"you squared": lambda x: x**2})}
QUIZ = {
    "L00.q1": Question("Which letter?", ("Alpha", "Beta"), 1, "The second is Beta."),
    "L00.q2": Question("Which number?", ("one", "seven", "nine"), 0, "One is the first."),
}
"""


@pytest.fixture(autouse=True)
def answers(tmp_path, monkeypatch):
    """A folder of answers and a session of its own for each test."""
    monkeypatch.setenv("MINITX_ANSWERS", str(tmp_path / "answers"))
    vars(session).update(vars(Session()))
    return tmp_path / "answers"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A folder with one small lesson, L00."""
    folder = tmp_path / "lessons"
    (folder / "solutions").mkdir(parents=True)
    (folder / "l00_toy.py").write_text(LESSON)
    (folder / "solutions" / "l00.py").write_text(SOLUTIONS)
    monkeypatch.setattr(lessons, "LESSONS", folder)
    return folder


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def type_in(monkeypatch):
    """A function that sets what the learner types: texts, errors to raise, functions to call.

    After the last of them, the input ends.
    """

    def set_input(*inputs):
        inputs = iter(inputs)

        def answer(prompt=""):
            given = next(inputs, EOFError())
            if isinstance(given, BaseException):
                raise given
            return given() if callable(given) else given

        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(builtins, "input", answer)

    return set_input


def random_params(config, seed):
    """Weights like those of an untrained model, made without compiling anything."""
    random = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))

    def weights(leaf):
        mean = 1.0 if leaf.ndim == 1 else 0.0  # gains
        return random.normal(mean, 0.02, leaf.shape).astype(np.float32)

    return jax.tree.map(weights, shapes)


@pytest.fixture(scope="module")
def untrained_zoo(tmp_path_factory):
    """A zoo that costs seconds: two models of each species with random weights.

    Each stage has other weights, and lessons measure short texts.
    """

    def train_all(tasks, seeds, jobs):
        for task in tasks:
            every = task.recipe.eval_every
            stages = {}
            for step in range(every, task.recipe.steps + 1, every):
                stages[str(step)] = [random_params(task.config, 1000 * step + s) for s in seeds]
            shape = (2, len(seeds), len(stages))
            losses = np.random.default_rng(0).uniform(2, 4, shape)
            yield task, {"losses": losses.astype(np.float32), "stages": stages}

    def short_sequences(tokens, context, limit=128):
        return sequences(tokens, context, min(limit, 128))

    sequences = report.sequences
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINITX_CACHE", str(tmp_path_factory.mktemp("untrained-zoo")))
        patch.setattr(zoo, "train_all", train_all)
        patch.setattr(zoo, "initial_params", random_params)
        patch.setattr(zoo, "SEEDS", (0, 1))
        patch.setattr(report, "sequences", short_sequences)
        for name, species in zoo.ZOO.items():
            depth = min(species.model.depth, 6)  # lessons speak of the blocks of fables
            shallow = dataclasses.replace(
                species,
                model=dataclasses.replace(species.model, depth=depth),
                train=dataclasses.replace(species.train, steps=4, eval_every=2),
            )
            patch.setitem(zoo.ZOO, name, shallow)
        optimizations_are_off = jax.config.read("jax_disable_most_optimizations")
        jax.config.update("jax_disable_most_optimizations", True)  # they compile faster
        yield
        jax.config.update("jax_disable_most_optimizations", optimizations_are_off)
