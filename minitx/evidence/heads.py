"""Do models think in directions because of LayerNorm, or because of how logits are made?"""

import functools

import numpy as np

from minitx import compiled, geometry, measure
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.training import loss_of, moved, windows_of
from minitx.runs.zoo import Family

MARGIN = 0.05  # of what a model knows: two models closer than that behave alike
WINDOWS = 200


def frequencies(family: Family) -> np.ndarray:
    """Return the share of each token in the training text, with one more of each: none is 0."""
    count_V = np.bincount(family.data.train_tokens, minlength=family.config.vocab) + 1
    return count_V / count_V.sum()


@functools.lru_cache(maxsize=32)
def knowledge_kept(family: Family, seed: int) -> tuple[float, float]:
    """Return what is left of a model's knowledge if all states of a layer get one length.

    And what is left if they are turned instead, each as far, towards another token's state. Both
    are means over the layers, the embedding first. Knowledge is how far the held-out loss lies
    below that of the tokens' frequencies. Raises Untestable for a model that has learned no more
    than these.
    """
    model = family.models[seed]
    tokens_BT = windows_of(family, WINDOWS)
    next_Z = tokens_BT[:, 2:].ravel()
    trace = compiled.trace(model, tokens_BT)
    by_frequency = float(-np.log(frequencies(family))[next_Z].mean())

    def knowledge(logits_BTV) -> float:
        logits_ZV = logits_BTV[:, 1:-1].reshape(len(next_Z), -1)
        return by_frequency - loss_of(logits_ZV, next_Z)

    whole = knowledge(trace.logits_BTV)
    if whole < MARGIN:
        raise Untestable(f"{family.name} predicts no better than the frequencies of the tokens")
    kept = [
        [knowledge(compiled.continue_from(model, 2 * layer, edited_BTD)) / whole
         for edited_BTD in one_length(x_BTD)]
        for layer, x_BTD in enumerate(trace.states_LBTD)
    ]  # fmt: skip
    of_lengths, of_turns = np.mean(kept, axis=0)
    return float(of_lengths), float(of_turns)


def one_length(x_BTD) -> list[np.ndarray]:
    """Return states that all have their median length, and states turned as far instead.

    Position 0 stays as it is.
    """
    x_ZD = np.asarray(x_BTD[:, 1:].reshape(-1, x_BTD.shape[-1]), np.float64)
    length_Z = np.full(len(x_ZD), np.median(measure.norms(x_ZD)))
    edited = []
    for new_ZD in moved(x_ZD, length_Z, geometry.derangement(len(x_ZD))):
        new_BTD = x_BTD.copy()
        new_BTD[:, 1:] = new_ZD.reshape(x_BTD[:, 1:].shape)
        edited.append(new_BTD)
    return edited


def lengths_after_norm(family: Family, seed: int) -> np.ndarray:
    """Return the length of what leaves the final norm, without its gain, for each state."""
    model = family.models[seed]
    after_BTD = compiled.trace(model, windows_of(family, WINDOWS)).after_final_norm_BTD
    return measure.norms(after_BTD / np.asarray(model.final_norm.gain[...])).ravel()


def c1(length, root, spread, without, with_norm, cosine, distance):
    """All vectors that leave a LayerNorm have one length, by algebra. This length is the square
    root of the width; it is 1 only as a root mean square. The check for this is that lengths differ
    by less than 1 %. What is left to find is whether LayerNorm is the reason to think in
    directions. A model thinks in directions as far as it keeps what it knows when all states of a
    layer get one length. Norms must raise what is kept by at least 5 percentage points, a twentieth
    of all that a model knows. They must also raise it by at least twice the difference that the
    head makes. The head makes the logits: cosines in some of the models, distances in others.
    Supported if the check holds, and norms raise what is kept by at least 5 percentage points and
    by at least twice the difference that the head makes. Refuted if the check fails, or if norms
    raise what is kept by less than 5 percentage points, or by no more than the difference that the
    head makes."""
    by_norm = with_norm - without
    by_head = abs(cosine - distance)
    return three_way(
        supported=spread < 0.01 and by_norm >= max(MARGIN, 2 * by_head),
        refuted=spread >= 0.01 or by_norm < MARGIN or by_norm <= by_head,
    )


@evidence(
    "C1",
    rule=c1,
    baseline="heads that compare directions or distances, under the same loss: what they change",
    sentence="All that leaves a LayerNorm has length {length:.2f}, the square root of the width "
    "({root:.2f}), to within {spread:.2%}. If all states of a layer get one length, models without "
    "norms keep {without:.0%} of what they know, and models with LayerNorm {with_norm:.0%}. Models "
    "whose logits are cosines keep {cosine:.0%}, those with distances {distance:.0%}.",
    of="families",
    species=(
        "head-dot-none", "head-dot-layernorm", "head-cosine-none", "head-cosine-layernorm",
        "head-distance-none", "head-distance-layernorm",
    ),
)  # fmt: skip
def measure_c1(seed: int, *families: Family) -> dict[str, float]:
    kept = np.array([knowledge_kept(family, seed)[0] for family in families])
    kept_by_head = kept.reshape(3, 2)  # dot, cosine, distance; without and with norms
    length_Z = lengths_after_norm(families[1], seed)
    return {
        "length": float(length_Z.mean()),
        "root": float(np.sqrt(families[1].config.width)),
        "spread": float(length_Z.std() / length_Z.mean()),
        "without": float(kept_by_head[:, 0].mean()),
        "with_norm": float(kept_by_head[:, 1].mean()),
        "cosine": float(kept_by_head[1].mean()),
        "distance": float(kept_by_head[2].mean()),
    }


def c2(bare, bare_turned, normed, distance):
    """All states of a layer get one length, and the rule compares what models then keep of what
    they know. Two models behave alike if what they keep differs by less than 5 percentage points.
    This margin was set before anything was measured. The lengths must also differ enough to tell.
    So if states are turned instead, each moved equally far, the model without norms must keep at
    least 5 percentage points less than at one length. The claim says that the loss is the reason,
    so the head must not be the reason. A model with distances for logits, under the same loss, must
    also behave alike. If it does not, the claim is half right: the reason is not the norm, but not
    the loss either. Supported if what the model without norms keeps differs by less than 5
    percentage points from the model with LayerNorm and from the model with distances, and turns
    leave at least 5 percentage points less of it. Refuted if the model without norms keeps at least
    5 percentage points less than the model with LayerNorm."""
    alike = abs(normed - bare) < MARGIN
    return three_way(
        supported=alike and bare - bare_turned >= MARGIN and abs(bare - distance) < MARGIN,
        refuted=normed - bare >= MARGIN,
    )


@evidence(
    "C2",
    rule=c2,
    baseline="states turned as far as the change of length moves them",
    sentence="If all states of a layer get one length, a model without norms keeps {bare:.0%} of "
    "what it knows of the next token, and one with LayerNorm {normed:.0%}. If the states are "
    "turned instead, as far, the model without norms keeps {bare_turned:.0%}. With distances for "
    "logits, without norms, {distance:.0%} are kept.",
    of="families",
    species=("head-dot-none", "head-dot-layernorm", "head-distance-none"),
)
def measure_c2(seed: int, bare: Family, normed: Family, distance: Family) -> dict[str, float]:
    kept, kept_if_turned = knowledge_kept(bare, seed)
    return {
        "bare": kept,
        "bare_turned": kept_if_turned,
        "normed": knowledge_kept(normed, seed)[0],
        "distance": knowledge_kept(distance, seed)[0],
    }
