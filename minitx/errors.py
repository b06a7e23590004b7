"""What goes wrong through no fault of ours, in words that help."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used; the message says what, where, and the cure, in one line.

    The command line prints it as `minitx: error: ...` and exits with status 2.
    """


def reason(error: OSError) -> str:
    """Return in words why the operating system refused, in one line.

    An OSError that a library raises may have no `strerror`: then its own text counts, and if that
    is empty, the name of its class.

    >>> reason(OSError(28, "No space left on device"))
    'No space left on device'
    >>> reason(TimeoutError())
    'TimeoutError'
    """
    words = error.strerror or str(error) or type(error).__name__
    return " ".join(words.split())


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown word: the nearest known one, and all of them.

    >>> suggest("layernrom", ["none", "layernorm"])
    "; did you mean 'layernorm'? known names: none, layernorm"
    """
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"; {guess}known names: {', '.join(known)}"
