"""The bench's results in words: every figure is there, and only what was measured."""

from minitx.bench.summary import summary


def made_up() -> dict:
    spread = {"median": 0.04, "min": 0.03, "max": 0.05}
    end = {"seconds": 12.3, "step": 340, "val_loss": 1.8765}
    pair = {"minitx_seconds": spread, "nanogpt_seconds": spread, "times_as_fast": spread}
    return {
        "machine": {"date": "2000-01-02", "device": "abacus", "cores": 2, "python": "3",
                    "jax": "1"},
        "ceiling": {"float32": 123e9, "bfloat16": 45e9},
        "demo": {
            "parameters": 777, "step_seconds": spread, "tokens_per_second": 999.0,
            "share_of_ceiling": 0.31, "trace_seconds": 0.6, "peak_memory_mib": 456.0,
            "compile_seconds": {"cold": 5.5, "cached": 0.7}, "sampled_tokens_per_second": 888.0,
        },
        "seeds": [{"seeds": 1, "step_seconds": 0.02, "times_one_seed": 1.0}],
        "time to loss": {
            "preset": "sprint", "corpus": "fables", "target": 1.88,
            "cold": {**end, "reached": True}, "cached": {**end, "reached": False},
        },
        "against transformers": {
            "model": "smollm2", "rounds": 5,
            "trace": {"tokens": 128, "minitx_seconds": 0.2, "transformers_seconds": 0.3,
                      "times_as_fast": 1.51},
            "generate": {"tokens": 64, "minitx_tokens_per_second": 36.5,
                         "transformers_tokens_per_second": 18.4, "times_as_fast": 1.98},
            "agreement": {"logits_relative_error": 2e-6, "states_relative_error": 7e-6,
                          "same_tokens": 63},
        },
        "page": {
            "browser": "99.1", "bytes": 6_400_000, "prompt_tokens": 32,
            "controls": {"c": {"panel": "dial", "label": "times c", "ms": 5.43, "most_ms": 8.76,
                               "multiply_adds": 654321}},
            "typing": {"ms": 61.2, "most_ms": 71.3, "multiply_adds": 38.9e6},
        },
        "against nanoGPT": {"rounds": 3, "step": pair, "sampling": pair, "whole_run": pair},
    }  # fmt: skip


def test_the_summary_holds_every_figure():
    text = summary(made_up())
    for figure in ("abacus", "123 GFLOP/s", "777", "40.0 (30.0 to 50.0)", "999", "31%", "456",
                   "888", "0.60", "5.50", "0.70", "20.0", "12.3 s", "1.8765", "340 steps",
                   "misses the target of 1.88", "3 times in turn", "whole run",
                   "trace of 128 tokens", "200.0", "300.0", "1.51", "36.5", "18.4", "1.98",
                   "2.0e-06", "7.0e-06", "63 of 64 tokens", "99.1", "6.4 MB", "32 tokens", "dial",
                   "times c", "5.4 (8.8)", "0.65", "61.2 (71.3)", "38.90"):  # fmt: skip
        assert figure in text, figure
    assert text.count("misses the target") == 1
    alone = summary({k: v for k, v in made_up().items() if "against" not in k})
    assert "nanoGPT" not in alone and "transformers" not in alone
    only = {k: v for k, v in made_up().items() if k in ("machine", "against nanoGPT")}
    assert "GFLOP/s" not in summary(only) and "whole run" in summary(only)
