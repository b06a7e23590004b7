"""Row lengths, shade, and pairs of tokens: on made-up tables with known answers."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from minitx.config import ModelConfig
from minitx.evidence import judging, token_sizes, tying
from minitx.evidence.evidence import EVIDENCE, Untestable
from minitx.evidence.reading import Reading
from minitx.model import Transformer, init_params


def table(lengths, unseen=(1, 3, 4), untied: float = 1.0) -> SimpleNamespace:
    """A family of one seed with rows of these lengths, `untied` times as long to unembed."""
    rows_VD = np.eye(len(lengths), 7)[:, ::-1] * np.asarray(lengths, float)[:, None]
    model = SimpleNamespace(
        embedding=SimpleNamespace(table=rows_VD),
        unembedding_VD=rows_VD ** (1 if untied == 1 else untied),
    )
    data = SimpleNamespace(generator=SimpleNamespace(unseen=unseen))
    return SimpleNamespace(models=[model], data=data)


def test_the_lengths_of_unseen_rows_are_measured_in_each_table():
    tied = table([2, 6, 2, 6, 6])
    decay = table([2, 1, 2, 1, 1])
    adam = table([2, 4, 2, 4, 4], untied=2)  # rows to unembed: squares, so 4 and 16
    sgd = table([3, 3, 3, 3, 3])
    found = EVIDENCE["B27"].measure(0, tied, adam, decay, sgd)
    assert found == pytest.approx({
        "adam_tied": 3, "adam_in": 2, "adam_out": 4, "decay_tied": 0.5, "sgd_in": 1, "sgd_out": 1,
    })  # fmt: skip


def rows_of(unembedding_VD) -> SimpleNamespace:
    rows_VD = np.asarray(unembedding_VD, float)
    return SimpleNamespace(
        unembedding_VD=rows_VD, config=SimpleNamespace(vocab=len(rows_VD), width=rows_VD.shape[1])
    )


def around(count: int) -> np.ndarray:
    angle_V = np.arange(count) * 2 * np.pi / count
    return np.stack([np.cos(angle_V), np.sin(angle_V)], axis=1)


def test_rows_around_a_circle_share_all_directions():
    found = EVIDENCE["B30"].measure(rows_of(around(20)))
    assert found["won"] == pytest.approx(0.1, abs=0.02)
    assert found["shadowed"] == found["never"] == 0


def test_a_giant_takes_what_its_length_gives_it_and_hides_its_neighbours():
    rows_VD = around(12)
    rows_VD[0] *= 3
    found = EVIDENCE["B30"].measure(rows_of(rows_VD))
    # cos 30 and cos 60 times 3 exceed 1: four neighbours lose in their own direction. Of them the
    # line from (3, 0) to (0, 1) hides those at 30 degrees; those at 60 degrees lie outside of it.
    assert found["shadowed"] == pytest.approx(4 / 12)
    assert found["never"] == pytest.approx(2 / 12)
    assert found["won_at_one_length"] == pytest.approx(1 / 12, abs=0.02)
    # It wins up to the direction in which (3, 0) and the row at 60 degrees are level.
    level = np.arctan((3 - np.cos(np.pi / 3)) / np.sin(np.pi / 3))
    assert found["won"] == pytest.approx(2 * level / (2 * np.pi), abs=0.02)


def test_a_row_that_loses_in_its_own_direction_can_still_win_elsewhere():
    rows_VD = np.array([[1.0, 0.3], [2.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])
    assert token_sizes.loses_alone(np.arange(4), rows_VD).tolist() == [True, False, False, False]
    assert not token_sizes.never_wins(0, rows_VD)
    inside = np.vstack([rows_VD, [[0.1, 0.1]]])
    assert token_sizes.never_wins(4, inside)


def test_few_tokens_have_no_longest_tenth():
    with pytest.raises(Untestable, match="fewer than ten"):
        EVIDENCE["B30"].measure(rows_of(around(9)))


def chain_family(losses, transition_VV=None, stationary_V=None) -> SimpleNamespace:
    generator = SimpleNamespace(transition_VV=transition_VV, stationary_V=stationary_V)
    config = ModelConfig(width=8, depth=1, heads=2, context=9, vocab=5, norm="none")
    return SimpleNamespace(
        val_losses=np.array([losses]), data=SimpleNamespace(generator=generator), config=config
    )


def test_symmetry_costs_what_science_says():
    cycle = np.roll(np.eye(12), 1, axis=1)
    assert tying.lost_by_symmetry(cycle, np.full(12, 1 / 12)) == pytest.approx(np.log(2))
    weight_VV = np.random.default_rng(0).uniform(size=(6, 6))
    weight_VV += weight_VV.T
    row_V = weight_VV.sum(axis=1)
    reversible_VV = weight_VV / row_V[:, None]
    assert tying.lost_by_symmetry(reversible_VV, row_V / row_V.sum()) == pytest.approx(0)


def test_the_gap_is_that_of_the_last_losses():
    transition_VV = np.array([[0.25, 0.75], [0.75, 0.25]])
    families = [
        chain_family([9.0, 2.5], transition_VV, np.full(2, 0.5)),
        chain_family([9.0, 1.9]),
        chain_family([9.0, 2.0]),
        chain_family([9.0, 1.7]),
    ]
    found = EVIDENCE["B33"].measure(0, *families)
    assert found == pytest.approx({"same": 0.25, "gap": 0.6, "order": 0, "gap_with_block": 0.3})


def test_known_architectures_are_counted():
    found = EVIDENCE["C11"].measure(0, chain_family([2.0]), chain_family([1.5]))
    assert found == {"families": 5, "with_table": 5, "tied_by_default": 2, "gap": 0.5,
                     "parameters": 1}  # fmt: skip


def reading(tied: bool, tokens_WT, seed: int = 0) -> Reading:
    """A model without blocks whose table says that n + 1 follows n, of 11 tokens; or tied."""
    config = ModelConfig(
        width=16, depth=0, heads=4, context=13, vocab=11, norm="none", positions="none", tied=tied
    )
    params = init_params(config, jax.random.key(seed))
    if not tied:
        rows_VD = np.zeros((11, 16), np.float32)
        rows_VD[:, :11] = np.eye(11)
        params["embedding"]["table"] = rows_VD
        params["unembedding"]["table"] = np.roll(rows_VD, 1, axis=0)
    return Reading(Transformer.of(config, params), tokens_WT, ["one"] * len(tokens_WT))


def test_a_table_of_pairs_knows_which_token_follows():
    tokens_WT = (np.arange(13) + np.arange(3)[:, None]) % 11
    found = EVIDENCE["B34"].measure(reading(False, tokens_WT), 1)
    assert found == pytest.approx({"direct": 1, "backwards": 0.5, "whole": 1}, abs=0.05)
    backwards = EVIDENCE["B34"].measure(reading(False, tokens_WT[:, ::-1]), 1)
    assert backwards["direct"] == pytest.approx(found["backwards"])
    assert backwards["backwards"] == pytest.approx(1)


def test_a_table_that_knows_nothing_of_pairs_is_at_chance():
    tokens_WT = np.random.default_rng(3).integers(0, 11, (200, 13))
    shares = [EVIDENCE["B34"].measure(reading(False, tokens_WT), window)["direct"]
              for window in range(100)]  # fmt: skip
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)


def test_pairs_need_a_way_past_the_blocks():
    seen = SimpleNamespace(config=ModelConfig(depth=1, residual=False))
    with pytest.raises(Untestable, match="nothing leads past"):
        EVIDENCE["B34"].measure(seen, 0)


def test_untrained_tables_support_nothing():
    rows_VD = np.random.default_rng(8).standard_normal((220, 32))
    made = table(np.ones(5))
    made.models[0] = SimpleNamespace(embedding=SimpleNamespace(table=rows_VD),
                                     unembedding_VD=rows_VD[::-1])  # fmt: skip
    families = [made] * 4
    assert judging.ruled(EVIDENCE["B27"], EVIDENCE["B27"].measure(0, *families)) == "refuted"
    found = EVIDENCE["B30"].measure(rows_of(rows_VD))
    assert found["shadowed"] < 0.01 and judging.ruled(EVIDENCE["B30"], found) == "qualified"
    tokens_WT = np.random.default_rng(3).integers(0, 11, (1, 13))
    found = EVIDENCE["B34"].measure(reading(True, tokens_WT), 0)
    assert found["direct"] == pytest.approx(found["whole"])  # without blocks nothing else is there
