# %% [markdown]
# # L15 Your own claim
# ## How do you turn a sentence that you believe into something that can turn out false?
#
# *40 minutes. You need entropy in nats (lesson 5) and what a baseline is (lesson 8).*
#
# **What many believe.** "I have an idea about what happens inside a model. So I measure something
# that has to do with it, and look at the numbers. If they fit my idea, then I was right."
#
# Claims: none of the 65. This lesson makes a new one, and then you make your own.
#
# ## Predict
#
# Our sentence is: **a model is least sure where a new word begins.** The entropy of its prediction
# says how unsure it is: 0 nats if it is certain of the next letter, 4.3 nats if all 73 letters and
# signs are equally likely. In the middle of a word, few letters fit. At its beginning, many do.

# %% quiet
import itertools

import numpy as np

from minitx.classroom import (
    Picture, check, draw, finish, held_out, over_seeds, predict, quiz, real_model, reveal,
)  # fmt: skip
from minitx.classroom.learner import tell
from minitx.classroom.own_judging import try_on_untrained
from minitx.classroom.verdicts import show
from minitx.compiled import trace
from minitx.evidence import judging, reading, zoo_judging
from minitx.evidence.evidence import Evidence, three_way
from minitx.measure import entropy
from minitx.runs import zoo

predict("L15.a", "How much less sure is our trained model at the beginning of a word than inside "
        "one? Below 0: it is surer.", low=-5, high=5, unit="nats")
kinds = ["less sure at beginnings, too", "equally sure everywhere", "surer at beginnings"]
predict("L15.b", "And the same model before training? It is", kinds)

# %% [markdown]
# ## Touch it: the rule comes first
#
# A rule says which numbers support the sentence and which refute it. Whoever writes it after seeing
# the numbers will find one that fits. So we write it now, for the *gap*: the entropy at beginnings,
# minus that inside words. In the picture, dots are **planted cases**: gaps that we make up, each
# with the verdict that it should get. Move the thresholds until every dot lies where it belongs.

# %% folded Draw planted cases beside two thresholds
def draw_rule(supported_from, refuted_up_to):
    cases = {"supported": [0.8, 1.5], "qualified": [0.1, 0.3], "refuted": [0.0, -0.4]}
    picture = Picture("l15_rule", "Which gaps support the sentence, and which refute it?")
    for verdict, gaps in cases.items():
        picture.dots(0, gaps, [list(cases).index(verdict)] * len(gaps), f"planted for {verdict}")
    picture.level(0, 0, "nothing to see", axis="x")
    picture.axes[0].axvspan(supported_from, 2, alpha=0.15, color="tab:blue", label="supported")
    picture.axes[0].axvspan(-1, refuted_up_to, alpha=0.15, color="tab:red", label="refuted")
    picture.dress(0, "", "gap (nats)", "", xlim=(-1, 2), ylim=(-0.5, 2.5), yticks=[])
    picture.save()

# %%
draw_rule(supported_from=0.05, refuted_up_to=-0.2)

# %% [markdown]
# Three of six dots lie in the wrong place. Our choice is 0.5 and 0. The reason for 0.5: a model
# that hesitates among 1.65 times as many letters has 0.5 nats more. Less than that would hardly be
# worth the sentence.

# %%
draw_rule(supported_from=0.5, refuted_up_to=0)

# %% [markdown]
# ## Worked example: what if there were nothing to see?
#
# A gap is never exactly 0, because some places are harder than others for many reasons. How large a
# gap does chance give? Take eight places, two of them beginnings, with made-up entropies. Then let
# *every* pair of places play the beginnings.

# %%
unsure = np.array([1.0, 3.0, 1.5, 1.0, 0.5, 2.5, 1.5, 1.0])  # nats; places 1 and 5 begin a word
gap = unsure[[1, 5]].mean() - unsure[[0, 2, 3, 4, 6, 7]].mean()
by_chance = []
for pair in itertools.combinations(range(8), 2):  # 0 and 1, 0 and 2, and so on
    is_one = np.isin(np.arange(8), pair)  # True at the two places
    by_chance.append(unsure[is_one].mean() - unsure[~is_one].mean())
as_large = sum(other >= gap for other in by_chance)
print(f"gap {gap:.2f}; of {len(by_chance)} pairs, {as_large} gives a gap as large, and 95 % stay "
      f"below {np.quantile(by_chance, 0.95):.2f}")

# %% [markdown]
# This is the **baseline**: the gap that 95 % of shuffled places stay below. A gap has to beat it.
#
# ## Run it: from the rule to the verdict
#
# The rule's docstring says it in words, with a reason for each threshold.

# %%
def rule(gap, by_chance):
    """The gap is at least 0.5 nats (1.65 times as many letters to hesitate among), and larger than
    chance gives. Refuted if it is 0 or less: then beginnings are no harder."""
    return three_way(supported=gap >= 0.5 and gap > by_chance, refuted=gap <= 0)

PLANTED = {
    "supported": [{"gap": 0.8, "by_chance": 0.3}],
    "qualified": [{"gap": 0.3, "by_chance": 0.2}, {"gap": 0.8, "by_chance": 0.9}],
    "refuted": [{"gap": 0.0, "by_chance": 0.2}],
}
for verdict, cases in PLANTED.items():
    for numbers in cases:
        print(f"{numbers} planted for {verdict}: the rule says {rule(**numbers)}")

# %% [markdown]
# The measurement gets a *reading*: a model that has read windows of text. It is called for each
# window, and returns numbers with the names that the rule takes.

# %%
def measure(reading, window):
    unsure_T = entropy(reading.logits_TV(window))[:-1]  # after each token but the last
    strings = [reading.strings_V[token] for token in reading.tokens_WT[window, 1:]]
    begins_T = np.array([begins_word(*pair) for pair in itertools.pairwise(strings)])
    random = reading.random(window)  # the same each time, so that the verdict is, too
    shuffled = [gap_of(unsure_T, random.permutation(begins_T)) for _ in range(100)]
    return {"gap": gap_of(unsure_T, begins_T), "by_chance": np.quantile(shuffled, 0.95)}

def begins_word(token, following):
    """A word begins after a space, or with a token that has its space in front."""
    return token.endswith(" ") or (following.startswith(" ") and len(following) > 1)

def gap_of(unsure_T, begins_T):
    return unsure_T[begins_T].mean() - unsure_T[~begins_T].mean()

# %% [markdown]
# All parts together are the *evidence* for a claim. Before we look at the trained model, we measure
# **untrained** ones. If they gave the same numbers, training would have no part in our claim.

# %%
CLAIM = "A model is least sure where a new word begins."
claim = Evidence(
    id="L15", measure=measure, rule=rule,
    baseline="the gap that 95 % of shuffled places stay below",
    sentence="At beginnings of words the entropy is {gap:.2f} nats higher than elsewhere; 95 % of "
    "shuffled places stay below {by_chance:.2f}.",
)
for line in try_on_untrained(claim):
    tell(line)
reveal("L15.b", kinds[1], "it does not know letters yet, so all places are alike.")

# %% [markdown]
# Only now the picture: entropy by place in the word, for three seeds.

# %% folded Measure the entropy by place in the word
def by_place(model):
    unsure_BT = entropy(trace(model, text_BT).logits_BTV)
    is_space_BT = np.array(fables.data.tokenizer.tokens)[text_BT] == " "
    place_BT = np.full_like(text_BT, 99)  # letters since the last space; 99: there was none
    for t in range(1, text_BT.shape[1]):
        place_BT[:, t] = np.where(is_space_BT[:, t], 0, place_BT[:, t - 1] + 1)
    return [unsure_BT[place_BT == place].mean() for place in range(6)]

# %%
fables = zoo.load("fables")
text_BT = held_out(fables)
trained = over_seeds(by_place, fables.models)
untrained = over_seeds(by_place, fables.untrained)
shuffled = np.repeat(trained.mean(axis=1, keepdims=True), 6, axis=1)
draw("l15_places", "Where is a model unsure?", range(1, 7),
     {"trained": trained, "untrained": untrained}, {"places shuffled": shuffled},
     labels=("letter of the word that comes next", "entropy (nats)"), ylim=(0, 4.6))
row = zoo_judging.judge_claim(claim)
gap = row["numbers"]["gap"]["mean"]
print(f"gap {gap:.2f} nats, as for {np.exp(gap):.1f} times as many equally likely letters")
reveal("L15.a", gap, "few letters continue a word, and many begin one.")

# %% [markdown]
# Compare the first letter with the others, then with the dashed line. The picture shows more than
# the sentence says: after one letter of a word the model is nearly as sure as after five.
#
# ## Your turn: a second claim
#
# The sentence is now: **the more of a text a model has read, the better it predicts.** *Surprise*
# is the loss of one token: minus the logarithm of the probability that the model gave it.
#
# 1. Write the measurement.
# 2. Write the baseline.
# 3. Write the rule, so that the planted cases come out.

# %% exercise L15.e1
@check("L15.e1")
def gain(surprise_T):
    """Return the mean surprise in the first quarter of the places, minus that in the last quarter.

    T can be divided by 4. [3, 2, 2, 1] gives 2.
    """
    ...

# %% exercise L15.e2
@check("L15.e2")
def by_chance(surprise_T, order_XT):
    """Return the gain that 95 % of shuffles stay below: np.quantile gives it.

    Each row of order_XT has the places 0 to T - 1 in another random order.
    """
    ...

# %% exercise L15.e3
@check("L15.e3")
def rule_for_gain(gain, by_chance):
    """Return "supported", "qualified" or "refuted". The planted cases (gain, by_chance):

    supported (0.3, 0.2) and (0.5, 0.4); qualified (0.1, 0.2) and (0.05, 0.01), since less than 0.1
    nats is hardly worth a sentence; refuted (0, 0.2) and (-0.1, 0.2).
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Numbers that fit an idea are easy to find: somebody who looks first can choose the number, the
# threshold and the text. Three things protect you: a rule that stands before the numbers, a case
# for which it says "refuted", and a baseline. The belief is right while you look for a sentence.
# Then test the sentence on models or texts that you have not looked at.

# %% quiet
quiz("L15")

# %% [markdown]
# ## Verdicts

# %% quiet
show("L15", row, words=CLAIM)

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 reads pieces of words, and most of them begin one. With so few places inside words, chance
# alone gives larger gaps: compare the two numbers. The rule is the same; nobody may move it now.

# %% quiet
if (smollm2 := real_model()) is not None:
    seen = reading.read(smollm2, ["fables"])
    show("L15", judging.judge_claim(claim, seen), with_rule=False, words=CLAIM)

# %% [markdown]
# ## In short
#
# Write the rule before you see the numbers, and plant a case that refutes it. Ask what you would
# see if there were nothing to see, and what an untrained model gives. Then let the numbers come.
#
# Next: `minitx claim new "A sentence that can turn out false."` writes a file with these parts,
# `minitx claim check U1` tries it, and `minitx claim judge U1` judges it. Its verdict then stands
# in `minitx ledger`, after the 65. The claim of the exercises is a good first one.

# %% quiet
finish("L15")
