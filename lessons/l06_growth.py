# %% [markdown]
# # L06 Growth: why do states get longer?
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
from minitx.classroom import Picture, check, claim, predict, quiz, real_model, verdict
from minitx.compiled import trace
from minitx.model import init_params
from minitx.objective import batch_loss
from minitx.runs import zoo

growth_guess = predict("L06.a", "In our trained pre-norm model of six blocks, the last state is "
                       "how many times as long as the state after block 1?", low=0)
predict("L06.b", "And if the norms stand after the sums (post)?",
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
# ## The rules, before the result
#
# Each says what would support its claim and what refute it; all between qualifies it.

# %%
def a8(layers_growing, over_untrained):
    """It grows in every layer, and after block 1 by 1.1 times what the untrained model does."""
    return verdict(supported=layers_growing == 1 and over_untrained > 1.1,
                   refuted=layers_growing < 0.5)

def a10(grows, grows_beside_state):
    """In most layers the update is larger than the last, for support also beside its state."""
    return verdict(supported=grows_beside_state > 0.5, refuted=grows < 0.5)

def a12(ratio_with, ratio_without):
    """First block's gradient over the last one's: without residual less than a tenth of with."""
    return verdict(supported=ratio_without < 0.1 * ratio_with, refuted=ratio_without >= ratio_with)

def a13(growth_with, growth_without):
    """Growth after block 1: with the residual at least half as much again as without."""
    share = growth_with / growth_without
    return verdict(supported=share >= 1.5, refuted=share <= 1)

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

p = Picture("l06_growth", "Why do states get longer?", panels=3)
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
p.null(1, blocks, first * np.sqrt(blocks), "independent updates, square root")
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

# %% exercise L06.e1
@check("L06.e1")
def next_station(x_BD, f, norm, residual):
    """What the stream holds after a pre-norm sublayer f; residual is True or False."""
    ...

# %% exercise L06.e2
@check("L06.e2")
def output_scale(depth):
    """The factor on each update that keeps the variance of their sum at that of one."""
    ...

# %% exercise L06.e3
@check("L06.e3")
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
quiz("L06.q1", "Independent updates of length 1 are added to a state of length 1. After 8 its "
     "length is about", ["9", "3", "256"], answer=1, why="sqrt(1 + 8).")
quiz("L06.q2", "Post-norm states do not grow because", ["updates are small", "a norm follows each "
     "sum"], answer=1, why="Whatever the sum, its length is brought back.")
quiz("L06.q3", "From L05: logits are doubled. In effect the temperature was",
     ["doubled", "halved"], answer=1, why="z / T with T = 1/2 is 2 z.")

# %% [markdown]
# ## Verdicts

# %%
(norm_EL, update_EL, _), cut_EL = trained["pre"], trained["no residual"][0]
later_E, update_EN = norm_EL[:, -1] / norm_EL[:, 1], update_EL[:, 1:]  # the embedding has none
claim("A8", a8, families["pre"], layers_growing=(np.diff(norm_EL) > 0).mean(1),
      over_untrained=later_E / (fresh[:, -1] / fresh[:, 1]))
claim("A10", a10, families["pre"], grows=(np.diff(update_EN) > 0).mean(1),
      grows_beside_state=(np.diff(update_EN / norm_EL[:, :-1]) > 0).mean(1))
claim("A12", a12, "at initialisation, 3 seeds", ratio_with=with_EN[:, 0] / with_EN[:, -1],
      ratio_without=without_EN[:, 0] / without_EN[:, -1])
equal_steps = max(families["no residual"].stages)  # a shorter training: compare equal ones
equal_EL = lengths(families["pre"].stages[equal_steps])[0]
claim("A13", a13, families["pre"], families["no residual"],
      growth_with=equal_EL[:, -1] / equal_EL[:, 1], growth_without=cut_EL[:, -1] / cut_EL[:, 1])

# %% [markdown]
# ## The same on a real model

# %%
if real := real_model():
    ids_T = real.tokenizer.encode("When Mary and John went to the store, John gave a drink to")
    (norm_L,), _, _ = lengths([real.model], ids_T[None])
    print(f"{real.name}: x{norm_L[-1] / norm_L[1]:.1f} after the first block, growing in "
          f"{np.mean(np.diff(norm_L) > 0):.0%} of its layers")
    print("left-out layer missed:", {law: f"{left_out_error(law, norm_L[1:]):.0%}" for law in laws})
