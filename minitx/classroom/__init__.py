"""The classroom: what a lesson calls, and the walk that leads a learner through it.

A lesson imports what it needs from here:

    from minitx.classroom import check, draw, finish, judge, predict, quiz, reveal

Where to read first: `questions.py` (predict, reveal, quiz, write), `exercises.py` (check, hint),
`lab.py` (what lessons measure with), `figures.py` (pictures), `panels.py` (pictures that compute),
`verdicts.py` (claims), `ending.py`. These keep what they learn in `answers.py`. A claim of the
learner's own goes through `own_claims.py` (its file), `own_evidence.py` (what the file says) and
`own_judging.py`.
While a book is made, what is shown is handed to it (`learner.collected`), and a prediction is a
number that a reader has yet to make (`awaited.py`).
`lessons.py` takes the files of lessons apart; `walk.py` goes through one in the terminal, and
`notebook.py` turns one into a Jupyter notebook.
"""

import importlib

_HOME = {  # public name: the module that it comes from
    "predict": "questions",
    "reveal": "questions",
    "quiz": "questions",
    "write": "questions",
    "Question": "questions",
    "Exercise": "exercises",
    "check": "exercises",
    "hint": "exercises",
    "judge": "verdicts",
    "judge_real_model": "verdicts",
    "real_model": "verdicts",
    "show_ledger": "verdicts",
    "Picture": "figures",
    "panel": "panels",
    "draw": "lab",
    "held_out": "lab",
    "logits": "lab",
    "over_seeds": "lab",
    "states": "lab",
    "finish": "ending",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    """Import a public name when it is first used, so that `minitx lesson` starts without jax."""
    if name not in _HOME:
        raise AttributeError(f"module 'minitx.classroom' has no attribute {name!r}")
    return getattr(importlib.import_module(f"minitx.classroom.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
