"""The verdicts on a model as a file, so that an interrupted `judge` goes on, and a ledger can show.

The file belongs to one model, one set of windows and one version of this code: if one of them has
changed, nothing of the file is taken over.
"""

import json
from pathlib import Path
from typing import Any

from minitx import files
from minitx.errors import InputError


def read_kept(path: Path, mark: str) -> dict[str, dict[str, Any]]:
    """Return the rows in a file that were judged under the same mark; none if there are no such.

    Raises InputError for a file that is something else.
    """
    if not path.exists():
        return {}
    kept = read(path)
    return kept["claims"] if kept["mark"] == mark else {}


def read(path: Path) -> dict[str, Any]:
    """Return a file of verdicts. Raises InputError for a file that is something else."""
    kept = files.read_json(path)
    if not isinstance(kept, dict) or not {"model", "mark", "claims"} <= kept.keys():
        raise InputError(f"{path} contains no verdicts of minitx: restore it, or delete it")
    return kept


def read_all(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the rows of each model that has a file of verdicts in a folder, by its name."""
    return {path.stem: read(path)["claims"] for path in sorted(folder.glob("*.json"))}


def keep(path: Path, model: str, mark: str, rows: dict[str, dict[str, Any]]) -> None:
    """Write the rows so far. Raises InputError if that is impossible."""
    content = {"model": model, "mark": mark, "claims": rows}
    files.write(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
