"""The three findings: their rules, at both sides of every threshold."""

import itertools

import pytest

from minitx import findings


def layers_of(norms, cos=None, cos_embedding=0.5, step_null=0.5, centred=0.5) -> dict:
    """The columns that the rules read: norms by layer, and cosines for each block."""
    growth = [b / a if a else None for a, b in itertools.pairwise(norms)]
    return {
        "norm_median": norms,
        "growth": [None, *growth],
        "null_cos": [None, *(min(1, 1 / g) if g else None for g in growth)],
        "cos_prev": [None, *(cos or [0.5] * len(growth))],
        "cos_embedding": [1.0, *[cos_embedding] * len(growth)],
        "step_null_cos": [None, *[step_null] * len(growth)],
        "cos_update": [None, *[0.7] * len(growth)],
        "cos_update_centred": [None, *[centred] * len(growth)],
        "cos_update_rest": [None, *[0.3] * len(growth)],
    }


@pytest.mark.parametrize(
    ("trained", "untrained", "verdict"),
    [
        ([1, 2, 4], [1, 1.1, 1.2], "supported"),
        ([1, 2, 4.41], [1, 1, 2], "supported"),  # after the first block 2.205, and 2 untrained
        ([1, 2, 4.39], [1, 1, 2], "qualified"),  # a tenth more is chance
        ([1, 2, 4], [1, 3, 9], "qualified"),  # training makes it less
        ([1, 90, 99], [1, 1, 2], "qualified"),  # the leap of the first block does not count
        ([1, 4, 3], [1, 1.1, 1.2], "qualified"),  # one layer shrinks
        ([1, 3, 3], [1, 1, 0.5], "qualified"),  # one layer stays
        ([2, 2, 2], [1, 1, 1], "refuted"),
        ([2, 3, 2], [2, 1, 0.1], "refuted"),  # back to where it began
        ([3, 2, 1], [3, 1, 0.1], "refuted"),
        ([1, 2.3], [1, 2], "supported"),  # the only block counts
        ([1, 2.1], [1, 2], "qualified"),
        ([1, 0.9], [1, 0.5], "refuted"),
    ],
)
def test_norms_grow_if_every_layer_does_and_more_than_before_training(trained, untrained, verdict):
    assert findings.norms_grow(layers_of(trained), layers_of(untrained))["verdict"] == verdict


def test_norms_grow_tells_what_it_saw():
    numbers = findings.norms_grow(layers_of([2, 8, 4, 12]), layers_of([1, 5, 1, 15]))["numbers"]
    assert numbers == {
        "total_growth": 6,
        "growth_after_first_block": 1.5,
        "untrained_growth_after_first_block": 3,
        "layers_that_grow": 2,
        "layers": 3,
    }


GROWS = [1.2**n for n in range(5)]  # the null is 1 / 1.2
NULL = 1 / 1.12  # 0.893, of SLOWLY
SLOWLY = [1.12**n for n in range(5)]
TURN = -1.0  # what the first of several blocks does to the direction does not count


@pytest.mark.parametrize(
    ("norms", "cos", "end", "verdict"),
    [
        (GROWS, [TURN, 0.95, 0.95, 0.95], 0.8, "supported"),
        (GROWS, [TURN, 0.99, 0.99, 0.73], 0.8, "supported"),  # 0.903 on average
        (GROWS, [TURN, 0.99, 0.99, 0.71], 0.8, "refuted"),  # 0.897
        (GROWS, [0.99, 0.89, 0.89, 0.89], 0.8, "refuted"),
        (GROWS, [TURN, 0.95, 0.95, 0.95], 0.5, "supported"),
        (GROWS, [TURN, 0.95, 0.95, 0.95], 0.49, "qualified"),  # small turns add up
        (SLOWLY, [TURN, *[NULL + 0.021] * 3], 0.8, "supported"),
        (SLOWLY, [TURN, *[NULL + 0.019] * 3], 0.8, "qualified"),  # as growth would have it
        (SLOWLY, [TURN, *[NULL + 0.001] * 3], 0.8, "refuted"),  # the same, and below 0.9
        ([1] * 5, [TURN, 0.95, 0.95, 0.95], 0.8, "qualified"),  # without growth the null is 1
        ([1, 1.2], [0.95], 0.8, "supported"),  # the only block counts
        ([1, 1.04], [0.95], 0.8, "qualified"),
        ([1, 2], [0.8], 0.8, "refuted"),
    ],
)
def test_directions_stay_if_cosines_are_high_beyond_growth_and_nothing_strays(
    norms, cos, end, verdict
):
    assert findings.directions_stay(layers_of(norms, cos, end))["verdict"] == verdict


HIGH_COSINES = [TURN, 0.95, 0.95, 0.95]


@pytest.mark.parametrize(
    ("step_null", "centred", "end", "reasons"),
    [
        (0.5, 0.5, 0.8, []),
        (0.929, 0.5, 0.8, []),
        (0.931, 0.5, 0.8, ["right angles to the state would look the same"]),
        (0.99, 0.5, 0.8, ["right angles to the state would look the same"]),
        (0.5, 0.101, 0.8, []),
        (0.5, 0.099, 0.8, ["follow at most what all states share"]),
        (0.5, -0.9, 0.8, ["follow at most what all states share"]),
        (0.94, 0.0, 0.8, ["would look the same", "; updates follow at most"]),
        (0.94, 0.5, 0.4, ["would look the same", "; the first block alone turns it away"]),
    ],
)
def test_directions_stay_beyond_the_step_and_beyond_what_states_share(
    step_null, centred, end, reasons
):
    """Also where the baseline of the growth is far below the cosine."""
    found = findings.directions_stay(layers_of(GROWS, HIGH_COSINES, end, step_null, centred))
    assert found["verdict"] == ("qualified" if reasons else "supported")
    for reason in reasons:
        assert reason in found["why"]
    if not reasons:
        assert found["why"].endswith("with the embedding at the end")


def test_directions_stay_tells_what_it_saw():
    layers = layers_of([1, 9, 18, 72], [TURN, 0.95, 0.9], 0.25, step_null=0.875, centred=0.2)
    layers["cos_update"][1] = -1.0  # the first block does not count
    assert findings.directions_stay(layers)["numbers"] == {
        "layers_above_0.9": 1,
        "layers": 2,
        "mean_cos_prev": pytest.approx(0.925),
        "mean_null_cos": pytest.approx(0.375),
        "excess_over_null": pytest.approx(0.55),
        "mean_step_null_cos": pytest.approx(0.875),
        "excess_over_step_null": pytest.approx(0.05),
        "mean_cos_update": pytest.approx(0.7),
        "mean_cos_update_centred": pytest.approx(0.2),
        "mean_cos_update_rest": pytest.approx(0.3),
        "cos_embedding_at_end": 0.25,
    }


def scale_of(after: float, before: float) -> dict:
    """Curves that fall by so much from half to twice the size, and wildly elsewhere."""
    return {
        "c": [0.25, 0.5, 1.0, 2.0, 4.0],
        "entropy_after_norm": [9.0, 2.0, 1.9, 2.0 - after, -9.0],
        "entropy_before_norm": [9.0, 1.0, 0.9, 1.0 - before, -9.0],
    }


def last_state_of(spearman: float | None) -> dict:
    """The correlations of a trained model, and quite other ones of the untrained model."""
    pearson = None if spearman is None else spearman / 2
    return {"model": ["trained", "untrained"], "pearson": [pearson, 9], "spearman": [spearman, 9]}


@pytest.mark.parametrize(
    ("after", "before", "verdict"),
    [
        (0.5, 0.4, "supported"),
        (0.011, 0.011, "supported"),
        (0.5, 0.009, "qualified"),
        (0.5, 0.0, "qualified"),
        (0.5, -0.5, "qualified"),
        (0.009, 0.0, "refuted"),
        (-0.5, 0.0, "refuted"),
        (0.0, 0.5, "refuted"),
    ],
)
def test_size_is_confidence_if_the_entropy_falls_before_and_after_the_norm(after, before, verdict):
    assert (
        findings.size_is_confidence(scale_of(after, before), last_state_of(0.5))["verdict"]
        == verdict
    )


def test_size_is_confidence_tells_what_it_saw():
    found = findings.size_is_confidence(scale_of(0.5, 0.25), last_state_of(-0.5))
    assert found["numbers"] == {
        "entropy_fall_after_norm": 0.5,
        "entropy_fall_before_norm": 0.25,
        "entropy_at_half_after_norm": 2.0,
        "entropy_at_twice_after_norm": 1.5,
        "pearson_length_entropy": -0.25,
        "spearman_length_entropy": -0.5,
    }


@pytest.mark.parametrize(
    ("spearman", "words"),
    [
        (0.5, "longer states are less sure (rank correlation of length with entropy +0.50)"),
        (0.11, "less sure"),
        (0.1, "as sure as others"),
        (-0.1, "as sure as others"),
        (-0.11, "surer"),
        (None, "length or entropy does not vary"),
    ],
)
@pytest.mark.parametrize(("after", "before"), [(0.5, 0.4), (0.5, 0.0), (0.0, 0.0)])
def test_what_length_goes_with_is_told_and_does_not_decide(spearman, words, after, before):
    found = findings.size_is_confidence(scale_of(after, before), last_state_of(spearman))
    other = findings.size_is_confidence(scale_of(after, before), last_state_of(0.3))
    assert words in found["why"]
    assert found["verdict"] == other["verdict"]


@pytest.mark.parametrize("dead", [[1, 2, 0], [0, 1, 2], [0, 0, 0]])
def test_what_a_dead_state_leaves_to_say(dead):
    alive = layers_of([1, 2, 3])
    assert findings.norms_grow(layers_of(dead), alive)["verdict"] == "refuted"
    assert findings.norms_grow(alive, layers_of(dead))["verdict"] == "untested"  # nothing to beat
    assert findings.directions_stay(layers_of(dead))["verdict"] == "untested"


def test_the_words_number_each_claim_and_give_its_verdict_and_why():
    trained, untrained = layers_of([1, 2, 3]), layers_of([1, 1, 2])
    found = findings.findings(trained, untrained, scale_of(0.5, 0.25), last_state_of(0.5))
    lines = findings.text(found).split("\n")
    assert len(lines) == 6
    for n, finding in enumerate(found):
        assert lines[2 * n] == f"{n + 1}. {finding['claim']}"
        assert finding["verdict"].upper() in lines[2 * n + 1]
        assert finding["why"] in lines[2 * n + 1]
