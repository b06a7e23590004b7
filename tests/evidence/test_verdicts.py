"""Verdicts on disk: processes that judge at the same time keep each other's."""

from types import SimpleNamespace

import pytest

from minitx.evidence.verdicts import Judged, read

A8, A9, B1, B20 = (SimpleNamespace(id=id) for id in ("A8", "A9", "B1", "B20"))


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MINITX_CACHE", str(tmp_path))


def model(rules="rules"):
    return Judged("model", "origin", "weights", "text", rules)


def row(claim):
    return {"verdict": "supported", "sentence": f"{claim.id} it is."}


def test_two_processes_keep_each_others_verdicts():
    one, other = model(), model()
    first, second = one.judge([A8, A9], row), other.judge([B1, B20], row)
    for _ in range(2):
        next(first)
        next(second)
    assert set(read(one.path).claims) == {"A8", "A9", "B1", "B20"}


def test_nothing_is_taken_over_from_other_rules():
    list(model("old rules").judge([A8], row))
    judged = model()
    list(judged.judge([A9], row))
    assert set(judged.claims) == set(read(judged.path).claims) == {"A9"}
