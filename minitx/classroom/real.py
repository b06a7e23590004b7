"""The real model that every lesson ends with."""

from minitx.errors import InputError
from minitx.pretrained import loader
from minitx.runs.run import Run


def real_model() -> Run | None:
    """Return SmolLM2-135M if it was pulled; otherwise print how to get it, and return None."""
    try:
        return loader.load("smollm2")
    except InputError:
        print("(the same on a real model: skipped; `minitx pull smollm2` downloads one)")
        return None
