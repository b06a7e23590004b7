# %% [markdown]
# # L12 Tied or untied
# ## Should a model read and write with one table?
#
# *35 minutes. You need the two tables (lesson 2), dot products (lesson 4), softmax and entropy
# (lesson 5).*
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
# Take a model without any blocks. It reads token a as the row of a. The logit of b is the dot
# product of this row with the row of b. An untied model takes the row of b from its other table.
# The logits of all pairs are a table again: a row for each token that was read, a column for each
# token that may follow.

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
        "knows this has a loss of 0. In a \"mirror table\", both orders of a pair have the same "
        "logit. What is the lowest loss that a mirror table can reach on the circle? (Guessing "
        "among three costs 1.10 nats.)", low=0, high=3, unit="nats")
predict("L12.c", "And a tied model without blocks?", low=0, high=3, unit="nats")

# %% [markdown]
# ## Touch it: what a table can say
#
# Our corpus `chain` is made by rule. It has 20 tokens, and the next token depends on the present
# one alone, with probabilities that we know. This is called a *Markov chain*. Each square is a
# pair: the row is the first token, the column the second. The darker the square, the more often the
# pair comes. On the left is the truth. The others are models without blocks, with two tables and
# with one. On the line from top left to bottom right a token follows itself. Find the square in row
# 15 and column 3 in each picture, and then its mirror image, in row 3 and column 15.

# %% folded Draw how often each pair comes, in truth and in models without blocks
def pairs(next_VV):
    """How often each pair comes in a long text with these probabilities of the next token."""
    often_V = np.linalg.matrix_power(next_VV, 1000)[0]  # how often each token comes
    return often_V[:, None] * next_VV

def predicted(family):
    tokens = np.arange(family.config.vocab)
    return softmax(np.asarray(family.models[0](tokens[:, None]), float)[:, 0])

def draw_tables():
    untied, tied = zoo.load("chain-0-untied"), zoo.load("chain-0-tied")
    tables = {"truth": untied.data.generator.transition_VV, "two tables": predicted(untied),
              "one table, tied": predicted(tied)}
    picture = Picture("l12_tables", "How often does each pair come?", panels=3)
    for panel, (title, next_VV) in enumerate(tables.items()):
        style = {"cmap": "Blues", "vmin": 0, "vmax": 4}
        image = picture.axes[panel].imshow(100 * pairs(next_VV), **style)
        picture.axes[panel].axline((0, 0), slope=1, color="0.6", linewidth=0.6)
        ticks = {"xticks": range(0, 20, 5), "yticks": range(0, 20, 5)}
        picture.dress(panel, title, "second token", "first token", **ticks)
        picture.axes[panel].grid(False)
    picture.figure.colorbar(image, ax=picture.axes, extend="max", label="% of all pairs")
    picture.save()

draw_tables()

# %% [markdown]
# In the truth and with two tables, the pair in row 15 and column 3 is frequent, and its mirror
# image hardly ever comes. With one table, both come equally often.
#
# ## Worked example: three tokens in a circle
#
# In a tied model the logit of "b after a" is the dot product of row a and row b. The logit of "a
# after b" is the dot product of row b and row a: the same number. **So a tied model has a mirror
# table of logits.** If training raises the logit of b after a, it raises that of a after b.
#
# The circle treats its three tokens alike, so the best table does too. In a mirror table, the token
# before and the token after get the same logit. Only differences of logits count, so let it be 0.
# Then one number is left to choose: the logit d of a token after itself.

# %%
def loss_on_circle(d):
    p_3 = softmax([d, 0, 0])  # of the token itself, the one after it, the one before it
    return -np.log(p_3[1])

for d in [-20, -2, 0, 2]:
    print(f"d = {d:3}: loss {loss_on_circle(d):.3f} nats")

# %% quiet
circle_33 = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])  # a to b, b to c, c to a
floor = lost_by_symmetry(circle_33, np.ones(3) / 3)
reveal("L12.a", same[1], "the dot product of two rows does not know which of them came first.")
reveal("L12.b", floor, "this is ln 2. With d far below 0, the token itself is ruled out. Then the "
       "tokens after it and before it have the probability 1/2 each.")
reveal("L12.c", loss_on_circle(0), "this is ln 3, as for guessing: d cannot be below 0.")

# %% [markdown]
# Why can d not be below 0 in a tied model? A dot product is the product of two lengths and a
# cosine, and a cosine is at most 1. So of two tokens, the one with the longer row gives itself at
# least as large a logit as the other. In the circle all rows are equally long, so this holds for
# every token. Other mirror tables can have a d below 0. **A tied model without blocks has two
# limits: its logits are a mirror table, and of two tokens the one with the longer row prefers
# itself.**
#
# ## Run it: four models on one chain
#
# Tied and untied, without blocks and with one block. We know the chain, so two **baselines** are
# exact. The first is its *entropy*: how undecided the true next token is, averaged over a long
# text. No model can have a lower loss. The second is the loss of the best mirror table, which
# predicts the average of the chain and the chain run backwards. No tied model without blocks can
# have a lower one.

# %%
losses = {}
for kind in ("tied", "untied"):
    families = [zoo.load(f"chain-{depth}-{kind}") for depth in (0, 1)]
    losses[kind] = np.transpose([family.val_losses[:, -1] for family in families])
chain = families[0].data.generator  # it knows the truth
often_V = chain.stationary_V  # how often each token comes
by_mirror = lost_by_symmetry(chain.transition_VV, often_V)  # by the best mirror table
above = {kind: losses[kind] - chain.entropy() for kind in losses}
repeats = often_V @ np.diag(chain.transition_VV)

# %% folded Draw it
picture = Picture("l12_tied_or_untied", "What does one table for both cost?")
for place, kind in enumerate(above):
    picture.bars(0, ["no blocks", "one block"], above[kind], kind, of=2, place=place)
picture.level(0, by_mirror, "best mirror table")
picture.dress(0, "", "model", "held-out loss above the entropy (nats)", ylim=(0, None))
picture.save()
tied_repeats = np.trace(pairs(predicted(zoo.load("chain-0-tied"))))
print(f"a token follows itself {repeats:.0%} of the time; by the tied model {tied_repeats:.0%}")
for place, words in enumerate(["no blocks", "one block"]):
    untied, tied = (above[kind][:, place].mean() for kind in ("untied", "tied"))
    print(f"{words}: untied {untied:.2f} nats above the entropy, tied {tied:.2f}")
second = above["tied"][:, 0].mean() - by_mirror
print(f"the best mirror table: {by_mirror:.2f}; without blocks, the second limit: {second:.2f}")

# %% [markdown]
# In the figure, 0 is the entropy of the chain. Without blocks, the tied model is further above it
# than the best mirror table. So both limits cost something, and the mirror costs more. The belief
# names the second limit only: the tied model expects too many repeats.
#
# With one block the tied model is nearly as good as the untied one. The block changes the row
# before it is compared, so both limits disappear. The untied model gains nothing from a block: two
# tables are enough for this chain. After as many steps of training it is even a little behind.
#
# ## Your turn
#
# 1. Measure how far a table is from a mirror table.
# 2. Say first: in a tied model, you multiply the row that was read by a square matrix A. Is the
#    table of logits still a mirror table? Write the logits.
# 3. Find a chain of three tokens on which the best mirror table loses most.

# %% exercise L12.e1
@check("L12.e1")
def asymmetry(m_VV):
    """Return the length of (m - m.T) / 2, divided by the length of m.

    (m - m.T) / 2 is the part of m that its mirror image does not share. The
    length of a table is the root of the sum of its squares. A mirror table
    gives 0.
    """
    ...

# %% exercise L12.e2
@check("L12.e2")
def logits_with_a_matrix(e_VD, a_DD):
    """Return logits_VV: the row of the token that was read, times A, then its
    dot product with the row of each token.

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
# A text has an order, and a mirror table does not see it. On our chain this costs more than the
# preference of tokens for themselves. The belief gives the right reason only for a text that looks
# the same backwards: there the mirror costs nothing. And one table is enough for a model with
# blocks. They lift both limits, and one table has fewer parameters. That saves most in small
# models, where a table is a large share of all parameters. SmolLM2, below, is tied.

# %% quiet
quiz("L12")

# %% [markdown]
# ## Verdicts
#
# What tying costs in B33 is counted from the loss of the untied model, and what the best symmetric
# table loses from the entropy. (Symmetric is another word for being a mirror table.) C11 also asks
# where the table came from. Sharing tables is older than transformers, and that is all a lesson can
# say about it. Our chain is small, and one block is nearly enough for it. This is a likely reason
# why a tied model with a block loses so little here.

# %% quiet
judge("B33", "B34", "C11")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 is tied. Without its blocks it has nearly a mirror table (a norm changes the row that was
# read), so the blocks have to learn what follows what. Compare its table alone with chance, 50 %.

# %% quiet
judge_real_model("B34")

# %% [markdown]
# ## In short
#
# A tied model without blocks gives "b after a" and "a after b" the same logit, and tokens with long
# rows prefer themselves. A block in between lifts both limits. What the best mirror table loses can
# be computed exactly where the truth is known.

# %% quiet
finish("L12")
