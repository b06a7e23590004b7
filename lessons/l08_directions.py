# %% [markdown]
# # L08 Directions: does a layer keep where the state points?
#
# **Claims:** A9, A11, A14. **Question:** successive layers leave a state pointing almost the same
# way; what does that tell us? **Time:** about 35 minutes.
#
# A transformer holds a vector of numbers for each token, its *state*. A *layer* reads it and adds
# an *update*. The *cosine* of two vectors is 1 for one direction, 0 for a right angle, -1 for
# opposite ones.
#
# ## What many believe
#
# "From each layer's state to the next the cosine is above 0.9 nearly everywhere. So layers hardly
# turn the state: it stays close to its embedding, and layers can only make it longer."
#
# ## Predict
#
# A walker who knows nothing takes steps of one length, each in a random direction of a space of
# many dimensions. Commit yourself before you look; you may also skip.

# %%
import numpy as np

from minitx import measure, report
from minitx.classroom import Picture, check, finish, judge, judge_real_model, predict, quiz
from minitx.compiled import continue_from, trace
from minitx.runs import zoo

walk_guess = predict("L08.a", "After ten such steps, what is the cosine between the walker's place "
                     "before and after the eleventh?", low=-1, high=1)
end_guess = predict("L08.b", "In our trained model of six blocks, what is the cosine between the "
                    "last state and the embedding?", low=-1, high=1)

# %% [markdown]
# ## Worked example: a right angle that looks like loyalty
#
# Take a state x and an update u at a right angle to it, which knows *nothing* of where x points.
# Their sum still points largely along x, because x is longer: with growth g = |x + u| / |x|, the
# cosine is exactly 1/g. That is our *null*: what we would see if there were nothing to see.

# %%
x_D, u_D = np.array([[3.0, 0.0], [0.0, 1.0]])
growth = measure.norms(x_D + u_D) / measure.norms(x_D)
print(f"shapes {x_D.shape} {u_D.shape}, growth {growth:.3f}, cosine "
      f"{measure.cosines(x_D, x_D + u_D):.3f}, 1/g {1 / growth:.3f}")

moves = np.random.default_rng(0).standard_normal((3, 33, 1000))  # 3 walkers, 33 steps
walks = moves.cumsum(axis=1)
successive = measure.cosines(walks[:, 1:], walks[:, :-1])
print(f"eleventh step {successive[:, 9].mean():.3f}; first place against last "
      f"{measure.cosines(walks[:, 0], walks[:, -1]).mean():.3f}")

# %% [markdown]
# ## Run: three seeds, beside their nulls
#
# The states after each block. Position 0 is left out: it sees only itself and goes its own way.

# %%
fables = zoo.load("fables")
tokens_BT = report.sequences(fables.data.val_tokens, fables.config.context, 1024)

def by_layer(model, tokens_BT):
    """Medians over tokens of cosines, nulls and growth of one model, for each of its layers L."""
    states_LBTD = trace(model, tokens_BT).states_LBTD
    row = measure.layers(states_LBTD)  # the columns that `minitx inspect` prints
    norm_L = np.array(row["norm_median"])
    plain_LZD = np.array([measure.without_top_component(x_BTD[:, 1:]) for x_BTD in states_LBTD])
    return {
        "successive": row["cos_prev"][1:],  # without the embedding, which has no layer before it
        "1/g": row["null_cos"][1:],
        "pairs": row["cos_random_pairs"][1:],
        "centred": row["cos_prev_centred"][1:],
        "top removed": np.median(measure.cosines(plain_LZD[1:], plain_LZD[:-1]), axis=1),
        "embedding": row["cos_embedding"][1:],
        "growth": norm_L / norm_L[0],
    }

def over_seeds(models):
    rows = [by_layer(model, tokens_BT) for model in models]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}

trained, fresh = over_seeds(fables.models), over_seeds(fables.untrained)
for name, values_EL in trained.items():
    print(f"{name:12}", np.round(values_EL.mean(axis=0), 3))

# %%
blocks, steps = np.arange(1, fables.config.depth + 1), np.arange(1, 33)
p = Picture("l08_directions", "Does a layer keep where the state points?", panels=3)
p.line(0, blocks, trained["successive"], "trained")
p.untrained(0, blocks, fresh["successive"])
p.baseline(0, blocks, trained["1/g"], "updates at right angles, 1/g")
p.line(0, blocks, trained["pairs"], "two different tokens")
p.line(0, blocks, trained["centred"], "trained, mean state removed")
p.line(0, blocks, trained["top removed"], "and the top component")
p.dress(0, "Cosine with the layer before", "block", "cosine", ylim=(-0.05, 1.05))
p.line(1, blocks, trained["embedding"], "trained")
p.untrained(1, blocks, fresh["embedding"])
p.baseline(1, blocks, 1 / np.sqrt(blocks + 1), "random walk, 1/sqrt(l+1)")
p.guess(1, end_guess, at=blocks[-1])
p.dress(1, "Cosine with the embedding", "block", "cosine", ylim=(-0.05, 1.05))
p.line(2, steps, successive, "random walkers")
p.baseline(2, steps, np.sqrt(steps / (steps + 1)), "sqrt(l/(l+1))")
p.guess(2, walk_guess, at=11)
p.dress(2, "A walker who knows nothing", "step", "cosine with the place before", ylim=(0.6, 1.02))
p.save()

# %% [markdown]
# ## Run: small turns and new tokens
#
# The *lens* asks what a layer would predict if it were the last: final norm, then unembedding.

# %%
flips_E = []
for model in fables.models:
    x_LBTD = trace(model, tokens_BT).states_LBTD
    lens_LBTV = [continue_from(model, 2 * fables.config.depth, x_BTD) for x_BTD in x_LBTD]
    top_LBT, high_LBT = np.argmax(lens_LBTV, -1), measure.cosines(x_LBTD[1:], x_LBTD[:-1]) > 0.9
    flips_E.append(np.mean((top_LBT[1:] != top_LBT[:-1])[high_LBT]) if high_LBT.any() else np.nan)
print("share of high-cosine steps in which the top token changes:", np.round(flips_E, 3))

# %% [markdown]
# ## Exercises
#
# 1. Code the null.
# 2. From growth and cosine, find the cosine between the state and its update: what really says
#    whether an update knew where the state pointed.
# 3. Build a counterexample: two states with a cosine above 0.9 and different top tokens.
#
# Stuck? `minitx hint L08.e1` gives a nudge, then the way, then the solution.

# %% exercise L08.e1
@check("L08.e1")
def null_cosine(growth):
    """The cosine between x and x + u if u is at right angles to x; growth is |x + u| / |x|."""
    ...

# %% exercise L08.e2
@check("L08.e2")
def angle_of_update(growth, cosine):
    """The cosine between x and u, from growth = |x + u| / |x| and cosine = cos(x, x + u)."""
    ...

# %% exercise L08.e3
@check("L08.e3")
def flip_at_high_cosine(w_2D):
    """Two states a_D, b_D with a cosine above 0.9; row 0 wins for a_D, row 1 for b_D, or so."""
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# A high cosine between neighbours is what *adding* looks like: the longer the state, the less one
# update can turn it, whatever it knows. A random walk passes 0.9 after its fifth step and is still
# nearly at right angles to where it began. So read the cosine against 1/g, and against that of two
# *different* tokens. And a small turn can change the winner, for the unembedding's rows lie close.
#
# The belief is right where the cosine clearly beats 1/g, and over short stretches. "Close to the
# next layer" never adds up to "close to the embedding": angles accumulate.

# %%
quiz("L08")

# %% [markdown]
# ## Verdicts
#
# Without the first block: how far it leaps depends on how small the embedding was made.

# %%
print(f"x90 over 32 layers: right angles alone give a cosine of {90 ** (-1 / 32):.3f} in each")
judge("A9", "A11", "A14")

# %% [markdown]
# ## The same on a real model

# %%
judge_real_model("A9", "A11", "A14")

# %%
finish("L08")
