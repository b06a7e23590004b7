"""Other people's models: the reference library's numbers, reached through our `Transformer`."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy

import minitx
from minitx import compiled
from minitx.errors import InputError
from minitx.model import Transformer
from minitx.pretrained import architectures
from minitx.pretrained.filling import fill
from minitx.pretrained.folder import Safetensors, load_folder
from minitx.pretrained.translation import translate

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = ("gpt2", "opt", "llama", "mistral", "qwen2")


def relative_error(a, b) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    return np.abs(a - b).max() / np.abs(b).max()


def errors_of(config, params, expected) -> list[float]:
    """Of the logits, then of each state."""
    trace = compiled.trace(Transformer.of(config, params), expected["tokens_BT"])
    states = zip(trace.states_LBTD, expected["hidden_LBTD"], strict=True)
    return [
        relative_error(trace.logits_BTV, expected["logits_BTV"]),
        *(relative_error(ours, theirs) for ours, theirs in states),
    ]


def logits_error(config, params, expected) -> float:
    """As `errors_of`, for the logits alone: less to compile."""
    (logits_BTV,) = compiled.trace_fields(config, ("logits_BTV",), params, expected["tokens_BT"])
    return relative_error(logits_BTV, expected["logits_BTV"])


def expected_of(name):
    return safetensors.numpy.load_file(FIXTURES / name / "expected.safetensors")


@pytest.fixture
def copy(tmp_path):
    """A function that copies a fixture, so that it can be spoilt."""

    def of(name) -> Path:
        return Path(shutil.copytree(FIXTURES / name, tmp_path / name))

    return of


def change(folder: Path, **values) -> Path:
    """Set keys of a folder's config.json; `...` removes one."""
    path = folder / "config.json"
    header = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in header.items() if v is not ...}))
    return folder


def change_tensors(folder: Path, spoil) -> Path:
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    spoil(tensors)
    safetensors.numpy.save_file(tensors, folder / "model.safetensors")
    return folder


def refused(function, *words) -> None:
    with pytest.raises(InputError) as caught:
        function()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_every_state_equal_the_reference(name):
    config, params = load_folder(FIXTURES / name, "float32")
    errors = errors_of(config, params, expected_of(name))
    assert len(errors) == config.depth + 2 and max(errors) < 1e-5, errors
    assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {"float32"}


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_distinct_so_that_nothing_can_be_exchanged(name):
    config, _ = load_folder(FIXTURES / name, "float32")
    size = config.sizes
    letters = "DHKFV" if name in ("gpt2", "opt") else "DHGKFV"
    assert len({size[letter] for letter in letters} | {config.context}) == len(letters) + 1


@pytest.mark.parametrize(
    "name, field, value",
    [
        ("gpt2", "mlp", "gelu"),
        ("gpt2", "norm_epsilon", 1e-5),
        ("opt", "mlp", "gelu_tanh"),
        ("llama", "norm_epsilon", 1e-6),
        ("llama", "rope_base", 10000.0),
        ("qwen2", "rope_base", 10000.0),
    ],
)
def test_each_field_of_the_config_matters(name, field, value):
    """A mutant of the translation would be seen: the answers differ by more than the tolerance."""
    config, params = load_folder(FIXTURES / name, "float32")
    assert getattr(config, field) != value
    mutant = dataclasses.replace(config, **{field: value})
    assert logits_error(mutant, params, expected_of(name)) > 1e-4


def swapped(tensors, a, b):
    return tensors | {a: tensors[b], b: tensors[a]}


@pytest.mark.parametrize(
    "name, tensors",
    [
        ("gpt2", {
            key: tensor._replace(third=2 - tensor.third) if tensor.third is not None else tensor
            for key, tensor in architectures.GPT2.tensors.items()
        }),
        ("opt", swapped(
            architectures.OPT.tensors,
            "blocks.{n}.attention_norm.gain", "blocks.{n}.mlp_norm.gain",
        )),
        ("llama", swapped(
            architectures.LLAMA_TENSORS, "blocks.{n}.mlp.gate.weight", "blocks.{n}.mlp.up.weight"
        )),
        ("llama", {
            key: tensor._replace(interleaved="query.weight" in key)
            for key, tensor in architectures.LLAMA_TENSORS.items()
        }),
        ("qwen2", swapped(
            architectures.LLAMA_TENSORS,
            "blocks.{n}.attention.key.bias", "blocks.{n}.attention.value.bias",
        )),
    ],
)  # fmt: skip
def test_each_line_of_the_tables_matters(name, tensors):
    architecture = dataclasses.replace(architectures.ARCHITECTURES[name], tensors=tensors)
    config, _ = load_folder(FIXTURES / name, "float32")
    params = fill(config, architecture, Safetensors(FIXTURES / name), "float32")
    assert errors_of(config, params, expected_of(name))[0] > 1e-4


def test_positions_of_opt_are_offset():
    config, params = load_folder(FIXTURES / "opt", "float32")
    assert config.position_offset == 2
    table = params["position"]["table"]
    assert len(table) == config.context + 2
    mutant = dataclasses.replace(config, position_offset=0)
    params["position"]["table"] = table[: config.context]
    assert logits_error(mutant, params, expected_of("opt")) > 1e-2


def test_a_tied_model_may_keep_its_table_under_either_name(copy):
    """Files of OPT that were converted from a pickle have the unembedding's name alone."""
    whole, expected = load_folder(FIXTURES / "opt", "float32"), expected_of("opt")

    def rename(tensors):
        tensors["lm_head.weight"] = tensors.pop("model.decoder.embed_tokens.weight")

    config, params = load_folder(change_tensors(copy("opt"), rename), "float32")
    assert config == whole[0] and max(errors_of(config, params, expected)) < 1e-5


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_bfloat16_weights_make_bfloat16_states(name):
    config, params = load_folder(FIXTURES / name, "bfloat16")
    trace = compiled.trace(Transformer.of(config, params), expected_of(name)["tokens_BT"])
    for field, array in trace._asdict().items():
        wanted = "float32" if field == "pattern_NBHTS" else "bfloat16"
        assert array.dtype.name == wanted, field
    assert 1e-4 < relative_error(trace.logits_BTV, expected_of(name)["logits_BTV"]) < 0.1
    refused(lambda: load_folder(FIXTURES / name, "float16"), "dtype", "float16")


def test_tied_models_have_no_unembedding_and_untied_ones_do():
    for name in NAMES:
        config, params = load_folder(FIXTURES / name, "float32")
        assert config.tied == (name in ("gpt2", "opt", "qwen2")) == ("unembedding" not in params)


def test_both_generations_of_keys_say_the_same(copy):
    old = json.loads((FIXTURES / "mistral" / "config.json").read_text())
    new = {k: v for k, v in old.items() if k not in ("rope_theta", "rope_scaling", "torch_dtype")}
    new |= {"rope_parameters": {"rope_type": "default", "rope_theta": old["rope_theta"]}}
    assert "rope_theta" in old and "torch_dtype" in old
    assert translate(old, "x") == translate(new | {"dtype": "float32"}, "x")


def test_a_sliding_window_shorter_than_the_context_becomes_the_context(copy):
    header = json.loads((FIXTURES / "mistral" / "config.json").read_text())
    assert translate(header, "x").context == header["sliding_window"] == 17
    for window in (None, 37, 4096):
        config = translate(header | {"sliding_window": window}, "x")
        assert config.context == header["max_position_embeddings"]
    config = translate(header | {"use_sliding_window": False}, "x")
    assert config.context == 17  # a word of Qwen2's, which Mistral does not listen to
    header = json.loads((FIXTURES / "qwen2" / "config.json").read_text())
    header = {k: v for k, v in header.items() if k not in ("sliding_window", "layer_types")}
    header |= {"use_sliding_window": True, "max_position_embeddings": 5000}
    assert translate(header, "x").context == 4096  # what the reference takes for it
    loaded = minitx.load(FIXTURES / "mistral")
    refused(lambda: loaded.model(np.zeros((1, 18), int)), "18 tokens", "context of 17")


@pytest.mark.parametrize(
    "name, values, words",
    [
        ("llama", {"model_type": "mamba"}, ["mamba", "not supported"]),
        ("llama", {"attn_logit_softcapping": 30.0}, ["attn_logit_softcapping"]),
        ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, ["rope_scaling", "yarn"]),
        ("llama", {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1.0}}, ["llama3"]),
        ("llama", {"rope_theta": 5.0}, ["rope_theta", "5.0", "123.0"]),
        ("llama", {"partial_rotary_factor": 0.5}, ["partial_rotary_factor"]),
        ("llama", {"quantization_config": {"bits": 4}}, ["quantization_config"]),
        ("llama", {"head_dim": 7}, ["7 wide", "even"]),
        ("llama", {"head_dim": "4"}, ["head_width='4'"]),
        ("gpt2", {"head_dim": 7}, ["head_dim", "not supported"]),
        ("llama", {"hidden_act": "gelu"}, ["gelu", "silu"]),
        ("mistral", {"attention_bias": True}, ["attention_bias", "not supported"]),
        ("llama", {"hidden_size": ...}, ["hidden_size"]),
        ("llama", {"hidden_size": "24"}, ["width", "24"]),
        ("llama", {"num_attention_heads": 5}, ["heads=5"]),
        ("llama", {"is_decoder": True}, ["is_decoder"]),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, ["scale_attn_by_inverse_layer_idx"]),
        ("gpt2", {"scale_attn_weights": False}, ["scale_attn_weights"]),
        ("opt", {"do_layer_norm_before": False}, ["do_layer_norm_before", "OPT-350m"]),
        ("opt", {"word_embed_proj_dim": 17}, ["word_embed_proj_dim", "OPT-350m"]),
        ("opt", {"_remove_final_layer_norm": True}, ["_remove_final_layer_norm"]),
        ("qwen2", {"layer_types": ["chunked_attention"]}, ["chunked_attention"]),
        ("qwen2", {"layer_types": 5}, ["layer_types=5"]),
        ("qwen2", {"use_sliding_window": "no"}, ["use_sliding_window='no'"]),
        ("mistral", {"sliding_window": "17"}, ["sliding_window='17'"]),
        ("mistral", {"sliding_window": 0}, ["sliding_window=0"]),
        ("llama", {"model_type": ["llama"]}, ["['llama']", "not supported"]),
        ("gpt2", {"n_embd": "35"}, ["n_embd: width='35'"]),
        ("gpt2", {"n_head": 4}, ["n_head: heads=4 does not divide"]),
        ("gpt2", {"layer_norm_epsilon": 10**400}, ["layer_norm_epsilon", "not a float"]),
    ],
)
def test_what_is_not_understood_is_refused_by_name(copy, name, values, words):
    folder = change(copy(name), **values)
    refused(lambda: minitx.load(folder), folder / "config.json", *words)


def test_no_number_of_key_value_heads_means_one_for_each_query_head():
    header = json.loads((FIXTURES / "qwen2" / "config.json").read_text())
    config = translate(header | {"num_key_value_heads": None}, "x")
    assert config.sizes["G"] == config.heads == 7


def test_more_blocks_than_tensors_are_refused_before_they_are_thought_out(copy):
    folder = change(copy("gpt2"), n_layer=10**12)
    refused(lambda: minitx.load(folder), "40 tensors", 10**12)


def test_what_the_config_says_wrong_comes_before_what_the_tokeniser_lacks(copy):
    folder = change(copy("gpt2"), model_type="GPT2")
    for name in ("vocab.json", "merges.txt"):
        (folder / name).write_text("")
    refused(lambda: minitx.load(folder), "the architecture 'GPT2'")


def drop(name):
    return lambda tensors: tensors.pop(name)


def put(name, value):
    return lambda tensors: tensors.__setitem__(name, value)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (drop("transformer.h.1.ln_1.weight"), ["lacks the tensor", "h.1.ln_1.weight"]),
        (put("transformer.h.3.ln_1.weight", np.ones(35, "f4")), ["h.3.ln_1.weight", "no place"]),
        (put("transformer.ln_f.bias", np.ones(34, "f4")), ["ln_f.bias", "[34]", "[35]"]),
        (put("transformer.ln_f.bias", np.full(35, np.nan, "f4")), ["ln_f.bias", "not finite"]),
        (put("transformer.ln_f.bias", np.ones(35, "i1")), ["ln_f.bias", "int8"]),
        (put("transformer.h.0.attn.c_attn.bias", np.ones(104, "f4")), ["c_attn.bias", "104"]),
        (put("transformer.h.0.attn.c_attn.bias", np.array(1, "f4")), ["c_attn.bias", "[]"]),
        (put("transformer.ln_f.bias", np.full(35, 1e300)), ["ln_f.bias", "not finite"]),
        (put("ln_f.bias", np.ones(35, "f4")), ["both ln_f.bias and transformer.ln_f.bias"]),
        (put("lm_head.weight", np.ones((53, 35), "f4")), ["lm_head.weight", "tie_word_embeddings"]),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(copy, spoil, words):
    folder = change_tensors(copy("gpt2"), spoil)
    refused(lambda: minitx.load(folder), folder / "model.safetensors", *words)


def test_prefixes_may_be_missing_and_what_holds_nothing_learned_is_left_aside(copy):
    def rename(tensors):
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        tensors["h.0.attn.bias"] = np.ones((1, 1, 19, 19), "f4")
        tensors["lm_head.weight"] = tensors["wte.weight"].copy()

    folder = change_tensors(copy("gpt2"), rename)
    config, params = load_folder(folder, "float32")
    assert max(errors_of(config, params, expected_of("gpt2"))) < 1e-5


def test_broken_files_are_refused_in_one_line(copy):
    folder = copy("gpt2")
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for size in (0, 4, 1000, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(lambda: minitx.load(folder), path, "not a whole safetensors file")
    path.unlink()
    refused(lambda: minitx.load(folder), folder, "no model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"")
    refused(lambda: minitx.load(folder), "pytorch_model.bin", "code")


def test_shards_that_are_missing_or_elsewhere_are_refused(copy):
    folder = copy("llama")
    index = folder / "model.safetensors.index.json"
    values = json.loads(index.read_text())
    assert len(set(values["weight_map"].values())) == 2
    (folder / "model-00002-of-00002.safetensors").rename(folder / "other")
    refused(lambda: minitx.load(folder), "model-00002-of-00002.safetensors")
    (folder / "other").rename(folder / "model-00002-of-00002.safetensors")
    two = [folder / f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    first, second = (safetensors.numpy.load_file(path) for path in two)
    name = sorted(first)[0]
    safetensors.numpy.save_file(second | {name: first[name]}, two[1])
    refused(lambda: minitx.load(folder), two[0].name, two[1].name, name)
    safetensors.numpy.save_file(second, two[1])
    for weights, word in (
        ({"a": "../llama/model-00001-of-00002.safetensors"}, "not a file beside it"),
        (values["weight_map"] | {"more": "model-00001-of-00002.safetensors"}, "more"),
        ({}, "weight_map"),
        ({"a": ["model-00001-of-00002.safetensors"]}, "not a file beside it"),
    ):
        index.write_text(json.dumps({"weight_map": weights}))
        refused(lambda: minitx.load(folder), index, word)
