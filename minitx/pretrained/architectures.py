"""How other people's models name what our config and parameters hold: tables, and nothing else.

One `Architecture` for each family, one line for each tensor. A key of a config that stands in none
of the tables is refused by name: minitx loads what it understands, or says what it does not.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple


class From(NamedTuple):
    """Where a parameter comes from: `n` in the name is the block's number."""

    name: str
    turned: bool = False  # stored (outputs, inputs), as torch's linear layers are
    third: int | None = None  # query, key and value lie side by side: this one of the three
    paired: bool = False  # a head's rows interleaved: llama.cpp keeps what RoPE turns side by side


@dataclass(frozen=True)
class Architecture:
    """A family of models, in the words of its config.json."""

    fields: dict[str, str]  # their key: our field
    defaults: dict[str, Any]  # what a key means that is not there; without one, it must be there
    only: dict[str, Any]  # keys of which one value alone is supported
    tensors: dict[str, From]  # our parameter: their tensor
    same: dict[str, Any]  # fields of ours that are alike in the whole family
    mlp: dict[str, str]  # their name of the nonlinearity: ours
    prefixes: tuple[str, ...] = ()  # that a tensor's name may have or lack
    unused: tuple[str, ...] = ()  # regular expressions of tensors that hold nothing learned
    refused: dict[str, str] = field(default_factory=dict)  # keys whose refusal needs more words


# Keys that are about training, files, special tokens or the reading library, not about what a
# trained model computes.
HARMLESS = frozenset(
    """
    model_type architectures torch_dtype dtype transformers_version _name_or_path name_or_path
    bos_token_id eos_token_id pad_token_id sep_token_id decoder_start_token_id prefix
    use_cache use_bfloat16 torchscript return_dict return_dict_in_generate output_scores
    output_hidden_states output_attentions gradient_checkpointing chunk_size_feed_forward
    attn_pdrop embd_pdrop resid_pdrop dropout attention_dropout activation_dropout layerdrop
    hidden_dropout_prob classifier_dropout init_std pretraining_tp is_llama_config
    summary_activation summary_first_dropout summary_proj_to_labels summary_type summary_use_proj
    task_specific_params finetuning_task problem_type id2label label2id num_labels
    tokenizer_class max_length min_length do_sample temperature top_k top_p typical_p num_beams
    num_beam_groups num_return_sequences early_stopping length_penalty repetition_penalty
    diversity_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids
    forced_bos_token_id forced_eos_token_id remove_invalid_values suppress_tokens
    begin_suppress_tokens exponential_decay_length_penalty tie_encoder_decoder
    reorder_and_upcast_attn n_ctx predict_special_tokens n_special transformers.js_config
    _attn_implementation _attn_implementation_autoset attn_implementation max_window_layers
    """.split()  # noqa: SIM905 (a page of words reads better than a page of quotes)
)

# In every family: what these say has to be so.
EVERYWHERE = {"is_encoder_decoder": False, "is_decoder": False, "add_cross_attention": False}

GELU = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh",
        "gelu": "gelu", "relu": "relu", "relu2": "relu2"}  # fmt: skip
GATED = {"silu": "swiglu", "swish": "swiglu"}

GPT2 = Architecture(
    fields={
        "n_embd": "width",
        "n_layer": "depth",
        "n_head": "heads",
        "n_inner": "mlp_width",
        "n_positions": "context",
        "vocab_size": "vocab",
        "layer_norm_epsilon": "norm_epsilon",
        "activation_function": "mlp",
        "initializer_range": "init_std",
        "tie_word_embeddings": "tied",
    },
    defaults={
        "n_inner": None,
        "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new",
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
    },
    only={"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False},
    same={"norm": "layernorm", "positions": "learned", "bias": True},
    mlp=GELU,
    prefixes=("transformer.",),
    tensors={
        "embedding.table": From("wte.weight"),
        "position.table": From("wpe.weight"),
        "blocks.{n}.attention_norm.gain": From("h.{n}.ln_1.weight"),
        "blocks.{n}.attention_norm.bias": From("h.{n}.ln_1.bias"),
        "blocks.{n}.attention.query.weight": From("h.{n}.attn.c_attn.weight", third=0),
        "blocks.{n}.attention.query.bias": From("h.{n}.attn.c_attn.bias", third=0),
        "blocks.{n}.attention.key.weight": From("h.{n}.attn.c_attn.weight", third=1),
        "blocks.{n}.attention.key.bias": From("h.{n}.attn.c_attn.bias", third=1),
        "blocks.{n}.attention.value.weight": From("h.{n}.attn.c_attn.weight", third=2),
        "blocks.{n}.attention.value.bias": From("h.{n}.attn.c_attn.bias", third=2),
        "blocks.{n}.attention.out.weight": From("h.{n}.attn.c_proj.weight"),
        "blocks.{n}.attention.out.bias": From("h.{n}.attn.c_proj.bias"),
        "blocks.{n}.mlp_norm.gain": From("h.{n}.ln_2.weight"),
        "blocks.{n}.mlp_norm.bias": From("h.{n}.ln_2.bias"),
        "blocks.{n}.mlp.up.weight": From("h.{n}.mlp.c_fc.weight"),
        "blocks.{n}.mlp.up.bias": From("h.{n}.mlp.c_fc.bias"),
        "blocks.{n}.mlp.down.weight": From("h.{n}.mlp.c_proj.weight"),
        "blocks.{n}.mlp.down.bias": From("h.{n}.mlp.c_proj.bias"),
        "final_norm.gain": From("ln_f.weight"),
        "final_norm.bias": From("ln_f.bias"),
        "unembedding.table": From("lm_head.weight"),
    },
    unused=(r"h\.\d+\.attn\.(bias|masked_bias)",),  # the causal mask, as a tensor
)

OPT = Architecture(
    fields={
        "hidden_size": "width",
        "num_hidden_layers": "depth",
        "num_attention_heads": "heads",
        "ffn_dim": "mlp_width",
        "max_position_embeddings": "context",
        "vocab_size": "vocab",
        "activation_function": "mlp",
        "init_std": "init_std",
        "tie_word_embeddings": "tied",
    },
    defaults={"activation_function": "relu", "init_std": 0.02, "tie_word_embeddings": True},
    only={
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
        "_remove_final_layer_norm": False,
    },
    same={
        "norm": "layernorm",
        "positions": "learned",
        "position_offset": 2,
        "bias": True,
        "norm_epsilon": 1e-5,
    },
    mlp=GELU,
    prefixes=("model.decoder.", "decoder."),
    tensors={
        "embedding.table": From("embed_tokens.weight"),
        "position.table": From("embed_positions.weight"),
        "blocks.{n}.attention_norm.gain": From("layers.{n}.self_attn_layer_norm.weight"),
        "blocks.{n}.attention_norm.bias": From("layers.{n}.self_attn_layer_norm.bias"),
        "blocks.{n}.attention.query.weight": From("layers.{n}.self_attn.q_proj.weight", True),
        "blocks.{n}.attention.query.bias": From("layers.{n}.self_attn.q_proj.bias"),
        "blocks.{n}.attention.key.weight": From("layers.{n}.self_attn.k_proj.weight", True),
        "blocks.{n}.attention.key.bias": From("layers.{n}.self_attn.k_proj.bias"),
        "blocks.{n}.attention.value.weight": From("layers.{n}.self_attn.v_proj.weight", True),
        "blocks.{n}.attention.value.bias": From("layers.{n}.self_attn.v_proj.bias"),
        "blocks.{n}.attention.out.weight": From("layers.{n}.self_attn.out_proj.weight", True),
        "blocks.{n}.attention.out.bias": From("layers.{n}.self_attn.out_proj.bias"),
        "blocks.{n}.mlp_norm.gain": From("layers.{n}.final_layer_norm.weight"),
        "blocks.{n}.mlp_norm.bias": From("layers.{n}.final_layer_norm.bias"),
        "blocks.{n}.mlp.up.weight": From("layers.{n}.fc1.weight", True),
        "blocks.{n}.mlp.up.bias": From("layers.{n}.fc1.bias"),
        "blocks.{n}.mlp.down.weight": From("layers.{n}.fc2.weight", True),
        "blocks.{n}.mlp.down.bias": From("layers.{n}.fc2.bias"),
        "final_norm.gain": From("final_layer_norm.weight"),
        "final_norm.bias": From("final_layer_norm.bias"),
        "unembedding.table": From("lm_head.weight"),
    },
    refused={
        "do_layer_norm_before": "norms after the sublayers, as in OPT-350m",
        "word_embed_proj_dim": "projections around the blocks, as in OPT-350m",
    },
)

LLAMA_TENSORS = {
    "embedding.table": From("embed_tokens.weight"),
    "blocks.{n}.attention_norm.gain": From("layers.{n}.input_layernorm.weight"),
    "blocks.{n}.attention.query.weight": From("layers.{n}.self_attn.q_proj.weight", True),
    "blocks.{n}.attention.query.bias": From("layers.{n}.self_attn.q_proj.bias"),
    "blocks.{n}.attention.key.weight": From("layers.{n}.self_attn.k_proj.weight", True),
    "blocks.{n}.attention.key.bias": From("layers.{n}.self_attn.k_proj.bias"),
    "blocks.{n}.attention.value.weight": From("layers.{n}.self_attn.v_proj.weight", True),
    "blocks.{n}.attention.value.bias": From("layers.{n}.self_attn.v_proj.bias"),
    "blocks.{n}.attention.out.weight": From("layers.{n}.self_attn.o_proj.weight", True),
    "blocks.{n}.attention.out.bias": From("layers.{n}.self_attn.o_proj.bias"),
    "blocks.{n}.mlp_norm.gain": From("layers.{n}.post_attention_layernorm.weight"),
    "blocks.{n}.mlp.gate.weight": From("layers.{n}.mlp.gate_proj.weight", True),
    "blocks.{n}.mlp.gate.bias": From("layers.{n}.mlp.gate_proj.bias"),
    "blocks.{n}.mlp.up.weight": From("layers.{n}.mlp.up_proj.weight", True),
    "blocks.{n}.mlp.up.bias": From("layers.{n}.mlp.up_proj.bias"),
    "blocks.{n}.mlp.down.weight": From("layers.{n}.mlp.down_proj.weight", True),
    "blocks.{n}.mlp.down.bias": From("layers.{n}.mlp.down_proj.bias"),
    "final_norm.gain": From("norm.weight"),
    "unembedding.table": From("lm_head.weight"),
}

LLAMA_FIELDS = {
    "hidden_size": "width",
    "num_hidden_layers": "depth",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "head_dim": "head_width",
    "intermediate_size": "mlp_width",
    "max_position_embeddings": "context",
    "vocab_size": "vocab",
    "rms_norm_eps": "norm_epsilon",
    "rope_theta": "rope_base",
    "hidden_act": "mlp",
    "initializer_range": "init_std",
    "tie_word_embeddings": "tied",
}

LLAMA_DEFAULTS = {
    "head_dim": None,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "tie_word_embeddings": False,
}

LLAMA_SAME = {"norm": "rmsnorm", "positions": "rope"}
ROPE_UNUSED = (r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq",)  # follows from rope_theta
NO_SCALING = {"partial_rotary_factor": 1.0, "rope_interleaved": False}

LLAMA = Architecture(
    fields=LLAMA_FIELDS | {"attention_bias": "bias", "mlp_bias": "mlp_bias"},
    defaults=LLAMA_DEFAULTS
    | {"num_key_value_heads": None, "attention_bias": False, "mlp_bias": False},
    only=NO_SCALING,
    same=LLAMA_SAME,
    mlp=GATED,
    prefixes=("model.",),
    tensors=LLAMA_TENSORS,
    unused=ROPE_UNUSED,
)

MISTRAL = replace(LLAMA, fields=LLAMA_FIELDS, defaults=LLAMA_DEFAULTS | {"num_key_value_heads": 8})
QWEN2 = replace(
    LLAMA,
    fields=LLAMA_FIELDS,
    defaults=LLAMA_DEFAULTS | {"num_key_value_heads": 32},
    same=LLAMA_SAME | {"qkv_bias": True},
)

ARCHITECTURES = {"gpt2": GPT2, "opt": OPT, "llama": LLAMA, "mistral": MISTRAL, "qwen2": QWEN2}

# --- GGUF files: the same families in llama.cpp's words ------------------------------------------

GGUF_TENSORS = {
    "embedding.table": From("token_embd.weight"),
    "blocks.{n}.attention_norm.gain": From("blk.{n}.attn_norm.weight"),
    "blocks.{n}.attention.query.weight": From("blk.{n}.attn_q.weight", True),
    "blocks.{n}.attention.query.bias": From("blk.{n}.attn_q.bias"),
    "blocks.{n}.attention.key.weight": From("blk.{n}.attn_k.weight", True),
    "blocks.{n}.attention.key.bias": From("blk.{n}.attn_k.bias"),
    "blocks.{n}.attention.value.weight": From("blk.{n}.attn_v.weight", True),
    "blocks.{n}.attention.value.bias": From("blk.{n}.attn_v.bias"),
    "blocks.{n}.attention.out.weight": From("blk.{n}.attn_output.weight", True),
    "blocks.{n}.attention.out.bias": From("blk.{n}.attn_output.bias"),
    "blocks.{n}.mlp_norm.gain": From("blk.{n}.ffn_norm.weight"),
    "blocks.{n}.mlp.gate.weight": From("blk.{n}.ffn_gate.weight", True),
    "blocks.{n}.mlp.gate.bias": From("blk.{n}.ffn_gate.bias"),
    "blocks.{n}.mlp.up.weight": From("blk.{n}.ffn_up.weight", True),
    "blocks.{n}.mlp.up.bias": From("blk.{n}.ffn_up.bias"),
    "blocks.{n}.mlp.down.weight": From("blk.{n}.ffn_down.weight", True),
    "blocks.{n}.mlp.down.bias": From("blk.{n}.ffn_down.bias"),
    "final_norm.gain": From("output_norm.weight"),
    "unembedding.table": From("output.weight"),
}

# llama.cpp permutes the rows of query and key for the families that it calls llama, and no others.
GGUF_LLAMA_TENSORS = GGUF_TENSORS | {
    "blocks.{n}.attention.query.weight": From("blk.{n}.attn_q.weight", True, paired=True),
    "blocks.{n}.attention.query.bias": From("blk.{n}.attn_q.bias", paired=True),
    "blocks.{n}.attention.key.weight": From("blk.{n}.attn_k.weight", True, paired=True),
    "blocks.{n}.attention.key.bias": From("blk.{n}.attn_k.bias", paired=True),
}

GGUF_GPT2_TENSORS = GGUF_TENSORS | {
    "position.table": From("position_embd.weight"),
    "blocks.{n}.attention_norm.bias": From("blk.{n}.attn_norm.bias"),
    "blocks.{n}.attention.query.weight": From("blk.{n}.attn_qkv.weight", True, 0),
    "blocks.{n}.attention.query.bias": From("blk.{n}.attn_qkv.bias", third=0),
    "blocks.{n}.attention.key.weight": From("blk.{n}.attn_qkv.weight", True, 1),
    "blocks.{n}.attention.key.bias": From("blk.{n}.attn_qkv.bias", third=1),
    "blocks.{n}.attention.value.weight": From("blk.{n}.attn_qkv.weight", True, 2),
    "blocks.{n}.attention.value.bias": From("blk.{n}.attn_qkv.bias", third=2),
    "blocks.{n}.mlp_norm.bias": From("blk.{n}.ffn_norm.bias"),
    "final_norm.bias": From("output_norm.bias"),
}

GGUF_ARCHITECTURES = {
    "gpt2": replace(GPT2, tensors=GGUF_GPT2_TENSORS, prefixes=(), unused=()),
    "llama": replace(LLAMA, tensors=GGUF_LLAMA_TENSORS, prefixes=(), unused=()),
    "qwen2": replace(QWEN2, tensors=GGUF_TENSORS, prefixes=(), unused=()),
}

_GGUF_KEYS = {
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.key_length": "head_dim",
    "attention.value_length": "head_dim",
    "attention.sliding_window": "sliding_window",
    "rope.dimension_count": "head_dim",
    "rope.freq_base": "rope_theta",
    "vocab_size": "vocab_size",
}

# Behind the name of the architecture; what it is called in a config.json.
GGUF_KEYS = {
    "llama": _GGUF_KEYS,
    "qwen2": _GGUF_KEYS,
    "gpt2": {
        "context_length": "n_positions",
        "embedding_length": "n_embd",
        "block_count": "n_layer",
        "feed_forward_length": "n_inner",
        "attention.head_count": "n_head",
        "attention.layer_norm_epsilon": "layer_norm_epsilon",
        "vocab_size": "vocab_size",
    },
}
