# %% [markdown]
# # L13 Lenses
# ## Can we read halfway what a model will say, and how would we know that we fool ourselves?
#
# *40 minutes. You need the unembedding (lesson 2), updates (lesson 7) and LayerNorm (lesson 9).*
#
# **What many believe.** "Read the state in the middle of a model with its unembedding, as if it
# were the last. This shows what the model thinks so far. Halfway, it is a mixture of what was read
# and what will be said. Drawn in the plane of two answers, it wanders, and then heads for one."
#
# Claims: the unembedding is the natural lens for looking inside (B36). Midway, states are at home
# neither in the input space nor in the output space (B35). In the plane of two answers, the state
# wanders, then heads for one of them (B32).
#
# ## Predict
#
# The *logit lens* lets the final LayerNorm and the unembedding read the state after some block. The
# token with the largest logit is what the lens names.

# %% quiet
import numpy as np

from minitx.classroom import (
    Picture, check, draw, finish, held_out, judge, judge_real_model, panel, predict, quiz, reveal,
    states,
)  # fmt: skip
from minitx.compiled import final_norm, unembed
from minitx.evidence.attribution import attribution, mean_ablation, parts
from minitx.evidence.lens import input_lens
from minitx.evidence.planes import held_out_contest, in_planes, shown_of_last_state
from minitx.evidence.tuned_lens import fit
from minitx.measure import norms
from minitx.runs import zoo

halfway = predict("L13.a", "Our model of letters has six blocks. At which share of places does the "
                  "lens after block 3 name the letter that the model says in the end?",
                  low=0, high=1)
reads = ["reads nearly nothing", "reads a good part"]
predict("L13.b", "A lens gets the states of an untrained model. We fit it to name what the trained "
        "model says. On text that it has not seen, it", reads)
seems = ["yes", "no"]
predict("L13.c", "A sentence ends in Mary. We draw the path of its state in the plane of Mary and "
        "somebody who is not in the sentence. Does it seem to head for Mary?", seems)

# %% [markdown]
# ## Touch it
#
# This model has read sentences about people who give things to each other. In the panel, read the
# column of the last word upwards: from which station on does the lens name Mary? Put "Mary" in
# place of "Paul" before "gave": then Paul gets the hat.

# %%
panel("lens", family="errands", prompt="then Mary and Paul went to the park . Paul gave a hat to")

# %% [markdown]
# ## Worked example: who decided?
#
# A state is a sum: say the embedding wrote [2, -1], attention [2, 1] and the MLP [-1, 4]. Mary's
# row of the unembedding is [0, 1], Paul's is [1, 0]. *Mary's lead* is her logit minus his: the dot
# product with [-1, 1]. To keep the numbers small, the last norm only divides by the length here.
#
# The lens after attention reads [4, 0], of length 4: Paul leads by 1. At the end, [3, 4] has length
# 5: Mary leads by 0.2. *Direct logit attribution* divides each part by this 5, so the terms add up.

# %%
parts_32 = np.array([[2, -1], [2, 1], [-1, 4]])  # embedding, attention, MLP
mary, paul = np.array([0, 1]), np.array([1, 0])
states_32 = parts_32.cumsum(axis=0)  # after the embedding, after attention, at the end
leads_3 = states_32 @ (mary - paul) / norms(states_32)
terms_3 = parts_32 @ (mary - paul) / norms(states_32[-1])  # one divisor for all
print("states:", *states_32, " Mary's lead in each:", leads_3.round(2))
print("terms of the last lead:", terms_3, " their sum:", terms_3.sum().round(9))

# %% [markdown]
# ## Run it: four lenses
#
# A *tuned lens* first sends the state through a matrix, fitted to make the last state of it: fitted
# to one half of a text and used on the other. The **baseline** is a tuned lens that gets the states
# of an *untrained* model: all that these hold is which letters came in. A second baseline always
# names the commonest letter. The *input lens* asks another question: is the nearest row of the
# embedding still that of the letter that was read?

# %%
fables = zoo.load("fables")  # one model, trained from three seeds
text_BT = held_out(fables, 4096)
half = text_BT[:, 1:].size // 2

def tuned(read_LZD, final_ZD):  # a lens for each layer, fitted to one half, used on the other
    return np.array([fit(read_ZD[:half], final_ZD[:half])(read_ZD[half:]) for read_ZD in read_LZD])

def by_block(model, untrained):
    """For each lens: the share of places at which it names the right letter, by block."""
    x_LZD = states(model, text_BT)  # after the embedding and after each block
    read_LZD = final_norm(model, x_LZD)  # as the unembedding reads them
    other_LZD = final_norm(untrained, states(untrained, text_BT))
    lenses = [read_LZD[:, half:], tuned(read_LZD, read_LZD[-1]), tuned(other_LZD, read_LZD[-1])]
    named = [unembed(model, lens_LZD).argmax(axis=-1) for lens_LZD in lenses]
    says_Z = named[0][-1]  # what the model says in the end
    commonest = np.mean(says_Z == np.bincount(says_Z).argmax())
    shares = [np.mean(named_LZ == says_Z, axis=1) for named_LZ in named]
    read_still = input_lens(model, x_LZD, text_BT[:, 1:].ravel())
    return [*shares, np.full(len(x_LZD), commonest), read_still]

# %%
shares_ERL = np.array([*map(by_block, fables.models, fables.untrained)])
logit, tuned_lens, of_untrained, commonest, reads_input = shares_ERL.swapaxes(0, 1)
draw("l13_lenses", "What can a lens name?", np.arange(fables.config.depth + 1),
     {"logit lens: what will be said": logit, "tuned lens: what will be said": tuned_lens,
      "input lens: what was read": reads_input},
     {"tuned lens, untrained model": of_untrained, "always the commonest": commonest},
     labels=("after block (0: embedding)", "share of places"), guess=(halfway, 3), ylim=(0, 1.02))
logit_3, tuned_3, untrained_3, _, input_3 = shares_ERL[:, :, 3].mean(axis=0)  # after block 3
reveal("L13.a", float(logit_3), f"the tuned lens names {tuned_3:.2f}. And {input_3:.0%} of the "
       "states are still nearest to the letter that was read.")
reveal("L13.b", reads[int(untrained_3 > commonest.mean() + 0.05)], f"it names {untrained_3:.2f}; "
       f"always naming the commonest letter gives {commonest.mean():.2f}.")

# %% [markdown]
# Look at the dashed line. A lens for a model that knows nothing names half of what will be said,
# because its states hold the letter that was read. **Only what lies above that line is what blocks
# have found out.** Where the logit lens lies below it, it misses even what is there to be read.
#
# ## Run it: who wrote it, and where does it head?
#
# Now sentences about gifts, whose pairs of people never met in training. In most, a third person
# passes by. The receiver, A, is named first (ABB, as in the panel) or second (BAB). For each part:
# its term in the receiver's lead over the giver, and *mean ablation*, which is what the lead loses
# if the part writes its mean over all tokens instead.

# %%
family = zoo.load("errands")
contest = held_out_contest(family.data.tokenizer, 90)  # sentences, and who receives and gives
names = parts(family.config)[2:-1]  # attention and MLP of each block

def by_part(model):  # the lead, the term of each part in it, what it loses without the part
    terms_C = attribution(model, contest.given).mean(axis=1)
    return terms_C.sum(), terms_C[2:-1], mean_ablation(model, contest.given).mean(axis=1)

leads, terms, losses = zip(*map(by_part, family.models), strict=True)
picture = Picture("l13_parts", "Which part makes the receiver lead over the giver?")
picture.bars(0, names, terms, "its term in the lead", of=2)
picture.bars(0, names, losses, "what the lead loses without it", of=2, place=1)
picture.dress(0, "", "", "logits")
picture.save()
print(f"lead {np.mean(leads):.2f}; terms of the parts {np.sum(terms, axis=1).mean():.2f} in total, "
      f"losses {np.sum(losses, axis=1).mean():.2f}")

# %% [markdown]
# With the embedding's, the terms add up to the lead, by algebra. The losses do not have to: later
# parts read what a part wrote. Attention 1 has hardly a term, but without it the lead is gone.
#
# Last, the planes: the logits of two people, less the mean of all logits, in five marks: after the
# embedding (the lowest), and after each attention and each MLP.

# %%
planes = in_planes(family.models[0], contest)
picture = Picture("l13_planes", "Where does the state at the last word head?", panels=3)
for place, ((up, right), (up_RB, right_RB)) in enumerate(planes.items()):
    for order, is_it_B in [("ABB", contest.is_abb_B), ("BAB", ~contest.is_abb_B)]:
        right_R, up_R = (a_RB[:, is_it_B].mean(axis=1) for a_RB in (right_RB, up_RB))
        picture.line(place, right_R, up_R, order)
    picture.baseline(place, [0, 9], [0, 9], "both logits equal")
    picture.dress(place, f"{up} and {right}", f"logit of the {right}", f"logit of the {up}",
                  aspect="equal", adjustable="datalim")
picture.save()
lead = np.subtract(*planes["receiver", "stranger"])[-1].mean()
reveal("L13.c", seems[0] if lead > 0.5 else seems[1], "the state goes up in every plane through "
       "the winner. The stranger was never an option, and the picture cannot tell you that.")
shown = shown_of_last_state(family.models[0], contest).mean()
print(f"the plane of receiver and giver holds {shown:.0%} of the squared length of the last state, "
      f"a random plane {2 / family.config.width:.0%}")

# %% [markdown]
# So a picture that goes the right way proves little. A *counterfactual* sentence proves more, as in
# the panel: exchange the giver, and nothing else. If the path then turns, there was a decision.
#
# ## Your turn
#
# 1. Code the lens.
# 2. Attribute a logit. Say first: if each part had a divisor of its own, would the terms add up?
# 3. Make a misleading plane on purpose: one in which a drunkard (lesson 8) heads for a goal.

# %% exercise L13.e1
@check("L13.e1")
def lens(x_ZD, gain_D, w_VD):
    """Return logits_ZV: what the unembedding w_VD reads, behind an RMSNorm with a gain.

    It divides each state by the root of the mean of its squares ([1, 7] by 5), and multiplies each
    channel by its gain.
    """
    ...

# %% exercise L13.e2
@check("L13.e2")
def terms_of_logit(parts_CD, w_D):
    """Return terms_C: what each part adds to the logit of the row w_D.

    The state is the sum of the parts. An RMSNorm without gain divides it, and the terms add up to
    the logit. Parts [0, 7] and [1, 0], read by the row [1, 1], give 1.4 and 0.2.
    """
    ...

# %% exercise L13.e3
@check("L13.e3")
def misleading_plane(path_LD):
    """Return a_D and b_D, the axes of a plane: of length 1, at a right angle to each other.

    path_LD has the places of a drunkard after each random step. Along a_D, every step goes
    forwards, and the plane holds at least half of the squared length of the last place.
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# A lens always names something, and a path always heads somewhere. Each needs a rival: an untrained
# model, another plane, a sentence in which one word differs. The belief is right near the end.

# %% quiet
quiz("L13")

# %% [markdown]
# ## Verdicts

# %% quiet
judge("B36", "B35", "B32")

# %% [markdown]
# ## The same on a real model
#
# After most of SmolLM2's 30 blocks, the plain lens is further off than one fixed guess. And in the
# plane of two strangers one of them is far ahead: a lead in a plane alone shows no decision.

# %% quiet
judge_real_model("B36", "B32")

# %% [markdown]
# ## In short
#
# A lens shows what the unembedding can read, and something can be read from any model. Attribution
# adds up by algebra, and ablation shows what also works through later parts. A picture in a plane
# becomes evidence only beside the pictures that should look different.

# %% quiet
finish("L13")
