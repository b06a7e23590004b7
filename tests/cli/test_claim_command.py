"""`minitx claim`: from a sentence to a verdict in the ledger, and what is refused."""

import json

import pytest
from command_line import listing, refused, works

from minitx.evidence.claims import known_claims

SENTENCE = "A model is surer than a guess."


@pytest.fixture(autouse=True)
def folder(home, monkeypatch):
    """The folder of claims, and a cache of its own for each test."""
    monkeypatch.setenv("MINITX_CACHE", str(home / "cache"))
    monkeypatch.setenv("MINITX_ANSWERS", str(home / "mine"))
    return home / "mine" / "claims"


@pytest.fixture
def claim(folder):
    """A claim that was filled in."""
    works("claim", "new", SENTENCE)
    path = folder / "u1.py"
    path.write_text(path.read_text().replace("FILL IN: ", ""))
    return path


def test_a_claim_is_begun_and_listed(folder):
    assert "no claims yet" in works("claim").err
    said = works("claim", "new", SENTENCE)
    assert said.out == f"{folder / 'u1.py'}\n" and "minitx claim check U1" in said.err
    assert works("claim").out == f"U1   to be filled in  {SENTENCE}\n"
    refused("claim", "check", "U1", names=["u1.py is not finished", "FILL IN"])
    refused("claim", "judge", "U1", names=["u1.py is not finished"])


def test_a_claim_is_judged_on_a_model_and_enters_the_ledger(claim, run, home):
    said = works("claim", "judge", "u1", run, "--windows", 3)
    assert SENTENCE in said.out and "| unsure " in said.out and "minitx ledger U1" in said.err
    assert "3 windows of 8 tokens" in said.err
    assert works("claim").out.endswith(f" (run)  {SENTENCE}\n")

    lines = works("ledger").out.splitlines()
    assert len(lines) == 67 and lines[-1].startswith("U1 ") and lines[-1].endswith(SENTENCE)
    ledger = json.loads(works("ledger", "--json").out)
    assert list(ledger) == [*known_claims(), "U1"]
    ((label, row),) = ledger["U1"]["models"].items()
    assert label.startswith("run ") and row["sentence"] in said.out
    assert json.loads(works("ledger", "U1", "--json").out) == {"U1": ledger["U1"]}
    assert row["sentence"] in works("ledger", "u1").out
    assert row["sentence"] in works("ledger", "--markdown").out
    works("ledger", "--page", "ledger.html")
    page = (home / "ledger.html").read_text()
    assert (
        "<details class=claim id=U1>" in page and row["sentence"] in page and "lesson L15" in page
    )


def test_a_verdict_is_not_shown_for_another_version_of_the_file(claim, run):
    works("claim", "judge", "U1", run, "--windows", 3)
    text = claim.read_text()
    claim.write_text(text + "# changed\n")
    said = works("ledger", "--json")
    assert json.loads(said.out)["U1"]["models"] == {}
    assert "U1 was changed after run " in said.err and "minitx claim judge U1 " in said.err
    claim.unlink()
    said = works("ledger", "--json")
    assert "U1" not in json.loads(said.out) and "no U1" in said.err
    refused("ledger", "U1", names=["'U1'"])
    claim.write_text(text)
    said = works("ledger", "U1", "--json")
    assert json.loads(said.out)["U1"]["models"] and "U1 was" not in said.err


def test_the_ledger_shows_a_file_that_is_broken(claim, run):
    works("claim", "judge", "U1", run, "--windows", 3)
    claim.write_text("CLAIM = 'never closed")
    lines = works("ledger").out.splitlines()
    assert len(lines) == 67 and "u1.py, line 1 is not Python" in lines[-1]
    assert works("claim").out.startswith("U1   broken  ")


@pytest.mark.parametrize(
    "arguments, names",
    [
        (["frob"], ["frob"]),
        (["new"], ["a sentence"]),
        (["new", ""], ["no words"]),
        (["new", "  ?!"], ["no words"]),
        (["new", "not", "in", "quotes"], ["'in'", "quotes"]),
        (["check"], ["U1"]),
        (["check", "U9"], ["'U9'", "U1"]),
        (["check", "A9"], ["'A9'"]),
        (["judge", "U1", "nothing"], ["nothing"]),
        (["judge", "U1", "zoo", "--corpus", "fables"], ["zoo", "--corpus"]),
        (["judge", "U1", "run", "--windows", "1"], ["windows=1"]),
        (["judge", "U1", "run", "--windows", "5000"], ["5000 windows"]),
    ],
)
def test_input_that_cannot_be_used_is_refused(claim, run, home, arguments, names):
    before = listing(home)
    refused("claim", *arguments, names=names)
    assert listing(home) == before


@pytest.mark.parametrize(
    "old, new, names",
    [
        ("def rule(", "def rule((", ["line 12", "not Python"]),
        ('{"unsure": unsure, "guessing": guessing}', '{"unsure": np.nan, "guessing": 1.0}',
         ["line 29", "nan for unsure", "window 0"]),
        ('{"unsure": unsure, "guessing": guessing}', "{}", ["line 29", "empty dict"]),
        ('{"unsure": unsure, "guessing": guessing}', '"much"', ["line 29", "'much'"]),
        ("reading.logits_TV(window)", "reading.nothing", ["line 31", "AttributeError"]),
        ("def rule(unsure,", "def rule(sure,", ["line 12", "sure, guessing"]),
        ("    return three_way(", "    return 7 * three_way(", ["line 12", "suppor"]),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_are_named_and_keep_nothing(claim, run, home, old, new, names):
    text = claim.read_text()
    assert old in text
    claim.write_text(text.replace(old, new))
    before = listing(home)
    refused("claim", "judge", "U1", run, "--windows", 3, names=[claim, *names], remarks=True)
    assert listing(home) == before


def test_a_folder_that_cannot_be_written_is_named(home):
    (home / "mine").write_text("a file in the folder's place")
    refused("claim", "new", SENTENCE, names=["cannot write", home / "mine"])
    assert "no claims yet" in works("claim").err


def test_a_half_written_verdict_is_named_and_stays(claim, run, home):
    works("claim", "judge", "U1", run, "--windows", 3)
    (path,) = (home / "cache" / "judged").glob("*.json")
    half = path.read_text()[:200]
    path.write_text(half)
    for words in (["claim"], ["ledger"], ["claim", "judge", "U1", run, "--windows", 3]):
        refused(*words, names=[path], remarks=True)
    assert path.read_text() == half
