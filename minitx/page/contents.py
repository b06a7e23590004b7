"""What a page contains of a model: its config, weights as float16, tokenizer and some text.

Rounding the weights to float16 halves the page. It changes no probability of the demo by more than
0.002, and the largest KL is 1.1e-5 nats (11136 predictions on the text that the demo held out,
`compiled.trace` with and without `rounded`, 2026-11-25). Everything else is JSON.
"""

import base64
import dataclasses
import math
from typing import Any, NamedTuple

import jax
import numpy as np

from minitx.errors import InputError
from minitx.page.portable import portable_tokenizer
from minitx.parameters import named_arrays
from minitx.report import untrained_twin
from minitx.runs import run as runs
from minitx.runs.run import Run
from minitx.text.data import split

EXAMPLES = 6  # pieces of text to choose from
EXAMPLE_TOKENS = 32  # of each; longer ones make the page slower, not clearer


class Contents(NamedTuple):
    """One model as a page holds it."""

    facts: dict[str, Any]  # JSON: names, config, tokenizer, example texts
    weights: str  # float16 in base64, the tensors of facts["tensors"] one after the other
    untrained: str  # the same for the model before training; empty if it was left out


def contents(run: Run, prompt: str | None = None, untrained: bool = True) -> Contents:
    """Return what a page needs of one model.

    The prompt is the first of its example texts; the others come from text that the run has not
    seen. Raises InputError for a model without a supported tokenizer, for weights that float16
    cannot hold, and for a prompt that the model cannot read.
    """
    tokenizer = portable_tokenizer(run)
    arrays = named_arrays(run.model.params())
    facts = {
        "name": run.name,
        "config": dataclasses.asdict(run.config),
        "sizes": run.config.sizes,
        "parameters": sum(array.size for array in arrays.values()),
        "tensors": [{"name": name, "shape": list(a.shape)} for name, a in arrays.items()],
        "tokenizer": tokenizer,
        "examples": examples(run, prompt),
        "frequencies": frequencies(run),
    }
    twin = ""
    if untrained:
        seed = run.recipe.seed if run.recipe else 0
        twin = packed(run, named_arrays(untrained_twin(run.model, seed).params()))
    return Contents(facts, packed(run, arrays), twin)


def packed(run: Run, arrays: dict[str, np.ndarray]) -> str:
    """Return tensors one after the other as float16, least significant byte first, in base64."""
    parts = []
    for name, array in arrays.items():
        with np.errstate(over="ignore"):
            half = np.asarray(array, np.float32).astype("<f2")
        if not np.isfinite(half).all():
            raise InputError(
                f"{run.name}: {name} has weights above 65504, which float16 cannot hold: choose "
                "another model"
            )
        parts.append(half.tobytes())
    return base64.b64encode(b"".join(parts)).decode()


def rounded(params: Any) -> Any:
    """Return the parameters as they are in a page: rounded to float16, as float32.

    >>> float(rounded(np.array([1.0001]))[0])
    1.0
    """
    return jax.tree.map(lambda leaf: np.asarray(leaf).astype("<f2").astype(np.float32), params)


def size_of(run: Run, untrained: bool) -> int:
    """Return how many bytes the weights of a model take in a page."""
    count = sum(array.size for array in named_arrays(run.model.params()).values())
    return math.ceil(2 * count / 3) * 4 * (2 if untrained else 1)


# --- text ----------------------------------------------------------------------------------------


def examples(run: Run, prompt: str | None) -> list[str]:
    """Return the prompt, if one is given, and pieces of the run's held-out text.

    Raises InputError for a prompt that the model cannot read, and if there is no text at all.
    """
    given = [] if prompt is None else [checked(run, prompt)]
    if run.data is None:
        if given:
            return given
        return [checked(run, "The fox saw the crow, and the crow saw the")]
    try:
        tokens = runs.held_out(run)
    except InputError as error:
        if given:
            return given
        raise InputError(f"{error} (or give the page a text with --prompt)") from None
    return given + excerpts(run, tokens)


def checked(run: Run, prompt: str) -> str:
    """Return the prompt; InputError if the model cannot read it."""
    count = len(run.tokenizer.encode(prompt))
    if count < 2:
        raise InputError(f"the prompt has {count} tokens: give at least 2")
    if count > run.config.context:
        raise InputError(
            f"the prompt has {count} tokens, but {run.name} reads {run.config.context}: shorten it"
        )
    return prompt


def excerpts(run: Run, tokens: np.ndarray) -> list[str]:
    """Return pieces of a text that start where a word starts, spread evenly over it."""
    length = min(EXAMPLE_TOKENS, run.config.context, len(tokens))
    pieces = []
    for start in np.linspace(1, len(tokens) - length, EXAMPLES).astype(int):
        first = word_start(run, tokens, start, len(tokens) - length)
        text = run.tokenizer.decode(tokens[first : first + length])
        text = text.strip("\ufffd")  # bytes of a character that was cut in two
        if " " in text.strip():
            text = text[: text.rindex(" ")]  # the last word may be cut
        if run.tokenizer.kind == "char":
            text += " "  # which letter begins the next word is open
        count = len(run.tokenizer.encode(text))
        if 2 <= count <= run.config.context and text not in pieces:
            pieces.append(text)
    if not pieces:
        raise InputError(f"{run.name}: its held-out text is too short: give one with --prompt")
    return pieces


def word_start(run: Run, tokens: np.ndarray, start: int, end: int) -> int:
    """Return the first place from `start` to `end` where a word starts, or `start`."""
    for first in range(start, end + 1):
        before = run.tokenizer.decode(tokens[first - 1 : first])
        text = run.tokenizer.decode(tokens[first : first + 1])
        if (text[:1].isspace() and text.strip()) or (before[-1:].isspace() and text.strip()):
            return first
    return start


def frequencies(run: Run) -> list[int] | None:
    """Return how often each token occurs in the run's training text; None if that is not there."""
    if run.data is None:
        return None
    try:
        tokens, is_own = runs.read_tokens(run, run.data.corpus)
    except InputError:
        return None
    if not is_own:
        return None
    training_tokens, _ = split(tokens, run.data.val_fraction)
    return np.bincount(training_tokens, minlength=run.config.vocab).tolist()
