# %% [markdown]
# # L05 Length, temperature, sampling
#
# **Claims:** B17, B18, B19, B22, B23, B28, B29, C3, C4, C5. **Question:** what turns scores into a
# choice, and what makes the choice bold or timid? **Time:** about 40 minutes.
#
# A token's score is its *logit*. *Softmax* makes logits z into probabilities: exp(z), divided by
# their sum. The *temperature* T divides the logits first; beta is 1/T. *Entropy*, in nats, says how
# undecided the result is: 0 for a certain choice, ln V if all V tokens are alike. To *sample* is to
# draw the next token by these probabilities; *top-k* draws among the k likeliest only; "temperature
# 0" stands for: always the best.
#
# ## What many believe
#
# "Softmax looks only at relative scores, so their size does not matter; temperature is a trick of
# sampling that has nothing to do with the vectors inside."
#
# ## Predict

# %%
from functools import partial

import jax
import numpy as np

from minitx import ModelConfig, TrainConfig, Transformer, generate, measure, objective, report
from minitx.classroom import Picture, check, finish, judge, judge_real_model, predict, quiz
from minitx.compiled import trace
from minitx.optimizer import make_optimizer
from minitx.runs import zoo

top_guess = predict("L05.a", "At T = 1, what probability has our model's best token, on average?",
                    low=0, high=1)
lessons = ["every position", "last position only", "no difference"]
lower_guess = predict("L05.b", "One model learns from its predictions at every position, another "
                      "from the last only, in as many passes. Which predicts the last better?",
                      lessons)

# %% [markdown]
# ## Worked example: shift, and scale
#
# A shift changes nothing, a factor much. The law: d(entropy)/d(beta) = -beta Var(z), the variance
# taken under the probabilities. A variance is never negative, so the slope is never positive: more
# beta never means more entropy.

# %%
z_V = np.array([2.0, 1.0, 0.0])
for name, logits_V in {"z": z_V, "z + 100": z_V + 100, "2 z": 2 * z_V, "100 z": 100 * z_V}.items():
    print(f"{name:7} shape {logits_V.shape} probabilities {measure.softmax(logits_V).round(3)} "
          f"entropy {measure.entropy(logits_V):.3f}")
slope, p_V = (measure.entropy(1.0001 * z_V) - measure.entropy(z_V)) / 0.0001, measure.softmax(z_V)
print(f"slope {slope:.3f}, law at beta 1: {(p_V @ z_V) ** 2 - p_V @ z_V**2:.3f}")

# %% [markdown]
# ## Run 1: heat the logits, lengthen the state
#
# We scale what the unembedding reads by c, then the state before the final norm, and at last let
# that vanish: in the species `bpe` too, whose norms add a vector of their own, a *bias*.

# %%
fables, bpe = zoo.load("fables"), zoo.load("bpe")
V, text = fables.config.vocab, fables.data.train_tokens
tokens_BT = report.sequences(fables.data.val_tokens, fables.config.context, 512)
seen_E = [trace(model, tokens_BT) for model in fables.models]
z_EZV = np.array([seen.logits_BTV.reshape(-1, V) for seen in seen_E], float)
noise_EZV = np.random.default_rng(0).standard_normal(z_EZV.shape)
temperatures = np.array([1e-4, 0.01, 0.1, 0.3, 1, 3, 10, 100, 1e4])

def best_token(z_EZV):
    """The mean probability of the likeliest token, for each seed and temperature."""
    return np.transpose([measure.softmax(z_EZV / t).max(-1).mean(-1) for t in temperatures])

def short_of_uniform(model):
    """ln V, the entropy of tokens all alike, less that of what a state of zeros predicts."""
    nothing_1D = np.zeros((1, model.config.width), np.float32)
    return np.log(model.config.vocab) - measure.entropy(model.readout(nothing_1D))[0]

best, best_of_noise = best_token(z_EZV), best_token(noise_EZV)
hot_E, half_E, twice_E = (measure.entropy(c * z_EZV).mean(-1) for c in (1e-4, 0.5, 2))
error_E, entropy_before = [], []
for model, seen in zip(fables.models, seen_E, strict=True):
    doubled_BTV = model.unembed(2 * seen.after_final_norm_BTD)
    at_half_T_BTV = measure.softmax(seen.logits_BTV / 0.5)
    error_E.append(np.abs(measure.softmax(doubled_BTV) - at_half_T_BTV).max())
    entropy_before.append([measure.entropy(model.readout(c * seen.before_final_norm_BTD)).mean()
                           for c in (0.5, 2)])
half, twice = np.mean(entropy_before, axis=0)
print(f"entropy from half to twice the length: after the norm {half_E.mean():.3f} to "
      f"{twice_E.mean():.3f}, before it {half:.3f} to {twice:.3f}")

# %% [markdown]
# ## Run 2: what training does to the right token
#
# The *margin* is the right token's logit minus the mean of all others. It is made of two lengths
# and of *alignment*: the cosine to the right row minus the mean cosine to the others.

# %%
def right_token(model):
    """Margin, alignment, and the length of states times the length of rows."""
    x_BTD = trace(model, tokens_BT).after_final_norm_BTD[:, :-1]
    w_VD = np.asarray(model.unembedding_VD)
    right_BTV = np.eye(V, dtype=bool)[tokens_BT[:, 1:]]  # True at the right token
    scores = (x_BTD @ w_VD.T, measure.cosines(x_BTD[:, :, None], w_VD))  # dot products, cosines
    gaps = [score_BTV[right_BTV].mean() - score_BTV[~right_BTV].mean() for score_BTV in scores]
    return [*gaps, measure.norms(x_BTD).mean() * measure.norms(w_VD).mean()]

stages = {0: fables.untrained} | fables.stages
found = np.array([[right_token(model) for model in stage] for stage in stages.values()])
margins, alignments, lengths = np.moveaxis(found, -1, 0)

# %% [markdown]
# ## Run 3: one pass, many predictions; and a loop that writes
#
# Two small models make equally many passes. One learns from each of 32 predictions, the other from
# the last alone, and both are asked for the last. Then: does a *cache* of what earlier tokens left
# give the same logits, does anything leak back from later tokens, and is writing a plain loop?

# %%
config = ModelConfig(width=32, depth=1, context=32, vocab=V)
optimizer = make_optimizer(TrainConfig(steps=150, lr=5e-3))

def loss_BT(params, ids_BT):
    logits_BTV = Transformer.of(config, params)(ids_BT[:, :-1])
    return objective.losses("cross_entropy", logits_BTV, ids_BT[:, 1:])

@partial(jax.jit, static_argnums=3)
def one_pass(params, state, ids_BT, first):
    """One step that learns from the predictions at position `first` and later."""
    gradient = jax.grad(lambda params: loss_BT(params, ids_BT)[:, first:].mean())(params)
    updates, state = optimizer.update(gradient, state, params)
    return jax.tree.map(jax.numpy.add, params, updates), state

def train(seed, first):
    """Held-out loss at the last position, after 150 passes."""
    params, random = Transformer(config, seed).params(), np.random.default_rng(100 + seed)
    state = optimizer.init(params)
    for start_B in random.integers(len(text) - 33, size=(150, 12)):
        params, state = one_pass(params, state, text[start_B[:, None] + np.arange(33)], first)
    return float(loss_BT(params, report.sequences(fables.data.val_tokens, 33))[:, -1].mean())

every_E = [train(seed, first=0) for seed in range(3)]
last_E = [train(seed, first=-1) for seed in range(3)]

def cache_error(model, ids_BT):
    """How far logits are off, relative to the largest, if the first 12 tokens come from a cache."""
    whole_BTV = trace(model, ids_BT).logits_BTV
    _, cache = model.extend(ids_BT[:, :12], model.empty_cache(1, 24))
    kept_BTV, _ = model.extend(ids_BT[:, 12:], cache)
    return np.abs(kept_BTV - whole_BTV[:, 12:]).max() / np.abs(whole_BTV).max()

def leak(model, ids_BT):
    """How much the logits of the first 12 tokens change with the tokens after them."""
    changed_BT = np.where(np.arange(24) < 12, ids_BT, (ids_BT + 1) % V)
    one_BTV, two_BTV = (trace(model, i_BT).logits_BTV[:, :12] for i_BT in (ids_BT, changed_BT))
    return np.abs(one_BTV - two_BTV).max()

def loop(model, ids_BT):
    """How often our own loop makes the token that the library makes."""
    made = list(ids_BT[0, :8])
    library_T = np.hstack(list(generate(model, ids_BT[:, :8], 16, temperature=0)))[0]
    while len(made) < 24:  # predict, append, run again; zeros fill the row up, never looked at
        z_BTV = trace(model, np.pad(made, (0, 24 - len(made)))[None]).logits_BTV
        made.append(z_BTV[0, len(made) - 1].argmax())
    return np.mean(made[8:] == library_T)

cache_E, leak_E, same_E = ([f(model, tokens_BT[:1, :24]) for model in fables.models]
                           for f in (cache_error, leak, loop))

# %%
p = Picture("l05_length_and_temperature", "What makes a choice bold or timid?", panels=3)
p.line(0, temperatures, best, "our model")
p.baseline(0, temperatures, best_of_noise, "random logits, deviation 1")
p.level(0, 1 / V, "all alike, 1/n")
p.guess(0, top_guess, at=1)
p.dress(0, "Temperature", "temperature T", "best token's probability", xscale="log", ylim=(0, 1.03))
for name, grown in {"margin": margins, "alignment": alignments, "lengths": lengths}.items():
    p.line(1, list(stages), (grown / grown[-1]).T, name)
p.level(1, 0, "right no better than wrong")
p.dress(1, "The right token, while training", "training steps", "share of the value at the end")
p.bars(2, lessons[:2], np.transpose([every_E, last_E]))
often_V = np.bincount(text, minlength=V) + 1e-9  # no log of 0
p.level(2, measure.entropy(np.log(often_V)), "letters' frequencies")
said = "" if lower_guess is None else f" You said: {lessons[lower_guess]}"
p.dress(2, f"Equal passes: which is lower?{said}", "loss taken at", "held-out loss (nats)")
p.save()

# %% [markdown]
# ## Exercises
#
# 1. A softmax that survives T = 0.01.
# 2. What a top-k sampler draws from.
# 3. A comment under the article says that better aligned means a smaller cosine: write the logit
#    with the right sign.

# %% exercise L05.e1
@check("L05.e1")
def softmax(logits_V, temperature):
    """Probabilities (V) at a temperature above 0, however small."""
    ...

# %% exercise L05.e2
@check("L05.e2")
def top_k_probabilities(logits_V, k, temperature):
    """Softmax at a temperature among the k largest logits; 0 for all others."""
    ...

# %% exercise L05.e3
@check("L05.e3")
def logit(length_x, length_w, angle):
    """The logit of a row of length_w for a state of length_x at an angle in radians."""
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# "Only differences count" is right: a shift changes nothing. But doubling doubles differences too,
# so size matters, and the length of the last vector *is* inverse temperature, if nothing stands
# between: no norm, and no bias. With a bias, a vanishing state says what the bias says.
#
# Look at the other panels, too. Alignment comes early in training and lengths go on growing: C4 is
# judged by what came after the first stage. And a model that learns at every position has 32
# lessons from each text, where the other has one (B19).

# %%
quiz("L05")

# %% [markdown]
# ## Verdicts (C4 counts from the first stage: untrained, alignment is too near 0 for a factor)

# %%
judge("B17", "B18", "B19", "B22", "B23", "B28", "B29", "C3", "C4", "C5")

# %% [markdown]
# ## The same on a real model

# %%
judge_real_model("B17", "B18", "B19", "B22", "B23", "B28", "B29", "C3", "C4", "C5")

# %%
finish("L05")
