"""A real model here and in transformers, on the same weights: how fast, and do they agree?"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from minitx import sample
from minitx.compiled import trace_fields
from minitx.errors import InputError
from minitx.pretrained import loader
from minitx.text.corpus import read_text

ROUNDS = 5  # each measures everything in turn, so that a busy moment hits both alike
TRACE_T = 128  # tokens of the forward pass that keeps all hidden states
PROMPT_T, MADE_T = 16, 64  # tokens of the greedy continuation


def against_transformers(name: str = "smollm2", rounds: int = ROUNDS) -> dict[str, Any]:
    """Medians in seconds of a trace and of greedy generation with a cache, and how they agree.

    `name` is what `load` takes, but no run. Logits and states are compared as the largest
    difference over the largest value. Raises InputError without torch and transformers.
    """
    torch, transformers = import_both()
    loaded = loader.load(name)
    model, params = loaded.model, loaded.model.params()
    theirs = load_theirs(transformers, torch, loader.locate(name))
    ids = loader.tokenizer_of(loaded).encode(read_text("fables").text[:2000])
    tokens_BT, prompt_BT = ids[None, :TRACE_T], ids[None, :PROMPT_T]
    tokens, prompt = (torch.tensor(a.astype(np.int64)) for a in (tokens_BT, prompt_BT))

    def our_trace():
        fields = ("states_LBTD", "logits_BTV")
        return jax.block_until_ready(trace_fields(loaded.config, fields, params, tokens_BT))

    def their_trace():
        return theirs(tokens, output_hidden_states=True)

    def our_text():
        return np.concatenate(list(sample.generate(model, prompt_BT, MADE_T, 0.0)), axis=1)

    def their_text():
        made = theirs.generate(prompt, max_new_tokens=MADE_T, do_sample=False, use_cache=True)
        return made.numpy()[:, PROMPT_T:]

    with torch.no_grad():
        seconds, results = in_turn([our_trace, their_trace, our_text, their_text], rounds)
    (states_LBTD, logits_BTV), out, ours_BT, theirs_BT = results
    # Their last entry is taken after the final norm.
    pairs = zip(np.asarray(states_LBTD), out.hidden_states[:-1], strict=False)
    ours_s, theirs_s = seconds["our_trace"], seconds["their_trace"]
    return {
        "model": loaded.name,
        "rounds": rounds,
        "threads": {"torch": torch.get_num_threads(), "jax_devices": jax.device_count()},
        "trace": {
            "tokens": TRACE_T,
            "minitx_seconds": ours_s,
            "transformers_seconds": theirs_s,
            "times_as_fast": theirs_s / ours_s,
        },
        "generate": {
            "tokens": MADE_T,
            "minitx_tokens_per_second": MADE_T / seconds["our_text"],
            "transformers_tokens_per_second": MADE_T / seconds["their_text"],
            "times_as_fast": seconds["their_text"] / seconds["our_text"],
        },
        "agreement": {
            "logits_relative_error": relative_error(logits_BTV, out.logits.numpy()),
            "states_relative_error": max(relative_error(a, b.numpy()) for a, b in pairs),
            "same_tokens": int((ours_BT == theirs_BT).sum()),
        },
    }


def in_turn(calls: list[Callable], rounds: int) -> tuple[dict[str, float], list]:
    """The median seconds of each call over the rounds, by name, and what each returned last."""
    results = [call() for call in calls]  # compiles, and warms the caches
    seconds: dict[str, list[float]] = {call.__name__: [] for call in calls}
    for _ in range(rounds):
        for call in calls:
            start = time.perf_counter()
            call()
            seconds[call.__name__].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}, results


def relative_error(a, b) -> float:
    """The largest difference over the largest value of b.

    >>> relative_error([1.0, 4.0], [1.0, 5.0])
    0.2
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.abs(a - b).max() / np.abs(b).max())


def import_both():
    """torch and transformers. Raises InputError naming what is missing."""
    try:
        import accelerate  # noqa: F401 (transformers reads GGUF files through it)
        import torch
        import transformers
    except ImportError as error:
        raise InputError(
            f"the comparison needs {error.name}: pip install torch transformers accelerate"
        ) from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return torch, transformers


def load_theirs(transformers, torch, path: Path):
    """The same weights as a model of transformers that never stops early."""
    where, more = (path.parent, {"gguf_file": path.name}) if path.is_file() else (path, {})
    theirs = transformers.AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **more)
    theirs.generation_config.eos_token_id = None
    return theirs.eval()
