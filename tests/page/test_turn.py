"""Stretch or turn: each change against Python, at any station."""

import numpy as np
import pytest
from pages import (
    look_at,
    open_page,
    press,
    sentence,
    series,
    shown,
    until,
)

from minitx import compiled, measure

T, TARGET, STATION = 4, 1, 3
LABELS = {
    "longer": "made longer",
    "shorter": "made shorter",
    "turned": "turned towards another token's state",
}


@pytest.fixture
def panel(tab, path):
    open_page(tab, path, f"position={T}&station={STATION}&towards={TARGET}&guess.turn=skipped")
    computed(tab)
    return tab


def computed(tab):
    """Wait until the last point of the last curve is there."""
    look_at(tab, "turn")
    spec = "page.panels.find(p => p.panel.id === 'turn').seats[0].figures.kl.spec"
    until(tab, f"{spec}.series[3].values[10] !== null")


def moved(x_D, target_D, change, distance):
    if change == "longer":
        return x_D * (1 + distance)
    if change == "shorter":
        return x_D * (1 - distance)
    angle = 2 * np.arcsin(distance / 2)
    unit = x_D / np.linalg.norm(x_D)
    across = target_D - (target_D @ unit) * unit
    across = across / np.linalg.norm(across)
    return np.linalg.norm(x_D) * (np.cos(angle) * unit + np.sin(angle) * across)


def kl_of(run, trace, change, distance):
    x_BTD = trace.stream_RBTD[STATION].copy()
    before_D = x_BTD[0, T].copy()
    x_BTD[0, T] = moved(before_D, x_BTD[0, TARGET], change, distance)
    way = np.linalg.norm(x_BTD[0, T] - before_D) / np.linalg.norm(before_D)
    assert way == pytest.approx(distance, abs=1e-5)
    logits_V = compiled.continue_from(run.model, STATION, x_BTD)[0, T]
    return float(measure.kl(trace.logits_BTV[0, T], logits_V))


@pytest.mark.parametrize("change", LABELS)
def test_the_curves_are_those_of_python(panel, run, trace, change):
    values = series(panel, "turn", "kl", LABELS[change])
    for i, distance in ((0, 0.0), (3, 0.6), (5, 1.0), (9, 1.8)):
        if change == "shorter" and distance > 1:
            assert np.isnan(values[i])
        else:
            expected = kl_of(run, trace, change, distance)
            np.testing.assert_allclose(values[i], expected, rtol=2e-3, atol=1e-6)


def test_the_baseline_turns_by_the_same_angle(panel):
    """Random directions: the state keeps its length and moves by the same distance."""
    moves = panel.evaluate(
        f"""() => [1, 2, 3].map((seed) => {{
          const lab = page.labs[0];
          const x_D = lab.state({STATION}, {T});
          const y_D = moved(lab, {STATION}, {T}, {TARGET}, "random", 0.7, seed);
          return [norm(y_D) / norm(x_D), norm(add(y_D, scale(x_D, -1))) / norm(x_D)];
        }})"""
    )
    np.testing.assert_allclose(moves, [[1, 0.7]] * 3, rtol=1e-5)
    values = series(panel, "turn", "kl", "baseline: turned in random directions")
    assert values[0] == pytest.approx(0, abs=1e-6) and (values[1:] > 0).all()


def test_every_control_moves_the_picture(panel, run, trace):
    press(panel, "#distance", "ArrowLeft", 4)  # from 1 in steps of 0.05: to 0.8
    now = shown(panel, "turn", "kl")["marks"][0]
    assert now["x"] == pytest.approx(0.8)
    np.testing.assert_allclose(now["y"], kl_of(run, trace, "turned", 0.8), rtol=2e-3)
    panel.select_option("#change", "longer")
    until(panel, "page.view.get('change') === 'longer'")
    now = shown(panel, "turn", "kl")["marks"][0]
    np.testing.assert_allclose(now["y"], kl_of(run, trace, "longer", 0.8), rtol=2e-3)
    assert "1.8 times as long" in sentence(panel, "turn")
    panel.select_option("#change", "shorter")
    press(panel, "#distance", "End")
    assert sentence(panel, "turn").startswith("This change is impossible")
    box = panel.locator("#station").bounding_box()
    panel.mouse.click(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2)
    until(panel, "page.view.get('station') === 4")
    computed(panel)
    # At the last station the final norm divides the length away.
    np.testing.assert_allclose(series(panel, "turn", "kl", "made longer"), 0, atol=1e-5)


def test_a_prediction_is_judged(tab, path):
    open_page(tab, path, f"position={T}&station={STATION}&towards={TARGET}")
    tab.select_option("#turn-guess", "longer")
    tab.click("#turn .prediction button[type=submit]")
    computed(tab)
    words = tab.locator("#turn .answer").inner_text()
    assert words.startswith("You said making the state twice as long. At attention 2,")
    mark = shown(tab, "turn", "kl")["marks"][1]
    assert mark["x"] == 1 and mark["y"] == series(tab, "turn", "kl", "made longer")[5]
