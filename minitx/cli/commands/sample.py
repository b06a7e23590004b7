"""`minitx sample`: generate text with a trained model."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from minitx.cli.terminal import Stream, print_json, say
from minitx.errors import InputError


@dataclass(frozen=True)
class Sample:
    """Generate text with a trained model."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """The folder of a run or other model, a GGUF file, or a pulled model's name."""
    prompt: str | None = None
    """Text to continue; by default the start of a line."""
    bos: bool = False
    """Prepend the beginning-of-sequence (BOS) token."""
    tokens: int = 400
    """Number of tokens to generate."""
    temperature: float = 0.8
    """Divides the logits: 0 takes the most likely token, 1 samples as the model predicts."""
    top_k: int | None = None
    """Sample from the k most likely tokens only."""
    samples: int = 1
    """Number of texts, each a continuation of the same prompt."""
    seed: int = 0
    """Another seed gives another text."""
    best: bool = False
    """Use the weights with the lowest validation loss, not the last ones."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of weights and states; bfloat16 halves the memory of a large model."""
    json: bool = False
    """Print the samples as JSON."""

    def run(self) -> None:
        import numpy as np

        from minitx import sample
        from minitx.pretrained import loader

        if self.samples < 1:
            raise InputError(f"samples={self.samples} is out of range: it must be at least 1")
        loaded = loader.load(self.model, self.best, self.dtype)
        tokenizer = loader.tokenizer_of(loaded)
        prompt = default_prompt(tokenizer) if self.prompt is None else self.prompt
        prompt_ids = np.concatenate([loader.beginning(loaded, self.bos), tokenizer.encode(prompt)])
        if len(prompt_ids) > loaded.config.context:
            say(
                f"the prompt has {len(prompt_ids)} tokens, but the model reads at most "
                f"{loaded.config.context}: continuing from the end of the prompt"
            )
        stretches = sample.generate(
            loaded.model,
            np.tile(prompt_ids, (self.samples, 1)),
            self.tokens,
            self.temperature,
            self.top_k,
            self.seed,
        )
        if self.samples == 1 and not self.json:
            stream = Stream(tokenizer, prompt_ids)
            for ids_BT in stretches:
                stream.add(ids_BT[0])
            print()
            return
        ids_BT = np.concatenate(list(stretches), axis=1)
        texts = [tokenizer.decode(np.concatenate([prompt_ids, ids_T])) for ids_T in ids_BT]
        if self.json:
            print_json({"prompt": prompt, "seed": self.seed, "samples": texts})
            return
        for number, text in enumerate(texts, 1):
            print(f"--- {number} ---\n{text}\n")


def default_prompt(tokenizer) -> str:
    """Return a token that ends a line or a sentence, if there is one; else the first token."""
    for mark in ("\n", "."):
        if mark in tokenizer.tokens:
            return mark
    return tokenizer.tokens[0]
