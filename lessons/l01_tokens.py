# %% [markdown]
# # L01 Tokens
# ## What does a model read?
#
# *30 minutes. You need to know what a token is (lesson 0).*
#
# **What many believe.** "There is a dictionary. Each word has one number, and
# each number is one word. To encode a text, you look up its words. You can
# always go back, from text to numbers and from numbers to text."
#
# Claims: a fixed set of pieces makes a text shorter, and nothing is lost (B5).
# Words have variants, and spaces inside tokens halve the sequence (B6).
# Encoding is looking up (B7). Rare words fall into odd pieces (B8).
#
# ## Predict
#
# A *tokenizer* cuts a text into pieces from a fixed list, its *vocabulary*.
# The place of a piece in the list is its number, or *id*. The usual way to
# choose the pieces is *byte-level BPE*, byte-pair encoding. It begins with the
# 256 bytes, which can spell every text. A *merge* joins the two neighbours that
# occur together most often in a training text to a new piece. Many merges
# follow, one after the other.

# %% quiet
import re

import numpy as np

from minitx.classroom import (
    check, draw, finish, judge, judge_real_model, predict, quiz, reveal,
)  # fmt: skip
from minitx.classroom.game import guess_next
from minitx.runs import zoo
from minitx.text import corpus, tokenizer

guess = predict("L01.a", "A BPE learns 1,024 tokens from one third of our fables. On another "
                "third, how many characters does a token stand for, on average?",
                low=1, high=20, unit="characters")
predict("L01.b", "We draw eight ids of joined pieces at random, decode them to text, and "
        "encode this text. How often, of 100 times, do the same eight ids come back?",
        low=0, high=100, unit="times of 100")

# %% [markdown]
# ## Touch it: you are the model
#
# A model reads pieces, and predicts the next piece. Here is a text that our
# model has not seen. It knows 512 pieces. Which one comes next? A space belongs
# to the piece that follows it, so look at the quotation marks.

# %% quiet
guess_next("L01.g", zoo.load("bpe"), (642, 1991, 4628))

# %% [markdown]
# ## Worked example: three merges
#
# The training text is "the then hen the". BPE never joins across the start of
# a word, and the space belongs to the word after it. The neighbours h and e
# occur four times, more than any others: they become the piece "he". Then t
# and "he" stand together three times: "the". Then the space and "the", twice.
# To encode a text, BPE begins with its bytes, and makes the same merges in the
# order in which it learned them.

# %%
for merges in range(4):
    small = tokenizer.train("bpe", "the then hen the", 256 + merges)
    ids_T = small.encode("then hen the")
    print(merges, "merges:", [small.tokens[id] for id in ids_T])
print("ids:", ids_T, "back:", small.decode(ids_T))
letters = [small.tokens.index(letter) for letter in "the"]
print(f"{letters} spell {small.decode(letters)!r}, and the tokenizer gives "
      f"{small.encode('the')}")

# %% [markdown]
# Look at the last line. The ids of t, h and e spell "the". (The list has its
# own order of the bytes: t is 83 here, and 116 in ASCII.) The tokenizer reads
# the same text as one piece. So many lists of ids spell one text, and encoding
# always gives the same one of them. From text to ids and back nothing is lost.
# From ids to text and back, other ids may come out.
#
# ## Run it: a longer list, a shorter text
#
# We cut the fables into three parts. BPE learns from each part in turn, and we
# encode another. There are two **baselines**, lines to compare with:
#
# - *One character*: if a token stands for no more, the merges were useless. At
#   256 tokens there are no merges yet, and an English letter is one byte.
# - *Whole words*: if a token stands for as much, then the belief is right, and
#   tokens are words and punctuation marks.

# %%
text = corpus.read_text("fables").text
third = len(text) // 3
parts = [text[:third], text[third : 2 * third], text[2 * third :]]
sizes = [256, 300, 400, 512, 1024, 2048]

def characters_per_token(learned_from, other):
    """Return how many characters of `other` a token stands for, by size."""
    ids_by_size = [tokenizer.train("bpe", learned_from, size).encode(other)
                   for size in sizes]
    return [len(other) / len(ids_T) for ids_T in ids_by_size]

rows = [characters_per_token(parts[n], parts[n - 1]) for n in range(3)]
whole = len(text) / len(re.findall(r"\w+|[^\w\s]|\n+", text))

# %% folded Draw it, beside your prediction
draw("l01_tokens", "How much text is in a token?", sizes,
     {"BPE, on text that it has not learned from": rows},
     {"one character, 1": np.ones(6),
      f"whole words and punctuation marks, {whole:.2f}": np.full(6, whole)},
     labels=("tokens in the vocabulary (log scale)", "characters per token"),
     guess=(guess, 1024), xscale="log", ylim=(0, None))
reveal("L01.a", round(float(np.mean(rows, axis=0)[4]), 2), "frequent words are "
       "one token each, and all others fall into pieces. If each word and each "
       f"punctuation mark were one token, it would be {whole:.2f}.")

# %% [markdown]
# The band from the lowest to the highest of the three is thinner than the line.
# Each doubling of the list has the same width on the axis. Each adds less than
# the one before, because the next pieces are rarer.
#
# Which words fall into pieces?

# %% folded Cut six words with a list of 1,024 pieces
bpe = tokenizer.train("bpe", text, 1024)
words = sorted(set(re.findall("[a-z]+", text)))
worst = max(words, key=lambda word: len(bpe.encode(" " + word)))
for word in ("the", "water", "fox", worst, "狐", "1984"):
    print(f"{word:12}", [bpe.tokens[id] for id in bpe.encode(" " + word)])
print("variants    ", [t for t in bpe.tokens if t.strip().lower() == "the"])

# %% [markdown]
# The character 狐 is Chinese for fox. It is three bytes, each printed here by
# its number. So even a character that the training text lacks can be encoded.
# Nothing says that the variants of "the" belong together: a model has to learn
# it. There is no "the" without a space, because the merges made " t" first.
#
# Do random ids come back?

# %%
drawn = np.random.default_rng(0).integers(256, 1024, (200, 8))  # joined pieces
lost = []
for ids_T in drawn:
    again_T = bpe.encode(bpe.decode(ids_T))
    if again_T.tolist() != ids_T.tolist():
        lost.append((ids_T, again_T))
print("of 100, come back:", 100 - 100 * len(lost) / len(drawn))
for ids_T in lost[0]:
    print([bpe.tokens[id] for id in ids_T])

# %% quiet
reveal("L01.b", 100 - 100 * len(lost) / len(drawn), "in the other cases, the end "
       "of one piece and the beginning of the next join to another piece, as in "
       "the two lines above.")

# %% [markdown]
# ## Your turn
#
# 1. Write one merge.
# 2. Find the variants of a word. Say first whether you find more of them or
#    fewer if capital letters count as different.
# 3. Build two different lists of ids that spell the same text.

# %% exercise L01.e1
@check("L01.e1")
def merge(ids, pair, new):
    """Return the list `ids` with each `pair` replaced by `new`, from the left.

    merge([1, 2, 3, 1, 2], (1, 2), 9) gives [9, 3, 9].
    """
    ...

# %% exercise L01.e2
@check("L01.e2")
def variants(word, tokens, case_counts):
    """Return the sorted tokens that are this word, maybe with a space before.

    variants("hen", ["Hen", " hen", "then"], False) gives [" hen", "Hen"];
    with case_counts=True it gives [" hen"].
    """
    ...

# %% exercise L01.e3
@check("L01.e3")
def two_spellings(tokens):
    """Return two different lists of ids whose tokens spell the same text.

    tokens ["a", "b", "ab"] allow ([2], [0, 1]).
    """
    ...

# %% [markdown]
# ## Why the belief fails, and when it is right
#
# Only the last step is looking up: from a piece to its id. Where to cut is
# decided by the merges, in the order in which they were learned. Most words of
# a text are frequent, so the belief is right for most of what you read: a
# common word in its usual form is one token. And it is right that text always
# comes back. Only ids that did not come from the tokenizer may change.

# %% quiet
quiz("L01")

# %% [markdown]
# ## Verdicts
#
# We judge the tokenizer of the model that you played against: 512 pieces,
# learned from the fables. It meets the same kind of text, so it is at its best.
# B5 draws random ids from all pieces, and most single bytes are not text. So
# fewer lists come back than above. B8 uses a *correlation*: 0 if two numbers
# have nothing to do with each other, -1 if one falls just as the other rises.

# %% quiet
judge("B5", "B6", "B7", "B8")

# %% [markdown]
# ## The same on a real model
#
# SmolLM2's list has 49,152 pieces, so far more words are one piece. Our list
# has only 512. This is probably why a word has so few variants above (B6).

# %% quiet
judge_real_model("B5", "B6", "B7", "B8")

# %% [markdown]
# ## In short
#
# A model reads ids of pieces. The pieces were made by joining frequent
# neighbours. Every text has an encoding and comes back from it, but many lists
# of ids spell the same text. Frequent words are one piece, rare words several.

# %% quiet
finish("L01")
