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
# Our text has 200 words, a few frequent ones and many rare ones. The model knows 20 more, which
# **never occur**. It is *untied*: it reads tokens with one table, the embedding, and scores them
# with another, the unembedding. All rows begin small, random, and about equally long.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, held_out, judge, judge_real_model, over_seeds,
    predict, quiz, reveal,
)  # fmt: skip
from minitx.classroom.figures import STYLES
from minitx.compiled import trace
from minitx.evidence.token_sizes import length_of_unseen, won_by_longest
from minitx.measure import norms, softmax
from minitx.runs import zoo

score = predict("L11.a", "After training with Adam, how many times as long as the rows of other "
                "words are the rows of the words that never occur? First in the unembedding:",
                low=0, high=100, unit="times")
read = predict("L11.b", "And in the embedding?", low=0, high=100, unit="times")
predict("L11.c", "A state in a random direction chooses the row with the largest dot product. Of "
        "100 such states, how many choose one of the longest tenth of all rows?", low=0, high=100)

# %% [markdown]
# ## Touch it: targets
#
# Five rows in two dimensions, and around them all directions that a state can have. The mark of a
# direction names the row that wins there, by dot product: the row's *target*. From picture to
# picture, row a gets longer. In a notebook, write other numbers.

# %% folded Draw five rows, and around them who wins in which direction
rows_52 = np.array([[1, 0], [0.7, 0.6], [-0.2, 1], [-0.9, -0.3], [0.2, -1]])
angles = np.radians(np.arange(0, 360, 3))
circle_Z2 = 4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)

def draw_targets(*stretches):
    picture = Picture("l11_targets", "Who wins in which direction?", panels=len(stretches))
    for panel, stretch in enumerate(stretches):
        w_52 = rows_52.copy()
        w_52[0] *= stretch
        winner_Z = (circle_Z2 @ w_52.T).argmax(axis=1)
        for row, name in enumerate("abcde"):
            target_Z2 = circle_Z2[winner_Z == row]
            picture.dots(panel, *target_Z2.T, f"{name} wins {len(target_Z2) / 1.2:.0f}%")
            x, y = w_52[row]
            picture.axes[panel].plot([0, x], [0, y], color=STYLES[row]["color"])
            picture.axes[panel].annotate(name, (1.1 * x, 1.1 * y))
        picture.dress(panel, f"row a is {stretch:g} times as long", "", "", aspect="equal")
    picture.save()

# %%
draw_targets(1, 2, 3)

# %% [markdown]
# In the middle, b loses to a in b's own direction: it is *in the shade*. It still wins beside it.
# On the right it wins nowhere: it ends inside the *convex hull*, the shape that the others span.
#
# ## Worked example: what pushes a row
#
# Training moves each row of the unembedding against its *gradient*. This is a sum over all states:
# the state times the token's probability, or times probability minus 1 if the token is right.
#
# Take two states, (3, 0) and (0, 3). Token a is right after the first, b after the second, and c
# never. All rows begin at zero, so each probability is 1/3. The gradient of a is -2/3 of the first
# state plus 1/3 of the second: (-2, 1). That of c is 1/3 of both: (1, 1).

# %%
x_ZD = np.array([[3.0, 0.0], [0.0, 3.0]])  # two states
right_Z = np.array([0, 1])  # the token that follows each: a, then b
p_ZV = softmax(x_ZD @ np.zeros((2, 3)))  # 1/3 for each of the three tokens
p_ZV[[0, 1], right_Z] -= 1  # minus 1 for the right one
gradient_VD = p_ZV.T @ x_ZD
for name, gradient_D in zip("abc", gradient_VD, strict=True):
    print(f"{name}: gradient {gradient_D.round(2)}, so it moves along {-gradient_D.round(2)}")

# %% [markdown]
# Rows a and b each move towards the state before them. **A token that never occurs is pushed all
# the same: at every step, and always away from what the states share.**
#
# How far? Its probability gets small soon, and the push with it. The optimizer *SGD* makes small
# steps of small pushes. *Adam* first divides a push by its own usual size: small pushes become
# steps like all others. And in the embedding, a row is pushed only if its token is read.
#
# ## Run it: the rows of words that never occur
#
# The median length of the 20 rows over that of the others: in the two tables, for Adam and SGD, and
# in *tied* models, where one table does both. *Weight decay* shortens all rows by a small share at
# each step. The **baseline** is 1, as before training: then these rows are as long as any.

# %% folded Which table a model scores with, and which it reads with
def table(model, task):
    return model.unembedding_VD if task == "scores" else model.embedding.table[...]

# %%
adam, sgd = zoo.load("sizes-adam-untied"), zoo.load("sizes-sgd-untied")  # three seeds each
tied, decay = zoo.load("sizes-adam-tied"), zoo.load("sizes-decay-tied")
unseen = adam.data.generator.unseen  # the words that never occur

def times_as_long(family, task):
    return [length_of_unseen(table(model, task), unseen) for model in family.models]

bars = {}
for task in ("scores", "reads"):
    bars[f"Adam\n{task}"] = times_as_long(adam, task)
    bars[f"SGD\n{task}"] = times_as_long(sgd, task)
bars["Adam\ntied"] = times_as_long(tied, "scores")
bars["tied\ndecay"] = times_as_long(decay, "scores")
for name, family in {"Adam": adam, "SGD": sgd}.items():
    low, high = np.quantile(norms(table(family.models[0], "scores")), [0.1, 0.9])
    print(f"{name}: the middle 80 % of the rows differ in length by a factor of {high / low:.1f}")

# %%
count_V = np.bincount(adam.data.train_tokens, minlength=adam.config.vocab)
picture = Picture("l11_sizes_of_tokens", "How long is the row of a word?", panels=2)
for name, family in {"Adam": adam, "SGD": sgd}.items():
    picture.dots(0, count_V, norms(table(family.models[0], "scores")), name)
picture.dress(0, "unembedding, one model each", "times that the word occurs", "length of its row",
              xscale="symlog")
picture.bars(1, list(bars), np.transpose(list(bars.values())))
picture.level(1, 1, "as long as the others")
picture.guess(1, score, at=0)
picture.guess(1, read, at=2)
picture.dress(1, "words that never occur, three seeds", "", "length, in lengths of the others")
picture.save()
reveal("L11.a", np.mean(bars["Adam\nscores"]), "they are never right, so every step pushes them "
       "away, and Adam makes small pushes large.")
reveal("L11.b", np.mean(bars["Adam\nreads"]), "they are as they began, and the others grew.")

# %% [markdown]
# Left, at the edge, stand the words that never occur. Adam makes their rows the longest. With
# SGD they are longer than most, but rows of frequent words get the largest pushes. Right: the same
# words are giants in the table that scores, and dwarfs in the table that reads. Nothing made the
# dwarfs short; they were left behind. Weight decay changes little: it shortens all rows alike.
#
# A long row is a large target. But who hits it? We ask 1,000 random states, and as many real ones,
# which the tied model computes as it reads. The **baseline** has all rows at one length: what the
# longest tenth of the rows wins then, it wins by its directions.

# %%
text_BT = held_out(tied)

def winners(model):
    """The share of states that choose one of the longest tenth of rows, or a word never seen."""
    w_VD = np.asarray(table(model, "scores"), float)
    length_V = norms(w_VD)
    x_BTD = np.asarray(trace(model, text_BT).after_final_norm_BTD, float)
    real_ZD = x_BTD.reshape(-1, x_BTD.shape[-1])
    random_ZD = np.random.default_rng(0).standard_normal(real_ZD.shape)
    return [won_by_longest(w_VD, length_V, random_ZD),
            won_by_longest(w_VD / length_V[:, None], length_V, random_ZD),
            np.isin((real_ZD @ w_VD.T).argmax(axis=1), unseen).mean()]

longest, at_one_length, really = 100 * over_seeds(winners, tied.models).mean(axis=0)
print(f"if all rows had one length, the longest tenth would get {at_one_length:.0f} of 100 random "
      f"states\nof 100 real states, {really:.0f} choose a word that never occurs")
reveal("L11.c", round(longest), "a dot product grows with the length of the row.")

# %% [markdown]
# Giants are large targets, but real states pushed them to where no real state goes.
#
# ## Your turn
#
# 1. Plant a giant: make one row so long that another loses to it.
# 2. Say first: does the gradient of a word that never occurs depend on which words are right? Then
#    write it.
# 3. Find all rows in two dimensions that can win at all.

# %% exercise L11.e1
@check("L11.e1")
def plant_giant(w_VD, giant, shaded):
    """Return the table with row `giant` so long that row `shaded` loses to it where it points.

    The giant points as before; all other rows stay. The two are less than 90 degrees apart.
    """
    ...

# %% exercise L11.e2
@check("L11.e2")
def gradient_of_unseen(x_ZD, w_VD, unseen):
    """Return the gradient of the mean loss over Z states by row `unseen`, which is never right.

    Logits are dot products. The two states above and rows of zeros give [0.5, 0.5]: half the sum.
    """
    ...

# %% exercise L11.e3
@check("L11.e3")
def can_win(w_V2):
    """Return for each row, True or False, whether any state gives it the largest dot product.

    The rows [2, 0], [0, 2], [-2, -2] and [0.1, 0.1] give True, True, True, False.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# A token that is never right is pushed at every step. The length of a row tells how it was trained:
# by which optimizer, and in which table. The belief is right about the embedding of an untied
# model. And in many dimensions, a row in the shade usually has a side on which it still wins.

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
# Which tokens never occurred in SmolLM2's training is not known, so B27 cannot be asked. Its rows
# differ by about as much as ours. Its longest rows win even more: among many rows, a small lead in
# length decides more often.

# %% quiet
judge_real_model("B26", "B30")

# %% [markdown]
# ## In short
#
# Every row that scores is pushed away from states after which its token does not follow, and Adam
# makes giants of those that are only pushed away. A longer row is a larger target. Where no state
# ever goes, a target is worth nothing.

# %% quiet
finish("L11")
