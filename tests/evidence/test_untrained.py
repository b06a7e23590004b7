"""What is claimed of trained models must not measure alike on an untrained one."""

import dataclasses

import pytest

from minitx.evidence import judging
from minitx.evidence.evidence import EVIDENCE
from minitx.evidence.reading import Reading
from minitx.presets import PRESETS
from minitx.report import sequences, untrained_twin
from minitx.text.data import prepare
from minitx.train import fit

# By algebra, or about the weights or the tokenizer alone: training has no part in them.
ALGEBRA = {"B17", "B18", "B21", "B22", "B23", "B28", "B29", "C3", "C9", "B10", "C12"}
WEIGHTS = {"B4", "B9", "B11", "B12", "B13", "B20", "B26", "B30"}
TOKENS = {"B5", "B6", "B7", "B8"}
OTHER_MODELS = {"B32"}  # it cannot be asked of a model that reads letters


@pytest.mark.long
def test_training_changes_the_numbers_of_every_claim_that_speaks_of_it():
    """By more than their intervals: an untrained model has other numbers."""
    data, preset = prepare("fables"), PRESETS["demo"]
    config = dataclasses.replace(
        preset.model, width=48, depth=4, heads=3, context=32, vocab=len(data.tokenizer)
    )
    recipe = dataclasses.replace(preset.train, steps=150, eval_every=150)
    model, _ = fit(config, recipe, data.train_tokens, data.val_tokens)
    tokens_WT = sequences(data.val_tokens, 32, 20 * 32)
    trained = Reading(model, tokens_WT, ["fables"] * 20)
    untrained = Reading(untrained_twin(model, 0), tokens_WT, ["fables"] * 20)
    of_one_model = {id for id, claim in EVIDENCE.items() if claim.needs_one_model}
    for id in of_one_model - ALGEBRA - WEIGHTS - TOKENS - OTHER_MODELS:
        rows = [judging.judge_claim(EVIDENCE[id], seen) for seen in (trained, untrained)]
        if rows[1]["verdict"] == "untested":  # an untrained model has nothing to ask it of
            assert rows[0]["verdict"] != "untested", (id, rows)
            continue
        assert judging.apart(*(row["numbers"] for row in rows)), (id, rows)
    for id in ALGEBRA - {"B28", "C9"}:
        verdicts = {judging.judge_claim(EVIDENCE[id], s)["verdict"] for s in (trained, untrained)}
        assert verdicts == {"by algebra"}, id
