"""A real language model, end to end: needs its 100 MB once, and is skipped where they cannot come.

What llama.cpp and transformers make of the same file is in fixtures/smollm2.json.
"""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import minitx
from minitx import report, sample
from minitx.compiled import trace_fields
from minitx.errors import InputError
from minitx.pretrained import loader, pull

EXPECTED = json.loads((Path(__file__).parent / "fixtures" / "smollm2.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def file():
    try:
        return pull.pull("smollm2")
    except InputError as error:
        if "could not fetch" not in str(error):
            raise
        pytest.skip(f"SmolLM2 is not here and cannot be fetched: {error}")


@pytest.fixture(scope="module")
def loaded(file):
    return minitx.load("smollm2")


def test_ids_are_those_of_llama_cpp(loaded):
    for case in EXPECTED["tokens"]:
        assert loaded.tokenizer.encode(case["text"]).tolist() == case["ids"], case["text"][:20]
        assert loaded.tokenizer.decode(case["ids"]) == case["text"]
    assert len(EXPECTED["tokens"][0]["ids"]) > 300


@pytest.mark.long
@pytest.mark.parametrize("n", range(len(EXPECTED["answers"])))
def test_greedy_text_is_that_of_transformers(loaded, n):
    case = EXPECTED["answers"][n]
    ids = loaded.tokenizer.encode(case["prompt"])
    assert ids.tolist() == case["ids"]
    made = np.concatenate(list(sample.generate(loaded.model, ids[None], 64, 0.0)), axis=1)
    assert made[0].tolist() == case["made"], loaded.tokenizer.decode(made[0])


def test_logits_are_those_of_transformers(loaded):
    case = EXPECTED["answers"][0]
    tokens_BT = np.array([case["ids"]])
    (logits_BTV,) = trace_fields(loaded.config, ("logits_BTV",), loaded.model.params(), tokens_BT)
    logits = np.asarray(logits_BTV)[0, -1]
    assert abs(np.abs(logits).max() - case["largest"]) < 1e-3 * case["largest"]
    error = np.abs(logits[:: EXPECTED["step"]] - case["logits"]).max() / case["largest"]
    assert error < 1e-4
    assert loaded.tokenizer.decode([logits.argmax()]) == " Mary"


@pytest.mark.long
def test_the_table_shows_what_the_readme_says_of_it(loaded):
    """The first block replaces the embedding, position 0 is apart, random pairs are alike."""
    ids = loaded.tokenizer.encode(EXPECTED["answers"][0]["prompt"])
    layers = report.measure_layers(loaded.model, ids[None])
    assert layers["growth"][1] > 10 and abs(layers["cos_embedding"][1]) < 0.1
    first = np.array(layers["norm_first_position"]) / layers["norm_median"]
    assert first.max() > 100 and np.argmax(first) == 12
    assert min(layers["cos_random_pairs"][3:]) > 0.5
    assert loader.beginning(loaded, True).tolist() == [1]


MEMORY = """
from pathlib import Path
import jax
import minitx
def peak():  # not getrusage, whose peak begins with that of the process that started this one
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
params = minitx.load("smollm2").model.params()
size = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
print(peak() / size)
"""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from /proc")
def test_loading_takes_little_more_memory_than_the_model(file):
    """All of the process, Python and JAX included."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    assert 1 < float(done.stdout) <= 1.6


def test_parameters_are_those_that_the_model_is_named_after(loaded):
    count = sum(leaf.size for leaf in jax.tree.leaves(loaded.model.params()))
    assert count == 134_515_008
