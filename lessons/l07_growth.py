# %% [markdown]
# # L07 Growth
# ## Why does the state get longer from block to block?
#
# *35 minutes. You need the length of a vector, and what a block is (lesson 0).*
#
# **What many believe.** "Every layer makes the state longer, in larger and larger steps, so its
# length grows exponentially. The reason is the residual connection, which adds everything up. And
# without the residual connection, gradients would die."
#
# Claims: every layer makes the state longer (A8), in larger and larger steps (A10), because
# everything is added up (A13). Without the residual connection, gradients die (A12).
#
# ## Predict
#
# A block reads the state x of a token and computes an *update* u, its step. The *residual
# connection* then adds it: the new state is x + u, not u.

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
# The panel shows the length (the *norm*) of the state at every station, for the trained model and
# for the same model before training. On the logarithmic axis, exponential growth is a straight
# line.

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
# state. For in many dimensions, a random vector stands nearly at a right angle to any other: in
# their dot product, positive and negative terms cancel. What lies above the baseline comes from
# updates that point along the state.
#
# ## Run it: our model, before and after training
#
# After each block, we measure how long the state is, in lengths of the embedding. We take the
# median over 1,000 tokens of *held-out* text, which the model has not seen in training.

# %%
fables = zoo.load("fables")  # one model, trained from three seeds
text_BT = held_out(fables)

def growth(model):
    """Return the lengths of states, of sums at right angles, and of updates."""
    x_LZD = states(model, text_BT)  # after the embedding and after each block
    u_LZD = np.diff(x_LZD, axis=0, prepend=0)  # the embedding counts as the first update
    right_angles_LZ = np.sqrt(np.cumsum(norms(u_LZD) ** 2, axis=0))  # squares add up
    lengths = np.array([norms(x_LZD), right_angles_LZ, norms(u_LZD)])
    return np.median(lengths / norms(x_LZD[0]), axis=2)  # in lengths of the embedding

trained, right_angles, updates = over_seeds(growth, fables.models).swapaxes(0, 1)
untrained, untrained_angles, _ = over_seeds(growth, fables.untrained).swapaxes(0, 1)

# %% folded Draw it, beside your prediction
blocks = np.arange(fables.config.depth + 1)
draw("l07_growth", "How long is the state after each block?", blocks,
     {"trained": trained, "the same model, untrained": untrained},
     {"trained, every update at a right angle": right_angles},
     labels=("block (0: the embedding)", "length, in lengths of the embedding"),
     guess=(times, blocks[-1]))
by_block = updates[:, 1:].mean(axis=0).round(1)
print("updates of blocks 1 to 6, in lengths of the embedding:", by_block)
for name, angles, whole in [("trained", right_angles, trained),
                            ("untrained", untrained_angles, untrained)]:
    share = angles[:, -1] / whole[:, -1]
    print(f"{name}: right angles give {share.mean():.0%} of the length after block 6, "
          f"and {(share**2).mean():.0%} of its square")
first = trained[:, 1].mean()
reveal("L07.b", float(trained[:, -1].mean()), f"block 1 alone makes the state {first:.1f} times as "
       f"long, and the other five together {trained[:, -1].mean() / first:.1f} times.")

# %% [markdown]
# Look at block 1 first. Training has made its update several times as long as the embedding, so it
# multiplies the length by more than all other blocks together. In the untrained model, the update
# is shorter than the embedding, and block 1 changes little. So "how many times" says little: beside
# a longer embedding, the same updates would make a smaller factor. Are the steps larger and larger?
# The printed lengths of the updates say no.
#
# Then look at the gap between the trained curve and the dashed line. It comes from updates that
# point partly along the state. At right angles, squares add up and lengths do not, so we judge by
# the share of the square. For the untrained model it is about 100 %: its updates know nothing about
# the state.
#
# ## And the gradient?
#
# Training has to know how the loss depends on the first block. This is the block's *gradient*. It
# is computed from the last block backwards, and each block on the way multiplies it by a factor.
# Without the residual connection, let this factor be 0.5. With it, the new state is x + u. The x in
# it passes a change on as it is, so the factor is 1 + 0.5. In the last column, deeper models start
# with smaller updates: 0.5 is divided by the number of blocks.

# %%
print("blocks  without     with  with smaller updates")
for depth in (4, 12, 24):
    smaller = (1 + 0.5 / depth) ** depth
    print(f"{depth:6} {0.5**depth:8.2g} {1.5**depth:8,.0f} {smaller:21.2f}")

# %% [markdown]
# Without the connection, this gradient dies. With it, the gradient explodes, unless updates start
# small. The verdict on A12 has the same three cases in models of 4 to 24 blocks, as what each
# further block leaves: here 50 %, 150 % and about 100 %. It also asks what *LayerNorms* can do
# alone, the steps that divide a vector by its length (lesson 5).
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
# States do get longer, here in every block. But the steps do not get larger, and "adds everything
# up" explains only what right angles would give. Training made the rest. And to say "exponentially"
# takes more blocks than we have: over six of them, a straight line, a square root and an
# exponential can hardly be told apart. The verdict on A11 in lesson 8 compares them. About
# gradients the belief is half right: without the connection they can die, but LayerNorms can keep
# them alive as well.

# %% quiet
quiz("L07")

# %% [markdown]
# ## Verdicts
#
# In them, the *norm* of a vector is its length. They read more of the held-out text. The share of
# adding alone (A13) is smaller than ours, because it sums the squares of all tokens, and the
# longest states count most. It also counts attention and MLP of a block as two updates.

# %% quiet
judge("A8", "A10", "A12", "A13")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 has 30 blocks. There, adding alone gives most of the squared length, and later updates are
# longer. Here our model of six blocks is too small to stand for a large one.

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
