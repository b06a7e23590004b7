"""Claims of the learner's own: tried on untrained models, judged, and kept in the ledger."""

from types import SimpleNamespace

import pytest
from own_claim import FILE, reading, write

from minitx.classroom import own_claims, own_judging
from minitx.classroom.own_evidence import evidence_of
from minitx.errors import InputError
from minitx.evidence import verdicts, zoo_judging
from minitx.evidence.verdicts import Judged

TRAINED = [reading(3, 4, 5), reading(3.1, 4.1, 5.1), reading(3.2, 4.2, 5.2)]  # one for each seed
UNTRAINED = [reading(0.1, 0.2, 0.3), reading(0.11, 0.21, 0.31), reading(0.12, 0.22, 0.32)]


@pytest.fixture
def plant(tmp_path, monkeypatch):
    """A function that sets what trained and untrained models of the zoo give."""
    monkeypatch.setenv("MINITX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(zoo_judging, "fingerprint", lambda: "of the zoo")
    monkeypatch.setattr(own_judging, "read_held_out", lambda model, family: model)

    def set_readings(trained=TRAINED, untrained=UNTRAINED):
        family = SimpleNamespace(name="fables", hash="fables-1", models=trained)
        family.untrained = untrained
        monkeypatch.setattr(zoo_judging, "family", lambda name: family)
        monkeypatch.setattr(zoo_judging, "readings", lambda name: trained)

    set_readings()
    return set_readings


def checked(id="U1"):
    return " ".join(own_judging.check(own_claims.find(id)))


def judged(id="U1"):
    own = own_claims.find(id)
    return own_judging.judge_on_zoo(own, evidence_of(own))


def test_a_check_shows_untrained_models_and_keeps_the_others_to_itself(plant, answers):
    write(answers)
    said = checked()
    assert "each planted case its verdict" in said and "size 0.21 (" in said
    assert "The verdict on them: qualified" in said and "Trained models give other numbers" in said
    assert "4.1" not in said and said.endswith("minitx claim judge U1")
    assert not verdicts.read_all()


def test_a_claim_that_training_does_not_change_says_so(plant, answers):
    write(answers)
    plant(untrained=[reading(3, 4.1, 5), reading(3.1, 4.2, 5), reading(3.2, 4.3, 5)])
    assert "says nothing about training" in checked()
    row = judged()
    assert row["verdict"] == "supported" and "says nothing about training" in row["why"]


def test_a_check_stops_at_what_is_to_be_filled_in(plant, answers):
    write(answers, '"""The planted', '"""FILL IN: The planted')
    for call in (checked, lambda: own_judging.finished(own_claims.find("U1"))):
        with pytest.raises(InputError, match=r"u1\.py is not finished: .* filled in: 18;"):
            call()


def test_numbers_that_change_when_they_are_measured_again_are_refused(plant, answers):
    random = "__import__('random').random()"
    write(answers, "reading.size_W[window]", random)
    with pytest.raises(InputError, match=r"U1: .* two results.*reading\.random"):
        checked()


def test_a_claim_that_cannot_be_asked_says_why(plant, answers):
    write(answers, "    return {", '    raise Untestable("it has no size")\n    return {')
    assert "It cannot be asked of the untrained models: it has no size." in checked()
    assert judged()["verdict"] == "untested"


def test_a_verdict_is_kept_with_those_of_the_articles_claims(plant, answers, monkeypatch):
    write(answers)
    kept = zoo_judging.kept()
    kept.claims["A9"] = {"verdict": "refuted", "sentence": "No."}
    kept.write()
    row = judged()
    assert row["verdict"] == "supported" and "why" not in row
    assert row["rule"].startswith("The size is above") and row["claim"] == "Sizes are large."
    monkeypatch.setattr(zoo_judging, "judge_claim", lambda claim: pytest.fail("judged again"))
    assert judged() == row
    (on_disk,) = verdicts.read_all()
    assert list(on_disk.claims) == ["A9", own_claims.find("U1").key]
    assert own_claims.states() == {"U1": ("supported (zoo)", "Sizes are large.")}


def test_another_version_of_the_file_is_judged_again_and_says_so(plant, answers):
    path = write(answers)
    first = judged()
    path.write_text(FILE.replace("size > by_chance", "size > 1.5 * by_chance"))
    assert own_claims.states()["U1"][0] == "not judged"
    second = judged()
    assert second["verdict"] == "supported" and "another version" in second["why"]
    assert len(verdicts.read_all()[0].claims) == 2
    path.write_text(FILE)
    assert judged() == first  # nothing is lost


def test_another_claim_in_the_same_file_was_not_judged_before(plant, answers):
    path = write(answers)
    judged()
    path.write_text(FILE.replace("Sizes are large", "Weights are large"))
    assert "why" not in judged()


@pytest.mark.parametrize(
    "content", ['{"model": "zoo"', '{"U1": {}}', '{"claims": [1]}', '{"claims": {"U1 0": {}}}']
)
def test_a_file_of_verdicts_that_is_not_whole_is_named_and_stays(plant, answers, content):
    write(answers)
    judged_file = Judged("zoo", verdicts.ZOO, "", "", "")
    path = judged_file.path
    path.parent.mkdir(parents=True)
    text = content
    if content.startswith('{"claims"'):  # all fields are there, and one is wrong
        text = judged_file.as_text().replace('"claims": {}', content[1:-1])
    path.write_text(text)
    for call in (judged, own_claims.states):
        with pytest.raises(InputError, match=r"zoo\.json"):
            call()
    assert path.read_text() == text
