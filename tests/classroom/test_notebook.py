"""A lesson as a Jupyter notebook."""

import ast
import json
import sys
import types

import pytest

from minitx.classroom import Picture, lessons
from minitx.classroom.notebook import write_notebook

VALUE = """from minitx.classroom import predict

predict("L00.c", "And how much more?",
        low=0)"""


def cells(path):
    return json.loads(path.read_text())["cells"]


def code_cells(path):
    return ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code"]


def run_cell(source, namespace):
    """Run a cell as Jupyter does, and return what it would show beside `Out`."""
    *body, last = ast.parse(source).body or [ast.Pass()]
    if source.endswith(";") or not isinstance(last, ast.Expr):
        exec(source, namespace)
        return None
    exec(compile(ast.Module(body, []), "cell", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)


def test_a_notebook_has_the_cells_of_the_lesson_and_runs(toy, tmp_path, capsys):
    path = write_notebook("L00", tmp_path / "toy.ipynb")
    namespace = {"__name__": "__main__"}
    for source in code_cells(path):
        assert run_cell(source, namespace) is None, source
    out = capsys.readouterr().out
    assert "SEEN ['one', 'two'] None" in out and "not done yet" in out and "END" in out


def test_no_value_is_shown_that_the_terminal_does_not_show(toy, tmp_path, type_in):
    lesson = toy / "l00_toy.py"
    lesson.write_text(f"{lesson.read_text()}\n# %% quiet\n{VALUE}\n\n# %%\n7 * 6\n")
    *_, value, shown = code_cells(write_notebook("L00", tmp_path / "toy.ipynb"))
    type_in("0.5")
    namespace = {}
    assert run_cell(VALUE, namespace) == 0.5  # as it stands in the lesson it would show
    assert run_cell(value, namespace) is None
    assert run_cell(shown, namespace) == 42


def test_code_that_a_learner_need_not_read_is_folded(toy, tmp_path):
    path = write_notebook("L00", tmp_path / "toy.ipynb")
    folded = ["".join(c["source"]) for c in cells(path) if c["metadata"].get("jupyter")]
    assert [source.splitlines()[0] for source in folded] == [
        "#@title Run this", "#@title Count to two", "#@title Run this", "#@title Run this",
    ]  # fmt: skip
    for cell in cells(path):
        if cell["metadata"].get("jupyter"):
            assert cell["metadata"]["cellView"] == "form"
            assert cell["metadata"]["jupyter"] == {"source_hidden": True}


@pytest.mark.parametrize("name", lessons.paths())
def test_every_lesson_becomes_a_notebook(tmp_path, name):
    sources = code_cells(write_notebook(name, tmp_path / f"{name}.ipynb"))
    exercises = [cell.id for cell in lessons.cells(name) if cell.kind == "exercise"]
    assert "%pip install" in sources[0]
    for id in exercises:
        assert any(source.startswith(f"# exercise {id}\n") for source in sources)
    for source in sources:
        ast.parse(source)
        assert "# %%" not in source


def test_a_picture_shows_itself_in_a_notebook_once(monkeypatch):
    shown = []
    display = types.SimpleNamespace(display=shown.append)
    picture = Picture("p", "title")
    assert picture.save() is None and shown == []
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert picture.save() is None  # a value at the end of a cell would be shown again
    assert shown == [picture]
