"""A guessing game: the learner and a model guess the next token of a text that neither has seen."""

from collections.abc import Sequence

import numpy as np

from minitx.classroom.learner import collected, tell
from minitx.classroom.questions import predict
from minitx.compiled import trace
from minitx.runs.zoo import Family

SHOWN = 40  # tokens before the one to guess
CHOICES = 4


def guess_next(id: str, family: Family, places: Sequence[int]) -> None:
    """Ask for the token at each place of a family's held-out text, and say what the model says.

    The choices are the right token and the ones that the model finds likeliest of the others. Each
    prediction is kept as ID1, ID2 and so on.
    """
    tokens, held_out = family.data.tokenizer.tokens, family.data.val_tokens
    points = {"you": 0, "the model": 0}
    for number, place in enumerate(places, start=1):
        before_T = held_out[place - SHOWN : place]
        right = int(held_out[place])
        logits_V = trace(family.models[0], before_T[None]).logits_BTV[0, -1]
        choices = likeliest(logits_V, right)
        choices.sort(key=lambda id: tokens[id])
        text = family.data.tokenizer.decode(before_T)
        named = [repr(tokens[id]) for id in choices]
        shown = text.replace("\n", "\\n")
        guess = predict(f"{id}{number}", f"which piece comes next? «... {shown}»", named)
        best = int(np.argmax(logits_V))
        points["the model"] += best == right
        points["you"] += guess is not None and choices[guess] == right
        says = f"The model says {tokens[best]!r}."
        if not collected("truth", id=f"{id}{number}", truth=repr(tokens[right]), because=says):
            tell(f"It was {tokens[right]!r}. {says}", "  ")
    if collected("words", text=f"Right: the model, {points['the model']} of {len(places)}."):
        return
    tell(f"Right: you {points['you']}, the model {points['the model']} of {len(places)}.")


def likeliest(logits_V, right: int) -> list[int]:
    """Return the right token, and the likeliest of the others, as many as there are choices.

    >>> likeliest([0.1, 0.4, 0.9, 0.2, 0.8], right=0)
    [0, 2, 4, 1]
    """
    by_logit = np.argsort(-np.asarray(logits_V), kind="stable").tolist()
    others = [id for id in by_logit if id != right]
    return [right, *others[: CHOICES - 1]]
