"""Solutions, hints, typical mistakes and the quiz of L00."""

import numpy as np

from minitx.classroom import Exercise, Question


def put_together(token_TD, place_TD, sublayers, unembedding_VD):
    """Return logits_TV: the way of the states through the pieces, without LayerNorm."""
    x_TD = token_TD + place_TD
    for sublayer in sublayers:
        x_TD = x_TD + sublayer(x_TD)
    return x_TD @ unembedding_VD.T


def loss_of_knowing_nothing(vocab):
    """Return the loss in nats of a model that finds all tokens equally likely."""
    return np.log(vocab)


def look_alike(letters):
    """Return two texts with the same last token and the same earlier ones, in another order."""
    a, b, c = letters
    return a + b + c, b + a + c


def without_places(token_TD, place_TD, sublayers, unembedding_VD):
    return put_together(token_TD, 0 * place_TD, sublayers, unembedding_VD)


def without_adding(token_TD, place_TD, sublayers, unembedding_VD):
    x_TD = token_TD + place_TD
    for sublayer in sublayers:
        x_TD = sublayer(x_TD)
    return x_TD @ unembedding_VD.T


def side_by_side(token_TD, place_TD, sublayers, unembedding_VD):
    first_TD = token_TD + place_TD
    updates = [sublayer(first_TD) for sublayer in sublayers]
    return (first_TD + sum(updates)) @ unembedding_VD.T


def last_states(token_TD, place_TD, sublayers, unembedding_VD):
    return put_together(token_TD, place_TD, sublayers, np.eye(token_TD.shape[1]))


def judge_texts(answer, letters):
    if not isinstance(answer, (list, tuple)) or len(answer) != 2:
        return "it should return two texts, as `return one, other`"
    one, other = answer
    if not all(isinstance(text, str) and text for text in answer):
        return "each of the two should be a text, such as 'abc'"
    if set(one + other) - set(letters):
        return f"they should be made of the letters {letters!r}"
    if one == other:
        return "the two texts are equal, so nobody could tell them apart"
    if one[-1] != other[-1]:
        return f"they end in {one[-1]!r} and {other[-1]!r}: the last token knows its own row"
    if sorted(one) != sorted(other):
        return "attention sees which tokens are there, and how many of each"
    return None


def random_pieces(random):
    token_TD, place_TD = random.standard_normal((2, 3, 4))
    a_DD, b_DD = 0.5 * random.standard_normal((2, 4, 4))
    sublayers = [lambda x_TD: np.tanh(x_TD @ a_DD), lambda x_TD: np.maximum(x_TD @ b_DD, 0)]
    return token_TD, place_TD, sublayers, random.standard_normal((5, 4))


EXERCISES = {
    "L00.e1": Exercise(
        put_together,
        (
            "Follow the diagram from left to right, and count the plus signs.",
            "Add token and place; for each sublayer x = x + sublayer(x); then x @ rows.T.",
        ),
        random_pieces,
        {
            "the rows for the places are missing": without_places,
            "one of the plus signs in the diagram is missing": without_adding,
            "each sublayer reads the state that the one before it has changed": side_by_side,
            "these are the last states: what compares them with the tokens?": last_states,
        },
    ),
    "L00.e2": Exercise(
        loss_of_knowing_nothing,
        (
            "If all V tokens are equally likely, which probability has each?",
            "The probability is 1/V, and minus its natural logarithm is log(V): np.log.",
        ),
        lambda random: (int(random.integers(10, 1000)),),
        {
            "this is in bits: a nat belongs to the natural logarithm": lambda v: np.log2(v),
            "the sign is turned: a loss is never below 0": lambda v: -np.log(v),
            "this is a probability, and not yet a loss": lambda v: 1 / v,
        },
        conclusion="The logarithm rises with the vocabulary: more tokens, a higher loss.",
    ),
    "L00.e3": Exercise(
        look_alike,
        (
            "Two texts of three tokens are enough. Which of the tokens may change places?",
            "Keep the last token, and exchange the two before it.",
        ),
        lambda random: ("".join(random.permutation(list("abcdefgh"))[:3]),),
        {
            "they end in": lambda s: (s, s[::-1]),
            "the two texts are equal": lambda s: (s, s),
            "which tokens are there, and how many": lambda s: (s[0] + s[2], s[0] + s[0] + s[2]),
        },
        judge_texts,
    ),
}  # fmt: skip

QUIZ = {
    "L00.q1": Question(
        "You switch off every attention of a trained model, and keep its MLPs. What does its next "
        "prediction depend on?",
        ("the whole text, less exactly", "the last token and its place", "no token at all"),
        1,
        "Nothing but attention moves anything from one place to another.",
    ),
    "L00.q2": Question(
        "A model has six blocks. How many stations does its stream have?",
        ("6 stations", "12 stations", "13 stations"),
        2,
        "One after the embedding, and two in each of the six blocks.",
    ),
    "L00.q3": Question(
        "A model has a vocabulary of 1,000 tokens, and its loss is 6.9 nats. What does it know?",
        ("no more than a blind guess", "which tokens are frequent"),
        0,
        "ln 1000 is 6.9: the loss if all tokens are equally likely.",
    ),
}
