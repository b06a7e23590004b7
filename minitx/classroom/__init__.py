"""The classroom: what a lesson calls, and the walk that leads a learner through it.

A lesson imports what it needs from here:

    from minitx.classroom import Picture, check, claim, predict, quiz, real_model, verdict

Where to read first: `questions.py` (predict, quiz), `exercises.py` (check, hint), `claims.py` (the
verdicts and their ledger), `figures.py` (pictures). These keep what they learn in `answers.py`.
`lessons.py` takes the files of lessons apart; `walk.py` goes through one in the terminal, and
`notebook.py` turns one into a Jupyter notebook.
"""

import importlib

_HOME = {  # public name: the module that it comes from
    "predict": "questions",
    "quiz": "questions",
    "Exercise": "exercises",
    "check": "exercises",
    "hint": "exercises",
    "claim": "claims",
    "verdict": "claims",
    "Picture": "figures",
    "real_model": "real",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    """Import a public name when it is first used, so that `minitx lesson` starts without jax."""
    if name not in _HOME:
        raise AttributeError(f"module 'minitx.classroom' has no attribute {name!r}")
    return getattr(importlib.import_module(f"minitx.classroom.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
