"""The real model that lessons end with, where one was pulled."""

from minitx.errors import InputError
from minitx.pretrained import loader
from minitx.runs.run import Run


def real_model() -> Run | None:
    """SmolLM2-135M, if it was pulled; else None, and one line that says how to get it."""
    try:
        return loader.load("smollm2")
    except InputError:
        print("(the same on a real model: skipped here; `minitx pull smollm2` fetches one)")
        return None
