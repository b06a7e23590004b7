"""Tied or untied: what does a table of its own for the unembedding bring, and what does it hold?"""

import numpy as np

from minitx import measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading
from minitx.parameters import count_params
from minitx.pretrained.architectures import ARCHITECTURES
from minitx.runs.zoo import Family

HELPS = 0.02  # nats: less is the size of what one seed differs from another by


def final_loss(family: Family, seed: int) -> float:
    """Return the validation loss at the end of training."""
    return float(family.val_losses[seed, -1])


# --- B33: why untied embeddings help -------------------------------------------------------------


def lost_by_symmetry(transition_VV, stationary_V) -> float:
    """Return how far the best symmetric table of logits stays above a chain's entropy, in nats.

    A symmetric table makes a chain that looks the same backwards. The best one is the average of
    the chain and the chain run backwards, and the loss is the mean KL divergence from it.

    >>> round(lost_by_symmetry(np.roll(np.eye(3), 1, axis=1), np.full(3, 1 / 3)), 6)
    0.693147
    """
    transition_VV = np.asarray(transition_VV, np.float64)
    backwards_VV = stationary_V * transition_VV.T / np.asarray(stationary_V)[:, None]
    happens_VV = transition_VV > 0
    quotient_VV = np.ones_like(transition_VV)
    average_VV = (transition_VV + backwards_VV) / 2
    np.divide(transition_VV, average_VV, out=quotient_VV, where=happens_VV)
    return float(stationary_V @ (transition_VV * np.log(quotient_VV)).sum(axis=1))


def b33(same, gap, order, gap_with_block):
    """Without blocks a tied model has nothing but its table of logits, E E^T. Two things are wrong
    with this table. It is symmetric, so "a after b" and "b after a" share one logit. And the token
    with the longest row always gives itself the largest logit, because a dot product is at most the
    product of two lengths. The claim names only the second thing. For a Markov chain, what symmetry
    costs is known exactly: it is how far the best symmetric table stays above the chain's entropy.
    So the rest of the cost can be told apart from it. Untied embeddings help if tied ones cost at
    least 0.02 nats; two seeds differ by less. Seldom means less than half of the time. Symmetry
    must explain at most a quarter of the cost, so that the second thing explains the rest. If
    symmetry explains more than three quarters, the reason is another one. Supported if tied
    embeddings cost at least 0.02 nats without blocks and with one block, the next token repeats the
    present one less than 50 % of the time, and at most a quarter of the cost without blocks comes
    from symmetry. Refuted if tied embeddings cost less than 0.02 nats without blocks, or if more
    than three quarters of this cost come from symmetry."""
    rest = gap - order
    return three_way(
        supported=gap_with_block >= HELPS and same < 0.5 and rest >= 0.75 * gap,
        refuted=gap < HELPS or rest < 0.25 * gap,
    )


@evidence(
    "B33",
    rule=b33,
    baseline="the loss that a symmetric table costs on this chain, whatever tokens repeat",
    sentence="On a Markov chain whose next token repeats the present one {same:.0%} of the time, "
    "tied embeddings cost {gap:.3f} nats without blocks, and {gap_with_block:.3f} with one block. "
    "Even the best symmetric table loses {order:.3f} nats on this chain, because it gives "
    '"a after b" and "b after a" the same logit.',
    of="families",
    species=("chain-0-tied", "chain-0-untied", "chain-1-tied", "chain-1-untied"),
)
def measure_b33(
    seed: int, tied: Family, untied: Family, tied_block: Family, untied_block: Family
) -> dict[str, float]:
    chain = tied.data.generator
    return {
        "same": float(chain.stationary_V @ np.diag(chain.transition_VV)),
        "gap": final_loss(tied, seed) - final_loss(untied, seed),
        "order": lost_by_symmetry(chain.transition_VV, chain.stationary_V),
        "gap_with_block": final_loss(tied_block, seed) - final_loss(untied_block, seed),
    }


# --- B34: pairs of tokens ------------------------------------------------------------------------


def share_above(log_p_SV, next_T, token_T) -> float:
    """Return how often a token is likelier after its own predecessor than after another one.

    Row s of log_p_SV follows token_T[s]. Each next_T[t] is compared with all rows whose
    predecessor differs; equal probabilities count half. By chance it is 0.5.

    >>> share_above(np.log([[0.1, 0.9], [0.5, 0.5]]), np.array([1, 0]), np.array([0, 1]))
    1.0
    """
    of_next_ST = log_p_SV[:, next_T]
    own_T = np.diag(of_next_ST)
    differs_ST = token_T[:, None] != token_T
    above_ST = (own_T > of_next_ST) + 0.5 * (own_T == of_next_ST)
    return float(above_ST[differs_ST].mean())


def b34(direct, backwards, whole):
    """The rule asks about order only: is the token that came next likelier after its own
    predecessor than after another token? By chance it is likelier in 50 % of the comparisons. The
    embedding and the unembedding without the blocks can know nothing but pairs. The whole model
    sees more than pairs, so the two tables must get only half as far above 50 %. They must also get
    further than if every pair is read in reverse order. Otherwise they know what goes together, but
    not what follows what. Supported if embedding and unembedding alone get at least half as far
    above 50 % as the whole model, and further than with the pairs in reverse order. Refuted if they
    get less than a tenth as far above 50 % as the whole model."""
    reach = whole - 0.5
    return three_way(
        supported=direct - 0.5 >= 0.5 * reach and direct > backwards,
        refuted=direct - 0.5 < 0.1 * reach,
    )


@evidence(
    "B34",
    rule=b34,
    baseline="a table that knows nothing of pairs: 50 %",
    sentence="Without the blocks, embedding and unembedding make the token that came next "
    "likelier after its own predecessor than after another token in {direct:.1%} of the "
    "comparisons ({backwards:.1%} if every pair is read in reverse order). The whole model does so "
    "in {whole:.1%}; by chance it would be 50 %.",
)
def measure_b34(reading: Reading, window: int) -> dict[str, float]:
    config = reading.config
    if config.depth and (config.norm_place == "post" or not config.residual):
        raise Untestable("nothing leads past its blocks")
    token_T, next_T = reading.tokens_WT[window, 1:-1], reading.tokens_WT[window, 2:]
    if len(set(token_T.tolist())) < 2:
        raise Untestable("a window repeats one token")

    def alone(ids_T) -> np.ndarray:
        rows_TD = reading.embedding_VD[ids_T] * reading.model.embedding_scale
        return measure.log_softmax(reading.readout(rows_TD))

    whole_TV = measure.log_softmax(reading.logits_TV(window)[:-1])
    return {
        "direct": share_above(alone(token_T), next_T, token_T),
        "backwards": share_above(alone(next_T), token_T, next_T),
        "whole": share_above(whole_TV, next_T, token_T),
    }


# --- C11: a question -----------------------------------------------------------------------------


def c11(families, with_table, tied_by_default, gap, parameters):
    """The claim is a question. Where the table came from is history, and no measurement answers it.
    Two things can be checked. The first is whether every model has a table: all families of models
    that can be loaded here must unembed with one. The second is whether a table of its own is
    better than the embedding's. It is better if it saves at least 0.02 nats, which is more than two
    seeds differ by, and needs at most 10 % more parameters. Supported if all families unembed with
    a table, and a table of its own saves at least 0.02 nats with at most 1.10 times the parameters.
    Refuted if a family unembeds without a table. Qualified if all families unembed with a table,
    but a table of its own saves less than 0.02 nats or needs more than 1.10 times the
    parameters."""
    return three_way(
        supported=with_table == families and gap >= HELPS and parameters <= 1.1,
        refuted=with_table < families,
    )


@evidence(
    "C11",
    rule=c11,
    baseline="a model that unembeds with its embedding: no loss is saved",
    sentence="All {with_table:.0f} of {families:.0f} families of models that can be loaded here "
    "unembed with a table; in {tied_by_default:.0f} it is the embedding's, unless a config says "
    "otherwise. On a Markov chain a table of its own saves {gap:.3f} nats, with "
    "{parameters:.2f} times the parameters. Where the table comes from is history.",
    of="families",
    species=("chain-1-tied", "chain-1-untied"),
)
def measure_c11(seed: int, tied: Family, untied: Family) -> dict[str, float]:
    tables = [family for family in ARCHITECTURES.values() if "unembedding.table" in family.tensors]
    return {
        "families": len(ARCHITECTURES),
        "with_table": len(tables),
        "tied_by_default": sum(
            family.defaults["tie_word_embeddings"] for family in ARCHITECTURES.values()
        ),
        "gap": final_loss(tied, seed) - final_loss(untied, seed),
        "parameters": count_params(untied.config) / count_params(tied.config),
    }
