"""All lessons run on the trained zoo, in every way: as a script, as a walk, as a notebook."""

import json
import os
import runpy

import pytest
from whole_lessons import NAMES, check_answers

from minitx.classroom import lessons
from minitx.classroom.notebook import write_notebook
from minitx.classroom.walk import walk


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
