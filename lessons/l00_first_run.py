# %% [markdown]
# # L00 First run: what is embedded, and what are the pieces?
#
# **Claims:** A7, B3, B15, C12. **Question:** what happens to a text between going in and coming out
# as a prediction? **Time:** about 30 minutes.
#
# A *token* is a piece of text with a number, here one character. A *transformer* turns each token
# into a vector, lets the vectors exchange information in a few *blocks*, and ends with a score for
# every token that could come next.
#
# ## What many believe
#
# "Real models have dozens of layers, so a small one tells me nothing. And where a token stands is a
# detail that can be left out."

# %%
import numpy as np

from minitx import generate, measure, zoo
from minitx.figures import Picture
from minitx.lesson import check, claim, predict, quiz, rule

# %% [markdown]
# ## Predict
#
# The *loss* is how surprised the model is by the true next token, in nats: 0 is never surprised.

# %%
guess = predict(
    "L00.a",
    "Two blocks, trained on the fables with learned positions, reach a certain loss. Without any "
    "positions, how much higher is it (in nats)?",
    low=-5,
    high=5,
)
predict(
    "L00.b", "How many layers has the smallest model in our list of real ones?", low=1, high=200
)

# %% [markdown]
# ## Worked example: a walk through one trace
#
# The first call trains three small models from three seeds (starting points); later calls find
# them on disk. The letters at the end of a name are the axes: B texts, T positions, D numbers per
# vector, V tokens; R stations, one after the embedding and two in each block.

# %%
family = zoo.load("positions-learned")
words, model = family.data.tokenizer, family.models[0]
tokens_BT = words.encode("The fox")[None]
seen = model.trace(tokens_BT)
print("text 'The fox' as numbers", tokens_BT[0].tolist())
for name in (
    "token_BTD",
    "position_BTD",
    "stream_RBTD",
    "pattern_NBHTS",
    "after_final_norm_BTD",
    "logits_BTV",
):
    print(f"{name:22} {getattr(seen, name).shape}")
best = np.argsort(np.asarray(seen.logits_BTV[0, -1]))[::-1][:3]
print("after it come, the likeliest first:", [words.tokens[i] for i in best])
made = np.concatenate(list(generate(model, tokens_BT, 60, temperature=0.7)), 1)[0]
print("and a sample:", repr("The fox" + words.decode(made)))

# %% [markdown]
# ## The rules, before the result
#
# - **A7**: the smallest of the listed models has 32 layers or more, and the largest over a hundred:
#   supported. Neither: refuted.
# - **B3**: our own steps from tokens to logits, in the article's order, give the model's logits to
#   one part in a thousand.
# - **B15**: positions can be left out if that costs less than 0.02 nats; from 0.1 nats on: refuted.
# - **C12**: what enters the first block is the token's row of the table, and nothing else. If only
#   the token's part of it is: qualified.


# %%
@rule(supported=(32, 126), qualified=(6, 126), refuted=(6, 80))
def a7(fewest_layers, most_layers):
    ends = fewest_layers >= 32, most_layers > 100
    return "supported" if all(ends) else "qualified" if any(ends) else "refuted"


@rule(supported=(1e-6,), qualified=(0.01,), refuted=(0.9,))
def b3(error):
    return "supported" if error < 1e-3 else "qualified" if error < 0.1 else "refuted"


@rule(supported=(0.0,), qualified=(0.05,), refuted=(0.3,))
def b15(cost_of_none):
    return "supported" if cost_of_none < 0.02 else "qualified" if cost_of_none < 0.1 else "refuted"


@rule(supported=(0.0, 0.0), qualified=(0.0, 0.4), refuted=(0.5, 0.4))
def c12(token_error, position_share):
    if token_error > 1e-6:
        return "refuted"
    return "supported" if position_share == 0 else "qualified"


# %% [markdown]
# ## Run 1: the pieces, by hand
#
# Embedding, positions, then for each block attention (tokens look at earlier ones) and an MLP (each
# token on its own), each reading through a norm and adding to the stream; last a norm and the
# *unembedding*, a dot product with one row for each token.

# %%
errors, token_errors, shares = [], [], []
for m in family.models:
    t = m.trace(tokens_BT)
    place_T = np.arange(tokens_BT.shape[1])
    x_BTD = np.asarray(m.embedding.table[...])[tokens_BT] + np.asarray(m.position(place_T))[None]
    token_errors.append(np.abs(np.asarray(m.embedding.table[...])[tokens_BT] - t.token_BTD).max())
    shares.append((measure.norms(t.position_BTD) / measure.norms(t.stream_RBTD[0])).mean())
    for block in m.blocks:
        x_BTD = x_BTD + block.attention(block.attention_norm(x_BTD), place_T)[0]
        x_BTD = x_BTD + block.mlp(block.mlp_norm(x_BTD))
    z_BTV = m.final_norm(x_BTD) @ np.asarray(m.unembedding_VD).T
    errors.append(float(np.abs(z_BTV - t.logits_BTV).max() / np.abs(t.logits_BTV).max()))
print(f"largest difference by hand: {max(errors):.1e} of the largest logit")

# %% [markdown]
# ## Run 2: four ways to know where one stands
#
# None at all; a learned row for each place; sines and cosines; *rope*, which turns queries and keys
# by an angle that grows with the place. The null knows only how frequent each character is.

# %%
kinds = ("none", "learned", "sinusoidal", "rope")
families = {kind: zoo.load(f"positions-{kind}") for kind in kinds}
loss_KE = np.array([families[kind].val_loss_EA[:, -1] for kind in kinds])
share_V = np.bincount(family.data.train_tokens, minlength=family.config.vocab) + 1e-9
share_V = share_V / share_V.sum()
unigram = -np.log(share_V[family.data.val_tokens]).mean()
for kind, loss_E in zip(kinds, loss_KE, strict=True):
    print(
        f"positions {kind:11} loss {loss_E.mean():.3f} ({loss_E.min():.3f} to {loss_E.max():.3f})"
    )
print(f"frequencies alone: {unigram:.3f}; all alike: {np.log(family.config.vocab):.3f}")

# %% [markdown]
# ## Run 3: how many layers do real models have?
#
# As their published configurations say.

# %%
LAYERS = {
    "Pythia 70M": 6, "GPT-2": 12, "OPT 125M": 12, "GPT-2 medium": 24, "SmolLM2 135M": 30,
    "Llama 2 7B": 32, "GPT-2 XL": 48, "Llama 2 70B": 80, "GPT-3": 96,
    "Llama 3.1 405B": 126,
}  # fmt: skip
for name, layers in LAYERS.items():
    print(f"{name:16} {layers:4}")

# %%
p = Picture("l00_first_run", "The pieces, and what positions are worth", panels=2)
p.bars(0, kinds, loss_KE.T)
p.level(0, unigram, "frequencies of characters alone")
if guess is not None:
    p.guess(0, loss_KE[1].mean() + guess, words="loss without positions")
p.dress(
    0, "Held-out loss by kind of position (whiskers: seeds)", "positions", "loss (nats per token)"
)
p.dots(1, range(len(LAYERS)), list(LAYERS.values()), "a model", words=list(LAYERS))
p.level(1, 32, "what the article calls small, 32")
p.dress(1, "Layers of real models", "models, by layers", "layers", xlim=(-0.5, 12.5), xticks=[])
p.save()

# %% [markdown]
# ## Exercises
#
# 1. Name the shapes. 2. What loss has a model that knows nothing? 3. Write station 0. Stuck?
# `minitx hint L00.e1`: a nudge, then the way, then the answer.


# %% exercise L00.e1
def shapes(B, T, D, H, V, N):
    """The shapes, as three tuples, of stream_RBTD, of pattern_NBHTS and of logits_BTV."""
    ...


check("L00.e1", shapes)


# %% exercise L00.e2
def untrained_loss(vocab):
    """The loss in nats of a model that finds all `vocab` tokens equally likely."""
    ...


check("L00.e2", untrained_loss)


# %% exercise L00.e3
def embed(ids_T, table_VD, position_TD):
    """Station 0 for learned positions (T, D); position_TD may have more rows than needed."""
    ...


check("L00.e3", embed)

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Real models begin at a handful of layers, and every piece they have is in ours. As for positions,
# the figure is the judge. A causal model (no token sees later ones) is not quite blind without
# them: how many tokens one can look back at is itself a hint. Leaving positions out of the *story*
# is fair where the story is about one state and its readers.

# %%
quiz(
    "L00.q1",
    "What does attention do that an MLP does not?",
    ["it moves information between positions", "it makes vectors longer", "it looks up rows"],
    0,
    "An MLP treats each position on its own.",
)
quiz(
    "L00.q2",
    "A model of 4 blocks has how many stations of the stream?",
    ["4", "8", "9"],
    2,
    "One after the embedding, and two in each block.",
)
quiz("L00.q3", "A loss of ln V nats means that the model", ["is perfect", "knows nothing"], 1,
     "That is the loss of finding all V tokens alike.")  # fmt: skip

# %% [markdown]
# ## Verdicts

# %%
claim(
    "A7",
    a7,
    "published configs",
    fewest_layers=min(LAYERS.values()),
    most_layers=max(LAYERS.values()),
)
claim("B3", b3, family, error=errors)
claim("B15", b15, families["none"], family, cost_of_none=loss_KE[0] - loss_KE[1:].min(0))
claim("C12", c12, family, token_error=token_errors, position_share=shares)

# %% [markdown]
# ## The same on a real model

# %%
if real := zoo.real_model():
    ids_BT = real.tokenizer.encode("The fox went to")[None]
    seen = zoo.trace(real.model, ids_BT)
    print(f"{real.name}: {real.config.depth} blocks, stream {seen.stream_RBTD.shape}; likeliest "
          f"next token {real.tokenizer.tokens[seen.logits_BTV[0, -1].argmax()]!r}")  # fmt: skip
    print("the most layers among those above:", max(LAYERS, key=LAYERS.get))
