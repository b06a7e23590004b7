# %% [markdown]
# # L10 LayerNorm or loss?
# ## Why do models think in directions: because of LayerNorm, or because of the loss?
#
# *35 minutes. You need dot, cosine and distance (lesson 4), and what LayerNorm does (lesson 9).*
#
# **What many believe.** Two readers of one article argue. The first: "Models think in directions
# because of LayerNorm. It gives all vectors the same length, so nothing after it can see lengths."
# The second: "No. Small models without any LayerNorm behave much the same. The reason is the loss."
#
# Claims: LayerNorm is the reason to think in directions (C1). The loss is the reason, and models
# without LayerNorm behave much the same (C2).
#
# ## Predict
#
# Three phrases have to be made precise before anybody can be right.
#
# - A model *thinks in directions* to the extent that it does not need the lengths of its states. To
#   test this, we give all states of a layer one length, their median, and let the model go on.
# - What a model *knows* is how far its loss on held-out text lies below the loss of a guesser who
#   knows only how frequent each letter is. We measure how much of that is lost.
# - *Much the same* needs a *margin*: how close counts as the same. We set it before we see a
#   number: 5 points, a twentieth of what a model knows.
#
# Our rule: two kinds of models are *alike* if the whole 95 % confidence interval of their
# difference (explained below) lies inside the margin, *different* if all of it lies outside, and
# otherwise *undecided*. To fix question, margin and rule in advance is to *preregister* them.
#
# A *head* makes a logit from the last state x and the row w of a token. We compare three heads: the
# dot product, the cosine times a learned number (its *scale*), and minus half the squared distance.

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
guess = predict("L10.a", "A model has no LayerNorm, and its head is the dot product. We give all "
                "states of a layer the same length. How much of what it knows does it lose?",
                low=0, high=100, unit="percent")
predict("L10.b", "Three kinds of models without any LayerNorm differ only in their head. Which "
        "head loses least?", heads)
predict("L10.c", "The head is the dot product. We compare what is lost with LayerNorm and "
        "without. By the rule above, these two kinds are", ["alike", "different", "undecided"])

# %% [markdown]
# ## Touch it
#
# This model has no LayerNorm at all. Choose a station in the middle, stretch the state, and compare
# with an equally far turn. Then choose the last station. In lesson 9, length did nothing there.

# %% quiet
panel("turn", "head-dot-none", change="longer")

# %% [markdown]
# ## Worked example: one loss, three heads
#
# The state is (2, 1), and the rows are a = (3, 0) and b = (1, 1). Token b is the right one. By dot
# product the logits of a and b are 6 and 3, so b gets the probability 1 / (1 + exp(6 - 3)), which
# is 0.047. The *cross-entropy* loss is minus the logarithm of that: 3.05 nats. We do the same with
# each head, and then with a state twice as long.

# %%
def distance_logit(x_D, w_D):
    return -norms(x_D - w_D) ** 2 / 2

a_D, b_D = np.array([3.0, 0.0]), np.array([1.0, 1.0])
for name, head in [("dot", np.dot), ("cosine", cosines), ("distance", distance_logit)]:
    for x_D in (np.array([2.0, 1.0]), np.array([4.0, 2.0])):
        p_2 = softmax([head(x_D, a_D), head(x_D, b_D)])
        print(f"{name:8} state {x_D}: p(b) = {p_2[1]:.3f}, loss {-np.log(p_2[1]):.2f} nats")

# %% [markdown]
# Length means three things here. For the dot product it is confidence: a wins more clearly. For the
# distance it decides who wins: first b, then a. For the cosine (with a scale of 1) it means
# nothing. **The loss sees only logits. The head decides what length means.**
#
# ## Run it: take the lengths away
#
# We have six kinds of models: three heads, each with LayerNorm and without. All were trained with
# cross-entropy. We give all states of one layer the same length, and measure what is lost. The
# result is the mean over the layers.
#
# The **baseline** turns each state towards the state of another token. It moves the state the same
# distance and keeps its length. Any change does some harm, so we compare changes of the same size.
# If new lengths cost as much as turns, then the model does not think in directions.
#
# Each kind was trained from three seeds. A seed fixes the first weights and the order of the text,
# so we take the difference seed by seed. The *standard error* of a mean over three seeds is the
# standard deviation, divided by the root of three. The *95 % confidence interval* of that mean
# reaches 4.30 standard errors to each side. (4.30 is Student's t for three seeds.)

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
low, high = middle - reach, middle + reach
for place, head in enumerate(heads):
    print(f"{head:8} {low[place]:.1f} to {high[place]:.1f} points more lost without LayerNorm")

# %% folded Draw it, beside your prediction
picture = Picture("l10_layernorm_or_loss", "What does a model lose without lengths?", panels=2)
picture.bars(0, heads, lost_without, "no LayerNorm", of=3, place=0)
picture.bars(0, heads, lost_with_norm, "LayerNorm", of=3, place=1)
picture.bars(0, heads, lost_by_turns, "baseline: no LayerNorm, turned", of=3, place=2)
picture.guess(0, guess, at=-0.27)
picture.dress(0, "lost (whiskers: range of 3 seeds)", "head", "% of what it knows", ylim=(0, None))
picture.dots(1, [[0, 1, 2]] * len(difference), difference, "one seed")
picture.axes[1].errorbar(range(3), middle, reach, fmt="k.", capsize=6, label="95 % interval")
picture.axes[1].axhspan(-5, 5, color="0.9", zorder=0, label="inside the margin")
picture.axes[1].set_xticks([0, 1, 2], heads)
picture.dress(1, "how much more without LayerNorm", "head", "points", xlim=(-0.5, 2.5))
picture.save()

# %% quiet
outcomes = np.full(3, "undecided")
outcomes[(low > -5) & (high < 5)] = "alike"
outcomes[(low > 5) | (high < -5)] = "different"
reveal("L10.a", lost_without[:, 0].mean(), "the model loses that many percent of what it knows, "
       f"and {lost_by_turns[:, 0].mean():.3g} by turns. Length counts, but less than direction.")
reveal("L10.b", heads[lost_without.mean(axis=0).argmin()], "the model with this head loses least. "
       "A cosine sees no length, and the model did not learn to use length in its blocks.")
reveal("L10.c", outcomes[0], "for the dot product, the interval of the difference goes from "
       f"{low[0]:.1f} to {high[0]:.1f} points, and the margin ends at 5 points.")
print("by the rule:", ", ".join(" ".join(pair) for pair in zip(heads, outcomes, strict=True)))

# %% [markdown]
# Left: with LayerNorm, models lose next to nothing, as the first reader says. The cosine model
# without LayerNorm loses next to nothing either. With the other heads, a model without it loses a
# few percent. All six were trained with the same loss. So the loss cannot explain why the kinds
# differ. Whether it explains what they share, this experiment cannot tell.
#
# Right: two intervals cross the edge of the margin. "We found no difference" would be wrong here,
# and "much the same" would be wrong too. More seeds can decide it.
#
# ## Your turn
#
# 1. Write the rule that was preregistered.
# 2. Write the cosine head. Say first: with a scale of 1 and 50 tokens, which probability can one
#    token get at most?
# 3. Without LayerNorm, a block *can* use length. Build one unit of an MLP, max(0, w.x + b), that
#    gives 0 for a state, and more than 0 for the same state twice as long.

# %% exercise L10.e1
@check("L10.e1")
def outcome(difference_E, margin):
    """Return "alike", "different" or "undecided", from the differences of three
    seeds.

    Their interval is the mean, plus and minus 4.30 standard deviations (ddof=1)
    over sqrt(3).
    """
    ...

# %% exercise L10.e2
@check("L10.e2")
def cosine_head(x_ZD, w_VD, scale):
    """Return logits_ZV: for each of Z states and V rows, their cosine times the
    scale.
    """
    ...

# %% exercise L10.e3
@check("L10.e3")
def sees_length(x_D):
    """Return w_D and b such that max(0, w.x + b) is 0 for x_D, and above 0 for
    2 * x_D.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Both readers look for one reason. In our models, length counts if it reaches a head that sees it.
# LayerNorm removes it, and a cosine head ignores it: either is enough. With neither, the models
# still keep most of what they know. This lesson does not show why.
#
# The first reader is right that after a LayerNorm length cannot count. The second is right that it
# counts for little without one.

# %% quiet
quiz("L10")

# %% [markdown]
# ## Verdicts
#
# The verdicts judge each seed by itself, and are undecided if seeds disagree. C1 averages over
# heads or norms. To compare LayerNorm with none, C2 uses the dot product alone.

# %% quiet
judge("C1", "C2")

# %% [markdown]
# ## The same on a real model
#
# One model cannot settle C1 or C2: they need models that differ only in the norm, or only in the
# head. SmolLM2 can show what the first reader means. Before its last norm, states differ in length.
# After it, before the gain, they do not. (It is an RMSNorm: a LayerNorm that leaves the mean in.)

# %% quiet
run = real_model()
if run:
    seen = read(run).trace
    before_Z = norms(seen.before_final_norm_BTD[:, 1:]).ravel()
    gain_D = np.asarray(run.model.final_norm.gain[...])
    after_Z = norms(seen.after_final_norm_BTD[:, 1:] / gain_D).ravel()
    for place, lengths_Z in [("before", before_Z), ("after", after_Z)]:
        low, high = np.quantile(lengths_Z, [0.05, 0.95])
        print(f"{place} its last norm: the middle 90 % of lengths go from {low:.1f} to {high:.1f}")
    print(f"the root of its {run.config.width} channels is {np.sqrt(run.config.width):.1f}")

# %% [markdown]
# ## In short
#
# The loss sees only logits; the head decides what length means. LayerNorm removes length, and a
# cosine head ignores it. "Much the same" needs a margin that was set before.

# %% quiet
finish("L10")
