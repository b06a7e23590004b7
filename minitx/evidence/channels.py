"""Is inference a journey through a space, or do layers filter the channels of a spectrum?

The article that offers the second picture breaks off before it is worked out. So these rules judge
what its words say: a dimension is a channel, and a filter gives each channel its own factor. That
channels have an order, as frequencies have, is out of the question: permuting the channels, in the
weights alike, changes no logit. Travel (A15) is judged by its own marks, not by the verdicts on
other claims, so that no number counts twice.
"""

import functools

import numpy as np

from minitx import compiled, geometry, measure
from minitx.evidence import linear_maps
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.linear_maps import explained
from minitx.evidence.reading import Reading

FOLDS = 5  # parts of the text; each is predicted from the others
BLOCKS = 6  # of a deep model whose updates are predicted, spread evenly
ROTATIONS = 5

Shares = dict[str, np.ndarray]  # what each account explains, over windows W


@functools.lru_cache(maxsize=4)  # two claims ask in turn, for each seed of a family
def shares(reading: Reading) -> Shares:
    """Return the share of the blocks' updates that each account explains on unseen windows.

    Means over blocks; an array over windows W for each account. Position 0 is left out.
    """
    depth, windows = reading.config.depth, len(reading.tokens_WT)
    if not depth:
        raise Untestable("it has no blocks")
    if windows < 2:
        raise Untestable("there is one window of text, and nothing else to learn from")
    blocks = np.unique(np.linspace(0, depth - 1, min(depth, BLOCKS)).astype(int))
    by_block = [shares_of_block(reading, block) for block in blocks]
    return {name: np.mean([found[name] for found in by_block], axis=0) for name in by_block[0]}


def shares_of_block(reading: Reading, block: int) -> Shares:
    """Return what each account explains of the update of one block."""
    x_WTD = without_norm_mean(reading, reading.trace.states_LBTD[block][:, 1:])
    after_WTD = without_norm_mean(reading, reading.trace.states_LBTD[block + 1][:, 1:])
    u_WTD = after_WTD - x_WTD
    W, _, D = x_WTD.shape
    token_WT = reading.tokens_WT[:, 1:]
    rng = np.random.default_rng(0)
    rotations = [linear_maps.rotation(D, rng) for _ in range(ROTATIONS)]
    rotated = [(x_WTD @ q_DD, u_WTD @ q_DD) for q_DD in rotations]
    shares_W: Shares = {}
    for fold in range(min(FOLDS, W)):
        tested_W = np.arange(W) % min(FOLDS, W) == fold
        predicted = predictions(x_WTD, u_WTD, token_WT, tested_W)
        for name, (u_XTD, predicted_XTD) in predicted.items():
            collect(shares_W, name, tested_W, u_XTD, predicted_XTD)
        for number, (turned_x_WTD, turned_u_WTD) in enumerate(rotated):
            u_XTD, predicted_XTD = by_factors(turned_x_WTD, turned_u_WTD, tested_W)
            collect(shares_W, f"rotated {number}", tested_W, u_XTD, predicted_XTD)
    turned_shares = [shares_W.pop(f"rotated {number}") for number in range(ROTATIONS)]
    shares_W["rotated"] = np.mean(turned_shares, axis=0)
    shares_W["kurtosis"] = excess_kurtosis(after_WTD)
    shares_W["kurtosis_rotated"] = excess_kurtosis(after_WTD @ rotations[0])
    return shares_W


def without_norm_mean(reading: Reading, x_WTD) -> np.ndarray:
    """Return states without their mean over channels where the norms remove it anyway.

    LayerNorm makes that one direction special, whatever the axes are.
    """
    x_WTD = np.asarray(x_WTD, np.float64)
    if reading.config.norm != "layernorm":
        return x_WTD
    return x_WTD - x_WTD.mean(axis=-1, keepdims=True)


def collect(shares_W: Shares, name: str, tested_W, u_XTD, predicted_XTD) -> None:
    """Put what was explained of each tested window where it belongs."""
    column_W = shares_W.setdefault(name, np.zeros(len(tested_W)))
    column_W[tested_W] = [explained(*pair) for pair in zip(u_XTD, predicted_XTD, strict=True)]


def predictions(x_WTD, u_WTD, token_WT, tested_W) -> dict[str, tuple]:
    """Return by account: the updates in tested windows, centred, and what was predicted."""
    (x_ZD, at_XTD), (u_ZD, u_XTD) = (centred(a_WTD, tested_W) for a_WTD in (x_WTD, u_WTD))
    at_AD = at_XTD.reshape(-1, at_XTD.shape[-1])
    axes = linear_maps.principal(x_ZD)
    map_DD = linear_maps.ridge(x_ZD, u_ZD, axes)
    along_ZD, turned_ZD = x_ZD @ axes.axes_DD, u_ZD @ axes.axes_DD
    by_axis_D = linear_maps.factors(along_ZD, turned_ZD)
    token_Z, token_A = token_WT[~tested_W].ravel(), token_WT[tested_W].ravel()
    predicted_AD = {
        "token": linear_maps.of_tokens(token_Z, u_ZD, token_A),
        "neighbours": linear_maps.of_neighbours(x_ZD, u_ZD, at_AD),
        "scalar": at_AD * linear_maps.factor(x_ZD, u_ZD),
        "diagonal": at_AD * linear_maps.factors(x_ZD, u_ZD),
        "principal": (at_AD @ axes.axes_DD * by_axis_D) @ axes.axes_DD.T,
        "rank_one": at_AD @ linear_maps.rank_one(map_DD, axes),
        "linear": at_AD @ map_DD,
    }
    return {name: (u_XTD, p_AD.reshape(u_XTD.shape)) for name, p_AD in predicted_AD.items()}


def by_factors(x_WTD, u_WTD, tested_W) -> tuple:
    """Return the updates in tested windows, and what a factor for each channel predicts."""
    (x_ZD, at_XTD), (u_ZD, u_XTD) = (centred(a_WTD, tested_W) for a_WTD in (x_WTD, u_WTD))
    return u_XTD, at_XTD * linear_maps.factors(x_ZD, u_ZD)


def centred(a_WTD, tested_W) -> tuple:
    """Return vectors to learn from, a_ZD, and tested ones, without the mean of the first."""
    known_ZD = a_WTD[~tested_W].reshape(-1, a_WTD.shape[-1])
    mean_D = known_ZD.mean(axis=0)
    return known_ZD - mean_D, a_WTD[tested_W] - mean_D


def excess_kurtosis(x_WTD) -> np.ndarray:
    """Return by window the median over tokens of the excess kurtosis over channels.

    It is 0 for a normal distribution, and large if few channels are much larger than the others.
    """
    away_WTD = x_WTD - x_WTD.mean(axis=-1, keepdims=True)
    square_WT = np.mean(away_WTD**2, axis=-1)
    fourth_WT = np.mean(away_WTD**4, axis=-1)
    return np.median(fourth_WT / np.where(square_WT > 0, square_WT, np.inf) ** 2 - 3, axis=1)


def of_window(reading: Reading, window: int, *names: str) -> dict[str, float]:
    """Return the shares of some accounts in one window."""
    found = shares(reading)
    return {name: float(found[name][window]) for name in names}


def a2(token, neighbours, diagonal, linear):
    """A place on the map of embeddings is a token. So the map explains as much of an update as the
    present token does. The map fails if it explains less than a fifth. Another account must then
    explain over 10 percentage points more on the same text, or the text may be too short to tell.
    The other accounts are a factor for each channel and a linear map. If the present token explains
    half or more, the map explains the larger part. The nearest states do not count as places on the
    map. With enough of them, near states move alike under any smooth function. Supported if the
    present token explains less than 20 % of what a block adds, and the better of the other accounts
    explains over 10 percentage points more. Refuted if the present token explains 50 % or more."""
    beaten = max(diagonal, linear) > token + 0.1
    return three_way(supported=token < 0.2 and beaten, refuted=token >= 0.5)


@evidence(
    "A2",
    rule=a2,
    baseline="the same update for all states: it explains 0 %",
    sentence="On text that was not used for the fit, the present token, a place on the map of "
    "embeddings, explains {token:.0%} of what a block adds to the state. The 10 states that lie "
    "nearest explain {neighbours:.0%}, a factor for each channel {diagonal:.0%}, a linear map of "
    "the whole state {linear:.0%}.",
)
def measure_a2(reading: Reading, window: int) -> dict[str, float]:
    return of_window(reading, window, "token", "neighbours", "diagonal", "linear")


def a15(nearer, nearer_to_another, straightness, straightness_of_walk):
    """A journey has two marks. The first mark is that the state approaches its goal, which is the
    row of the token that wins in the end. The state approaches its goal if at least 75 % of the
    steps turn it towards this row. This share must also be more than 10 percentage points above the
    share of steps that turn it towards the winner of another position, which is not its goal. The
    second mark is that the state does not wander. A random walk wanders: its steps have the same
    sizes and stand at right angles to each other. From start to end, the state and the walk each
    move by a share of the length of their path. The state does not wander if its share is more than
    10 percentage points above the share of the random walk. The claim says that travel is the wrong
    picture, so missing marks support it. Supported if both marks are missing: the state does not
    approach its goal, and it wanders. Refuted if both marks are there: the state approaches its
    goal, and it does not wander."""
    approaches = nearer >= 0.75 and nearer > nearer_to_another + 0.1
    straight = straightness > straightness_of_walk + 0.1
    return three_way(supported=not (approaches or straight), refuted=approaches and straight)


@evidence(
    "A15",
    rule=a15,
    baseline="steps of the same sizes at right angles to each other, as a random walk has them; "
    "and the token that wins at another position as the goal",
    sentence="{nearer:.0%} of the steps turn the state towards the row of the token that wins in "
    "the end; {nearer_to_another:.0%} turn it towards the winner of another position. From start "
    "to end the state moves by {straightness:.0%} of the length of its path; a random walk of such "
    "steps would move by {straightness_of_walk:.0%}.",
)
def measure_a15(reading: Reading, window: int) -> dict[str, float]:
    depth = reading.config.depth
    if depth < 2:
        raise Untestable("with fewer than 2 blocks there is no path")
    states_LTD = reading.states_LTD(window)
    winner_T = reading.logits_TV(window).argmax(axis=-1)
    another_T = winner_T[geometry.derangement(len(winner_T))]
    differs_T = another_T != winner_T
    if not differs_T.any():
        raise Untestable("the same token wins at all positions of a window")
    step_NT = measure.norms(np.diff(states_LTD, axis=0))
    length_T = step_NT.sum(axis=0)
    moved_T = measure.norms(states_LTD[-1] - states_LTD[0])
    walk_T = measure.norms(step_NT.T)
    return {
        "nearer": float(np.mean(steps_towards(reading, states_LTD, winner_T))),
        "nearer_to_another": float(
            np.mean(steps_towards(reading, states_LTD, another_T)[:, differs_T])
        ),
        "straightness": float(np.median(moved_T / length_T)),
        "straightness_of_walk": float(np.median(walk_T / length_T)),
    }


def steps_towards(reading: Reading, states_LTD, token_T) -> np.ndarray:
    """Return whether each block's step increases the cosine with a token's row, as an array (N, T).

    The cosine is that of what the unembedding reads: the state after the final norm.
    """
    read_LTD = compiled.final_norm(reading.model, np.asarray(states_LTD, np.float32))
    cosine_LT = measure.cosines(read_LTD, reading.unembedding_VD[token_T])
    return np.diff(cosine_LT, axis=0) > 0


def a16(diagonal, rotated, scalar, principal, rank_one, linear, kurtosis, kurtosis_rotated):
    """If layers filter channels, a factor for each channel should explain at least half of a
    block's update. Less than a tenth is too little for a picture of what layers do. Channels must
    also be better than other axes. So a factor for each of as many random directions is the
    baseline. Channels are better if they explain over 5 percentage points more than random
    directions, and no better if they explain less than 2 percentage points more. The other accounts
    and the kurtosis are shown and do not decide. Supported if a factor for each channel explains at
    least 50 %, and this is more than 5 percentage points above what a factor for each random
    direction explains. Refuted if a factor for each channel explains less than 10 %, or if it is
    less than 2 percentage points above what a factor for each random direction explains."""
    gain = diagonal - rotated
    return three_way(
        supported=diagonal >= 0.5 and gain > 0.05, refuted=diagonal < 0.1 or gain < 0.02
    )


@evidence(
    "A16",
    rule=a16,
    baseline="the same in randomly rotated axes, which are no channels of the model",
    sentence="A factor for each channel explains {diagonal:.1%} of a block's update on text that "
    "was not used for the fit, a factor for each of as many random directions {rotated:.1%}, for "
    "each principal axis {principal:.1%}. One factor for all channels explains {scalar:.1%}, a "
    "map of rank one {rank_one:.1%}, any linear map {linear:.1%}. The excess kurtosis over the "
    "channels is {kurtosis:.1f}, after a rotation {kurtosis_rotated:.1f}. (The article ends before "
    "it says what a layer's filter would be.)",
)
def measure_a16(reading: Reading, window: int) -> dict[str, float]:
    fitted = ("diagonal", "rotated", "scalar", "principal", "rank_one", "linear")
    return of_window(reading, window, *fitted, "kurtosis", "kurtosis_rotated")
