"""Solutions, hints, typical mistakes and the quiz of L01."""

from minitx.classroom import Exercise, Question


def merge(ids, pair, new):
    """Return the list of ids with each occurrence of the pair, from the left, replaced by one."""
    merged = []
    place = 0
    while place < len(ids):
        if tuple(ids[place : place + 2]) == pair:
            merged.append(new)
            place += 2
        else:
            merged.append(ids[place])
            place += 1
    return merged


def variants(word, tokens, case_counts):
    """Return the sorted tokens that are this word, with or without a space before it."""
    found = []
    for token in tokens:
        bare = token.removeprefix(" ")
        if bare == word or (not case_counts and bare.lower() == word.lower()):
            found.append(token)
    return sorted(found)


def two_spellings(tokens):
    """Return the id of a token of several characters, and the ids of these characters."""
    for id, token in enumerate(tokens):
        if len(token) > 1 and all(character in tokens for character in token):
            return [id], [tokens.index(character) for character in token]
    return None


def overlapping(ids, pair, new):
    pairs = zip(ids, [*ids[1:], None], strict=True)
    return [new if (a, b) == pair else a for a, b in pairs]


def once(ids, pair, new):
    for place in range(len(ids) - 1):
        if (ids[place], ids[place + 1]) == pair:
            return [*ids[:place], new, *ids[place + 2 :]]
    return list(ids)


def parts_too(word, tokens, case_counts):
    if case_counts:
        return sorted(token for token in tokens if word in token)
    return sorted(token for token in tokens if word.lower() in token.lower())


def spaces_lost(word, tokens, case_counts):
    return sorted({token.strip() for token in variants(word, tokens, case_counts)})


def judge_spellings(answer, tokens):
    if not isinstance(answer, (list, tuple)) or len(answer) != 2:
        return "it should return two lists of ids, as `return one, other`"
    one, other = (list(ids) if isinstance(ids, (list, tuple)) else None for ids in answer)
    if not one or not other:
        return "each of the two should be a list of ids that is not empty"
    for id in [*one, *other]:
        if not isinstance(id, int) or not 0 <= id < len(tokens):
            return f"{id!r} is not an id from 0 to {len(tokens) - 1}"
    if one == other:
        return "the two lists are the same"
    texts = ["".join(tokens[id] for id in ids) for ids in (one, other)]
    if texts[0] != texts[1]:
        return f"the first spells {texts[0]!r}, the second {texts[1]!r}"
    return None


def random_ids(random):
    return random.integers(0, 3, 40).tolist(), (1, 1), 9


def random_tokens(random):
    return (["".join(letters) for letters in random.permutation(["t", "h", "e", "th", "he", "n"])],)


VARIANTS = [" the", "The", "the", " The", "other", " then", "next", " Next", "THE", "a", " a"]

EXERCISES = {
    "L01.e1": Exercise(
        merge,
        (
            "Walk through the list from the left. How far do you step after a hit?",
            "While place < len(ids): on a hit append new and step by 2, else append ids[place].",
        ),
        random_ids,
        {
            "both of the pair have to go, and you keep the second": overlapping,
            "this replaces the first pair, and there are more": once,
            "nothing was replaced: `pair` is a tuple, and a slice of a list is a list":
                lambda i, p, n: list(i),
        },
    ),
    "L01.e2": Exercise(
        variants,
        (
            "Bring every token into one form before you compare it with the word.",
            "bare = token.removeprefix(' '); if case does not count, compare bare.lower().",
        ),
        lambda random: ("the", random.permutation(VARIANTS).tolist(), bool(random.integers(2))),
        {
            "' then' and 'other' are other words, although they hold this one": parts_too,
            "is `case_counts` the right way round?": lambda w, t, c: variants(w, t, not c),
            "`case_counts` changes nothing": lambda w, t, c: variants(w, t, False),
            "the tokens themselves are wanted, with their spaces": spaces_lost,
        },
        conclusion="If capital letters count as different, fewer tokens are this word.",
    ),
    "L01.e3": Exercise(
        two_spellings,
        (
            "A piece of two letters was made of two other pieces.",
            "Find a token whose characters are tokens as well; tokens.index gives their ids.",
        ),
        random_tokens,
        {
            "the two lists are the same": lambda tokens: ([0], [0]),
            "the first spells": lambda tokens: ([0], [1]),
        },
        judge_spellings,
    ),
}  # fmt: skip

QUIZ = {
    "L01.q1": Question(
        "The id of ' next' is 311, and the id of 'next' is 842. What do these ids say?",
        ("the two mean different things", "' next' is more frequent than 'next'",
         "they are two entries of a list"),
        2,
        "An id is a place in a list. Whether the two are alike, the model has to learn.",
    ),
    "L01.q2": Question(
        "BPE learned from English only, and it has to encode a Russian text. What happens?",
        ("the text becomes many tokens for its length", "the text loses all unknown letters"),
        0,
        "Its bytes are all in the list, but few of their neighbours were ever joined.",
    ),
    "L01.q3": Question(
        "From lesson 0: a vocabulary grows from 512 tokens to 1,024. What happens to the loss of "
        "a model that knows nothing, for each token?",
        ("it doubles", "it rises by 0.69 nats", "it stays as it is"),
        1,
        "ln 1024 - ln 512 is ln 2, or 0.69.",
    ),
}  # fmt: skip
