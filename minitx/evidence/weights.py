"""What the tables of embedding and unembedding say by themselves, without any text."""

import numpy as np

from minitx import measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading

TOKENS = 2000  # of a large vocabulary that are tried


def some_tokens(reading: Reading, most: int = TOKENS) -> np.ndarray:
    """Return the ids of all tokens, or of some that are spread evenly over a large vocabulary."""
    V = reading.config.vocab
    return np.unique(np.linspace(0, V - 1, min(V, most)).astype(int))


def b4(back):
    """The row of a token is read out through the final norm layer and the unembedding. A token
    comes back if it gets the largest logit. Exceptions should be rare, so 99 % of the tokens must
    come back. If fewer than half come back, coming back is the exception. Supported if at least
    99 % of the tokens come back. Refuted if less than 50 % of the tokens come back."""
    return three_way(supported=back >= 0.99, refuted=back < 0.5)


@evidence(
    "B4",
    rule=b4,
    baseline="a random guess: 1/V",
    sentence="{back:.1%} of the tokens come back when their row is read out through the final norm "
    "layer and the unembedding.",
    of="model",
    species=("bpe",),
)
def measure_b4(reading: Reading) -> dict[str, float]:
    if not reading.config.tied:
        raise Untestable("its embeddings are not tied")
    ids = some_tokens(reading)
    chosen = reading.readout(reading.embedding_VD[ids]).argmax(axis=-1)
    return {"back": float(np.mean(chosen == ids))}


def b10(error):
    """A one-hot vector has a 1 in one place and 0 in all others. Its product with the table adds up
    all rows, each multiplied by its number in the vector. All rows except one are multiplied by 0,
    so the sum is that row. The check asks for exact equality, because nothing is rounded. By
    algebra if the product differs from the row by exactly 0. Refuted if the product differs from
    the row at all."""
    return "by algebra" if error == 0 else "refuted"


@evidence(
    "B10",
    rule=b10,
    baseline="none: it holds for any table",
    sentence="A one-hot vector times the table differs from the row by {error:g}.",
    of="model",
)
def measure_b10(reading: Reading) -> dict[str, float]:
    table_VD = reading.embedding_VD
    id = len(table_VD) // 2
    one_hot_V = np.zeros(len(table_VD))
    one_hot_V[id] = 1
    return {"error": float(np.abs(one_hot_V @ table_VD - table_VD[id]).max())}


def b26(spread):
    """The lengths of the embedding's rows are compared. The claim speaks of most tokens, so the
    shortest and the longest tenth are left out. Lengths are about the same if the rest differ by a
    factor of at most 1.5. Above a factor of 3, lengths are not alike in any sense. Supported if the
    middle 80 % of the rows differ in length by a factor of at most 1.5. Refuted if the middle 80 %
    of the rows differ in length by a factor above 3."""
    return three_way(supported=spread <= 1.5, refuted=spread > 3)


@evidence(
    "B26",
    rule=b26,
    baseline="an untrained table: a factor of 1.1 to 1.3, because its rows are random",
    sentence="The middle 80 % of the embedding's rows differ in length by a factor of "
    "{spread:.2f}.",
    of="model",
)
def measure_b26(reading: Reading) -> dict[str, float]:
    low, high = np.quantile(measure.norms(reading.embedding_VD), [0.1, 0.9])
    return {"spread": float(high / low)}
