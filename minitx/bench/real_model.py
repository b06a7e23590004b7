"""A real model here and in transformers, on the same weights: how fast, and do they agree?

Each side runs in a process of its own, and the two work in turn. In one process they disturb each
other: our trace took 222 ms alone, and 317 beside torch (2026-11-30).
"""

import contextlib
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
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
SPAWN = get_context("spawn")  # JAX starts threads, which a forked process would not have


def against_transformers(name: str = "smollm2", rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure a trace and greedy generation with a cache here and in transformers; compare results.

    Times are medians in seconds. `name` is a model that `load` takes, except a run of minitx.
    Logits and states are compared by the largest difference over the largest value. Raises
    InputError without torch and transformers.
    """
    import_both()
    with in_a_process(our_tasks, name) as ours, in_a_process(their_tasks, name) as theirs:
        our_results, their_results = ours("results"), theirs("results")
        seconds = in_turn({"ours": ours, "theirs": theirs}, rounds)
    return {
        "model": name,
        "rounds": rounds,
        "trace": {
            "tokens": TRACE_TOKENS,
            "minitx_seconds": seconds["ours", "trace"],
            "transformers_seconds": seconds["theirs", "trace"],
            "times_as_fast": seconds["theirs", "trace"] / seconds["ours", "trace"],
        },
        "generate": {
            "tokens": NEW_TOKENS,
            "minitx_tokens_per_second": NEW_TOKENS / seconds["ours", "text"],
            "transformers_tokens_per_second": NEW_TOKENS / seconds["theirs", "text"],
            "times_as_fast": seconds["theirs", "text"] / seconds["ours", "text"],
        },
        "agreement": agreement(our_results, their_results),
    }


def in_turn(sides: dict[str, Callable[[str], float]], rounds: int) -> dict[tuple[str, str], float]:
    """Return the median seconds of each side at each task over the rounds, the sides in turn."""
    seconds = {(side, task): [] for task in ("trace", "text") for side in sides}
    for _ in range(rounds):
        for side, task in seconds:
            seconds[side, task].append(sides[side](task))
    return {key: statistics.median(values) for key, values in seconds.items()}


def agreement(ours, theirs) -> dict[str, Any]:
    """Return how far the results of the two sides differ."""
    # Their last hidden state is taken after the final norm, so it is left out.
    states = zip(ours["states"][:-1], theirs["states"][:-1], strict=True)
    return {
        "logits_relative_error": relative_error(ours["logits"], theirs["logits"]),
        "states_relative_error": max(relative_error(our, their) for our, their in states),
        "same_tokens": int((ours["tokens"] == theirs["tokens"]).sum()),
    }


def relative_error(values, reference) -> float:
    """Return the largest difference from `reference` over the largest value of `reference`.

    >>> relative_error([1.0, 4.0], [1.0, 5.0])
    0.2
    """
    values = np.asarray(values, np.float64)
    reference = np.asarray(reference, np.float64)
    return float(np.abs(values - reference).max() / np.abs(reference).max())


# --- a process for each side ---------------------------------------------------------------------


Tasks = tuple[Callable[[], tuple], Callable[[], np.ndarray]]  # states and logits; new tokens


@contextlib.contextmanager
def in_a_process(make_tasks: Callable[[str], Tasks], name: str) -> Iterator[Callable[[str], Any]]:
    """Start one side; yield a function that asks it for "results", or for the seconds of a task.

    Raises InputError for what the process says, and if it ends.
    """
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=serve, args=(make_tasks, name, there), daemon=True)
    process.start()
    there.close()  # so that the end of the process is noticed

    def ask(question: str) -> Any:
        try:
            here.send(question)
            answer = here.recv()
        except (EOFError, OSError):
            raise InputError("a process that measures has died: run `minitx doctor`") from None
        if isinstance(answer, InputError):
            raise answer
        return answer

    try:
        yield ask
    finally:
        here.close()  # the process ends when it next reads
        process.join(5)
        process.kill()


def serve(make_tasks: Callable[[str], Tasks], name: str, pipe) -> None:
    """Load a model, then answer each question from the pipe. An InputError is an answer, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    try:
        trace, text = make_tasks(name)
        states, logits = trace()
        results = {
            "states": [np.asarray(state) for state in states],
            "logits": np.asarray(logits),
            "tokens": text(),
        }
    except InputError as error:
        results = error
    with contextlib.suppress(EOFError, BrokenPipeError):  # the other end is closed
        while True:
            question = pipe.recv()
            if question == "results":
                pipe.send(results)
                continue
            start = time.perf_counter()
            {"trace": trace, "text": text}[question]()
            pipe.send(time.perf_counter() - start)


def our_tasks(name: str) -> Tasks:
    """Return a trace and a greedy continuation by minitx."""
    loaded = loader.load(name)
    config, params = loaded.config, loaded.model.params()
    tokens_BT, prompt_BT = inputs(loaded)

    def trace():
        fields = ("states_LBTD", "logits_BTV")
        return jax.block_until_ready(trace_fields(config, fields, params, tokens_BT))

    def text():
        made = list(sample.generate(loaded.model, prompt_BT, NEW_TOKENS, temperature=0.0))
        return np.concatenate(made, axis=1)

    return trace, text


def their_tasks(name: str) -> Tasks:
    """Return a trace and a greedy continuation by transformers."""
    torch, transformers = import_both()
    torch.set_grad_enabled(False)
    model = load_theirs(transformers, torch, loader.locate(name))
    tokens_BT, prompt_BT = (torch.tensor(ids.astype(np.int64)) for ids in inputs(loader.load(name)))

    def trace():
        output = model(tokens_BT, output_hidden_states=True)
        return output.hidden_states, output.logits

    def text():
        made = model.generate(prompt_BT, max_new_tokens=NEW_TOKENS, do_sample=False, use_cache=True)
        return made.numpy()[:, PROMPT_TOKENS:]

    return trace, text


def inputs(loaded) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of the trace and of the prompt, from the first fables."""
    ids = loader.tokenizer_of(loaded).encode(read_text("fables").text[:2000])
    return ids[None, :TRACE_TOKENS], ids[None, :PROMPT_TOKENS]


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
