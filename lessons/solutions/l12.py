"""Solutions, hints, typical mistakes and the quiz of L12."""

import numpy as np

from minitx.classroom import Exercise, Question


def asymmetry(m_VV):
    """How far a table is from being its own mirror image."""
    return np.linalg.norm((m_VV - m_VV.T) / 2) / np.linalg.norm(m_VV)


def logits_with_a_matrix(e_VD, a_DD):
    """The logits of a model whose only block is a matrix."""
    return e_VD @ a_DD @ e_VD.T


def worst_chain():
    """A circle."""
    return np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])


def judge_chain(answer):
    from minitx.evidence.tying import lost_by_symmetry

    try:
        p_33 = np.asarray(answer, float)
    except (TypeError, ValueError):
        return "it should return a table of three rows"
    if p_33.shape != (3, 3):
        return f"it should return an array of shape (3, 3); yours has {p_33.shape}"
    if (p_33 < 0).any() or not np.allclose(p_33.sum(axis=1), 1):
        return "each row has to be probabilities: none below 0, and the sum 1"
    values, vectors = np.linalg.eig(p_33.T)
    if np.isclose(values, 1).sum() != 1:
        return "the chain falls into parts: every token has to be reached from every other"
    stationary_3 = np.real(vectors[:, np.isclose(values, 1).argmax()])
    stationary_3 = stationary_3 / stationary_3.sum()
    if (stationary_3 < 1e-6).any():
        return "one of the tokens never occurs in the long run"
    lost = lost_by_symmetry(p_33, stationary_3)
    return None if lost >= 0.69 else f"the best mirror table loses {lost:.3f} nats on it"


EXERCISES = {
    "L12.e1": Exercise(
        asymmetry,
        (
            "The mirror image of a table is its transpose.",
            "np.linalg.norm gives the length of a table, too.",
        ),
        lambda random: (random.standard_normal((5, 5)),),
        {
            "this is what the table shares with its mirror image":
                lambda m: np.linalg.norm((m + m.T) / 2) / np.linalg.norm(m),
            "a share is asked for": lambda m: np.linalg.norm((m - m.T) / 2),
            "twice too large: half of the difference belongs to each of the two":
                lambda m: np.linalg.norm(m - m.T) / np.linalg.norm(m),
        },
    ),
    "L12.e2": Exercise(
        logits_with_a_matrix,
        (
            "The row of the token that was read goes through A first.",
            "A product of three: rows, A, and the rows as columns.",
        ),
        lambda random: (random.standard_normal((6, 4)), random.standard_normal((4, 4))),
        {
            "which of the two tokens goes through A?": lambda e, a: e @ a.T @ e.T,
            "A is not used": lambda e, a: e @ e.T,
            "the other token goes through A as well": lambda e, a: e @ a @ a.T @ e.T,
        },
        conclusion="It is not a mirror table any more, unless A is its own mirror image.",
    ),
    "L12.e3": Exercise(
        worst_chain,
        (
            "A mirror table cannot tell forwards from backwards. Where does that matter most?",
            "Let every token have exactly one successor, and never the same way back.",
        ),
        mistakes={
            "loses 0.000 nats": lambda: np.full((3, 3), 1 / 3),
            "falls into parts": lambda: np.eye(3),
            "none below 0, and the sum 1": lambda: np.ones((3, 3)),
        },
        judge=judge_chain,
        conclusion="On a circle a mirror table loses ln 2. A tied table loses ln 3 there.",
    ),
}  # fmt: skip

QUIZ = {
    "L12.q1": Question(
        "A tied model without blocks has learned that U is likely after Q. It then also has",
        ("no logit for Q after U", "a high logit for Q after U", "a low logit for Q after U"),
        1,
        "One dot product serves both orders.",
    ),
    "L12.q2": Question(
        "A chain looks the same forwards and backwards. No token follows itself. A tied model "
        "without blocks",
        (
            "can learn it exactly",
            "loses by the mirror alone",
            "loses because tokens prefer themselves",
        ),
        2,
        "A mirror table can learn this chain. In a tied table the token with the longest row has "
        "itself as its likeliest successor.",
    ),
    "L12.q3": Question(
        "From lesson 5: after some token the chain has two next tokens, equally likely. A model "
        "knows this exactly. The entropy of its prediction there is",
        ("0", "ln 2, which is 0.69 nats", "1 nat"),
        1,
        "For n equally likely tokens the entropy is ln n. Lesson 5 has 4.29 for 73 letters.",
    ),
}
