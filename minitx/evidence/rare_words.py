"""Which words fall into pieces, and are the pieces odd?"""

import re
from collections import Counter

import numpy as np

from minitx import geometry
from minitx.errors import InputError
from minitx.evidence.evidence import evidence, three_way
from minitx.evidence.reading import Reading
from minitx.evidence.tokens import cut, shipped_text

# Marks that well-known tokenizers add, such as those of GPT-2, Llama, SmolLM2 and BERT.
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "[CLS]", "[MASK]")


def b8(rarity, rarity_at_one_length, odd, odd_at_random, single_digits, marks):
    """Rare words are often long, and long words have more pieces. So words of one length are
    compared, by the correlation of how often a word occurs with its number of pieces. A common
    convention (Cohen 1988) calls a correlation of -0.3 medium and one of -0.1 small. Above -0.1,
    length decides and rarity does not. A piece is odd if it is not a word. Words are counted in the
    shipped text, so for a tokenizer that learned from another text the correlation comes out weaker
    than it is. Whether digits and marks are tokens of their own is the choice of whoever trains the
    tokenizer. It does not decide, because the claim only calls it possible. Supported if the
    correlation among words of one length is -0.3 or below, and more than 50 % of the words in
    several pieces have a piece that is not a word. Refuted if the correlation among words of one
    length is above -0.1."""
    return three_way(
        supported=rarity_at_one_length <= -0.3 and odd > 0.5,
        refuted=rarity_at_one_length > -0.1,
    )


@evidence(
    "B8",
    rule=b8,
    baseline="pieces that depend on a word's length alone: a correlation of 0 among words of one "
    "length; and cuts at random places",
    sentence="How often a word occurs (its logarithm) and its number of pieces have a correlation "
    "of {rarity:.2f}, and of {rarity_at_one_length:.2f} among words of one length. Of the words in "
    "several pieces, {odd:.0%} have a piece that is not a word; cut at random places, "
    "{odd_at_random:.0%} would. Each digit is a token in {single_digits:.0%} of the "
    "years 1900 to 1999; {marks:.0f} well-known marks, such as <|endoftext|>, are single tokens.",
    of="model",
    species=("bpe",),
)
def measure_b8(reading: Reading) -> dict[str, float]:
    text = shipped_text()
    count_of = Counter(re.findall(r"\b[a-z]+\b", text))
    words = sorted(count_of)
    pieces_of = [cut(reading, " " + word) for word in words]
    log_counts = np.log([count_of[word] for word in words])
    numbers = np.array([len(pieces) for pieces in pieces_of], float)
    lengths = [len(word) for word in words]
    known = {word for word in words if len(word) > 1} | {"a", "i"}
    rng = np.random.default_rng(0)
    tokenizer = reading.tokenizer
    years = [str(year) for year in range(1900, 2000)]
    odd, odd_at_random = [], []
    for word, pieces in zip(words, pieces_of, strict=True):
        if len(pieces) > 1:
            odd.append(has_odd_piece(pieces, known))
            odd_at_random.append(has_odd_piece(cut_at_random(word, len(pieces), rng), known))
    return {
        "rarity": geometry.pearson(log_counts, numbers) or 0.0,
        "rarity_at_one_length": correlation_within(lengths, log_counts, numbers),
        "odd": float(np.mean(odd)) if odd else 0.0,
        "odd_at_random": float(np.mean(odd_at_random)) if odd else 0.0,
        "single_digits": float(np.mean([count_tokens(tokenizer, year) == 4 for year in years])),
        "marks": float(sum(count_tokens(tokenizer, mark) == 1 for mark in MARKS)),
    }


def correlation_within(groups, a, b) -> float:
    """Return the correlation of a and b after the mean of each group was taken from both.

    It is 0 if one of them does not vary within the groups.
    """
    groups, a, b = np.asarray(groups), np.array(a, float), np.array(b, float)
    for group in np.unique(groups):
        a[groups == group] -= a[groups == group].mean()
        b[groups == group] -= b[groups == group].mean()
    return geometry.pearson(a, b) or 0.0


def has_odd_piece(pieces: list[str], known: set[str]) -> bool:
    """Return whether a piece is not a word, apart from a space."""
    return any(piece.strip() not in known for piece in pieces if piece.strip())


def cut_at_random(word: str, count: int, rng: np.random.Generator) -> list[str]:
    """Return a word in `count` pieces, or as many as it has letters."""
    count = min(count, len(word))
    places = sorted(rng.choice(np.arange(1, len(word)), count - 1, replace=False).tolist())
    return [word[a:b] for a, b in zip([0, *places], [*places, len(word)], strict=True)]


def count_tokens(tokenizer, text: str) -> int:
    """Return the number of tokens of a text; 0 for a text that is refused."""
    try:
        return len(tokenizer.encode(text))
    except InputError:
        return 0
