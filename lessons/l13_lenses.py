# %% [markdown]
# # L13 Lenses
# ## Can we read halfway what a model will say, and how would we know that we fool ourselves?
#
# *40 minutes. You need the unembedding (lesson 2), updates (lesson 7) and norms (lesson 9).*
#
# **What many believe.** "Read a state in the middle with the unembedding. This shows what the model
# thinks so far. Halfway, the state is a mixture of what was read and what will be said. Drawn in
# the plane of two answers, it wanders first, and then heads for one of them."
#
# Claims: the unembedding is the natural lens for looking inside (B36). Midway, states are at home
# neither in the input space nor in the output space (B35). In the plane of two answers, the state
# wanders, then heads for one of them (B32).
#
# ## Predict
#
# A *logit lens* reads a state as if it were the last one: it applies the final norm and the
# unembedding. The lens *names* the token with the largest logit.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, draw, finish, held_out, judge, judge_real_model, panel, predict, quiz, reveal,
    states,
)  # fmt: skip
from minitx.compiled import final_norm, unembed
from minitx.evidence.attribution import attribution, mean_ablation, parts
from minitx.evidence.lens import input_lens
from minitx.evidence.planes import held_out_contest, in_planes
from minitx.evidence.tuned_lens import share_named
from minitx.measure import norms
from minitx.runs import zoo

halfway = predict("L13.a", "Our model of letters has six blocks. At which share of positions does "
                  "the logit lens after block 3 name the letter that the model says in the end?",
                  low=0, high=1)
reads = ["no more often than one fixed guess", "clearly more often"]
predict("L13.b", "We fit a lens to the states of an untrained model. It should name what the "
        "trained model says. On text that it was not fitted to, it is right", reads)
predict("L13.c", "A model reads a sentence, and says Mary next. We draw the path of its state in a "
        "plane: up is Mary's logit, right is the logit of somebody who is not in the sentence. "
        "Does the path seem to head for Mary?", ["yes", "no"])

# %% [markdown]
# ## Touch it
#
# This model has read sentences about people who give things to each other. The panel shows what the
# lens names at each token, from the embedding at the bottom to the last block at the top. Where in
# the column of the last word does it name Mary first? Then let Mary give: Paul should get the hat.

# %% quiet
panel("lens", family="errands", prompt="then Mary and Paul went to the park . Paul gave a hat to")

# %% [markdown]
# ## Worked example: who gave Mary the lead?
#
# A state is the sum of what the parts of a model wrote. Say the embedding wrote [2, -1], attention
# [2, 1] and the MLP [-1, 4]. The unembedding has the row [0, 1] for Mary and [1, 0] for Paul.
# *Mary's lead* is her logit minus his: the dot product of the state and [-1, 1]. In this example,
# the final norm only divides the state by its length.
#
# After attention the state is [4, 0], of length 4, so Paul leads by 1. The last state is [3, 4], of
# length 5, so Mary leads by 0.2. *Direct logit attribution* divides each part by this same 5, and
# so splits the last lead into terms that add up to it.

# %%
parts_32 = np.array([[2, -1], [2, 1], [-1, 4]])  # embedding, attention, MLP
mary, paul = np.array([0, 1]), np.array([1, 0])
states_32 = parts_32.cumsum(axis=0)  # after the embedding, after attention, at the end
leads_3 = states_32 @ (mary - paul) / norms(states_32)
terms_3 = parts_32 @ (mary - paul) / norms(states_32[-1])  # one divisor for all parts
print("states:", *states_32, " Mary's lead in each:", leads_3.round(2))
print("terms of the last lead:", terms_3, " their sum:", terms_3.sum().round(9))

# %% [markdown]
# ## Run it: three lenses
#
# Only the MLP's term is positive, so the MLP gave Mary the lead. Now to our model of letters. Its
# states may hold the answer in another form than the last state does. So a *tuned lens* multiplies
# a state by a matrix that turns it into the last state, as well as a matrix can. We fit one matrix
# for each block to one half of a text, and test it on the other half. But a matrix may find what no
# block has computed. So the **baseline** is a tuned lens for an *untrained* model, whose states
# only hold which letters were read. A second baseline always names the most common letter. The
# *input lens* asks the opposite: is the nearest row of the embedding still that of the letter read?

# %%
fables = zoo.load("fables")  # one model, trained from three seeds
text_BT = held_out(fables, 4096)

def read(model):  # the states after the embedding and each block, after the final norm
    return final_norm(model, states(model, text_BT))

def logit_lens(model):  # how often it names, after each block, what the model says in the end
    named_LZ = unembed(model, read(model)).argmax(axis=-1)
    return np.mean(named_LZ == named_LZ[-1], axis=1)

# %% folded The same for the other lenses, and one figure with your prediction
def by_block(model, untrained):
    final_ZD = read(model)[-1]
    says_Z = unembed(model, final_ZD[None]).argmax(axis=-1).ravel()
    return [logit_lens(model), share_named(model, read(model), final_ZD),
            input_lens(model, states(model, text_BT), text_BT[:, 1:].ravel()),
            share_named(model, read(untrained), final_ZD),
            np.full(fables.config.depth + 1, np.bincount(says_Z).max() / len(says_Z))]

shares_ERL = np.array([*map(by_block, fables.models, fables.untrained)])
logit, tuned, was_read, of_untrained, commonest = shares_ERL.swapaxes(0, 1)
draw("l13_lenses", "What can a lens name?", np.arange(fables.config.depth + 1),
     {"logit lens: what will be said": logit, "tuned lens: what will be said": tuned,
      "input lens: what was read": was_read},
     {"tuned lens, untrained model": of_untrained, "always the most common": commonest},
     labels=("after block (0: embedding)", "share of positions"), guess=(halfway, 3), ylim=(0, 1))
logit_3, tuned_3, read_3, untrained_3, commonest_3 = shares_ERL[:, :, 3].mean(axis=0)
reveal("L13.a", float(logit_3), f"the tuned lens names it at {tuned_3:.2f}. And {read_3:.0%} of "
       "the states are still nearest to the letter that was read, though less near than at first.")
reveal("L13.b", reads[int(untrained_3 > commonest_3 + 0.05)], f"this lens is right at "
       f"{untrained_3:.2f} of the positions, and the most common letter at {commonest_3:.2f}.")

# %% [markdown]
# Look at the dashed line. A lens for a model that knows nothing names half of what will be said,
# because its states hold the letter that was read. **The blocks computed only what lies above that
# line, and above what the same lens names at 0.** Below the line, a lens misses what states hold.
#
# ## Run it: which part decides?
#
# Back to sentences about gifts, with pairs of people who never met in training. Of each attention
# and MLP we measure its term in the lead of the receiver over the giver. And we measure what the
# lead loses by *mean ablation*: what the part writes is replaced by its mean over all tokens.

# %%
family = zoo.load("errands")
contest = held_out_contest(family.data.tokenizer, 90)  # sentences, and who receives and gives
terms = np.mean([attribution(model, contest.given) for model in family.models], axis=2)
losses = np.mean([mean_ablation(model, contest.given) for model in family.models], axis=2)

# %% folded Draw both for each part
names = parts(family.config)[2:-1]
picture = Picture("l13_parts", "Which part makes the receiver lead over the giver?")
picture.bars(0, names, terms[:, 2:-1], "its term in the lead", of=2)
picture.bars(0, names, losses, "what the lead loses without it", of=2, place=1)
lead_C = np.full(len(names), terms.sum(axis=1).mean())  # with the embedding's term
picture.line(0, range(len(names)), lead_C, "the whole lead", {"color": "black"})
picture.dress(0, "", "", "logits")
picture.save()

# %% [markdown]
# The terms, with the embedding's, add up to the lead. The losses do not, because later parts read
# what earlier parts wrote. Block 1 has hardly a term, but without either of its parts the lead is
# gone. (A loss above the lead puts the giver ahead.)
#
# Last, the path of one model's state at the last word, from the embedding (lowest mark) to MLP 2. A
# plane has the logits of two people, minus the mean of all logits. A *stranger* is not in the
# sentence. In ABB sentences, as in the panel, A is named first and B gives. In BAB, B is first.

# %% folded Draw the path in three planes
planes = in_planes(family.models[0], contest)
picture = Picture("l13_planes", "Where does the state at the last word head?", panels=3)
for place, ((up, right), (up_RB, right_RB)) in enumerate(planes.items()):
    for order, is_it_B in [("ABB", contest.is_abb_B), ("BAB", ~contest.is_abb_B)]:
        path_2R = [logits_RB[:, is_it_B].mean(axis=1) for logits_RB in (right_RB, up_RB)]
        picture.line(place, *path_2R, order)
    picture.baseline(place, [0, 9], [0, 9], "both logits equal")
    picture.dress(place, f"{up} and {right}", f"logit of the {right}", f"logit of the {up}",
                  aspect="equal", adjustable="datalim")
picture.save()
ahead, ahead_of_strangers = (np.subtract(*planes[two])[-1].mean() for two in list(planes)[1:])
reveal("L13.c", "yes" if ahead > 0.5 else "no", f"the receiver ends {ahead:.1f} logits "
       f"ahead of a stranger. But one of two strangers ends {ahead_of_strangers:.1f} ahead too.")

# %% [markdown]
# So a path that heads the right way proves little. A *counterfactual* sentence, in which only the
# giver differs, proves more: if the path then turns, the model has made a decision. B32 counts how
# often it turns. (The sentences of ABB and BAB are not such pairs.)
#
# ## Your turn
#
# 1. Code the lens.
# 2. Attribute a logit. Say first: if each part had a divisor of its own, would the terms add up?
# 3. Make a misleading plane on purpose: one in which a drunkard (lesson 8) heads for a goal.

# %% exercise L13.e1
@check("L13.e1")
def lens(x_ZD, gain_D, w_VD):
    """Return logits_ZV: what the unembedding w_VD reads after an RMSNorm with a gain.

    RMSNorm divides each state by the root of the mean of its squares ([1, 7] by 5).
    Then it multiplies each channel by its gain.
    """
    ...

# %% exercise L13.e2
@check("L13.e2")
def terms_of_logit(parts_CD, w_D):
    """Return terms_C: what each part adds to the logit of the row w_D.

    The state is the sum of the parts, and an RMSNorm without gain divides it.
    Parts [0, 7] and [1, 0], read by the row [1, 1], give 1.4 and 0.2.
    """
    ...

# %% exercise L13.e3
@check("L13.e3")
def misleading_plane(path_LD):
    """Return a_D and b_D, the axes of a plane: of length 1, at a right angle.

    path_LD has a point for each random step of a drunkard. Along a_D, every step
    goes forwards. The plane holds at least half of the last point's squared length.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# A lens always names something, and a path always heads somewhere. Each needs a comparison: with an
# untrained model, another plane, another sentence. Near the end of a model, the belief is right.

# %% quiet
quiz("L13")

# %% [markdown]
# ## Verdicts
#
# *KL* says how far apart two predictions are, in nats. B36 only asks whether the lens beats one
# fixed guess. A *rotated table* has the same rows in random directions: nothing is at home there.

# %% quiet
judge("B36", "B35", "B32")

# %% [markdown]
# ## The same on a real model
#
# After most of SmolLM2's 30 blocks, the logit lens is further off than one fixed guess. And in the
# plane of two strangers one of them is far ahead: a lead in a plane alone shows no decision.

# %% quiet
judge_real_model("B36", "B32")

# %% [markdown]
# ## In short
#
# A lens shows what the unembedding can read, and something can be read from any model. The terms of
# attribution add up, and ablation also shows what works through later parts. A picture in a plane
# becomes evidence only beside the pictures that should look different.

# %% quiet
finish("L13")
