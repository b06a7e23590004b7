# %% [markdown]
# # L08 What a norm sees: where does confidence live?
#
# **Claims:** B16, B31, B37, C1, C6. **Question:** if a norm divides length away before every
# reader, what is the length of a state good for? **Time:** about 40 minutes.
#
# *LayerNorm* takes a vector's mean away and divides it by its standard deviation. In our main model
# one stands before every sublayer (attention or MLP) and one before the unembedding. The running
# sum that sublayers read and add to is the *stream*.
#
# ## What many believe
#
# "A norm makes every vector length 1, so the network sees directions only. Length must then be how
# sure the model is: states grow from layer to layer because it gets surer and surer."

# %%
import jax.numpy as jnp
import numpy as np

from minitx import measure, report, zoo
from minitx.figures import Picture
from minitx.lesson import check, claim, predict, quiz, rule

# %% [markdown]
# ## Predict

# %%
length_guess = predict(
    "L08.a", "A vector of 96 numbers leaves LayerNorm (no gain). How long is it?", low=0, high=1000
)
predict(
    "L08.b",
    "You double the stream between two blocks. Every reader has a norm. The model's output",
    ["stays the same", "changes"],
)
predict(
    "L08.c",
    "Exchange among tokens either the lengths of their states or their directions. What hurts?",
    ["the lengths do", "the directions do", "both alike"],
)

# %% [markdown]
# ## Worked example: three lengths in, one length out

# %%
fables, nonorm = zoo.load("fables"), zoo.load("nonorm")
x_BD = np.random.default_rng(0).standard_normal((3, 96)) * [[0.001], [1], [1000]]
y_BD = np.asarray(fables.untrained[0].final_norm(x_BD.astype(np.float32)))
print("shape", y_BD.shape, "sqrt(D)", round(96**0.5, 3))
for x_D, y_D in zip(x_BD, y_BD, strict=True):
    print(f"length in {measure.norms(x_D):10.4f}   out {measure.norms(y_D):.4f}   "
          f"mean out {y_D.mean():+.4f}")  # fmt: skip

# %% [markdown]
# Nearly sqrt(D) for each, and no mean. The shortest comes out a little shorter: under the root,
# beside the variance, stands a small *epsilon*, and for tiny vectors it is no longer small.
#
# ## The rules, before the result
#
# - **C1** in this lesson: the length. Constant and 1: supported. Constant (spread below 1 %), but
#   another number: qualified.
# - **B16** has two sides. Scale the stream: does the next *sublayer's* output change, and does the
#   *model's*? Support needs both to stay (1 %, and 0.01 nats of KL, the cost in nats of believing
#   the changed prediction in place of the true one). If only the reader is blind: qualified.
# - **B31**: from half to twice the length of the last *stream*, before the norm, does the entropy
#   (the uncertainty, in nats) fall, and by at least half of what it falls by after the norm?
# - **B37**: exchanging directions must cost 10 times what exchanging lengths costs, while lengths
#   still change the entropy by 0.01 nats without changing more than 5 % of the top tokens.
# - **C6**: exchange lengths; a sublayer's output must change by 10 % without norms, by less than
#   1 % with them.


# %%
@rule(supported=(1.0, 0.001), qualified=(9.8, 0.001), refuted=(5.0, 0.4))
def c1(length, spread):
    if spread > 0.01:
        return "refuted"
    return "supported" if abs(length - 1) < 0.05 else "qualified"


@rule(supported=(0.001, 0.001), qualified=(0.001, 0.3), refuted=(0.5, 0.3))
def b16(sublayer_change, output_kl):
    if sublayer_change > 0.01:
        return "refuted"
    return "supported" if output_kl < 0.01 else "qualified"


@rule(supported=(1.2, 1.5), qualified=(0.2, 1.5), refuted=(0.0, 1.5))
def b31(fall_before_norm, fall_after_norm):
    if fall_before_norm < 0.01:
        return "refuted"
    return "supported" if fall_before_norm >= fall_after_norm / 2 else "qualified"


@rule(supported=(3, 0.1, 0.02, 0.2), qualified=(3, 0.1, 0.2, 0.2), refuted=(1, 0.9, 0.3, 0.5))
def b37(kl_directions, kl_lengths, flips_by_length, entropy_change):
    if kl_directions < 2 * kl_lengths:
        return "refuted"
    sure = flips_by_length < 0.05 and entropy_change > 0.01
    return "supported" if sure and kl_directions > 10 * kl_lengths else "qualified"


@rule(supported=(0.001, 0.5), qualified=(0.001, 0.05), refuted=(0.3, 0.5))
def c6(with_norm, without_norm):
    if with_norm > 0.01:
        return "refuted"
    return "supported" if without_norm > 0.1 else "qualified"


# %% [markdown]
# ## Run 1: scale the stream
#
# Before a sublayer, before the final norm, after it. `continue_from` takes an edited stream and
# runs the rest of the model.

# %%
tokens_BT = report.sequences(fables.data.val_tokens, fables.config.context, 512)
depth, last = fables.config.depth, 2 * fables.config.depth
scales = np.array([1 / 4, 1 / 2, 1, 2, 4])


def sublayers(model, stream_RBTD):
    """What each sublayer writes, given the stream in front of it: 2N arrays."""
    position_T = jnp.arange(stream_RBTD.shape[2])
    for n, block in enumerate(model.blocks):
        yield np.asarray(block.attention(block.attention_norm(stream_RBTD[2 * n]), position_T)[0])
        yield np.asarray(block.mlp(block.mlp_norm(stream_RBTD[2 * n + 1])))


def relative_change(model, stream_RBTD, edited_RBTD):
    """By how much sublayers' outputs change, relative to their length; mean over sublayers."""
    pairs = zip(sublayers(model, stream_RBTD), sublayers(model, edited_RBTD), strict=True)
    return np.mean([np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in pairs])


changed_E, middle_kl_E, falls_E2, entropy = [], [], [], {"before": [], "after": [], "bare": []}
for model, bare in zip(fables.models, nonorm.models, strict=True):
    seen = zoo.trace(model, tokens_BT)
    changed_E.append(relative_change(model, seen.stream_RBTD, 2 * seen.stream_RBTD))
    doubled = zoo.continue_from(model, 4, 2 * seen.stream_RBTD[4])
    middle_kl_E.append(measure.kl(seen.logits_BTV, doubled).mean())
    x_BTD, z_BTV = seen.before_final_norm_BTD, seen.logits_BTV
    bare_x_BTD = zoo.trace(bare, tokens_BT).before_final_norm_BTD
    entropy["before"].append(
        [measure.entropy(zoo.continue_from(model, last, c * x_BTD)).mean() for c in scales]
    )
    entropy["after"].append([measure.entropy(c * z_BTV).mean() for c in scales])
    entropy["bare"].append(
        [measure.entropy(zoo.continue_from(bare, last, c * bare_x_BTD)).mean() for c in scales]
    )
entropy = {place: np.array(values_EC) for place, values_EC in entropy.items()}
falls = {place: h_EC[:, 1] - h_EC[:, 3] for place, h_EC in entropy.items()}
print(f"sublayers' outputs change by {np.mean(changed_E):.5f} of their length, "
      f"the model's output by a KL of {np.mean(middle_kl_E):.4f} nats")  # fmt: skip
for place, fall_E in falls.items():
    print(f"from half to twice the length the entropy falls by {fall_E.mean():.4f} nats ({place})")

# %% [markdown]
# Each reader is blind to length, and yet the doubled stream changes the output. Length before a
# norm is *inertia*: the update keeps its size, so it turns a longer state less.
#
# ## Run 2: mass off the vocabulary
#
# Our model has fewer tokens than channels, so there are directions at right angles to every row of
# the unembedding (as the final gain stretches it). Nothing there can prefer any token. But the norm
# divides by the *whole* length: k times the state's length put there divides all logits by
# sqrt(1 + k^2). The model can turn its own confidence down without touching the ranking.

# %%
shares = np.array([0, 0.5, 1, 2, 3])
diluted_EK, formula_EK, off_E, follows_E = [], [], [], []
for model in fables.models:
    seen = zoo.trace(model, tokens_BT)
    x_BTD, z_BTV = seen.before_final_norm_BTD, seen.logits_BTV
    rows_XD = np.asarray(model.unembedding_VD) * np.asarray(model.final_norm.gain[...])
    rows_XD = np.vstack([rows_XD, np.ones(rows_XD.shape[1])])  # LayerNorm removes the mean
    null_XD = np.linalg.svd(rows_XD)[2][len(rows_XD) :]  # directions that no row can see
    centred_BTD = x_BTD - x_BTD.mean(-1, keepdims=True)
    visible_BTD = centred_BTD - centred_BTD @ null_XD.T @ null_XD
    size_BT1 = np.linalg.norm(visible_BTD, axis=-1, keepdims=True)
    diluted = [visible_BTD + k * size_BT1 * null_XD[0] for k in shares]
    diluted_EK.append([measure.entropy(zoo.continue_from(model, last, x)).mean() for x in diluted])
    z0_BTV = zoo.continue_from(model, last, visible_BTD)
    formula_EK.append([measure.entropy(z0_BTV / np.sqrt(1 + k**2)).mean() for k in shares])
    off_BT = 1 - (size_BT1[..., 0] / measure.norms(centred_BTD)) ** 2
    off_E.append(off_BT.mean())
    follows_E.append(np.corrcoef(off_BT.ravel(), measure.entropy(z_BTV).ravel())[0, 1])
print(f"{len(null_XD)} of {x_BTD.shape[-1]} directions are off the vocabulary; they hold "
      f"{np.mean(off_E):.3f} of the last state's squared length (random: "
      f"{len(null_XD) / (x_BTD.shape[-1] - 1):.3f}), correlation with the entropy "
      f"{np.mean(follows_E):+.2f}")  # fmt: skip

# %% [markdown]
# ## Run 3: exchange lengths, then directions


# %%
def exchange(x_BTD, order_N):
    """The states with the lengths of others, and the lengths with the directions of others."""
    x_ND = x_BTD.reshape(-1, x_BTD.shape[-1])
    length_N1 = np.linalg.norm(x_ND, axis=1, keepdims=True)
    unit_ND = x_ND / length_N1
    swapped = unit_ND * length_N1[order_N], unit_ND[order_N] * length_N1
    return [x.reshape(x_BTD.shape) for x in swapped]


stations = np.arange(0, last + 1, 4)
order_N = np.random.default_rng(0).permutation(tokens_BT.size)
kl, flips, shift, blind = {}, {}, {}, {}
for name, family in (("with norms", fables), ("without", nonorm)):
    kl[name], flips[name], shift[name], blind[name] = [], [], [], []
    for model in family.models:
        seen = zoo.trace(model, tokens_BT)
        z_BTV = seen.logits_BTV
        swapped = [exchange(seen.stream_RBTD[r], order_N) for r in stations]
        z = [[zoo.continue_from(model, int(r), x) for x in pair]
             for r, pair in zip(stations, swapped, strict=True)]  # fmt: skip
        kl[name].append([[measure.kl(z_BTV, z_).mean() for z_ in pair] for pair in z])
        flips[name].append(np.mean([pair[0].argmax(-1) != z_BTV.argmax(-1) for pair in z]))
        change = [measure.entropy(pair[0]) - measure.entropy(z_BTV) for pair in z]
        shift[name].append(np.mean(np.abs(change)))
        other = np.stack([exchange(x, order_N)[0] for x in seen.stream_RBTD])
        blind[name].append(relative_change(model, seen.stream_RBTD, other))
    kl[name] = np.array(kl[name])
    print(f"{name:10} KL of exchanged lengths {kl[name][..., 0].mean():.3f}, "
          f"directions {kl[name][..., 1].mean():.3f} nats")  # fmt: skip

# %%
p = Picture("l08_what_a_norm_sees", "What is the length of a state good for?", panels=3)
p.line(0, scales, entropy["after"], "scaled after the final norm")
p.line(0, scales, entropy["before"], "scaled before it")
p.line(0, scales, entropy["bare"], "a model without norms")
p.level(0, np.log(fables.config.vocab), "all tokens alike")
p.dress(
    0,
    "A longer last state: a surer one?",
    "length, times what it is",
    "entropy (nats)",
    xscale="log",
    ylim=(0, None),
    xticks=scales,
    xticklabels=["1/4", "1/2", "1", "2", "4"],
)
p.axes[0].minorticks_off()
p.line(1, shares, diluted_EK, "measured")
p.null(1, shares, formula_EK, "all logits divided by sqrt(1 + k^2)")
p.dress(
    1,
    "Mass that no token sees",
    "k: length off the vocabulary / on it",
    "entropy (nats)",
    ylim=(0, None),
)
for name in kl:
    p.line(2, stations / 2, kl[name][..., 1], f"directions exchanged, {name}")
    p.line(2, stations / 2, kl[name][..., 0], f"lengths exchanged, {name}")
p.level(2, 0, "no change")
p.dress(
    2,
    "Which exchange hurts?",
    "exchanged after block (0: embedding)",
    "KL to before (nats)",
    ylim=(-0.1, None),
)
p.save()  # fmt: skip

# %% [markdown]
# ## Exercises
#
# 1. Write LayerNorm. 2. Find where epsilon takes over: the length of a mean-free vector at which
# what comes out has only the share s of its usual length. 3. Turn the final gain into a dial:
# which factor on it gives the prediction a wanted entropy?


# %% exercise L08.e1
def layer_norm(x_BD, epsilon):
    """Each row without its mean, divided by its standard deviation; no gain, no bias."""
    ...


check("L08.e1", layer_norm)


# %% exercise L08.e2
def length_at(share, width, epsilon):
    """The length of a mean-free x whose LayerNorm has length share x sqrt(width)."""
    ...


check("L08.e2", length_at)


# %% exercise L08.e3
def dial(logits_V, entropy):
    """The factor on the logits that gives softmax this entropy (nats, below ln V)."""
    ...


check("L08.e3", dial)

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# What leaves LayerNorm has length sqrt(D), not 1, and no mean. No reader sees length, but the *sum*
# does: length decides how far an update turns the state. And at the end a norm divides the stream's
# length away, so growth cannot be growing certainty. Confidence lives in the angle to the rows, in
# the gain, in the lengths of the rows, and in mass off the vocabulary.
#
# The belief is right after the last norm, and in a model without one: there, twice as long is
# exactly half the temperature.

# %%
quiz(
    "L08.q1",
    "A pre-norm model's last stream is made ten times as long. Its predictions",
    ["get surer", "get less sure", "stay as they are"],
    answer=2,
    why="The final norm divides the factor away.",
)
quiz(
    "L08.q2",
    "The stream in the middle is made ten times as long. Later blocks now",
    ["read something else", "read the same and turn the state less", "do nothing"],
    answer=1,
    why="Norms hide the length from them; the sum does not.",
)
quiz(
    "L08.q3",
    "From L07: a cosine of 0.95 between layers is surprising if the state grows by",
    ["1.05 a layer", "1.5 a layer"],
    answer=1,
    why="1/1.05 is 0.95 already; at 1.5 right angles would leave 0.67.",
)

# %% [markdown]
# ## Verdicts

# %%
lengths_E, spread_E = [], []
for model in fables.models:
    x_BTD = zoo.trace(model, tokens_BT).before_final_norm_BTD
    length_BT = measure.norms(fables.untrained[0].final_norm(x_BTD))  # its gain is still 1
    lengths_E.append(length_BT.mean())
    spread_E.append(length_BT.std() / length_BT.mean())
if length_guess is not None:
    print(f"you predicted a length of {length_guess:g}; it is {np.mean(lengths_E):.4f}")
claim("C1", c1, fables, length=lengths_E, spread=spread_E)
claim("B16", b16, fables, sublayer_change=changed_E, output_kl=middle_kl_E)
claim("B31", b31, fables, fall_before_norm=falls["before"], fall_after_norm=falls["after"])
claim(
    "B37",
    b37,
    fables,
    kl_directions=kl["with norms"][..., 1].mean(1),
    kl_lengths=kl["with norms"][..., 0].mean(1),
    flips_by_length=flips["with norms"],
    entropy_change=shift["with norms"],
)
claim("C6", c6, fables, nonorm, with_norm=blind["with norms"], without_norm=blind["without"])

# %% [markdown]
# ## The same on a real model

# %%
if real := zoo.real_model():
    ids_BT = real.tokenizer.encode("When Mary and John went to the store, John gave a drink to")
    seen = zoo.trace(real.model, ids_BT[None])
    x_BTD = seen.before_final_norm_BTD
    for c in (0.5, 1, 2):
        before = measure.entropy(np.asarray(real.model.readout(c * x_BTD))).mean()
        after = measure.entropy(c * seen.logits_BTV).mean()
        print(f"{real.name}: {c:3} times as long: entropy {before:.3f} nats if scaled before the "
              f"final norm, {after:.3f} after it")  # fmt: skip
