# %% [markdown]
# # L14 Channels
# ## Are the numbers of a state channels, like the bars of an equaliser?
#
# *35 minutes. You need updates (lesson 7) and what a LayerNorm and its gain do (lesson 9).*
#
# **What many believe.** "A map of places serves for words at rest. It fails for what layers do:
# nothing travels through a transformer. Think of sound. A state is a spectrum of D channels, the
# embedding presets their levels, and each layer is a filter: it turns some channels up and others
# down, as an equaliser does."
#
# The article that proposes this stops before it says what the filter of a layer is. So we test what
# the word means in sound: a filter multiplies each channel by a factor of its own.
#
# Claims: the map serves for embeddings at rest, but not for what layers do (A2). Travel is the
# wrong picture of inference (A15). Better: dimensions are channels, and layers are filters (A16).
#
# ## Predict
#
# A *channel* is one of the D numbers of a state, for example the third. Our model has D = 96.

# %% quiet
import dataclasses

import numpy as np

from minitx.classroom import (
    Picture, check, draw, finish, held_out, judge, judge_real_model, over_seeds, predict, quiz,
    reveal, show_ledger, states, write,
)  # fmt: skip
from minitx.compiled import trace
from minitx.evidence.axes import in_other_axes
from minitx.evidence.linear_maps import explained, factor, factors, of_tokens, ridge, rotation
from minitx.measure import softmax
from minitx.model import Transformer
from minitx.runs import zoo

same = ["stay the same", "change a little", "fall apart"]
predict("L14.a", "We put the 96 channels into a random order: in both tables, and in all weights "
        "that read or write the state. The predictions", same)
share = predict("L14.b", "We predict a block's update from the state, with one factor for each "
                "channel. Which share of the update does that explain on other text? (0: no more "
                "than the mean update explains. 1: all.)", low=0, high=1)
ways = ["explain much less", "explain about as much", "explain much more"]
predict("L14.c", "We do the same with 96 random directions in place of the channels. They", ways)

# %% [markdown]
# ## Touch it: a spectrum
#
# Here are the 96 numbers of one state as bars, from the same model three times. First its channels
# are as training left them. Then we put them into another order, in all weights: a random one, and
# one from the lowest bar to the highest.

# %% folded Draw one state, with its channels in three orders
fables = zoo.load("fables")  # one model, trained from three seeds
D = fables.config.width
text_BT = held_out(fables, 2048)  # text that the model has not seen

def spectrum(text, block):
    """Draw the state at the end of a text, and return how far reordering moved a logit."""
    model, tokenizer = fables.models[0], fables.data.tokenizer
    tokens_1T = np.array([tokenizer.encode(text)])
    x_D = trace(model, tokens_1T).states_LBTD[block, 0, -1]
    shuffled_D = np.random.default_rng(0).permutation(D)
    orders = {"as trained": np.arange(D), "shuffled": shuffled_D, "sorted": np.argsort(x_D)}
    picture = Picture("l14_spectrum", f"The state after block {block} of {text!r}", panels=3)
    logits = []
    for panel, (title, order_D) in enumerate(orders.items()):
        seen = trace(in_other_axes(model, np.eye(D)[:, order_D]), tokens_1T)
        logits.append(seen.logits_BTV[0, -1])
        p_V = softmax(logits[-1])
        best = [f"{tokenizer.tokens[v]!r} {p_V[v]:.4f}" for v in np.argsort(p_V)[:-4:-1]]
        print(f"channels {title}: what comes next? {', '.join(best)}")
        picture.axes[panel].bar(np.arange(D), seen.states_LBTD[block, 0, -1], color="#0072B2")
        picture.dress(panel, f"channels {title}", "channel", "level")
    picture.save()
    return np.ptp(logits, axis=0).max()

moved = spectrum("The fox ", block=3)
reveal("L14.a", same[0] if moved < 0.01 else same[1], "three different spectra belong to the same "
       f"model. The largest change of a logit is {moved:.0e}, which is rounding.")

# %% [markdown]
# So no channel is low or high, and no channel has neighbours: **the order of channels means
# nothing**. Why?
#
# ## Worked example: order and angle cancel
#
# All that reads a state takes dot products with it. The state [1, 2], read with the weights [4, 1],
# gives 1·4 + 2·1 = 6. Exchange the two channels in both: 2·1 + 1·4 = 6. We can even turn both. A
# *rotation* keeps all lengths and angles, and so all dot products. But it mixes the channels.

# %%
x, w = np.array([1.0, 2.0]), np.array([4.0, 1.0])
print("as it is:", x @ w, " exchanged:", x[::-1] @ w[::-1], " in the state only:", x[::-1] @ w)
turn = np.array([[0.6, -0.8], [0.8, 0.6]])  # its rows have length 1 and stand at a right angle
print("turned:", x @ turn, "read with", w @ turn, "gives", round((x @ turn) @ (w @ turn), 9))

# %% [markdown]
# So can we rotate the states of a whole model? LayerNorm is in the way: it subtracts the mean over
# channels, and multiplies each channel by its own gain. *RMSNorm* without a gain only divides by a
# number that depends on the length. We take an untrained model with such RMSNorms, and rotate all
# that reads or writes its states.

# %%
bare = dataclasses.replace(fables.config, norm="rmsnorm", norm_gain=False, init_std=0.1)
turn_DD = rotation(D, np.random.default_rng(0))  # at random
models = Transformer(bare), in_other_axes(Transformer(bare), turn_DD)
before, after = (trace(model, text_BT).logits_BTV for model in models)
print(f"logits reach {before.max():.1f}; turning moves them by {abs(after - before).max():.0e}")

# %% [markdown]
# ## Run it: are the channels special?
#
# Is each block an equaliser, with a factor for each channel? We fit these factors to one half of a
# text and test them on the other half. The **baseline** does the same along random directions: if
# it does as well, the channels are nothing special. Three rivals help to judge the share: one
# factor for all channels; the mean update of the present token, whatever the state is; and a
# matrix, which mixes all channels.

# %%
half = text_BT[:, 1:].size // 2

def by_factors(x_ZD, u_ZD):  # from states x and updates u, less their means
    factor_D = factors(x_ZD[:half], u_ZD[:half])  # fitted to one half
    return explained(u_ZD[half:], factor_D * x_ZD[half:])  # tested on the other

# %% folded The same for the baseline and the rivals, and a figure with your prediction
first_Z, second_Z = np.split(text_BT[:, 1:].ravel(), [half])  # the tokens of both halves

def by_block(model):
    """Five accounts: a row of shares for each, a column for each block."""
    x_LZD = states(model, text_BT)  # after the embedding and after each block
    x_LZD = x_LZD - x_LZD[:, :half].mean(axis=1, keepdims=True)
    pairs = list(zip(x_LZD[:-1], np.diff(x_LZD, axis=0), strict=True))  # state and update
    return [[by_factors(x, u) for x, u in pairs],
            [by_factors(x @ turn_DD, u @ turn_DD) for x, u in pairs],
            [explained(u[half:], factor(x[:half], u[:half]) * x[half:]) for x, u in pairs],
            [explained(u[half:], of_tokens(first_Z, u[:half], second_Z)) for x, u in pairs],
            [explained(u[half:], x[half:] @ ridge(x[:half], u[:half])) for x, u in pairs]]

channels, turned, one, token, matrix = over_seeds(by_block, fables.models).swapaxes(0, 1)
draw("l14_channels", "What explains a block's update?", np.arange(1, fables.config.depth + 1),
     {"a matrix": matrix, "a factor for each channel": channels, "the present token": token,
      "one factor for all channels": one},
     {"a factor for each random direction": turned},
     labels=("block", "share of the update that is explained"), guess=(share, 3), ylim=(0, 1))
reveal("L14.b", float(channels.mean()), f"as a mean over blocks. All channels together, a matrix, "
       f"explain {matrix.mean():.2f}. The rest comes from other tokens, and is not linear.")
gain = channels.mean() - turned.mean()
reveal("L14.c", ways[1] if abs(gain) < 0.05 else ways[0 if gain > 0 else 2],
       f"the channels are ahead by {gain:.3f}.")

# %% [markdown]
# The equaliser explains something, but random directions do nearly as well. The lowest line shows
# most of the reason: a block partly shrinks or stretches the whole state, and that is the same in
# any axes. The small lead of the channels grows in later blocks. Two things in our model treat
# channels one by one: the gains of its LayerNorms, and Adam, the rule by which it was trained. Adam
# divides each gradient by its usual size, and in turned axes these sizes would be others.
#
# ## Your turn
#
# 1. Put the channels of a small network into another order, so that its output stays the same.
# 2. Say first: if every update were -0.3 times its state, what would the factors be? Then write the
#    fit of an equaliser.
# 3. Build a world in which channels are real: factors explain all, and nothing in turned axes.

# %% exercise L14.e1
@check("L14.e1")
def network_in_order(e_VD, in_DF, out_FD, u_VD, order_D):
    """Return the four arrays of the same network, its channels in another order.

    It reads token t as x = e_VD[t], adds np.maximum(x @ in_DF, 0) @ out_FD, and has
    the logits x @ u_VD.T. Channel i of the new network is channel order_D[i] of the
    old one.
    """
    ...

# %% exercise L14.e2
@check("L14.e2")
def equaliser(x_ZD, u_ZD):
    """Return factor_D: for each channel, the factor f with the least sum of
    (u - f x)**2.

    A channel with x = [1, 2] and u = [3, 6] gets 3. With u = [5, 0] it gets 1.
    """
    ...

# %% exercise L14.e3
@check("L14.e3")
def true_channels():
    """Return x_Z2 and u_Z2, states and updates with two channels.

    A factor for each channel explains at least 0.99 of u. After the axes were turned
    by 45 degrees, factors explain less than 0.01.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# An equaliser keeps its channels apart, and a block mixes them. The belief is right where something
# treats each channel by itself. The gain of a LayerNorm is an equaliser, the same one for all
# tokens. The hidden layer of an MLP has true channels: its nonlinearity takes each number alone.
#
# And the map, on which each token has a place? It is a fair picture of embeddings. In our small
# model, the token alone even explains half of an update: more than the equaliser does.

# %% quiet
quiz("L14")

# %% [markdown]
# ## Verdicts
#
# They use more text than we did. *Principal axes* are the directions along which states differ
# most. A *map of rank one* is a matrix that reads one number and writes in one direction. *Excess
# kurtosis* is large if a few channels are much larger than all others.

# %% quiet
judge("A2", "A15", "A16")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 has what our model lacks: a few channels many times as large as all others. So its axes
# are special. Still, factors explain little. Its paths are hardly straighter than a random walk.

# %% quiet
judge_real_model("A2", "A15", "A16")

# %% [markdown]
# ## In short
#
# The order of channels means nothing, and in some models even their directions mean nothing. What
# can be asked is whether the axes are special. Even where they are, a block mixes its channels.
#
# ## Your picture
#
# Below is your ledger: what your machine found, lesson by lesson. Read it. Which picture of a
# transformer do you hold now, and which measurement would change your mind? Nobody grades it.

# %% quiet
show_ledger()
write("L14.picture", "Write it down: what happens inside a transformer, in your own words?")

# %% quiet
finish("L14")
