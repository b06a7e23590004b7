"""Named starting points: a model, a recipe to train it, and the tokenizer that goes with them."""

from dataclasses import dataclass

from minitx.config import ModelConfig, TrainConfig


@dataclass(frozen=True)
class Preset:
    """One of them, and what it is for."""

    about: str
    model: ModelConfig
    train: TrainConfig
    tokenizer: str = "char"


# fmt: off
PRESETS = {
    "demo": Preset(
        "what `minitx demo` trains: 4 pre-norm blocks, about half a minute on two cores",
        ModelConfig(
            width=96, depth=4, heads=3, context=64, positions="rope", norm="rmsnorm",
            norm_gain=False, qk_norm=True, mlp="swiglu",
        ),
        TrainConfig(
            steps=320, optimizer="muon", lr=0.02, adam_lr=0.01, momentum=0.85, weight_decay=0.0,
            warmup=20, decay="linear", final_lr=0.0, eval_every=80,
        ),
    ),
    "nanogpt-cpu": Preset(
        "nanoGPT's recipe for a CPU: 4 blocks, width 128, context 64, 2000 steps of 12 sequences",
        ModelConfig(width=128, depth=4, heads=4, context=64, tied=True),
        TrainConfig(
            steps=2000, batch=12, lr=1e-3, warmup=100, final_lr=0.1, beta2=0.99, eval_every=250
        ),
    ),
    "sprint": Preset(
        "the fastest way to where `nanogpt-cpu` ends: an eighth of its size, a ninth of its steps",
        ModelConfig(
            width=64, depth=2, heads=2, context=64, positions="rope", norm="rmsnorm",
            norm_gain=False, qk_norm=True, mlp="relu2", rope_base=100.0,
        ),
        TrainConfig(
            steps=220, batch=24, optimizer="muon", lr=0.03, adam_lr=0.02, momentum=0.85,
            weight_decay=0.0, clip=0.0, warmup=10, decay="linear", final_lr=0.0, eval_every=220,
        ),
    ),
    "nanogpt-gpu": Preset(
        "nanoGPT's recipe for a GPU: 6 blocks, width 384, context 256, 5000 steps of 64 sequences",
        ModelConfig(width=384, depth=6, heads=6, context=256, tied=True, dropout=0.2),
        TrainConfig(
            steps=5000, batch=64, lr=1e-3, warmup=100, final_lr=0.1, beta2=0.99, eval_every=250,
            precision="bfloat16",
        ),
    ),
    "sprint-gpu": Preset(
        "the same size trained faster; meant for a GPU, where it has not been tried yet",
        ModelConfig(
            width=384, depth=6, heads=6, context=256, positions="rope", norm="rmsnorm",
            norm_gain=False, qk_norm=True, mlp="relu2", init="zero", dropout=0.2,
        ),
        TrainConfig(
            steps=1000, batch=64, optimizer="muon", lr=0.02, adam_lr=0.01, momentum=0.95,
            weight_decay=0.0, warmup=50, decay="linear", final_lr=0.0, eval_every=100,
            precision="bfloat16",
        ),
    ),
    "bigram": Preset(
        "no blocks at all: the embedding meets the unembedding, and only pairs can be learned",
        ModelConfig(depth=0, norm="none", positions="none", context=32),
        TrainConfig(steps=500, lr=1e-2),
    ),
}
