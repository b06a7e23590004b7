# %% [markdown]
# # L05 Length and temperature
# ## Does the length of a vector decide how sure a model is?
#
# *30 minutes. You need the dot product of two vectors (lesson 4).*
#
# **What many believe.** "A model turns scores into probabilities by comparing them, so only the
# differences between scores count, and their size does not matter. Temperature is a trick for
# sampling. It has nothing to do with the vectors inside."
#
# (*Sampling* draws the next token at random, by the model's probabilities. The *temperature* is a
# number that divides all scores before they become probabilities.)
#
# Claims: temperature leads from certainty to equal chances (B22), so the best of n tokens can have
# any probability from 1/n to 1 (B23). A longer vector makes the model more confident (B28), and a
# vector of length zero knows nothing (B29). Softmax sees differences only, not a common level (C3).
# Training makes the right logit large by turning vectors towards each other (C4). Length matters in
# softmax (C5).
#
# ## Predict
#
# A *logit* is the score of one token. The *softmax* turns logits into probabilities: take exp(z) of
# each logit z, and divide by the sum of them all. *Entropy* says how undecided a prediction is. It
# is minus the sum of p ln p over all tokens: 0 for certainty, and ln 73, or 4.29 nats, if all 73
# characters of our model are equally likely. A *LayerNorm* is a step that divides a vector by its
# length. Lesson 9 looks at its details.

# %% quiet
import numpy as np

from minitx.classroom import (
    check, draw, finish, held_out, judge, judge_real_model, over_seeds, panel,
    predict, quiz, reveal,
)  # fmt: skip
from minitx.compiled import trace
from minitx.measure import entropy, softmax
from minitx.runs import zoo

predict("L05.a", "100 is added to every logit. The probability of the best token",
        ["rises", "stays the same", "falls"])
predict("L05.b", "Every logit is doubled. The probability of the best token",
        ["rises", "stays the same", "falls"])
half = predict("L05.c", "Our model ends with a LayerNorm, and then the unembedding. You make its "
               "last state half as long, BEFORE the LayerNorm. By how much does the entropy of its "
               "prediction change? (Below 0: it falls.)", low=-5, high=5, unit="nats")

# %% [markdown]
# ## Touch it
#
# The panel scales the last state by a factor c, before the LayerNorm or after it. Try both.

# %% quiet
panel("dial")

# %% [markdown]
# ## Worked example: three tokens
#
# The logits of three tokens are 2, 1 and 0. Their exponentials are 7.39, 2.72 and 1, with the sum
# 11.11. So the probabilities are 0.665, 0.245 and 0.090, and the entropy is -(0.665 ln 0.665 +
# 0.245 ln 0.245 + 0.090 ln 0.090), or 0.83 nats. Then we shift the logits, and double them.

# %%
z_V = np.array([2.0, 1.0, 0.0])  # V tokens, here three
for name, logits_V in [("z", z_V), ("z + 100", z_V + 100), ("2 z", 2 * z_V)]:
    p_V = softmax(logits_V)
    print(f"{name:8} {p_V.round(3)}, entropy {entropy(logits_V):.3f} nats")

# %% quiet
reveal("L05.a", "stays the same", "exp(z + 100) is exp(z) times exp(100), and the factor cancels.")
reveal("L05.b", "rises", "doubling z doubles the differences between logits as well.")

# %% [markdown]
# So half of the belief is right: only differences count. But scaling all logits scales their
# differences too. A temperature of T divides all logits by T. And a logit is the dot product of a
# token's row with the vector x that the unembedding reads. If x gets c times as long, every logit
# gets c times as large. **A vector that is c times as long acts as a temperature of 1/c.**
#
# ## Run it: half the length, double the length
#
# We scale the last state of our model by c, before its LayerNorm and after it, and do the same with
# a model that was trained without any LayerNorm. If length acts as temperature, then entropy falls
# with c. The **baseline** is a model that knows nothing, for which all tokens are equally likely:
# entropy cannot be higher.

# %%
fables, nonorm = zoo.load("fables"), zoo.load("nonorm")  # three seeds each
text_BT = held_out(fables, 512)
scales = [0.25, 0.5, 1.0, 2.0, 4.0]

def scaled_before(model):
    """The mean entropy if the last state is scaled before the LayerNorm, for each scale."""
    x_BTD = trace(model, text_BT).before_final_norm_BTD
    return [entropy(model.readout(c * x_BTD)).mean() for c in scales]

def scaled_after(model):
    """The mean entropy if it is scaled after the LayerNorm, where the unembedding reads it."""
    x_BTD = trace(model, text_BT).after_final_norm_BTD
    return [entropy(model.unembed(c * x_BTD)).mean() for c in scales]

before = over_seeds(scaled_before, fables.models)
after = over_seeds(scaled_after, fables.models)
without = over_seeds(scaled_before, nonorm.models)

# %% folded Draw it, beside your prediction
most = np.log(fables.config.vocab)  # entropy of equal chances
draw("l05_length_and_temperature", "Is a longer state a surer state?", scales,
     {"scaled after the LayerNorm": after, "scaled before the LayerNorm": before,
      "model without a LayerNorm": without},
     {"equal chances": np.full(5, most)},
     labels=("factor c that scales the state", "entropy of the prediction (nats)"),
     guess=(half and before[:, 2].mean() + half, 0.5), xscale="log", ylim=(0, None))
change = float((before[:, 1] - before[:, 2]).mean())
reveal("L05.c", round(change, 3) + 0.0, "the LayerNorm divides the length away. Half the length "
       f"AFTER the LayerNorm raises entropy by {(after[:, 1] - after[:, 2]).mean():.2f} nats.")

# %% [markdown]
# Two curves fall: after the LayerNorm, and in a model without one, length acts as temperature. The
# third is flat: the LayerNorm divides the length of the whole state away. Towards the left, both
# falling curves come near to the baseline: a short vector makes all tokens nearly equally likely.
# (A star, if you predicted, is the entropy that your prediction would give at half the length.)
#
# ## Your turn
#
# 1. Write a softmax that survives T = 0.01.
# 2. Which temperature gives the best token a probability that you choose? Say first whether it has
#    to be above 1 or below 1 to make a model surer.
# 3. Add a *bias*: a number for each token that is added to its logit, whatever the state. Build a
#    state that makes the model LESS sure when it is made twice as long.

# %% exercise L05.e1
@check("L05.e1")
def stable_softmax(logits_V, temperature):
    """Return the probabilities of V tokens. Logits [1, 1] give [0.5, 0.5] at
    any temperature.
    """
    ...

# %% exercise L05.e2
@check("L05.e2")
def temperature_for(gap, probability):
    """Return the temperature at which the better of two tokens has a
    probability above 0.5.

    `gap` is its logit minus the other's. A gap of 2 and a probability of 0.731
    give about 2.
    """
    ...

# %% exercise L05.e3
@check("L05.e3")
def longer_but_less_sure(w_2D, bias_2):
    """Return x_D such that logits 2 x.w + bias have a higher entropy than
    x.w + bias.

    w_2D has a row for each of two tokens. bias_2 has their biases, and the
    first is larger.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Softmax does not see a shift, but it sees a factor. So the length of the vector that the
# unembedding reads acts as a temperature, and training can use it. The belief is right about a
# state that is scaled as a whole before a LayerNorm: its length is gone before anything reads it.
# But if only one part of a sum gets longer there, the sum turns, and a LayerNorm sees that. With a
# bias, length is not quite temperature, because the bias does not grow with it.

# %% quiet
quiz("L05")

# %% [markdown]
# ## Verdicts
#
# The verdicts read more text than we did, so their numbers differ a little from ours. C4 asks how
# training raises the right logit. A logit is the length of the state, times the length of the row,
# times their cosine. So the verdict mixes each model with itself from before training: the
# directions come from one, and the lengths from the other. The mix with the lower loss shows which
# of the two does more.

# %% quiet
judge("B22", "B23", "B28", "B29", "C3", "C4", "C5")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 has a norm before its unembedding too, so the same holds there for the same reason.

# %% quiet
judge_real_model("B28", "C5")

# %% [markdown]
# ## In short
#
# Only differences of logits count, and length scales them all. The length of the vector that the
# unembedding reads acts as one divided by a temperature. A LayerNorm in front of the unembedding
# divides the state's own length away.

# %% quiet
finish("L05")
