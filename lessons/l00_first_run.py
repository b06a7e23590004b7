# %% [markdown]
# # L00 First run: what is embedded, and what are the pieces?
#
# **Claims:** A7, B3, B15, C12. **Question:** what happens to a text between going in and coming out
# as a prediction? **Time:** about 30 minutes.
#
# A *token* is a piece of text with a number, here one character. A *transformer* turns each token
# into a vector, lets the vectors exchange information in a few *blocks* (or layers), and ends with
# a score, the *logit*, for every token that could come next.
#
# ## What many believe
#
# "Real models have dozens of layers, so a small one tells me nothing. And where a token stands is a
# detail that can be left out."
#
# ## Predict
#
# The *loss* is how surprised the model is by the true next token, in nats: 0 is never surprised.

# %%
import numpy as np

from minitx import generate, measure
from minitx.classroom import Picture, check, finish, judge, judge_real_model, predict, quiz
from minitx.runs import zoo

cost_guess = predict("L00.a", "Two blocks, trained on the fables with learned positions, reach a "
                     "certain loss. Without any positions, how much higher is it (in nats)?",
                     low=-5, high=5)
layers_guess = predict("L00.b", "How many layers has the smallest model in our list of real ones?",
                       low=1, high=200)

# %% [markdown]
# ## Worked example: a walk through one trace
#
# The first call trains three small models from three *seeds* (starting points); later calls find
# them on disk. The letters at the end of a name are the axes: B texts, T positions, D numbers per
# vector, V tokens, N blocks, H heads, S positions looked at; R stations of the *stream* of states,
# one after the embedding and two in each block.

# %%
learned = zoo.load("positions-learned")
words, model = learned.data.tokenizer, learned.models[0]
tokens_BT = words.encode("The fox")[None]
seen = model.trace(tokens_BT)
print("text 'The fox' as numbers", tokens_BT[0].tolist())
for name in ("token_BTD", "position_BTD", "stream_RBTD", "pattern_NBHTS", "after_final_norm_BTD",
             "logits_BTV"):
    print(f"{name:22} {getattr(seen, name).shape}")
best = np.argsort(np.asarray(seen.logits_BTV[0, -1]))[::-1][:3]
print("after it come, the likeliest first:", [words.tokens[i] for i in best])
made = np.concatenate(list(generate(model, tokens_BT, 60, temperature=0.7)), 1)[0]
print("and a sample:", repr("The fox" + words.decode(made)))

# %% [markdown]
# ## Run 1: the pieces, by hand
#
# Embedding, positions, then for each block *attention* (tokens look at earlier ones) and an *MLP*
# (each token on its own), each reading through a *norm* and adding to the stream; last a norm and
# the *unembedding*, a dot product with one row for each token.

# %%
errors_E, token_errors_E, shares_E = [], [], []
for model in learned.models:
    seen, place_T = model.trace(tokens_BT), np.arange(tokens_BT.shape[1])
    token_BTD = np.asarray(model.embedding.table[...])[tokens_BT]
    position_TD = np.asarray(model.position(place_T))
    x_BTD = token_BTD + position_TD
    token_errors_E.append(np.abs(token_BTD - seen.token_BTD).max())
    shares_E.append((measure.norms(position_TD) / measure.norms(x_BTD)).mean())
    for block in model.blocks:
        x_BTD = x_BTD + block.attention(block.attention_norm(x_BTD), place_T)[0]
        x_BTD = x_BTD + block.mlp(block.mlp_norm(x_BTD))
    z_BTV = model.final_norm(x_BTD) @ np.asarray(model.unembedding_VD).T
    errors_E.append(float(np.abs(z_BTV - seen.logits_BTV).max() / np.abs(seen.logits_BTV).max()))
print(f"largest difference by hand: {max(errors_E):.1e} of the largest logit")

# %% [markdown]
# ## Run 2: four ways to know where one stands
#
# None at all; a learned row for each place; sines and cosines; *rope*, which turns what attention
# compares by an angle that grows with the place. The null knows only how frequent characters are.

# %%
kinds = ("none", "learned", "sinusoidal", "rope")
losses = np.array([zoo.load(f"positions-{kind}").val_losses[:, -1] for kind in kinds])
share_V = np.bincount(learned.data.train_tokens, minlength=learned.config.vocab) + 1e-9
unigram = -np.log(share_V / share_V.sum())[learned.data.val_tokens].mean()
for kind, loss_E in zip(kinds, losses, strict=True):
    print(f"loss with {kind:10} {loss_E.mean():.3f} ({loss_E.min():.3f} to {loss_E.max():.3f})")
print(f"frequencies alone: {unigram:.3f}; all alike: {np.log(learned.config.vocab):.3f}")

# %% [markdown]
# ## Run 3: how many layers do real models have?
#
# As their published configurations say.

# %%
layers = {"Pythia 70M": 6, "GPT-2": 12, "OPT 125M": 12, "GPT-2 medium": 24, "SmolLM2 135M": 30,
          "Llama 2 7B": 32, "GPT-2 XL": 48, "Llama 2 70B": 80, "GPT-3": 96, "Llama 3.1 405B": 126}

p = Picture("l00_first_run", "The pieces, and what positions are worth", panels=2)
p.bars(0, kinds, losses.T)
p.level(0, unigram, "frequencies of characters alone")
if cost_guess is not None:
    p.guess(0, round(losses[1].mean() + cost_guess, 3), words="none", at=0)
p.dress(0, "Held-out loss by kind of position (whiskers: seeds)", "positions",
        "loss (nats per token)")
p.dots(1, list(layers.values()), range(len(layers)), "a model")
p.level(1, 32, "what the article calls small, 32", axis="x")
p.guess(1, layers_guess, axis="x", words="the smallest")
p.dress(1, "Layers of real models", "layers", "", xlim=(0, 130), yticks=range(len(layers)),
        yticklabels=layers)
p.save()

# %% [markdown]
# ## Exercises
#
# 1. Name the shapes.
# 2. What loss has a model that knows nothing?
# 3. Write station 0.
#
# Stuck? `minitx hint L00.e1`: a nudge, then the way, then the answer.

# %% exercise L00.e1
@check("L00.e1")
def shapes(B, T, D, H, V, N):
    """The shapes, as three tuples, of stream_RBTD, of pattern_NBHTS and of logits_BTV."""
    ...

# %% exercise L00.e2
@check("L00.e2")
def untrained_loss(vocab):
    """The loss in nats of a model that finds all `vocab` tokens equally likely."""
    ...

# %% exercise L00.e3
@check("L00.e3")
def embed(ids_T, table_VD, position_TD):
    """Station 0 for learned positions (T, D); position_TD may have more rows than needed."""
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Real models begin at a handful of layers, and every piece they have is in ours. As for positions,
# the figure is the judge: which kind one takes may matter more than whether one has any. A causal
# model (no token sees later ones) is not quite blind without them: how many tokens one can look
# back at is itself a hint. Leaving positions out of the *story* is fair where the story is about
# one state and its readers.

# %%
quiz("L00")

# %% [markdown]
# ## Verdicts

# %%
judge("A7", "B3", "B15", "C12")

# %% [markdown]
# ## The same on a real model

# %%
judge_real_model("A7", "B3", "B15", "C12")

# %%
finish("L00")
