# %% [markdown]
# # L04 Dot, cosine, distance: what does "closest" mean?
#
# **Claims:** B2, B21, B24, B25, C7, C8, C9. **Question:** a model predicts by comparing its last
# state with one row per token: by which rule, and does the rule matter? **Time:** about 40 minutes.
#
# The *unembedding* is a table with one row w for each token. A token's *logit*, its score before
# softmax, is the *dot product* x.w of its row and the last state x: |x| |w| cos(angle).
#
# ## What many believe
#
# "The last state is a point in space, tokens are points too, and the model predicts the token
# whose point is nearest." Others: "Distance has nothing to do with it, only direction counts."
#
# ## Predict

# %%
import numpy as np

from minitx import measure, report
from minitx.classroom import Picture, check, finish, judge, judge_real_model, predict, quiz
from minitx.compiled import trace
from minitx.runs import zoo

nearest_guess = predict("L04.a", "Of 100 predictions of a trained model, how many are for the "
                        "token with the row nearest to the last state?", low=0, high=100)
cosine_guess = predict("L04.b", "And for the row with the largest cosine?", low=0, high=100)

# %% [markdown]
# ## Worked example: one state, three rows, three winners
#
# |x - w|^2 = |x|^2 - 2 x.w + |w|^2, and all rows share |x|^2: the *nearest* row has the largest
# x.w - |w|^2/2. **Distance is the dot product with a bias**, minus half the squared row length. If
# all rows are of one length, the three rules agree; and the longer x, the less the bias weighs.

# %%
def scores(x_ZD, w_VD):
    """Of V rows for each of N states, by three rules; each rule chooses the largest."""
    dot_ZV, length_1V = x_ZD @ np.swapaxes(w_VD, -1, -2), measure.norms(w_VD)[..., None, :]
    return {"dot": dot_ZV, "cosine": dot_ZV / length_1V,  # |x| is left out: all rows share it
            "nearest": dot_ZV - length_1V**2 / 2}

x_1D, w_VD = np.array([[2.0, 1.0]]), np.array([[2.0, 1.2], [6.0, 0.0], [0.8, 0.42]])
print("shapes", x_1D.shape, w_VD.shape, "distances", measure.norms(x_1D - w_VD).round(2))
for rule, score_1V in scores(x_1D, w_VD).items():
    print(f"{rule:7} {score_1V[0].round(2)} chooses row {score_1V[0].argmax()}")

# %% [markdown]
# ## Run: the rules on trained models, what makes them agree, and what a map shows
#
# First, two species, three seeds each: characters, and subwords whose rows are also the embedding.
# Then row lengths become length^s, with the same mean (s = 0: all equal), or states are multiplied;
# the null: rows of the same lengths in random directions. Last, a flat map, and two promises: if
# the dot product is a closeness, no detour is shorter than the straight way; if the model's end is
# linear, the logits of a sum are the sum of the logits.

# %%
def look(models, tokens_BT):
    """Of E models, for N predictions: last states x_EZD, rows w_EVD, and logits z_EZV."""
    seen, sizes = [trace(model, tokens_BT) for model in models], models[0].config
    x = [trace.after_final_norm_BTD[:, :-1].reshape(-1, sizes.width) for trace in seen]
    z = [trace.logits_BTV[:, :-1].reshape(-1, sizes.vocab) for trace in seen]
    return np.array(x, float), np.array([m.unembedding_VD for m in models], float), np.array(z)

def agreement(rule, x_EZD, w_EVD):
    """For each seed, how often the rule chooses the row with the largest dot product."""
    by = scores(x_EZD, w_EVD)
    return np.mean(by[rule].argmax(-1) == by["dot"].argmax(-1), axis=-1)

def rank_correlation(*scores_EZV):
    """1 where two scores put all tokens in one order; the mean over states, for each seed."""
    ranks = [z_EZV.argsort(-1).argsort(-1) - (z_EZV.shape[-1] - 1) / 2 for z_EZV in scores_EZV]
    return measure.cosines(*ranks).mean(-1)

fables, bpe = zoo.load("fables"), zoo.load("bpe")
tokens_BT, pieces_BT = (report.sequences(f.data.val_tokens, 64, 1024) for f in (fables, bpe))
x_EZD, w_EVD, z_EZV = look(fables.models, tokens_BT)
by = scores(x_EZD, w_EVD)
agree = {rule: agreement(rule, x_EZD, w_EVD) for rule in ("cosine", "nearest")}
tied_E = agreement("nearest", *look(bpe.models, pieces_BT)[:2])
right = {rule: np.mean(by[rule].argmax(-1) == tokens_BT[:, 1:].ravel(), axis=-1) for rule in by}
rank = {rule: rank_correlation(by["dot"][:, ::8], by[rule][:, ::8]) for rule in agree}
print("agree with the dot product:", {rule: agree[rule].round(3) for rule in agree})

# %%
spreads, scales, V = np.array([0, 0.5, 1, 2, 4]), 2.0 ** np.arange(-3, 4), w_EVD.shape[1]
length_EV1 = measure.norms(w_EVD)[..., None]
stretched = [w_EVD * length_EV1 ** (s - 1) * length_EV1.mean(1, keepdims=True)
             / (length_EV1**s).mean(1, keepdims=True) for s in spreads]
by_spread = {rule: np.transpose([agreement(rule, x_EZD, rows_EVD) for rows_EVD in stretched])
             for rule in agree}
by_scale = {rule: np.transpose([agreement(rule, c * x_EZD, w_EVD) for c in scales])
            for rule in agree}
v_EVD = np.random.default_rng(0).standard_normal(w_EVD.shape)
v_EVD *= length_EV1 / measure.norms(v_EVD)[..., None]
by_chance = np.transpose([agreement("nearest", c * x_EZD, v_EVD) for c in scales])
centred_EVD = w_EVD - w_EVD.mean(axis=1, keepdims=True)
_, singular_ED, axes_EDD = np.linalg.svd(centred_EVD, full_matrices=False)
share_ED = singular_ED**2 / (singular_ED**2).sum(axis=1, keepdims=True)
shown_E = share_ED[:, :2].sum(1)
far_VV, (a, b, c) = -w_EVD[0] @ w_EVD[0].T, np.random.default_rng(0).integers(0, V, (3, 5000))
broken = np.mean(far_VV[a, c] > far_VV[a, b] + far_VV[b, c])

def sum_errors(model):
    """How far a sum of two states misses the sum of their logits: without, with the final norm."""
    p_BTD, q_BTD = trace(model, tokens_BT[:4]).stream_RBTD[[-1, 4]]
    return [np.linalg.norm(f(p_BTD + q_BTD) - (f(p_BTD) + f(q_BTD)))
            / np.linalg.norm(f(p_BTD + q_BTD)) for f in (model.unembed, model.readout)]

linear_E, norm_E = np.transpose([sum_errors(model) for model in fables.models])

# %%
p = Picture("l04_dot_cosine_distance", "Which rule picks the model's token?", panels=3)
p.level(0, 1 / V, "guessing, 1/V")
for rule, name in ("cosine", "largest cosine"), ("nearest", "nearest row"):
    p.line(0, spreads, by_spread[rule], name)
    p.line(1, scales, by_scale[rule], name)
p.dress(0, "Rows made more unequal", "s: row length becomes length^s",
        "share that agrees with dot", ylim=(0, 1.03))
p.baseline(1, scales, by_chance, "nearest row, random directions")
for words, guess in ("nearest", nearest_guess), ("cosine", cosine_guess):
    p.guess(1, None if guess is None else guess / 100, words=words, at=1)
p.dress(1, "States made longer", "state's length, times what it is", "share that agrees with dot",
        xscale="log", ylim=(0, 1.03), xticks=scales[::2], xticklabels=["1/8", "1/2", "2", "8"])
p.axes[1].minorticks_off()
names = [repr(token)[1:-1].replace(" ", "space") for token in fables.data.tokenizer.tokens]
p.dots(2, *(centred_EVD[0] @ axes_EDD[0, :2].T).T, "a token's row, seed 0", words=names)
p.dress(2, f"A flat map: {shown_E[0]:.0%} of the variance, no more",
        f"first axis ({share_ED[0, 0]:.0%} of the variance)", f"second axis ({share_ED[0, 1]:.0%})")
p.save()

# %% [markdown]
# ## Exercises
#
# 1. Derive it: scores whose largest is the nearest row.
# 2. Break the triangle.
# 3. An honest map.

# %% exercise L04.e1
@check("L04.e1")
def nearest_as_dot(x_D, w_VD):
    """Scores (V) made of a dot product and a bias; the largest is the row nearest to x."""
    ...

# %% exercise L04.e2
@check("L04.e2")
def broken_triangle():
    """Three vectors a_D, b_D, c_D with -a.c larger than (-a.b) + (-b.c)."""
    ...

# %% exercise L04.e3
@check("L04.e3")
def plane_share(w_VD):
    """The share of the rows' variance that the best plane can show, from 0 to 1."""
    ...

# %% [markdown]
# ## Why the beliefs fail, and when they are right
#
# "Nearest" is the dot product with a penalty on long rows. Both choose the same if rows are alike
# in length or the state is long beside them: distance is neither the rule nor unrelated to it.
# "Only direction" is right as far as rows are equally long. The *state's* length never changes
# which token wins, by dot product or by cosine, but it changes which row is nearest.

# %%
quiz("L04")

# %% [markdown]
# ## Verdicts

# %%
judge("B2", "B21", "B24", "B25", "C7", "C8", "C9")

# %% [markdown]
# ## The same on a real model

# %%
judge_real_model("B2", "B21", "B24", "B25", "C7", "C8", "C9")

# %%
finish("L04")
