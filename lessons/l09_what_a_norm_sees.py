# %% [markdown]
# # L09 What a norm sees
# ## If LayerNorm divides length away, what is length good for?
#
# *35 minutes. You need softmax, entropy and temperature (lesson 5), and updates (lessons 7 and 8).*
#
# **What many believe.** "A LayerNorm gives every vector the length 1, so a model sees directions
# only. The length of a state is then free to say how sure the model is: states get longer from
# block to block because the model gets surer and surer. Direction decides which token wins, length
# how surely."
#
# Claims: a sublayer that reads through a norm sees the direction only (B16). Size is certainty, and
# that is why states grow (B31). Direction decides which token, length how surely (B37). Without
# norms, the inner parts of a model can use length; with them they cannot (C6).
#
# ## Predict
#
# A *LayerNorm* takes a vector, whose numbers are called its *channels*. It subtracts their mean, so
# that they average to 0. Then it divides by their standard deviation, so that their squares average
# to 1. (Lesson 5 simplified this.) At the end, it multiplies each channel by a learned number, the
# *gain*. We leave the gain out at first.
#
# Attention and MLP, the *sublayers* of a block, each read the state through a LayerNorm. So does
# the unembedding. LayerNorm and its relatives are called *norms*.

# %% quiet
import numpy as np

from minitx.classroom import (
    check, draw, finish, held_out, judge, judge_real_model, over_seeds, panel,
    predict, quiz, reveal,
)  # fmt: skip
from minitx.compiled import continue_from, trace
from minitx.geometry import turned
from minitx.measure import kl, norms
from minitx.runs import zoo

predict("L09.a", "A vector of 96 channels leaves a LayerNorm, without a gain. How long is it?",
        low=0, high=1000)
predict("L09.b", "In the middle of the model, we make all states 1.5 times as long. The "
        "predictions", ["stay exactly the same", "change"])
moves = ["stretching it", "turning it at random", "both the same"]
predict("L09.c", "In the middle of the model, we move each state by half its length. Either we "
        "stretch it, or we turn it in a random direction and keep its length. What changes the "
        "prediction more?", moves)

# %% [markdown]
# ## Touch it
#
# Choose a station in the middle, and move the state of one token by some distance: stretch it, or
# turn it. Both move it equally far. Then choose the last station, and do it again.

# %% quiet
panel("turn")

# %% [markdown]
# ## Worked example: LayerNorm by hand
#
# Take the numbers 1, 2 and 3. Their mean is 2, which leaves -1, 0 and 1. The squares of these
# average to 2/3, and its root is 0.816. Dividing gives -1.22, 0 and 1.22. The squares of these
# average to 1, so their sum is 3, and the length is the root of 3. **The length is the root of the
# number of channels, not 1.** Start with 10, 20 and 30, and you get the same. (In code, `norms`
# gives the lengths of vectors.)

# %%
def layer_norm(x_D):
    centred_D = x_D - x_D.mean()
    return centred_D / centred_D.std()

for x_D in [np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])]:
    print(layer_norm(x_D).round(2), "length", norms(layer_norm(x_D)).round(3))

# %% quiet
x_96 = np.random.default_rng(0).standard_normal(96)
reveal("L09.a", float(norms(layer_norm(x_96))), "this is the root of 96, for every vector.")

# %% [markdown]
# ## Run it: stretch or turn, equally far
#
# At several stations of our model, we move all states by half their length, in one of three ways.
# Then the rest of the model goes on from there. A *stretch* makes a state 1.5 times as long and
# keeps its direction. A *turn* by 29 degrees keeps its length, and moves it as far. It goes in a
# random direction, or towards the state of another token.
#
# *KL divergence* says how far a prediction moved, in nats; 0 means not at all. The **baseline** is
# the turn in a random direction. If a stretch changes as much, then the model reads length as well
# as it reads any other direction.

# %% folded How far predictions move if the states of a station are moved
fables = zoo.load("fables")  # one model, trained from three seeds
text_BT = held_out(fables, 512)
stations = range(0, 2 * fables.config.depth + 1, 4)  # a block has two stations

def effect(model, move):
    """KL divergence of the prediction for each station, if all states there are moved."""
    seen = trace(model, text_BT)
    found = []
    for station in stations:
        x_BTD = seen.stream_RBTD[station]
        moved_ZD = move(x_BTD.reshape(-1, x_BTD.shape[-1])).astype(np.float32)
        logits_BTV = continue_from(model, station, moved_ZD.reshape(x_BTD.shape))
        found.append(kl(seen.logits_BTV, logits_BTV).mean())
    return found

# %%
def stretched(x_ZD):  # Z states of width D
    return 1.5 * x_ZD

def turned_at_random(x_ZD):
    noise_ZD = np.random.default_rng(0).standard_normal(x_ZD.shape)
    return turned(x_ZD, noise_ZD, 0.5)

def turned_to_another(x_ZD):
    return turned(x_ZD, np.roll(x_ZD, 1, axis=0), 0.5)

stretch = over_seeds(lambda model: effect(model, stretched), fables.models)
random = over_seeds(lambda model: effect(model, turned_at_random), fables.models)
other = over_seeds(lambda model: effect(model, turned_to_another), fables.models)

# %% folded Draw it, beside your prediction
after = [station // 2 for station in stations]
draw("l09_what_a_norm_sees", "Which move changes the prediction?", after,
     {"stretched to 1.5 times its length": stretch, "turned towards another token's state": other},
     {"turned at random, equally far": random},
     labels=("after block (0: after the embedding)", "KL divergence of the prediction (nats)"),
     ylim=(0, None), xticks=after)
middle = 2  # after block 4
print(f"after block 4: stretched {stretch[:, middle].mean():.3f} nats, turned at random "
      f"{random[:, middle].mean():.3f} nats; after block 6: {stretch[:, -1].mean():.3f} nats")
reveal("L09.b", "change" if stretch[:, middle].mean() > 0.001 else "stay exactly the same",
       "the next sublayer reads the same and writes the same. But its update is added to a "
       "longer state, and turns it less.")
larger = moves[0] if stretch[:, middle].mean() > random[:, middle].mean() else moves[1]
reveal("L09.c", larger, f"after block 4 it is {random[:, middle].mean():.3f} nats for the turn, "
       f"and {stretch[:, middle].mean():.3f} for the stretch.")

# %% [markdown]
# After the last block, a stretch does nothing: only a LayerNorm reads the state there. So a longer
# last state is not a surer one. In the middle, length is *inertia*: it does not change what the
# next sublayer reads, it changes how far the next updates can turn the state. The upper curve shows
# what matters most: a turn towards the state of another token.
#
# Where does confidence live, then? A logit is the dot product of what leaves the last LayerNorm
# with a row of the unembedding. Three things decide its size: the angle between the two, the length
# of the row, and the gain. The rows and the gain are the same for every state. **So what makes one
# prediction surer than another is the direction of the state.**
#
# ## Your turn
#
# 1. Write LayerNorm for many vectors at once. Real ones add a tiny epsilon to the variance.
# 2. Say first: does epsilon matter for long vectors, or for short ones? Then find how long a vector
#    is that leaves LayerNorm with only a part of the usual length.
# 3. Use the gain as a dial for confidence: by which factor do you have to multiply it to get the
#    entropy that you want?

# %% exercise L09.e1
@check("L09.e1")
def layer_norm_of_rows(x_BD, epsilon):
    """Return each row without its mean, divided by sqrt(variance + epsilon).

    The row [1, 2, 3] gives [-1.22, 0, 1.22] for an epsilon of 0.
    """
    ...

# %% exercise L09.e2
@check("L09.e2")
def length_at(share, width, epsilon):
    """Return the length of a vector with mean 0 that leaves LayerNorm with the
    length share * sqrt(width).

    With a share of 0.5, a width of 3 and an epsilon of 1 it is 1.
    """
    ...

# %% exercise L09.e3
@check("L09.e3")
def dial(logits_V, entropy):
    """Return the factor on all logits that gives their softmax this entropy, in
    nats.

    For the logits [2, 0] and an entropy of 0.582 it is about 0.5.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# What reads through a norm does not see a length, so length cannot be certainty there. States grow
# from block to block for another reason (lesson 7). The direction of the state decides both: which
# token, and how surely. The belief is right in a model without norms, where length acts as a
# temperature (lesson 5). After the last norm, length acts as a temperature too. But what leaves a
# norm has nearly the same length for all states, so length decides little. (Without a gain it would
# have exactly the same length.)

# %% quiet
quiz("L09")

# %% [markdown]
# ## Verdicts
#
# In them, the *norm of a state* is its length. The rank correlation of B31 says whether longer last
# states are surer. Above 0, longer states are less sure. Length cannot be the cause, because a
# stretch of the last state changes nothing. B37 moves the state after the last norm, where a
# stretch acts as a temperature. So its numbers differ from those of the figure.

# %% quiet
judge("B16", "B31", "B37", "C6")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 has a norm before each sublayer and before the unembedding too. It is an RMSNorm: a
# LayerNorm that does not subtract the mean. The gain of its last norm differs more from channel to
# channel than ours. So what leaves this norm differs more in length, and more of the entropy goes
# with length (B37).

# %% quiet
judge_real_model("B16", "B31", "B37")

# %% [markdown]
# ## In short
#
# Before its gain, a LayerNorm makes every vector as long as the root of the number of channels. In
# the middle of a model, length is inertia. Confidence lives in what a norm does not remove: the
# direction of the state, the gain, and the lengths of the unembedding's rows.

# %% quiet
finish("L09")
