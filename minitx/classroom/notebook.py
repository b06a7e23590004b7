"""A lesson as a Jupyter notebook."""

import re
from pathlib import Path

from minitx import files
from minitx.classroom import lessons
from minitx.errors import InputError

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
# How Jupyter and Colab are told to hide a cell's code until somebody asks for it.
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form", "tags": ["hide-input"]}
QUIET = "#@title Run this"
INSTALL = "# %%\n# In Colab: upload minitx's wheel, then run  %pip install minitx-*.whl\n"


def write_notebook(lesson: str, path: Path) -> Path:
    """Write a lesson as a Jupyter notebook to `path`. Raises InputError if jupytext is missing."""
    try:
        import jupytext
    except ImportError:
        raise InputError(
            "a notebook needs the package jupytext: pip install 'minitx[notebook]'"
        ) from None
    text = lessons.paths()[lesson].read_text("utf-8")
    text = re.sub(r"(?m)^# %% exercise (\S+)$", r"# %%\n# exercise \1", text)
    text = re.sub(r"(?m)^# %% folded (.+)$", r"# %%\n#@title \1", text)
    text = re.sub(r"(?m)^# %% quiet$", f"# %%\n{QUIET}", text)
    notebook = jupytext.reads(text, fmt="py:percent")
    for cell in notebook.cells:
        if cell.source.startswith("#@title"):
            cell.metadata |= FOLDED
        if cell.source.startswith(QUIET):
            cell.source += ";"  # otherwise Jupyter shows the value of the last line
    notebook.metadata["kernelspec"] = KERNEL
    notebook.cells.insert(1, jupytext.reads(INSTALL, fmt="py:percent").cells[0])
    files.write(path, jupytext.writes(notebook, fmt="ipynb"))
    return path
