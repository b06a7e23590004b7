# %% [markdown]
# # L03 The static map
# ## Is king - man + woman = queen?
#
# *35 minutes. You need the two tables of a model: embedding and unembedding (lesson 2).*
#
# **What many believe.** "Training puts words of like meaning close together. On this map, king -
# man + woman lands on queen. Only directions carry meaning, so it works best with all vectors on a
# sphere."
#
# Claims: training makes embeddings a map of meaning (A1), so points are a useful picture, if
# incomplete (B14). The analogy lands next to its answer (A3), seldom on it (A4). Plain distance is
# led astray by long vectors (A5), and on a sphere the analogy works (A6), though a sphere is
# awkward in coordinates (C10). A token is a direction and a size rather than a point (B1).
#
# ## Predict
#
# We need words whose meaning is known exactly. The corpus `kingdom` has 24 nouns for people. Each
# has a rank, a gender and an age: a king is royal, male, grown. The words around a noun depend on
# these three, as "palace" depends on the rank. Besides, each noun has a taste of its own, and some
# nouns are far more frequent than others, as in real language.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, judge, judge_real_model, over_seeds, predict, quiz, reveal,
)  # fmt: skip
from minitx.measure import norms
from minitx.runs import zoo

hits = predict("L03.a", "Of 100 analogies like king - man + woman, how often is the right word the "
               "nearest of ALL words, the three in the question included?", low=0, high=100)
kinds = ["many more", "about as many", "many fewer"]
predict("L03.b", "Now all vectors get the same length, so that they lie on a sphere. How many hits "
        "are there? (Ten of 100 count as many.)", kinds)

# %% [markdown]
# ## Touch it: the map
#
# Our model's embedding has 32 numbers for each word. The figure shows the flattest view of the
# nouns (two directions along which they differ most). Change the four words, and run it again.

# %% folded Draw a map of the nouns, with two steps on it
family = zoo.load("kingdom-untied")  # one model, trained from three seeds
source, tokens = family.data.generator, list(family.data.tokenizer.tokens)
nouns = list(source.attributes)  # each with its rank, gender and age

def vectors(model, words):
    table_VD = np.asarray(model.embedding.table[...], float)
    return table_VD[[tokens.index(word) for word in words]]

def draw_map(four):
    x_ND = vectors(family.models[0], nouns)
    x_ND = x_ND - x_ND.mean(axis=0)
    plane_2D = np.linalg.svd(x_ND, full_matrices=False)[2][:2]
    flat_N2 = x_ND @ plane_2D.T
    shown = (flat_N2**2).sum() / (x_ND**2).sum()
    picture = Picture("l03_map", f"A map of people ({shown:.0%} of the variance)")
    for gender in ("male", "female"):
        chosen = [n for n, noun in enumerate(nouns) if source.attributes[noun]["gender"] == gender]
        picture.dots(0, *flat_N2[chosen].T, gender, [nouns[n] for n in chosen])
    king, man, woman, queen = (flat_N2[nouns.index(word)] for word in four)
    for start, end in ((man, woman), (king, queen)):
        arrow = {"arrowstyle": "->", "color": "0.4", "linewidth": 1.6}
        picture.axes[0].annotate("", end, start, arrowprops=arrow)
    title = f"the steps from {four[1]} to {four[2]} and from {four[0]} to {four[3]}"
    picture.dress(0, title, "first direction", "second direction")
    picture.save()

# %%
draw_map(["king", "man", "woman", "queen"])

# %% [markdown]
# If the analogy held exactly, both arrows would be equal, and the four words would be the corners
# of a parallelogram.
#
# ## Worked example: an analogy by hand
#
# Let man be (1, 0) and woman (1, 2): the step between them is (0, 2). Let king be (4, 0). Adding
# the step to king gives (4, 2). If queen is at (4, 3), the sum misses it by 1. Whether it *hits*
# depends on who else is there: here king itself, at distance 2, is the next nearest. So queen wins.

# %%
man, woman, king, queen = np.array([[1.0, 0], [1, 2], [4, 0], [4, 3]])
place = king - man + woman
for name, word in {"queen": queen, "king": king, "woman": woman, "man": man}.items():
    print(f"{name:6} lies {norms(place - word):.2f} away")

# %% [markdown]
# ## Run it: 120 analogies, and who may answer
#
# A hit: the right word is the nearest of all. We try three kinds of vectors: as they are, with
# their mean removed, and all of one length. And we count twice: all words may answer, or all except
# the three in the question. The **baseline** is the third word alone ("woman", with nothing added
# to it): if it hits as often, the arithmetic has no part.

# %% folded The analogies: both pairs differ in gender only
place_of = {tuple(has.values()): n for n, has in enumerate(source.attributes.values())}
other = {"male": "female", "female": "male"}
ranks = list(dict.fromkeys(rank for rank, _, _ in place_of))
questions = [  # a is to b as c is to d: man, woman, king, queen
    (place, place_of[rank, other[gender], age], place_of[rank_2, gender, age],
     place_of[rank_2, other[gender], age])
    for (rank, gender, age), place in place_of.items() for rank_2 in ranks if rank_2 != rank
]
ids = np.array([tokens.index(noun) for noun in nouns])
a, b, c, d = ids[np.transpose(questions)]

# %%
def hit_rates(place_QD, table_VD):
    """Hits of 100 if all words may answer, and without those in the question."""
    apart_QV = norms(place_QD[:, None] - table_VD)  # a distance for each question and word
    of_all = np.mean(apart_QV.argmin(axis=1) == d)
    for asked in (a, b, c):
        apart_QV[np.arange(len(d)), asked] = np.inf
    return 100 * of_all, 100 * np.mean(apart_QV.argmin(axis=1) == d)

def by_kind(model):
    raw_VD = vectors(model, tokens)
    centred_VD = raw_VD - raw_VD.mean(axis=0)
    sphere_VD = raw_VD / norms(raw_VD)[:, None]
    found = [hit_rates(x[c] - x[a] + x[b], x) for x in (raw_VD, centred_VD, sphere_VD)]
    return [*found, hit_rates(raw_VD[c], raw_VD)]  # the last is the baseline

found = over_seeds(by_kind, family.models)  # seeds, kinds, two ways to count

# %%
picture = Picture("l03_static_map", "Does the analogy hit its answer?")
names = ["as they are", "mean removed", "one length", "baseline: third\nword alone"]
for place, title in enumerate(["all words may answer", "words of the question excluded"]):
    picture.bars(0, names, found[:, :, place], title, of=2, place=place)
picture.guess(0, hits)
picture.dress(0, "", "vectors", "hits of 100", ylim=(0, 103))
picture.save()
raw, sphere = found[:, 0, 0].mean(), found[:, 2, 0].mean()
reveal("L03.a", float(raw), "training makes the steps alike, and in 32 channels there is room to "
       "miss everybody else.")
change = kinds[1] if abs(sphere - raw) < 10 else kinds[0 if sphere > raw else 2]
reveal("L03.b", change, f"{sphere:.0f} of 100 hit at one length, and {raw:.0f} as they are.")

# %% [markdown]
# Compare the two colours at the baseline. The third word alone never hits while it may answer
# itself, and hits often once the question's words are excluded: the answer is simply its nearest
# other neighbour. Many published analogies exclude these words without a word about it.
#
# ## Your turn
#
# 1. Find a word's place among the neighbours of another, by cosine.
# 2. Say first: you make queen three times as long. Does king - man + woman hit by distance? By
#    cosine? Then write what stretching does to a distance.
# 3. Build four words whose parallelogram is exact, and broken on the sphere.

# %% exercise L03.e1
@check("L03.e1")
def cosine_place(x_D, w_VD, target):
    """Return how many rows of w_VD have a larger cosine with x_D than row `target` has.

    For the nearest of all it is 0.
    """
    ...

# %% exercise L03.e2
@check("L03.e2")
def distance_after_stretching(length_x, length_y, cosine, factor):
    """Return the distance between x and `factor` times y, from their lengths and their cosine.

    Lengths 3 and 2, cosine 0 and factor 2 give 5.
    """
    ...

# %% exercise L03.e3
@check("L03.e3")
def broken_on_the_sphere():
    """Return man, woman, king, queen as rows x_4D: king - man + woman is exactly queen.

    With each row at length 1, the sum has to miss queen by more than 0.1.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# A map does form, and most analogies hold on it. They need no sphere: in this model, one length
# adds little, and it bends parallelograms whose sides differ in length. "Next to" is not "on": the
# sum misses its answer by a good part of the distance to other words. The belief is right where
# lengths say something else than meaning, such as how frequent a word is: there, long vectors
# mislead.

# %% quiet
quiz("L03")

# %% [markdown]
# ## Verdicts
#
# Our corpus was made so that meanings are known. So a verdict says what *can* be learned from text.

# %% quiet
judge("A1", "A3", "A4", "A5", "A6", "B1", "B14", "C10")

# %% [markdown]
# ## The same on a real model
#
# Nobody knows the exact meanings of English words, so only the claim about rows can be asked.

# %% quiet
judge_real_model("B1")

# %% [markdown]
# ## In short
#
# Training draws a map on which like differences are like steps. Always ask who was allowed to
# answer, and what the third word alone would hit. Length is one of the things that a map can spend
# on something else than meaning.

# %% quiet
finish("L03")
