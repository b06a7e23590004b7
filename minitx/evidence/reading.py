"""A model that has read windows of one or several texts: what every claim is measured on."""

import functools
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minitx import compiled, report
from minitx.errors import InputError
from minitx.model import Transformer
from minitx.parameters import named_arrays
from minitx.runs import run as runs
from minitx.runs.run import Run
from minitx.runs.zoo import Family
from minitx.text import corpus

WINDOWS = 20  # of all texts together; enough for a bootstrap
WINDOW_TOKENS = 64  # at most; SmolLM2 then reads its windows in seconds
GENERATED_WORDS = 4000


class Passage(NamedTuple):
    """Tokens of one text."""

    name: str
    tokens: np.ndarray


class Reading:
    """The windows tokens_WT of some texts, and what happened inside the model as it read them.

    `text_W` names the text of each window. Arrays of the trace have W for their batch.
    """

    def __init__(
        self,
        model: Transformer,
        tokens_WT: np.ndarray,
        text_W: Sequence[str],
        tokenizer: Any = None,
    ):
        self.tokenizer = tokenizer
        self.model = model
        self.config = model.config
        self.tokens_WT = np.asarray(tokens_WT)
        self.text_W = list(text_W)

    @property
    def strings_V(self) -> list[str]:
        """The tokens as text; empty if the tokenizer is not known."""
        return list(self.tokenizer.tokens) if self.tokenizer else []

    @functools.cached_property
    def trace(self):
        """The trace of all windows."""
        return compiled.trace(self.model, self.tokens_WT)

    def states_LTD(self, window: int) -> np.ndarray:
        """Return the states by layer in a window, without position 0."""
        return np.asarray(self.trace.states_LBTD[:, window, 1:], np.float64)

    def logits_TV(self, window: int) -> np.ndarray:
        """Return the logits of a window, without position 0."""
        return np.asarray(self.trace.logits_BTV[window, 1:], np.float64)

    def readout(self, x_TD) -> np.ndarray:
        """Return the logits_TV of states of a window: final norm, then unembedding."""
        return np.asarray(compiled.readout(self.model, to_float32(x_TD)), np.float64)[0]

    def top_tokens(self, x_TD) -> np.ndarray:
        """Return the token that each state of a window would predict, top_T."""
        return compiled.readout(self.model, to_float32(x_TD))[0].argmax(axis=-1)

    @functools.cached_property
    def unembedding_VD(self) -> np.ndarray:
        return np.asarray(self.model.unembedding_VD, np.float64)

    @functools.cached_property
    def embedding_VD(self) -> np.ndarray:
        return np.asarray(self.model.embedding.table[...], np.float64)

    def random(self, window: int) -> np.random.Generator:
        """Return random numbers that the window fixes."""
        return np.random.default_rng(window)


def hash_of_weights(reading: Reading) -> str:
    """Return a hash of the model's weights, 12 characters."""
    digest = hashlib.sha256()
    for name, array in sorted(named_arrays(reading.model.params()).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def in_words(reading: Reading) -> str:
    """Return what was read, with a hash of its tokens."""
    count, length = reading.tokens_WT.shape
    texts = ", ".join(dict.fromkeys(reading.text_W))
    digest = hashlib.sha256(reading.tokens_WT.tobytes()).hexdigest()[:8]
    return f"{count} windows of {length} tokens of {texts} ({digest})"


def to_float32(x_TD) -> np.ndarray:
    return np.asarray(x_TD, np.float32)[None]


def read(run: Run, names: Sequence[str] = (), windows: int = WINDOWS) -> Reading:
    """Let a model read `windows` windows, spread evenly over the texts and shared among them.

    Without names, the texts are those of `texts_for`. Raises InputError for a model whose logits
    are not dot products, for a text that it cannot read, and for one that is too short.
    """
    if run.config.head != "dot":
        raise InputError(
            f"{run.name} has head={run.config.head}, and the claims speak of logits that are dot "
            "products: judge a model with head=dot"
        )
    passages = [passage(run, name) for name in names] if names else texts_for(run)
    length = min(run.config.context, WINDOW_TOKENS)
    share = -(-windows // len(passages))
    tokens, text_W = [], []
    for source in passages:
        windows_WT = windows_of(source, share, length)
        tokens.append(windows_WT)
        text_W += [source.name] * len(windows_WT)
    return Reading(run.model, np.concatenate(tokens), text_W, run.tokenizer)


def read_held_out(model: Transformer, family: Family) -> Reading:
    """Return a model that has read windows of the held-out text of a family of the zoo."""
    length = min(family.config.context, WINDOW_TOKENS)
    tokens_WT = report.sequences(family.data.val_tokens, length, WINDOWS * length)
    text_W = [family.data.config.corpus] * len(tokens_WT)
    return Reading(model, tokens_WT, text_W, family.data.tokenizer)


def windows_of(source: Passage, count: int, length: int) -> np.ndarray:
    """Return windows of a text that do not overlap, spread evenly over it, tokens_WT.

    Raises InputError for a text that is too short.
    """
    if len(source.tokens) < count * length:
        raise InputError(
            f"{source.name} has {len(source.tokens)} tokens, but {count} windows of {length} need "
            f"{count * length}: name a longer text with --corpus"
        )
    return report.sequences(source.tokens, length, count * length)


def texts_for(run: Run) -> list[Passage]:
    """Return the texts that a model has not seen: its own held-out one, or two for a real model."""
    if run.data is not None:
        return [passage(run, None)]
    return [passage(run, "fables"), passage(run, "errands")]


def passage(run: Run, name: str | None) -> Passage:
    """Return the tokens of a text by name or path; None is the run's own held-out part."""
    is_foreign_source = name in corpus.GENERATORS and run.data is None
    if is_foreign_source:  # the words of a generator are English for a real model
        source = corpus.generate(name)
        ids = source.sample(GENERATED_WORDS, seed=1)
        text = " ".join(source.words[id] for id in ids)
        return Passage(name, run.tokenizer.encode(text))
    found = runs.unseen(run, name)
    return Passage(name or run.data.corpus, found.tokens)
