"""The folder of a grid on disk: one file for each finished cell, named by the hash of its causes.

A grid that was stopped therefore goes on where it was, and another grid in the same folder takes
the cells that it can use.
"""

import contextlib
import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minitx import files
from minitx.ablation.grid import Cell
from minitx.ablation.margin import Margins, write_margins
from minitx.config import to_json
from minitx.errors import InputError
from minitx.evidence.verdicts import rules_hash
from minitx.runs.fingerprint import training_code
from minitx.text.data import Data

FORMAT = 4  # of a finished cell; raised when the meaning of what is measured changes
CHOOSER = 2_000_000_000  # the seed that chooses a cell's learning rate and is not counted
MARK = "ablation.json"  # this file marks a folder as the folder of a grid
STALE = 60  # seconds after which an unfinished file is not being written any more


def hash_text(data: Data) -> str:
    """Return the hash of the tokens, in both splits, and of their tokenizer."""
    parts = [data.tokenizer.to_json().encode()]
    for tokens in (data.train_tokens, data.val_tokens):
        parts.append(np.asarray(tokens).astype("<i4").tobytes())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def key_of(cell: Cell, text_hash: str, seeds: Sequence[int]) -> str:
    """Return the hash of everything that decides a cell's record."""
    # The rates replace the recipe's, and of adam_lr only its ratio to the rate matters.
    recipe = dataclasses.replace(cell.train.at_rate(1.0), seed=0)
    causes = {
        "format": FORMAT,
        "model": to_json(cell.model),
        "train": to_json(recipe),
        "rates": cell.rates,
        "ties": cell.ties,
        "equal_loss": cell.equal_loss,
        "seeds": list(seeds),
        "chooser": CHOOSER,
        "text": text_hash,
        "code": training_code(),
    }
    if cell.claims:
        causes |= {"claims": cell.claims, "rules": rules_hash()}
    return hashlib.sha256(json.dumps(causes, sort_keys=True).encode()).hexdigest()[:20]


def path_of(folder: Path, key: str) -> Path:
    """Return the file of a cell."""
    return folder / "cells" / f"{key}.json"


def unfinished(cells: list[Cell], data: Data, seeds: Sequence[int], folder: Path) -> list[Cell]:
    """Return the cells that the folder does not hold yet."""
    text_hash = hash_text(data)
    return [c for c in cells if not path_of(folder, key_of(c, text_hash, seeds)).exists()]


def open_folder(folder: Path, keys: list[str], data: Data, text_hash: str) -> None:
    """Make the folder of a grid, or check that this grid can go on in it.

    Raises InputError for a folder that holds something else, a grid on another text, or a grid that
    shares no cell with this one.
    """
    choose = "choose another --out"
    mark = folder / MARK
    if mark.exists():
        marked = files.read_json(mark)
        if not isinstance(marked, dict) or marked.get("format") != FORMAT:
            raise InputError(f"{mark} was written by another version of minitx: {choose}")
        if marked.get("text") != text_hash:
            raise InputError(
                f"{folder} holds a grid on another text ({marked.get('corpus')}, with other tokens "
                f"or another split): {choose}"
            )
        finished = {path.stem for path in (folder / "cells").glob("*.json")}
        if finished and not finished & set(keys):
            raise InputError(
                f"{folder} holds another grid: none of its {len(finished)} finished cells is one "
                f"of these {len(keys)}, which other flags or another version of minitx explain; "
                f"{choose}, or use the same flags and version again"
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} holds something other than an ablation: {choose}")
    else:
        marked = {"format": FORMAT, "text": text_hash, "corpus": data.config.corpus}
        files.write_json(mark, {**marked, "sha256": data.sha256})
    _remove_stale(folder / "cells")


def set_margins(folder: Path, margins: Margins) -> None:
    """Keep the margins of a grid in its folder; without any, those that it holds stay.

    If cells have finished before the margins are set or changed, the folder remembers that.
    """
    marked = files.read_json(folder / MARK)
    before = marked.get("margins", {})
    if not margins or margins == before:
        return
    finished = len(list((folder / "cells").glob("*.json")))
    if finished:
        change = {"before": before, "finished_cells": finished}
        marked["margin_changes"] = [*marked.get("margin_changes", []), change]
    files.write_json(folder / MARK, {**marked, "margins": margins})


def read_margins(folder: Path) -> tuple[Margins, str]:
    """Return the margins that a folder holds, and a remark if results came before them."""
    marked = files.read_json(folder / MARK)
    changes = []
    for change in marked.get("margin_changes", []):
        number = change["finished_cells"]
        cells = f"{number} finished cell{'' if number == 1 else 's'}"
        changes.append(f"{write_margins(change['before'])}, up to {cells}")
    remark = f"margin changed after results (before: {'; '.join(changes)})" if changes else ""
    return marked.get("margins", {}), remark


def _remove_stale(folder: Path) -> None:
    """Remove what a killed process left half written; another process may be writing the rest."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()


def read_record(path: Path, key: str, cell: Cell) -> dict[str, Any]:
    """Return a finished cell. Raises InputError for a file that is damaged or wrongly named."""
    record = files.read_json(path)
    if not isinstance(record, dict) or record.get("key") != key or "seeds" not in record:
        raise InputError(f"{path} is not the cell that its name says: remove it to train it again")
    return {**record, "settings": cell.settings}
