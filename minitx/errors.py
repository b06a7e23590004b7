"""One exception for everything that the person at the keyboard can put right."""


class InputError(ValueError):
    """Input that cannot be used; the message says what, where, and the cure, in one line.

    The command line prints it as `minitx: error: ...` and exits with status 2.
    """
