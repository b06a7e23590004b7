"""A lesson as a Jupyter notebook."""

import json

from minitx.classroom import lessons
from minitx.classroom.notebook import write_notebook


def code_cells(path):
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_a_notebook_has_the_cells_of_the_lesson_and_runs(toy, tmp_path, capsys):
    path = write_notebook("L00", tmp_path / "toy.ipynb")
    namespace = {"__name__": "__main__"}
    for source in code_cells(path):
        exec(source, namespace)
    out = capsys.readouterr().out
    assert "SEEN ['one', 'two'] None" in out and "not done yet" in out and "END" in out


def test_every_lesson_becomes_a_notebook(tmp_path):
    for name in lessons.paths():
        sources = code_cells(write_notebook(name, tmp_path / f"{name}.ipynb"))
        exercises = [cell.id for cell in lessons.cells(name) if cell.kind == "exercise"]
        assert "%pip install" in sources[0]
        for id in exercises:
            assert any(source.startswith(f"# exercise {id}\n") for source in sources)
