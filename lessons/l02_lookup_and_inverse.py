# %% [markdown]
# # L02 Lookup and inverse: does a token come back?
#
# **Claims:** B4, B9, B10, B11, B12, B13, B20. **Question:** a token becomes a vector; can the
# vector be turned back into the token? **Time:** about 35 minutes.
#
# The *embedding* W is a table: V rows, one for each token, of d numbers. A *one-hot* vector is 0
# everywhere but for a 1 at the token. *Tied* models use the same table to go back.
#
# ## What many believe
#
# "Embedding is multiplying by W, so going back is multiplying by its inverse: exactly 1 at the
# token, a little noise elsewhere, because there are more tokens than dimensions."

# %%
import numpy as np

from minitx import measure, zoo
from minitx.figures import Picture
from minitx.lesson import check, claim, predict, quiz, rule

# %% [markdown]
# ## Predict

# %%
diagonal_guess = predict(
    "L02.a",
    "512 tokens, 64 dimensions, pseudo-inverse: what comes back at the token itself, on average?",
    low=0,
    high=2,
)
predict("L02.b", "Which way back names the right token most often?",
        ["the transpose", "the pseudo-inverse", "the cosine"])  # fmt: skip

# %% [markdown]
# ## Worked example: one-hot times W is a row

# %%
W_VD = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]])
t_V = np.array([0.0, 1.0, 0.0])
print("shapes", t_V.shape, W_VD.shape, "product", t_V @ W_VD, "row", W_VD[1])
print("W times its pseudo-inverse, rounded:\n", np.round(W_VD @ np.linalg.pinv(W_VD), 2))

# %% [markdown]
# The *pseudo-inverse* W^+ is the best that can be done where no inverse exists. H = W W^+ takes a
# token to d dimensions and back. It is a projection: its eigenvalues are 0 and 1, as many ones as W
# has independent rows (its *rank*, at most d). Their sum is the sum of the diagonal. So the mean
# diagonal is d/V as soon as V > d, whatever was trained.
#
# ## The rules, before the result
#
# - **B10**: equal to rounding, and less work. **B9**: in all listed models the table is over five
#   times as tall as wide, and widths lie in the range that the article names, 768 to 4096.
# - **B4**: the transpose of trained tied tables brings 99.9 % of the tokens back: supported. Only
#   the cosine does: qualified. Below 90 %: refuted.
# - **B11**: the mean diagonal is 1 (within 1 %) with as many tokens as dimensions, and also with
#   eight times as many. Only the first: qualified.
# - **B12**: for more than half of the words that have variants, the highest other peak is one of
#   them: another case, or a space before it. More than three times chance: qualified.
# - **B13**: transpose and inverse give alike profiles (correlation above 0.9 off the diagonal), and
#   the transpose's diagonal is not 1. Correlation above 0.3: qualified.
# - **B20**: the two formulas of the article agree within 5 % on a trained table: supported. Only
#   for rows at right angles: qualified.


# %%
@rule(supported=(0.99999,), qualified=(0.98,), refuted=(0.5,))
def b4(transpose_brings_back):
    back = transpose_brings_back
    return "supported" if back > 0.999 else "qualified" if back > 0.9 else "refuted"


@rule(supported=(768, 4096, 12), qualified=(512, 8192, 8), refuted=(64, 128, 0.5))
def b9(least_width, most_width, least_ratio):
    if least_ratio < 1:
        return "refuted"
    inside = least_width >= 768 and most_width <= 4096
    return "supported" if inside and least_ratio > 5 else "qualified"


@rule(supported=(0.0, 1000), qualified=(0.0, 1), refuted=(0.1, 1000))
def b10(error, times_the_work):
    if error > 1e-6:
        return "refuted"
    return "supported" if times_the_work > 1 else "qualified"


@rule(supported=(1.0, 1.0), qualified=(1.0, 0.12), refuted=(0.5, 0.12))
def b11(diagonal_at_equal, diagonal_at_eightfold):
    ones = abs(diagonal_at_equal - 1) < 0.01, abs(diagonal_at_eightfold - 1) < 0.01
    return "supported" if all(ones) else "qualified" if any(ones) else "refuted"


@rule(supported=(0.7, 0.01), qualified=(0.2, 0.01), refuted=(0.02, 0.01))
def b12(peaks_that_are_variants, by_chance):
    if peaks_that_are_variants > 0.5:
        return "supported"
    return "qualified" if peaks_that_are_variants > 3 * by_chance else "refuted"


@rule(supported=(0.95, 1.4), qualified=(0.6, 1.4), refuted=(0.1, 1.4))
def b13(profiles_alike, diagonal_of_transpose):
    if profiles_alike > 0.9 and abs(diagonal_of_transpose - 1) > 0.01:
        return "supported"
    return "qualified" if profiles_alike > 0.3 else "refuted"


@rule(supported=(0.01, 0.0), qualified=(0.9, 0.0), refuted=(0.9, 0.5))
def b20(formulas_apart, apart_at_right_angles):
    if formulas_apart < 0.05:
        return "supported"
    return "qualified" if apart_at_right_angles < 1e-6 else "refuted"


# %% [markdown]
# ## Run 1: more and more tokens in 64 dimensions
#
# Random tables whose row lengths spread by a fifth; three seeds. Four ways back.

# %%
D = 64
sizes = np.array([16, 32, 64, 128, 256, 512, 1024])


def ways_back(w_VD):
    """Scores of every token (columns) for every embedded token (rows), by each way."""
    length_V = measure.norms(w_VD)
    dot_VV = w_VD @ w_VD.T
    return {
        "transpose": dot_VV,
        "row-normalised": dot_VV / length_V**2,
        "pseudo-inverse": w_VD @ np.linalg.pinv(w_VD),
        "cosine": dot_VV / length_V,
    }


diagonal, recovered, noise = ({way: [] for way in ways_back(W_VD)} for _ in range(3))
for seed in range(3):
    random = np.random.default_rng(seed)
    rows = {name: ([], [], []) for name in diagonal}
    for V in sizes:
        w_VD = random.standard_normal((V, D)) / np.sqrt(D) * random.normal(1, 0.2, (V, 1))
        for name, h_VV in ways_back(w_VD).items():
            off = h_VV[~np.eye(V, dtype=bool)]
            found = np.mean(h_VV.argmax(1) == np.arange(V))
            for column, value in zip(
                rows[name], (h_VV.diagonal().mean(), found, off.std()), strict=True
            ):
                column.append(value)
    for name, columns in rows.items():
        for found, column in zip((diagonal, recovered, noise), columns, strict=True):
            found[name].append(column)
for name in diagonal:
    print(f"{name:15} diagonal {np.round(np.mean(diagonal[name], 0), 2)} brought back "
          f"{np.round(np.mean(recovered[name], 0), 3)}")  # fmt: skip

# %% [markdown]
# ## Run 2: trained tables, and whose peaks they are
#
# The tied subword model from the zoo. Its rows are not random: tokens used alike lie near each
# other. Are the other peaks variants of the same word, and how high would the highest of V random
# cosines be? About sqrt(2 ln V / d).

# %%
bpe = zoo.load("bpe")
tokens = bpe.data.tokenizer.tokens
folded = np.array([t.removeprefix(" ").lower() for t in tokens])
same_VV = (folded[:, None] == folded[None]) & ~np.eye(len(tokens), dtype=bool)
word_V = np.array([f.isalpha() and len(f) > 1 for f in folded])
asked = np.flatnonzero(same_VV.any(1) & word_V)
back, cosine_back, share, chance, alike, of_transpose, apart, top_cosine = ([] for _ in range(8))
for model in bpe.models:
    w_VD = np.asarray(model.embedding.table[...], float)
    h = ways_back(w_VD)
    here = np.arange(len(w_VD))
    back.append(np.mean(h["transpose"].argmax(1) == here))
    cosine_back.append(np.mean(h["cosine"].argmax(1) == here))
    cos_VV = h["cosine"] / measure.norms(w_VD)[:, None] - 2 * np.eye(len(w_VD))
    share.append(np.mean(same_VV[asked, cos_VV[asked].argmax(1)]))
    chance.append(same_VV[asked].sum(1).mean() / len(w_VD))
    top_cosine.append(np.median(cos_VV.max(1)))
    off = ~np.eye(len(w_VD), dtype=bool)
    alike.append(np.corrcoef(h["transpose"][off], h["pseudo-inverse"][off])[0, 1])
    of_transpose.append(h["transpose"].diagonal().mean())
    difference = h["pseudo-inverse"] - h["row-normalised"]
    apart.append(np.linalg.norm(difference) / np.linalg.norm(h["pseudo-inverse"]))
right_angles = np.linalg.qr(np.random.default_rng(0).standard_normal((D, D)))[0][:32] * 1.7
h = ways_back(right_angles)
apart_square = np.linalg.norm(h["pseudo-inverse"] - h["row-normalised"])
random_top = np.sqrt(2 * np.log(len(tokens)) / D)
print(f"brought back: transpose {np.mean(back):.3f}, cosine {np.mean(cosine_back):.3f}")
print(f"the highest other cosine is {np.mean(top_cosine):.2f}, random {random_top:.2f}; it belongs")
print(f"to a variant in {np.mean(share):.2f} of the {len(asked)} words that have one")

# %%
p = Picture("l02_lookup_and_inverse", "Does a token come back?", panels=3)
for name in diagonal:
    p.line(0, sizes, diagonal[name], name)
p.null(0, sizes, np.minimum(1, D / sizes), "pseudo-inverse must give min(1, d/V)")
p.guess(0, diagonal_guess, words="at 512")
p.dress(
    0, f"At the token itself (d = {D})", "tokens V", "mean diagonal", xscale="log", ylim=(0, None)
)
for name in recovered:
    p.line(1, sizes, recovered[name], name)
p.null(1, sizes, 1 / sizes, "guessing, 1/V")
p.dress(
    1,
    "Is the highest peak the token?",
    "tokens V",
    "share brought back",
    xscale="log",
    ylim=(0, 1.04),
)
p.line(2, sizes, noise["cosine"], "cosine: spread of the other peaks")
p.null(2, sizes, np.full(len(sizes), 1 / np.sqrt(D)), "random directions, 1/sqrt(d)")
welch_V = np.sqrt(np.maximum(sizes - D, 0) / (D * (sizes - 1)))
p.line(2, sizes, welch_V, "Welch: the least that the largest can be")
p.dress(2, "The noise", "tokens V", "cosine with other tokens", xscale="log", ylim=(0, None))
p.save()

# %% [markdown]
# ## Exercises
#
# 1. Prove the trace: what must the mean diagonal of W W^+ be? 2. Code the Welch bound. 3. Write the
# article's second formula, the row-normalised transpose.


# %% exercise L02.e1
def mean_diagonal(vocab, width):
    """The mean diagonal of W W^+ for a table of `vocab` x `width` numbers of full rank."""
    ...


check("L02.e1", mean_diagonal)


# %% exercise L02.e2
def welch(vocab, width):
    """The least possible value of the largest |cosine| among `vocab` directions."""
    ...


check("L02.e2", welch)


# %% exercise L02.e3
def row_normalised(w_VD):
    """Rows that give exactly 1 in a dot product with the same row of w_VD."""
    ...


check("L02.e3", row_normalised)

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# With more tokens than dimensions nothing can give 1 at every token *and* be an inverse: the
# diagonal of the pseudo-inverse averages d/V. The formula that does give 1 is another one, the
# row-normalised transpose, and there a rival can exceed 1. What saves the tokens is not the height
# of the peak but that it stands out: by about sqrt(d) times the noise. With V up to d, or rows at
# right angles, the belief is right.

# %%
quiz(
    "L02.q1",
    "1000 tokens, 100 dimensions. The mean diagonal of W W^+ is",
    ["1", "0.1", "0.01"],
    1,
    "The rank is 100, spread over 1000 tokens.",
)
quiz(
    "L02.q2",
    "Which way back can never prefer another token (if directions differ)?",
    ["transpose", "row-normalised transpose", "cosine"],
    2,
    "A cosine of 1 cannot be exceeded.",
)
quiz("L02.q3", "From L01: the rows of 'next' and ' next' start training", ["equal", "unrelated"], 1,
     "To the model they are two tokens like any other two.")  # fmt: skip

# %% [markdown]
# ## Verdicts
#
# Shapes of real tables, as their published configurations say: tokens by width.

# %%
TABLES = {"GPT-2": (50257, 768), "OPT 125M": (50272, 768), "SmolLM2 135M": (49152, 576),
          "Llama 2 7B": (32000, 4096), "Mistral 7B": (32000, 4096),
          "Llama 2 70B": (32000, 8192)}  # fmt: skip
for name, (V, d) in TABLES.items():
    print(f"{name:14} {V} x {d}, {V / d:.1f} times as tall as wide")
one_hot = np.eye(len(w_VD))[:100]
error = np.abs(one_hot @ w_VD - w_VD[:100]).max()
claim("B4", b4, bpe, transpose_brings_back=back)
widths = [d for _, d in TABLES.values()]
claim(
    "B9",
    b9,
    "published configs",
    least_width=min(widths),
    most_width=max(widths),
    least_ratio=min(V / d for V, d in TABLES.values()),
)
claim("B10", b10, bpe, error=error, times_the_work=len(w_VD))
equal, eightfold = (
    np.array(diagonal["pseudo-inverse"])[:, list(sizes).index(n)] for n in (D, 8 * D)
)
claim("B11", b11, "random tables", diagonal_at_equal=equal, diagonal_at_eightfold=eightfold)
claim("B12", b12, bpe, peaks_that_are_variants=share, by_chance=chance)
claim("B13", b13, bpe, profiles_alike=alike, diagonal_of_transpose=of_transpose)
claim("B20", b20, bpe, formulas_apart=apart, apart_at_right_angles=apart_square)  # fmt: skip

# %% [markdown]
# ## The same on a real model

# %%
if real := zoo.real_model():
    w_VD = np.asarray(real.model.embedding.table[...], float)
    unit_VD = w_VD / measure.norms(w_VD)[:, None]
    for word in (" next", " king"):
        i = int(real.tokenizer.encode(word)[0])
        near = np.argsort(-(unit_VD @ unit_VD[i]))[1:6]
        print(f"{real.name}: nearest to {word!r}: {[real.tokenizer.tokens[j] for j in near]}")
    gram_DD = np.linalg.inv(w_VD.T @ w_VD)
    mean = np.einsum("VD,DE,VE->V", w_VD[:4096], gram_DD, w_VD[:4096], optimize=True).mean()
    print(
        f"its diagonal at the first 4096 tokens: {mean:.4f}; d/V = {w_VD.shape[1] / len(w_VD):.4f}"
    )
