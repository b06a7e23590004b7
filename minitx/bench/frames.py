"""How long the page takes for one frame: each control moved in a real browser, on the demo's model.

A browser that shows 60 frames a second has 16.7 ms for each. What counts is the time from the start
of a frame to the end of its layout; painting comes on top and is not ours to measure.
"""

import dataclasses
import statistics
import tempfile
from pathlib import Path
from typing import Any

import jax

from minitx.model import Transformer, init_params
from minitx.page import writer
from minitx.page.browser import chromium
from minitx.presets import PRESETS
from minitx.runs.run import Run
from minitx.text.data import prepare

PROMPT_TOKENS = 32
MOVES = 12  # of each control, over its whole range

# Wait until the page computes nothing more. Then everything happens inside one animation frame: the
# move, the panels' answer, the layout.
MOVE = """async ([id, value]) => {
  const frame = () => new Promise(requestAnimationFrame);
  const input = document.getElementById(id);
  input.closest("section").scrollIntoView();
  for (let calm = 0; calm < 3; ) {
    await frame();
    calm = page.view.frame ? 0 : calm + 1;
  }
  let start, before;
  requestAnimationFrame(() => { start = performance.now(); before = multiplyAdds; });
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await frame();
  document.body.getBoundingClientRect();
  return [performance.now() - start, multiplyAdds - before];
}"""

CONTROLS = """() => [...document.querySelectorAll("main input[type=range], main select")]
  .filter((input) => page.view.defaults[input.id] !== undefined)
  .map((input) => ({
    id: input.id,
    panel: input.closest("section").id,
    label: input.closest(".control").querySelector("label").textContent,
    values: input.options
      ? [...input.options].map((option) => option.value)
      : [Number(input.min), Number(input.max), Number(input.step)],
  }))"""


def frame_times() -> dict[str, Any]:
    """Return the milliseconds of a frame, and its multiply-adds, by control of the page.

    `typing` is a new prompt, which needs a whole forward pass. Each value comes once, because the
    page keeps what it has computed. Raises InputError without Chromium.
    """
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        path = Path(folder) / "page.html"
        run, prompts = demo_model()
        size = writer.write(path, [run], prompts[0])
        tab = browser.new_page(viewport={"width": 1400, "height": 900})
        tab.goto(path.as_uri())
        tab.wait_for_selector("body.running")
        tab.click("#skip-all")
        controls = {}
        for control in tab.evaluate(CONTROLS):
            values = values_of(control["values"])
            moves = [tab.evaluate(MOVE, [control["id"], value]) for value in values]
            controls[control["id"]] = {
                "panel": control["panel"],
                "label": control["label"],
                **summary_of(moves),
            }
        typed = [tab.evaluate(MOVE, ["prompt", text]) for text in prompts]
        return {
            "browser": browser.version,
            "bytes": size,
            "prompt_tokens": PROMPT_TOKENS,
            "controls": controls,
            "typing": summary_of(typed),
        }


def demo_model() -> tuple[Run, list[str]]:
    """Return a model of the demo's size, and prompts for it.

    Its weights are untrained ones: the speed is the same.
    """
    preset = PRESETS["demo"]
    data = prepare("fables", preset.tokenizer)
    config = dataclasses.replace(preset.model, vocab=len(data.tokenizer))
    model = Transformer.of(config, init_params(config, jax.random.key(0)))
    text = data.tokenizer.decode(data.val_tokens)
    prompts = [text[start : start + PROMPT_TOKENS] for start in range(0, 100 * MOVES, 100)]
    run = Run(Path(), model, config, None, data.tokenizer, None, None, "demo")
    return run, prompts


def values_of(values: list) -> list[str]:
    """Return values to move a control to, each different from the one before."""
    if isinstance(values[0], str):
        return (values[1:] + values[:1])[:MOVES]
    low, high, step = values
    count = round((high - low) / step)
    chosen = sorted({round(i * count / MOVES) for i in range(MOVES + 1)})
    return [str(low + step * i) for i in chosen]


def summary_of(moves: list[list[float]]) -> dict[str, float]:
    """Return the median and the largest time of some moves, and their median multiply-adds."""
    milliseconds, products = zip(*moves, strict=True)
    return {
        "ms": statistics.median(milliseconds),
        "most_ms": max(milliseconds),
        "multiply_adds": statistics.median(products),
    }
