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
# signs are equally likely. Inside a word, few letters fit. At its beginning, many do.

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

predict("L15.a", "How much higher is the entropy of our trained model where a word begins than "
        "elsewhere? (Below 0: it is lower.)", low=-5, high=5, unit="nats")
kinds = ["less sure at beginnings", "equally sure everywhere", "surer at beginnings"]
predict("L15.b", "And the same model before training? It is", kinds)

# %% [markdown]
# ## Touch it: the rule comes first
#
# A rule says which numbers support the sentence, and which refute it. If you write it after seeing
# the numbers, you will find a rule that fits. So we write it now, for the *gap*: the mean entropy
# at beginnings, minus the mean entropy elsewhere. In the picture, dots are **planted cases**: gaps
# that we make up, each with the verdict that it should get. A rule is good if each dot lies where
# it belongs. A dot in neither area is *qualified*. (To try others: `minitx lesson 15 --notebook`.)

# %% folded Draw planted cases beside the two thresholds of a rule
def draw_rules(**rules):
    cases = {"supported": [0.8, 1.5], "qualified": [0.1, 0.3], "refuted": [0.0, -0.4]}
    picture = Picture("l15_rule", "Which gaps support the sentence?", panels=len(rules))
    for panel, (name, (supported_from, refuted_up_to)) in enumerate(rules.items()):
        for row, (verdict, gaps) in enumerate(cases.items()):
            picture.dots(panel, gaps, [row] * len(gaps), f"planted for {verdict}")
        area = picture.axes[panel].axvspan
        area(supported_from, 2, alpha=0.15, color="tab:blue", label="supported")
        area(-1, refuted_up_to, alpha=0.15, color="tab:red", label="refuted")
        picture.level(panel, 0, "nothing to see", axis="x")
        picture.dress(panel, name, "gap (nats)", "planted for", xlim=(-1, 2), ylim=(-0.5, 2.5))
        picture.axes[panel].set_yticks(range(3), list(cases))
    picture.save()

# %%
draw_rules(loose=(0.05, -0.2), ours=(0.5, 0))  # supported from, refuted up to

# %% [markdown]
# Left: three of six dots lie in the wrong area. Right: our rule. Why 0.5? An entropy H is that of
# exp(H) equally likely letters. Less than exp(0.5) = 1.65 times as many letters is little.
#
# ## Worked example: what if there were nothing to see?
#
# Even if the sentence is wrong, the gap is not exactly 0. How large a gap does chance give? Of 8
# positions with made-up entropies, two are beginnings. Then *each* pair in turn takes their place.

# %%
unsure = np.array([1.0, 3.0, 1.5, 1.0, 0.5, 2.5, 1.5, 1.0])  # nats
gap = unsure[[1, 5]].mean() - unsure[[0, 2, 3, 4, 6, 7]].mean()  # 1 and 5 begin a word
by_chance = []
for pair in itertools.combinations(range(8), 2):  # 0 and 1, 0 and 2, and so on
    is_one = np.isin(np.arange(8), pair)  # True at the two positions
    by_chance.append(unsure[is_one].mean() - unsure[~is_one].mean())
as_large = sum(other >= gap for other in by_chance)
print(f"gap {gap:.2f}; pairs with at least this gap, (1, 5) too: {as_large} of {len(by_chance)}")
print(f"95 % of the pairs stay below {np.quantile(by_chance, 0.95):.2f}")

# %% [markdown]
# This second number is the **baseline**. A gap has to beat what chance gives.
#
# ## Run it: from the rule to the verdict

# %%
def rule(gap, by_chance):
    """Supported if the gap is at least 0.5 nats (1.65 times as many letters), and more
    than chance gives. Refuted if it is 0 or less: then beginnings are no harder."""
    return three_way(supported=gap >= 0.5 and gap > by_chance, refuted=gap <= 0)

print("planted for supported:", rule(gap=0.8, by_chance=0.3))
print("planted for qualified:", rule(gap=0.3, by_chance=0.2), rule(gap=0.8, by_chance=0.9))
print("planted for refuted:  ", rule(gap=0.0, by_chance=0.2))

# %% [markdown]
# `measure` is called once for each window (a stretch of text). `reading` gives the model's logits
# and tokens there. The numbers that `measure` returns have the names that the rule takes.

# %% folded Find the beginnings of words, and the gap
def find_beginnings(reading, window):
    """A word begins after a space, or with a token that has its space in front."""
    strings = [reading.strings_V[token] for token in reading.tokens_WT[window, 1:]]
    pairs = itertools.pairwise(strings)  # [1:] above: logits_TV has no position 0 either
    return np.array([a.endswith(" ") or (b.startswith(" ") and len(b) > 1) for a, b in pairs])

def gap_of(unsure_T, begins_T):
    return unsure_T[begins_T].mean() - unsure_T[~begins_T].mean()

# %%
def measure(reading, window):
    unsure_T = entropy(reading.logits_TV(window))[:-1]  # nothing follows the last prediction
    begins_T = find_beginnings(reading, window)  # True where the next letter begins a word
    random = reading.random(window)  # the same each time, so the verdict stays the same
    shuffled = [gap_of(unsure_T, random.permutation(begins_T)) for _ in range(100)]
    return {"gap": gap_of(unsure_T, begins_T), "by_chance": np.quantile(shuffled, 0.95)}

# %% [markdown]
# All parts together are the *evidence* for a claim. Before we look at the trained model, we measure
# **untrained** ones. If they gave the same numbers, the claim would say nothing about training.

# %%
CLAIM = "A model is least sure where a new word begins."
claim = Evidence(
    id="L15", measure=measure, rule=rule,
    baseline="the gap that 95 % of the shuffles stay below",
    sentence="At beginnings of words the entropy is {gap:.2f} nats higher than "
    "elsewhere; 95 % of the shuffles stay below {by_chance:.2f}.",
)
for line in try_on_untrained(claim):
    tell(line)

# %% [markdown]
# It is *undecided*, because the interval (over other seeds and windows) reaches from below 0 to
# above it. Only now do we look: the entropy by position in the word, for three seeds.

# %% folded Measure the entropy by position in the word, and draw it
def by_position(model):
    unsure_BT = entropy(trace(model, text_BT).logits_BTV)
    is_space_BT = np.array(fables.data.tokenizer.tokens)[text_BT] == " "
    position_BT = np.full_like(text_BT, 99)  # letters since the last space; 99: there was none
    for t in range(1, text_BT.shape[1]):
        position_BT[:, t] = np.where(is_space_BT[:, t], 0, position_BT[:, t - 1] + 1)
    return [unsure_BT[position_BT == position].mean() for position in range(6)]

fables = zoo.load("fables")
text_BT = held_out(fables)
trained = over_seeds(by_position, fables.models)
untrained = over_seeds(by_position, fables.untrained)
mean_of_six = np.repeat(trained.mean(axis=1, keepdims=True), 6, axis=1)
draw("l15_places", "Where is a model unsure?", range(1, 7),
     {"trained": trained, "untrained": untrained, "trained, mean of the six": mean_of_six},
     labels=("position of the predicted letter in its word", "entropy (nats)"), ylim=(0, 4.6))

# %%
row = zoo_judging.judge_claim(claim)
gap = row["numbers"]["gap"]["mean"]
print(f"gap {gap:.2f} nats, as for {np.exp(gap):.1f} times as many equally likely letters")

# %% quiet
reveal("L15.a", gap, f"the entropy is {gap:.2f} nats higher. Few letters continue a word.")
without = untrained[:, 0].mean() - untrained[:, 1:].mean()
kind = 1 - int(np.sign(np.round(without, 1)))  # 1 if the gap is below 0.05 nats
reveal("L15.b", kinds[kind], f"its gap is {without:.1g} nats. It does not know letters yet.")

# %% [markdown]
# The distance of letter 1 from the mean of the six has to be large, and it is. The picture shows
# more than the sentence says: after one letter of a word, a model is nearly as sure as after five.
#
# ## Your turn: a second claim
#
# The sentence is now: **the more of a text a model has read, the better it predicts.** *Surprise*
# is the loss of one token: minus the logarithm of the probability that the model gave it. The
# *gain* says how much lower the surprise is at the end of a window than at its beginning.
#
# 1. Write the measurement: the gain of one window.
# 2. Write the baseline: the gain that chance gives.
# 3. Write the rule, so that each planted case gets its verdict.

# %% exercise L15.e1
@check("L15.e1")
def gain(surprise_T):
    """Return the mean surprise in the first quarter of positions, minus the mean
    in the last quarter.

    T can be divided by 4. [3, 2, 2, 1] gives 2.
    """
    ...

# %% exercise L15.e2
@check("L15.e2")
def by_chance(surprise_T, order_XT):
    """Return the gain that 95 % of shuffles stay below: np.quantile gives it.

    Each row of order_XT has the positions 0 to T - 1 in another random order.
    """
    ...

# %% exercise L15.e3
@check("L15.e3")
def rule_for_gain(gain, by_chance):
    """Return "supported", "qualified" or "refuted". Planted (gain, by_chance):

    supported: (0.3, 0.2), (0.5, 0.4); refuted: (0, 0.2), (-0.1, 0.2); qualified:
    (0.1, 0.2), and (0.05, 0.01), since less than 0.1 nats is hardly worth a sentence.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Numbers that fit an idea are easy to find: if you look first, you can choose the number, the
# threshold and the text. Three things protect you: a rule fixed before you see the numbers, a
# planted case that it refutes, and a baseline. Ask also what else differs between the two groups,
# and keep it the same. (For "surer about long words": the position in the word.) The belief is
# right while you look for a sentence. Then test it on models or texts that are new to you.

# %% quiet
quiz("L15")

# %% [markdown]
# ## Verdicts

# %% quiet
show("L15", row, words=CLAIM)

# %% [markdown]
# ## The same on a real model
#
# SmolLM2 reads pieces of words, and most of them begin one. With so few positions inside words,
# chance alone gives larger gaps: compare the two numbers. We may not change the rule now.

# %% quiet
if (smollm2 := real_model()) is not None:
    seen = reading.read(smollm2, ["fables"])
    show("L15", judging.judge_claim(claim, seen), with_rule=False, words=CLAIM)

# %% [markdown]
# ## In short
#
# Write the rule before you see the numbers, and plant a case that it refutes. Ask what you would
# see if there were nothing to see, and what an untrained model gives. Then measure.
#
# `minitx claim new "..."` writes a file with these parts, `minitx claim check U1` tries it on
# untrained models, and `minitx claim judge U1` judges it. `minitx ledger` then has its verdict.

# %% quiet
finish("L15")
