"""Compass: its curves against Python, a gain on one update, and every kind of model."""

import re

import numpy as np
import pytest
from pages import (
    BASE,
    LETTERS,
    PROMPT,
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

from minitx import compiled, measure

T = 4  # the position that the reader chose: neither the first nor the last
OWN = f"position {T}: “{PROMPT[T]}”"


@pytest.fixture
def panel(tab, path):
    open_panel(tab, path, "compass", f"position={T}")
    return tab


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def states_at(stream_RTD, t=T):
    return np.asarray(stream_RTD, np.float64)[:, t]


def check_edited_curves(panel, x_RD, label):
    """Compare the curves that a gain changes with those of the states x_RD."""
    before = measure.cosines(x_RD[1:], x_RD[:-1])
    close(series(panel, "compass", "before", label)[1:], before)
    norm_R = measure.norms(x_RD)
    growth = norm_R[1:] / norm_R[:-1]
    at_growth = series(panel, "compass", "before", "baseline: at right angles, 1/growth")
    close(at_growth[1:], measure.orthogonal_null(growth))
    step_R = measure.norms(np.diff(x_RD, axis=0))
    at_step = series(panel, "compass", "before", "baseline: at right angles, same steps")
    close(at_step[1:], 1 / np.sqrt(1 + (step_R / norm_R[:-1]) ** 2))
    close(series(panel, "compass", "embedding", label), measure.cosines(x_RD, x_RD[0]))
    since = series(panel, "compass", "embedding", "baseline: at right angles, 1/growth")
    close(since, measure.orthogonal_null(norm_R / norm_R[0]))
    steps = series(panel, "compass", "embedding", "baseline: at right angles, same steps")
    close(steps[1:], norm_R[0] / np.sqrt(norm_R[0] ** 2 + np.cumsum(step_R**2)))


def test_the_curves_are_those_of_python(panel, trace, untrained_trace):
    x_RTD = trace.stream_RBTD[:, 0]
    check_edited_curves(panel, states_at(x_RTD), OWN)
    pairs = series(panel, "compass", "before", "states at different positions")
    R = BASE.sizes["R"]
    assert np.isnan(pairs[0])
    close(
        pairs[1:],
        [measure.random_pair_cosine(x_RTD[r, 1:], x_RTD[r - 1, 1:]) for r in range(1, R)],
    )
    close(
        series(panel, "compass", "embedding", "states at different positions"),
        [measure.random_pair_cosine(x_RTD[r, 1:], x_RTD[0, 1:]) for r in range(R)],
    )
    y_RD = states_at(untrained_trace.stream_RBTD[:, 0])
    untrained = series(panel, "compass", "before", "the untrained model")
    close(untrained[1:], measure.cosines(y_RD[1:], y_RD[:-1]))
    untrained = series(panel, "compass", "embedding", "the untrained model")
    close(untrained, measure.cosines(y_RD, y_RD[0]))


def edited(run, trace, r, gain):
    """The stream at station r if the update before it has a gain at T."""
    updates = trace.attention_update_NBTD if r % 2 else trace.mlp_update_NBTD
    x_D = trace.stream_RBTD[r - 1][0, T] + gain * updates[(r - 1) // 2][0, T]
    if run.config.norm_place == "post":
        block = run.model.blocks[(r - 1) // 2]
        norm = block.attention_norm if r % 2 else block.mlp_norm
        x_D = np.asarray(norm(x_D[None, None]))[0, 0]
    stream_TD = trace.stream_RBTD[r][0].copy()
    stream_TD[T] = x_D
    return stream_TD


def states_along(run, trace, r, stream_TD):
    """The states at T of all stations if the stream at station r is stream_TD."""
    later, _, _ = run.model._run(stream_TD[None], np.arange(len(TOKENS)), first=r)
    before = trace.stream_RBTD[:r, 0, T]
    return np.array([*before, *(np.asarray(x_BTD)[0, T] for x_BTD in later)], np.float64)


def logits_after(run, r, stream_TD):
    return compiled.continue_from(run.model, r, stream_TD[None])[0, T]


def check_sentence(panel, trace, logits):
    unedited = trace.logits_BTV[0, T]
    kl, before, p_before, after, p_after = re.search(
        r"KL of (\S+) nats .* was “(.)” \((\S+)\) and is “(.)” \((\S+)\)",
        sentence(panel, "compass"),
    ).groups()
    assert float(kl) == pytest.approx(float(measure.kl(unedited, logits)), abs=6e-4, rel=6e-2)
    assert before == LETTERS[int(np.argmax(unedited))]
    assert after == LETTERS[int(np.argmax(logits))]
    assert float(p_before) == pytest.approx(measure.softmax(unedited).max(), abs=6e-4)
    assert float(p_after) == pytest.approx(measure.softmax(logits).max(), abs=6e-4)


def test_a_gain_is_set_by_keyboard_and_by_mouse(panel, run, trace):
    panel.select_option("#writer", label="MLP 1")
    press(panel, "#gain", "ArrowRight", 6)  # from 1 in steps of 0.05
    stream_TD = edited(run, trace, 2, 1.3)
    x_RD = states_along(run, trace, 2, stream_TD)
    check_edited_curves(panel, x_RD, f"{OWN}, edited")
    check_sentence(panel, trace, logits_after(run, 2, stream_TD))
    unedited_RD = states_at(trace.stream_RBTD[:, 0])
    close(series(panel, "compass", "embedding", "unedited"), measure.cosines(unedited_RD, x_RD[0]))
    close(
        series(panel, "compass", "before", "unedited")[1:],
        measure.cosines(unedited_RD[1:], unedited_RD[:-1]),
    )
    box = panel.locator("#gain").bounding_box()
    panel.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    panel.wait_for_function("page.view.get('gain') === 0")
    settle(panel)
    stream_TD = edited(run, trace, 2, 0)
    x_RD = states_along(run, trace, 2, stream_TD)
    np.testing.assert_array_equal(x_RD[2], x_RD[1])
    check_edited_curves(panel, x_RD, f"{OWN}, edited")
    check_sentence(panel, trace, logits_after(run, 2, stream_TD))


def test_the_gain_respects_post_norms(tab, tmp_path):
    run = run_of(norm_place="post", norm="layernorm")
    trace = compiled.trace(run.model, [TOKENS])
    open_panel(
        tab, write_page(tmp_path / "page.html", run), "compass", f"position={T}&writer=1&gain=1.5"
    )
    stream_TD = edited(run, trace, 1, 1.5)
    cosines = series(tab, "compass", "before", f"{OWN}, edited")
    close(cosines[1], measure.cosines(stream_TD[T], trace.stream_RBTD[0][0, T]))
    check_sentence(tab, trace, logits_after(run, 1, stream_TD))


def test_the_prediction_is_drawn_beside_the_truth(tab, path, trace):
    open_page(tab, path, f"position={T}")
    tab.fill("#compass-guess", "-0.25")
    tab.click("#compass .prediction [type=submit]")
    settle(tab)
    (mark,) = shown(tab, "compass", "embedding")["marks"]
    assert (mark["x"], mark["y"]) == (BASE.sizes["R"] - 1, -0.25)
    assert shown(tab, "compass", "embedding")["yAxis"]["min"] <= -0.25
    x_RD = states_at(trace.stream_RBTD[:, 0])
    answer = tab.locator("#compass .answer").inner_text()
    truth = float(measure.cosines(x_RD[-1], x_RD[0]))
    said = re.match(r"You said -0.25. It is (\S+);", answer)[1]
    assert float(said) == pytest.approx(truth, abs=6e-4)


def test_every_kind_of_model_and_the_shortest_text(tab, tmp_path):
    runs = [
        run_of("no blocks", depth=0, norm="none"),
        run_of("no MLP", mlp="none"),
        run_of("tied", tied=True, norm="none"),
    ]
    path = write_page(tmp_path / "page.html", *runs, prompt="dk", untrained=False)
    open_panel(tab, path, "compass", "position=0&writer=2&gain=0.5")
    for number, run in enumerate(runs):
        for figure in ("before", "embedding"):
            spec = shown(tab, "compass", figure, number)
            labels = [curve["label"] for curve in spec["series"]]
            assert "states at different positions" not in labels  # only one is left after 0
            assert "the untrained model" not in labels
            for curve in spec["series"]:
                values = curve["values"][1 if figure == "before" else 0 :]
                assert len(curve["values"]) == run.config.sizes["R"]
                assert all(isinstance(value, (int, float)) for value in values)
                assert np.isfinite(values).all()
        words = sentence(tab, "compass", number)
        assert ("does not have the writer" in words) == (number < 2)
        assert "none" not in words and "NaN" not in words
