"""Solutions, hints and typical mistakes of L01."""

from itertools import pairwise

from minitx.classroom import Exercise, Question


def merge(ids, pair, new):
    """The list of ids with each occurrence of the pair, from the left, replaced by one new id."""
    out, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def variants(word, tokens):
    """The tokens that are this word, apart from case and a space before it, sorted."""
    return sorted(t for t in tokens if t.removeprefix(" ").lower() == word.lower())


def commonest_pair(ids):
    """The pair of neighbours that occurs most often; of equals the smallest."""
    count = {}
    for pair in pairwise(ids):
        count[pair] = count.get(pair, 0) + 1
    return min(count, key=lambda pair: (-count[pair], pair))


def commonest(pairs):
    return max(sorted(set(pairs)), key=pairs.count)


def overlapping(ids, pair, new):
    return [new if (a, b) == pair else a for a, b in zip(ids, [*ids[1:], None], strict=True)]


def once(ids, pair, new):
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == pair:
            return [*ids[:i], new, *ids[i + 2 :]]
    return list(ids)


def random_ids(random):
    return random.integers(0, 3, 40).tolist(), (1, 1), 9


TOKENS = [" the", "The", "the", " The", "other", " then", "next", " Next", "THE", "a", " a", "A"]

EXERCISES = {
    "L01.e1": Exercise(
        merge,
        (
            "Walk from the left with an index; after a hit, step over both.",
            "While i < len(ids): if (ids[i], ids[i+1]) is the pair, append new and i += 2.",
        ),
        random_ids,
        {
            "the second of the pair must go too": overlapping,
            "only the first occurrence was replaced": once,
            "nothing was replaced: is the pair compared as a tuple?": lambda i, p, n: list(i),
        },
    ),
    "L01.e2": Exercise(
        variants,
        (
            "Bring every token to one form, then compare.",
            "token.removeprefix(' ').lower() == word.lower(); sorted() at the end.",
        ),
        lambda random: ("the", random.permutation(TOKENS).tolist()),
        {
            "' then' is no variant of 'the': compare whole words, not beginnings or parts":
                lambda w, ts: sorted(t for t in ts if w.lower() in t.lower()),
            "case is not folded: 'The' is missing":
                lambda w, ts: sorted(t for t in ts if t.removeprefix(" ") == w),
            "the variants with a space are missing":
                lambda w, ts: sorted(t for t in ts if t.lower() == w),
        },
    ),
    "L01.e3": Exercise(
        commonest_pair,
        (
            "Count neighbours: zip(ids, ids[1:]), or itertools.pairwise(ids).",
            "Keep a dictionary from pair to count; min over (-count, pair) settles equals.",
        ),
        lambda random: (random.integers(0, 4, 60).tolist(),),
        {
            "that is the rarest pair":
                lambda ids: min(sorted(set(pairwise(ids))), key=list(pairwise(ids)).count),
            "pairs that share a token count too: step by one, not by two":
                lambda ids: commonest(list(zip(ids[::2], ids[1::2], strict=False))),
            "that is one token: a pair of neighbours is meant": lambda ids: ids[0],
        },
    ),
}  # fmt: skip

QUIZ = {
    "L01.q1": Question(
        "'next', ' next' and 'Next' are for the model",
        ("one token", "up to three tokens"),
        1,
        "What it knows of one it must learn again for the others.",
    ),
    "L01.q2": Question(
        "Byte-level BPE meets a character it never saw. It",
        ("fails", "writes its bytes"),
        1,
        "All 256 bytes are in the vocabulary.",
    ),
    "L01.q3": Question(
        "From L00: the loss of a model that knows nothing is",
        ("ln V", "1/V"),
        0,
        "A larger vocabulary starts with a larger loss per token.",
    ),
}
