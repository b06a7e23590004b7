"""Measurements on made-up models whose answers are known in closed form."""

import dataclasses
import functools
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from minitx.config import ModelConfig
from minitx.evidence.evidence import Untestable
from minitx.evidence.growth import straightness
from minitx.evidence.judging import EVIDENCE  # with every claim in it
from minitx.evidence.reading import Reading
from minitx.model import Transformer, init_params

# Sizes are pairwise distinct: 3 windows of 13 tokens, width 16, vocabulary 11, 4 blocks.
CONFIG = ModelConfig(width=16, depth=4, heads=2, mlp_width=20, context=13, vocab=11)


@functools.cache
def reading(**switches) -> Reading:
    config = dataclasses.replace(CONFIG, **switches)
    params = init_params(config, jax.random.key(1))
    rng = np.random.default_rng(2)
    params = jax.tree.map(lambda a: np.asarray(a) + 0.3 * rng.standard_normal(a.shape), params)
    params = jax.tree.map(lambda a: a.astype(np.float32), params)
    tokens_WT = rng.integers(0, 11, (3, 13))
    return Reading(Transformer.of(config, params), tokens_WT, ["one"] * 3)


def numbers(id: str, window: int = 1, **switches) -> dict[str, float]:
    claim, seen = EVIDENCE[id], reading(**switches)
    return claim.measure(seen) if claim.of == "model" else claim.measure(seen, window)


class Planted(Reading):
    """States by layer that were made up: one window, and no model."""

    def __init__(self, states_LTD, **config):
        self.config = SimpleNamespace(depth=len(states_LTD) - 1, residual=True, norm_place="pre",
                                      norm="layernorm", **config)  # fmt: skip
        self.planted_LTD = np.asarray(states_LTD, float)

    def states_LTD(self, window):
        return self.planted_LTD


def growing(factor, layers=6, tokens=5, width=8):
    """States that keep their direction and grow by a factor in every layer."""
    x_TD = np.random.default_rng(3).standard_normal((tokens, width))
    return [x_TD * factor**layer for layer in range(layers)]


def test_growth_that_was_planted_is_found():
    found = EVIDENCE["A8"].measure(Planted(growing(1.5)), 0)
    assert found["share_that_grow"] == 1 and found["growth"] == pytest.approx(1.5**5)
    found = EVIDENCE["A10"].measure(Planted(growing(1.5)), 0)
    assert found == pytest.approx({"rank_with_layer": 1, "share_larger": 1})
    found = EVIDENCE["A11"].measure(Planted(growing(1.5)), 0)
    assert found["least_cosine"] == pytest.approx(1)
    assert found["right_angle_growth"] == pytest.approx(1 / 1.5)
    assert found["right_angle_step"] == pytest.approx(1 / np.sqrt(1.25))
    assert found["growth_per_layer"] == pytest.approx(1.5)
    assert found["exponential"] == pytest.approx(1)
    assert found["square_root"] < 0.99


def test_steps_at_right_angles_match_both_baselines():
    x_TD = np.zeros((3, 8))
    states = []
    for layer in range(6):
        x_TD = x_TD.copy()
        x_TD[:, layer] = 1.0
        states.append(x_TD)
    found = EVIDENCE["A9"].measure(Planted(states), 0)
    assert found["cosine"] == pytest.approx(found["right_angle_growth"])
    assert found["cosine"] == pytest.approx(found["right_angle_step"])
    assert found["with_embedding"] == pytest.approx(1 / np.sqrt(6))
    assert found["update_cosine"] == pytest.approx(0) == found["update_centred"]


def test_an_update_along_what_all_states_share_has_a_cosine_of_its_own_but_not_centred():
    x_TD = np.eye(4, 8) + np.eye(8)[7]  # a part of its own and a common one, of length 1 each
    found = EVIDENCE["A9"].measure(Planted([x_TD + layer * np.eye(8)[7] for layer in range(3)]), 0)
    assert found["update_cosine"] == pytest.approx(2 / np.sqrt(5))  # block 1 is left out
    assert found["update_centred"] == pytest.approx(0)


def test_the_accounts_of_the_squared_length_add_up():
    found = numbers("A13")
    assert found["by_adding"] + found["by_alignment"] == pytest.approx(1)
    trace = reading().trace
    end_TD = trace.stream_RBTD[-1, 1, 1:].astype(float)
    parts = [trace.stream_RBTD[0, 1, 1:], *trace.attention_update_NBTD[:, 1, 1:],
             *trace.mlp_update_NBTD[:, 1, 1:]]  # fmt: skip
    crossed_T = sum(
        (a * b).sum(-1) for i, a in enumerate(parts) for j, b in enumerate(parts) if i != j
    )
    expected = crossed_T.sum() / (end_TD**2).sum()
    assert found["by_alignment"] == pytest.approx(expected, rel=1e-3)


def test_a_norm_divides_length_away_and_its_absence_does_not():
    assert abs(numbers("B28")["entropy_fall_before_norm"]) < 1e-4
    bare = numbers("B28", norm="none")
    assert bare["entropy_fall_before_norm"] == pytest.approx(bare["entropy_fall_after_norm"])
    assert numbers("B16")["change_of_what_is_read"] < 1e-3 < numbers("B16")["output_kl"]
    assert numbers("C9")["error_with_norm"] > 0.01 > numbers("C9", norm="none")["error_with_norm"]


def test_biases_decide_what_a_state_of_zeros_predicts():
    assert abs(numbers("B29")["short_of_uniform"]) < 1e-6
    assert numbers("B29", bias=True)["short_of_uniform"] > 0.01


def test_identities_hold():
    assert numbers("B10") == {"error": 0}
    assert numbers("B18")["leak_from_later"] < 1e-6
    assert numbers("B21")["error"] < 1e-6
    assert numbers("C3")["kl_of_shift"] < 1e-12
    assert numbers("B22")["probability_when_cold"] > 0.99
    assert numbers("B23")["lowest_times_n"] == pytest.approx(1, abs=0.01)


def test_planted_variants_are_the_highest_peaks():
    """24 words in two cases each, with nearly equal rows; and the same with rows at random."""
    rng = np.random.default_rng(5)
    strings = [chr(97 + n) * 3 for n in range(24)] + [" " + chr(65 + n) * 3 for n in range(24)]
    rows_VD = rng.standard_normal((24, 20))
    alike_VD = np.concatenate([rows_VD, rows_VD + 0.1 * rng.standard_normal((24, 20))])
    made = SimpleNamespace(strings_V=strings, embedding_VD=alike_VD)
    found = EVIDENCE["B12"].measure(made)
    assert found["by_cosine"] == 1 and found["by_inverse"] > 0.9
    assert found["by_chance"] == pytest.approx(1 / 47)
    made.embedding_VD = rng.standard_normal((48, 20))
    assert EVIDENCE["B12"].measure(made)["by_inverse"] < 0.2


def test_the_lens_of_a_model_whose_blocks_write_nothing_is_exact():
    seen = reading(init="plain", tied=True, positions="none")
    made = Reading(seen.model, seen.tokens_WT, seen.text_W)
    made.states_LTD = lambda window: np.repeat(
        np.asarray(seen.trace.states_LBTD[-1:, window, 1:]), 5, axis=0
    )
    found = EVIDENCE["B36"].measure(made, 0)
    assert found["at_half_depth"] < 1e-6 and found["share_of_layers"] == 1


def test_a_table_with_fewer_tokens_than_channels_has_an_exact_inverse():
    assert numbers("B11") == pytest.approx({"mean_peak": 1, "lowest_peak": 1, "noise": 0}, abs=1e-5)


def test_the_peaks_and_the_noise_of_a_tall_table_are_those_of_its_projection():
    small = {"width": 4, "heads": 2, "head_width": 2}
    table_VD = reading(**small).embedding_VD
    projection_VV = table_VD @ np.linalg.pinv(table_VD)
    peaks_V = np.diag(projection_VV)
    others_VV = projection_VV - np.diag(peaks_V)
    found = numbers("B11", **small)
    assert found["mean_peak"] == pytest.approx(4 / 11) == peaks_V.mean()
    assert found["lowest_peak"] == pytest.approx(peaks_V.min())
    assert found["noise"] == pytest.approx(np.sqrt(np.sum(others_VV**2) / (11 * 10)))


@pytest.mark.parametrize("lengths_differ", [True, False])
def test_the_share_of_length_is_what_was_planted(lengths_differ):
    """States that differ in length, with a little noise; and states of one length."""
    rng = np.random.default_rng(0)
    noise_TD = rng.standard_normal((300, 5))
    x_TD = 1 + 1e-4 * noise_TD if lengths_differ else noise_TD
    length_T = rng.uniform(0.5, 4, 300) if lengths_differ else np.ones(300)
    x_TD = x_TD / np.linalg.norm(x_TD, axis=1, keepdims=True) * length_T[:, None]
    made = SimpleNamespace(
        trace=SimpleNamespace(after_final_norm_BTD=x_TD[None]),
        unembedding_VD=rng.standard_normal((6, 5)), random=np.random.default_rng,
    )  # fmt: skip
    share = EVIDENCE["B37"].measure(made, 0)["share_with_length"]
    assert share > 0.95 if lengths_differ else abs(share) < 1e-9


def test_equal_rows_make_all_rules_alike():
    seen = reading()
    made = SimpleNamespace(
        trace=seen.trace, random=seen.random, tokens_WT=seen.tokens_WT,
        unembedding_VD=seen.unembedding_VD
        / np.linalg.norm(seen.unembedding_VD, axis=1, keepdims=True),
    )  # fmt: skip
    found = EVIDENCE["B2"].measure(made, 0)
    assert set(found.values()) == {1} and len(found) == 4
    assert EVIDENCE["B24"].measure(made, 0)["nearest_differs"] == 0
    alike = EVIDENCE["C8"].measure(made, 0)
    assert alike["right_by_dot"] == alike["right_by_nearest"]


def test_statistics():
    assert straightness([0, 1, 2], [5, 3, 1]) == pytest.approx(1)


@pytest.mark.parametrize(
    "id, switches",
    [
        ("A8", {"depth": 0}), ("A9", {"depth": 0}), ("A10", {"depth": 2}), ("A11", {"depth": 3}),
        ("A13", {"residual": False}), ("A13", {"norm_place": "post"}), ("B4", {}), ("B12", {}),
        ("B13", {}), ("B13", {"tied": True}), ("B20", {}),
        ("B36", {"depth": 1}),
        ("B16", {"norm": "none"}), ("A14", {"depth": 0}),
    ],
)  # fmt: skip
def test_what_a_model_cannot_be_asked(id, switches):
    with pytest.raises(Untestable):
        numbers(id, **switches)


@pytest.mark.parametrize("id", [id for id, claim in EVIDENCE.items() if claim.needs_one_model])
def test_every_claim_is_measured_on_a_tied_model(id):
    if id in {"B5", "B6", "B7", "B8", "B12", "B13", "B32", "B35"}:
        return  # they need words, more tokens than channels, or training
    found = numbers(id, tied=True)
    assert all(np.isfinite(value) for value in found.values())
    assert EVIDENCE[id].rule(**found)
