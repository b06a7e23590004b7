# %% [markdown]
# # L04 Dot, cosine, distance
# ## By which rule does a model choose the next token?
#
# *35 minutes. You need the length of a vector, and the two tables of a model (lesson 2).*
#
# **What many believe.** "A model ends at a point in space, and predicts the token that lies nearest
# to it. Whether one says dot product, cosine or distance makes little difference."
#
# Claims: a logit is the dot product of a token's row with the last state (B21), so look for the
# largest dot product, not for the nearest row (C8), and "the nearest token" misleads (B24). Logits
# are close to cosines, and distance has no part in them (B2, C7). *Features*, the things that a
# model knows about its text, are directions, because both tables are linear (C9). So directions on
# a sphere, each with a size, make the better picture (B25).
#
# ## Predict
#
# The *unembedding* is a table with a row w for each token. It reads a vector x: the last *state*,
# after a final LayerNorm (a step that lesson 9 explains). In this lesson we call x the state. The
# score of a token, its *logit*, is the dot product x.w, and the token with the largest logit wins.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, held_out, judge, judge_real_model, over_seeds, panel,
    predict, quiz, reveal,
)  # fmt: skip
from minitx.compiled import trace
from minitx.measure import cosines, norms
from minitx.runs import zoo

rules = ["the largest dot product wins", "the largest cosine wins", "the smallest distance wins"]
predict("L04.a", "The last state is made a thousand times as long. Under which rule may another "
        "token win than before?", rules)
near = predict("L04.b", "For 100 predictions of a trained model: how often is the predicted token "
               "also the one whose row lies nearest to the state?", low=0, high=100)

# %% [markdown]
# ## Touch it
#
# Choose a token, and stretch its row. Watch its place among all tokens under each of the three
# rules.

# %% quiet
panel("arrow")

# %% [markdown]
# ## Worked example: one state, two rows
#
# Let x be (2, 1). Row a is (3, 0): its dot product with x is 6, and its end lies 1.41 away from x.
# Row b is (1, 1): its dot product is 3, and it lies 1.00 away. So a wins by dot product, and b by
# distance. The *cosine* is the dot product divided by both lengths. It depends on the directions
# only, and b has the larger one.

# %%
x_D, a_D, b_D = np.array([2.0, 1.0]), np.array([3.0, 0.0]), np.array([1.0, 1.0])
for name, w_D in [("a", a_D), ("b", b_D)]:
    print(f"{name}: dot {x_D @ w_D:.0f}, cosine {cosines(x_D, w_D):.3f}, "
          f"distance {norms(x_D - w_D):.2f}")

# %% [markdown]
# How far apart are these rules? Multiply out the squared distance: |x - w|^2 is |x|^2 - 2 x.w +
# |w|^2. The first part is the same for all tokens. So the nearest row is the one with the largest
#
#     x.w - |w|^2 / 2
#
# **Distance is the dot product with a penalty for long rows.** Cosine is the dot product divided by
# the length of the row (and by that of x, which is the same for all rows). If all rows have one
# length, the three rules agree. And if x gets longer, x.w grows and the penalty does not.
#
# ## Run it: rows of equal lengths, and rows of very different ones
#
# We take the rows of our trained model and change how much their lengths differ: not at all (0), as
# they are (1), or far more (2: the lengths squared). For each we ask how often cosine, and how
# often distance, choose the same token as the dot product. The **baseline**, what we would see if
# directions did not matter, has rows of the same lengths that point in random directions. If it is
# as high, then the lengths alone explain the agreement.

# %%
fables = zoo.load("fables")  # one model, trained from three seeds
text_BT = held_out(fables, 512)
spreads = np.array([0, 0.5, 1, 1.5, 2])

def agreement(x_ZD, w_VD):
    """How often cosine and distance choose like the dot product: Z predictions, V tokens."""
    shares = []
    for spread in spreads:
        length_V = norms(w_VD) / norms(w_VD).mean()
        rows_VD = w_VD / length_V[:, None] * length_V[:, None] ** spread
        dot_ZV = x_ZD @ rows_VD.T
        cosine_ZV = dot_ZV / norms(rows_VD)
        nearness_ZV = dot_ZV - norms(rows_VD) ** 2 / 2
        shares.append([np.mean(score_ZV.argmax(axis=1) == dot_ZV.argmax(axis=1))
                       for score_ZV in (cosine_ZV, nearness_ZV)])
    return 100 * np.transpose(shares)

# %% folded The states and rows of the three models, and rows in random directions
def states_and_rows(model):
    x_BTD = np.asarray(trace(model, text_BT).after_final_norm_BTD, float)
    return x_BTD.reshape(-1, x_BTD.shape[-1]), np.asarray(model.unembedding_VD, float)

def in_random_directions(w_VD):
    random_VD = np.random.default_rng(0).standard_normal(w_VD.shape)
    return random_VD / norms(random_VD)[:, None] * norms(w_VD)[:, None]

def of_random_rows(model):
    x_ZD, w_VD = states_and_rows(model)
    return agreement(x_ZD, in_random_directions(w_VD))

cosine, nearness = over_seeds(lambda model: agreement(*states_and_rows(model)),
                              fables.models).swapaxes(0, 1)
random_cosine, random_nearness = over_seeds(of_random_rows, fables.models).swapaxes(0, 1)

# %% folded Draw it, beside your prediction
picture = Picture("l04_dot_cosine_distance", "Which rule chooses like the dot product?", panels=2)
panels = {"cosine": (cosine, random_cosine), "distance": (nearness, random_nearness)}
for place, (rule, (real, random)) in enumerate(panels.items()):
    picture.line(place, spreads, real, rule)
    picture.baseline(place, spreads, random, "rows in random directions")
    picture.dress(place, rule, "how much the lengths of rows differ (1: as trained)",
                  "same choice, of 100 predictions", ylim=(0, 103))
    print(f"as trained, {rule} agrees for {real[:, 2].mean():.1f} of 100, and in random directions "
          f"for {random[:, 2].mean():.1f}")
picture.guess(1, near, at=1)
picture.save()
reveal("L04.a", rules[2], "dot products grow with x, all by the same factor, and a cosine does not "
       "see the length of x. The penalty for long rows stays what it was.")
reveal("L04.b", round(float(nearness[:, 2].mean()), 1), "the state is long beside the rows, so x.w "
       "is large and the penalty is small.")

# %% [markdown]
# Read both panels from left to right. When the lengths of rows differ more, *cosine* departs from
# the model's choice first, not distance. Distance clearly agrees more often than its baseline, so
# its agreement is due to directions, too. For cosine the baseline comes much closer: in some models
# the lengths alone explain nearly as much. "Nearest" is the wrong word for what a model does, and
# still the nearest row is nearly always the model's choice here. Wrong reasons can give right
# answers.
#
# ## Your turn
#
# 1. Find the nearest row with dot products only.
# 2. Say first: with a state twice as long, do distance and dot product agree more, or less? Then
#    write how long a state has to be, so that the row with the larger dot product is the nearer
#    one too.
# 3. If minus the dot product were a distance, a detour could be shorter than the straight way.
#    Build such a detour.

# %% exercise L04.e1
@check("L04.e1")
def nearest_as_dot(x_D, w_VD):
    """Return scores for all rows. The largest is the row nearest to x_D.

    Use dot products only: the score of the row [2, 0] for the state [1, 1] is 0.
    """
    ...

# %% exercise L04.e2
@check("L04.e2")
def length_needed(gap, square_a, square_b):
    """Return the length of the state above which row a is the nearer one.

    For a state of length 1, the dot product with a is larger than that with b
    by `gap`. The squared lengths of the rows are square_a and square_b, and a
    is the longer row. (1, 5, 3) gives 1.
    """
    ...

# %% exercise L04.e3
@check("L04.e3")
def broken_triangle():
    """Return a_D, b_D, c_D: from a to b and on to c is shorter than from a to c.

    Here the "distance" of two vectors is minus their dot product.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# A logit is a dot product. It is not a distance: larger means closer, it has no upper limit, and a
# detour can be shorter than the straight way. The belief is right where the rules agree. All three
# agree if the rows have one length. Dot product and distance agree if the state is long. Dot
# product and cosine agree if the rows' lengths differ little.
#
# Are features directions because both tables are linear (C9)? *Linear* means: (x + y).w is x.w +
# y.w. So a vector that is added to x adds its own logits, whatever x is. But a LayerNorm stands
# before the unembedding, and it divides a sum by its length. So if two states are added in front of
# the LayerNorm, their logits do not add up.

# %% quiet
quiz("L04")

# %% [markdown]
# ## Verdicts
#
# The verdicts read more text than we did, so their numbers differ a little from ours. Our model has
# 73 tokens, so a token has few rivals. That is a likely reason why distance does so well here, as
# in B2, B25 and C7. A *rank correlation* of 1 says that two orders are the same, and 0 that they
# are unrelated.

# %% quiet
judge("B2", "B21", "B24", "B25", "C7", "C8", "C9")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 has 49,152 rows, so every token has many more rivals.

# %% quiet
judge_real_model("B2", "B21", "B24", "B25", "C7", "C8", "C9")

# %% [markdown]
# ## In short
#
# The largest dot product wins. Distance is the dot product with a penalty for long rows, and cosine
# is the dot product without the rows' lengths. The three agree more often if the rows' lengths
# differ less; and distance agrees more often if the state is longer.

# %% quiet
finish("L04")
