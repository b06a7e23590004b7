"""What lessons measure with, beside a straightforward computation."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from minitx import plots
from minitx.classroom import draw, held_out, logits, over_seeds, states
from minitx.config import ModelConfig
from minitx.model import Transformer
from minitx.step import initial_params

CONFIG = ModelConfig(width=12, depth=3, heads=4, kv_heads=2, mlp_width=20, context=7, vocab=11)
TOKENS_BT = np.random.default_rng(1).integers(0, 11, (5, 7))


@pytest.fixture(scope="module")
def model():
    return Transformer.of(CONFIG, initial_params(CONFIG, 3))


def test_states_are_those_after_each_block_without_the_first_position(model):
    seen = model.trace(TOKENS_BT)
    states_LZD = states(model, TOKENS_BT)
    assert states_LZD.shape == (4, 5 * 6, 12)
    for layer in range(4):  # the embedding, then attention and MLP of each block
        expected_BTD = np.asarray(seen.stream_RBTD)[2 * layer, :, 1:]
        np.testing.assert_allclose(states_LZD[layer], expected_BTD.reshape(30, 12), rtol=1e-5)


def test_logits_are_those_of_the_same_tokens(model):
    expected_BTV = np.asarray(model.trace(TOKENS_BT).logits_BTV)[:, 1:]
    logits_ZV = logits(model, TOKENS_BT)
    assert logits_ZV.dtype == np.float64
    np.testing.assert_allclose(logits_ZV, expected_BTV.reshape(30, 11), rtol=1e-5)


def test_held_out_text_is_the_validation_set_in_windows():
    tokens = np.arange(1000)
    family = SimpleNamespace(data=SimpleNamespace(val_tokens=tokens), config=CONFIG)
    tokens_BT = held_out(family, tokens=70)
    assert tokens_BT.shape == (10, 7) and len(np.unique(tokens_BT)) == 70
    assert (np.diff(tokens_BT, axis=1) == 1).all()


def test_what_is_measured_over_seeds_has_the_seed_first():
    measured = over_seeds(lambda model: np.full((2, 3), model), [5, 6, 7, 8])
    assert measured.shape == (4, 2, 3)
    np.testing.assert_array_equal(measured[:, 1, 2], [5, 6, 7, 8])


def test_a_drawing_holds_curves_baselines_and_the_prediction(answers, monkeypatch, capsys):
    figures = []
    monkeypatch.setattr(plots, "png", lambda figure: figures.append(figure) or b"")
    y_EX = np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 8.0]])
    left = draw(
        "d", "Title?", [10, 20, 30], {"curve": y_EX}, {"nothing": [0.5, 0.5, 0.5]},
        labels=("block", "cosine"), guess=(7.5, 20), ylim=(0, 6),
    )  # fmt: skip
    assert left is None
    assert capsys.readouterr().out == f"FIGURE {answers / 'figures' / 'd.png'}\n"
    with open(answers / "figures" / "d.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["series"] for row in rows] == [
        *["curve"] * 3, *["baseline: nothing"] * 3, "your prediction"
    ]  # fmt: skip
    assert (rows[1]["mean"], rows[1]["low"], rows[1]["high"]) == ("4.5", "4.0", "5.0")
    (ax,) = figures[0].axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("block", "cosine")
    assert figures[0].get_suptitle() == "Title?"
    assert ax.get_ylim()[1] > 7.5  # the prediction is in sight, outside the limits that were set


def test_a_drawing_without_a_prediction_has_none(answers, monkeypatch):
    monkeypatch.setattr(plots, "png", lambda figure: b"")
    draw("d", "Title?", [1, 2], {"curve": [3.0, 4.0]}, guess=(None, 2))
    assert "prediction" not in (answers / "figures" / "d.csv").read_text()
