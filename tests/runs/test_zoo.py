"""The zoo: trained once, found again, and another hash for everything that decides the result."""

import dataclasses

import numpy as np
import pytest

from minitx.config import ModelConfig, TrainConfig
from minitx.devices import workers
from minitx.errors import InputError
from minitx.runs import zoo

TINY = zoo.Species(
    "tiny",
    ModelConfig(width=8, depth=1, heads=2, context=8),
    TrainConfig(steps=4, batch=2, warmup=1, eval_every=2),
    corpus="chain",
)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setenv("MINITX_CACHE", str(tmp_path))
    monkeypatch.setattr(zoo, "ZOO", {"tiny": TINY})
    return tmp_path / "zoo"


def test_a_family_is_trained_once(tiny, monkeypatch):
    first = zoo.load("tiny")
    monkeypatch.setattr(zoo, "train_all", None)  # a second training would break
    again = zoo.load("tiny")
    assert again.hash == first.hash and len(list(tiny.iterdir())) == 1
    assert sorted(again.stages) == [2, 4] and len(again.models) == len(again.untrained) == 3
    assert again.val_losses.shape == again.train_losses.shape == (3, 2)
    rows = [np.asarray(m.unembedding_VD) for m in (*again.models, *again.untrained)]
    assert all((a != b).any() for n, a in enumerate(rows) for b in rows[:n])


def test_all_that_is_missing_is_built_and_what_takes_longest_begins_first(tiny, monkeypatch):
    long = dataclasses.replace(TINY, train=dataclasses.replace(TINY.train, steps=6))
    monkeypatch.setattr(zoo, "ZOO", {"tiny": TINY, "there": TINY, "long": long})
    zoo.load("there")
    assert list(zoo.build()) == ["there", "long", "tiny"]
    assert list(zoo.build(["tiny"])) == ["tiny"]
    assert len(list(tiny.iterdir())) == 3
    with pytest.raises(InputError, match="jobs=0"):
        list(zoo.build(jobs=0))


@pytest.mark.long
def test_species_are_the_same_to_the_byte_for_any_number_of_workers(tiny, monkeypatch):
    monkeypatch.setattr(workers, "in_this_process", lambda: False)
    wide = dataclasses.replace(TINY, model=dataclasses.replace(TINY.model, mlp_width=24))
    monkeypatch.setattr(zoo, "ZOO", {"tiny": TINY, "wide": wide})
    files = []
    for jobs in (1, 2):
        assert set(zoo.build(jobs=jobs)) == {"tiny", "wide"}
        files.append({path.name: path.read_bytes() for path in tiny.iterdir()})
        for path in tiny.iterdir():
            path.unlink()
    assert files[0] == files[1] and len(files[0]) == 2


def test_every_cause_has_another_hash(tiny, monkeypatch):
    data = zoo.prepare("chain")
    config = dataclasses.replace(TINY.model, vocab=len(data.tokenizer))
    cases = [
        (config, TINY.train, data),
        (dataclasses.replace(config, tied=True), TINY.train, data),
        (config, dataclasses.replace(TINY.train, lr=0.1), data),
        (config, TINY.train, zoo.prepare("chain-cyclic")),
    ]
    hashes = {zoo.hash_of(*case) for case in cases}
    monkeypatch.setattr(zoo, "SEEDS", (0, 1))
    hashes.add(zoo.hash_of(*cases[0]))
    assert len(hashes) == 5


def test_a_broken_file_is_named(tiny):
    family = zoo.load("tiny")
    (tiny / f"{family.hash}.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a complete safetensors file"):
        zoo.load("tiny")


@pytest.mark.long
def test_training_that_breaks_down_is_said(tiny, monkeypatch):
    wild = dataclasses.replace(TINY.train, lr=1e30)  # all rates share one program
    monkeypatch.setitem(zoo.ZOO, "tiny", dataclasses.replace(TINY, train=wild))
    with pytest.raises(InputError, match="zoo, tiny, seed"):
        zoo.load("tiny")
    assert not tiny.exists() or not list(tiny.iterdir())


def test_an_unknown_name_is_answered():
    with pytest.raises(InputError, match="did you mean 'fables'"):
        zoo.load("fable")
