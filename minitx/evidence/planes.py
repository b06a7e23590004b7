"""What does a picture of the state in the plane of two answers show, and what does it hide?

The prompts are sentences of `errands`, in pairs that differ in who gives: "Mary and John went to
the park . John gave a hat to" is followed by Mary, and by John if it is Mary who gives.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from minitx import compiled, measure
from minitx.errors import InputError
from minitx.evidence.attribution import Choices
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading
from minitx.model import Transformer
from minitx.text.errands import Errands, Prompt, errands

PAIRS = 3  # of prompts for each window: with a third person before, after, and without one
SOLVED = 0.75  # of all prompts that the model must get right, for a claim about how it does that


class Paths(NamedTuple):
    """The states at the last token of prompts, by station of the stream."""

    read_RBD: np.ndarray
    """After the final norm: what the unembedding would read there."""
    probability_B: np.ndarray
    """Of the winner, at the end."""


class Contest(NamedTuple):
    """Prompts in two halves: those of the second half are the first ones with givers exchanged."""

    given: Choices
    is_abb_B: np.ndarray
    """Whether the giver was named second."""
    strangers_BX: np.ndarray
    """The tokens of two people who are not in the prompt."""


def read_paths(model: Transformer, given: Choices) -> Paths:
    """Return the paths on which the model comes to predict the winner, or the loser."""
    names = ("stream_RBTD",)
    (stream_RBTD,) = compiled.trace_fields(model.config, names, model.params(), given.tokens_BT)
    rows_B = np.arange(len(given.last_B))
    read_RBD = compiled.final_norm(model, np.asarray(stream_RBTD)[:, rows_B, given.last_B])
    p_BV = measure.softmax(compiled.unembed(model, read_RBD[-1:])[0])
    return Paths(np.asarray(read_RBD, np.float64), p_BV[rows_B, given.winner_B])


def captured(read_BD, first_BD, second_BD) -> np.ndarray:
    """Return the share of each state's squared length that lies in the plane of two rows.

    The two rows must not be parallel.
    """
    base_BDX = np.linalg.qr(np.stack([first_BD, second_BD], axis=2))[0]
    inside_BX = np.einsum("BD,BDX->BX", read_BD, base_BDX)
    return np.sum(inside_BX**2, axis=1) / np.sum(read_BD**2, axis=1)


def change_point(lead_RB) -> np.ndarray:
    """Return from which station on the winner leads for good, as a share of the way; 1 if never.

    >>> change_point(np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [2.0, 2.0, -1.0]])).tolist()
    [0.5, 1.0, 1.0]
    """
    last = len(lead_RB) - 1
    for_good_RB = np.cumprod((lead_RB > 0)[::-1], axis=0)
    return np.minimum(len(lead_RB) - for_good_RB.sum(axis=0), last) / last


def name_tokens(tokenizer: Any, source: Errands) -> dict[str, int]:
    """Return the token of each name that is a single token after "to". Raises Untestable."""
    found = {}
    try:
        before = list(tokenizer.encode("to"))
        for name in source.names:
            ids = list(tokenizer.encode(f"to {name}"))
            if ids[:-1] == before:
                found[name] = int(ids[-1])
    except InputError:
        raise Untestable("its tokenizer does not know the words of errands") from None
    if len(set(found.values())) < 8:
        raise Untestable("names are not single tokens of its tokenizer")
    return found


def contests(tokenizer: Any, windows: int) -> list[Contest]:
    """Return prompts for each window, of pairs of people who never meet in training sentences.

    Raises Untestable for a tokenizer that the prompts cannot be written with.
    """
    source = errands(pairs="held_out")
    token_of = name_tokens(tokenizer, source)
    pairs: dict[Any, list[Prompt]] = {"before": [], "after": [], None: []}
    for prompt in source.prompts(20 * PAIRS * windows, seed=1):
        people = (source.words[prompt.answer], source.words[prompt.giver])
        if token_of.keys() >= set(people) and len(pairs[prompt.place]) < windows:
            pairs[prompt.place].append(prompt)
    rng = np.random.default_rng(0)
    found = []
    for firsts in zip(*pairs.values(), strict=True):
        prompts = [*firsts, *map(source.exchanged, firsts)]
        found.append(contest(tokenizer, token_of, source, prompts, rng))
    longest = max(one.given.tokens_BT.shape[1] for one in found)
    return [one._replace(given=padded(one.given, longest)) for one in found]


def contest(tokenizer, token_of, source: Errands, prompts, rng: np.random.Generator) -> Contest:
    """Return prompts as tokens."""
    ids = [list(tokenizer.encode(prompt.text)) for prompt in prompts]
    last_B = np.array([len(row) - 1 for row in ids])
    tokens_BT = np.zeros((len(ids), last_B.max() + 1), int)
    strangers = []
    for row_T, row, prompt in zip(tokens_BT, ids, prompts, strict=True):
        row_T[: len(row)] = row
        absent = [token for name, token in token_of.items() if name not in prompt.text.split()]
        strangers.append(rng.choice(absent, 2, replace=False))
    winner_B, loser_B = (
        np.array([token_of[source.words[id]] for id in people])
        for people in zip(*[(p.answer, p.giver) for p in prompts], strict=True)
    )
    is_abb_B = np.array([prompt.order == "ABB" for prompt in prompts])
    return Contest(Choices(tokens_BT, last_B, winner_B, loser_B), is_abb_B, np.array(strangers))


def held_out_contest(tokenizer: Any, count: int) -> Contest:
    """Return `count` prompts about pairs who never meet in training sentences, as one contest.

    Raises Untestable for a tokenizer that the prompts cannot be written with.
    """
    source = errands(pairs="held_out")
    token_of = name_tokens(tokenizer, source)
    prompts = source.prompts(count, seed=1)
    return contest(tokenizer, token_of, source, prompts, np.random.default_rng(0))


def in_planes(model: Transformer, one: Contest) -> dict[tuple[str, str], np.ndarray]:
    """Return the paths of the last state in three planes, as two logits for each: logits_XRB.

    The keys name the two people whose rows span the plane. Strangers are people who are not in the
    prompt; the leading one has the larger logit at the end. Logits are less the mean of all logits,
    or all paths would show what all tokens share.
    """
    rows_VD = np.asarray(model.unembedding_VD, np.float64)
    read_RBD = read_paths(model, one.given).read_RBD
    logits_RBV = read_RBD @ (rows_VD - rows_VD.mean(axis=0)).T
    rows_B = np.arange(len(one.is_abb_B))
    strangers_BX = one.strangers_BX
    behind_first_BX = np.argsort(logits_RBV[-1][rows_B[:, None], strangers_BX], axis=1)
    behind_B, leading_B = np.take_along_axis(strangers_BX, behind_first_BX, axis=1).T
    people = {
        "receiver": one.given.winner_B,
        "giver": one.given.loser_B,
        "stranger": strangers_BX[:, 0],
        "leading stranger": leading_B,
        "other stranger": behind_B,
    }
    logits_RB = {name: logits_RBV[:, rows_B, token_B] for name, token_B in people.items()}
    pairs = ("receiver", "giver"), ("receiver", "stranger"), ("leading stranger", "other stranger")
    return {pair: np.stack([logits_RB[name] for name in pair]) for pair in pairs}


def padded(given: Choices, length: int) -> Choices:
    """Return prompts of this length, padded on the right, so that one program reads them all."""
    tokens_BT = np.pad(given.tokens_BT, ((0, 0), (0, length - given.tokens_BT.shape[1])))
    return given._replace(tokens_BT=tokens_BT)


@functools.lru_cache(maxsize=4)
def numbers_by_window(reading: Reading) -> list[dict[str, float]]:
    """Return the numbers of B32 for each window. Raises Untestable."""
    if not reading.config.depth:
        raise Untestable("it has no blocks")
    if reading.tokenizer is None:
        raise Untestable("its tokenizer is not known")
    found = contests(reading.tokenizer, len(reading.tokens_WT))
    length = found[0].given.tokens_BT.shape[1]
    if length > reading.config.context:
        raise Untestable(f"a prompt has {length} tokens, more than its context")
    rows = [numbers_of(reading, one) for one in found]
    right = np.mean([row.pop("right") for row in rows])
    if right < SOLVED:
        raise Untestable(f"it prefers the receiver in only {right:.0%} of the prompts")
    return rows


def numbers_of(reading: Reading, one: Contest) -> dict[str, float]:
    """Return what is measured on the prompts of a window."""
    given, rows_VD = one.given, reading.unembedding_VD
    found = read_paths(reading.model, given)
    winner_BD, loser_BD = rows_VD[given.winner_B], rows_VD[given.loser_B]
    stranger_BD, other_BD = (rows_VD[one.strangers_BX[:, place]] for place in (0, 1))

    def lead(ahead_BD, behind_BD) -> np.ndarray:
        return np.sum(found.read_RBD * (ahead_BD - behind_BD), axis=-1)

    lead_RB = lead(winner_BD, loser_BD)
    is_right_B = lead_RB[-1] > 0
    # Without a mean, or both rows would first of all point where all tokens point.
    mean_D = rows_VD.mean(axis=0)
    shown_B = captured(found.read_RBD[-1], winner_BD - mean_D, loser_BD - mean_D)
    return {
        "right": float(is_right_B.mean()),
        "probability_abb": float(found.probability_B[one.is_abb_B].mean()),
        "probability_bab": float(found.probability_B[~one.is_abb_B].mean()),
        "follows_giver": float(np.mean(is_right_B[:PAIRS] & is_right_B[PAIRS:])),
        "change_point": float(change_point(lead_RB).mean()),
        "lead_halfway": float(lead_RB[len(lead_RB) // 2].mean()),
        "lead_at_end": float(lead_RB[-1].mean()),
        "lead_of_strangers": float(np.abs(lead(stranger_BD, other_BD)[-1]).mean()),
        "lead_over_stranger": float(lead(winner_BD, stranger_BD)[-1].mean()),
        "captured": float(shown_B.mean()),
        "captured_by_chance": 2 / reading.config.width,
    }


def b32(
    probability_abb, probability_bab, follows_giver, change_point, lead_halfway, lead_at_end,
    lead_of_strangers, lead_over_stranger, captured, captured_by_chance
):  # fmt: skip
    """The claim says two things, and two more things limit what the picture shows. The state
    wanders first if the receiver's lead halfway is below 25 % of its lead at the end. The state
    heads for the receiver if exchanging the giver turns the preference in at least 90 % of the
    prompts: then it heads for the right person in both prompts of a pair, although only the giver
    differs. The lead says something if one of two people who are not in the prompt leads the other
    by less than 25 % of the lead at the end. The picture is not to be taken too seriously if the
    plane shows less than 50 % of the squared length. If the receiver does not lead at the end, the
    lead halfway and the lead of other people count as 100 % of its lead. Supported if the state
    wanders first, it heads for the receiver, the lead says something, and the plane shows less than
    50 % of the squared length. Refuted if the lead halfway is 50 % or more of the lead at the end,
    if exchanging the giver turns the preference in less than 50 % of the prompts, or if the plane
    shows 90 % or more of the squared length."""
    halfway = lead_halfway / lead_at_end if lead_at_end > 0 else 1.0
    others = lead_of_strangers / lead_at_end if lead_at_end > 0 else 1.0
    return three_way(
        supported=halfway < 0.25 and follows_giver >= 0.9 and others < 0.25 and captured < 0.5,
        refuted=halfway >= 0.5 or follows_giver < 0.5 or captured >= 0.9,
    )


@evidence(
    "B32",
    rule=b32,
    species=("errands",),
    baseline="the plane of two people who are not in the prompt; a random plane, which shows 2/D",
    sentence="The receiver gets a probability of {probability_abb:.2f} if the giver was named "
    "second, {probability_bab:.2f} if first; exchanging the giver turns the preference in "
    "{follows_giver:.0%} of the prompts. The receiver leads for good from {change_point:.0%} of "
    "the way on: by {lead_halfway:.2f} logits halfway, by {lead_at_end:.2f} at the end. Of two "
    "people who are not in the prompt, one leads by {lead_of_strangers:.2f}. Over such a person "
    "the receiver leads by {lead_over_stranger:.2f}, so that other planes would show the state "
    "head for it too. The plane shows {captured:.0%} of the squared length (a random plane: "
    "{captured_by_chance:.1%}).",
)
def measure_b32(reading: Reading, window: int) -> dict[str, float]:
    return numbers_by_window(reading)[window]
