# %% [markdown]
# # L06 One pass
# ## How much does one run of a model give?
#
# *30 minutes. You need softmax and temperature (lesson 5).*
#
# **What many believe.** "A model reads a text and predicts the next token. To write a hundred
# tokens it has to read the whole text a hundred times. And a text of a thousand tokens teaches it
# one thing: what comes at the end."
#
# The first sentence is true. Does the rest follow?
#
# Claims: to generate is to predict a token, append it, and run again (B17). The states of earlier
# tokens can be kept (B18). A pass makes a prediction at every position, and that makes training
# cheap (B19).
#
# ## Predict
#
# One *pass* is one run of the model over a row of tokens. At every position it ends with logits:
# which token would come next if the text stopped there?

# %% quiet
import numpy as np

from minitx.classroom import (
    check, draw, finish, held_out, judge, judge_real_model, panel, predict, quiz, reveal,
)  # fmt: skip
from minitx.compiled import trace
from minitx.measure import kl, softmax
from minitx.runs import zoo

places = ["all of them", "those from the 20th token on", "the last one only"]
predict("L06.a", "A row has 40 tokens. We replace the 20th by another one. Which of the 40 "
        "predictions change?", places)
predict("L06.b", "A prompt has 10 tokens, and a model writes 50 more. For each new token it reads "
        "the whole row so far. How many tokens does it read in total?", low=0)

# %% [markdown]
# ## Touch it
#
# Choose a prompt, look at the probabilities, and let the model draw a token and append it. Do it
# ten times: that is all there is to writing.

# %% quiet
panel("next")

# %% [markdown]
# ## Worked example: a loop that writes
#
# The model's tokens are single letters. It is small and was trained for 200 steps only, so what it
# writes has the look of English and no meaning. Attention looks back only, so the zeros behind the
# text change nothing.

# %%
family = zoo.load("positions-rope")  # a small model, trained from three seeds
model, tokenizer = family.models[0], family.data.tokenizer
random = np.random.default_rng(0)
row = np.zeros(64, int)  # room for 64 tokens
row[:8] = tokenizer.encode("The fox ")
for end in range(8, 64):
    logits_V = trace(model, row[None]).logits_BTV[0, end - 1]  # predict
    p_V = softmax(logits_V / 0.7)
    row[end] = random.choice(len(p_V), p=p_V)  # draw, append, run again
print(tokenizer.decode(row))

# %% quiet
reveal("L06.b", float(sum(10 + n for n in range(50))), "10, then 11, and so on up to 59. "
       "Most of that is reading what was read before.")

# %% [markdown]
# ## Run it: who sees a change?
#
# If a model could look ahead, a token would change the predictions before it as well. So we replace
# the 20th token in rows of 40, and measure at every position how far the prediction moves. *KL
# divergence* measures that, in nats; 0 means not at all. The **baseline** is 0: a position that
# cannot know of the change.

# %%
rows_BT = held_out(family, 64 * 40)[:, :40]  # text that the model has not seen
changed_BT = rows_BT.copy()
changed_BT[:, 19] = np.roll(rows_BT[:, 19], 1)  # the 20th token of another row

def moved(model):
    """How far the prediction moves at each position, as a mean over rows."""
    before_BTV = trace(model, rows_BT).logits_BTV
    after_BTV = trace(model, changed_BT).logits_BTV
    return kl(before_BTV, after_BTV).mean(axis=0)

moved_ET = np.array([moved(model) for model in family.models])

# %% folded Draw it, and find the first position that moves
positions = np.arange(1, 41)
draw("l06_one_pass", "The 20th token is replaced: which predictions move?", positions,
     {"how far the prediction moves": moved_ET}, {"cannot know": np.zeros(40)},
     labels=("position", "KL divergence (nats)"))
changed = np.flatnonzero(moved_ET.mean(axis=0) > 1e-6) + 1
print(f"first position that moves: {changed[0]}")
reveal("L06.a", places[1] if changed[0] == 20 else places[0], "attention looks back only. "
       "A position knows its own token and those before it.")

# %% [markdown]
# Look at the left of the figure: up to position 19, nothing moves at all. Far to the right hardly
# anything moves either, for another reason: those positions do see the 20th token, but this small
# model makes little use of letters so far back. Two things follow from the left half.
#
# - What the model computed for earlier tokens stays right when a token is appended. So it can be
#   kept in a *cache*, and each new token costs one position instead of a whole row.
# - Every prediction in a row is honest: it has not seen its answer, the next token. So a row of 40
#   tokens teaches 39 predictions, not one.
#
# ## Your turn
#
# 1. How many tokens are read with a cache, and how many without?
# 2. Draw from the best few tokens only (*top-k*). Say first: does a smaller k make texts more
#    varied, or less?
# 3. Build a mask that looks ahead by accident: a counterexample.

# %% exercise L06.e1
@check("L06.e1")
def tokens_read(prompt, new):
    """Return two numbers: tokens read without a cache, and with one.

    A prompt of 3 and 2 new tokens: without, 3 + 4 = 7. With, 3 + 1 = 4: the
    last new token is written, but nobody reads it any more.
    """
    ...

# %% exercise L06.e2
@check("L06.e2")
def top_k_probabilities(logits_V, k):
    """Return softmax among the k largest logits, and 0 for all other tokens.

    Logits [2, 1, 0] and k = 2 give [0.731, 0.269, 0].
    """
    ...

# %% exercise L06.e3
@check("L06.e3")
def leaking_mask(length):
    """Return mask_TS: True where position T may look at position S.

    Every position sees itself and all before it. One single position also sees
    one token that comes later.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# No position looks ahead. So nothing has to be computed twice, and every position makes a
# prediction of its own. The belief is right about models that look in both directions: there, one
# more token changes everything, and to predict a token that is visible teaches nothing.

# %% quiet
quiz("L06")

# %% [markdown]
# ## Verdicts
#
# For B19, two copies of one small model are trained: one learns from all predictions of each pass,
# the other from the last one only.

# %% quiet
judge("B17", "B18", "B19")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 has the same mask, so the same two things follow.

# %% quiet
judge_real_model("B17", "B18")

# %% [markdown]
# ## In short
#
# To write is to predict, draw, append, and run again. No position looks ahead, so earlier states
# can be kept. And one pass over a row teaches as many predictions as the row has next tokens.

# %% quiet
finish("L06")
