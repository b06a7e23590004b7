# %% [markdown]
# # L09 What a norm sees: where does confidence live?
#
# **Claims:** B16, B31, B37, C1, C6. **Question:** if a norm divides length away before every
# reader, what is the length of a state good for? **Time:** about 40 minutes.
#
# *LayerNorm* takes a vector's mean away, divides by its standard deviation, multiplies by a learned
# *gain*. One stands before each *sublayer* (attention or MLP), which adds to a running sum, the
# *stream*, and one before the *unembedding*, whose rows give each token a score, its *logit*. These
# are the stream's *readers*.
#
# ## What many believe
#
# "A norm makes every vector length 1, so the network sees directions only. Length must then be how
# sure the model is: states grow from layer to layer because it gets surer and surer."
#
# ## Predict

# %%
import numpy as np

from minitx import measure, report
from minitx.classroom import Picture, check, finish, judge, judge_real_model, predict, quiz
from minitx.compiled import continue_from, trace
from minitx.runs import zoo

length_guess = predict("L09.a", "A vector of 96 numbers leaves LayerNorm (no gain). How long is "
                       "it?", low=0, high=1000)
predict("L09.b", "Double the stream after block 2. The output", ["stays the same", "changes"])
hurts = ["the lengths do", "the directions do", "both alike"]
hurts_guess = predict("L09.c", "Exchange among tokens either the lengths of their states or their "
                      "directions. What hurts?", hurts)

# %% [markdown]
# ## Worked example: three lengths in, one length out

# %%
fables, nonorm = zoo.load("fables"), zoo.load("nonorm")
plain_norm = fables.untrained[0].final_norm  # untrained, so every gain is 1
x_BD = np.random.default_rng(0).standard_normal((3, 96)) * [[0.001], [1], [1000]]
y_BD = np.asarray(plain_norm(x_BD.astype(np.float32)))
print("shape", y_BD.shape, "lengths", measure.norms(x_BD).round(3).tolist(), "in, out",
      measure.norms(y_BD).round(3).tolist(), "sqrt(D)", round(96**0.5, 3), "you:", length_guess)

# %% [markdown]
# ## Run 1: double the stream, exchange lengths, exchange directions
#
# `continue_from` runs the model from a *station* on: 0, the embedding, or one after a sublayer.

# %%
tokens_BT = report.sequences(fables.data.val_tokens, fables.config.context, 512)
order_Z = np.random.default_rng(0).permutation(tokens_BT.size)
last, stations = 2 * fables.config.depth, range(0, 2 * fables.config.depth + 1, 4)

def written(model, x_RBTD):
    """What each sublayer writes, given the stream in front of it: 2N arrays."""
    position_T = np.arange(x_RBTD.shape[2])
    for n, block in enumerate(model.blocks):
        yield np.asarray(block.attention(block.attention_norm(x_RBTD[2 * n]), position_T)[0])
        yield np.asarray(block.mlp(block.mlp_norm(x_RBTD[2 * n + 1])))

def of_others(values):
    """What other tokens have, in an order that is always the same."""
    return values.reshape(len(values), len(order_Z), -1)[:, order_Z].reshape(values.shape)

def effects(model):
    """What each edit changes in one model: in its sublayers, and from each of the stations on."""
    seen, found = trace(model, tokens_BT), {}
    x_RBTD, z_BTV = seen.stream_RBTD, seen.logits_BTV
    length_RBT1 = np.linalg.norm(x_RBTD, axis=-1, keepdims=True)
    unit_RBTD = x_RBTD / length_RBT1
    edits = {"doubled": 2 * x_RBTD, "lengths": unit_RBTD * of_others(length_RBT1),
             "directions": of_others(unit_RBTD) * length_RBT1}
    for edit, new_RBTD in edits.items():
        pairs = zip(written(model, x_RBTD), written(model, new_RBTD), strict=True)
        changes = [np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in pairs]
        new_RBTV = np.array([continue_from(model, r, new_RBTD[r]) for r in stations])
        found[f"{edit}: sublayers"] = np.mean(changes)
        found[f"{edit}: KL"] = measure.kl(z_BTV, new_RBTV).mean((1, 2))
        found[f"{edit}: top token"] = (new_RBTV.argmax(-1) != z_BTV.argmax(-1)).mean()
        found[f"{edit}: entropy"] = np.mean(abs(measure.entropy(new_RBTV) - measure.entropy(z_BTV)))
    return found

def over_seeds(family):
    rows = [effects(model) for model in family.models]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}

normed, bare = over_seeds(fables), over_seeds(nonorm)
for name in normed:
    print(f"{name:21} {normed[name].mean():8.5f} with norms, {bare[name].mean():8.5f} without")
print("KL if doubled after block 0, 2, 4, 6:", normed["doubled: KL"].mean(0).round(3))

# %% [markdown]
# Each reader is blind to length, and yet the stream doubled in the middle changes the output;
# doubled at the end it does not. Length before a norm is *inertia*: an update keeps its size, so it
# turns a longer state less, and after the last block no update is left.
#
# ## Run 2: the last state, made longer, or moved off the vocabulary
#
# There are fewer tokens than numbers in a state, so some directions are at right angles to all rows
# of the unembedding: a step along one changes no dot product. But the norm divides by the *whole*
# length. A step k times as long as the state makes it sqrt(1 + k^2) times as long, and all logits
# shrink by that factor: less confidence, the same ranking. (At k = 0 we have removed what states
# have of such directions by themselves, so it starts a little lower than in the first panel.)

# %%
scales, shares = np.array([1 / 4, 1 / 2, 1, 2, 4]), np.array([0, 0.5, 1, 2, 3])

def entropy_from(model, x_BTD):
    return measure.entropy(continue_from(model, last, x_BTD)).mean()

def unseen(model):
    """Directions, one a row, at right angles to the mean and to all rows, gain included."""
    rows = np.vstack([np.ones((1, 96)), model.unembedding_VD * model.final_norm.gain[...]])
    return np.linalg.svd(rows)[2][len(rows):]  # the 96 directions less those that rows use

entropy_after, entropy_before, entropy_bare, diluted, formula, length_EZ = [], [], [], [], [], []
for model, bare_model in zip(fables.models, nonorm.models, strict=True):
    seen, bare_seen = trace(model, tokens_BT), trace(bare_model, tokens_BT)
    x_BTD, bare_BTD = seen.before_final_norm_BTD, bare_seen.before_final_norm_BTD
    entropy_after.append([measure.entropy(c * seen.logits_BTV).mean() for c in scales])
    entropy_before.append([entropy_from(model, c * x_BTD) for c in scales])
    entropy_bare.append([entropy_from(bare_model, c * bare_BTD) for c in scales])
    length_EZ.append(measure.norms(plain_norm(x_BTD)).ravel())
    unseen_rows, x_BTD = unseen(model), x_BTD - x_BTD.mean(-1, keepdims=True)
    on_BTD = x_BTD - x_BTD @ unseen_rows.T @ unseen_rows
    side_BTD = np.linalg.norm(on_BTD, axis=-1, keepdims=True) * unseen_rows[0]
    diluted.append([entropy_from(model, on_BTD + k * side_BTD) for k in shares])
    z_BTV = continue_from(model, last, on_BTD)
    formula.append([measure.entropy(z_BTV / np.sqrt(1 + k**2)).mean() for k in shares])

p = Picture("l09_what_a_norm_sees", "What is the length of a state good for?", panels=3)
p.line(0, np.log2(scales), entropy_after, "scaled after the final norm")
p.line(0, np.log2(scales), entropy_before, "scaled before it")
p.line(0, np.log2(scales), entropy_bare, "in a model without norms")
p.level(0, np.log(fables.config.vocab), "all tokens alike")
p.dress(0, "A longer last state: a surer one?", "length, times what it is", "entropy (nats)",
        ylim=(0, None), xticks=np.log2(scales), xticklabels=["1/4", "1/2", "1", "2", "4"])
p.line(1, shares, diluted, "measured")
p.baseline(1, shares, formula, "all logits divided by sqrt(1 + k^2)")
p.dress(1, "Length that no token sees", "k: length off the vocabulary / on it", "entropy (nats)")
for edit, words in (("directions", "of others"), ("lengths", "of others"), ("doubled", "length")):
    p.line(2, np.array(stations) / 2, normed[f"{edit}: KL"], f"{edit} {words}")
    p.line(2, np.array(stations) / 2, bare[f"{edit}: KL"], f"{edit} {words}, without norms")
p.level(2, 0, "no change")
p.dress(2, "Which exchange hurts?" + ("" if hurts_guess is None else f" You: {hurts[hurts_guess]}"),
        "edited after block (0: embedding)", "KL to before (nats)", ylim=(-0.1, None))
p.save()

# %% [markdown]
# ## Exercises
#
# 1. Write LayerNorm.
# 2. Find where epsilon takes over: how short is a vector that leaves with a share of the usual
#    length?
# 3. Make the gain a dial: which factor on it gives a wanted entropy?

# %% exercise L09.e1
@check("L09.e1")
def layer_norm(x_BD, epsilon):
    """Each row without its mean, divided by its standard deviation; no gain, no bias."""
    ...

# %% exercise L09.e2
@check("L09.e2")
def length_at(share, width, epsilon):
    """The length of a mean-free x whose LayerNorm has length share * sqrt(width)."""
    ...

# %% exercise L09.e3
@check("L09.e3")
def dial(logits_V, entropy):
    """The factor on the logits that gives softmax this entropy (nats, below ln V)."""
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# No reader sees length, but the *sum* does: it decides how far an update turns the state. So
# lengths exchanged in mid-stream still move the entropy a little, which is what B37 speaks of; at
# the end a norm divides length away, which is B31: growth cannot be growing certainty. That
# directions matter so much more is not the norm's doing alone: compare the lines without norms.
# Confidence can live in the angle to the rows, in the gain, in the rows' lengths, and in length off
# the vocabulary. The belief is right after the last norm, and in a model without one: twice as long
# is half the temperature.

# %%
quiz("L09")

# %% [markdown]
# ## Verdicts

# %%
judge("C1", "B16", "B31", "B37", "C6")

# %% [markdown]
# ## The same on a real model

# %%
judge_real_model("C1", "B16", "B31", "B37", "C6")

# %%
finish("L09")
