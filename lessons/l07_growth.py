# %% [markdown]
# # L07 Growth
# ## Why does the state get longer from block to block?
#
# *35 minutes. You need the length of a vector, and what a block is (lesson 0).*
#
# **What many believe.** "Every layer makes the state longer, in bigger and bigger steps, so its
# length grows exponentially. That is what the residual connection does: it adds everything up. Its
# purpose is another one: it keeps the gradient alive."
#
# Claims: every layer makes the state longer (A8), in larger and larger steps (A10), because
# everything is added up (A13). Without the residual connection, gradients die (A12).
#
# ## Predict
#
# A block reads the state x of a token and computes an *update* u. The *residual connection* then
# adds it: the new state is x + u, not u.

# %% quiet
import numpy as np

from minitx.classroom import (
    check, draw, finish, held_out, judge, judge_real_model, over_seeds, panel,
    predict, quiz, reveal, states,
)  # fmt: skip
from minitx.measure import norms
from minitx.runs import zoo

predict("L07.a", "A state of length 1 gets 99 updates, one after the other. Each has length 1 and "
        "stands at a right angle to the state at that time. How long is the state at the end?",
        low=0)
times = predict("L07.b", "Our trained model has six blocks. How many times as long as the "
                "embedding is the last state?", low=0, unit="times")

# %% [markdown]
# ## Touch it
#
# The panel shows the length of the state at every station, for the trained model and for the same
# model before training. Switch the axis to logarithmic: exponential growth is a straight line
# there.

# %% quiet
panel("growth")

# %% [markdown]
# ## Worked example: three ways to add
#
# A state of length 3 gets an update of length 4. If both point the same way, the new length is 7.
# If they stand at a right angle, it is 5, by Pythagoras: 9 + 16 = 25. If they point in opposite
# directions, it is 1. **The angle decides how much an update lengthens the state.**

# %%
x = np.array([3.0, 0.0])  # a state of length 3
for u in [np.array([4.0, 0.0]), np.array([0.0, 4.0]), np.array([-4.0, 0.0])]:
    print(f"update {u}: the new state has length {norms(x + u):.0f}")

# %% quiet
length = np.sqrt(1 + 99 * 1**2)  # at right angles, squares of lengths add up
reveal("L07.a", float(length), "squares add up at right angles, and 1 + 99 is 100. Lengths would "
       "only add up if all updates pointed the same way.")

# %% [markdown]
# So we can ask what *adding alone* would give: all updates as long as they are, but each at a right
# angle to the state. This is our **baseline**, what we would see if updates knew nothing about the
# state. What lies above it comes from updates that point along the state.
#
# ## Run it: our model, before and after training
#
# For each block: how many times as long the state is as the embedding, as a median over 1,000
# tokens of held-out text, which the model has not seen in training.

# %%
fables = zoo.load("fables")  # one model, trained from three seeds
text_BT = held_out(fables)

def growth(model):
    """Length after each block, in lengths of the embedding: as it is, and at right angles."""
    x_LZD = states(model, text_BT)  # after the embedding and after each block
    updates = x_LZD[1:] - x_LZD[:-1]
    start = norms(x_LZD[0])
    squares = start**2 + np.cumsum(norms(updates) ** 2, axis=0)
    lengths = [norms(x_LZD[1:]) / start, np.sqrt(squares) / start]
    return np.median(lengths, axis=2)

trained, right_angles = over_seeds(growth, fables.models).swapaxes(0, 1)
untrained, _ = over_seeds(growth, fables.untrained).swapaxes(0, 1)

# %% folded Draw it, beside your prediction
blocks = np.arange(1, fables.config.depth + 1)
draw("l07_growth", "How long is the state after each block?", blocks,
     {"trained": trained, "the same model, untrained": untrained},
     {"trained, every update at a right angle": right_angles},
     labels=("block", "length, in lengths of the embedding"), guess=(times, 6))
share = (right_angles[:, -1] / trained[:, -1]) ** 2
print(f"after block 6, adding alone gives {share.mean():.0%} of the squared length")
reveal("L07.b", float(trained[:, -1].mean()), "the embedding starts out short, and block 1 alone "
       f"makes the state {trained[:, 0].mean():.1f} times as long.")

# %% [markdown]
# Look at block 1 first: it multiplies the length by more than all other blocks together, because
# our embedding begins with very small numbers. With a longer embedding, the same updates would make
# a smaller factor. So "how many times" says little.
#
# Then look at the gap between the trained curve and the dashed line. Squares add up, so the printed
# share compares squares. What is missing to 100 % comes from updates that point along the state.
# (The verdict on A13 counts attention and MLP of each block as two updates, so the share of adding
# alone is smaller there.)
#
# ## And the gradient?
#
# Training has to know how the loss depends on the first block. This is the block's *gradient*. It
# is computed from the last block backwards, and each block on the way multiplies it by a factor.
# Let that factor be 0.5. With the residual connection, the way around the block adds 1 to it.

# %%
for depth in (4, 12, 24):
    print(f"{depth:2} blocks: times {0.5**depth:.2g} without, times {1.5**depth:,.0f} with it")

# %% [markdown]
# Without the connection, this gradient dies. With it, the gradient can also explode. The verdict on
# A12 below measures both in models of 4 to 24 blocks, and also what norms alone can do.
#
# ## Your turn
#
# 1. Write the residual stream.
# 2. N updates of one length, each at a right angle to the state, double the length of the state.
#    How long is each of them? Say first: does this fall with 1/N, or with 1/sqrt(N)?
# 3. Build updates that are as long as the state and still make it shorter.

# %% exercise L07.e1
@check("L07.e1")
def stream(x_D, blocks):
    """Return the list of states: x_D first, then the state after each block.

    `blocks` are functions from a state to an update. If x is [1] and the only
    block returns 2 * x, the states are [1] and [3].
    """
    ...

# %% exercise L07.e2
@check("L07.e2")
def update_length(n):
    """Return the length of each of n updates at right angles that take length 1
    to length 2.

    A single update needs the length 1.732, the square root of 3.
    """
    ...

# %% exercise L07.e3
@check("L07.e3")
def shrinking_updates(x_D):
    """Return three updates u_3D: each is as long as x_D, and x_D plus all three
    is shorter than x_D.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# States do get longer, in nearly every block. But "because everything is added up" explains only
# what right angles would give. The rest is something that training made. And to say "exponentially"
# takes more blocks than we have: over six of them, a straight line, a square root and an
# exponential can hardly be told apart. The verdict on A11 in lesson 8 compares them. About
# gradients the belief is half right: without the connection they can die, and norms can keep them
# alive as well.

# %% quiet
quiz("L07")

# %% [markdown]
# ## Verdicts
#
# In them, the *norm of a vector* is its length. The *norms in a model* are its LayerNorms.

# %% quiet
judge("A8", "A10", "A12", "A13")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 has 30 blocks. There, adding alone gives most of the squared length, and steps do get
# longer with depth. Here our model of six blocks is too small to stand for a large one.

# %% quiet
judge_real_model("A8", "A10", "A13")

# %% [markdown]
# ## In short
#
# At right angles, squares of lengths add up: that much growth is nothing but adding. Growth beyond
# that comes from updates along the state. "How many times as long" depends on how short the
# embedding is.

# %% quiet
finish("L07")
