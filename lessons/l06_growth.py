# %% [markdown]
# # L06 Growth: why do states get longer?
#
# **Claims:** A8, A10, A12, A13. **Question:** does every layer make the state longer, by which law,
# and is it the adding up? **Time:** about 35 minutes.
#
# The *residual connection* adds what a sublayer f writes to what it read: x + f(norm(x)). *Pre* and
# *post* say where the norm stands: before f, or after the sum. The *gradient* of a parameter says
# how much the loss would change if it were nudged; training needs it in every block.
#
# ## What many believe
#
# "States grow exponentially from layer to layer. Every model shows it; it is what adding up does."

# %%
import dataclasses

import jax
import numpy as np

from minitx import TrainConfig, measure, report, zoo
from minitx.figures import Picture
from minitx.lesson import check, claim, predict, quiz, rule
from minitx.model import init_params
from minitx.objective import batch_loss

# %% [markdown]
# ## Predict

# %%
growth_guess = predict(
    "L06.a",
    "In our trained pre-norm model of six blocks, the last state is how many times as long as the "
    "state after block 1?",
    low=0,
)
predict(
    "L06.b",
    "And if the norms stand after the sums (post)?",
    ["it grows as well", "it stays the same", "it shrinks"],
)

# %% [markdown]
# ## Worked example: adding up without knowing anything
#
# Updates of one length and random directions: squares add, so the length grows like a *root*.
# Exponential growth needs updates that grow with the state, as they do where no norm stands
# between: then each block multiplies.

# %%
random = np.random.default_rng(0)
u_ND = random.standard_normal((16, 100))
walk_ND = np.cumsum(u_ND, axis=0)
print("shape", walk_ND.shape, "lengths", np.round(measure.norms(walk_ND)[[0, 3, 15]], 1),
      "roots of 1, 4, 16", np.sqrt([1, 4, 16]))  # fmt: skip

# %% [markdown]
# ## The rules, before the result
#
# - **A8**: the median length grows in every layer, and after the first block by more than 1.1 times
#   what it does untrained: supported. In fewer than half of the layers: refuted.
# - **A10**: updates get larger, absolutely *and* beside the state (share of layers in which they do
#   above one half): supported. Absolutely only: qualified.
# - **A12**: the first block's gradient over the last one's, at the start of training. Without the
#   residual this ratio must be less than a tenth of what it is with it.
# - **A13**: growth after the first block with the residual, over growth without: 1.5 or more.


# %%
@rule(supported=(1, 1.5), qualified=(0.8, 1.5), refuted=(0.3, 0.9))
def a8(layers_growing, over_untrained):
    if layers_growing < 0.5:
        return "refuted"
    return "supported" if layers_growing == 1 and over_untrained > 1.1 else "qualified"


@rule(supported=(0.8, 0.8), qualified=(0.8, 0.2), refuted=(0.2, 0.2))
def a10(grows, grows_beside_state):
    if grows < 0.5:
        return "refuted"
    return "supported" if grows_beside_state > 0.5 else "qualified"


@rule(supported=(1.0, 0.01), qualified=(1.0, 0.5), refuted=(1.0, 1.2))
def a12(ratio_with, ratio_without):
    if ratio_without >= ratio_with:
        return "refuted"
    return "supported" if ratio_without < 0.1 * ratio_with else "qualified"


@rule(supported=(3, 1), qualified=(1.3, 1), refuted=(1, 2))
def a13(growth_with, growth_without):
    share = growth_with / growth_without
    return "supported" if share >= 1.5 else "qualified" if share > 1 else "refuted"


# %% [markdown]
# ## Run 1: lengths by layer
#
# Medians over tokens. Position 0 is left out (it sees only itself; its length would pull a mean),
# and so is the final norm: these are states before it.

# %%
names = {"fables": "pre", "postnorm": "post", "nonorm": "no norm", "noresidual": "no residual",
         "positions-learned": "pre, 2 blocks", "deep": "pre, 12 blocks"}  # fmt: skip
families = {words: zoo.load(name) for name, words in names.items()}
tokens_BT = report.sequences(families["pre"].data.val_tokens, 64, 512)


def lengths(models):
    """Median length after each layer, and of each block's update: two lists over models."""
    norm, update, first = [], [], []
    for model in models:
        x_LBTD = zoo.trace(model, tokens_BT).stream_RBTD[::2].astype(float)
        x_LND = x_LBTD[:, :, 1:].reshape(len(x_LBTD), -1, x_LBTD.shape[-1])
        norm.append(np.median(measure.norms(x_LND), axis=1))
        update.append(np.median(measure.norms(x_LND[1:] - x_LND[:-1]), axis=1))
        first.append(np.median(measure.norms(x_LBTD[:, :, 0]), axis=1))
    return np.array(norm), np.array(update), np.array(first)


trained = {words: lengths(family.models) for words, family in families.items()}
fresh = {words: lengths(family.untrained) for words, family in families.items()}
for words, (norm_EL, _, first_EL) in trained.items():
    print(
        f"{words:15} {np.round(norm_EL.mean(0), 1)}; position 0: {first_EL[:, -1].mean():.1f}"
    )

# %% [markdown]
# ## Run 2: which law?
#
# Three laws with two parameters each, fitted to the logarithm of the lengths after blocks 1 to 12:
# a exp(b l), a (1 + b l), a sqrt(1 + b l). The judge is the error on a layer left out of the fit,
# so that no law can win by bending. The embedding is no layer of this kind and is left out.

# %%
laws = {
    "exponential": lambda b, l_N: b * l_N,
    "linear": lambda b, l_N: np.log1p(b * l_N),
    "square root": lambda b, l_N: np.log1p(b * l_N) / 2,
}


def left_out_error(law, norm_N):
    """Root mean square error of log length on each layer, fitted to the others."""
    l_N, misses = np.arange(len(norm_N)), []
    b_X = np.concatenate([np.linspace(-0.9 / l_N[-1], 1, 300), np.geomspace(1, 1e4, 200)])
    b_X = b_X[b_X <= 1] if law == "exponential" else b_X
    for out in l_N:
        kept = l_N != out
        residual_XN = np.log(norm_N) - np.array([laws[law](b, l_N) for b in b_X])
        level_X = residual_XN[:, kept].mean(1)
        best = np.argmin(((residual_XN[:, kept] - level_X[:, None]) ** 2).sum(1))
        misses.append(residual_XN[best, out] - level_X[best])
    return np.sqrt(np.mean(np.square(misses)))


errors = {
    law: [left_out_error(law, n_L[1:]) for n_L in trained["pre, 12 blocks"][0]] for law in laws
}
for law, error_E in errors.items():
    print(f"{law:12} misses a left-out layer by {np.mean(error_E):.1%} ({min(error_E):.1%} to "
          f"{max(error_E):.1%})")  # fmt: skip
best, second = sorted(errors, key=lambda law: np.mean(errors[law]))[:2]
apart = all(b < s for b, s in zip(errors[best], errors[second], strict=True))
print(f"best: {best}; before {second} in every seed: {'yes' if apart else 'no, so they are tied'}")

# %% [markdown]
# ## Run 3: gradients, and updates beside the state


# %%
def block_gradients(config, seed):
    """Gradient norms by block at the start of training, on one batch."""
    text = families["pre"].data.train_tokens[:769]
    batch = text[:-1].reshape(12, 64), text[1:].reshape(12, 64)
    params = init_params(config, jax.random.key(seed))
    gradient = gradient_of(config)(params, *batch)
    return [np.sqrt(sum(np.sum(np.square(g)) for g in jax.tree.leaves(gradient["blocks"][n])))
            for n in range(config.depth)]  # fmt: skip


def gradient_of(config):
    return jax.jit(jax.grad(lambda p, a, b: batch_loss(config, TrainConfig(), p, a, b, None)))


on = families["pre"].config
off = dataclasses.replace(on, residual=False)
gradients = {words: np.array([block_gradients(c, seed) for seed in range(3)])
             for words, c in (("with residual", on), ("without", off))}  # fmt: skip
for words, g_EN in gradients.items():
    print(f"{words:14} gradient by block {np.array2string(g_EN.mean(0), precision=5)}")

# %%
p = Picture("l06_growth", "Why do states get longer?", panels=3)
for words in ("pre", "post", "no norm", "no residual"):
    p.line(0, np.arange(7), trained[words][0], words)
p.untrained(0, np.arange(7), fresh["pre"][0], "pre, untrained")
p.level(0, 96**0.5, "sqrt(D), what a norm leaves")
if growth_guess is not None:
    p.guess(0, growth_guess * trained["pre"][0][:, 1].mean(), words="length at the end")
p.dress(0, "Length of the state", "layer (0: embedding)", "median norm", yscale="log")
norm_EL = trained["pre, 12 blocks"][0][:, 1:]
l_N = np.arange(12)
p.line(1, l_N + 1, norm_EL, "12 blocks, trained")
p.untrained(1, l_N + 1, fresh["pre, 12 blocks"][0][:, 1:])
p.null(1, l_N + 1, norm_EL.mean(0)[0] * np.sqrt(1 + l_N), "independent updates, square root")
p.line(
    1,
    l_N + 1,
    norm_EL.mean(0)[0] * (norm_EL.mean(0)[-1] / norm_EL.mean(0)[0]) ** (l_N / 11),
    "exponential through both ends",
)
p.dress(1, "Which law?", "block", "median norm", ylim=(0, None))
for words, g_EN in gradients.items():
    p.line(2, np.arange(1, 7), g_EN, words)
p.dress(
    2, "Gradients at the start of training", "block", "norm of the block's gradient", yscale="log"
)
p.save()  # fmt: skip

# %% [markdown]
# ## Exercises
#
# 1. Write the sublayer with its switch. 2. By how much should each update be scaled down so that N
# blocks leave the stream's variance alone? 3. Lengths that independent updates would give.


# %% exercise L06.e1
def next_station(x_BD, f, norm, residual):
    """What the stream holds after a pre-norm sublayer f; residual is True or False."""
    ...


check("L06.e1", next_station)


# %% exercise L06.e2
def output_scale(depth):
    """The factor on each update that keeps the variance of their sum at that of one."""
    ...


check("L06.e2", output_scale)


# %% exercise L06.e3
def random_sum_lengths(first, update_N):
    """The lengths after each of N updates at right angles; `first` is the length before."""
    ...


check("L06.e3", random_sum_lengths)

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Adding alone gives a square root, not an exponential. With a norm after each sum the length cannot
# grow at all. Exponential growth is what multiplication gives: a model without norms, whose updates
# scale with the state. And over a dozen layers or fewer a straight line and a gentle exponential
# fit alike; who claims one of them from so few points claims too much.

# %%
quiz(
    "L06.q1",
    "Independent updates of length 1 are added to a state of length 1. After 8 its length is about",
    ["9", "3", "256"],
    1,
    "sqrt(1 + 8).",
)
quiz(
    "L06.q2",
    "Post-norm states do not grow because",
    ["updates are small", "a norm follows each sum"],
    1,
    "Whatever the sum, its length is brought back.",
)
quiz("L06.q3", "From L05: logits are doubled. In effect the temperature was", ["doubled", "halved"],
     1,
     "z / T with T = 1/2 is 2 z.")  # fmt: skip

# %% [markdown]
# ## Verdicts

# %%
norm_EL, update_EN, _ = trained["pre"]
later_E = norm_EL[:, -1] / norm_EL[:, 1]
relative_EN = update_EN / norm_EL[:, :-1]
cut_EL = trained["no residual"][0]
main, cut = families["pre"], families["no residual"]
claim(
    "A8",
    a8,
    main,
    layers_growing=(norm_EL[:, 1:] > norm_EL[:, :-1]).mean(1),
    over_untrained=later_E / (fresh["pre"][0][:, -1] / fresh["pre"][0][:, 1]),
)
claim(
    "A10",
    a10,
    main,
    grows=(update_EN[:, 1:] > update_EN[:, :-1]).mean(1),
    grows_beside_state=(relative_EN[:, 1:] > relative_EN[:, :-1]).mean(1),
)
claim(
    "A12",
    a12,
    "at initialisation, 3 seeds",
    ratio_with=gradients["with residual"][:, 0] / gradients["with residual"][:, -1],
    ratio_without=gradients["without"][:, 0] / gradients["without"][:, -1],
)
claim("A13", a13, main, cut, growth_with=later_E,
      growth_without=cut_EL[:, -1] / cut_EL[:, 1])  # fmt: skip

# %% [markdown]
# ## The same on a real model

# %%
if real := zoo.real_model():
    ids_BT = real.tokenizer.encode("When Mary and John went to the store, John gave a drink to")
    norm_L = measure.layers(zoo.trace(real.model, ids_BT[None]).stream_RBTD[::2])["norm_median"]
    grew = np.mean(np.diff(norm_L) > 0)
    print(f"{real.name}: x{norm_L[-1] / norm_L[1]:.1f} after the first block, growing in "
          f"{grew:.0%} of its layers")  # fmt: skip
    for law in laws:
        print(
            f"  {law:12} misses a left-out layer by {left_out_error(law, np.array(norm_L[1:])):.0%}"
        )
