# %% [markdown]
# # L01 Tokens: what does a model read?
#
# **Claims:** B5, B6, B7, B8. **Question:** how does text become numbers, and what is lost or
# doubled on the way? **Time:** about 30 minutes.
#
# A *tokeniser* cuts text into pieces from a fixed list, its *vocabulary*, and gives each its
# number. *Byte-level BPE* starts from the 256 bytes of which all text is made, and again and again
# joins the two neighbours that occur together most often.
#
# ## What many believe
#
# "There is a dictionary: each word has one number, each number one word, and encoding a text is
# looking its words up."
#
# ## Predict

# %%
import re

import numpy as np

from minitx.classroom import Picture, check, finish, judge, judge_real_model, predict, quiz
from minitx.compiled import trace
from minitx.runs import zoo
from minitx.text import corpus, tokenizer

guess = predict("L01.a", "A BPE of 1024 tokens, trained on one part of our fables: how many tokens "
                "does a character cost, on another part?", low=0, high=4)
predict("L01.b", "Decode random numbers to text and encode that text. The same numbers come back",
        ["always", "sometimes", "never"])

# %% [markdown]
# ## Worked example: text to pieces to numbers, and back

# %%
text = corpus.read_text("fables").text
bpe = tokenizer.train("bpe", text, 1024)
ids_T = bpe.encode(" The cat went up the stairs.")
print("pieces", [bpe.tokens[i] for i in ids_T])
print("ids   ", ids_T.tolist(), "shape", ids_T.shape)
print("back  ", repr(bpe.decode(ids_T)))
print("variants of 'the':", [x for x in bpe.tokens if x.removeprefix(" ").lower() == "the"])
rare = max(sorted(set(re.findall("[a-z]+", text))), key=lambda word: len(bpe.encode(" " + word)))
print("the worst word:", repr(rare), [bpe.tokens[i] for i in bpe.encode(" " + rare)])

# %% [markdown]
# ## Run: three thirds of the text
#
# Instead of seeds, three thirds: train on one, measure on the next. The null: every byte a token.

# %%
thirds = [text[n * (len(text) // 3) : (n + 1) * (len(text) // 3)] for n in range(3)]
sizes = np.array([256, 300, 400, 512, 1024, 2048])
random = np.random.default_rng(0)
strange = ["naïve café", "Привет, мир", "狐と狸", "🦊🍇", "a\u0301 tab\t\n\r", "1984 <|end|>"]

def longest_pieces(word, known):
    """Cut by taking the longest known piece again and again; ids."""
    ids, rest = [], word.encode()
    while rest:
        end = next(n for n in range(len(rest), 0, -1) if rest[:n] in known)
        ids.append(known[rest[:end]])
        rest = rest[end:]
    return ids

def measured(learn, other):
    """What becomes of the text `other` when BPE was trained on `learn`."""
    made = [tokenizer.train("bpe", learn, int(size)) for size in sizes]
    bpe, words = made[4], re.findall(r"[A-Za-z]+", other)
    names, counts = np.unique(np.char.lower(words), return_counts=True)
    by_rank, pieces = (-counts).argsort(), np.array([len(bpe.encode(" " + n)) for n in names])
    ids, folded = bpe.encode(other).tolist(), [t.removeprefix(" ").lower() for t in bpe.tokens]
    tokens = [bpe.tokens[i] for i in ids]
    spelled = [bpe.decode([i]) for i in range(len(bpe))]  # U+FFFD: part of a character
    known = {piece.encode(): i for i, piece in enumerate(spelled) if "\ufffd" not in piece}
    cut_alike = [longest_pieces(" " + w, known) == bpe.encode(" " + w).tolist() for w in set(words)]
    rows = random.integers(0, len(bpe), (200, 8))
    marked = tokenizer.train("bpe", learn, 512, digits=True, special=("<|end|>",))
    marks = [marked.tokens[i] for i in marked.encode("1984<|end|>")]
    return {
        "per character": [len(each.encode(other)) / len(other) for each in made],
        "texts back": np.mean([bpe.decode(bpe.encode(s)) == s for s in [*strange, other]]),
        "numbers back": np.mean([bpe.encode(bpe.decode(r)).tolist() == r.tolist() for r in rows]),
        "variants": np.mean([folded.count(name) for name in names[by_rank[:20]]]),
        "with spaces": 1 + np.mean([len(token) > 1 and token[0] == " " for token in tokens]),
        "lookup": float([bpe.tokens.index(token) for token in tokens] == ids),
        "longest": np.mean(cut_alike),
        "rarity": np.corrcoef(np.log(counts), pieces)[0, 1],
        "pieces": [pieces[part].mean() for part in np.split(by_rank, [10, 100, 1000])],
        "marks": float(marks == ["1", "9", "8", "4", "<|end|>"]),
    }

rows = [measured(thirds[n], thirds[(n + 1) % 3]) for n in range(3)]
found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
for name, values in found.items():
    print(f"{name:13}", np.round(values.mean(0), 3))

# %%
p = Picture("l01_tokens", "What does a model read?", panels=2)
p.line(0, sizes, found["per character"], "BPE on text it was not trained on")
p.level(0, 1, "a token for every byte")
p.guess(0, guess, at=1024)
p.dress(0, "A larger vocabulary, a shorter text", "tokens in the vocabulary",
        "tokens per character", xscale="log", ylim=(0, None), xticks=sizes, xticklabels=sizes)
p.axes[0].minorticks_off()
p.bars(1, ["1-10", "11-100", "101-1000", "rarer"], found["pieces"])
p.level(1, 1, "one word, one token")
p.dress(1, "Rare words fall into pieces", "rank of the word by frequency", "pieces per word")
p.save()

# %% [markdown]
# ## A game: guess the next character
#
# Three places in a text that the model has not seen. You have four choices; so has the model.

# %%
fables = zoo.load("fables")
chars, held = fables.data.tokenizer, fables.data.val_tokens
for n, at in enumerate((640, 1999, 3003), 1):
    window = held[at - 60 : at]
    z_V = trace(fables.models[0], window[None]).logits_BTV[0, -1]
    rivals = [i for i in np.argsort(-z_V) if i != held[at]][:3]
    options = sorted([int(held[at]), *map(int, rivals)])
    shown = [repr(chars.tokens[i]) for i in options]
    mine = predict(f"L01.g{n}", f"what follows {chars.decode(window)!r}?", shown)
    model_says = chars.tokens[max(options, key=lambda i: z_V[i])]
    print(f"  it was {chars.tokens[held[at]]!r}; the model says {model_says!r}"
          + ("" if mine is None else f", you {shown[mine]}"))

# %% [markdown]
# ## Exercises
#
# 1. One merge step of BPE.
# 2. All variants of a word.
# 3. Which pair is merged next?

# %% exercise L01.e1
@check("L01.e1")
def merge(ids, pair, new):
    """The list `ids` with each pair (a tuple), from the left, replaced by the id `new`."""
    ...

# %% exercise L01.e2
@check("L01.e2")
def variants_of(word, tokens):
    """A sorted list of the tokens that are this word, apart from case and a space before it."""
    ...

# %% exercise L01.e3
@check("L01.e3")
def commonest_pair(ids):
    """The pair (tuple) of neighbours that occurs most often; of equals the smallest."""
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Pieces and numbers do match one to one. But many rows of numbers spell the same *text*, and the
# tokeniser always picks one of them: text to numbers and back is safe, numbers to text and back is
# not. And "lookup" is only the last step: where to cut is decided by the order of the merges. For
# common words in their usual form the belief is right: one word, one token.

# %%
quiz("L01")

# %% [markdown]
# ## Verdicts

# %%
judge("B5", "B6", "B7", "B8")

# %% [markdown]
# ## The same on a real model

# %%
judge_real_model("B5", "B6", "B7", "B8")

# %%
finish("L01")
