"""What the tests of the page share: models of distinct sizes, pages with them, reading figures."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from minitx.config import ModelConfig
from minitx.model import Transformer, init_params
from minitx.page import contents, writer
from minitx.report import untrained_twin
from minitx.runs.run import Run
from minitx.text.tokenizer import Characters

# Sizes are pairwise distinct: 7 positions, width 12, MLP width 20, vocabulary 11.
BASE = ModelConfig(width=12, depth=2, heads=4, kv_heads=2, mlp_width=20, context=9, vocab=11)
LETTERS = "abcdefghijk"
PROMPT = "dkahhcf"
TOKENS = [LETTERS.index(letter) for letter in PROMPT]


def run_of(name: str = "tiny", **switches) -> Run:
    """A model with large random weights everywhere, gains and biases too, rounded as in a page."""
    config = dataclasses.replace(BASE, **switches)
    rng = np.random.default_rng(6)
    like = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    params = jax.tree.map(lambda a: 0.4 * rng.standard_normal(a.shape), like)
    model = Transformer.of(config, contents.rounded(params))
    return Run(None, model, config, None, Characters(tuple(LETTERS)), None, None, name)


def untrained_model(run: Run) -> Transformer:
    """The same model before training, rounded as in a page."""
    twin = untrained_twin(run.model, 0)
    return Transformer.of(run.config, contents.rounded(twin.params()))


def write_page(path: Path, *runs: Run, prompt: str = PROMPT, untrained: bool = True) -> Path:
    writer.write(path, runs, prompt, untrained)
    return path


def open_page(tab, path: Path, fragment: str = "") -> None:
    """Open a page from disk and wait until it computes."""
    tab.goto(f"{path.as_uri()}#{fragment}")
    tab.wait_for_selector("body.running")


def settle(tab) -> None:
    """Wait until the page has drawn what was asked of it."""
    tab.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def open_panel(tab, path: Path, panel: str, fragment: str = "") -> None:
    """Open a page and skip the question that hides a panel's figures."""
    open_page(tab, path, fragment)
    skip_prediction(tab, panel)


def look_at(tab, panel: str) -> None:
    """Bring a panel into view: it is not redrawn before."""
    tab.locator(f"#{panel} h2").scroll_into_view_if_needed()
    settle(tab)


def until(tab, expression: str) -> None:
    """Wait until an expression is true in the page."""
    for _ in range(200):
        settle(tab)
        if tab.evaluate(expression):
            return
    raise AssertionError(f"{expression} never came true")


def skip_prediction(tab, panel: str) -> None:
    tab.click(f"#{panel} .skip")
    settle(tab)


def press(tab, selector: str, key: str, times: int = 1) -> None:
    """Move a control with the keyboard."""
    tab.focus(selector)
    for _ in range(times):
        tab.keyboard.press(key)
    settle(tab)


def shown(tab, panel: str, figure: str, model: int = 0) -> dict:
    """What a figure of a panel shows: its description, with all numbers."""
    look_at(tab, panel)
    return tab.evaluate(
        "([panel, figure, model]) =>"
        " page.panels.find(p => p.panel.id === panel).seats[model].figures[figure].spec",
        [panel, figure, model],
    )


def series(tab, panel: str, figure: str, label: str, model: int = 0) -> np.ndarray:
    """The values of one curve, with NaN for a gap."""
    for one in shown(tab, panel, figure, model)["series"]:
        if one["label"] == label:
            return np.array([np.nan if v is None else v for v in one["values"]])
    raise AssertionError(f"no curve is called {label!r}")


def sentence(tab, panel: str, model: int = 0) -> str:
    """What a panel says in words."""
    look_at(tab, panel)
    return tab.locator(f"#{panel} .sentence").nth(model).inner_text()
