# %% [markdown]
# # L11 Sizes of tokens
# ## Why are the rows of some tokens giants, and others dwarfs?
#
# *35 minutes. You need the two tables of a model (lesson 2) and softmax (lesson 5).*
#
# **What many believe.** "Nearly all tokens have rows of about the same length, so the direction of
# a row is all that counts. A token that never occurs in the training text is never touched: its row
# stays as short as it began."
#
# Claims: most tokens have about the same length (B26). Tokens that never occur are giants or dwarfs
# (B27). Longer rows are larger targets, and can put other rows in the shade (B30).
#
# ## Predict
#
# Our text has 200 words, a few frequent ones and many rare ones. The model knows 20 more words,
# which **never occur**. It is *untied*: it reads tokens with one table, the embedding, and scores
# the next token with another, the unembedding. All rows begin random, short, and about equally
# long. An *optimizer* changes them at each step of training; ours is called *Adam*.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, held_out, judge, judge_real_model, logits, over_seeds,
    predict, quiz, reveal,
)  # fmt: skip
from minitx.classroom.figures import STYLES
from minitx.evidence.token_sizes import length_of_unseen, won_by_longest
from minitx.measure import cosines, norms, softmax
from minitx.runs import zoo

score = predict("L11.a", "After training, how many times as long as the rows of other words are "
                "the rows of the words that never occur? First in the unembedding:",
                low=0, high=100)
read = predict("L11.b", "And in the embedding?", low=0, high=100)
predict("L11.c", "The row that has the largest dot product with a state \"wins\" it. Of 100 states "
        "in random directions, how many are won by the longest tenth of all rows?", low=0, high=100)

# %% [markdown]
# ## Touch it: targets
#
# The picture shows five rows in two dimensions, and states in all directions. Colour and shape of a
# mark show which row wins in that direction. The states that a row wins are its *target*.

# %% folded Draw five rows, and around them who wins in which direction
rows_52 = np.array([[1, 0], [0.7, 0.6], [-0.2, 1], [-0.9, -0.3], [0.2, -1]])
angles = np.radians(np.arange(0, 360, 3))
circle_Z2 = 4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)

def draw_targets(*stretches):
    picture = Picture("l11_targets", "Who wins in which direction?", panels=len(stretches))
    for panel, stretch in enumerate(stretches):
        w_52 = rows_52 * [[stretch], [1], [1], [1], [1]]
        winner_Z = (circle_Z2 @ w_52.T).argmax(axis=1)
        for row, name in enumerate("abcde"):
            wins_Z = winner_Z == row
            picture.dots(panel, *circle_Z2[wins_Z].T, f"{name} wins {wins_Z.mean():.0%}")
            picture.axes[panel].plot(*np.stack([[0, 0], w_52[row]], 1), color=STYLES[row]["color"])
            picture.axes[panel].annotate(name, 1.1 * w_52[row])
        picture.dress(panel, f"row a is {stretch:g} times as long", "", "", aspect="equal")
    picture.save()

# %%
draw_targets(1, 2, 3)  # `minitx lesson 11 --notebook`: a notebook, to try other numbers

# %% [markdown]
# In the middle, a wins in b's own direction: b is *in the shade* of a. But b still wins in a narrow
# range next to its direction. On the right it wins nowhere: its tip lies inside the *convex hull*
# of the other tips, and the largest dot product is always at a corner of the hull.
#
# ## Worked example: what pushes a row
#
# Training moves each row of the unembedding against its *gradient*. To get it, multiply each state
# by p, the token's probability there, or by p - 1 if the token is right there. Then add up.
#
# Take two states, (3, 0) and (0, 3). Token a is right after the first, b after the second, and c
# never. All rows begin at zero, so each probability is 1/3. The gradient of a is -2/3 of the first
# state plus 1/3 of the second: (-2, 1). The gradient of c is 1/3 of both: (1, 1).

# %%
x_ZD = np.array([[3.0, 0.0], [0.0, 3.0]])  # two states
right_Z = np.array([0, 1])  # the token that follows each: a, then b
p_ZV = softmax(x_ZD @ np.zeros((2, 3)))  # 1/3 for each of the three tokens
p_ZV[[0, 1], right_Z] -= 1  # minus 1 for the right one
gradient_VD = p_ZV.T @ x_ZD
for name, gradient_D in zip("abc", gradient_VD, strict=True):
    print(f"{name}: gradient {gradient_D.round(2)}, so it moves along {-gradient_D.round(2)}")

# %% [markdown]
# Rows a and b each move towards the state before them. **The row of a token that never occurs moves
# too: at every step, away from the average state.**
#
# Its gradient soon gets tiny, as its probability does. The optimizer *SGD* then makes tiny steps
# too. Adam divides each gradient by its recent typical size, so a tiny one still makes a full step.
# Pushes back and forth, as for seen words, mostly cancel. Unseen words are pushed one way, and this
# adds up. In the embedding, a row moves only if its token is read.
#
# ## Run it: the rows of words that never occur
#
# We divide the median length of these 20 rows by that of the others, for Adam and SGD, and in both
# tables. In a *tied* model, one table does both. *Weight decay* shortens all rows a little at each
# step. The **baseline** is 1, as before training: no longer and no shorter.

# %% folded Which table a model scores with, and which it reads with
def scores(model):
    return np.asarray(model.unembedding_VD, float)

def reads(model):
    return np.asarray(model.embedding.table[...], float)

# %%
adam, sgd = zoo.load("sizes-adam-untied"), zoo.load("sizes-sgd-untied")  # three seeds each
tied, decay = zoo.load("sizes-adam-tied"), zoo.load("sizes-decay-tied")  # with Adam
unseen = list(adam.data.generator.unseen)  # the words that never occur

def ratio(family, table):
    return [length_of_unseen(table(model), unseen) for model in family.models]

bars = {
    "unembedding\nAdam": ratio(adam, scores), "unembedding\nSGD": ratio(sgd, scores),
    "embedding\nAdam": ratio(adam, reads), "embedding\nSGD": ratio(sgd, reads),
    "tied\nAdam": ratio(tied, scores), "tied, Adam +\nweight decay": ratio(decay, scores),
}

# %% folded Draw it, beside your predictions
count_V = np.bincount(adam.data.train_tokens, minlength=adam.config.vocab)
picture = Picture("l11_sizes_of_tokens", "How long is the row of a word?", panels=2)
for name, family in {"Adam": adam, "SGD": sgd}.items():
    length_V = norms(scores(family.models[0]))
    picture.dots(0, count_V, length_V, name)
    low, high = np.quantile(length_V, [0.1, 0.9])
    print(f"{name}: the middle 80 % of the rows differ in length by a factor of {high / low:.1f}")
picture.dress(0, "unembedding", "times that the word occurs", "length of its row", xscale="symlog")
picture.bars(1, list(bars), np.transpose(list(bars.values())))
picture.axes[1].tick_params(axis="x", labelsize=8)
picture.level(1, 1, "as long as the others")
picture.guess(1, score, at=0, words="unembedding")
picture.guess(1, read, at=2, words="embedding")
picture.dress(1, "words that never occur", "", "median length / median of the other words")
picture.save()

# %% quiet
reveal("L11.a", np.mean(bars["unembedding\nAdam"]), "these rows are that many times as long "
       "as others. Every step pushes them away, and Adam makes full steps of tiny gradients.")
reveal("L11.b", np.mean(bars["embedding\nAdam"]), "these rows are that many times as long. "
       "They are as they began, and the others grew.")

# %% [markdown]
# In the left panel, words that never occur are at 0. With Adam their rows are the longest. With SGD
# the rows of frequent words are longer: they get the largest gradients. On the right, words that
# never occur are giants in the unembedding, and dwarfs in the embedding. Weight decay shortens all
# rows alike. By the printed factors, see whether lengths are "about the same": 1.5 at most (B26).
#
# A long row is a large target. Does any state point there? We ask the tied model, with 1,000 random
# states and 1,000 real ones. As a **baseline**, all rows get one length: only directions count.

# %%
def share_won(model):
    """Won by the longest tenth: as it is, at one length. Won by unseen words. Their share of it."""
    w_VD = scores(model)
    length_V = norms(w_VD)
    random_ZD = np.random.default_rng(0).standard_normal((1000, w_VD.shape[1]))
    predicted_Z = logits(model, held_out(tied)).argmax(axis=1)
    return [won_by_longest(w_VD, length_V, random_ZD),
            won_by_longest(w_VD / length_V[:, None], length_V, random_ZD),
            np.isin(predicted_Z, unseen).mean(),
            np.isin(np.argsort(length_V)[-22:], unseen).mean()]

longest, at_one_length, real, part = 100 * over_seeds(share_won, tied.models).mean(axis=0)

# %% quiet
reveal("L11.c", round(longest), "the longest tenth wins that many of 100 states. At one length it "
       f"would win {at_one_length:.0f}. A dot product grows with the length of the row.")
same = np.mean([cosines(w[unseen], w[np.roll(unseen, 1)]) for w in map(scores, tied.models)])
mix = np.mean([cosines(w[unseen, None], np.delete(w, unseen, 0)) for w in map(scores, tied.models)])
print(f"{part:.0f} % of the longest tenth are words that never occur. They win {real:.0f} of 100 "
      f"real states.\nMean cosine with each other {same:.2f}, with other rows {mix:.2f}.")

# %% [markdown]
# If all rows have one length, why does the longest tenth win less than a tenth? Most of its rows
# were pushed the same way and **share one target**. Many other rows point there too, and one of
# them often fits a random state better. And training pushed the giants where no real state points.
#
# ## Your turn
#
# 1. Plant a giant: make one row so long that another row is in its shade.
# 2. Say first: does the gradient of an unseen word depend on which words are right? Write it.
# 3. Find all rows in two dimensions that can win at all.

# %% exercise L11.e1
@check("L11.e1")
def plant_giant(w_VD, giant, shaded):
    """Return the table with row `giant` so long that `shaded` is in its shade.

    It points as before; all other rows stay. The two are less than 90 degrees apart.
    """
    ...

# %% exercise L11.e2
@check("L11.e2")
def gradient_of_unseen(x_ZD, w_VD, unseen):
    """Return the gradient of the mean loss of Z states by row `unseen`, never right.

    Logits are dot products. The two states above and three rows of zeros give
    [0.5, 0.5]: half of the sum.
    """
    ...

# %% exercise L11.e3
@check("L11.e3")
def can_win(w_V2):
    """Return for each row, True or False, whether it wins any state.

    The rows [2, 0], [0, 2], [-2, -2] and [0.1, 0.1] give True, True, True, False.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# A row of the unembedding is pushed at every step, even if its token never occurs. So its length
# shows how it was trained. In the embedding of an untied model, the second sentence is right.

# %% quiet
quiz("L11")

# %% [markdown]
# ## Verdicts
#
# B26 is judged on the letters of our main model.

# %% quiet
judge("B26", "B27", "B30")

# %% [markdown]
# ## The same on a real model
#
# We do not know which tokens never occurred in SmolLM2's training, so we cannot test B27. Its
# longest rows win even more: among many rows, a small lead in length decides more often.

# %% quiet
judge_real_model("B26", "B30")

# %% [markdown]
# ## In short
#
# Adam makes giants of rows of the unembedding that are only pushed away. They are all pushed the
# same way. A longer row is a larger target, but where no state points, a target wins nothing.

# %% quiet
finish("L11")
