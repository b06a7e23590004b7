"""What does a tokenizer make of a text, and is anything lost?

All claims are measured on the tokenizer of the model and on the shipped text. A tokenizer of the
zoo has learned from this text, so it meets the text at its best.
"""

import re
import unicodedata
from collections import Counter

import numpy as np

from minitx.errors import InputError
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.inverses import word_of
from minitx.evidence.reading import Reading
from minitx.text import corpus

SAMPLES = 200  # of random texts, and of random lists of ids
COMMON_WORDS = 20
# Code points that UTF-8 writes in 1, 2, 3 and 4 bytes.
UTF8_RANGES = ((0, 0x80), (0x80, 0x800), (0x800, 0x10000), (0x10000, 0x110000))
NOT_TEXT = ("Cn", "Co", "Cs")  # categories: unassigned, private use, halves of surrogate pairs


def shipped_text() -> str:
    """Return the shipped text, its ASCII characters alone, so that each has a string of its own."""
    return corpus.read_text("fables").text.encode("ascii", "ignore").decode()


def encode(reading: Reading, text: str) -> list[int]:
    """Return the ids of a text. Raises Untestable for a text that cannot be encoded."""
    if reading.tokenizer is None:
        raise Untestable("its tokenizer is not known")
    try:
        return reading.tokenizer.encode(text).tolist()
    except InputError as error:
        raise Untestable("its tokenizer cannot encode the shipped text") from error


def cut(reading: Reading, text: str) -> list[str]:
    """Return the pieces of a text. Raises Untestable if they do not add up to the text."""
    ids = encode(reading, text)
    tokens = reading.tokenizer.tokens
    pieces = [tokens[id] for id in ids]
    if "".join(pieces) != text:
        raise Untestable("the strings of its tokens do not add up to the text")
    return pieces


def comes_back(tokenizer, text: str) -> bool:
    """Return whether a text survives encoding and decoding; a text that is refused does not."""
    try:
        return tokenizer.decode(tokenizer.encode(text)) == text
    except InputError:
        return False


def ids_come_back(tokenizer, ids: list[int]) -> bool:
    """Return whether ids survive decoding and encoding."""
    try:
        return tokenizer.encode(tokenizer.decode(ids)).tolist() == ids
    except InputError:
        return False


def random_text(rng: np.random.Generator, length: int = 12) -> str:
    """Return characters from all of Unicode, which UTF-8 writes in 1, 2, 3 and 4 bytes in turn."""
    places = range(length)
    return "".join(random_character(rng, *UTF8_RANGES[place % 4]) for place in places)


def random_character(rng: np.random.Generator, lowest: int, end: int) -> str:
    """Return a character from a range of code points, without those that are assigned to none."""
    while True:
        character = chr(rng.integers(lowest, end))
        if unicodedata.category(character) not in NOT_TEXT:
            return character


def b5(characters_per_token, english_back, unicode_back, strings_of_their_own, ids_back, pieces):
    """The claim has two parts. The tokenizer compresses if one piece stands for at least two
    characters on average, so that the sequence is at most half as long as with a token for each
    character. It loses nothing if every text comes back from its ids, and no two pieces share a
    string. Texts are English paragraphs and random Unicode. Supported if one piece stands for at
    least 2 characters, 100 % of the English paragraphs and of the random Unicode texts come back,
    and 100 % of the pieces have a string of their own. Refuted if one piece stands for 1 character
    or less, or if less than 100 % of the English paragraphs come back. Qualified if all English
    paragraphs come back, but a random Unicode text is lost, two pieces share a string, or one piece
    stands for more than 1 and less than 2 characters."""
    lossless = english_back == unicode_back == strings_of_their_own == 1
    return three_way(
        supported=lossless and characters_per_token >= 2,
        refuted=characters_per_token <= 1 or english_back < 1,
    )


@evidence(
    "B5",
    rule=b5,
    baseline="a token for each character: 1 character a token, and nothing is lost",
    sentence="The tokenizer has {pieces:.0f} pieces, and one stands for {characters_per_token:.2f} "
    "characters of English. {english_back:.1%} of English paragraphs and {unicode_back:.1%} of "
    "random Unicode texts come back from their ids, and {strings_of_their_own:.2%} of the pieces "
    "have a string of their own. Of random lists of 8 ids (the numbers of pieces), {ids_back:.0%} "
    "come back from the text that they spell.",
    of="model",
    species=("bpe",),
)
def measure_b5(reading: Reading) -> dict[str, float]:
    text = shipped_text()
    ids = encode(reading, text)
    tokenizer = reading.tokenizer
    rng = np.random.default_rng(0)
    paragraphs = [part for part in text.split("\n\n") if part]
    strange = [random_text(rng) for _ in range(SAMPLES)]
    strings = [string for string in tokenizer.tokens if string]  # padding has none
    rows = rng.integers(0, len(tokenizer), (SAMPLES, 8)).tolist()
    return {
        "pieces": float(len(strings)),
        "characters_per_token": len(text) / len(ids),
        "english_back": float(np.mean([comes_back(tokenizer, part) for part in paragraphs])),
        "unicode_back": float(np.mean([comes_back(tokenizer, part) for part in strange])),
        "strings_of_their_own": len(set(strings)) / len(strings),
        "ids_back": float(np.mean([ids_come_back(tokenizer, row) for row in rows])),
    }


def b6(variants, times_as_long, at_most):
    """The claim has two parts. The first part is that a word has many variants, which are tokens
    that differ only in case, spaces or punctuation. Two tokens for a common word are enough. With
    fewer than 1.5 on average, most common words have only one. The second part is that spaces
    inside tokens halve the sequence: with spaces as tokens it would be twice as long. At 1.75 times
    or more, it is nearer to twice its length than to 1.5 times. Below 1.25 times, it is nearer to
    its present length than to 1.5 times. Supported if a common word has at least 2 tokens, and the
    sequence would be at least 1.75 times as long. Refuted if a common word has less than 1.5
    tokens, or if the sequence would be less than 1.25 times as long."""
    return three_way(
        supported=variants >= 2 and times_as_long >= 1.75,
        refuted=variants < 1.5 or times_as_long < 1.25,
    )


@evidence(
    "B6",
    rule=b6,
    baseline="a tokenizer that ignores case and keeps spaces apart: 1 token for a word, and a "
    "sequence as long as it is",
    sentence="A common word has {variants:.1f} tokens that differ only in case, spaces or "
    "punctuation. If each space were a token, the sequence would be {times_as_long:.2f} times as "
    "long. At most it could be {at_most:.2f} times as long: if every word and every punctuation "
    "mark were one token.",
    of="model",
    species=("bpe",),
)
def measure_b6(reading: Reading) -> dict[str, float]:
    text = shipped_text()
    pieces = cut(reading, text)
    tokens_of = Counter(word_of(token) for token in reading.strings_V)
    has_space = [piece.startswith(" ") and len(piece) > 1 for piece in pieces]
    units = re.findall(r"\w+|[^\w\s]|\n+", text)
    return {
        "variants": float(np.mean([tokens_of[word] for word in common_words(text)])),
        "times_as_long": 1 + float(np.mean(has_space)),
        "at_most": 1 + text.count(" ") / len(units),
    }


def common_words(text: str) -> list[str]:
    """Return the words of two letters or more that occur most often, in lower case.

    >>> common_words("The cat and the dog and the hen")[:2]
    ['the', 'and']
    """
    words = re.findall(r"[a-z]{2,}", text.lower())
    return [word for word, _ in Counter(words).most_common(COMMON_WORDS)]


def b7(ids_looked_up, cut_by_longest, words_cut_by_longest):
    """Encoding has two steps, and each should be a lookup in the list of pieces. From pieces to
    numbers, the string of a piece should decide its id. From text to pieces, taking the longest
    known piece again and again should cut words as the tokenizer does. This way of cutting needs
    nothing but the list. It may fail for 1 % of the words, so that exceptions are rare. Supported
    if the string of a piece decides its id for 100 % of the text, and taking the longest piece cuts
    at least 99 % of the words as the tokenizer does. Refuted if the string of a piece decides its
    id for less than 100 % of the text. Qualified if the string of a piece decides its id for 100 %
    of the text, but taking the longest piece cuts less than 99 % of the words as the tokenizer
    does: then cutting needs more than the list, such as the order of the merges."""
    return three_way(supported=cut_by_longest >= 0.99, refuted=ids_looked_up < 1)


@evidence(
    "B7",
    rule=b7,
    baseline="none for pieces to ids, which is a list; for text to pieces, a tokenizer of "
    "characters, where the list alone decides: 100 %",
    sentence="The string of a piece decides its id for {ids_looked_up:.1%} of a text. Taking the "
    "longest known piece again and again cuts {cut_by_longest:.1%} of the words of the text as the "
    "tokenizer does, and {words_cut_by_longest:.1%} if each different word counts once.",
    of="model",
    species=("bpe",),
)
def measure_b7(reading: Reading) -> dict[str, float]:
    text = shipped_text()
    ids = encode(reading, text)
    strings_V = reading.strings_V
    id_of = {string: id for id, string in enumerate(strings_V) if string}
    count_of = Counter(re.findall(r" [A-Za-z]+", text))
    cut_alike = {word: longest_pieces(word, id_of) == cut(reading, word) for word in count_of}
    counts = list(count_of.values())
    return {
        "ids_looked_up": float(np.mean([id_of[strings_V[id]] == id for id in ids])),
        "cut_by_longest": float(np.average(list(cut_alike.values()), weights=counts)),
        "words_cut_by_longest": float(np.mean(list(cut_alike.values()))),
    }


def longest_pieces(text: str, known) -> list[str]:
    """Return a text cut by taking the longest known piece again and again.

    >>> longest_pieces("hens", {"h", "he", "hen", "e", "n", "s", "ens"})
    ['hen', 's']
    """
    pieces = []
    while text:
        end = len(text)
        while end > 1 and text[:end] not in known:
            end -= 1
        pieces.append(text[:end])
        text = text[end:]
    return pieces
