# %% [markdown]
# # L10 LayerNorm or loss?
# ## Why do models think in directions: because of LayerNorm, or because of the loss?
#
# *35 minutes. You need dot, cosine and distance (lesson 4), and what LayerNorm does (lesson 9).*
#
# **What many believe.** Two readers of one article argue. The first: "Models think in directions
# because of LayerNorm. It gives all vectors one length, so nobody behind it can see another." The
# second: "No. Small models without any LayerNorm behave much the same. The reason is the loss."
#
# Claims: LayerNorm is the reason to think in directions (C1). The loss is the reason, and models
# without LayerNorm behave much the same (C2).
#
# ## Predict
#
# Three phrases have to be made precise before anybody can be right.
#
# - A model *thinks in directions* as far as it can do without the lengths of its states. So we give
#   all states of a layer one length, their median, and let the rest of the model go on.
# - What a model *knows* is how far its loss on held-out text lies below the loss of somebody who
#   knows only how frequent each letter is. We ask which part of that is lost.
# - *Much the same* can mean anything as long as nobody says how near is near. So we set a *margin*
#   before we see a number: 5 points, a twentieth of what a model knows.
#
# To fix question, margin and rule in advance is to *preregister* an experiment. The rule: both
# kinds are *alike* if their difference is surely inside the margin, *different* if it is surely
# outside, and otherwise it is *undecided*.
#
# The last thing to know is the *head*: how a last state x and the row w of a token make a logit.
# There are three: the dot product, the cosine times a learned number, its *scale*, and minus half
# the squared distance.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, finish, judge, panel, predict, quiz, real_model, reveal,
)  # fmt: skip
from minitx.evidence.evidence import Untestable
from minitx.evidence.heads import knowledge_kept
from minitx.evidence.reading import read
from minitx.evidence.zoo_judging import family
from minitx.measure import cosines, norms, softmax

heads = ["dot", "cosine", "distance"]
outcomes = ["alike", "different", "undecided"]
guess = predict("L10.a", "A model without any LayerNorm, whose head is the dot product: we give "
                "all states of a layer one length. How much of what it knows does it lose?",
                low=0, high=100, unit="percent")
predict("L10.b", "Three models without any LayerNorm, trained with the same loss, differ in their "
        "head alone. Which one loses least?", heads)
predict("L10.c", "Models with dot products, with LayerNorm and without, three seeds of each: what "
        "they lose is, by the rule above,", outcomes)

# %% [markdown]
# ## Touch it
#
# This model has no LayerNorm at all. Choose a station in the middle, make the state longer, and
# compare with a turn as far. Then choose the last station: in lesson 9, length did nothing there.

# %%
panel("turn", "head-dot-none", change="longer")

# %% [markdown]
# ## Worked example: one loss, three heads
#
# The state is (2, 1), and the rows are a = (3, 0) and b = (1, 1). Token b is the right one. By dot
# product the logits of a and b are 6 and 3. So b gets the probability 1 / (1 + exp(6 - 3)), which
# is 0.047. The *cross-entropy* loss is minus the logarithm of that: 3.05 nats. Then we make the
# state twice as long, and do it again.

# %%
def distance_logit(x_D, w_D):
    return -norms(x_D - w_D) ** 2 / 2

a_D, b_D = np.array([3.0, 0.0]), np.array([1.0, 1.0])
for name, head in [("dot", np.dot), ("cosine", cosines), ("distance", distance_logit)]:
    for x_D in (np.array([2.0, 1.0]), np.array([4.0, 2.0])):
        p_2 = softmax([head(x_D, a_D), head(x_D, b_D)])
        print(f"{name:8} state {x_D}: p(b) = {p_2[1]:.3f}, loss {-np.log(p_2[1]):.2f} nats")

# %% [markdown]
# One and the same loss, and length means three things. For the dot product it is sureness: a wins
# more clearly. For the distance it decides who wins: first b, then a. For the cosine (here with the
# scale 1) it is nothing. **The loss sees logits only. What length means is decided by the head.**
# That holds for any loss that is computed from logits, such as the squared error of the
# probabilities.
#
# ## Run it: take the lengths away
#
# Six kinds of models: three heads, with LayerNorm and without, all with cross-entropy. For each
# layer, all its states get one length. We show what is lost, as a mean over the layers.
#
# The **baseline** turns the states instead, each as far as the change of length has moved it. If
# new lengths cost as much as turns, then length is as good as any direction, and the model does not
# think in directions at all.
#
# A seed fixes the numbers that a model begins with and the order of its text. So we compare seed by
# seed. Three seeds are few: the mean of very many would lie within 4.30 *standard errors* of theirs
# in 95 of 100 cases. The standard error is their standard deviation over the root of three. This is
# the interval. *Surely inside* means that all of it lies inside the margin, and *surely outside*
# that all of it lies outside.

# %% folded What is lost of what a model knows, in percent
def lost(kinds):
    """What is lost at one length, and by turns: for each a row per seed, a column per kind."""
    kept = [[share_kept(kind, seed) for seed in range(len(kind.models))] for kind in kinds]
    return 100 - 100 * np.transpose(kept)

def share_kept(kind, seed):
    try:
        return knowledge_kept(kind, seed)  # at one length, and turned
    except Untestable:  # it has learned nothing that it could lose
        return np.nan, np.nan

# %%
without = [family(f"head-{head}-none") for head in heads]  # three seeds each
with_norm = [family(f"head-{head}-layernorm") for head in heads]
lost_without, lost_by_turns = lost(without)
lost_with_norm, _ = lost(with_norm)

difference = lost_without - lost_with_norm  # seed by seed
middle, spread = difference.mean(axis=0), difference.std(axis=0, ddof=1)
reach = 4.30 * spread / np.sqrt(3)
for place, head in enumerate(heads):
    low, high = middle[place] - reach[place], middle[place] + reach[place]
    print(f"{head:8} {low:.1f} to {high:.1f} points more are lost without LayerNorm")

# %%
picture = Picture("l10_layernorm_or_loss", "What does a model lose without lengths?", panels=2)
picture.bars(0, heads, lost_without, "no LayerNorm", of=3, place=0)
picture.bars(0, heads, lost_with_norm, "LayerNorm", of=3, place=1)
picture.bars(0, heads, lost_by_turns, "baseline: no LayerNorm, turned", of=3, place=2)
picture.guess(0, guess, at=-0.27)
picture.dress(0, "all states at one length", "head", "lost, % of what it knows", ylim=(0, None))
picture.dots(1, [[0, 1, 2]] * len(difference), difference, "one seed")
picture.axes[1].errorbar([0, 1, 2], middle, reach, fmt="none", color="black", capsize=6)
picture.axes[1].axhspan(-5, 5, color="0.9", zorder=0, label="inside the margin")
picture.axes[1].set_xticks([0, 1, 2], heads)
picture.dress(1, "how much more without LayerNorm", "head", "points", xlim=(-0.5, 2.5))
picture.save()
reveal("L10.a", lost_without[:, 0].mean(), f"turns as far cost {lost_by_turns[:, 0].mean():.0f} "
       "percent. Length counts, but less than direction.")
reveal("L10.b", heads[lost_without.mean(axis=0).argmin()], "a cosine sees no length, and its model "
       "did not learn to use one in its blocks.")

# %% quiet
inside = abs(middle[0]) + reach[0] < 5
outside = abs(middle[0]) - reach[0] > 5
reveal("L10.c", outcomes[0 if inside else 1 if outside else 2], "see where the interval of \"dot\" "
       "ends, and where the margin does.")

# %% [markdown]
# Left: with LayerNorm next to nothing is lost, as the first reader says. With the cosine as head it
# is the same, and there is no LayerNorm in that model. Dot product and distance lose a little. All
# six have the same loss, so the loss is not what makes the difference.
#
# Right: an interval that crosses the edge of the grey band is no proof of anything. "We found no
# difference" would be wrong here, and so would "much the same". More seeds would decide it.
#
# ## Your turn
#
# 1. Write the rule that was preregistered.
# 2. Write the cosine head. Say first: with a scale of 1 and 50 tokens, how sure can it be at most?
# 3. Without LayerNorm, a block *can* use length. Build one unit of an MLP, max(0, w.x + b), that is
#    silent for a state and answers if the state is twice as long.

# %% exercise L10.e1
@check("L10.e1")
def outcome(difference_E, margin):
    """Return "alike", "different" or "undecided", from the differences of three seeds.

    Their interval is the mean, plus and minus 4.30 standard deviations (ddof=1) over sqrt(3).
    """
    ...

# %% exercise L10.e2
@check("L10.e2")
def cosine_head(x_ZD, w_VD, scale):
    """Return logits_ZV: for each of Z states and V rows, their cosine times the scale."""
    ...

# %% exercise L10.e3
@check("L10.e3")
def sees_length(x_D):
    """Return w_D and b such that max(0, w.x + b) is 0 for x_D, and above 0 for 2 * x_D."""
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Both readers look for one reason. In our models, length counts if it reaches a head that sees it.
# A LayerNorm takes it away, and a cosine head ignores it: each of them is enough. And with neither,
# the models still keep most of what they know. For that part, nobody has named the reason yet.
#
# The first reader is right that behind a LayerNorm length cannot count. The second is right that it
# counts for little without one. And exercise 2: cosines end at -1 and 1, so with a scale of 1 one
# token among 50 gets 13 % at most. A cosine head keeps its sureness in the scale.

# %% quiet
quiz("L10")

# %% [markdown]
# ## Verdicts

# %% quiet
judge("C1", "C2")

# %% [markdown]
# ## The same on a real model
#
# No single model can settle C1 or C2: that takes models that differ in the norm, or in the head,
# and in nothing else. SmolLM2 can show the first reader's half of the truth: before its last norm,
# states differ in length; behind it, and before the gain, they do not. (It is an RMSNorm, which
# divides like LayerNorm, but leaves the mean in.)

# %% quiet
run = real_model()
if run:
    seen = read(run).trace
    before_Z = norms(seen.before_final_norm_BTD[:, 1:]).ravel()
    gain_D = np.asarray(run.model.final_norm.gain[...])
    after_Z = norms(seen.after_final_norm_BTD[:, 1:] / gain_D).ravel()
    for place, lengths_Z in [("before", before_Z), ("behind", after_Z)]:
        low, high = np.quantile(lengths_Z, [0.05, 0.95])
        print(f"{place} its last norm: the middle 90 % of lengths go from {low:.1f} to {high:.1f}")
    print(f"the root of its {run.config.width} channels is {np.sqrt(run.config.width):.1f}")

# %% [markdown]
# ## In short
#
# The loss sees logits only; the head decides what length means. LayerNorm takes length away, a
# cosine head does so as well, and without both a model uses length a little. "Much the same" means
# something only with a margin that was set before.

# %% quiet
finish("L10")
