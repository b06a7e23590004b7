# %% [markdown]
# # L00 First run
# ## What is embedded, and what are the pieces?
#
# *30 minutes. You need a little Python, vectors and the dot product.*
#
# **What many believe.** "A transformer is a long way: small ones have 32
# layers, large ones more than a hundred. Its pieces are quickly listed:
# tokenizer, embedding, positions, attention, MLP, unembedding. Where a token
# stands is a detail, and the story can be told without it."
#
# Claims: small transformers have 32 layers, large ones more than a hundred
# (A7). The list of the pieces is complete (B3). Positions can be left out of
# the story (B15). And a question: how are tokens embedded (C12)?
#
# ## Predict
#
# A *token* is a piece of text with a number. Here, each character is one. A
# *transformer* reads tokens, and gives each possible next token a probability
# p. Its *loss* is minus the logarithm of the probability of the token that
# really comes next: how surprised the model is. Its unit is the *nat*. A loss
# of 0 means never surprised. If the model found all 73 characters of our text
# equally likely, its loss would be ln 73, or 4.29 nats.

# %% quiet
import numpy as np

from minitx import generate
from minitx.classroom import (
    Picture, check, finish, judge, judge_real_model, panel, predict, quiz,
    reveal,
)  # fmt: skip
from minitx.classroom.diagrams import draw_pieces
from minitx.compiled import trace
from minitx.evidence.pipeline import LAYERS
from minitx.runs import zoo

guess = predict("L00.a", "A small model learns a row of numbers for each place in the "
                "text. Another is trained without any positions. How much higher is the "
                "loss without them? (Below 0: it is lower.)", low=-4, high=4, unit="nats")
predict("L00.b", "We look at nine published models. How many layers does the smallest "
        "one, Pythia 70M, have?", low=1, high=200, unit="layers")

# %% [markdown]
# ## Touch it
#
# Type the beginning of a text, and let our model go on.

# %% quiet
panel("next")
fables = zoo.load("fables")
begin_BT = fables.data.tokenizer.encode("The fox")[None]
made = list(generate(fables.models[0], begin_BT, 64, temperature=0.5))
print("it goes on: The fox" + fables.data.tokenizer.decode(np.concatenate(made, 1)[0]))

# %% [markdown]
# It does not write sentences, for it is small. It learned for a minute from a
# text of 100 KB, and knows which letters follow each other, and a few short
# words. Real models have the same pieces, many more of each, and have read far
# more.
#
# ## Worked example: one text on its way through
#
# Each token becomes a vector of D numbers, its *state*. A *block* (or layer)
# is an *attention*, which lets a token read earlier ones, and an *MLP*, which
# works on each token alone. Both **add** what they find to the state.
#
# The letters after a name are the axes of its array: B texts, T tokens, D
# numbers in a state, V tokens in the vocabulary, N blocks. R counts *stations*,
# where we look at the states: one after the embedding, and two in each block.
# Attention looks with H *heads* at once. The *pattern* of a head says how much
# each of T places reads from each of S places.

# %%
learned = zoo.load("positions-learned")  # trained on this machine, once
model = learned.models[0]
tokens_BT = learned.data.tokenizer.encode("The fox")[None]  # one text
seen = trace(model, tokens_BT)  # a record of all that happens on the way
for name in ("token_BTD", "stream_RBTD", "pattern_NBHTS", "logits_BTV"):
    print(f"{name:14} {getattr(seen, name).shape}")
row_D = model.embedding.table[tokens_BT[0, 2]]  # the row of "e"
place_D = model.position.table[2]  # the row of the third place
error = np.abs(row_D + place_D - seen.stream_RBTD[0, 0, 2]).max()
print(f"row of 'e' + row of its place - its first state: {error:.1g}")

# %% [markdown]
# This is what is embedded: each token has a row in a table, and each place
# has a row in another. The first state of a token is the sum of the two.
# Two blocks make R = 1 + 2 * 2 = 5 stations. At the end, the *unembedding*
# has a row for each token too. The dot product of that row with the last state
# is the token's *logit*, its score. Here is the whole way as a diagram. Lesson
# 5 explains its softmax, lesson 9 its LayerNorm.

# %%
draw_pieces("l00_pieces", "The fox", seen)
best = np.argsort(-seen.logits_BTV[0, -1])[:3]
print("likeliest after 'The fox':",
      [learned.data.tokenizer.tokens[id] for id in best])

# %% [markdown]
# ## Run it: four ways to know the place
#
# *None*; a *learned* row for each place; *sinusoidal*, where the rows are
# fixed sines and cosines; and *RoPE*, which adds nothing, but turns what
# attention compares by an angle that grows with the place. Each is trained
# from three *seeds*, which fix the random numbers that training begins with.
# Its loss is measured on *held-out* text, which it has not learned from.
#
# The **baseline** is what we would see if there were nothing to see: here, a
# guess by how frequent each character is. If a model's loss is as high, then
# it has learned nothing from the order of the characters.

# %%
kinds = ["none", "learned", "sinusoidal", "rope"]
families = [zoo.load(f"positions-{kind}") for kind in kinds]
losses = np.array([family.val_losses[:, -1] for family in families])
higher = losses - losses[1]  # than with learned positions, seed by seed
for kind, loss in zip(kinds, losses, strict=True):
    print(f"{kind:10} loss {loss.mean():.3f}, {loss.min():.3f} to {loss.max():.3f}")

# %% folded Draw the differences, the baseline and your prediction
data = learned.data
count_V = np.bincount(data.train_tokens, minlength=len(data.tokenizer))
share_V = np.maximum(count_V, 1) / count_V.sum()
frequencies = -np.log(share_V[data.val_tokens]).mean()
picture = Picture("l00_first_run", "What is it worth to know the place?")
picture.bars(0, kinds, higher.T)
picture.level(0, frequencies - losses[1].mean(), "frequencies alone")
picture.guess(0, guess, words="none", at=0)
picture.dress(0, "", "positions", "loss above that of learned (nats)")
picture.save()
reveal("L00.a", round(float(higher[0].mean()), 3), "a token can read only "
       "earlier tokens, and so it has a hint of its place even without "
       f"positions. With RoPE the loss is {-higher[3].mean():.2f} nats lower than "
       "with learned ones.")

# %% [markdown]
# Each bar is the mean of three seeds, and its whisker goes from the lowest to
# the highest. Bars below zero are better than learned positions. A learned row
# for place 40 learns only from what stands at place 40, and training was short.
# RoPE tells attention how far away each token is, and "three places back" means
# the same everywhere in a text. So in this small model the *kind* of positions
# counts for more than having any.
#
# And the layers? From papers and published configurations:

# %%
for name, layers in LAYERS.items():
    print(f"{name:16} {layers:4} layers")

# %% quiet
reveal("L00.b", LAYERS["Pythia 70M"], "there is no smallest number of layers "
       "that makes a transformer. Ours has two, and the same pieces.")

# %% [markdown]
# ## Your turn
#
# 1. Put the pieces together.
# 2. A model knows nothing. What is its loss? Say first whether a larger
#    vocabulary makes it higher or lower.
# 3. Attention without positions sees what was there, but not in which order.
#    Build two texts that one block without positions cannot tell apart.

# %% exercise L00.e1
@check("L00.e1")
def put_together(token_TD, place_TD, sublayers, unembedding_VD):
    """Return logits_TV. Each sublayer is a function from states to updates.

    token [[1, 0]], place [[0, 1]], one sublayer that doubles, unembedding
    [[1, 1]]: the first state is [[1, 1]], the last [[3, 3]], the logit [[6]].
    """
    ...

# %% exercise L00.e2
@check("L00.e2")
def loss_of_knowing_nothing(vocab):
    """Return the loss in nats if all tokens are equally likely: 2 give 0.693."""
    ...

# %% exercise L00.e3
@check("L00.e3")
def look_alike(letters):
    """Return two different texts made of `letters`, such as "abc".

    From the last token, attention has to see the same in both of them.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# The list of the pieces leaves out the most important sign in the diagram:
# the plus. Without the additions around attention and MLP, and without
# LayerNorm, the same weights predict something else (B3 below has the
# numbers). A transformer may have any number of layers. About positions the
# belief may be right: much of what later lessons find about states can be told
# without them. B15 judges their claims again on models without positions.

# %% quiet
quiz("L00")

# %% [markdown]
# ## Verdicts
#
# Each claim, what our models say over three seeds, and the rule that decided.
# In B15 the loss without positions stands beside the mean of the three kinds
# with them; your prediction was about learned ones alone.

# %% quiet
judge("A7", "B3", "B15", "C12")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 has 30 blocks. It uses RoPE, so nothing is added for the place, and
# the row alone is the first state. It needs the plus signs just as much.

# %% quiet
judge_real_model("A7", "B3", "C12")

# %% [markdown]
# ## In short
#
# A token's first state is its row, plus the row of its place if positions are
# added. Attention and MLP add to the state, block after block, and the
# unembedding compares the last state with a row for each token. In our small
# model it matters more how places are marked than whether they are.

# %% quiet
finish("L00")
