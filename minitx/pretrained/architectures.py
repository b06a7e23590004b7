"""How other people's models name what our config and parameters hold: tables only.

One `Architecture` for each family, one line for each tensor. A config key that is in none of the
tables is refused by name: minitx loads what it supports and says what it does not.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple


class Tensor(NamedTuple):
    """A tensor in a file, and what to do with it; `{n}` in its name is the block's number."""

    name: str
    transposed: bool = False  # stored as (outputs, inputs)
    third: int | None = None  # query, key and value lie side by side: take this one of the three
    interleaved: bool = False  # rows that RoPE rotates together are neighbours, as in llama.cpp


def linear(name: str, third: int | None = None, interleaved: bool = False) -> Tensor:
    """Return the weight of a linear layer of torch, which stores it as (outputs, inputs)."""
    return Tensor(name, transposed=True, third=third, interleaved=interleaved)


@dataclass(frozen=True)
class Architecture:
    """A family of models, in the words of its config.json."""

    fields: dict[str, str]  # their key: our field
    defaults: dict[str, Any]  # what a missing key means; a key without a default must be there
    supported: dict[str, Any]  # their key: the only value that is supported
    tensors: dict[str, Tensor]  # our parameter: their tensor
    constants: dict[str, Any]  # our field: its value in the whole family
    activations: dict[str, str]  # their name of the nonlinearity: our `mlp`
    prefixes: tuple[str, ...] = ()  # that a tensor's name may have or lack
    unused: tuple[str, ...] = ()  # regular expressions of tensors that hold nothing learned
    refused: dict[str, str] = field(default_factory=dict)  # keys whose refusal needs more words


# Keys that say nothing about what a trained model computes: they are about training, files, special
# tokens, or the library that reads the config.
IRRELEVANT = frozenset(
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

# The only values that are supported in any family.
SUPPORTED_EVERYWHERE = {
    "is_encoder_decoder": False,
    "is_decoder": False,
    "add_cross_attention": False,
}

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
    supported={"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False},
    constants={"norm": "layernorm", "positions": "learned", "bias": True, "head": "dot"},
    activations=GELU,
    prefixes=("transformer.",),
    tensors={
        "embedding.table": Tensor("wte.weight"),
        "position.table": Tensor("wpe.weight"),
        "blocks.{n}.attention_norm.gain": Tensor("h.{n}.ln_1.weight"),
        "blocks.{n}.attention_norm.bias": Tensor("h.{n}.ln_1.bias"),
        "blocks.{n}.attention.query.weight": Tensor("h.{n}.attn.c_attn.weight", third=0),
        "blocks.{n}.attention.query.bias": Tensor("h.{n}.attn.c_attn.bias", third=0),
        "blocks.{n}.attention.key.weight": Tensor("h.{n}.attn.c_attn.weight", third=1),
        "blocks.{n}.attention.key.bias": Tensor("h.{n}.attn.c_attn.bias", third=1),
        "blocks.{n}.attention.value.weight": Tensor("h.{n}.attn.c_attn.weight", third=2),
        "blocks.{n}.attention.value.bias": Tensor("h.{n}.attn.c_attn.bias", third=2),
        "blocks.{n}.attention.out.weight": Tensor("h.{n}.attn.c_proj.weight"),
        "blocks.{n}.attention.out.bias": Tensor("h.{n}.attn.c_proj.bias"),
        "blocks.{n}.mlp_norm.gain": Tensor("h.{n}.ln_2.weight"),
        "blocks.{n}.mlp_norm.bias": Tensor("h.{n}.ln_2.bias"),
        "blocks.{n}.mlp.up.weight": Tensor("h.{n}.mlp.c_fc.weight"),
        "blocks.{n}.mlp.up.bias": Tensor("h.{n}.mlp.c_fc.bias"),
        "blocks.{n}.mlp.down.weight": Tensor("h.{n}.mlp.c_proj.weight"),
        "blocks.{n}.mlp.down.bias": Tensor("h.{n}.mlp.c_proj.bias"),
        "final_norm.gain": Tensor("ln_f.weight"),
        "final_norm.bias": Tensor("ln_f.bias"),
        "unembedding.table": Tensor("lm_head.weight"),
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
    supported={
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
        "_remove_final_layer_norm": False,
    },
    constants={
        "norm": "layernorm",
        "positions": "learned",
        "position_offset": 2,
        "bias": True,
        "norm_epsilon": 1e-5,
        "head": "dot",
    },
    activations=GELU,
    prefixes=("model.decoder.", "decoder."),
    tensors={
        "embedding.table": Tensor("embed_tokens.weight"),
        "position.table": Tensor("embed_positions.weight"),
        "blocks.{n}.attention_norm.gain": Tensor("layers.{n}.self_attn_layer_norm.weight"),
        "blocks.{n}.attention_norm.bias": Tensor("layers.{n}.self_attn_layer_norm.bias"),
        "blocks.{n}.attention.query.weight": linear("layers.{n}.self_attn.q_proj.weight"),
        "blocks.{n}.attention.query.bias": Tensor("layers.{n}.self_attn.q_proj.bias"),
        "blocks.{n}.attention.key.weight": linear("layers.{n}.self_attn.k_proj.weight"),
        "blocks.{n}.attention.key.bias": Tensor("layers.{n}.self_attn.k_proj.bias"),
        "blocks.{n}.attention.value.weight": linear("layers.{n}.self_attn.v_proj.weight"),
        "blocks.{n}.attention.value.bias": Tensor("layers.{n}.self_attn.v_proj.bias"),
        "blocks.{n}.attention.out.weight": linear("layers.{n}.self_attn.out_proj.weight"),
        "blocks.{n}.attention.out.bias": Tensor("layers.{n}.self_attn.out_proj.bias"),
        "blocks.{n}.mlp_norm.gain": Tensor("layers.{n}.final_layer_norm.weight"),
        "blocks.{n}.mlp_norm.bias": Tensor("layers.{n}.final_layer_norm.bias"),
        "blocks.{n}.mlp.up.weight": linear("layers.{n}.fc1.weight"),
        "blocks.{n}.mlp.up.bias": Tensor("layers.{n}.fc1.bias"),
        "blocks.{n}.mlp.down.weight": linear("layers.{n}.fc2.weight"),
        "blocks.{n}.mlp.down.bias": Tensor("layers.{n}.fc2.bias"),
        "final_norm.gain": Tensor("final_layer_norm.weight"),
        "final_norm.bias": Tensor("final_layer_norm.bias"),
        "unembedding.table": Tensor("lm_head.weight"),
    },
    refused={
        "do_layer_norm_before": "norms after the sublayers, as in OPT-350m",
        "word_embed_proj_dim": "projections around the blocks, as in OPT-350m",
    },
)

LLAMA_TENSORS = {
    "embedding.table": Tensor("embed_tokens.weight"),
    "blocks.{n}.attention_norm.gain": Tensor("layers.{n}.input_layernorm.weight"),
    "blocks.{n}.attention.query.weight": linear("layers.{n}.self_attn.q_proj.weight"),
    "blocks.{n}.attention.query.bias": Tensor("layers.{n}.self_attn.q_proj.bias"),
    "blocks.{n}.attention.key.weight": linear("layers.{n}.self_attn.k_proj.weight"),
    "blocks.{n}.attention.key.bias": Tensor("layers.{n}.self_attn.k_proj.bias"),
    "blocks.{n}.attention.value.weight": linear("layers.{n}.self_attn.v_proj.weight"),
    "blocks.{n}.attention.value.bias": Tensor("layers.{n}.self_attn.v_proj.bias"),
    "blocks.{n}.attention.out.weight": linear("layers.{n}.self_attn.o_proj.weight"),
    "blocks.{n}.attention.out.bias": Tensor("layers.{n}.self_attn.o_proj.bias"),
    "blocks.{n}.mlp_norm.gain": Tensor("layers.{n}.post_attention_layernorm.weight"),
    "blocks.{n}.mlp.gate.weight": linear("layers.{n}.mlp.gate_proj.weight"),
    "blocks.{n}.mlp.gate.bias": Tensor("layers.{n}.mlp.gate_proj.bias"),
    "blocks.{n}.mlp.up.weight": linear("layers.{n}.mlp.up_proj.weight"),
    "blocks.{n}.mlp.up.bias": Tensor("layers.{n}.mlp.up_proj.bias"),
    "blocks.{n}.mlp.down.weight": linear("layers.{n}.mlp.down_proj.weight"),
    "blocks.{n}.mlp.down.bias": Tensor("layers.{n}.mlp.down_proj.bias"),
    "final_norm.gain": Tensor("norm.weight"),
    "unembedding.table": Tensor("lm_head.weight"),
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

LLAMA_CONSTANTS = {"norm": "rmsnorm", "positions": "rope", "head": "dot"}
ROPE_UNUSED = (r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq",)  # follows from rope_theta
NO_SCALING = {"partial_rotary_factor": 1.0, "rope_interleaved": False}

LLAMA = Architecture(
    fields=LLAMA_FIELDS | {"attention_bias": "bias", "mlp_bias": "mlp_bias"},
    defaults=LLAMA_DEFAULTS
    | {"num_key_value_heads": None, "attention_bias": False, "mlp_bias": False},
    supported=NO_SCALING,
    constants=LLAMA_CONSTANTS,
    activations=GATED,
    prefixes=("model.",),
    tensors=LLAMA_TENSORS,
    unused=ROPE_UNUSED,
)

MISTRAL = replace(LLAMA, fields=LLAMA_FIELDS, defaults=LLAMA_DEFAULTS | {"num_key_value_heads": 8})
QWEN2 = replace(
    LLAMA,
    fields=LLAMA_FIELDS,
    defaults=LLAMA_DEFAULTS | {"num_key_value_heads": 32},
    constants=LLAMA_CONSTANTS | {"qkv_bias": True},
)

ARCHITECTURES = {"gpt2": GPT2, "opt": OPT, "llama": LLAMA, "mistral": MISTRAL, "qwen2": QWEN2}
