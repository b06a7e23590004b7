"""What makes the rows of some tokens long or short, and what does it do to the others?"""

import numpy as np
from scipy.optimize import linprog

from minitx import measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading
from minitx.evidence.weights import some_tokens
from minitx.runs.zoo import Family

STANDS_OUT = 2.0  # times as long as usual, or as short
DIRECTIONS = 4000
TENTH = 0.1
TRIED = 20  # rows for which it is worked out whether any state at all chooses them
ROUNDS = 50
RIVALS = 50  # that a round adds
LEAST = 1e-6  # by which a row must lead to win; less is rounding
PRODUCTS = 2**25  # held in memory at once


# --- B27: tokens that never occur ----------------------------------------------------------------


def length_of_unseen(table_VD, unseen) -> float:
    """Return the median length of the rows of unseen tokens over that of all others.

    >>> length_of_unseen([[3.0, 4.0], [0.0, 1.0], [2.0, 0.0], [0.0, 2.0]], [0])
    2.5
    """
    norm_V = measure.norms(table_VD)
    is_unseen_V = np.isin(np.arange(len(norm_V)), unseen)
    return float(np.median(norm_V[is_unseen_V]) / np.median(norm_V[~is_unseen_V]))


def b27(adam_tied, adam_in, adam_out, decay_tied, sgd_in, sgd_out):
    """Tokens that never occur stand out if their rows are giants or dwarfs. Giants are at least
    twice as long as the other rows. Dwarfs are at most half as long. Most rows of a trained table
    differ by less: claim B26 asks for a factor of 1.5. Six tables are measured. They were trained
    with Adam, with weight decay or with SGD, and some of them are tied. The claim names giants and
    dwarfs, so both must be found. Supported if these tokens stand out in all six tables, as giants
    in at least one of them and as dwarfs in at least one of them. Refuted if these tokens stand out
    in no table, as in an untrained one."""
    ratios = np.array([adam_tied, adam_in, adam_out, decay_tied, sgd_in, sgd_out])
    giants, dwarfs = ratios >= STANDS_OUT, ratios <= 1 / STANDS_OUT
    return three_way(
        supported=bool((giants | dwarfs).all() and giants.any() and dwarfs.any()),
        refuted=not (giants | dwarfs).any(),
    )


@evidence(
    "B27",
    rule=b27,
    baseline="an untrained table: 1, because its rows know nothing of their tokens",
    sentence="Rows of tokens that never occur are {adam_tied:.2f} times as long as the others with "
    "Adam and tied embeddings, {decay_tied:.2f} times with weight decay. Untied, the unembedding "
    "has {adam_out:.2f} (Adam) and {sgd_out:.2f} (SGD), the embedding {adam_in:.2f} and "
    "{sgd_in:.2f}.",
    of="families",
    species=("sizes-adam-tied", "sizes-adam-untied", "sizes-decay-tied", "sizes-sgd-untied"),
)
def measure_b27(
    seed: int, adam_tied: Family, adam: Family, decay_tied: Family, sgd: Family
) -> dict[str, float]:
    def table_in(family: Family) -> float:
        table_VD = family.models[seed].embedding.table[...]
        return length_of_unseen(table_VD, family.data.generator.unseen)

    def table_out(family: Family) -> float:
        table_VD = family.models[seed].unembedding_VD
        return length_of_unseen(table_VD, family.data.generator.unseen)

    return {
        "adam_tied": table_out(adam_tied),
        "adam_in": table_in(adam),
        "adam_out": table_out(adam),
        "decay_tied": table_out(decay_tied),
        "sgd_in": table_in(sgd),
        "sgd_out": table_out(sgd),
    }


# --- B30: targets and shade ----------------------------------------------------------------------


def won_by_longest(rows_VD, norm_V, directions_ZD) -> float:
    """Return the share of directions in which one of the longest tenth has the largest product."""
    count = max(1, round(TENTH * len(norm_V)))
    longest = np.argsort(norm_V)[-count:]
    return float(np.isin((directions_ZD @ rows_VD.T).argmax(axis=-1), longest).mean())


def loses_alone(ids, rows_VD) -> np.ndarray:
    """Return, for each id, whether another row has a larger product in the row's own direction."""
    lost = []
    for piece in np.array_split(ids, max(1, len(ids) * len(rows_VD) // PRODUCTS)):
        product_XV = rows_VD[piece] @ rows_VD.T
        lost.append(product_XV.max(axis=-1) > product_XV[np.arange(len(piece)), piece])
    return np.concatenate(lost)


def never_wins(id: int, rows_VD) -> bool:
    """Return whether no state at all gives this row the largest dot product.

    Then the row lies inside the convex hull of the others. A linear program looks for a state that
    prefers the row to its rivals; the rows that beat it there join the rivals, until none does.
    """
    x_D = rows_VD[id]
    rivals = np.array([], int)
    for _ in range(ROUNDS):
        ahead_V = rows_VD @ x_D
        ahead_V -= ahead_V[id]
        ahead_V[id] = ahead_V[rivals] = -np.inf
        beating = np.flatnonzero(ahead_V > 0)
        if not len(beating):
            return False
        rivals = np.append(rivals, beating[np.argsort(ahead_V[beating])[-RIVALS:]])
        # The largest t with (w_j - w_i) x + t <= 0 for all rivals j: above 0 if the row can win.
        above = np.c_[rows_VD[rivals] - rows_VD[id], np.ones(len(rivals))]
        goal = np.append(np.zeros(rows_VD.shape[1]), -1.0)
        found = linprog(goal, above, np.zeros(len(rivals)), bounds=(-1, 1))
        if found.status != 0 or found.x[-1] <= LEAST:
            return True
        x_D = found.x[:-1].astype(rows_VD.dtype)
    return False


def b30(won, won_at_one_length, shadowed, never):
    """A direction that is drawn at random knows nothing of how frequent tokens are. So the share of
    random directions that a row wins is the size of its target. Longer rows are larger targets if
    the longest tenth of the rows wins at least twice its share, which is 20 %. It must also win at
    least 1.5 times what it would win with all rows at one length, or its directions would explain
    it. A row is in the shade if it loses to another row even in its own direction. At least one row
    in a hundred must be in the shade. Supported if the longest tenth wins at least 20 % of random
    directions and at least 1.5 times what it would win at one length, and at least 1 % of the rows
    are in the shade. Refuted if the longest tenth wins no more than it would win at one length."""
    return three_way(
        supported=won >= max(2 * TENTH, 1.5 * won_at_one_length) and shadowed >= 0.01,
        refuted=won <= won_at_one_length,
    )


@evidence(
    "B30",
    rule=b30,
    baseline="the same rows at one length: what their directions alone win",
    sentence="The longest tenth of the rows wins {won:.0%} of random directions; with all rows at "
    "one length it would win {won_at_one_length:.0%}. {shadowed:.1%} of the rows lose to another "
    "row even in their own direction, and {never:.1%} cannot win for any state.",
    of="model",
    species=("sizes-adam-tied",),
)
def measure_b30(reading: Reading) -> dict[str, float]:
    rows_VD = reading.unembedding_VD.astype(np.float32)
    if reading.config.vocab < 1 / TENTH:
        raise Untestable("it has fewer than ten tokens")
    ids = some_tokens(reading)
    chosen_XD = rows_VD[ids]
    norm_X = measure.norms(chosen_XD)
    rng = np.random.default_rng(0)
    directions_ZD = rng.standard_normal((DIRECTIONS, rows_VD.shape[1]), np.float32)
    unit_XD = chosen_XD / np.maximum(norm_X, 1e-30)[:, None].astype(np.float32)
    shaded = ids[loses_alone(ids, rows_VD)]
    tried = shaded[:: max(1, -(-len(shaded) // TRIED))]
    never = [never_wins(id, rows_VD) for id in tried]
    shadowed = len(shaded) / len(ids)
    return {
        "won": won_by_longest(chosen_XD, norm_X, directions_ZD),
        "won_at_one_length": won_by_longest(unit_XD, norm_X, directions_ZD),
        "shadowed": shadowed,
        "never": shadowed * float(np.mean(never)) if len(tried) else 0.0,
    }
