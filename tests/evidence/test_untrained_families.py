"""What is claimed of trained families must not measure alike on their untrained models."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from minitx.evidence import inverses, zoo_judging
from minitx.evidence.evidence import EVIDENCE
from minitx.evidence.judging import apart
from minitx.evidence.reading import read_held_out

OF_KINGDOM = ("A1", "A3", "A4", "A5", "A6", "B14")


@pytest.mark.long
@pytest.mark.parametrize("id", OF_KINGDOM)
def test_training_changes_the_numbers_of_claims_about_meaning(id):
    claim = EVIDENCE[id]
    families = [zoo_judging.family(name) for name in claim.species]
    before = [dataclasses.replace(family, models=family.untrained) for family in families]
    rows = [
        zoo_judging.judge_seeds(claim, zoo_judging.measure_seeds(claim, models))
        for models in (families, before)
    ]
    assert apart(*(row["numbers"] for row in rows)), rows


@pytest.mark.long
def test_training_makes_transpose_and_inverse_differ():
    family = zoo_judging.family("bpe")

    def alike(model) -> float:
        reading = SimpleNamespace(config=model.config, embedding_VD=model.unembedding_VD)
        return inverses.measure_b13(reading)["alike"]

    untrained = [alike(model) for model in family.untrained]
    assert max(alike(model) for model in family.models) < 0.7 < min(untrained)


@pytest.mark.long
@pytest.mark.parametrize("id", ["B4", "B26", "B30"])
def test_training_changes_the_numbers_of_claims_about_tables(id):
    claim = EVIDENCE[id]
    family = zoo_judging.family(claim.species[0])
    rows = []
    for models in (family.models, family.untrained):
        found = [claim.measure(read_held_out(model, family)) for model in models]
        numbers_EW = {name: np.array([[row[name]] for row in found]) for name in found[0]}
        rows.append(zoo_judging.judge_seeds(claim, numbers_EW))
    assert apart(*(row["numbers"] for row in rows)), rows
