# %% [markdown]
# # L02 Lookup and inverse: does a token come back?
#
# **Claims:** B4, B9, B10, B11, B12, B13, B20. **Question:** a token becomes a vector; can the
# vector be turned back into the token? **Time:** about 35 minutes.
#
# The *embedding* W is a table: V rows, one for each token, of d numbers. A *one-hot* vector is 0
# everywhere except a 1 at the token. *Tied* models use the same table to go back.
#
# ## What many believe
#
# "Embedding is multiplying by W, so going back is multiplying by its inverse: exactly 1 at the
# token, a little noise elsewhere, because there are more tokens than dimensions."
#
# ## Predict

# %%
import numpy as np

from minitx import measure
from minitx.classroom import Picture, check, finish, judge, judge_real_model, predict, quiz
from minitx.runs import zoo

diagonal_guess = predict("L02.a", "512 tokens, 64 dimensions, pseudo-inverse: what comes back at "
                         "the token itself, on average?", low=0, high=2)
predict("L02.b", "Which way back names the right token most often?",
        ["the transpose", "the pseudo-inverse", "the cosine"])

# %% [markdown]
# ## Worked example: one-hot times W is a row

# %%
w_VD = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]])
t_V = np.array([0.0, 1.0, 0.0])
print("shapes", t_V.shape, w_VD.shape, "product", t_V @ w_VD, "row", w_VD[1])
print("W times its pseudo-inverse, rounded:\n", np.round(w_VD @ np.linalg.pinv(w_VD), 2))

# %% [markdown]
# ## Run 1: more and more tokens in 64 dimensions
#
# Random tables, whose row lengths spread by a fifth, and four ways back.

# %%
D, sizes = 64, np.array([16, 32, 64, 128, 256, 512, 1024])

def ways_back(w_VD):
    """Scores of every token (columns) for every embedded token (rows), by each way."""
    dot_VV, length_V = w_VD @ w_VD.T, measure.norms(w_VD)
    return {"transpose": dot_VV, "row-normalised": dot_VV / length_V**2,
            "pseudo-inverse": w_VD @ np.linalg.pinv(w_VD),
            "cosine": dot_VV / length_V / length_V[:, None]}

def by_way(w_VD):
    """For each way: the mean diagonal, the share of tokens brought back, the spread elsewhere."""
    here_VV = np.eye(len(w_VD), dtype=bool)
    return [(h_VV[here_VV].mean(), here_VV[range(len(w_VD)), h_VV.argmax(1)].mean(),
             h_VV[~here_VV].std()) for h_VV in ways_back(w_VD).values()]

found = [[by_way(random.standard_normal((V, D)) / np.sqrt(D) * random.normal(1, 0.2, (V, 1)))
          for V in sizes] for random in map(np.random.default_rng, range(3))]  # three seeds
ways = list(ways_back(w_VD))
diagonal, recovered, noise = (dict(zip(ways, part, strict=True))  # of each way: seed, size
                              for part in np.array(found).transpose(3, 2, 0, 1))

# %% [markdown]
# ## Run 2: trained tables, and whose peaks they are
#
# In our tied subword model, are the highest other peaks *variants* of the same word: another case,
# or a space before it? The highest of V random cosines would be about sqrt(2 ln V / d).

# %%
bpe = zoo.load("bpe")
tokens = bpe.data.tokenizer.tokens
folded = np.array([token.removeprefix(" ").lower() for token in tokens])
other_VV = ~np.eye(len(tokens), dtype=bool)
same_VV = (folded[:, None] == folded) & other_VV
asked = [i for i, w in enumerate(folded) if w.isalpha() and len(w) > 1 and same_VV[i].any()]
rows = []
for model in bpe.models:
    w_VD = np.asarray(model.embedding.table[...], float)
    transpose_VV, normalised_VV, pinv_VV, cos_VV = ways_back(w_VD).values()
    transpose, _, _, cosine = by_way(w_VD)
    top_V = np.where(other_VV, cos_VV, -1).argmax(1)
    top = np.median(cos_VV[range(len(tokens)), top_V])
    alike = np.corrcoef(transpose_VV[other_VV], pinv_VV[other_VV])[0, 1]
    apart = np.linalg.norm(pinv_VV - normalised_VV) / np.linalg.norm(pinv_VV)
    rows.append([*transpose[:2], cosine[1], same_VV[asked, top_V[asked]].mean(), top, alike, apart])
of_transpose, back, cosine_back, share, top, alike, apart = np.array(rows).T
print(f"brought back: transpose {back.mean():.3f}, cosine {cosine_back.mean():.3f}")
print(f"highest other cosine {top.mean():.2f}, random {(2 * np.log(len(tokens)) / D)**0.5:.2f}; "
      f"it is a variant's for {share.mean():.2f} of the {len(asked)} words that have one")

# %%
p = Picture("l02_lookup_and_inverse", "Does a token come back?", panels=3)
for way in ways:
    p.line(0, sizes, diagonal[way], way)
    p.line(1, sizes, recovered[way], way)
p.baseline(0, sizes, np.minimum(1, D / sizes), "pseudo-inverse must give min(1, d/V)")
p.guess(0, diagonal_guess, at=512)
p.dots(1, [len(tokens)] * len(back), back, "transpose, trained tables")
p.baseline(1, sizes, 1 / sizes, "guessing, 1/V")
p.line(2, sizes, noise["cosine"], "spread of the other peaks")
p.baseline(2, sizes, np.full(len(sizes), D**-0.5), "random directions, 1/sqrt(d)")
p.line(2, sizes, np.sqrt(np.maximum(sizes - D, 0) / (D * (sizes - 1))), "Welch: the least maximum")
for n, title, y in ((0, f"At the token itself (d = {D})", "mean diagonal"),
                    (1, "Is the highest peak the token?", "share brought back"),
                    (2, "The noise", "cosine with other tokens")):
    p.dress(n, title, "tokens V", y, xscale="log", xticks=sizes, xticklabels=sizes, ylim=(0, None))
    p.axes[n].minorticks_off()
p.save()

# %% [markdown]
# ## Exercises
#
# 1. Prove the trace: what is the mean diagonal of W W^+?
# 2. Code the Welch bound: V directions in d dimensions cannot all avoid each other.
# 3. The article's second formula.

# %% exercise L02.e1
@check("L02.e1")
def mean_diagonal(vocab, width):
    """The mean diagonal of W W^+ for a table of `vocab` x `width` numbers of full rank."""
    ...

# %% exercise L02.e2
@check("L02.e2")
def welch(vocab, width):
    """The least possible value of the largest |cosine| among `vocab` directions."""
    ...

# %% exercise L02.e3
@check("L02.e3")
def row_normalised(w_VD):
    """Rows that give exactly 1 in a dot product with the same row of w_VD."""
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# With more tokens than dimensions nothing can give 1 at every token *and* be an inverse: the mean
# diagonal of the pseudo-inverse is at most d/V. The formula that gives 1 is the row-normalised
# transpose, and there a rival can exceed 1. What saves the tokens is not the height of the peak but
# that it stands out: by about sqrt(d) times the noise. With independent rows the belief is right.

# %%
quiz("L02")

# %% [markdown]
# ## Verdicts
#
# Shapes of real tables, as their published configurations say: tokens by width.

# %%
for name, (V, d) in TABLES.items():
    print(f"{name:14} {V} x {d}, {V / d:.1f} times as tall as wide")
judge("B4", "B9", "B10", "B11", "B12", "B13", "B20")

# %% [markdown]
# ## The same on a real model

# %%
judge_real_model("B4", "B9", "B10", "B11", "B12", "B13", "B20")

# %%
finish("L02")
