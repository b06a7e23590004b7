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
# An article that this course tests says that it does not. Claims: to generate is to predict a
# token, append it, and run again (B17). But the states of earlier tokens can be kept (B18). And a
# pass makes a prediction at every position, which makes training cheap (B19).
#
# ## Predict
#
# One *pass* is one run of the model over a row of tokens. At every position it ends with logits:
# which token would come next if the text stopped there?

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, held_out, judge, judge_real_model, panel, predict, quiz, reveal,
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
# Choose a prompt and look at the probabilities. Let the model *draw* a token: it chooses one by
# chance, each with its probability. The token is appended. Do it ten times: that is all there is to
# writing.

# %% quiet
panel("next")

# %% [markdown]
# ## Worked example: a loop that writes
#
# The model's tokens are single letters. It is small and was trained for 200 steps only, so its
# words look like English and mean nothing. Zeros fill the row behind the text. The next section
# shows why they do no harm.

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
       "Most of them were read before.")

# %% [markdown]
# ## Run it: who sees a change?
#
# If a model could look ahead, a token would change the predictions before it as well. So we replace
# the 20th token in rows of 40, and measure at every position how far the prediction moves.
#
# The measure is the *KL divergence*, in nats. It says how much less likely the new prediction makes
# a token that is drawn from the old prediction. At 0 nats nothing changes. At 0.7 nats such a token
# is half as likely on average, and at 2.3 nats a tenth as likely. A position that cannot know of
# the change has 0. This is the **baseline**.

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
positions_ET = np.tile(np.arange(1, 41), (len(moved_ET), 1))
picture = Picture("l06_one_pass", "The 20th token is replaced: which predictions move?")
picture.level(0, 0.0, "a position that cannot know of the change")
picture.dots(0, positions_ET, moved_ET, "how far the prediction moves, a dot for each seed")
picture.dress(0, "", "position", "KL divergence (nats)", xticks=[1, 10, 20, 30, 40])
picture.save()
changed = np.flatnonzero(moved_ET.mean(axis=0) > 1e-6) + 1
before_RBTD = trace(model, rows_BT).stream_RBTD
after_RBTD = trace(model, changed_BT).stream_RBTD
states_move = np.abs(after_RBTD - before_RBTD)[:, :, :19].max()
print(f"first prediction that moves: at position {changed[0]}")
print(f"largest change of a number in the states of positions 1 to 19: {states_move:.1g}")
reveal("L06.a", places[1] if changed[0] == 20 else places[0], "attention looks back only. "
       "A position knows its own token and those before it.")

# %% [markdown]
# Look at the left of the figure: up to position 19, no prediction moves. The second printed line
# says the same about the states inside. In every block, a *mask* hides later positions from
# attention. Far to the right hardly anything moves either, for another reason: those positions do
# see the 20th token, but this small model makes little use of letters so far back. Two things
# follow from the left half.
#
# - An appended token changes no earlier state. Its own position reads the earlier ones through
#   attention alone: in every block, it needs two vectors of each, a *key* and a *value*, which are
#   computed from the state. A *cache* keeps these vectors. So each new token costs one position
#   instead of a whole row.
# - Every prediction in a row is honest: it has not seen its answer, the next token. So a row of 40
#   tokens teaches 39 predictions, not one. (The 40th token has no next token in the row.)
#
# ## Your turn
#
# 1. How many tokens are read with a cache, and how many without?
# 2. Draw from the k most likely tokens only (*top-k*). Say first: does a smaller k make texts more
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
# prediction of its own. The belief is right about models that look in both directions. There, one
# more token changes all states, so a cache would be out of date after each token. And such a model
# sees the next token already, so it learns nothing from predicting it.

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
