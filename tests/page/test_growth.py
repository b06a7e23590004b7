"""Growth: its curves against Python."""

import numpy as np
from pages import (
    open_page,
    open_panel,
    press,
    run_of,
    sentence,
    series,
    shown,
    write_page,
)

from minitx import measure


def test_the_norms_are_those_of_python(tab, path, trace, untrained_trace):
    open_panel(tab, path, "growth", "position=3")
    norm_RT = measure.norms(trace.stream_RBTD[:, 0])
    close = lambda label, values: np.testing.assert_allclose(  # noqa: E731
        series(tab, "growth", "norms", label), values, rtol=1e-4
    )
    close("position 3: “h”", norm_RT[:, 3])
    close("position 0", norm_RT[:, 0])
    close("median of positions after 0", np.median(norm_RT[:, 1:], axis=1))
    updates = [trace.attention_update_NBTD, trace.mlp_update_NBTD]
    square_NU = np.stack([measure.norms(u[:, 0, 3]) ** 2 for u in updates], axis=1)
    right_angles = np.sqrt(norm_RT[0, 3] ** 2 + np.concatenate([[0], square_NU.ravel().cumsum()]))
    close("baseline: the same updates at right angles", right_angles)
    close("the untrained model", measure.norms(untrained_trace.stream_RBTD[:, 0, 3]))
    growth = norm_RT[-1, 3] / norm_RT[0, 3]
    assert f"x {float(f'{growth:.3f}'):g}" in sentence(tab, "growth")


def test_the_prediction_is_drawn(tab, path):
    open_page(tab, path)
    tab.fill("#growth-guess", "2.5")
    tab.click("#growth .prediction button[type=submit]")
    (mark,) = shown(tab, "growth", "norms")["marks"]
    embedding = shown(tab, "growth", "norms")["series"][0]["values"][0]
    assert mark["y"] == 2.5 * embedding and mark["x"] == 4
    assert "You said 2.5. It is" in tab.locator("#growth .answer").inner_text()


def test_the_axis_is_chosen_with_the_keyboard_and_the_position_with_the_mouse(tab, path):
    open_panel(tab, path, "growth")
    press(tab, "#axis", "ArrowDown")
    assert shown(tab, "growth", "norms")["yAxis"] == {"label": "norm", "min": 0}
    tab.locator(".chip").nth(2).click()
    assert sentence(tab, "growth").startswith("At position 2")


def test_without_a_sum_the_baseline_is_left_out(tab, tmp_path):
    run = run_of(norm_place="post")
    open_panel(tab, write_page(tmp_path / "page.html", run, untrained=False), "growth")
    assert not [s for s in shown(tab, "growth", "norms")["series"] if s["style"] == "baseline"]
