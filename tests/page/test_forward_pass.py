"""The forward pass in the browser against JAX, on the same weights, for a grid of switches."""

import dataclasses

import numpy as np
import pytest
from pages import TOKENS, run_of

from minitx import compiled
from minitx.page import contents, writer
from minitx.parameters import named_arrays
from minitx.runs.run import Run

GRID = [
    {},
    {"depth": 0, "norm": "none", "positions": "none"},
    {"norm": "none"},
    {"norm": "rmsnorm", "norm_gain": False},
    {"norm": "layernorm", "bias": True},
    {"norm_place": "post"},
    {"norm_place": "post", "norm": "rmsnorm", "residual": False},
    {"norm_place": "final"},
    {"residual": False},
    {"tied": True},
    {"positions": "none"},
    {"positions": "sinusoidal"},
    {"positions": "rope", "rope_base": 100.0, "head_width": 6},
    {"position_offset": 2},
    {"mlp": "gelu_tanh", "bias": True},
    {"mlp": "relu", "mlp_bias": True},
    {"mlp": "relu2"},
    {"mlp": "swiglu", "mlp_width": 18, "qkv_bias": True},
    {"mlp": "none"},
    {"qk_norm": True, "norm_gain": False},
    {"qk_norm": True, "positions": "rope", "kv_heads": None, "head_width": 2},
    {"kv_heads": 1, "head_width": 5},
]
FIELDS = [name for name in compiled.Trace._fields]


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
    ours = np.asarray(ours, np.float64).reshape(theirs.shape)
    assert np.abs(ours - theirs).max(initial=0) <= 1e-4 * np.abs(theirs).max(initial=1e-30)


@pytest.mark.parametrize("switches", GRID, ids=lambda s: ",".join(f"{k}={v}" for k, v in s.items()))
def test_every_station_and_the_logits_are_those_of_jax(shared_tab, switches):
    tab = shared_tab
    run = run_of(**switches)
    load_model(tab, run)
    trace = compiled.trace(run.model, [TOKENS])
    ours = tab.evaluate(
        """tokens => {
          const plain = (a) => Array.isArray(a) ? a.map(plain) : Array.from(a);
          const trace = model.trace(tokens);
          return Object.fromEntries(Object.entries(trace).map(([name, a]) => [name, plain(a)]));
        }""",
        TOKENS,
    )
    for name in FIELDS:
        theirs = getattr(trace, name)
        batch_axis = name.split("_")[-1].index("B")
        close(ours[name.replace("B", "")], np.take(theirs, 0, axis=batch_axis))
    station = 1 if run.config.depth else 0
    stream_TD = trace.stream_RBTD[station][0] * 2
    logits = tab.evaluate(
        "([station, x]) => Array.from(model.continueFrom(station, Float32Array.from(x)))",
        [station, stream_TD.ravel().tolist()],
    )
    close(logits, compiled.continue_from(run.model, station, stream_TD[None])[0])
    close(
        tab.evaluate(
            "x => Array.from(model.readout(Float32Array.from(x)))", stream_TD.ravel().tolist()
        ),
        compiled.readout(run.model, stream_TD[None])[0],
    )
    # An edit at one position, with the keys and values of the earlier ones.
    t = 4
    edited_TD = trace.stream_RBTD[station][0].copy()
    edited_TD[t] *= 3
    at_t = tab.evaluate(
        "([tokens, station, t, x]) => Array.from("
        "model.continueAt(model.trace(tokens), station, t, Float32Array.from(x)).logits_V)",
        [TOKENS, station, t, edited_TD[t].tolist()],
    )
    close(at_t, compiled.continue_from(run.model, station, edited_TD[None])[0, t])
