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
from minitx.classroom import Picture, check, claim, predict, quiz, real_model, verdict
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
# The *pseudo-inverse* W^+ is the best that can be done where no inverse exists. W W^+ takes a token
# to d dimensions and back. It is a projection: its eigenvalues are 0 and 1, as many ones as W has
# independent rows (its *rank*, at most d), and their sum is the sum of the diagonal. So with V > d
# the mean diagonal is d/V (or less, at a lower rank), whatever was trained.
#
# ## The rules, before the result

# %%
def b4(transpose_brings_back):
    """All tokens but one in a thousand have the highest score with their own row."""
    return verdict(supported=transpose_brings_back > 0.999, refuted=transpose_brings_back <= 0.9)

def b9(least_width, most_width, least_ratio):
    """In all listed models five times as tall as wide, with the widths that the article names."""
    return verdict(supported=least_width >= 768 and most_width <= 4096 and least_ratio > 5,
                   refuted=least_ratio < 1)

def b10(error, times_the_work):
    """Equal up to rounding, and the lookup is less work."""
    return verdict(supported=times_the_work > 1, refuted=error > 1e-6)

def b11(diagonal_at_equal, diagonal_at_eightfold):
    """A diagonal of 1, within a hundredth, with V = d tokens and with V = 8 d."""
    ones = abs(diagonal_at_equal - 1) < 0.01, abs(diagonal_at_eightfold - 1) < 0.01
    return verdict(supported=all(ones), refuted=not any(ones))

def b12(peaks_that_are_variants, by_chance):
    """The highest other peak is mostly a variant; three times chance would be something, too."""
    return verdict(supported=peaks_that_are_variants > 0.5,
                   refuted=peaks_that_are_variants <= min(0.5, 3 * by_chance))

def b13(profiles_alike, diagonal_of_transpose):
    """Transpose and inverse correlate off the diagonal (0.9: alike; 0.3: hardly); on it is no 1."""
    return verdict(supported=profiles_alike > 0.9 and abs(diagonal_of_transpose - 1) > 0.01,
                   refuted=profiles_alike <= 0.3)

def b20(formulas_apart, apart_at_right_angles):
    """The article's two, pseudo-inverse and row-normalised, within 5 %; or only at right angles."""
    return verdict(supported=formulas_apart < 0.05,
                   refuted=formulas_apart >= 0.05 and apart_at_right_angles >= 1e-6)

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
p.null(0, sizes, np.minimum(1, D / sizes), "pseudo-inverse must give min(1, d/V)")
p.guess(0, diagonal_guess, at=512)
p.dots(1, [len(tokens)] * len(back), back, "transpose, trained tables")
p.null(1, sizes, 1 / sizes, "guessing, 1/V")
p.line(2, sizes, noise["cosine"], "spread of the other peaks")
p.null(2, sizes, np.full(len(sizes), D**-0.5), "random directions, 1/sqrt(d)")
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
quiz("L02.q1", "1000 tokens, 100 dimensions. The mean diagonal of W W^+ is", ["1", "0.1", "0.01"],
     answer=1, why="The rank is 100, spread over 1000 tokens.")
quiz("L02.q2", "Which way back can never prefer another token (directions differ)?", ["transpose",
     "row-normalised transpose", "cosine"], answer=2, why="A cosine of 1 cannot be exceeded.")
quiz("L02.q3", "From L01: the rows of 'next' and ' next' start training", ["equal", "unrelated"],
     answer=1, why="To the model they are two tokens like any other two.")

# %% [markdown]
# ## Verdicts
#
# Shapes of real tables, as their published configurations say: tokens by width.

# %%
TABLES = {"GPT-2": (50257, 768), "OPT 125M": (50272, 768), "SmolLM2 135M": (49152, 576),
          "Llama 2 7B": (32000, 4096), "Mistral 7B": (32000, 4096), "Llama 2 70B": (32000, 8192)}
for name, (V, d) in TABLES.items():
    print(f"{name:14} {V} x {d}, {V / d:.1f} times as tall as wide")
heights, widths = np.array(list(TABLES.values())).T
right_VD = np.linalg.qr(np.random.default_rng(0).standard_normal((D, D)))[0][:32] * 1.7
_, normalised_VV, pinv_VV, _ = ways_back(right_VD).values()  # of rows at right angles
equal, eightfold = (diagonal["pseudo-inverse"][:, sizes == n].ravel() for n in (D, 8 * D))
claim("B4", b4, bpe, transpose_brings_back=back)
claim("B9", b9, "published configs", least_width=widths.min(), most_width=widths.max(),
      least_ratio=(heights / widths).min())
claim("B10", b10, bpe, times_the_work=len(w_VD),
      error=np.abs(np.eye(len(w_VD))[:100] @ w_VD - w_VD[:100]).max())
claim("B11", b11, "random tables", diagonal_at_equal=equal, diagonal_at_eightfold=eightfold)
claim("B12", b12, bpe, peaks_that_are_variants=share,
      by_chance=same_VV[asked].sum(1).mean() / len(tokens))
claim("B13", b13, bpe, profiles_alike=alike, diagonal_of_transpose=of_transpose)
claim("B20", b20, bpe, formulas_apart=apart,
      apart_at_right_angles=np.linalg.norm(pinv_VV - normalised_VV))

# %% [markdown]
# ## The same on a real model

# %%
if real := real_model():
    w_VD = np.asarray(real.model.embedding.table[...], float)
    for word in (" next", " king"):
        near = np.argsort(-measure.cosines(w_VD, w_VD[real.tokenizer.encode(word)[0]]))[1:6]
        print(f"{real.name}: nearest to {word!r}: {[real.tokenizer.tokens[i] for i in near]}")
    diagonal_V = np.sum(w_VD @ np.linalg.inv(w_VD.T @ w_VD) * w_VD, axis=1)
    print(f"its mean diagonal: {diagonal_V.mean():.4f}; d/V = {w_VD.shape[1] / len(w_VD):.4f}")
