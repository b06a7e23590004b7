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

ROUNDS = 5  # each measures everything in turn, so that a busy moment slows both alike
TRACE_TOKENS = 128  # of the forward pass that keeps all hidden states
PROMPT_TOKENS = 16
NEW_TOKENS = 64  # of the greedy continuation


def against_transformers(name: str = "smollm2", rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure a trace and greedy generation with a cache here and in transformers; compare results.

    Times are medians in seconds. `name` is a model that `load` takes, except a run of minitx.
    Logits and states are compared by the largest difference over the largest value. Raises
    InputError without torch and transformers.
    """
    torch, transformers = import_both()
    loaded = loader.load(name)
    model, params = loaded.model, loaded.model.params()
    theirs = load_theirs(transformers, torch, loader.locate(name))
    ids = loader.tokenizer_of(loaded).encode(read_text("fables").text[:2000])
    tokens_BT = ids[None, :TRACE_TOKENS]
    prompt_BT = ids[None, :PROMPT_TOKENS]
    their_tokens = torch.tensor(tokens_BT.astype(np.int64))
    their_prompt = torch.tensor(prompt_BT.astype(np.int64))

    def our_trace():
        fields = ("states_LBTD", "logits_BTV")
        return jax.block_until_ready(trace_fields(loaded.config, fields, params, tokens_BT))

    def their_trace():
        return theirs(their_tokens, output_hidden_states=True)

    def our_text():
        return np.concatenate(list(sample.generate(model, prompt_BT, NEW_TOKENS, 0.0)), axis=1)

    def their_text():
        text = theirs.generate(
            their_prompt, max_new_tokens=NEW_TOKENS, do_sample=False, use_cache=True
        )
        return text.numpy()[:, PROMPT_TOKENS:]

    with torch.no_grad():
        seconds, results = in_turn([our_trace, their_trace, our_text, their_text], rounds)
    (states_LBTD, logits_BTV), their_output, our_tokens_BT, their_tokens_BT = results
    # Their last hidden state is taken after the final norm, so it is left out.
    pairs = zip(np.asarray(states_LBTD), their_output.hidden_states[:-1], strict=False)
    return {
        "model": loaded.name,
        "rounds": rounds,
        "threads": {"torch": torch.get_num_threads(), "jax_devices": jax.device_count()},
        "trace": {
            "tokens": TRACE_TOKENS,
            "minitx_seconds": seconds["our_trace"],
            "transformers_seconds": seconds["their_trace"],
            "times_as_fast": seconds["their_trace"] / seconds["our_trace"],
        },
        "generate": {
            "tokens": NEW_TOKENS,
            "minitx_tokens_per_second": NEW_TOKENS / seconds["our_text"],
            "transformers_tokens_per_second": NEW_TOKENS / seconds["their_text"],
            "times_as_fast": seconds["their_text"] / seconds["our_text"],
        },
        "agreement": {
            "logits_relative_error": relative_error(logits_BTV, their_output.logits.numpy()),
            "states_relative_error": max(
                relative_error(ours, their.numpy()) for ours, their in pairs
            ),
            "same_tokens": int((our_tokens_BT == their_tokens_BT).sum()),
        },
    }


def in_turn(calls: list[Callable], rounds: int) -> tuple[dict[str, float], list]:
    """Return the median seconds of each call over the rounds, by name, and what each returned."""
    results = [call() for call in calls]  # compiles, and fills the caches
    seconds: dict[str, list[float]] = {call.__name__: [] for call in calls}
    for _ in range(rounds):
        for call in calls:
            start = time.perf_counter()
            call()
            seconds[call.__name__].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}, results


def relative_error(values, reference) -> float:
    """Return the largest difference from `reference` over the largest value of `reference`.

    >>> relative_error([1.0, 4.0], [1.0, 5.0])
    0.2
    """
    values = np.asarray(values, np.float64)
    reference = np.asarray(reference, np.float64)
    return float(np.abs(values - reference).max() / np.abs(reference).max())


def import_both():
    """Return torch and transformers. Raises InputError that names a missing package."""
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
    """Return the same weights as a model of transformers, which generates without an early stop."""
    folder = path.parent if path.is_file() else path
    options = {"gguf_file": path.name} if path.is_file() else {}
    auto = transformers.AutoModelForCausalLM
    theirs = auto.from_pretrained(folder, dtype=torch.float32, **options)
    theirs.generation_config.eos_token_id = None  # so that it does not stop early
    return theirs.eval()
