# %% [markdown]
# # L07 Growth: why do states get longer?
#
# **Claims:** A8, A10, A12, A13. **Question:** does every layer make the state longer, by which law,
# and is it the adding up? **Time:** about 35 minutes.
#
# The *residual connection* adds what a sublayer f writes to what it read: x + f(norm(x)). *Pre* and
# *post* say where the norm stands: before f, or after the sum. A parameter's *gradient* says how
# much the loss would change if it were nudged; training needs it in every block.
#
# ## What many believe
#
# "States grow exponentially from layer to layer. Every model shows it; it is what adding up does."
#
# ## Predict

# %%
import dataclasses

import jax
import numpy as np

from minitx import TrainConfig, measure, report
from minitx.classroom import Picture, check, finish, judge, judge_real_model, predict, quiz
from minitx.compiled import trace
from minitx.model import init_params
from minitx.objective import batch_loss
from minitx.runs import zoo

growth_guess = predict("L07.a", "In our trained pre-norm model of six blocks, the last state is "
                       "how many times as long as the state after block 1?", low=0)
predict("L07.b", "And if the norms stand after the sums (post)?",
        ["it grows as well", "it stays the same", "it shrinks"])

# %% [markdown]
# ## Worked example: adding up without knowing anything
#
# Updates of one length and random directions: squares add, so the length grows like a *root*. For
# an exponential, updates must grow with the state, as without norms: then each block multiplies.

# %%
walk = np.random.default_rng(0).standard_normal((16, 100)).cumsum(axis=0)
print(walk.shape, "lengths after 1, 4, 16:", measure.norms(walk)[[0, 3, 15]].round(1))

# %% [markdown]
# ## Run 1: lengths by layer
#
# Medians over tokens, before the final norm; position 0, which sees only itself, stands apart.

# %%
families = {"pre": zoo.load("fables"), "post": zoo.load("postnorm"), "no norm": zoo.load("nonorm"),
            "no residual": zoo.load("noresidual"), "pre, 2 blocks": zoo.load("positions-learned"),
            "pre, 12 blocks": zoo.load("deep")}
tokens_BT = report.sequences(families["pre"].data.val_tokens, 64, 512)

def lengths(models, tokens_BT=tokens_BT):
    """Medians over tokens for all models (E, L): of states, of updates, and at position 0."""
    rows = [measure.layers(trace(model, tokens_BT).states_LBTD) for model in models]
    return [np.array([row[name] for row in rows], float)
            for name in ("norm_median", "update_norm", "norm_first_position")]

trained = {words: lengths(family.models) for words, family in families.items()}
fresh, fresh_deep = (lengths(families[w].untrained)[0] for w in ("pre", "pre, 12 blocks"))
for words, (norm_EL, _, first_EL) in trained.items():
    print(f"{words:15} {np.round(norm_EL.mean(0), 1)}; position 0: {first_EL[:, -1].mean():.1f}")

# %% [markdown]
# ## Run 2: which law?
#
# Three laws of two parameters for blocks 1 to 12: a exp(b l), a (1 + b l), a sqrt(1 + b l). The
# judge is the error on a layer left out of the fit, so that no law can win by bending.

# %%
laws = {"exponential": lambda b, n: b * n, "linear": lambda b, n: np.log1p(b * n),
        "square root": lambda b, n: np.log1p(b * n) / 2}  # of each the log, without log a

def left_out_error(law, norm_N):
    """Root mean square error of the log of each length by the law fitted to the others."""
    l_N, misses = np.arange(len(norm_N)), []
    slopes = np.concatenate([np.linspace(-0.9 / l_N[-1], 1, 300), np.geomspace(1, 1e4, 200)])
    rest = np.log(norm_N) - laws[law](slopes[:, None], l_N)  # log a, if the law were exact
    for out in l_N:
        kept = np.delete(rest, out, axis=1)
        best = np.argmin(kept.var(axis=1))
        misses.append(rest[best, out] - kept[best].mean())
    return np.sqrt(np.mean(np.square(misses)))

for law in laws:
    error_E = [left_out_error(law, norm_L[1:]) for norm_L in trained["pre, 12 blocks"][0]]
    print(f"{law:12} misses a left-out layer by {min(error_E):.1%} to {max(error_E):.1%}")

# %% [markdown]
# ## Run 3: switch the residual off, and look at the gradients

# %%
def block_gradients(config):
    """Lengths (E, N) of the blocks' gradients at the start of training, on one batch."""
    text_T = families["pre"].data.train_tokens[:769]
    batch = text_T[:-1].reshape(12, 64), text_T[1:].reshape(12, 64)
    gradient_of = jax.jit(jax.grad(lambda p: batch_loss(config, TrainConfig(), p, *batch, None)))
    trees = [gradient_of(init_params(config, jax.random.key(seed)))["blocks"] for seed in range(3)]
    return np.array([[measure.norms([np.linalg.norm(g) for g in jax.tree.leaves(blocks[n])])
                      for n in range(config.depth)] for blocks in trees])

config = families["pre"].config
with_EN, without_EN = map(block_gradients, (config, dataclasses.replace(config, residual=False)))
print("gradients", with_EN.mean(0).round(2), "without residual", without_EN.mean(0).round(2))

p = Picture("l07_growth", "Why do states get longer?", panels=3)
layers = np.arange(config.depth + 1)
for words in ("pre", "post", "no norm", "no residual"):
    p.line(0, layers, trained[words][0], words)
p.untrained(0, layers, fresh, "pre, untrained")
p.level(0, config.width**0.5, "sqrt(D), what a norm leaves")
if growth_guess is not None:
    p.guess(0, round(growth_guess * trained["pre"][0][:, 1].mean(), 1), at=config.depth)
p.dress(0, "Length of the state", "layer (0: embedding)", "median norm", yscale="log")
deep_EN = trained["pre, 12 blocks"][0][:, 1:]
blocks = np.arange(1, deep_EN.shape[1] + 1)
first, end = deep_EN.mean(0)[[0, -1]]
p.line(1, blocks, deep_EN, "12 blocks, trained")
p.untrained(1, blocks, fresh_deep[:, 1:])
p.baseline(1, blocks, first * np.sqrt(blocks), "independent updates, square root")
p.line(1, blocks, np.geomspace(first, end, len(blocks)), "exponential through both ends")
p.dress(1, "Which law?", "block", "median norm", ylim=(0, None))
p.line(2, layers[1:], with_EN, "with residual")
p.line(2, layers[1:], without_EN, "without")
p.dress(2, "Gradients at the start of training", "block", "their length", ylim=(0, None))
p.save()

# %% [markdown]
# ## Exercises
#
# 1. Write the sublayer with its switch.
# 2. By which factor must updates shrink, so that their sum (two a block) varies like one of them?
# 3. Find the lengths that independent updates would give.

# %% exercise L07.e1
@check("L07.e1")
def next_station(x_BD, f, norm, residual):
    """What the stream holds after a pre-norm sublayer f; residual is True or False."""
    ...

# %% exercise L07.e2
@check("L07.e2")
def output_scale(depth):
    """The factor on each update that keeps the variance of their sum at that of one."""
    ...

# %% exercise L07.e3
@check("L07.e3")
def random_sum_lengths(first, updates):
    """The lengths after each of the updates at right angles; `first` is the length before."""
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Adding what knows nothing of the sum gives a square root, and with a norm after each sum the
# length cannot grow at all. For an exponential, updates must grow with the state: without norms
# they may do so by themselves; behind a norm every sublayer reads the same length, and training
# has to make each write more than the last. Which law the errors above prefer is one thing, how
# clearly another: over a dozen layers three gentle curves lie close together.

# %%
quiz("L07")

# %% [markdown]
# ## Verdicts

# %%
judge("A8", "A10", "A12", "A13")

# %% [markdown]
# ## The same on a real model

# %%
judge_real_model("A8", "A10", "A12", "A13")

# %%
finish("L07")
