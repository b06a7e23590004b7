"""The confidence dial: by keyboard and by mouse, and its numbers against Python."""

import numpy as np
import pytest
from pages import (
    PROMPT,
    TOKENS,
    open_panel,
    press,
    run_of,
    sentence,
    series,
    shown,
    until,
    write_page,
)

from minitx import compiled, measure


@pytest.fixture
def panel(tab, path):
    open_panel(tab, path, "dial")
    return tab


def test_the_curves_are_those_of_python(panel, run, trace):
    c = np.array(shown(panel, "dial", "entropy")["x"])
    assert c[0] == 1 / 8 and c[-1] == 8
    before = compiled.readout(run.model, c[:, None, None] * trace.before_final_norm_BTD[0, -1:])
    after = trace.logits_BTV[0, -1] * c[:, None]
    for label, logits in (
        ("scaled before the final norm", before[:, 0]),
        ("scaled after the final norm", after),
    ):
        np.testing.assert_allclose(
            series(panel, "dial", "entropy", label), measure.entropy(logits), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("head", ["cosine", "distance"])
def test_under_another_head_the_curves_are_those_of_python(tab, tmp_path, head):
    run = run_of(head=head)
    open_panel(tab, write_page(tmp_path / "page.html", run, untrained=False), "dial")
    after_D = compiled.trace(run.model, [TOKENS]).after_final_norm_BTD[0, -1]
    c = np.array(shown(tab, "dial", "entropy")["x"])
    logits = compiled.unembed(run.model, c[:, None, None] * after_D[None, None])[:, 0]
    found = series(tab, "dial", "entropy", "scaled after the final norm")
    np.testing.assert_allclose(found, measure.entropy(logits), rtol=1e-4, atol=1e-5)
    assert (np.ptp(found) < 1e-4) == (head == "cosine")


def test_the_dial_is_moved_by_keyboard_and_by_mouse(panel, trace):
    logits = trace.logits_BTV[0, -1]
    press(panel, "[id='c']", "ArrowRight", 4)  # from c = 1 in quarters of a doubling: to 2
    ids = np.argsort(-logits)[:8]
    p = series(panel, "dial", "probabilities", "scaled after the norm")
    np.testing.assert_allclose(p, measure.softmax(2 * logits)[ids], rtol=1e-3, atol=1e-5)
    assert "by 2," in sentence(panel, "dial")
    box = panel.locator("[id='c']").bounding_box()
    panel.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    until(panel, "page.view.get('c') === 3")
    assert PROMPT in panel.locator("#prompt").input_value()
