"""The lens: its numbers against Python, its baselines, and how it is read and clicked."""

import numpy as np
import pytest
from pages import (
    LETTERS,
    TOKENS,
    open_page,
    open_panel,
    press,
    sentence,
    series,
    settle,
    shown,
    untrained_model,
    write_page,
)

from minitx import compiled, measure
from minitx.page import contents

MAP = "#lens figure:nth-of-type(1) .plot svg"
COUNTS = [5, 0, 9, 1, 40, 2, 3, 8, 6, 0, 4]  # of tokens in a training text


@pytest.fixture(scope="module")
def lenses(run, trace, untrained_trace):
    """The logits of the lens, (stations, positions, vocabulary): trained and untrained."""
    models = run.model, untrained_model(run)
    streams = trace.stream_RBTD[:, 0], untrained_trace.stream_RBTD[:, 0]
    return [compiled.readout(*pair) for pair in zip(models, streams, strict=True)]


@pytest.fixture(scope="module")
def path(run, tmp_path_factory):
    """A page whose model comes with counts of the tokens in its text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "frequencies", lambda run: COUNTS)
        return write_page(tmp_path_factory.mktemp("lens") / "page.html", run)


def tops(logits_ZV) -> list[list[str]]:
    return [[LETTERS[i] for i in row] for row in np.argmax(logits_ZV, axis=-1)]


def settled(logits_RTV, t: int) -> int:
    """The first station from which on the top token is the last one."""
    top_R = np.argmax(logits_RTV[:, t], axis=-1)
    different = np.flatnonzero(top_R != top_R[-1])
    return different[-1] + 1 if len(different) else 0


def test_the_map_shows_top_tokens_of_both_models(tab, path, lenses):
    open_panel(tab, path, "lens")
    for logits_RTV in lenses:
        spec = shown(tab, "lens", "map")
        assert spec["texts"] == tops(logits_RTV)
        np.testing.assert_allclose(
            spec["values"], measure.softmax(logits_RTV).max(axis=-1), rtol=1e-3, atol=1e-5
        )
        assert spec["marked"]["column"] == len(TOKENS) - 1
        # The picture shows the same, although its cells stay and only their contents change.
        drawn = tab.locator(f"{MAP} > g:first-child text").all_text_contents()
        assert drawn == [text for row in spec["texts"] for text in row]
        opacity = tab.locator(f"{MAP} .cell").evaluate_all(
            "cells => cells.map(cell => Number(cell.getAttribute('fill-opacity')))"
        )
        np.testing.assert_allclose(opacity, 0.06 + 0.94 * np.ravel(spec["values"]), atol=1e-3)
        press(tab, "[id='lens-model']", "ArrowDown")  # to the untrained model
    assert "the untrained model predicts" in sentence(tab, "lens")


def test_the_curves_are_those_of_python(tab, path, lenses):
    t = 4
    open_panel(tab, path, "lens", f"position={t}")
    for logits_RTV, kl_label, label in (
        (lenses[0], "trained", "trained"),
        (lenses[1], "untrained, from its own final prediction",
         "untrained, with its own final prediction"),
    ):  # fmt: skip
        kl = [measure.kl(logits_RTV[-1, t], logits_RTV[r, t]) for r in range(len(logits_RTV))]
        np.testing.assert_allclose(series(tab, "lens", "kl", kl_label), kl, rtol=1e-3, atol=1e-5)
        top1 = [measure.lens(logits_TV, logits_RTV[-1])["lens_top1"] for logits_TV in logits_RTV]
        np.testing.assert_allclose(series(tab, "lens", "agreement", label), top1)
    final_TV = lenses[0][-1]
    unigram = measure.kl(final_TV[t], np.log(np.array(COUNTS) + 1))
    baseline = series(tab, "lens", "kl", "baseline: token frequencies")
    np.testing.assert_allclose(baseline, [unigram] * 5, rtol=1e-3)
    baseline = series(tab, "lens", "agreement", "baseline: always “e”, the most frequent token")
    np.testing.assert_allclose(baseline, [np.mean(np.argmax(final_TV, axis=-1) == 4)] * 5)


def test_a_prediction_is_drawn_beside_the_truth(tab, path, lenses):
    t = next(t for t in range(1, len(TOKENS)) if settled(lenses[0], t) > 1)
    open_page(tab, path, f"position={t}")
    tab.select_option("#lens-guess", label="attention 1")
    tab.click("#lens .prediction button[type=submit]")
    settle(tab)
    truth, guess = shown(tab, "lens", "map")["marks"]
    assert [truth["row"], truth["column"]] == [settled(lenses[0], t), t]
    assert [guess["row"], guess["column"]] == [1, t]
    kl = series(tab, "lens", "kl", "trained")
    truth, guess = shown(tab, "lens", "kl")["marks"]
    assert [truth["x"], truth["y"]] == [settled(lenses[0], t), kl[truth["x"]]]
    assert [guess["x"], guess["y"]] == [1, kl[1]]
    said = tab.locator("#lens .answer").inner_text()
    stations = shown(tab, "lens", "map")["rows"]
    assert said.startswith("You said attention 1.")
    assert f"“{stations[truth['x']]}” on" in said


def test_a_cell_is_read_by_keyboard_and_chosen_by_click(tab, path):
    open_panel(tab, path, "lens")
    press(tab, MAP, "ArrowRight", 3)  # to column 2
    cell = shown(tab, "lens", "map")
    said = tab.locator("#lens figure .reading").first.inner_text()
    assert said.startswith(f"embedding, “a” at position 2: {cell['texts'][0][2]}, probability")
    press(tab, MAP, "Enter")
    assert tab.evaluate("page.view.get('position')") == 2
    # The cells stay, and what is marked moves.
    assert shown(tab, "lens", "map")["marked"]["column"] == 2
    assert tab.locator(f"{MAP} text.marked").text_content() == "a"
    last = tab.locator(f"{MAP} .cell").nth(len(TOKENS) - 1).bounding_box()
    tab.mouse.click(last["x"] + 5, last["y"] + 5)
    settle(tab)
    assert tab.evaluate("page.view.get('position')") == -1


def test_a_wide_map_scrolls_to_what_is_marked_and_keeps_its_names_in_sight(tab, path):
    open_page(tab, path)
    scrolled, name_left, plot_left, cells = tab.evaluate(
        """async () => {
          const figure = new Figure();
          document.body.replaceChildren(figure.node);
          figure.node.style.width = "300px";
          const columns = Array.from({ length: 40 }, (_, c) => `c${c}`);
          figure.show({
            kind: "cells", title: "wide", what: "number", rows: ["a", "b"], columns,
            values: [columns.map(() => 0.5), columns.map(() => 1)], max: 1, marked: { column: 30 },
          });
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          const leftOf = (node) => node.getBoundingClientRect().left;
          const name = figure.node.querySelector(".plot svg .paper");
          const places = [figure.plot.scrollLeft, leftOf(name), leftOf(figure.plot)];
          const short = columns.slice(0, 3); // other places need other cells
          const values = [[1, 1, 1], [1, 1, 1]];
          figure.show({ ...figure.spec, columns: short, values, marked: {} });
          return [...places, figure.plot.querySelectorAll(".cell").length];
        }"""
    )
    assert scrolled > 0
    assert name_left == pytest.approx(plot_left, abs=1)
    assert cells == 6
