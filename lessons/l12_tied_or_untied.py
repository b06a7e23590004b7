# %% [markdown]
# # L12 Tied or untied
# ## Should a model read and write with one table?
#
# *30 minutes. You need the two tables (lesson 2), softmax and entropy (lesson 5).*
#
# **What many believe.** "A model needs one table of tokens. What a token means for reading, it
# means for writing. If two tables are better, then because a token hardly ever follows itself: one
# table always predicts the token that it has just read."
#
# Claims: untied embeddings help, since the next token is seldom the present one (B33). The table
# that unembeds holds the statistics of pairs of tokens (B34). Where did that table come from, and
# does every model have one (C11)?
#
# ## Predict
#
# *Tied* means: the unembedding is the embedding, used once more. *Untied*: there are two tables.
# Take a model without any blocks. It reads token a as the row e of a, and the logit of b is the dot
# product of that row with the row of b.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, judge, judge_real_model, predict, quiz, reveal,
)  # fmt: skip
from minitx.evidence.tying import lost_by_symmetry
from minitx.runs import zoo

same = ["is unlikely", "has the same logit", "cannot be told"]
predict("L12.a", "Such a model, tied, has learned that b follows a. What does it think of "
        "a after b? It", same)
predict("L12.b", "Three tokens follow each other in a circle: a, b, c, a, b, c. How many nats "
        "above the best possible loss does the best mirror table stay, in which both orders of a "
        "pair are equally likely? (Guessing among three costs 1.10 nats.)", low=0, high=3,
        unit="nats")

# %% [markdown]
# ## Touch it: what a table can say
#
# Each square is a pair: the row is the token that was read, the column the token that may follow.
# The left picture is the truth of our corpus `chain`, whose twenty tokens follow each other at
# random, with known probabilities. Write "chain-0-tied" in place of "chain-0-untied", and look for
# the mirror.

# %% folded Draw the truth beside what a model without blocks predicts
def draw_table(name):
    family = zoo.load(name)
    truth_VV = family.data.generator.transition_VV
    model = family.models[0]
    tokens = np.arange(len(truth_VV))
    logits_VV = np.asarray(model(tokens[:, None]))[:, 0]
    p_VV = np.exp(logits_VV) / np.exp(logits_VV).sum(axis=1, keepdims=True)
    picture = Picture("l12_tables", "Which token follows which?", panels=2)
    for panel, (title, table_VV) in enumerate([("truth", truth_VV), (name, p_VV)]):
        picture.axes[panel].imshow(table_VV, cmap="Blues", vmin=0, vmax=1)
        picture.dress(panel, title, "token that follows", "token that was read")
        picture.axes[panel].grid(False)
    picture.save()

# %%
draw_table("chain-0-untied")

# %% [markdown]
# ## Worked example: three tokens in a circle
#
# In a tied table the logit of "b after a" is the dot product of row a and row b. The logit of "a
# after b" is the dot product of row b and row a: the same number. **A tied table is its own mirror
# image.** So whoever makes b likely after a makes a likely after b. In the circle, both neighbours
# of a token then get the same logit. One of the two is right: the loss is ln 2.

# %%
circle_33 = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])  # a to b, b to c, c to a
mirror_33 = circle_33.T
print("the average of the circle and its mirror:", *(circle_33 + mirror_33) / 2)
floor = lost_by_symmetry(circle_33, np.ones(3) / 3)
reveal("L12.a", same[1], "the dot product of two rows does not know which of them came first.")
reveal("L12.b", floor, "that is ln 2: the right neighbour, or the one on the other side.")

# %% [markdown]
# ## Run it: four models on one chain
#
# Tied and untied, without blocks and with one block. The **baselines** are exact, because we know
# the chain: its entropy, which no model can beat, and the best loss of a table that is its own
# mirror.

# %%
losses = {}
for kind in ("tied", "untied"):
    families = [zoo.load(f"chain-{depth}-{kind}") for depth in (0, 1)]
    losses[kind] = np.transpose([family.val_losses[:, -1] for family in families])
chain = families[0].data.generator  # it knows the truth
mirror = chain.entropy() + lost_by_symmetry(chain.transition_VV, chain.stationary_V)
repeats = chain.stationary_V @ np.diag(chain.transition_VV)

# %%
picture = Picture("l12_tied_or_untied", "What does one table for both cost?")
for place, kind in enumerate(losses):
    picture.bars(0, ["no blocks", "one block"], losses[kind], kind, of=2, place=place)
picture.level(0, chain.entropy(), "entropy of the chain")
picture.level(0, mirror, "best mirror table")
picture.dress(0, "", "model", "held-out loss (nats)")
picture.save()
gap = (losses["tied"] - losses["untied"])[:, 0].mean()
print(f"a token repeats itself {repeats:.0%} of the time; tying costs {gap:.2f} nats, "
      f"{mirror - chain.entropy():.2f} of them because the table is a mirror")

# %% [markdown]
# Without blocks, the tied model cannot even reach the best mirror table: besides being its own
# mirror, its longest row always prefers itself. Here the belief has found a second reason, not the
# first. With one block the gap gets small: the block turns the row before it is compared, and the
# mirror breaks.
#
# ## Your turn
#
# 1. Measure how far a table is from being its own mirror.
# 2. Say first: you put any square matrix A between the tables. Does the mirror break? Write the
#    logits.
# 3. Find the worst chain of three tokens: one where the mirror costs most.

# %% exercise L12.e1
@check("L12.e1")
def asymmetry(m_VV):
    """Return the length of the part of m that its mirror image does not share, over that of m.

    The length of a table is the root of the sum of its squares. The part is (m - m.T) / 2. A table
    that is its own mirror image gives 0.
    """
    ...

# %% exercise L12.e2
@check("L12.e2")
def logits_with_a_matrix(e_VD, a_DD):
    """Return logits_VV: row e of the token read, times A, dot product with each token's row."""
    ...

# %% exercise L12.e3
@check("L12.e3")
def worst_chain():
    """Return p_33: each row has the probabilities of the next token, and sums to 1.

    The best mirror table has to lose at least 0.69 nats on it, and every token has to occur.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Language has an order, and a mirror table has none. That costs more here than tokens that prefer
# themselves. The belief is right for large models with many blocks: these break the mirror, and one
# table saves many parameters. So small models often tie, and large ones often do not.

# %% quiet
quiz("L12")

# %% [markdown]
# ## Verdicts
#
# C11 asks a question of history too. The idea to share the tables is older than transformers; only
# what can be measured is judged here.

# %% quiet
judge("B33", "B34", "C11")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 is tied. Its one table is a mirror too, so pairs are left to its blocks: see how near to
# chance the table alone comes.

# %% quiet
judge_real_model("B34")

# %% [markdown]
# ## In short
#
# A tied table gives "b after a" and "a after b" one logit. A block in between breaks the mirror.
# What tying costs can be computed exactly where the truth is known.

# %% quiet
finish("L12")
