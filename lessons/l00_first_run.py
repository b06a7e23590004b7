# %% [markdown]
# # L00 First run
# ## What is embedded, and what are the pieces?
#
# *30 minutes. You need a little Python, vectors and the dot product.*
#
# Two articles say how to think about transformers: *From Spatial Navigation to
# Spectral Filtering* by Erez Azaria, and *Transformer Token Vectors Are Not
# Points in Space* by NickyP. Our lessons test their claims. A code names a
# claim: A7 is from the first article, B3 from the second, C12 from a comment
# below the second. `minitx ledger` lists all claims.
#
# **What many believe.** "Small transformers have 32 layers, large ones more
# than a hundred. The pieces are: tokenizer, embedding, positions, attention,
# MLP, unembedding. The place of a token in the text is a detail."
#
# Claims: small transformers have 32 layers, large ones more than a hundred
# (A7). The list of the pieces is complete (B3). Positions can be left out of
# the story (B15). And a question: how are tokens embedded (C12)?
#
# ## Predict
#
# A *token* is a piece of text with a number; here, each character is a token.
# A *transformer* reads tokens, and gives each possible next token a
# probability. Its *loss* is minus the natural logarithm of the probability of
# the token that really comes next. It says how surprised the model is, in
# *nats*: 0 is no surprise. If the model found all 73 characters of our text
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
# Type the beginning of a text. Our model continues it.

# %% quiet
panel("next")
fables = zoo.load("fables")
begin_BT = fables.data.tokenizer.encode("The fox")[None]
made = list(generate(fables.models[0], begin_BT, 64, temperature=0.5))
print("it continues: The fox" + fables.data.tokenizer.decode(np.concatenate(made, 1)[0]))

# %% [markdown]
# It does not write sentences, because it is small. It learned for a minute from
# a text of 100 KB: some short words, and which letters follow each other. Real
# models have the same pieces, but more of them, and they have read far more.
#
# ## Worked example: one text on its way through
#
# Each token becomes a vector of D numbers, its *state*. A *block* (or layer)
# is an *attention*, which lets a token read earlier tokens, and an *MLP*, which
# works on each token alone. Each **adds** its result to the state, which is
# called a *residual connection*. The states of all tokens are the *stream*.
#
# The letters after a name are the axes of its array: B texts, T tokens, D
# numbers in a state, V tokens in the vocabulary, N blocks. R counts *stations*,
# where we look at the stream: one after the embedding, and two in each block.
# Attention has H *heads*. From each state, a head makes two vectors, a *query*
# and a *key*. The dot products of queries with keys decide how much each of T
# places reads from each of S places. This is the *pattern* of the head.

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
# Two blocks make R = 1 + 2 * 2 = 5 stations. After the last one, a *LayerNorm*
# sets the length of each state. The *unembedding* has a row for each token too.
# The dot product of that row with the state is the token's *logit*, its score.
# Lesson 5 explains the softmax in this diagram, lesson 9 the LayerNorm.

# %% quiet
draw_pieces("l00_pieces", "The fox", seen)
best = np.argsort(-seen.logits_BTV[0, -1])[:3]
print("likeliest after 'The fox':",
      [learned.data.tokenizer.tokens[id] for id in best])

# %% [markdown]
# ## Run it: four kinds of positions
#
# - *none*: nothing tells the model where a token stands.
# - *learned*: each place has a row, as above. Training finds it.
# - *sinusoidal*: each place has a fixed row of sines and cosines.
# - *RoPE*: nothing is added. Attention turns each query and each key by an
#   angle that grows with its place.
#
# We train each kind from three *seeds*, which fix the random numbers that
# training begins with. We measure the loss on *held-out* text, from which no
# model has learned. The **baseline** is what we would see if the order of the
# characters taught nothing: a guess by how frequent each character is.

# %%
kinds = ["none", "learned", "sinusoidal", "RoPE"]
families = [zoo.load(f"positions-{kind.lower()}") for kind in kinds]
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
picture.dress(0, "Above 0: worse than learned positions, which are 0 by definition",
              "positions", "loss minus the loss with learned positions (nats)")
picture.save()
reveal("L00.a", round(float(higher[0].mean()), 3), "even without positions, a "
       "token has a hint of its place, as the text below explains. With RoPE the "
       f"loss is {-higher[3].mean():.2f} nats lower than with learned positions.")

# %% [markdown]
# Each bar is the mean of three seeds. Its whisker goes from the lowest to the
# highest. Learned positions gain little here, for two reasons. A token reads
# only itself and earlier tokens: the third reads three, the fortieth forty.
# Even without positions, this is a hint of its place. And the row of place 40
# learns only from tokens at place 40, so it needs longer training than ours.
#
# RoPE gains more. The dot product of a turned query and a turned key depends on
# the difference of their angles. So "three places back" means the same
# everywhere in a text.
#
# How many layers do models have? Their papers and configurations say:

# %% quiet
for name, layers in LAYERS.items():
    print(f"{name:16} {layers:4} layers")
reveal("L00.b", LAYERS["Pythia 70M"], "a transformer may have any number of "
       "layers. The model in the diagram has two, and the same pieces.")

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
    """Return logits_TV. A sublayer (attention or MLP) turns states into updates.

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
# The list leaves out the residual connections, the plus signs in the diagram,
# and LayerNorm. Without them, the same weights predict something else (B3 below
# has the numbers). A transformer may have any number of layers. About positions
# the belief may be right. B15 judges claims of later lessons on models without
# positions, and counts how many verdicts change.

# %% quiet
quiz("L00")

# %% [markdown]
# ## Verdicts
#
# Each claim is followed by what we measured, over three seeds, and by the rule
# that decided. A7 and B3 are about the model that you typed to, which has more
# blocks than the one in the diagram. B15 compares the loss without positions
# with the mean of the three other kinds, not with learned positions alone.

# %% quiet
judge("A7", "B3", "B15", "C12")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 has 30 blocks. It uses RoPE, so nothing is added for the place, and
# the row alone is the first state. It needs its residual connections too.

# %% quiet
judge_real_model("A7", "B3", "C12")

# %% [markdown]
# ## In short
#
# A token's first state is its row, plus the row of its place if positions are
# added. Attention and MLP add to the state, block after block. The unembedding
# compares the last state with a row for each token. In our small models the
# kind of positions matters more than having any.

# %% quiet
finish("L00")
