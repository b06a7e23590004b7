"""Arrow or point: neighbours, ranks and probabilities of a stretched row against Python."""

import dataclasses

import numpy as np
import pytest
from pages import (
    LETTERS,
    TOKENS,
    open_page,
    open_panel,
    press,
    run_of,
    sentence,
    series,
    settle,
    shown,
    until,
    write_page,
)

from minitx import compiled, measure
from minitx.model import Transformer

TOKEN = 7


@pytest.fixture(scope="module")
def rows(run):
    return np.asarray(run.model.params()["unembedding"]["table"])


def stretched(rows_VD, c):
    rows_VD = rows_VD.copy()
    rows_VD[TOKEN] *= c
    return rows_VD


def nearness(x_D, rows_VD, kind: str):
    """Larger is nearer."""
    if kind == "dot":
        return rows_VD @ x_D
    if kind == "cosine":
        return measure.cosines(rows_VD, x_D)
    return -np.linalg.norm(rows_VD - x_D, axis=-1)


@pytest.mark.parametrize("kind", ["dot", "cosine", "distance"])
def test_the_neighbours_are_those_of_python(tab, path, rows, kind):
    open_panel(tab, path, "arrow", f"arrow-token={TOKEN}&measure={kind}")
    press(tab, "[id='stretch']", "ArrowLeft", 6)  # from twice as long in quarters: to 2 ** -0.5
    c = 2**-0.5
    spec = shown(tab, "arrow", "neighbours")
    stretched_V = nearness(c * rows[TOKEN], rows, kind)
    order = [i for i in np.argsort(-stretched_V) if i != TOKEN][:8]
    assert spec["names"] == [*(LETTERS[i] for i in order), "mean of others"]
    sign = -1 if kind == "distance" else 1
    for label, factor in (("row as it is", 1), ("row x 0.707", c)):
        value_V = sign * nearness(factor * rows[TOKEN], rows, kind)
        values = [*value_V[order], np.delete(value_V, TOKEN).mean()]
        np.testing.assert_allclose(
            series(tab, "arrow", "neighbours", label), values, rtol=1e-3, atol=1e-4
        )
    if kind != "distance":
        assert "8 of its 8 nearest rows stay the nearest, in the same order" in sentence(
            tab, "arrow"
        )


def test_ranks_from_the_state_are_those_of_python(tab, path, rows, trace):
    open_panel(tab, path, "arrow", f"arrow-token={TOKEN}&position=3")
    x_D = trace.after_final_norm_BTD[0, 3]
    stretches = shown(tab, "arrow", "ranks")["x"]
    assert stretches[0] == 1 / 4 and stretches[-1] == 4
    labels = {
        "dot": "by dot product: the prediction",
        "distance": "by distance",
        "cosine": "baseline: by cosine",
    }
    for kind, label in labels.items():
        ranks = []
        for c in stretches:
            near_V = nearness(x_D, stretched(rows, c), kind)
            ranks.append(1 + (np.delete(near_V, TOKEN) > near_V[TOKEN]).sum())
        np.testing.assert_array_equal(series(tab, "arrow", "ranks", label), ranks)
    assert len(set(series(tab, "arrow", "ranks", labels["dot"]))) > 1


def test_the_probabilities_are_those_of_python(tab, path, rows, trace, untrained_trace):
    t = 2
    open_panel(tab, path, "arrow", f"arrow-token={TOKEN}&position={t}")
    untrained_logits = untrained_trace.logits_BTV[0, t]
    logits = trace.logits_BTV[0, t]
    x_D = trace.after_final_norm_BTD[0, t]
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    equal = measure.softmax((rows / lengths * lengths.mean()) @ x_D)
    factors = np.ones((17, len(LETTERS)))
    factors[:, TOKEN] = shown(tab, "arrow", "curve")["x"]
    for label, values in (
        ("“h”", measure.softmax(logits * factors)[:, TOKEN]),
        ("“h”, untrained model", measure.softmax(untrained_logits * factors)[:, TOKEN]),
        ("baseline: all rows of one length", [equal[TOKEN]] * 17),
    ):
        np.testing.assert_allclose(series(tab, "arrow", "curve", label), values, rtol=1e-3)
    names = shown(tab, "arrow", "probabilities")["names"]
    ids = [LETTERS.index(name) for name in names]
    assert TOKEN in ids and len(ids) == 8
    twice = measure.softmax(x_D @ stretched(rows, 2).T)
    for label, p in (
        ("as it is", measure.softmax(logits)),
        ("row x 2", twice),
        ("baseline: all rows of one length", equal),
    ):
        np.testing.assert_allclose(
            series(tab, "arrow", "probabilities", label), p[ids], rtol=1e-3, atol=1e-6
        )
    said = sentence(tab, "arrow")
    assert f"from {logits[TOKEN]:.3f}".rstrip("0") in said


def with_scale(run, scale: float):
    """The run with another scale of its cosine head, if it has one."""
    params = run.model.params()
    if "head" in params:
        params["head"]["scale"] = np.float32(scale)
    return dataclasses.replace(run, model=Transformer.of(run.config, params))


@pytest.mark.parametrize("head", ["cosine", "distance"])
def test_under_another_head_the_probabilities_and_the_rank_are_those_of_python(tab, tmp_path, head):
    t, run = 2, with_scale(run_of(head=head), 6.0)
    path = write_page(tmp_path / "page.html", run, untrained=False)
    open_panel(tab, path, "arrow", f"arrow-token={TOKEN}&position={t}")
    params = run.model.params()
    rows_VD = np.asarray(params["unembedding"]["table"])
    x_D = compiled.trace(run.model, [TOKENS]).after_final_norm_BTD[0, t]

    def logits(rows_VD):
        model = Transformer.of(run.config, params | {"unembedding": {"table": rows_VD}})
        return compiled.unembed(model, x_D[None, None])[0, 0]

    c = shown(tab, "arrow", "curve")["x"]
    over = [logits(stretched(rows_VD, factor)) for factor in c]
    lengths = np.linalg.norm(rows_VD, axis=-1, keepdims=True)
    equal = logits(rows_VD / lengths * lengths.mean())
    for label, values in (
        ("“h”", [measure.softmax(logits_V)[TOKEN] for logits_V in over]),
        ("baseline: all rows of one length", [measure.softmax(equal)[TOKEN]] * len(c)),
    ):
        found = series(tab, "arrow", "curve", label)
        np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-6)
    name = {"cosine": "cosine similarity", "distance": "distance"}[head]
    ranks = [1 + (np.delete(logits_V, TOKEN) > logits_V[TOKEN]).sum() for logits_V in over]
    found = series(tab, "arrow", "ranks", f"by {name}: the prediction")
    np.testing.assert_array_equal(found, ranks)
    if head == "cosine":  # lengths do not count
        assert np.ptp([logits_V[TOKEN] for logits_V in over]) < 1e-4
    said = sentence(tab, "arrow")  # the slider starts at twice as long
    z = [f"{logits_V[TOKEN]:.3f}".rstrip("0") for logits_V in (over[8], over[12])]
    assert f"from {z[0]} to {z[1]} " in said


def test_the_question_names_the_top_token_and_the_prediction_is_drawn(tab, path, trace):
    open_page(tab, path, "position=1")
    logits = trace.logits_BTV[0, 1]
    top = LETTERS[np.argmax(logits)]
    asked = tab.locator("#arrow .prediction label").inner_text()
    assert asked.startswith(f"The token “{top}” has probability {measure.softmax(logits).max():.3}")
    tab.fill("#arrow-guess", "0.35")
    tab.keyboard.press("Enter")
    settle(tab)
    now, guess = shown(tab, "arrow", "curve")["marks"]
    assert (guess["x"], guess["y"]) == (2, 0.35)
    truth = series(tab, "arrow", "curve", f"“{top}”")[12]  # the slider starts at twice as long
    assert (now["x"], now["y"]) == (2, truth)
    assert tab.locator("#arrow .answer").inner_text().startswith("You said 0.35.")
    tab.select_option("[id='arrow-token']", str(TOKEN))
    settle(tab)
    assert "The logit of “h”" in sentence(tab, "arrow")
    box = tab.locator("[id='stretch']").bounding_box()
    tab.mouse.click(box["x"] + 1, box["y"] + box["height"] / 2)
    until(tab, "page.view.get('stretch') === -2")


def test_a_tied_model_says_what_is_stretched(tab, tmp_path):
    run = run_of(tied=True, depth=1)
    open_panel(tab, write_page(tmp_path / "page.html", run, untrained=False), "arrow")
    assert "the same row also embeds the token" in sentence(tab, "arrow")
    assert len(shown(tab, "arrow", "curve")["series"]) == 2  # without the untrained model
