# %% [markdown]
# # L02 Lookup and inverse
# ## Does a token come back from its vector?
#
# *35 minutes. You need the embedding (lesson 0) and the variants of a word
# (lesson 1). A matrix times a vector is all the algebra.*
#
# **What many believe.** "To embed a token is to multiply by a matrix W. So to
# go back is to multiply by its inverse. This gives exactly 1 at the token and
# a little noise elsewhere, and where the noise is high there is another form
# of the same word. In practice one takes W turned on its side. It looks much
# the same."
#
# Claims: an embedded token comes back (B4). The table is far taller than wide
# (B9). One-hot times the table is a row (B10). The inverse gives 1 at the token
# (B11), the other peaks are variants (B12), the transpose does much the same
# (B13) and stands in for the inverse, which has two formulas (B20).
#
# ## Predict
#
# W has a row for each of V tokens, and D numbers in a row. The *transpose* is
# W turned on its side, so that rows become columns. It compares a vector with
# all rows at once, by the dot product. A model is called *tied* if its
# unembedding is its embedding. It reads out by the transpose.
#
# With more rows than numbers in a row, W has no inverse. What comes nearest is
# called its *pseudo-inverse*: of all matrices P, it brings W times P nearest to
# 1 at each token itself and 0 everywhere else.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, judge, judge_real_model, panel, predict, quiz,
    reveal,
)  # fmt: skip
from minitx.evidence.judging import EVIDENCE
from minitx.evidence.zoo_judging import readings
from minitx.measure import norms

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
# *one-hot* vector has a 1 at its token and 0 elsewhere. So a product with W
# keeps this token's row and nothing else: nobody multiplies, one looks it up.
#
# Take the second token and go back. Its dot products with the rows are 0.6,
# 1 and 1.6. The third is the largest, because the third row is long. So the
# transpose names the wrong token. Dividing by the length of each row gives
# the *cosine*: 0.6, 1, 0.8. A cosine of 1 is the most that there is.

# %%
w_VD = np.array([[1, 0], [0.6, 0.8], [0, 2]])
one_hot_V = np.array([0, 1, 0])
print("one-hot times W:", one_hot_V @ w_VD, "row:", w_VD[1])
squared_V = norms(w_VD) ** 2
print("transpose      :", w_VD[1] @ w_VD.T)
print("row-normalised :", w_VD[2] @ (w_VD.T / squared_V), "of the third token")
print("cosine         :", w_VD[1] @ w_VD.T / norms(w_VD) / norms(w_VD[1]))
print("pseudo-inverse :", (w_VD[1] @ np.linalg.pinv(w_VD)).round(2))

# %% [markdown]
# The line *row-normalised* is the second formula of the article: each row is
# divided by its squared length. It gives exactly 1 at the token itself. Look
# at the third token: another one has 1.6. So a 1 is no proof of the highest.
# And the pseudo-inverse does not give 1. Why not?
#
# ## Run it: more and more tokens in 64 dimensions
#
# Random rows, whose lengths differ by about a fifth, from three seeds. Four
# ways back, and two questions: what comes back at the token itself, and is
# this the highest of all? The baselines:
#
# - 64 dimensions are shared by V tokens. If the inverse gives no more than
#   64 / V, then it gives each token just its share.
# - Guessing names the right token once in V times.

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

# %% folded Tables of random rows, of seven sizes and from three seeds
def random_table(V, seed):
    random = np.random.default_rng(seed)
    rows_VD = random.standard_normal((V, D)) / np.sqrt(D)
    return rows_VD * random.normal(1, 0.2, (V, 1))

found = [[ways_back(random_table(V, seed)) for V in sizes]
         for seed in range(3)]

# %% folded Draw it, beside your prediction
picture = Picture("l02_lookup_and_inverse", "Does a token come back?", panels=2)
for way in found[0][0]:
    peaks = [[np.diag(back[way]).mean() for back in row] for row in found]
    right = [[np.mean(back[way].argmax(axis=1) == np.arange(len(back[way])))
              for back in row] for row in found]
    picture.line(0, sizes, peaks, way)
    picture.line(1, sizes, right, way)
    print(f"{way:14}, 512 tokens: at the token {np.mean(peaks, axis=0)[5]:.3f}, "
          f"highest for {np.mean(right, axis=0)[5]:.1%}")
    if way == "pseudo-inverse":
        of_inverse = np.mean(peaks, axis=0)[5]
share = np.minimum(1, D / np.array(sizes))
picture.baseline(0, sizes, share, "64 / V, at most 1")
picture.guess(0, guess, at=512)
settings = {"xscale": "log", "xticks": sizes, "xticklabels": sizes}
picture.dress(0, "What comes back at the token", "tokens V", "value", **settings)
picture.dress(1, "Is it the highest?", "tokens V", "share of tokens", **settings)
for axes in picture.axes:
    axes.minorticks_off()
picture.save()
reveal("L02.a", round(float(of_inverse), 3), "512 tokens share 64 dimensions, "
       "and 64 / 512 is 0.125.")
reveal("L02.b", "the cosine with each row", "only the token's own row has its "
       "direction, and so a cosine of 1. By the other ways another row can win.")

# %% [markdown]
# Look at the left panel. With more than 64 tokens no table has a
# pseudo-inverse that gives 1 everywhere. W times it is a *projection*: it
# keeps what lies in 64 dimensions, and its diagonal adds up to 64. Now look
# at the right panel, whose axis does not begin at 0. Nearly all tokens come
# back by all ways. What counts is not a peak of 1 but that it stands out.
#
# And whose are the other peaks? We ask our tied model, from three seeds.

# %% quiet
variants = [EVIDENCE["B12"].measure(reading) for reading in readings("bpe")]
by_inverse = np.mean([numbers["by_inverse"] for numbers in variants])
by_chance = np.mean([numbers["by_chance"] for numbers in variants])
reveal("L02.c", 100 * float(by_inverse), "in this model the other peaks do not "
       "belong to variants. A token drawn by chance would be a variant for "
       f"{100 * by_chance:.2g} words of 100. A model that has read more may differ.")

# %% [markdown]
# ## Your turn
#
# 1. Write the article's second formula.
# 2. What is the mean diagonal of W times its pseudo-inverse? Say first whether
#    it rises or falls if the vocabulary grows.
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
# elsewhere. Two formulas are offered for the inverse: the pseudo-inverse cannot
# give 1, and the row-normalised transpose gives 1 and lets others exceed it. A
# transpose works if a token's own peak stands out, not because it inverts.
#
# The belief is right for a table that is not taller than wide, with rows in
# independent directions: up to V = 64 in the left panel.

# %% quiet
quiz("L02")

# %% [markdown]
# ## Verdicts
#
# On our tied model: 512 tokens in 64 dimensions. Its rows are trained, and many
# of them point nearly the same way. So fewer tokens come back here than above,
# where the rows were random.

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
# all rows, and this is not an inverse. With more tokens than dimensions, the
# best inverse gives D / V at the token itself. A token comes back if it stands
# out from the others.

# %% quiet
finish("L02")
