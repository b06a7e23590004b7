# %% [markdown]
# # L04 Dot, cosine, distance: what does "closest" mean?
#
# **Claims:** B2, B21, B24, B25, C7, C8, C9. **Question:** a model predicts by comparing its last
# state with one row per token: by which rule, and does the rule matter? **Time:** about 40 minutes.
#
# The *unembedding* is a table with one row w for each token. The last state x is compared with
# every row, and the token's *logit* (its score before softmax) is the *dot product* x.w. It equals
# |x| |w| cos(angle): two lengths and a direction.
#
# ## What many believe
#
# "The last state is a point in space, tokens are points too, and the model predicts the token
# whose point is nearest." Others say: "Distance has nothing to do with it, only direction counts."
# Two beliefs; let us measure both.

# %%
import numpy as np

from minitx import measure, report, zoo
from minitx.figures import Picture
from minitx.lesson import check, claim, predict, quiz, rule

# %% [markdown]
# ## Predict

# %%
nearest_guess = predict(
    "L04.a",
    "Of 100 predictions of a trained model, how many are for the token whose row is nearest to "
    "the last state?",
    low=0,
    high=100,
)
cosine_guess = predict(
    "L04.b", "And how many for the row with the largest cosine?", low=0, high=100
)

# %% [markdown]
# ## Worked example: one state, three rows, three winners

# %%
x_D = np.array([2.0, 1.0])
w_VD = np.array([[2.0, 1.2], [6.0, 0.0], [0.8, 0.42]])


def three_rules(x_ND, w_VD):
    """The row that each rule chooses for each of N states."""
    dot_NV = x_ND @ w_VD.T
    length_V = measure.norms(w_VD)
    return {
        "dot": dot_NV.argmax(1),
        "cosine": (dot_NV / length_V).argmax(1),  # |x| is the same for all rows
        "distance": (dot_NV - length_V**2 / 2).argmax(1),  # because of the next paragraph
    }


print(
    "shapes", x_D.shape, w_VD.shape, {k: int(v[0]) for k, v in three_rules(x_D[None], w_VD).items()}
)
print("distances", np.round(measure.norms(x_D - w_VD), 2), "dot", w_VD @ x_D)

# %% [markdown]
# Write the squared distance out: |x - w|^2 = |x|^2 - 2 x.w + |w|^2. The first part is the same for
# all rows. So the *nearest* row is the one with the largest x.w - |w|^2/2: **distance is the dot
# product with a bias** of minus half the squared row length. That tells us two things before any
# measurement: where all rows are of one length the three rules agree; and the longer x, the less
# the bias weighs against the dot product.
#
# ## The rules, before the result
#
# All shares are over held-out tokens. "Agrees" means: it chooses the same row as the model.
#
# - **B2**: cosine agrees in 90 % and distance in less than half: supported. Distance agrees more
#   often than cosine: refuted.
# - **B21**: the logit is the dot product to rounding (one part in a thousand). If that dot product
#   also kept the triangle inequality it would be a true closeness; if not: qualified.
# - **B24**: the nearest row is not the model's choice in more than 10 %: supported; in less than
#   1 %: refuted.
# - **B25**: directions alone agree more often than points do, by 5 %, and a flat map shows more
#   than half of the rows' variance: supported.
# - **C7**: rank correlation (1: the same order of all tokens) of logits with cosines above that
#   with nearness, by 0.05.
# - **C8**: taking the largest dot product names the true next token more often than taking the
#   nearest row, by 2 %.
# - **C9**: the unembedding of a sum is the sum of the unembeddings, to one part in a thousand,
#   with the final norm in front as well as without.


# %%
@rule(supported=(0.95, 0.3), qualified=(0.95, 0.9), refuted=(0.4, 0.9))
def b2(cosine, distance):
    if distance > cosine:
        return "refuted"
    return "supported" if cosine > 0.9 and distance < 0.5 else "qualified"


@rule(supported=(1e-6, 0.0), qualified=(1e-6, 0.3), refuted=(0.2, 0.0))
def b21(error, triangles_broken):
    if error > 1e-3:
        return "refuted"
    return "supported" if triangles_broken == 0 else "qualified"


@rule(supported=(0.4,), qualified=(0.05,), refuted=(0.001,))
def b24(nearest_differs):
    return "supported" if nearest_differs > 0.1 else "refuted" if nearest_differs < 0.01 else (
        "qualified"
    )  # fmt: skip


@rule(supported=(0.95, 0.6, 0.7), qualified=(0.95, 0.6, 0.1), refuted=(0.5, 0.9, 0.7))
def b25(directions, points, map_share):
    if directions < points:
        return "refuted"
    return "supported" if directions > points + 0.05 and map_share > 0.5 else "qualified"


@rule(supported=(0.98, 0.5), qualified=(0.98, 0.96), refuted=(0.6, 0.9))
def c7(rank_cosine, rank_nearness):
    if rank_cosine < rank_nearness:
        return "refuted"
    return "supported" if rank_cosine > rank_nearness + 0.05 else "qualified"


@rule(supported=(0.4, 0.3), qualified=(0.4, 0.39), refuted=(0.3, 0.4))
def c8(right_by_dot, right_by_nearest):
    if right_by_dot < right_by_nearest:
        return "refuted"
    return "supported" if right_by_dot > right_by_nearest + 0.02 else "qualified"


@rule(supported=(1e-6, 1e-6), qualified=(1e-6, 0.4), refuted=(0.4, 0.4))
def c9(error_unembedding, error_with_norm):
    if error_unembedding > 1e-3:
        return "refuted"
    return "supported" if error_with_norm < 1e-3 else "qualified"


# %% [markdown]
# ## Run 1: the rules on trained models
#
# Two species, three seeds each: characters with untied rows, and subwords whose rows are also the
# embedding ("tied"). The null: rows of the same lengths with random directions.

# %%
families = {"characters": zoo.load("fables"), "subwords, tied": zoo.load("bpe")}
agree = {name: {"cosine": [], "distance": []} for name in families}
random_agree, right, ranks, error_E, states = [], [], [], [], {}


def spearman(a_NV, b_NV):
    """The correlation of ranks within each row, averaged."""
    a_NV, b_NV = (np.argsort(np.argsort(z, 1), 1) for z in (a_NV, b_NV))
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(a_NV, b_NV, strict=True)])


for name, family in families.items():
    tokens_BT = report.sequences(family.data.val_tokens, family.config.context, 1024)
    states[name] = []
    for seed, model in enumerate(family.models):
        seen = zoo.trace(model, tokens_BT)
        x_ND = seen.after_final_norm_BTD[:, :-1].reshape(-1, family.config.width).astype(float)
        z_NV = seen.logits_BTV[:, :-1].reshape(len(x_ND), -1)
        w_VD, target_N = np.asarray(model.unembedding_VD, float), tokens_BT[:, 1:].ravel()
        chosen = three_rules(x_ND, w_VD)
        states[name].append((x_ND, w_VD))
        for kind in ("cosine", "distance"):
            agree[name][kind].append(np.mean(chosen[kind] == z_NV.argmax(1)))
        if name == "characters":
            v_VD = np.random.default_rng(seed).standard_normal(w_VD.shape)
            v_VD *= (measure.norms(w_VD) / measure.norms(v_VD))[:, None]
            noise = three_rules(x_ND, v_VD)
            random_agree.append(np.mean(noise["distance"] == noise["dot"]))
            error_E.append(np.abs(x_ND @ w_VD.T - z_NV).max() / np.abs(z_NV).max())
            right.append([np.mean(chosen[kind] == target_N) for kind in ("dot", "distance")])
            length_V = measure.norms(w_VD)
            some = slice(None, None, 8)
            dot_NV = (x_ND @ w_VD.T)[some]
            nearness_NV = dot_NV - length_V**2 / 2
            ranks.append([spearman(dot_NV, dot_NV / length_V), spearman(dot_NV, nearness_NV)])
    print(f"{name:15} cosine agrees {np.mean(agree[name]['cosine']):.3f}, nearest row "
          f"{np.mean(agree[name]['distance']):.3f}; row lengths "
          f"{measure.norms(w_VD).min():.2f} to {measure.norms(w_VD).max():.2f}, states "
          f"{np.median(measure.norms(x_ND)):.2f}")  # fmt: skip

# %% [markdown]
# ## Run 2: what makes them agree
#
# Take the same states and rows. First stretch the differences between row lengths: each length
# becomes length^s, with the same mean, so that s = 0 makes all rows equally long. Then leave the
# rows alone and multiply the states.

# %%
spreads, scales = np.array([0, 0.5, 1, 2, 4]), 2.0 ** np.arange(-3, 4)
by_spread = {"cosine": [], "distance": []}
by_scale = {"cosine": [], "distance": []}
chance_by_scale = []
for x_ND, w_VD in states["characters"]:
    length_V1 = measure.norms(w_VD)[:, None]
    rows = []
    for s in spreads:
        new_V1 = length_V1**s
        rows.append(three_rules(x_ND, w_VD / length_V1 * new_V1 * length_V1.mean() / new_V1.mean()))
    scaled = [three_rules(c * x_ND, w_VD) for c in scales]
    v_VD = np.random.default_rng(0).standard_normal(w_VD.shape)
    v_VD *= length_V1 / measure.norms(v_VD)[:, None]
    noise = [three_rules(c * x_ND, v_VD) for c in scales]
    chance_by_scale.append([np.mean(r["dot"] == r["distance"]) for r in noise])
    for kind in ("cosine", "distance"):
        by_spread[kind].append([np.mean(r["dot"] == r[kind]) for r in rows])
        by_scale[kind].append([np.mean(r["dot"] == r[kind]) for r in scaled])

# %% [markdown]
# ## Run 3: an honest map, a sum, and a triangle
#
# A flat map of the rows must say how much of their variance it shows. Then two checks of what
# "closeness" and "linear" promise.

# %%
x_ND, w_VD = states["characters"][0]
centred_VD = w_VD - w_VD.mean(0)
_, singular, axis_DD = np.linalg.svd(centred_VD, full_matrices=False)
map_V2 = centred_VD @ axis_DD[:2].T
shown = [
    (s[:2] ** 2).sum() / (s**2).sum()
    for s in (np.linalg.svd(w - w.mean(0), compute_uv=False) for _, w in states["characters"])
]
random = np.random.default_rng(0)
a, b, c = random.integers(0, len(w_VD), (3, 5000))
gram_VV = w_VD @ w_VD.T
broken = np.mean(-gram_VV[a, c] > -gram_VV[a, b] - gram_VV[b, c])
error_sum, error_norm = [], []
for model in families["characters"].models:
    seen = zoo.trace(model, tokens_BT[:4] % model.config.vocab)
    p_BTD, q_BTD = seen.stream_RBTD[-1], seen.stream_RBTD[4]

    def relative(f, p=p_BTD, q=q_BTD):
        whole, parts = np.asarray(f(p + q)), np.asarray(f(p)) + np.asarray(f(q))
        return np.linalg.norm(whole - parts) / np.linalg.norm(whole)

    error_sum.append(relative(model.unembed))
    error_norm.append(relative(model.readout))
print(
    f"the map shows {np.mean(shown):.2f} of the rows' variance (random rows: "
    f"{2 / w_VD.shape[1]:.2f} or a little more); {broken:.2f} of random triangles are broken"
)
print(f"a sum is off by {np.mean(error_sum):.1e} without the final norm, "
      f"{np.mean(error_norm):.2f} with it")  # fmt: skip

# %%
p = Picture("l04_dot_cosine_distance", "Which rule picks the model's token?", panels=3)
p.line(0, spreads, by_spread["cosine"], "largest cosine")
p.line(0, spreads, by_spread["distance"], "nearest row")
p.level(0, 1 / w_VD.shape[0], "guessing, 1/V")
p.dress(
    0,
    "Rows made more unequal",
    "s: row length becomes length^s",
    "share that agrees with dot",
    ylim=(0, 1.03),
)
p.line(1, scales, by_scale["cosine"], "largest cosine")
p.line(1, scales, by_scale["distance"], "nearest row")
p.null(1, scales, chance_by_scale, "nearest row, random directions")
p.guess(1, None if nearest_guess is None else nearest_guess / 100, words="nearest")
p.guess(1, None if cosine_guess is None else cosine_guess / 100, words="cosine")
p.dress(
    1,
    "States made longer",
    "state's length, times what it is",
    "share that agrees with dot",
    xscale="log",
    ylim=(0, 1.03),
    xticks=scales[::2],
    xticklabels=["1/8", "1/2", "2", "8"],
)
p.axes[1].minorticks_off()
names = [repr(t)[1:-1] for t in families["characters"].data.tokenizer.tokens]
p.dots(2, map_V2[:, 0], map_V2[:, 1], "a token's row, seed 0", words=names)
share = singular[:2] ** 2 / (singular**2).sum()
p.dress(
    2,
    f"A flat map: {share.sum():.0%} of the variance, no more",
    f"first axis ({share[0]:.0%} of the variance)",
    f"second axis ({share[1]:.0%})",
)
p.save()  # fmt: skip

# %% [markdown]
# ## Exercises
#
# 1. Derive it: scores whose largest is the nearest row. 2. Break the triangle inequality: if -a.b
# were a distance, no detour could be shorter than the straight way. 3. How honest is a flat map?


# %% exercise L04.e1
def nearest_as_dot(x_D, w_VD):
    """Scores (V) made of a dot product and a bias; the largest is the row nearest to x."""
    ...


check("L04.e1", nearest_as_dot)


# %% exercise L04.e2
def broken_triangle():
    """Three vectors a_D, b_D, c_D with -a.c larger than (-a.b) + (-b.c)."""
    ...


check("L04.e2", broken_triangle)


# %% exercise L04.e3
def plane_share(w_VD):
    """The share of the rows' variance that the best plane can show, from 0 to 1."""
    ...


check("L04.e3", plane_share)

# %% [markdown]
# ## Why the beliefs fail, and when they are right
#
# The model compares by dot product. "Nearest" is the same comparison with a penalty on long rows:
# it comes out the same when rows are alike in length or the state is long beside them. So distance
# is neither the rule nor unrelated to it. And a dot product is no closeness in the strict sense: a
# detour can be "shorter" than the straight way, and a row need not be its own closest row.
#
# "Only direction" is right as far as rows are equally long. The *state's* length never changes
# which token wins (dot and cosine do not care), but it changes what "nearest" says.

# %%
quiz(
    "L04.q1",
    "All rows have one length. Dot product, cosine and distance then choose",
    ["three different rows", "the same row"],
    answer=1,
    why="The penalty |w|^2/2 and the divisor |w| are then the same for every row.",
)
quiz(
    "L04.q2",
    "The state is made a thousand times longer. The nearest row becomes",
    ["the row with the largest dot product", "the shortest row", "any row"],
    answer=0,
    why="x.w grows with x, the penalty does not.",
)
quiz(
    "L04.q3",
    "From L02: with more tokens than channels, rows of an embedding table",
    ["can all be at right angles", "cannot all be at right angles"],
    answer=1,
    why="A space of d dimensions has room for d right angles, no more.",
)

# %% [markdown]
# ## Verdicts

# %%
main, bpe = families.values()
cosine, distance = (np.array(agree["characters"][kind]) for kind in ("cosine", "distance"))
right, ranks = np.array(right), np.array(ranks)
claim("B2", b2, main, cosine=cosine, distance=distance)
claim("B21", b21, main, error=error_E, triangles_broken=broken)
both = [*agree["characters"]["distance"], *agree["subwords, tied"]["distance"]]
claim("B24", b24, main, bpe, nearest_differs=1 - np.array(both))
claim("B25", b25, main, directions=cosine, points=distance, map_share=shown)
claim("C7", c7, main, rank_cosine=ranks[:, 0], rank_nearness=ranks[:, 1])
claim("C8", c8, main, right_by_dot=right[:, 0], right_by_nearest=right[:, 1])
claim("C9", c9, main, error_unembedding=error_sum, error_with_norm=error_norm)

# %% [markdown]
# ## The same on a real model

# %%
if real := zoo.real_model():
    ids_BT = real.tokenizer.encode("When Mary and John went to the store, John gave a drink to")
    x_ND = zoo.trace(real.model, ids_BT[None]).after_final_norm_BTD[0].astype(float)
    w_VD = np.asarray(real.model.unembedding_VD, float)
    chosen = three_rules(x_ND, w_VD)
    for kind in ("cosine", "distance"):
        print(f"{real.name}: {kind} agrees with the dot product in "
              f"{np.mean(chosen[kind] == chosen['dot']):.2f} of {len(x_ND)} predictions")
