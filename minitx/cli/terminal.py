"""What a person sees in the terminal: remarks, progress, text as it is generated, JSON.

Results go to standard output; progress and remarks go to standard error.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable
from typing import Any


def say(words: str) -> None:
    """Print a remark on standard error."""
    print(words, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print one line of JSON on standard output."""
    print(json.dumps(value, allow_nan=False))


def show_progress(reports: Iterable, done: int, steps: int) -> None:
    """Consume the reports of `train`: a live line, and a lasting line for each evaluation.

    The live line goes from step `done` to step `steps`. Only a terminal gets it.
    """
    from tqdm import tqdm

    with tqdm(
        total=steps, initial=done, unit="step", dynamic_ncols=True, leave=False, disable=None
    ) as bar:
        for report in reports:
            bar.update(report.step - bar.n)
            bar.set_postfix_str(
                f"loss {report.train_loss:.4f}, {report.tokens_per_second:.0f} tokens/s"
            )
            if report.evaluation:
                bar.write(evaluation_line(report.evaluation), file=sys.stderr)


def evaluation_line(evaluation) -> str:
    """Return one evaluation as a line whose numbers stand below those of other evaluations."""
    return (
        f"step {evaluation.step:5}   training loss {evaluation.train_loss:.4f}   "
        f"validation loss {evaluation.val_loss:.4f}   {evaluation.seconds:6.1f} s"
    )


class Stream:
    """Prints tokens as text while they are generated.

    A character whose bytes are spread over several tokens is printed when its last byte is there.
    """

    def __init__(self, tokenizer, ids: Iterable[int]):
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.printed = 0  # characters
        self.add(ids)

    def add(self, ids: Iterable[int]) -> None:
        """Print what these tokens complete."""
        self.ids += list(ids)
        complete = self.tokenizer.decode(self.ids).rstrip("\ufffd")
        print(complete[self.printed :], end="", flush=True)
        self.printed = len(complete)


@contextlib.contextmanager
def first_process_talks():
    """Silence every process but the first while several train together; errors are still shown."""
    from minitx.devices.processes import is_alone, is_first

    if is_alone():
        yield
        return
    # The library that connects the processes writes to descriptor 1 directly, so descriptor 1 goes
    # to standard error, and Python's own output to a copy of the old descriptor.
    with os.fdopen(os.dup(1), "w") as own, contextlib.redirect_stdout(own):
        os.dup2(2, 1)
        if is_first():
            yield
            return
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
