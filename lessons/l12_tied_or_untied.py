# %% [markdown]
# # L12 Tied or untied
# ## Should a model read and write with one table?
#
# *30 minutes. You need the two tables (lesson 2), softmax and entropy (lesson 5).*
#
# **What many believe.** "A model needs one table of tokens. What a token means for reading, it
# means for writing. Where two tables are better, the reason is that a token hardly ever follows
# itself, and that one table always predicts the token that it has just read."
#
# Claims: untied embeddings help, since the next token is seldom the present one (B33). The table
# that unembeds holds the statistics of pairs of tokens (B34). And a question: where did that table
# come from, and does every model have one (C11)?
#
# ## Predict
#
# *Tied* means: the unembedding is the embedding, used once more. *Untied*: there are two tables.
# Take a model without any blocks. It reads token a as the row of a, and the logit of b is the dot
# product of this row with the row of b (in its other table, if it is untied).

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, judge, judge_real_model, predict, quiz, reveal,
)  # fmt: skip
from minitx.evidence.tying import lost_by_symmetry
from minitx.measure import softmax
from minitx.runs import zoo

same = ["is unlikely", "has the same logit", "cannot be told"]
predict("L12.a", "Such a model, tied, has learned that b follows a. Then a after b", same)
predict("L12.b", "Three tokens follow each other in a circle: a, b, c, a, b, c. A model that "
        "knows this has a loss of 0. But in a \"mirror table\" both orders of a pair get one "
        "logit. What is the lowest loss that a mirror table can reach? (Guessing among three costs "
        "1.10 nats.)", low=0, high=3, unit="nats")

# %% [markdown]
# ## Touch it: what a table can say
#
# Each square is a pair: the row is the token that was read, the column the token that may follow.
# The left picture is the truth of our corpus `chain`, whose tokens follow each other at random,
# with probabilities that we know. The other two are what a model without blocks predicts, with two
# tables and with one. Look for the mirror: it lies along the diagonal from top left to bottom
# right.

# %% folded Draw the truth beside what models without blocks predict
def predicted(family):
    tokens = np.arange(family.config.vocab)
    return softmax(np.asarray(family.models[0](tokens[:, None]))[:, 0])

def draw_tables():
    untied, tied = zoo.load("chain-0-untied"), zoo.load("chain-0-tied")
    tables = {"truth": untied.data.generator.transition_VV, "two tables": predicted(untied),
              "one table, tied": predicted(tied)}
    picture = Picture("l12_tables", "Which token follows which?", panels=3)
    for panel, (title, table_VV) in enumerate(tables.items()):
        picture.axes[panel].imshow(table_VV, cmap="Blues", vmin=0, vmax=1)
        ticks = {"xticks": range(0, 20, 5), "yticks": range(0, 20, 5)}
        picture.dress(panel, title, "token that follows", "token that was read", **ticks)
        picture.axes[panel].grid(False)
    picture.save()

draw_tables()

# %% [markdown]
# ## Worked example: three tokens in a circle
#
# In a tied model the logit of "b after a" is the dot product of row a and row b. The logit of "a
# after b" is the dot product of row b and row a: the same number. **A tied table is its own mirror
# image.** So training that makes b likely after a makes a likely after b. In the circle, both
# neighbours of a token then get the same logit, and one of the two is right. So each has the
# probability 1/2, and the loss is ln 2.

# %%
circle_33 = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])  # a to b, b to c, c to a
mirror_33 = circle_33.T
print("the circle, each row a token:", *circle_33)
print("averaged with its mirror    :", *(circle_33 + mirror_33) / 2)

# %% quiet
floor = lost_by_symmetry(circle_33, np.ones(3) / 3)
reveal("L12.a", same[1], "the dot product of two rows does not know which of them came first.")
reveal("L12.b", floor, "this is ln 2: the right neighbour, or the one on the other side.")

# %% [markdown]
# ## Run it: four models on one chain
#
# Tied and untied, without blocks and with one block. We know the chain, so two **baselines** are
# exact: its entropy, which no model can beat, and the loss of the best mirror table, which no tied
# model without blocks can beat.

# %%
losses = {}
for kind in ("tied", "untied"):
    families = [zoo.load(f"chain-{depth}-{kind}") for depth in (0, 1)]
    losses[kind] = np.transpose([family.val_losses[:, -1] for family in families])
chain = families[0].data.generator  # it knows the truth
mirror = chain.entropy() + lost_by_symmetry(chain.transition_VV, chain.stationary_V)
repeats = chain.stationary_V @ np.diag(chain.transition_VV)

# %% folded Draw it
picture = Picture("l12_tied_or_untied", "What does one table for both cost?")
for place, kind in enumerate(losses):
    picture.bars(0, ["no blocks", "one block"], losses[kind], kind, of=2, place=place)
picture.level(0, chain.entropy(), "entropy of the chain")
picture.level(0, mirror, "best mirror table")
picture.dress(0, "", "model", "held-out loss (nats)")
picture.save()
gap = (losses["tied"] - losses["untied"])[:, 0].mean()
print(f"a token follows itself {repeats:.0%} of the time")
print(f"without blocks, tying costs {gap:.2f} nats; "
      f"{mirror - chain.entropy():.2f} of them come from the mirror")

# %% [markdown]
# Without blocks, the tied model does not even reach the best mirror table. The belief gives the
# reason for this part: no logit is larger than that of the longest row with itself, so its token
# always predicts itself. But the mirror costs more. With one block the gap gets small: the block
# changes the row before it is compared, and the mirror breaks.
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
    """Return the length of the part of m that its mirror image does not share,
    over that of m.

    The length of a table is the root of the sum of its squares. The part is
    (m - m.T) / 2. A table that is its own mirror image gives 0.
    """
    ...

# %% exercise L12.e2
@check("L12.e2")
def logits_with_a_matrix(e_VD, a_DD):
    """Return logits_VV: row e of the token read, times A, dot product with each
    token's row.

    Rows [[1, 0], [0, 1]] and A = [[0, 2], [0, 0]] give the logits [[0, 2], [0, 0]].
    """
    ...

# %% exercise L12.e3
@check("L12.e3")
def worst_chain():
    """Return p_33: each row has the probabilities of the next token, and sums to 1.

    The best mirror table has to lose at least 0.69 nats on it, and every token
    has to occur.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# A text has an order, and a mirror table does not see it. That costs more here than tokens that
# prefer themselves. The belief in one table is right for models with blocks: these break the
# mirror, and one table saves parameters. Small models, where the table is a large share, often tie.

# %% quiet
quiz("L12")

# %% [markdown]
# ## Verdicts
#
# C11 also asks where the table came from. Sharing tables is older than transformers, and that is
# all a lesson can say about it. What can be measured is judged. Our chain is small, so one block is
# nearly enough to break the mirror: a likely reason why tying costs so little with it.

# %% quiet
judge("B33", "B34", "C11")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 is tied. Its one table is a mirror too, so its blocks have to learn the pairs: see how
# near to chance, 50 %, the table alone comes.

# %% quiet
judge_real_model("B34")

# %% [markdown]
# ## In short
#
# A tied table gives "b after a" and "a after b" one logit. A block in between breaks the mirror.
# What tying costs can be computed exactly where the truth is known.

# %% quiet
finish("L12")
