# %% [markdown]
# # L05 Length, temperature, sampling
#
# **Claims:** B17, B18, B19, B22, B23, B28, B29, C3, C4, C5. **Question:** what turns scores into a
# choice, and what makes the choice bold or timid? **Time:** about 40 minutes.
#
# *Softmax* turns logits z into probabilities: exp(z), divided by their sum. The *temperature* T
# divides the logits first. *Entropy*, in nats, says how undecided the result is: 0 for a certain
# choice, ln V if all V tokens are alike. We write beta for 1/T.
#
# ## What many believe
#
# "Softmax looks only at relative scores. So how large the scores are does not matter; temperature
# is a trick at sampling time that has nothing to do with the vectors inside."

# %%
import jax
import jax.numpy as jnp
import numpy as np
import optax

from minitx import ModelConfig, TrainConfig, Transformer, generate, measure, report, zoo
from minitx.figures import Picture
from minitx.lesson import check, claim, predict, quiz, rule
from minitx.model import init_params
from minitx.optimizer import make_optimizer

# %% [markdown]
# ## Predict

# %%
top_guess = predict(
    "L05.a", "At T = 1, what probability has our model's best token, on average?", low=0, high=1
)
predict(
    "L05.b",
    "Train one model on its predictions at every position, another on the last position only, for "
    "equally many passes. Which has the lower loss?",
    ["every position", "last position only", "no difference"],
)

# %% [markdown]
# ## Worked example: shift, and scale

# %%
z_V = np.array([2.0, 1.0, 0.0])
for name, logits_V in (
    ("z", z_V),
    ("z + 100", z_V + 100),
    ("2 z", 2 * z_V),
    ("z / 0.01", z_V / 0.01),
):
    print(f"{name:9} shape {logits_V.shape} probabilities {np.round(measure.softmax(logits_V), 3)} "
          f"entropy {measure.entropy(logits_V):.3f}")  # fmt: skip

# %% [markdown]
# Adding a constant changes nothing; multiplying changes everything. The law behind it:
# d(entropy)/d(beta) = -beta Var(z), with the variance taken under the probabilities themselves. A
# variance is never negative, so more beta can only mean less entropy.
#
# ## The rules, before the result
#
# Each is a few lines; the thresholds: 0.001 for what should be equal to rounding, 0.01 nats for a
# change that counts, 0.99 for "all of the probability".


# %%
@rule(supported=(1.0,), qualified=(0.95,), refuted=(0.1,))
def b17(steps_equal):  # our own loop against the library's, token by token
    return "supported" if steps_equal > 0.999 else "qualified" if steps_equal > 0.9 else "refuted"


@rule(supported=(1e-6, 0.0), qualified=(0.01, 0.0), refuted=(1e-6, 0.2))
def b18(cache_error, leak_from_later):
    if leak_from_later > 0 or cache_error > 0.1:
        return "refuted"
    return "supported" if cache_error < 1e-3 else "qualified"


@rule(supported=(2.3, 2.6), qualified=(2.3, 2.35), refuted=(2.4, 2.3))
def b19(loss_every, loss_last):
    gain = loss_last - loss_every
    return "supported" if gain > 0.1 else "qualified" if gain > 0 else "refuted"


@rule(supported=(0.999, 0.001), qualified=(0.8, 0.001), refuted=(0.3, 0.5))
def b22(top_when_cold, short_of_uniform_when_hot):
    cold, hot = top_when_cold > 0.99, short_of_uniform_when_hot < 0.01
    return "supported" if cold and hot else "qualified" if cold or hot else "refuted"


@rule(supported=(1.01, 0.999), qualified=(1.01, 0.9), refuted=(3, 0.5))
def b23(lowest_times_n, highest):
    ends = abs(lowest_times_n - 1) < 0.05, highest > 0.99
    return "supported" if all(ends) else "qualified" if any(ends) else "refuted"


@rule(supported=(1e-6, 0.5), qualified=(1e-6, 0.0), refuted=(0.5, 0.5))
def b28(error_after_norm, entropy_fall_before_norm):
    if error_after_norm > 1e-3:
        return "refuted"
    return "supported" if entropy_fall_before_norm > 0.01 else "qualified"


@rule(supported=(0.0, 0.0), qualified=(0.0, 0.4), refuted=(0.3, 0.4))
def b29(short_of_uniform, short_of_uniform_with_bias):
    if short_of_uniform > 1e-3:
        return "refuted"
    return "supported" if short_of_uniform_with_bias < 1e-3 else "qualified"


@rule(supported=(1e-9, 0.001), qualified=(1e-9, 0.4), refuted=(0.2, 0.4))
def c3(kl_of_shift, kl_of_doubling):
    if kl_of_shift > 1e-6:
        return "refuted"
    return "supported" if kl_of_doubling < 0.01 else "qualified"


@rule(supported=(2, 1.5, 1.1), qualified=(2, 1.1, 1.5), refuted=(-1, 0.9, 1.1))
def c4(margin_gained, alignment_grew, lengths_grew):  # the last two as factors
    if margin_gained <= 0 or alignment_grew <= 1:
        return "refuted"
    return "supported" if alignment_grew >= lengths_grew else "qualified"


@rule(supported=(0.5,), qualified=(0.05,), refuted=(0.001,))
def c5(entropy_range):
    return (
        "supported" if entropy_range > 0.1 else "qualified" if entropy_range > 0.01 else "refuted"
    )


# %% [markdown]
# ## Run 1: from cold to hot, on our model's own logits

# %%
fables, bpe = zoo.load("fables"), zoo.load("bpe")
tokens_BT = report.sequences(fables.data.val_tokens, fables.config.context, 512)
T, V = np.array([0.01, 0.1, 0.3, 1, 3, 10, 100]), fables.config.vocab
top, random_top, cold, hot, lowest, doubled, shifted = [], [], [], [], [], [], []
for seed, model in enumerate(fables.models):
    z_NV = zoo.trace(model, tokens_BT).logits_BTV.reshape(-1, V).astype(float)
    noise_NV = np.random.default_rng(seed).standard_normal((512, V))
    top.append([measure.softmax(z_NV / t).max(-1).mean() for t in T])
    random_top.append([measure.softmax(noise_NV / t).max(-1).mean() for t in T])
    cold.append(measure.softmax(z_NV / 1e-4).max(-1).mean())
    hot.append(np.log(V) - measure.entropy(z_NV / 1e4).mean())
    lowest.append(V * measure.softmax(z_NV / 1e4).max(-1).mean())
    doubled.append(measure.kl(z_NV, 2 * z_NV).mean())
    shifted.append(np.abs(measure.kl(z_NV, z_NV + 7)).mean())
top = np.array(top)
p_NV, step = measure.softmax(z_NV), 1e-4
slope = (measure.entropy((1 + step) * z_NV) - measure.entropy(z_NV)).mean() / step
variance_N = (p_NV * z_NV**2).sum(-1) - (p_NV * z_NV).sum(-1) ** 2
print("best token's probability:", dict(zip(T.tolist(), np.round(top.mean(0), 3), strict=True)))
print(f"d(entropy)/d(beta) measured {slope:.4f}, by the law {-variance_N.mean():.4f}")

# %% [markdown]
# ## Run 2: length is temperature, but where?
#
# Multiply what the unembedding reads by c; multiply the state before the final norm by c; let the
# state vanish. The second species, `bpe`, has norms with a *bias*, a vector that they add.

# %%
error, fall_before, zero, zero_bias, change = [], [], [], [], []
for model, biased in zip(fables.models, bpe.models, strict=True):
    seen = zoo.trace(model, tokens_BT)
    x_BTD, y_BTD = seen.before_final_norm_BTD, seen.after_final_norm_BTD
    scaled = np.asarray(model.unembed(2 * y_BTD))
    error.append(np.abs(measure.softmax(scaled) - measure.softmax(seen.logits_BTV / 0.5)).max())
    h = [measure.entropy(np.asarray(model.readout(c * x_BTD))).mean() for c in (0.5, 2)]
    fall_before.append(h[0] - h[1])
    h = [measure.entropy(c * seen.logits_BTV).mean() for c in (0.5, 2)]
    change.append(h[0] - h[1])
    for m, found in ((model, zero), (biased, zero_bias)):
        nothing = np.zeros((1, 1, m.config.width), np.float32)
        found.append(
            np.log(m.config.vocab) - float(measure.entropy(np.asarray(m.readout(nothing)))[0, 0])
        )
print(f"a vanishing state is {np.mean(zero):.4f} nats short of uniform, with a bias in the norm "
      f"{np.mean(zero_bias):.4f}")  # fmt: skip

# %% [markdown]
# ## Run 3: what training does to the right token
#
# The *margin*: the right token's logit minus the mean of all others. It is made of two lengths and
# of alignment (the cosine to the right row, minus the mean cosine to the others).

# %%
steps = sorted(fables.stages)
margin, align, size = [], [], []
for seed in range(len(fables.models)):
    rows = []
    for step_ in steps:
        model = fables.stages[step_][seed]
        x_ND = (
            zoo.trace(model, tokens_BT)
            .after_final_norm_BTD[:, :-1]
            .reshape(-1, fables.config.width)
        )
        w_VD, target_N = np.asarray(model.unembedding_VD), tokens_BT[:, 1:].ravel()
        z_NV, n = x_ND @ w_VD.T, np.arange(len(x_ND))
        cos_NV = z_NV / measure.norms(x_ND)[:, None] / measure.norms(w_VD)
        gap = [
            (a[n, target_N] - (a.sum(1) - a[n, target_N]) / (V - 1)).mean() for a in (z_NV, cos_NV)
        ]
        rows.append([*gap, measure.norms(x_ND).mean() * measure.norms(w_VD).mean()])
    rows = np.array(rows).T
    margin.append(rows[0])
    align.append(rows[1])
    size.append(rows[2])
margin, align, size = np.array(margin), np.array(align), np.array(size)

# %% [markdown]
# ## Run 4: one pass, N predictions; a cache; a loop


# %%
def train(seed, every):
    """A small model after 150 passes, its loss at all positions, or at the last one only."""
    config, recipe = (
        ModelConfig(width=32, depth=1, context=32, vocab=V),
        TrainConfig(steps=150, lr=5e-3),
    )
    optimizer, text = make_optimizer(recipe), jnp.asarray(fables.data.train_tokens)

    def loss(params, window):
        z_BTV = Transformer.of(config, params)(window[:, :-1])
        loss_BT = optax.softmax_cross_entropy_with_integer_labels(z_BTV, window[:, 1:])
        return (loss_BT if every else loss_BT[:, -1:]).mean()

    def one(carry, key):
        params, state = carry
        starts = jax.random.randint(key, (12,), 0, len(text) - 33)
        gradient = jax.grad(loss)(params, text[starts[:, None] + jnp.arange(33)[None]])
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    params = init_params(config, jax.random.key(seed))
    keys = jax.random.split(jax.random.key(seed + 100), 150)
    (params, _), _ = jax.lax.scan(one, (params, optimizer.init(params)), keys)
    held = report.sequences(fables.data.val_tokens, 33, 4096)
    z_BTV = Transformer.of(config, params)(held[:, :-1])
    return float(optax.softmax_cross_entropy_with_integer_labels(z_BTV, held[:, 1:]).mean())


loss_every, loss_last = ([train(seed, every) for seed in range(3)] for every in (True, False))
print(f"loss after equal passes: every position {np.mean(loss_every):.3f}, last only "
      f"{np.mean(loss_last):.3f} nats")  # fmt: skip

cache_error, leak, same = [], [], []
for model in fables.models:
    ids = tokens_BT[:1, :24]
    first, cache = model.extend(ids[:, :12], model.empty_cache(1, 24))
    second, _ = model.extend(ids[:, 12:], cache)
    whole = np.asarray(model(ids))
    cache_error.append(
        np.abs(np.concatenate([first, second], 1) - whole).max() / np.abs(whole).max()
    )
    x_BTD = model.trace(ids).stream_RBTD[0]
    slope_BTD = jax.grad(lambda x, m=model: m.continue_from(0, x)[0, 11].sum())(x_BTD)
    leak.append(float(jnp.abs(slope_BTD[0, 12:]).max()))
    made = list(ids[0, :8])
    for _ in range(16):  # generation, by hand: predict, append, run again
        made.append(
            int(
                zoo.trace(model, np.pad(made, (0, 24 - len(made)))[None])
                .logits_BTV[0, len(made) - 1]
                .argmax()
            )
        )
    library = np.concatenate(list(generate(model, ids[:, :8], 16, temperature=0)), 1)[0]
    same.append(np.mean(np.array(made[8:]) == library))

# %%
p = Picture("l05_length_and_temperature", "What makes a choice bold or timid?", panels=3)
p.line(0, T, top, "our model")
p.null(0, T, random_top, "random logits, deviation 1")
p.level(0, 1 / V, "all alike, 1/n")
p.guess(0, top_guess, words="at T = 1")
p.dress(
    0, "Temperature", "temperature T", "probability of the best token", xscale="log", ylim=(0, 1.03)
)
p.line(1, steps, margin, "margin of the logits")
p.level(1, 0, "right no better than wrong")
p.line(1, steps, size, "length of state x length of row")
p.line(1, steps, 10 * align, "10 x alignment (gap of cosines)")
p.dress(1, "The right token, while training", "training steps", "nats; lengths; cosine x 10")
p.bars(2, ["every position", "last position"], np.array([loss_every, loss_last]).T)
counts_V = np.bincount(fables.data.train_tokens, minlength=V) / len(fables.data.train_tokens)
p.level(2, -np.sum(counts_V * np.log(np.maximum(counts_V, 1e-9))), "frequencies of letters alone")
p.dress(2, "Equal passes, different lessons", "loss taken at", "held-out loss (nats)")
p.save()

# %% [markdown]
# ## Exercises
#
# 1. A softmax that survives T = 0.01. 2. What a sampler draws from. 3. One comment under the
# article says that better aligned means a smaller cosine: write the logit with the right sign.


# %% exercise L05.e1
def softmax(logits_V, temperature):
    """Probabilities (V) at a temperature above 0, however small."""
    ...


check("L05.e1", softmax)


# %% exercise L05.e2
def top_k_probabilities(logits_V, k, temperature):
    """Softmax at a temperature among the k largest logits; 0 for all others."""
    ...


check("L05.e2", top_k_probabilities)


# %% exercise L05.e3
def logit(length_x, length_w, angle):
    """The logit of a row of length_w for a state of length_x at an angle in radians."""
    ...


check("L05.e3", logit)

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# "Only differences count" is right: a shift changes nothing. But doubling doubles the differences
# too, so size matters, and length of the last vector *is* inverse temperature, provided that
# nothing stands between: no norm, and no bias. With a bias, a vanishing state says what the bias
# says.

# %%
quiz(
    "L05.q1",
    "Adding 5 to every logit makes the model",
    ["surer", "less sure", "neither"],
    2,
    "Softmax is blind to a shift.",
)
quiz(
    "L05.q2",
    "Multiplying every logit by 5 is the same as",
    ["T = 5", "T = 1/5"],
    1,
    "The temperature divides.",
)
quiz("L05.q3", "From L04: doubling the last state changes which token has the largest logit",
     ["never", "sometimes"], 0, "All logits double, so their order stays.")  # fmt: skip

# %% [markdown]
# ## Verdicts

# %%
claim("B17", b17, fables, steps_equal=same)
claim("B18", b18, fables, cache_error=cache_error, leak_from_later=leak)
claim("B19", b19, "fables.txt", loss_every=loss_every, loss_last=loss_last)
claim("B22", b22, fables, top_when_cold=cold, short_of_uniform_when_hot=hot)
claim("B23", b23, fables, lowest_times_n=lowest, highest=cold)
claim("B28", b28, fables, error_after_norm=error, entropy_fall_before_norm=fall_before)
claim("B29", b29, fables, bpe, short_of_uniform=zero, short_of_uniform_with_bias=zero_bias)
claim("C3", c3, fables, kl_of_shift=shifted, kl_of_doubling=doubled)
claim(
    "C4",
    c4,
    fables,
    margin_gained=margin[:, -1] - margin[:, 0],
    alignment_grew=align[:, -1] / align[:, 0],
    lengths_grew=size[:, -1] / size[:, 0],
)
claim("C5", c5, fables, entropy_range=change)  # fmt: skip

# %% [markdown]
# ## The same on a real model

# %%
if real := zoo.real_model():
    ids_BT = real.tokenizer.encode("When Mary and John went to the store, John gave a drink to")
    z_V = zoo.trace(real.model, ids_BT[None]).logits_BTV[0, -1].astype(float)
    for t in (0.3, 1, 3):
        print(f"{real.name} at T = {t}: best token {measure.softmax(z_V / t).max():.3f}, "
              f"entropy {measure.entropy(z_V / t):.3f} nats")  # fmt: skip
