"""All lessons run: here on untrained models; in long tests on the trained zoo, in every way."""

import json
import os
import runpy

import pytest

from minitx.classroom import lessons
from minitx.classroom.answers import recall
from minitx.classroom.notebook import write_notebook
from minitx.classroom.walk import walk
from minitx.evidence.claims import known_claims
from minitx.evidence.verdicts import folder

NAMES = list(lessons.paths())


def check_answers(name, answers, out):
    """Assert that a run ended, judged the lesson's claims, drew figures, and solved nothing."""
    rows = json.loads((folder() / "zoo.json").read_text())["claims"]
    for id, claim in known_claims().items():
        if claim["lesson"].startswith(name):
            assert f"({id})" in out, id
            assert rows[id]["verdict"].upper() in out, id
            assert rows[id].get("numbers") or rows[id]["verdict"] == "untested", id
    pictures = list((answers / "figures").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert f"FIGURE {picture}" in out
        assert picture.read_bytes()[:4] == b"\x89PNG"
        table = picture.with_suffix(".csv").read_text()
        assert "baseline" in table and table.startswith("panel,series,x,mean,low,high")
    assert out.count("not done yet") == 3
    assert out.count("skipped (the answer: minitx hint") == 3
    assert f"{name} is done. Exercises solved: 0 of 3." in " ".join(out.split())
    assert recall(name)["done"] is True


# L05 trains six small models of its own; L07 and L09 measure many.
SLOW = ("L05", "L07", "L09")
QUICK = [pytest.param(name, marks=pytest.mark.long if name in SLOW else ()) for name in NAMES]


@pytest.mark.parametrize("name", QUICK)
def test_a_lesson_runs_from_start_to_end(name, untrained_zoo, answers, capsys):
    walk(name, straight=True)
    check_answers(name, answers, capsys.readouterr().out)


@pytest.fixture(scope="module")
def trained_zoo(tmp_path_factory):
    """The zoo trained once from nothing, or the one in $MINITX_TEST_ZOO."""
    cache = os.environ.get("MINITX_TEST_ZOO") or str(tmp_path_factory.mktemp("zoo"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINITX_CACHE", cache)
        yield


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_runs_every_way_on_the_trained_zoo(name, trained_zoo, answers, tmp_path, capsys):
    """One test, so that what the script compiled serves the walk and the notebook too."""
    runpy.run_path(str(lessons.paths()[name]), run_name="__main__")
    check_answers(name, answers, capsys.readouterr().out)

    walk(name, straight=True)
    check_answers(name, answers, capsys.readouterr().out)

    path = write_notebook(name, tmp_path / f"{name}.ipynb")
    namespace = {"__name__": "__main__"}
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), namespace)
    check_answers(name, answers, capsys.readouterr().out)
