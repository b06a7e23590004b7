"""Attention patterns: every weight against Python, and models of all kinds under the new panels."""

import numpy as np
import pytest
from pages import (
    TOKENS,
    open_page,
    open_panel,
    press,
    run_of,
    sentence,
    series,
    settle,
    shown,
    write_page,
)


@pytest.fixture(scope="module")
def patterns(trace, untrained_trace):
    """Weights (heads of all blocks, positions, attended positions): trained and untrained."""
    return [np.concatenate(each.pattern_NBHTS[:, 0]) for each in (trace, untrained_trace)]


def test_the_patterns_are_those_of_python(tab, path, patterns):
    t = 4
    open_panel(tab, path, "attention", f"position={t}")
    for pattern_HTS in patterns:
        spec = shown(tab, "attention", "pattern")
        assert spec["rows"][0] == "uniform" and spec["rows"][7] == "block 2 head 3"
        values = np.array(spec["values"], float)  # nothing in the future
        assert np.isnan(values[:, t + 1 :]).all()
        np.testing.assert_allclose(values[1:, : t + 1], pattern_HTS[:, t, : t + 1], atol=1e-4)
        np.testing.assert_allclose(values[0, : t + 1], 0.2)
        press(tab, "[id='attention-model']", "ArrowDown")  # to the untrained model
    for label, weights in (
        ("mean of all heads", patterns[0][:, t, t::-1].mean(axis=0)),
        ("mean of all heads, untrained", patterns[1][:, t, t::-1].mean(axis=0)),
        ("baseline: uniform, 1/5 each", np.full(5, 0.2)),
    ):
        np.testing.assert_allclose(series(tab, "attention", "distance", label), weights, atol=1e-4)


def test_a_prediction_is_drawn_and_answered(tab, path, patterns):
    read = patterns[0].argmax(axis=-1)  # the token that each head reads most
    sharpest = patterns[0].max(axis=-1).argmax(axis=0)
    t = next(t for t in range(1, len(TOKENS)) if read[sharpest[t], t] != read[0, t])
    open_page(tab, path, f"position={t}")
    tab.fill("#attention-guess", "0.9")
    tab.keyboard.press("Enter")
    settle(tab)
    [guess] = shown(tab, "attention", "distance")["marks"]
    assert (guess["x"], guess["y"]) == (0, 0.9)
    truth = patterns[0][:, t, t].mean()
    said = tab.locator("#attention .answer").inner_text()
    assert said.startswith("You said 0.9. It is ")
    assert abs(float(said.split()[-1].rstrip(".")) - truth) < 1e-3
    head = sharpest[t]
    assert f"block {head // 4 + 1} head {head % 4 + 1}: " in sentence(tab, "attention")
    assert sentence(tab, "attention").endswith(f"at position {read[head, t]}.")


def test_a_model_without_blocks_shows_the_baseline_alone(tab, tmp_path):
    run = run_of(depth=0, norm="none")
    open_page(tab, write_page(tmp_path / "page.html", run, untrained=False))
    tab.fill("#attention-guess", "0.5")
    tab.keyboard.press("Enter")
    settle(tab)
    assert "no attention" in sentence(tab, "attention")
    assert "no attention" in tab.locator("#attention .answer").inner_text()
    assert shown(tab, "attention", "pattern")["rows"] == ["uniform"]
    assert len(shown(tab, "attention", "distance")["series"]) == 1
