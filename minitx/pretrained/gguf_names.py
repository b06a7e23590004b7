"""How llama.cpp's GGUF files name the keys and tensors of the families in `architectures.py`."""

from dataclasses import replace

from minitx.pretrained.architectures import GPT2, LLAMA, QWEN2, Tensor, linear

TENSORS = {
    "embedding.table": Tensor("token_embd.weight"),
    "blocks.{n}.attention_norm.gain": Tensor("blk.{n}.attn_norm.weight"),
    "blocks.{n}.attention.query.weight": linear("blk.{n}.attn_q.weight"),
    "blocks.{n}.attention.query.bias": Tensor("blk.{n}.attn_q.bias"),
    "blocks.{n}.attention.key.weight": linear("blk.{n}.attn_k.weight"),
    "blocks.{n}.attention.key.bias": Tensor("blk.{n}.attn_k.bias"),
    "blocks.{n}.attention.value.weight": linear("blk.{n}.attn_v.weight"),
    "blocks.{n}.attention.value.bias": Tensor("blk.{n}.attn_v.bias"),
    "blocks.{n}.attention.out.weight": linear("blk.{n}.attn_output.weight"),
    "blocks.{n}.attention.out.bias": Tensor("blk.{n}.attn_output.bias"),
    "blocks.{n}.mlp_norm.gain": Tensor("blk.{n}.ffn_norm.weight"),
    "blocks.{n}.mlp.gate.weight": linear("blk.{n}.ffn_gate.weight"),
    "blocks.{n}.mlp.gate.bias": Tensor("blk.{n}.ffn_gate.bias"),
    "blocks.{n}.mlp.up.weight": linear("blk.{n}.ffn_up.weight"),
    "blocks.{n}.mlp.up.bias": Tensor("blk.{n}.ffn_up.bias"),
    "blocks.{n}.mlp.down.weight": linear("blk.{n}.ffn_down.weight"),
    "blocks.{n}.mlp.down.bias": Tensor("blk.{n}.ffn_down.bias"),
    "final_norm.gain": Tensor("output_norm.weight"),
    "unembedding.table": Tensor("output.weight"),
}

# llama.cpp permutes the rows of query and key only for the families that it calls llama.
LLAMA_TENSORS = TENSORS | {
    "blocks.{n}.attention.query.weight": linear("blk.{n}.attn_q.weight", interleaved=True),
    "blocks.{n}.attention.query.bias": Tensor("blk.{n}.attn_q.bias", interleaved=True),
    "blocks.{n}.attention.key.weight": linear("blk.{n}.attn_k.weight", interleaved=True),
    "blocks.{n}.attention.key.bias": Tensor("blk.{n}.attn_k.bias", interleaved=True),
}

GPT2_TENSORS = TENSORS | {
    "position.table": Tensor("position_embd.weight"),
    "blocks.{n}.attention_norm.bias": Tensor("blk.{n}.attn_norm.bias"),
    "blocks.{n}.attention.query.weight": linear("blk.{n}.attn_qkv.weight", third=0),
    "blocks.{n}.attention.query.bias": Tensor("blk.{n}.attn_qkv.bias", third=0),
    "blocks.{n}.attention.key.weight": linear("blk.{n}.attn_qkv.weight", third=1),
    "blocks.{n}.attention.key.bias": Tensor("blk.{n}.attn_qkv.bias", third=1),
    "blocks.{n}.attention.value.weight": linear("blk.{n}.attn_qkv.weight", third=2),
    "blocks.{n}.attention.value.bias": Tensor("blk.{n}.attn_qkv.bias", third=2),
    "blocks.{n}.mlp_norm.bias": Tensor("blk.{n}.ffn_norm.bias"),
    "final_norm.bias": Tensor("output_norm.bias"),
}

ARCHITECTURES = {
    "gpt2": replace(GPT2, tensors=GPT2_TENSORS, prefixes=(), unused=()),
    "llama": replace(LLAMA, tensors=LLAMA_TENSORS, prefixes=(), unused=()),
    "qwen2": replace(QWEN2, tensors=TENSORS, prefixes=(), unused=()),
}

_LLAMA_KEYS = {
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

# By architecture: a key of its metadata, without the architecture's name before it, and the key of
# a config.json that means the same.
KEYS = {
    "llama": _LLAMA_KEYS,
    "qwen2": _LLAMA_KEYS,
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
