"""Silence a writer: effects against Python, the baseline, and every kind of model."""

import re

import numpy as np
import pytest
from pages import (
    BASE,
    TOKENS,
    look_at,
    open_page,
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

T = 3  # the position that the reader chose
WHOLE = ["attention 1", "MLP 1", "attention 2", "MLP 2"]
HEADS = [f"block 2 head {head}" for head in (1, 2, 3, 4)]


def wait(tab, model: int = 0) -> None:
    """Wait until every writer in the picture is measured."""
    look_at(tab, "silence")
    seat = f"page.panels.find(p => p.panel.id === 'silence').seats[{model}]"
    until(tab, f"!{seat}.sentence.textContent.startsWith('Computing')")


def open_silence(tab, path, fragment=""):
    open_panel(tab, path, "silence", fragment)
    wait(tab)


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def effect(run, trace, station, stream_TD):
    """KL by position and change of the loss, if the states at a station are stream_TD."""
    unedited_TV = trace.logits_BTV[0]
    edited_TV = compiled.continue_from(run.model, station, stream_TD[None].astype(np.float32))[0]
    losses = [
        -measure.log_softmax(logits_TV[:-1])[np.arange(len(TOKENS) - 1), TOKENS[1:]].mean()
        for logits_TV in (unedited_TV, edited_TV)
    ]
    return measure.kl(unedited_TV, edited_TV), losses[1] - losses[0]


def without(x, axis, replacement):
    """Zeros, or the mean along an axis, in the shape of x."""
    return np.zeros_like(x) if replacement == "zero" else 0 * x + x.mean(axis, keepdims=True)


def states_without(run, trace, station, head, replacement):
    """The states at a station of a model with pre norms, without a writer."""
    n = (station - 1) // 2
    updates = trace.attention_update_NBTD if station % 2 else trace.mlp_update_NBTD
    update_TD = updates[n][0]
    if head is None:
        y_TD = without(update_TD, 0, replacement)
    else:
        g = head // (BASE.heads // BASE.kv_heads)
        z_TK = trace.pattern_NBHTS[n][0, head] @ trace.value_NBSGK[n][0][:, g]
        K = z_TK.shape[1]
        out_KD = run.model.params()["blocks"][n]["attention"]["out"]["weight"]
        change_TK = without(z_TK, 0, replacement) - z_TK
        y_TD = update_TD + change_TK @ np.asarray(out_KD)[head * K : (head + 1) * K]
    return trace.stream_RBTD[station - 1][0] + y_TD


@pytest.mark.parametrize("replacement", ["zero", "mean"])
@pytest.mark.parametrize("heads", [False, True], ids=["whole", "heads"])
def test_effects_are_those_of_python(tab, run, trace, path, heads, replacement):
    open_silence(tab, path, f"position={T}&silenced={'3.1' if heads else '3'}")
    if replacement == "mean":
        tab.select_option("#replacement", "mean")
        wait(tab)
    assert shown(tab, "silence", "kl")["names"] == (HEADS if heads else WHOLE)
    places = [(3, head) for head in range(4)] if heads else [(r, None) for r in range(1, 5)]
    effects = [
        effect(run, trace, r, states_without(run, trace, r, head, replacement))
        for r, head in places
    ]
    label = "replaced by zero" if replacement == "zero" else "replaced by its mean"
    close(series(tab, "silence", "kl", label), [kl_T.mean() for kl_T, _ in effects])
    close(series(tab, "silence", "loss", label), [change for _, change in effects])
    chosen = 1 if heads else 2
    assert shown(tab, "silence", "kl")["marked"] == chosen
    kl_T, change = effects[chosen]
    words = re.search(
        r"by a KL of (\S+) nats on average; .* the KL is (\S+); .* goes from (\S+) to (\S+);",
        sentence(tab, "silence"),
    )
    mean, here, before, after = map(float, words.groups())
    assert (mean, here) == (
        pytest.approx(kl_T.mean(), abs=6e-4, rel=1e-2),
        pytest.approx(kl_T[T], abs=6e-4, rel=1e-2),
    )
    assert after - before == pytest.approx(change, abs=2e-3)


def test_the_baseline_moves_states_as_far_in_random_directions(tab, run, trace, path):
    open_silence(tab, path, "silenced=2")
    moved = tab.evaluate(
        """() => {
          const lab = page.labs[0];
          const writer = writersOf(lab).find(({ key }) => key === "2");
          const edited_TD = statesWithout(lab, writer, "zero");
          const x_TD = lab.trace.stream_RTD[2];
          return [1, 2, 3].map(seed =>
            Array.from(movedAsFar(x_TD, edited_TD, lab.sizes.D, randomNumbers(seed))));
        }"""
    )
    x_TD = trace.stream_RBTD[2][0]
    moved_STD = np.reshape(moved, (3, *x_TD.shape))
    change_TD = states_without(run, trace, 2, None, "zero") - x_TD
    for moved_TD in moved_STD:
        close(measure.norms(moved_TD - x_TD), measure.norms(change_TD))
    directions = (moved_STD - x_TD).reshape(-1, BASE.width)
    assert np.abs(measure.cosines(directions[:, None], directions[None])).mean() < 0.4
    effects = [effect(run, trace, 2, moved_TD) for moved_TD in moved_STD]
    label = "baseline: a random change as large"
    kl = np.mean([kl_T.mean() for kl_T, _ in effects])
    close(series(tab, "silence", "kl", label)[1], kl)
    change = np.mean([change for _, change in effects])
    close(series(tab, "silence", "loss", label)[1], change)


def test_a_writer_is_chosen_by_keyboard(tab, path):
    open_silence(tab, path)
    press(tab, "#silenced", "ArrowDown", 3)
    wait(tab)
    assert sentence(tab, "silence").startswith("MLP 2, replaced by zero,")
    press(tab, "#silenced", "ArrowDown")
    wait(tab)
    assert sentence(tab, "silence").startswith("Block 1 head 1, replaced by zero,")
    press(tab, "#replacement", "ArrowDown")
    wait(tab)
    assert sentence(tab, "silence").startswith("Block 1 head 1, replaced by its mean,")


def test_the_prediction_is_drawn_and_ranked(tab, path):
    open_page(tab, path)
    tab.select_option("#silence-guess", label="attention 2")
    tab.click("#silence .prediction [type=submit]")
    wait(tab)
    kl = series(tab, "silence", "kl", "replaced by zero")
    said = series(tab, "silence", "kl", "your prediction: the largest")
    assert said[2] == kl.max() and np.isnan(np.delete(said, 2)).all()
    answer = tab.locator("#silence .answer").inner_text()
    assert f"You said attention 2. It is {WHOLE[int(kl.argmax())]}," in answer
    rank = list(np.argsort(-kl)).index(2) + 1
    assert rank == 1 or f"number {rank} of 4" in answer


def test_another_text_is_measured_too(tab, path):
    open_silence(tab, path)
    before = series(tab, "silence", "kl", "replaced by zero")
    tab.fill("#prompt", "dkahhca")
    wait(tab)
    after = series(tab, "silence", "kl", "replaced by zero")
    assert np.isfinite(after).all() and (np.abs(after - before) > 1e-6).any()


def test_every_kind_of_model_and_the_shortest_text(tab, tmp_path):
    runs = [
        run_of("no blocks", depth=0, norm="none"),
        run_of("no MLP", mlp="none"),
        run_of("no residual", residual=False, norm_place="post"),
        run_of("tied", tied=True, norm="none"),
    ]
    path = write_page(tmp_path / "page.html", *runs, prompt="dk", untrained=False)
    open_page(tab, path, "position=0&silenced=2")
    tab.select_option("#silence-guess", label="attention 1")
    tab.click("#silence .prediction [type=submit]")
    for number in range(4):
        wait(tab, number)
    for number, count in enumerate((0, 2, 4, 4)):
        for figure in ("kl", "loss"):
            spec = shown(tab, "silence", figure, number)
            assert len(spec["names"]) == count
            for curve in spec["series"]:
                if curve["style"] == "guess":
                    continue
                assert len(curve["values"]) == count
                assert np.isfinite(np.array(curve["values"], float)).all()
        words = sentence(tab, "silence", number)
        assert ("does not have the writer" in words) == (number < 2)
        assert "none" not in words and "NaN" not in words
    # Without a residual connection, a silent writer leaves nothing for later blocks to read.
    assert series(tab, "silence", "kl", "replaced by zero", 2)[0] > 0
