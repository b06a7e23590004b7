# %% [markdown]
# # L01 Tokens: what does a model read?
#
# **Claims:** B5, B6, B7, B8. **Question:** how does text become numbers, and what is lost or
# doubled on the way? **Time:** about 30 minutes.
#
# A *tokeniser* cuts text into pieces from a fixed list and gives each its number. *Byte-level BPE*
# starts from the 256 bytes of which all text is made, and again and again joins the two neighbours
# that occur together most often.
#
# ## What many believe
#
# "There is a dictionary: each word has one number, each number one word, and encoding a text is
# looking its words up."

# %%
import re

import numpy as np

from minitx import corpus, tokenizer, zoo
from minitx.figures import Picture
from minitx.lesson import check, claim, predict, quiz, rule

# %% [markdown]
# ## Predict

# %%
guess = predict(
    "L01.a",
    "A BPE of 1024 tokens, trained on one part of our fables: how many tokens does a character "
    "cost, on another part?",
    low=0,
    high=4,
)
predict("L01.b", "Decode random numbers to text and encode that text. The same numbers come back",
        ["always", "sometimes", "never"])  # fmt: skip

# %% [markdown]
# ## Worked example: text to pieces to numbers, and back

# %%
text = corpus.read_text("fables").text
bpe = tokenizer.train("bpe", text, 1024)
ids_T = bpe.encode(" The cat went up the stairs.")
print("pieces", [bpe.tokens[i] for i in ids_T])
print("ids   ", ids_T.tolist(), "shape", ids_T.shape)
print("back  ", repr(bpe.decode(ids_T)))

# %% [markdown]
# ## The rules, before the result
#
# - **B5**: under half a token per character, every Unicode text comes back, *and* every row of
#   numbers comes back: supported. Texts come back, but not all rows of numbers: qualified.
# - **B6**: a common word has two variants or more, and a separate token for each space would make
#   the sequence 1.7 to 2.3 times as long.
# - **B7**: the pieces' numbers are a lookup, and taking the longest known piece, again and again,
#   finds the same pieces in 99 % of all words. Only the first: qualified.
# - **B8**: rare words fall into more pieces (correlation of pieces with log frequency below -0.3),
#   and digits and special marks can be tokens of their own.


# %%
@rule(supported=(0.3, 1, 1), qualified=(0.3, 1, 0.2), refuted=(0.3, 0.9, 1))
def b5(tokens_per_character, texts_back, numbers_back):
    if texts_back < 1 or tokens_per_character >= 1:
        return "refuted"
    return "supported" if tokens_per_character < 0.5 and numbers_back == 1 else "qualified"


@rule(supported=(3, 1.9), qualified=(3, 1.4), refuted=(1, 1.1))
def b6(variants, longer_with_spaces):
    if variants < 2:
        return "refuted"
    return "supported" if 1.7 <= longer_with_spaces <= 2.3 else "qualified"


@rule(supported=(1, 0.995), qualified=(1, 0.9), refuted=(0.5, 0.5))
def b7(lookup_exact, longest_piece_agrees):
    if lookup_exact < 1:
        return "refuted"
    return "supported" if longest_piece_agrees > 0.99 else "qualified"


@rule(supported=(-0.7, 1), qualified=(-0.1, 1), refuted=(0.2, 0))
def b8(rarity_correlation, marks_single):
    parts = rarity_correlation < -0.3, marks_single == 1
    return "supported" if all(parts) else "qualified" if any(parts) else "refuted"


# %% [markdown]
# ## Run: three thirds of the text
#
# Instead of seeds, three thirds: train on one, measure on the next. The null: every byte a token.

# %%
cut = len(text) // 3
thirds = [text[n * cut : (n + 1) * cut] for n in range(3)]
sizes = np.array([256, 300, 400, 512, 1024, 2048])
random = np.random.default_rng(0)
strange = ["naïve café", "Привет, мир", "狐と狸", "🦊🍇", "a\u0301 tab\t\n\r", "1984 <|end|>"]
per_character, texts_back, numbers_back, variants, longer = [], [], [], [], []
lookup, longest, rarity, single, pieces_by_rank = [], [], [], [], []


def longest_pieces(word, known):
    """Cut by taking the longest known piece again and again; ids."""
    ids, rest = [], word.encode()
    while rest:
        end = next(n for n in range(len(rest), 0, -1) if rest[:n] in known)
        ids.append(known[rest[:end]])
        rest = rest[end:]
    return ids


for n in range(3):
    learn, other = thirds[n], thirds[(n + 1) % 3]
    made = [tokenizer.train("bpe", learn, int(v)) for v in sizes]
    per_character.append([len(t.encode(other)) / len(other) for t in made])
    t = made[4]
    texts_back.append(np.mean([t.decode(t.encode(s)) == s for s in [*strange, other]]))
    rows = [random.integers(0, len(t), 8) for _ in range(200)]
    numbers_back.append(np.mean([t.encode(t.decode(r)).tolist() == r.tolist() for r in rows]))
    words = re.findall(r"[A-Za-z]+", other)
    names, counts = np.unique(np.char.lower(words), return_counts=True)
    common = names[np.argsort(-counts)][:20]
    folded = [token.removeprefix(" ").lower() for token in t.tokens]
    variants.append(np.mean([folded.count(w) for w in common]))
    tokens = [t.tokens[i] for i in t.encode(other)]
    longer.append(sum(1 + (len(x) > 1 and x[0] == " ") for x in tokens) / len(tokens))
    index = {token: i for i, token in enumerate(t.tokens)}
    ids = t.encode(other[:2000]).tolist()
    lookup.append(float([index[t.tokens[i]] for i in ids] == ids))
    known = {t.decode([i]).encode(): i for i in range(len(t)) if "\ufffd" not in t.decode([i])}
    agree = [longest_pieces(" " + w, known) == t.encode(" " + w).tolist() for w in set(words)]
    longest.append(np.mean(agree))
    pieces = np.array([len(t.encode(" " + w)) for w in names])
    rarity.append(np.corrcoef(np.log(counts), pieces)[0, 1])
    order = np.argsort(-counts)
    pieces_by_rank.append(
        [pieces[order[a:b]].mean() for a, b in ((0, 10), (10, 100), (100, 1000), (1000, None))]
    )
    marked = tokenizer.train("bpe", learn, 512, digits=True, special=("<|end|>",))
    found = [marked.tokens[i] for i in marked.encode("1984<|end|>")]
    single.append(float(found == ["1", "9", "8", "4", "<|end|>"]))
per_character = np.array(per_character)
print(
    "tokens per character:",
    dict(zip(sizes.tolist(), np.round(per_character.mean(0), 3), strict=True)),
)
print(f"texts that come back {np.mean(texts_back):.2f}, rows of numbers "
      f"{np.mean(numbers_back):.2f}; "
      f"variants of 20 common words {np.mean(variants):.1f}; with tokens for spaces "
      f"x{np.mean(longer):.2f} as long")  # fmt: skip
print("variants of 'the':", [x for x in bpe.tokens if x.removeprefix(" ").lower() == "the"])
rare = max(set(re.findall(r"[a-z]+", text)), key=lambda w: len(bpe.encode(" " + w)))
print("the worst word:", repr(rare), [bpe.tokens[i] for i in bpe.encode(" " + rare)])

# %%
p = Picture("l01_tokens", "What does a model read?", panels=2)
p.line(0, sizes, per_character, "BPE on text it was not trained on")
p.level(0, 1, "a token for every byte")
p.guess(0, guess, words="at 1024")
p.dress(
    0,
    "A larger vocabulary, a shorter text",
    "tokens in the vocabulary",
    "tokens per character",
    xscale="log",
    ylim=(0, 1.1),
    xticks=sizes,
    xticklabels=sizes.tolist(),
)
p.axes[0].minorticks_off()
p.bars(1, ["1-10", "11-100", "101-1000", "rarer"], pieces_by_rank)
p.level(1, 1, "one word, one token")
p.dress(1, "Rare words fall into pieces", "rank of the word by frequency", "pieces per word")
p.save()  # fmt: skip

# %% [markdown]
# ## A game: guess the next character
#
# Three places in a text that the model has not seen. You have four choices; so has the model.

# %%
fables = zoo.load("fables")
chars, held = fables.data.tokenizer, fables.data.val_tokens
for n, at in enumerate((640, 1999, 3003), 1):
    window = held[at - 60 : at]
    z_V = zoo.trace(fables.models[0], window[None]).logits_BTV[0, -1]
    others = [i for i in np.argsort(-z_V) if i != held[at]][:3]
    options = sorted([int(held[at]), *map(int, others)])
    shown = [repr(chars.tokens[i]) for i in options]
    mine = predict(f"L01.g{n}", f"what follows {chars.decode(window)!r}?", shown)
    model_says = max(options, key=lambda i: z_V[i])
    print(f"  it was {chars.tokens[held[at]]!r}; the model says {chars.tokens[model_says]!r}"
          + ("" if mine is None else f", you {shown[mine]}"))  # fmt: skip

# %% [markdown]
# ## Exercises
#
# 1. One merge step of BPE. 2. All variants of a word. 3. Which pair is merged next?


# %% exercise L01.e1
def merge(ids, pair, new):
    """The list `ids` with each pair (a tuple), from the left, replaced by the id `new`."""
    ...


check("L01.e1", merge)


# %% exercise L01.e2
def variants_of(word, tokens):
    """A sorted list of the tokens that are this word but for case and a space before it."""
    ...


check("L01.e2", variants_of)


# %% exercise L01.e3
def commonest_pair(ids):
    """The pair (tuple) of neighbours that occurs most often; of equals the smallest."""
    ...


check("L01.e3", commonest_pair)

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Pieces and numbers do match one to one. But a *text* has many rows of numbers that spell it, and
# the tokeniser always picks the same one: text to numbers and back is safe, numbers to text and
# back is not. And "lookup" is only the last step: where to cut is decided by the order of the
# merges. For common words in their usual form the belief is right: one word, one token.

# %%
quiz(
    "L01.q1",
    "'next', ' next' and 'Next' are for the model",
    ["one token", "up to three tokens"],
    1,
    "What it knows of one it must learn again for the others.",
)
quiz(
    "L01.q2",
    "Byte-level BPE meets a character it never saw. It",
    ["fails", "writes its bytes"],
    1,
    "All 256 bytes are in the vocabulary.",
)
quiz("L01.q3", "From L00: the loss of a model that knows nothing is", ["ln V", "1/V"], 0,
     "A larger vocabulary starts with a larger loss per token.")  # fmt: skip

# %% [markdown]
# ## Verdicts

# %%
run = "fables.txt in thirds"
claim(
    "B5",
    b5,
    run,
    tokens_per_character=per_character[:, 4],
    texts_back=texts_back,
    numbers_back=numbers_back,
)
claim("B6", b6, run, variants=variants, longer_with_spaces=longer)
claim("B7", b7, run, lookup_exact=lookup, longest_piece_agrees=longest)
claim("B8", b8, run, rarity_correlation=rarity, marks_single=single)

# %% [markdown]
# ## The same on a real model

# %%
if real := zoo.real_model():
    words = real.tokenizer
    for sample in ("next", " next", "Next", " NEXT", " ferryboat", " 1984"):
        print(f"{sample!r:12} {[words.tokens[i] for i in words.encode(sample)]}")
    print(
        f"{real.name}: {len(words)} tokens, {len(words.encode(text)) / len(text):.3f} per character"
    )
