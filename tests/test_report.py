"""What `minitx inspect` tells: its numbers on tiny models, and its verdicts on made-up ones."""

import csv
import dataclasses
import functools
import io
import json
import math

import jax
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from minitx import compiled, geometry, last_state, measure, report
from minitx.config import ModelConfig, TrainConfig
from minitx.devices import mesh as devices
from minitx.errors import InputError
from minitx.model import Transformer
from minitx.tables import columns_to_csv
from minitx.train import init_state

# Weights of a natural size and hardly an epsilon: a norm then takes out size exactly.
SMALL = ModelConfig(
    width=12, depth=3, heads=2, mlp_width=10, context=8, vocab=11, init_std=None, norm_epsilon=1e-9
)
MODELS = {
    "pre": SMALL,
    "post": dataclasses.replace(SMALL, norm_place="post", norm="rmsnorm"),
    "final": dataclasses.replace(SMALL, norm_place="final"),
    "none": dataclasses.replace(SMALL, norm="none"),
    "depth 0": dataclasses.replace(SMALL, depth=0),
    "cosine": dataclasses.replace(SMALL, head="cosine"),
    "distance": dataclasses.replace(SMALL, head="distance", tied=True),
}
SEED, OTHER_SEED = 3, 4
TOKENS = np.random.default_rng(0).integers(0, SMALL.vocab, (5, SMALL.context))

EVERY_LAYER = ["norm_median", "norm_p10", "norm_p90", "norm_first_position", "cos_embedding"]
EVERY_LAYER += ["lens_entropy", "lens_kl", "lens_top1"]
AFTER_THE_FIRST = ["growth", "cos_prev", "cos_prev_p10", "cos_prev_p90", "null_cos"]
AFTER_THE_FIRST += ["cos_prev_centred", "cos_random_pairs", "update_norm"]
AFTER_THE_FIRST += ["step", "step_null_cos"]
AFTER_THE_FIRST += ["cos_update", "cos_update_centred", "cos_update_rest"]
CURVES = ["entropy_after_norm", "top_after_norm", "entropy_before_norm", "top_before_norm"]
BOUNDS = ["entropy_after_norm_p10", "entropy_after_norm_p90"]
BOUNDS += ["entropy_before_norm_p10", "entropy_before_norm_p90"]

every_model = pytest.mark.parametrize("name", MODELS)


@functools.cache
def model(name: str) -> Transformer:
    return Transformer(MODELS[name], 17)


@functools.cache
def found(name: str) -> dict:
    """The report on a model that is not the one its seed makes."""
    return report.inspect(model(name), TOKENS, SEED)


@functools.cache
def oracle(name: str) -> dict:
    """What the plain numpy model records of the same tokens."""
    return reference.run(MODELS[name], model(name).params(), TOKENS)


def readout(name: str, x_BTD):
    """What the end of the model makes of states, in numpy."""
    config, params = MODELS[name], reference.as_float64(model(name).params())
    if config.norm_place != "post":
        states = x_BTD.reshape(-1, config.width)
        x_BTD = reference.norm(config, params.get("final_norm"), states).reshape(x_BTD.shape)
    return unembed(name, x_BTD)


def unembed(name: str, x_BTD):
    """What the unembedding alone makes of states, in numpy."""
    config, params = MODELS[name], reference.as_float64(model(name).params())
    return reference.unembed(config, params, x_BTD.reshape(-1, config.width)).reshape(
        *x_BTD.shape[:-1], config.vocab
    )


# --- the numbers ------------------------------------------------------------------------------


@every_model
def test_a_report_is_plain_json_with_every_key(name):
    assert json.loads(json.dumps(found(name), allow_nan=False)) == found(name)
    assert list(found(name)) == [
        "tokens", "sequences", "layers", "untrained", "last_state", "scale", "displacement",
        "calibration", "findings",
    ]  # fmt: skip
    assert (found(name)["tokens"], found(name)["sequences"]) == (40, 5)
    for part in ("layers", "untrained"):
        assert set(found(name)[part]) == {*EVERY_LAYER, *AFTER_THE_FIRST}
    assert set(found(name)["scale"]) == {"c", *CURVES, *BOUNDS}
    assert len(found(name)["findings"]) == 3
    for finding in found(name)["findings"]:
        assert list(finding) == ["claim", "verdict", "numbers", "why"]
        assert finding["verdict"] in ("supported", "qualified", "refuted", "untested")


@every_model
def test_every_list_goes_from_the_embedding_to_the_last_block(name):
    depth = MODELS[name].depth
    for part in ("layers", "untrained"):
        for key in EVERY_LAYER:
            values = found(name)[part][key]
            assert len(values) == depth + 1 and None not in values, key
        for key in AFTER_THE_FIRST:
            values = found(name)[part][key]
            assert values[0] is None and len(values) == depth + 1 and None not in values[1:], key


@every_model
def test_the_layers_are_the_stations_after_the_embedding_and_after_each_block(name):
    layers, stations = found(name)["layers"], oracle(name)["stream_RBTD"][::2]
    assert len(stations) == MODELS[name].depth + 1
    for key, expected in (measure.layers(stations) | geometry.updates(stations)).items():
        blank, seen = expected.count(None), layers[key]
        assert seen[:blank] == expected[:blank]
        assert seen[blank:] == pytest.approx(expected[blank:], abs=1e-5), key
    final_BTV = readout(name, stations[-1])
    for layer, x_BTD in enumerate(stations):
        lens = measure.lens(readout(name, x_BTD), final_BTV)
        for key, value in lens.items():
            assert layers[key][layer] == pytest.approx(value, abs=1e-5), (key, layer)


@every_model
def test_the_lens_on_the_last_layer_is_the_model_itself(name):
    layers = found(name)["layers"]
    assert (layers["lens_kl"][-1], layers["lens_top1"][-1]) == (0, 1)
    entropy = measure.entropy(oracle(name)["logits_BTV"]).mean()
    assert layers["lens_entropy"][-1] == pytest.approx(entropy, abs=1e-5)


@every_model
def test_the_null_is_one_over_growth_where_the_state_grows(name):
    layers = found(name)["layers"]
    for growth, null in zip(layers["growth"][1:], layers["null_cos"][1:], strict=True):
        assert null == pytest.approx(1 / growth if growth > 1 else 1)


@every_model
def test_the_untrained_columns_are_those_of_the_model_that_training_starts_from(name):
    config, seed = MODELS[name], TrainConfig(seed=SEED)
    start = Transformer.of(config, init_state(config, seed).params)
    assert found(name)["untrained"] == report.measure_layers(start, TOKENS)
    assert found(name)["untrained"] != found(name)["layers"]


def test_another_seed_has_another_untrained_model_and_the_same_trained_one():
    other = report.inspect(model("pre"), TOKENS, OTHER_SEED)
    assert other["layers"] == found("pre")["layers"]
    assert other["untrained"]["norm_median"] != found("pre")["untrained"]["norm_median"]


# --- size and confidence ----------------------------------------------------------------------


@every_model
def test_the_scales_go_from_an_eighth_to_eight_with_one_half_one_and_two_among_them(name):
    c = found(name)["scale"]["c"]
    assert c == sorted(c) and {0.125, 0.5, 1.0, 2.0, 8.0} <= set(c)
    assert all(len(values) == len(c) for values in found(name)["scale"].values())


@every_model
def test_at_its_own_size_a_state_gives_the_model_its_own_confidence(name):
    scale = found(name)["scale"]
    own = scale["c"].index(1.0)
    confidence = measure.confidence(oracle(name)["logits_BTV"])
    for place in ("after_norm", "before_norm"):
        for key, bound in (("entropy", ""), ("entropy", "_p10"), ("entropy", "_p90"), ("top", "")):
            seen = scale[f"{key}_{place}{bound}"][own]
            assert seen == pytest.approx(confidence[key + bound], abs=1e-5), (place, key)


dot_models = pytest.mark.parametrize("name", [n for n, c in MODELS.items() if c.head == "dot"])


@dot_models
def test_after_the_norm_a_longer_state_is_a_surer_one(name):
    scale = found(name)["scale"]
    assert (np.diff(scale["entropy_after_norm"]) < 0).all()
    assert (np.diff(scale["top_after_norm"]) > 0).all()
    assert scale["entropy_after_norm"][0] - scale["entropy_after_norm"][-1] > 0.3


@every_model
def test_after_the_norm_it_is_the_state_that_is_scaled(name):
    scale, after_BTD = found(name)["scale"], oracle(name)["after_final_norm_BTD"]
    for n, c in enumerate(scale["c"]):
        confidence = measure.confidence(unembed(name, c * after_BTD))
        for key in ("entropy", "top"):
            assert scale[f"{key}_after_norm"][n] == pytest.approx(confidence[key], abs=1e-5)


def test_under_a_cosine_the_size_of_the_state_changes_nothing_anywhere():
    scale = found("cosine")["scale"]
    for curve in CURVES:
        assert scale[curve] == pytest.approx([scale[curve][0]] * len(scale["c"]), abs=1e-5)
    assert found("cosine")["findings"][2]["verdict"] == "refuted"


@dot_models
def test_after_the_norm_scaling_the_state_is_scaling_the_logits(name):
    scale, logits_BTV = found(name)["scale"], oracle(name)["logits_BTV"]
    for c, entropy in zip(scale["c"], scale["entropy_after_norm"], strict=True):
        assert entropy == pytest.approx(measure.entropy(c * logits_BTV).mean(), abs=1e-5)


@pytest.mark.parametrize("name", ["pre", "final", "depth 0", "distance"])
def test_before_a_final_norm_the_size_of_the_state_changes_nothing(name):
    scale = found(name)["scale"]
    for key in ("entropy_before_norm", "top_before_norm"):
        assert scale[key] == pytest.approx([scale[key][0]] * len(scale["c"]), abs=1e-5)


@pytest.mark.parametrize("name", ["post", "none"])
def test_without_a_final_norm_there_is_no_before_and_after(name):
    scale = found(name)["scale"]
    for key in ("entropy", "top"):
        before, after = (scale[f"{key}_{place}_norm"] for place in ("before", "after"))
        assert before == pytest.approx(after, abs=1e-5)


# --- the last state's length, and its displacement ---------------------------------------------


@every_model
def test_the_last_state_is_accounted_for_in_the_trained_and_in_the_untrained_model(name):
    columns = found(name)["last_state"]
    assert columns["model"] == ["trained", "untrained"]
    stations, logits_BTV = oracle(name)["stream_RBTD"][::2], oracle(name)["logits_BTV"]
    for key, expected in geometry.accounts(stations).items():
        assert columns[key][0] == pytest.approx(expected, abs=1e-5), key
        assert columns[key][1] != columns[key][0] or name == "depth 0"
    last_ZD = stations[-1][:, 1:].reshape(-1, MODELS[name].width)
    entropy_Z = measure.entropy(logits_BTV[:, 1:]).reshape(-1)
    for key, expected in geometry.length_and_entropy(last_ZD, entropy_Z).items():
        if name == "post":  # its states all have the length that RMSNorm gives them
            assert columns[key][0] is None
        else:
            assert columns[key][0] == pytest.approx(expected, abs=1e-4), key


def test_without_an_untrained_model_the_last_state_has_one_row():
    alone = report.inspect(model("pre"), TOKENS, SEED, untrained=False)
    assert alone["untrained"] is None
    both = found("pre")["last_state"]
    assert alone["last_state"] == {name: values[:1] for name, values in both.items()}
    assert len(report.last_state_table(alone["last_state"]).split("\n")) == 2


@every_model
@pytest.mark.parametrize("place", ["before_norm", "after_norm"])
def test_displacements_are_made_where_their_names_say(name, place):
    config, params = MODELS[name], reference.as_float64(model(name).params())
    x_ZD = oracle(name)["stream_RBTD"][-1][:, 1:].reshape(-1, config.width)
    if place == "after_norm" and config.norm_place != "post":
        x_ZD = reference.norm(config, params.get("final_norm"), x_ZD)

    def read(states_ZD):
        return readout(name, states_ZD) if place == "before_norm" else unembed(name, states_ZD)

    columns = found(name)["displacement"]
    for key, expected in geometry.dose_response(x_ZD, read, 1000).items():
        seen = columns["distance" if key == "distance" else f"{key}_{place}"]
        assert seen == pytest.approx(expected, abs=1e-4), key
    assert len(columns) == 7


@pytest.mark.parametrize("name", ["pre", "final", "depth 0"])
def test_before_a_final_norm_only_a_turn_changes_the_prediction(name):
    columns = found(name)["displacement"]
    assert columns["longer_before_norm"] == pytest.approx([0] * 4, abs=1e-6)
    for key in set(columns) - {"longer_before_norm"}:
        assert min(columns[key]) > 1e-4, key


def test_logits_in_pieces_give_the_same_numbers(monkeypatch):
    monkeypatch.setattr(last_state, "LOGITS", 4 * SMALL.vocab)  # of 35 tokens, 4 at once
    models = {"trained": model("pre")}
    columns = last_state.measure_last_state(models, TOKENS)
    for key, values in last_state.measure_displacement(model("pre"), TOKENS).items():
        assert values == pytest.approx(found("pre")["displacement"][key], abs=1e-6), key
    assert columns["pearson"][0] == pytest.approx(found("pre")["last_state"]["pearson"][0])


def test_calibration_finds_the_temperature_of_a_known_truth(monkeypatch):
    monkeypatch.setattr(last_state, "FEW", 5)
    logits_BTV = compiled.trace(model("pre"), TOKENS).logits_BTV
    truth_BTV = measure.softmax(logits_BTV / 2)
    found = {
        name: column[0]
        for name, column in last_state.measure_calibration(model("pre"), TOKENS, truth_BTV).items()
    }
    assert found["predictions"] == TOKENS[:, 2:].size
    assert found["temperature"] == pytest.approx(2, rel=1e-3)
    assert found["loss_at_temperature"] < found["loss"]
    true_Z = measure.entropy(logits_BTV[:, 1:-1] / 2)
    assert found["true_entropy"] == pytest.approx(true_Z.mean())
    assert found["entropy"] == pytest.approx(measure.entropy(logits_BTV[:, 1:-1]).mean(), rel=1e-4)
    assert found["entropy"] < found["true_entropy"] and found["calibration_gap"] > 0
    assert found["rank_with_true_entropy"] > 0.9


def test_without_a_known_truth_the_tokens_that_came_next_are_it():
    columns = last_state.measure_calibration(model("pre"), TOKENS)
    logits_BTV = compiled.trace(model("pre"), TOKENS).logits_BTV[:, 1:-1]
    truth_BTV = np.eye(SMALL.vocab)[TOKENS[:, 2:]]
    gap = measure.cross_entropy(logits_BTV, truth_BTV) - measure.entropy(logits_BTV).mean()
    assert columns["calibration_gap"] == pytest.approx([gap], rel=1e-4)
    unknown = {name for name, column in columns.items() if column == [None]}
    assert unknown == {
        "true_entropy", "rank_with_true_entropy", "temperature", "loss", "loss_at_temperature",
    }  # fmt: skip
    heading, line = report.calibration_table(columns).split("\n")
    assert len(line.split()) == 4 and "fitted T" not in heading


# --- the verdicts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("pre", "qualified"), ("final", "qualified"), ("post", "supported"), ("none", "supported")],
)
def test_a_final_norm_qualifies_that_size_is_confidence(name, verdict):
    assert found(name)["findings"][2]["verdict"] == verdict


def test_a_model_without_blocks_leaves_two_claims_untested():
    growing, staying, size = found("depth 0")["findings"]
    assert (growing["verdict"], staying["verdict"]) == ("untested", "untested")
    assert growing["numbers"] == staying["numbers"] == {}
    assert size["verdict"] == "qualified"


def test_a_state_that_dies_on_its_way_is_reported_and_not_tripped_over():
    # Without norms and residual connections, small weights shrink the stream until it is zero.
    config = dataclasses.replace(SMALL, norm="none", residual=False)
    dying = jax.tree.map(lambda array: 1e-12 * array, Transformer(config).params())
    told = report.inspect(Transformer.of(config, dying), TOKENS, SEED)
    assert told["layers"]["norm_median"][-1] == 0
    json.dumps(told, allow_nan=False)
    growing, staying, _ = told["findings"]
    assert (growing["verdict"], staying["verdict"]) == ("refuted", "untested")


# --- in print ---------------------------------------------------------------------------------


@every_model
def test_the_table_has_a_line_for_every_layer_and_aligned_columns(name):
    layers = found(name)["layers"]
    lines = report.table(layers).split("\n")
    assert len(lines) == MODELS[name].depth + 2
    assert len({len(line) for line in lines}) == 1
    names = [line.split()[0] for line in lines]
    assert names == ["layer", "embed", *map(str, range(1, MODELS[name].depth + 1))]
    for layer, line in enumerate(lines[1:]):
        shown = [float(cell) for cell in line.split()[1:]]
        values = [layers[key][layer] for key in report.COLUMNS]
        assert shown == pytest.approx([v for v in values if v is not None], abs=0.0051)


def test_the_scale_table_has_a_line_for_every_scale():
    scale = found("pre")["scale"]
    lines = report.scale_table(scale).split("\n")
    assert len(lines) == len(scale["c"]) + 1
    assert len({len(line) for line in lines}) == 1
    for n, line in enumerate(lines[1:]):
        c, *values = (float(cell) for cell in line.split())
        assert c == pytest.approx(scale["c"][n], rel=5e-3)
        assert values == pytest.approx([scale[key][n] for key in CURVES], abs=5.1e-4)


def test_the_table_of_updates_has_a_line_for_every_block():
    layers = found("pre")["layers"]
    heading, *lines = report.updates_table(layers).split("\n")
    assert len(lines) == SMALL.depth
    assert {len(line) for line in lines} == {len(heading)}
    for layer, line in enumerate(lines, 1):
        number, *shown = (float(cell) for cell in line.split())
        assert number == layer
        values = [layers[key][layer] for key in report.UPDATES]
        assert shown == pytest.approx(values, abs=0.0051)


@every_model
def test_a_report_fits_a_terminal_and_shows_every_block(name):
    told = report.text(found(name), MODELS[name])
    tables, _, _ = told.partition("\n1. ")
    assert max(map(len, tables.split("\n"))) <= 110
    assert ("cos(x, u)" in tables) == (MODELS[name].depth > 0)
    for heading in ("cross terms", "towards another", "H after norm"):
        assert heading in tables
    assert report.last_state_table(found(name)["last_state"]) in tables
    assert report.displacement_table(found(name)["displacement"]) in tables


def test_the_tables_of_the_last_state_show_their_columns():
    columns = found("none")["last_state"]
    _, trained, untrained = report.last_state_table(columns).split("\n")
    names = ["share_embedding", "share_updates", "share_cross", "pearson", "spearman"]
    for n, line in enumerate((trained, untrained)):
        label, *shown = line.split()
        assert label == columns["model"][n]
        expected = [columns[key][n] for key in names]
        assert [float(cell) for cell in shown] == pytest.approx(expected, abs=5.1e-4)
    moved = found("none")["displacement"]
    _, *lines = report.displacement_table(moved).split("\n")
    for n, line in enumerate(lines):
        distance, _, *shown = line.split()
        assert float(distance) == moved["distance"][n]
        expected = [values[n] for key, values in moved.items() if key != "distance"]
        assert [float(cell) for cell in shown] == pytest.approx(expected, abs=5.1e-5)


@every_model
@pytest.mark.parametrize("part", ["layers", "untrained", "scale", "displacement"])
def test_a_csv_file_reads_back_as_the_same_numbers(name, part):
    columns = found(name)[part]
    head, *rows = csv.reader(io.StringIO(columns_to_csv(columns)))
    assert head == list(columns)
    cells = zip(*rows, strict=True)
    read = [[float(cell) if cell else None for cell in column] for column in cells]
    assert dict(zip(head, read, strict=True)) == columns


def test_a_csv_file_refuses_columns_of_different_lengths():
    with pytest.raises(ValueError, match="zip"):
        columns_to_csv({"a": [1, 2], "b": [1]})


# --- where the numbers are taken --------------------------------------------------------------


@given(st.integers(3, 3000), st.integers(3, 200))
def test_sequences_are_windows_of_the_text_spread_evenly_over_it(length, context):
    found = report.sequences(np.arange(length), context)
    window = min(context, length)
    count, width = found.shape
    assert width == window
    assert count == min(length // window, max(1, report.TOKENS // window))
    starts = found[:, 0]
    assert (found == starts[:, None] + np.arange(window)).all()  # each is a piece of the text
    assert starts[0] == 0
    if count > 1:
        assert starts[-1] == length - window  # the last token is among them
        gaps = np.diff(starts)
        assert gaps.min() >= window  # no token counts twice
        assert gaps.max() - gaps.min() <= 1


def test_sequences_hold_at_most_so_many_tokens_of_a_long_text():
    assert report.sequences(np.arange(10**6), 128).size == report.TOKENS
    assert report.sequences(np.arange(10**6), 100).size == 4000
    assert report.sequences(np.arange(10**6), 5000).shape == (1, 5000)


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_text_too_short_to_measure_is_refused(length):
    with pytest.raises(InputError, match=f"{length} tokens are too few .* at least 3"):
        report.sequences(np.arange(length), 8)


@pytest.mark.parametrize("context", [1, 2])
def test_a_context_too_short_to_measure_is_refused(context):
    with pytest.raises(InputError, match="at least 3"):
        report.sequences(np.arange(100), context)


def test_three_tokens_are_enough_to_measure():
    short = report.measure_layers(model("none"), report.sequences(np.array([4, 0, 9]), 8))
    assert all(math.isfinite(value) for value in short["cos_random_pairs"][1:])


def test_states_that_overflow_are_refused_and_not_measured():
    config = dataclasses.replace(SMALL, norm="none")
    grown = jax.tree.map(lambda leaf: leaf * 1e30, Transformer(config, 17).params())
    with pytest.raises(InputError, match=r"not finite from layer 1 on"):
        report.inspect(Transformer.of(config, grown), TOKENS, SEED)


@pytest.mark.long
def test_a_large_model_in_bfloat16_is_measured_without_compiling(monkeypatch):
    """Compiled, its weights would lie in memory once more, converted."""
    params = jax.tree.map(lambda leaf: leaf.astype("bfloat16"), model("pre").params())
    short = Transformer.of(SMALL, params)
    compiled.trace_fields.clear_cache()
    at_once = report.inspect(short, TOKENS, SEED)
    assert compiled.trace_fields._cache_size() == 1
    compiled.trace_fields.clear_cache()
    monkeypatch.setattr(devices, "LARGE", 0)
    one_by_one = report.inspect(short, TOKENS, SEED)
    assert compiled.trace_fields._cache_size() == 0
    for name in ("norm_median", "cos_embedding", "lens_entropy"):
        np.testing.assert_allclose(one_by_one["layers"][name], at_once["layers"][name], rtol=0.02)
