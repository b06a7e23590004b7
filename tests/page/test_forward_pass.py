"""The forward pass in the browser against JAX, on the same weights, for a grid of switches."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from pages import TOKENS, run_of

from minitx.model import Trace, Transformer
from minitx.page import contents, writer
from minitx.parameters import named_arrays
from minitx.runs.run import Run

# Every value of every switch, in few models.
TOGETHER = [
    {},
    {"depth": 0, "norm": "none", "positions": "none"},
    {"norm": "none", "qk_norm": True, "positions": "none"},
    {
        "norm": "rmsnorm",
        "norm_gain": False,
        "tied": True,
        "positions": "sinusoidal",
        "mlp": "relu2",
        "head": "cosine",
    },
    {"bias": True, "norm_place": "post", "mlp": "gelu_tanh", "position_offset": 2},
    {"norm_place": "final", "residual": False, "mlp": "relu", "mlp_bias": True, "head": "distance"},
    {"norm_place": "post", "norm": "rmsnorm", "mlp": "none", "kv_heads": 1, "head_width": 5},
    {"positions": "rope", "rope_base": 100.0, "head_width": 6, "mlp": "swiglu", "qkv_bias": True},
    {"qk_norm": True, "norm_gain": False, "positions": "rope", "kv_heads": None, "head_width": 2},
]
# Every switch by itself.
ALONE = [
    {"norm": "none"},
    {"norm": "rmsnorm"},
    {"norm_gain": False},
    {"bias": True},
    {"norm_place": "post"},
    {"norm_place": "final"},
    {"residual": False},
    {"tied": True},
    {"head": "cosine"},
    {"head": "distance"},
    {"positions": "none"},
    {"positions": "sinusoidal"},
    {"positions": "rope", "head_width": 2},
    {"position_offset": 2},
    {"mlp": "gelu_tanh"},
    {"mlp": "relu"},
    {"mlp": "relu2"},
    {"mlp": "swiglu", "mlp_width": 18},
    {"mlp": "none"},
    {"qk_norm": True},
    {"kv_heads": 1},
    {"head_width": 5},
    {"qkv_bias": True},
    {"mlp_bias": True},
]
GRID = [*TOGETHER, *(pytest.param(switches, marks=pytest.mark.long) for switches in ALONE)]
EDITED = 4  # the position of an edit


def load_model(tab, run: Run) -> None:
    """Make `model` the run's model in a page that has nothing but the forward pass."""
    if not tab.url.startswith("data:"):
        tab.goto("data:text/html,<title>forward pass</title>")
        for name in ("measure.js", "layers.js", "model.js", "lab.js"):
            tab.add_script_tag(content=(writer.SOURCE / name).read_text("utf-8"))
    arrays = named_arrays(run.model.params())
    tensors = [{"name": name, "shape": list(a.shape)} for name, a in arrays.items()]
    tab.evaluate(
        "([config, sizes, tensors, weights]) => {"
        " window.model = new Transformer(config, sizes, unpacked(tensors, weights)) }",
        [dataclasses.asdict(run.config), run.config.sizes, tensors, contents.packed(run, arrays)],
    )


def close(ours, theirs):
    """To 1e-4 of the largest value: single values near zero are differences of larger ones."""
    theirs = np.asarray(theirs)
    ours = np.asarray(ours, np.float64).reshape(theirs.shape)
    assert np.abs(ours - theirs).max(initial=0) <= 1e-4 * np.abs(theirs).max(initial=1e-30)


@functools.partial(jax.jit, static_argnums=(0, 1))
def in_jax(config, station, params, tokens_BT):
    """A trace, and what follows two edits of it; in one program, which compiles once."""
    model = Transformer.of(config, params)
    trace = model.trace(tokens_BT)
    doubled_BTD = trace.stream_RBTD[station] * 2
    edited_BTD = trace.stream_RBTD[station].at[:, EDITED].multiply(3)
    return trace, {
        "doubled": doubled_BTD,
        "edited": edited_BTD,
        "continued": model.continue_from(station, doubled_BTD),
        "read out": model.readout(doubled_BTD),
        "continued after the edit": model.continue_from(station, edited_BTD),
    }


IN_THE_BROWSER = """([tokens, station, t, doubled, edited]) => {
  const plain = (a) => Array.isArray(a) ? a.map(plain) : Array.from(a);
  const trace = model.trace(tokens);
  return {
    ...Object.fromEntries(Object.entries(trace).map(([name, a]) => [name, plain(a)])),
    "continued": plain(model.continueFrom(station, Float32Array.from(doubled))),
    "read out": plain(model.readout(Float32Array.from(doubled))),
    "at t": plain(model.continueAt(trace, station, t, Float32Array.from(edited)).logits_V),
  };
}"""


@pytest.mark.parametrize("switches", GRID, ids=str)
def test_every_station_and_the_logits_are_those_of_jax(shared_tab, switches):
    run = run_of(**switches)
    load_model(shared_tab, run)
    station = 1 if run.config.depth else 0
    trace, after = in_jax(run.config, station, run.model.params(), np.array([TOKENS]))
    edits = [after["doubled"][0].ravel().tolist(), after["edited"][0, EDITED].tolist()]
    ours = shared_tab.evaluate(IN_THE_BROWSER, [TOKENS, station, EDITED, *edits])
    for name in Trace._fields:
        batch_axis = name.split("_")[-1].index("B")
        close(
            ours[name.replace("B", "")],
            np.take(np.asarray(getattr(trace, name)), 0, axis=batch_axis),
        )
    close(ours["continued"], after["continued"][0])
    close(ours["read out"], after["read out"][0])
    close(ours["at t"], after["continued after the edit"][0, EDITED])
