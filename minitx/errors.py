"""What goes wrong through no fault of ours, in words that help."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used; the message says what, where, and the cure, in one line.

    The command line prints it as `minitx: error: ...` and exits with status 2.
    """


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown word: the nearest known one, and all of them.

    >>> suggest("layernrom", ["none", "layernorm"])
    "; did you mean 'layernorm'? known names: none, layernorm"
    """
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"; {guess}known names: {', '.join(known)}"
