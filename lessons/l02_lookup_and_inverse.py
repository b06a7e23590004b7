# %% [markdown]
# # L02 Lookup and inverse
# ## Does a token come back from its vector?
#
# *35 minutes. You need the embedding (lesson 0) and the variants of a word
# (lesson 1). From algebra you need products of vectors and matrices.*
#
# **What many believe.** "To embed a token is to multiply by a matrix W. So to
# go back is to multiply by its inverse. This gives exactly 1 at the token and
# a little noise elsewhere. Where the noise is high, there is another form of
# the same word. In practice, W turned on its side does much the same."
#
# Claims: an embedded token comes back (B4). The table is far taller than wide
# (B9). One-hot times the table is a row (B10). The inverse gives 1 at the token
# (B11), the other peaks are variants (B12), the transpose does much the same
# (B13) and stands in for the inverse, which has two formulas (B20).
#
# ## Predict
#
# W has a row for each of V tokens, and D numbers in a row. Its *transpose* W^T
# is W turned on its side: rows become columns. It compares a vector with all
# rows at once, by the dot product. A model is *tied* if its unembedding is its
# embedding: it reads out by the transpose.
#
# With more rows than numbers in a row, W has no inverse. The second article
# gives two formulas to go back:
#
# - The *pseudo-inverse* P = (W^T W)^-1 W^T. No other matrix brings W P nearer
#   to 1 at every token itself and 0 everywhere else.
# - The *row-normalised* transpose: W^T, with each token's numbers divided by
#   the squared length of its row.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, judge, judge_real_model, panel, predict, quiz, reveal,
)  # fmt: skip
from minitx.evidence.judging import EVIDENCE
from minitx.evidence.zoo_judging import readings
from minitx.measure import norms
from minitx.runs import zoo

guess = predict("L02.a", "512 tokens have random rows of 64 numbers. We embed a token and "
                "multiply by the pseudo-inverse. What comes back at the token itself, on "
                "average?", low=-2, high=2)
predict("L02.b", "No two rows of a table have the same direction. Which way back names the "
        "right token, whatever the lengths of the rows?",
        ["the transpose", "the pseudo-inverse", "the cosine with each row"])
predict("L02.c", "Take 100 words that have variants in our tied model, such as \" the\" and "
        "\"The\". For how many is the highest other peak of the pseudo-inverse a variant?",
        low=0, high=100, unit="words of 100")

# %% [markdown]
# ## Touch it
#
# Our tied model compares its last state with the rows of the table. Make one
# row longer, and watch the probability of its token.

# %% quiet
panel("arrow", "bpe")

# %% [markdown]
# ## Worked example: three tokens in two dimensions
#
# The rows are (1, 0), (0.6, 0.8) and (0, 2), with the lengths 1, 1 and 2. A
# *one-hot* vector has a 1 at its token and 0 elsewhere. Its product with W is
# the token's row. So nobody multiplies: one looks the row up. We embed the
# second token and go back. The *cosine* is the dot product of two vectors,
# divided by both lengths; it is 1 for the same direction, and never more.

# %%
w_VD = np.array([[1, 0], [0.6, 0.8], [0, 2]])
row_D = np.array([0, 1, 0]) @ w_VD  # one-hot times W
squared_V = norms(w_VD) ** 2
print("row            :", row_D)
print("transpose      :", row_D @ w_VD.T)
print("row-normalised :", row_D @ (w_VD.T / squared_V))
print("pseudo-inverse :", (row_D @ np.linalg.pinv(w_VD)).round(2))
print("cosine         :", row_D @ w_VD.T / norms(w_VD) / norms(row_D))
print("third token, row-normalised:", w_VD[2] @ (w_VD.T / squared_V))

# %% [markdown]
# The second of the three numbers should be the highest. The transpose names
# the third token, whose row is long. The pseudo-inverse gives 0.34 at the
# second token, and names the first. The row-normalised transpose gives exactly
# 1, and is right here. In the last line it is wrong: the third token gets 1,
# and the second gets 1.6. The dot products are 4 and 1.6. The 4 is divided by
# 4, and the 1.6 by 1, because the second row is short.
#
# ## Run it: more and more tokens in 64 dimensions
#
# We make tables of random rows, from three seeds. The lengths of rows differ by
# about a fifth. What comes back at the token itself? And is it the highest of
# all, so that the token is *named*? The **baseline** is 64 / V, because V
# tokens share 64 dimensions. If the pseudo-inverse gives no more at the token
# itself, then each token gets just its share.

# %%
D = 64
sizes = [16, 32, 64, 128, 256, 512, 1024]

def ways_back(w_VD):
    """Return what comes back: a row for each token that was embedded."""
    dot_VV = w_VD @ w_VD.T
    length_V = norms(w_VD)
    return {"transpose": dot_VV,
            "row-normalised": dot_VV / length_V**2,
            "pseudo-inverse": w_VD @ np.linalg.pinv(w_VD),
            "cosine": dot_VV / length_V / length_V[:, None]}

def named(back_VV):
    """Return how many tokens of 100 have the highest value of their row."""
    return 100 * np.mean(back_VV.argmax(axis=1) == np.arange(len(back_VV)))

# %% folded Tables of random rows, of seven sizes and from three seeds
def random_table(V, seed):
    random = np.random.default_rng(seed)
    rows_VD = random.standard_normal((V, D)) / np.sqrt(D)
    return rows_VD * random.normal(1, 0.2, (V, 1))

found = [[ways_back(random_table(V, seed)) for V in sizes] for seed in range(3)]

# %% folded Draw it, beside your prediction
picture = Picture("l02_lookup_and_inverse", "Does a token come back?", panels=2)
below = {"color": "0.75", "linewidth": 7}  # broad, so that curves on it are seen
picture.line(0, sizes, np.minimum(1, D / np.array(sizes)), "baseline: 64 / V, at most 1", below)
for place, way in enumerate(found[0][0]):
    peaks = [[np.diag(back[way]).mean() for back in row] for row in found]
    lost = [[100 - named(back[way]) for back in row] for row in found]
    picture.line(0, sizes, peaks, way)
    picture.bars(1, sizes, lost, way, of=4, place=place)
    print(f"{way:14} V = 512: {np.mean(peaks, 0)[5]:.3f}, names {100 - np.mean(lost, 0)[5]:.1f} %")
picture.guess(0, guess, at=512)
picture.dress(0, "What comes back at the token", "tokens V", "value", xscale="log",
              xticks=sizes, xticklabels=sizes)
picture.axes[0].minorticks_off()
picture.dress(1, "How many tokens are not named?", "tokens V", "tokens of 100")
picture.save()
peak = np.mean([np.diag(row[5]["pseudo-inverse"]).mean() for row in found])
reveal("L02.a", round(float(peak), 3), "the tokens share 64 dimensions, and 64 / 512 = 0.125.")
reveal("L02.b", "the cosine with each row", "only the token's own row has its "
       "direction, and so a cosine of 1. By the other ways another row can win.")

# %% [markdown]
# Look at the left panel. Why does the pseudo-inverse give 64 / V? The diagonal
# of W P holds what it gives at the tokens themselves. The sum of this diagonal
# is the sum of all W[v, d] * P[d, v]. The sum of the diagonal of P W is the
# same. By the first formula, P W is (W^T W)^-1 times W^T W: 64 rows, with 1 on
# the diagonal and 0 elsewhere. So both sums are 64, and the mean over V tokens
# is 64 / V. P is called a *left inverse*: it gives back states, not tokens.
#
# In the right panel, all ways name nearly all tokens. The pseudo-inverse has
# the lowest peak, and yet names more than the transpose. What counts is not a
# peak of 1, but that it stands out. Does this hold for a trained table?

# %%
table_VD = zoo.load("bpe").models[0].embedding.table[...]
for way, back_VV in ways_back(table_VD).items():
    print(f"{way:14} names {named(back_VV):.1f} of 100")

# %% [markdown]
# Training made many rows point nearly the same way. So the transpose, by which
# this model reads out, names fewer tokens. The pseudo-inverse takes away what
# the rows have in common. Do its other peaks belong to variants of the word?

# %% folded Ask for the highest other peak of each word
variants = [EVIDENCE["B12"].measure(reading) for reading in readings("bpe")]
by_inverse = np.mean([numbers["by_inverse"] for numbers in variants])
by_chance = np.mean([numbers["by_chance"] for numbers in variants])

# %% quiet
reveal("L02.c", 100 * float(by_inverse), "for so few of 100 words the highest "
       "other peak is a variant. A token drawn by chance would be a variant for "
       f"{100 * by_chance:.2g} of them. A model that has read more may differ.")

# %% [markdown]
# ## Your turn
#
# 1. Write the second formula.
# 2. What is the mean diagonal of W P? Say first whether it rises or falls if
#    the vocabulary grows.
# 3. Build a table for which the row-normalised transpose fails.

# %% exercise L02.e1
@check("L02.e1")
def row_normalised(w_VD):
    """Return rows whose dot product with the same row of w_VD is exactly 1.

    [[2, 0], [0, 4]] gives [[0.5, 0], [0, 0.25]].
    """
    ...

# %% exercise L02.e2
@check("L02.e2")
def mean_diagonal(vocab, width):
    """Return the mean diagonal of W times its pseudo-inverse, for random rows.

    8 tokens in 2 dimensions give 0.25, and 2 tokens in 8 dimensions give 1.
    """
    ...

# %% exercise L02.e3
@check("L02.e3")
def wrong_token(width):
    """Return a table w_VD of that width for which token 0 does not come back.

    Its rows have different directions, and the way back is row-normalised:
    scores_V = w_VD[0] @ (w_VD.T / norms(w_VD)**2), and the largest is not [0].
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# With more tokens than dimensions, no matrix gives 1 at every token and 0
# elsewhere. A transpose works if a token's own peak stands out, not because it
# inverts. The belief is right for a table that is not taller than wide, with
# independent rows: up to V = 64 in the left panel.

# %% quiet
quiz("L02")

# %% [markdown]
# ## Verdicts
#
# We judge our tied model, over three seeds. Above, we saw the first of them.

# %% quiet
judge("B4", "B9", "B10", "B11", "B12", "B13", "B20")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 is tied too, with 49,152 tokens in 576 dimensions.

# %% quiet
judge_real_model("B4", "B9", "B10", "B11", "B12", "B13", "B20")

# %% [markdown]
# ## In short
#
# To embed is to look up a row. To go back, a model compares the vector with
# all rows. This is not an inverse: with more tokens than dimensions, there is
# none. A token comes back if its own value stands out from the others.

# %% quiet
finish("L02")
