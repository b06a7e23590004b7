"""What tests of whole lessons share: which lessons are ready, and what a run leaves behind."""

import json

from minitx.classroom import lessons
from minitx.classroom.answers import recall
from minitx.evidence.claims import known_claims
from minitx.evidence.verdicts import folder

NAMES = list(lessons.paths())


def claims_of(name):
    """Return the claims that a lesson is the first to test."""
    return [id for id, claim in known_claims().items() if claim["lesson"].startswith(name)]


def check_answers(name, answers, out):
    """Assert that a run ended, judged the lesson's claims, drew figures, and solved nothing."""
    claims = claims_of(name)  # L15 tests one of its own
    rows = json.loads((folder() / "zoo.json").read_text())["claims"] if claims else {}
    words = " ".join(out.split())
    for id in claims:
        assert f"{rows[id]['verdict'].upper()} {known_claims()[id]['claim']} ({id}" in words, id
        assert rows[id].get("numbers") or rows[id]["verdict"] == "untested", id
    pictures = list((answers / "figures").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert f"FIGURE {picture}" in out
        assert picture.read_bytes()[:4] == b"\x89PNG"
    tables = [picture.with_suffix(".csv").read_text() for picture in pictures]
    assert all(table.startswith("panel,series,x,mean,low,high\n") for table in tables)
    assert any("baseline: " in table for table in tables)
    assert out.count("not done yet") == 3
    assert out.count("skipped (the answer: minitx hint") == 3
    assert f"{name} is done. Exercises solved: 0 of 3." in words
    assert recall(name)["done"] is True
