"""GGUF files: written here from the fixtures, plain and quantised, and read back."""

import dataclasses
import struct
import warnings

import gguf
import jax
import numpy as np
import pytest
import safetensors.numpy
from test_folder import FIXTURES, refused
from test_tokenizer_files import LETTERS

import minitx
from minitx.config import ModelConfig
from minitx.model import init_params
from minitx.parameters import name_of
from minitx.pretrained import gguf_file, tokenizer_files
from minitx.pretrained.folder import load_folder

BLOCK = {  # llama.cpp's name: the reference library's
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
GPT2_BLOCK = {
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}


def permuted(rows, heads):
    """A matrix's rows as llama.cpp stores those of query and key."""
    head = len(rows) // heads
    return rows.reshape(heads, 2, head // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def tensors_of(folder) -> dict:
    found = {}
    for path in folder.glob("model*.safetensors"):
        found |= safetensors.numpy.load_file(path)
    return found


def as_gguf(name: str) -> tuple[dict, dict]:
    """A fixture's metadata and tensors as llama.cpp's converter would write them."""
    config, _ = load_folder(FIXTURES / name, "float32")
    theirs, size, tensors = tensors_of(FIXTURES / name), config.sizes, {}
    metadata = {
        "context_length": config.context,
        "embedding_length": config.width,
        "block_count": config.depth,
        "feed_forward_length": size["F"],
        "attention.head_count": config.heads,
    }
    if name == "gpt2":
        metadata["attention.layer_norm_epsilon"] = config.norm_epsilon
        names = {"token_embd": "wte", "position_embd": "wpe", "output_norm": "ln_f"}
        for n in range(config.depth):
            names |= {f"blk.{n}.{ours}": f"h.{n}.{t}" for ours, t in GPT2_BLOCK.items()}
        names = {ours: f"transformer.{t}" for ours, t in names.items()}
    else:
        metadata["attention.head_count_kv"] = size["G"]
        metadata["attention.layer_norm_rms_epsilon"] = config.norm_epsilon
        metadata["rope.freq_base"] = config.rope_base
        metadata["rope.dimension_count"] = size["K"]
        metadata["attention.key_length"] = metadata["attention.value_length"] = size["K"]
        names = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
        names |= {} if config.tied else {"output": "lm_head"}
        for n in range(config.depth):
            names |= {f"blk.{n}.{o}": f"model.layers.{n}.{t}" for o, t in BLOCK.items()}
    for ours, t in names.items():
        for end in ("weight", "bias"):
            array = theirs.get(f"{t}.{end}")
            if array is None:
                continue
            array = array.astype(np.float32)
            if name == "gpt2" and array.ndim == 2 and ours.startswith("blk"):
                array = np.ascontiguousarray(array.T)
            if name in ("llama", "mistral") and ours.endswith(("attn_q", "attn_k")):
                array = permuted(array, size["H" if ours.endswith("q") else "G"])
            tensors[f"{ours}.{end}"] = array
    return metadata, tensors


def write(path, kind: str, metadata: dict, tensors: dict, quantised=(), vocab=True, **options):
    """A GGUF file; `quantised` maps names of tensors to types. Also a tokeniser of bytes."""
    writer = gguf.GGUFWriter(path, kind, **options)
    for key, value in metadata.items():
        add = writer.add_float32 if isinstance(value, float) else writer.add_uint32
        add = writer.add_string if isinstance(value, str) else add
        add(f"{kind}.{key}", value)
    if vocab:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list(["a", "b", "ab", *LETTERS[:17]])
        writer.add_token_merges(["a b"])
    for name, array in tensors.items():
        type_ = dict(quantised).get(name)
        if type_ is None:
            writer.add_tensor(name, array)
        else:
            writer.add_tensor(name, gguf.quantize(array, type_), raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("name", ["llama", "mistral", "qwen2", "gpt2"])
def test_a_gguf_file_gives_the_reference_numbers(tmp_path, name):
    kind = "llama" if name == "mistral" else name  # llama.cpp has one word for both
    path = write(tmp_path / "a.gguf", kind, *as_gguf(name))
    loaded = minitx.load(path)
    config, params = load_folder(FIXTURES / name, "float32")  # whose numbers are the reference's
    assert loaded.config.norm_epsilon == np.float32(config.norm_epsilon)
    assert loaded.config.sizes == config.sizes
    # Unknown to llama.cpp, or said in other words; the parameters below show the biases.
    other = {"init_std": 0.02, "norm_epsilon": 1e-5, "head_width": None, "mlp_bias": None}
    assert dataclasses.replace(loaded.config, **other) == dataclasses.replace(config, **other)
    assert len(loaded.tokenizer) == 20
    jax.tree.map(np.testing.assert_array_equal, loaded.model.params(), params)


def test_leaving_the_permutation_in_would_be_seen(tmp_path):
    metadata, tensors = as_gguf("llama")
    tensors["blk.0.attn_q.weight"] = permuted(tensors["blk.0.attn_q.weight"], 6)
    path = write(tmp_path / "a.gguf", "llama", metadata, tensors)
    config, params, _ = gguf_file.load_file(path, "float32")
    _, reference = load_folder(FIXTURES / "llama", "float32")
    same = jax.tree.map(np.array_equal, params, reference)
    wrong = [name_of(path) for path, is_same in jax.tree.leaves_with_path(same) if not is_same]
    assert config.depth > 1 and wrong == ["blocks.0.attention.query.weight"]


TYPES = [gguf.GGMLQuantizationType[t] for t in ("F16", "BF16", "Q8_0", "Q4_0", "Q4_1")]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_quantised_tensors_come_back_as_what_they_stand_for(tmp_path, kind):
    config = ModelConfig(
        width=64, depth=1, heads=4, kv_heads=2, mlp_width=96, context=10, vocab=50,
        norm="rmsnorm", norm_epsilon=2**-17, positions="rope", mlp="swiglu", mlp_bias=False,
    )  # fmt: skip
    params = init_params(config, jax.random.key(3))
    block = params["blocks"][0]
    tensors = {
        "token_embd": params["embedding"]["table"],
        "output": params["unembedding"]["table"],
        "output_norm": params["final_norm"]["gain"],
        "blk.0.attn_norm": block["attention_norm"]["gain"],
        "blk.0.ffn_norm": block["mlp_norm"]["gain"],
        "blk.0.attn_q": permuted(np.asarray(block["attention"]["query"]["weight"]).T, 4),
        "blk.0.attn_k": permuted(np.asarray(block["attention"]["key"]["weight"]).T, 2),
        "blk.0.attn_v": block["attention"]["value"]["weight"].T,
        "blk.0.attn_output": block["attention"]["out"]["weight"].T,
        "blk.0.ffn_gate": block["mlp"]["gate"]["weight"].T,
        "blk.0.ffn_up": block["mlp"]["up"]["weight"].T,
        "blk.0.ffn_down": block["mlp"]["down"]["weight"].T,
    }
    tensors = {f"{n}.weight": np.ascontiguousarray(t, np.float32) for n, t in tensors.items()}
    metadata = {
        "context_length": 10, "embedding_length": 64, "block_count": 1, "feed_forward_length": 96,
        "attention.head_count": 4, "attention.head_count_kv": 2,
        "attention.layer_norm_rms_epsilon": 2**-17,
    }  # fmt: skip
    quantised = {name: kind for name, array in tensors.items() if array.ndim == 2}
    path = write(tmp_path / "a.gguf", "llama", metadata, tensors, quantised)
    read, back, _ = gguf_file.load_file(path, "float32")
    assert read == config

    def stands_for(array):
        return gguf.dequantize(gguf.quantize(np.ascontiguousarray(array, np.float32), kind), kind)

    attention = back["blocks"][0]["attention"]
    for name in ("value", "out"):
        theirs = stands_for(block["attention"][name]["weight"].T).T
        np.testing.assert_array_equal(attention[name]["weight"], theirs)
    np.testing.assert_array_equal(
        attention["query"]["weight"], stands_for(block["attention"]["query"]["weight"].T).T
    )  # quantising goes by rows, so their order does not change it
    error = np.abs(attention["query"]["weight"] - block["attention"]["query"]["weight"]).max()
    assert 0 < error < 0.02


@pytest.mark.parametrize(
    "metadata, words",
    [
        ({"rope.scaling.type": "yarn"}, ["llama.rope.scaling.type", "yarn"]),
        ({"expert_count": 8}, ["llama.expert_count"]),
        ({"attention.key_length": 6}, ["attention.key_length", "6", "4"]),
        ({"embedding_length": 23}, ["24]", "23]", "does not fit"]),
        ({"vocab_size": 12}, ["token_embd.weight", "12", "59"]),
    ],
)
def test_metadata_that_is_not_understood_is_refused_by_name(tmp_path, metadata, words):
    own, tensors = as_gguf("llama")
    path = write(tmp_path / "a.gguf", "llama", own | metadata, tensors)
    refused(lambda: minitx.load(path), path, *words)


def test_other_architectures_and_types_are_refused_by_name(tmp_path):
    metadata, tensors = as_gguf("llama")
    path = write(tmp_path / "a.gguf", "mamba", metadata, tensors)
    refused(lambda: minitx.load(path), path, "mamba", "llama")
    spoilt = tensors | {"output_norm.weight": np.ones(24, np.int8)}
    path = write(tmp_path / "b.gguf", "llama", metadata, spoilt)
    refused(lambda: minitx.load(path), path, "output_norm.weight", "I8")
    surplus = tensors | {"rope_freqs.weight": np.ones(2, np.float32)}
    path = write(tmp_path / "c.gguf", "llama", metadata, surplus)
    refused(lambda: minitx.load(path), path, "rope_freqs.weight")


def test_files_that_are_cut_or_no_gguf_are_refused_in_one_line(tmp_path):
    path = write(tmp_path / "a.gguf", "llama", *as_gguf("llama"))
    whole = path.read_bytes()
    for size in (0, 3, 30, 200, 1500, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:size])
        refused(lambda: minitx.load(path), path, "not a whole GGUF file")
    path.write_bytes(b"x" * 5000)
    refused(lambda: minitx.load(path), path, "not a whole GGUF file")


def test_an_error_without_words_of_the_system_still_has_a_reason(tmp_path, monkeypatch):
    def stuck(*arguments):
        raise TimeoutError

    monkeypatch.setattr(gguf.GGUFReader, "__init__", stuck)
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    refused(lambda: minitx.load(tmp_path / "a.gguf"), "cannot read", "(TimeoutError)")


@pytest.mark.parametrize("kind", [0, 6, 8])  # of an array's items: bytes, floats, strings
def test_absurd_counts_neither_hang_nor_fill_the_memory(tmp_path, kind):
    path = tmp_path / "a.gguf"
    array = struct.pack("<QcIIQ", 1, b"x", 9, kind, 100_000_000) + bytes(40)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + array)
    refused(lambda: minitx.load(path), path, "not a whole GGUF file")
    text = struct.pack("<QcIQ", 1, b"x", 8, 2**62) + b"cut"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text)
    refused(lambda: minitx.load(path), path, "not a whole GGUF file", "too early")


def test_an_offset_beyond_all_numbers_is_refused_without_a_warning(tmp_path):
    tensor = struct.pack("<Q1sIQIQ", 1, b"t", 1, 4, 0, 2**64 - 32)
    (tmp_path / "a.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor + bytes(99))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        refused(lambda: minitx.load(tmp_path / "a.gguf"), "not a whole GGUF file")
    assert not said


def test_the_byte_order_of_another_machine_is_refused(tmp_path):
    """The package would take its float32 as they lie: without this, for numbers that happen."""
    metadata, tensors = as_gguf("llama")
    path = write(tmp_path / "a.gguf", "llama", metadata, tensors, endianess=gguf.GGUFEndian.BIG)
    refused(lambda: minitx.load(path), path, "byte order")


def test_what_llama_cpp_has_no_default_for_must_be_there(tmp_path):
    for name in ("llama", "gpt2"):
        metadata, tensors = as_gguf(name)
        key = next(key for key in metadata if key.endswith("epsilon"))
        del metadata[key]
        path = write(tmp_path / "a.gguf", name, metadata, tensors)
        refused(lambda path=path: minitx.load(path), path, f"lacks the key {name}.{key}")


def test_a_window_becomes_the_context_and_no_count_of_heads_means_all(tmp_path):
    metadata, tensors = as_gguf("llama")
    path = write(tmp_path / "a.gguf", "llama", metadata | {"attention.sliding_window": 9}, tensors)
    assert minitx.load(path).config.context == 9
    metadata, tensors = as_gguf("qwen2")
    del metadata["attention.head_count_kv"]
    path = write(tmp_path / "b.gguf", "qwen2", metadata, tensors)
    refused(lambda: minitx.load(path), "attn_k.weight is [42, 6]", "[42, 42]")  # 7 heads, not 32


def test_a_tokeniser_of_another_kind_is_refused_by_name(tmp_path):
    path = tmp_path / "a.gguf"
    for changes, word in (
        ({"model": "llama"}, "'llama'"),
        ({"pre": "tekken"}, "tekken"),
        ({"merges": None}, "merges"),
        ({"merges": ["a z"]}, "cannot be read"),
        ({"merges": [1]}, "cannot be read"),
        ({"merges": "a b"}, "lacks tokens or merges"),
        ({"tokens": "ab"}, "lacks tokens or merges"),
        ({"token_type": [1]}, "cannot be read"),
        ({"token_type": 1}, "cannot be read"),
    ):
        own = {"model": "gpt2", "pre": "smollm", "tokens": ["a", "b", "ab"], "merges": ["a b"]}
        metadata = {f"tokenizer.ggml.{key}": value for key, value in (own | changes).items()}
        refused(lambda m=metadata: tokenizer_files.from_gguf(m, path), path, word)
