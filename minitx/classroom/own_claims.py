"""Claims of the learner's own: a file for each, such as claims/u1.py in the folder of answers.

This module finds and writes the files, and reads a claim's words without running anything.
`own_evidence.py` runs a file, and `own_judging.py` judges what it finds there.
"""

import ast
import hashlib
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minitx import files
from minitx.classroom import answers
from minitx.errors import InputError, reason, suggest
from minitx.evidence import verdicts

TEMPLATE = Path(__file__).with_name("claim_template.txt")
MARK = "FILL IN:"  # what is still to be written by the learner
NEW = 'write one with `minitx claim new "A sentence that can turn out false."`'
LESSON = "L15"  # where learners are taught to make one
Row = dict[str, Any]  # a verdict on disk


@dataclass(frozen=True)
class OwnClaim:
    """The file of a claim, read but not run."""

    id: str
    """Such as U1, from the file's name."""
    path: Path
    text: str
    words: str
    """The claim."""

    @property
    def key(self) -> str:
        """The name of this version of the file: a verdict on it is valid for no other text."""
        return f"{self.id} {hashlib.sha256(self.text.encode()).hexdigest()[:12]}"

    @property
    def unfinished(self) -> list[int]:
        """The numbers of the lines that are still to be filled in."""
        lines = self.text.splitlines()
        return [number for number, line in enumerate(lines, 1) if MARK in line]

    def at(self, line: int | None) -> str:
        """Return the path with the number of a line, for a message."""
        return f"{self.path}, line {line}" if line else str(self.path)

    def line_with(self, words: str, after: str = "") -> int | None:
        """Return the number of the first line that contains some words, below one with others."""
        begun = not after
        for number, line in enumerate(self.text.splitlines(), 1):
            begun = begun or line.startswith(after)
            if begun and words in line:
                return number
        return None


def folder() -> Path:
    """Return the folder of claims."""
    return answers.folder() / "claims"


def paths() -> dict[str, Path]:
    """Return the file of each claim by its id, U1 first."""
    numbers = [path.stem[1:] for path in folder().glob("u*.py")]
    known = sorted(int(n) for n in numbers if re.fullmatch(r"[1-9][0-9]{0,8}", n))
    return {f"U{number}": folder() / f"u{number}.py" for number in known}


def new(words: str) -> Path:
    """Write the file of a new claim, to be filled in, and return its path.

    Raises InputError for a claim without words, and for a folder that cannot be written.
    """
    words = " ".join(words.split())
    if not re.search(r"\w", words):
        raise InputError(f"the claim has no words: {NEW}")
    if not words.isprintable():
        raise InputError(f"the claim {words!r} has characters that cannot be printed: retype it")
    last = max((int(id[1:]) for id in paths()), default=0)
    path = folder() / f"u{last + 1}.py"
    # A string is written alike in JSON and in Python.
    line = f"CLAIM = {json.dumps(words, ensure_ascii=False)}"
    text = TEMPLATE.read_text("utf-8").replace("U0", f"U{last + 1}")
    files.write(path, text.replace('CLAIM = "..."', line))
    return path


def find(words: str) -> OwnClaim:
    """Return the claim U1 for u1, U1 or 1.

    Raises InputError for a claim that does not exist, and for a file that is not Python.
    """
    known = paths()
    id = words.strip().upper()
    id = f"U{id}" if id.isdecimal() else id
    if id not in known:
        cure = suggest(id, known) if known else f": {NEW}"
        raise InputError(f"{folder()} has no claim {words!r}{cure}")
    return read(id, known[id])


def read(id: str, path: Path) -> OwnClaim:
    """Return a claim without running its file.

    Raises InputError for a file that cannot be read, is not Python or has no claim.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path} ({reason(error)}): check the file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text: save it as such") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an unknown escape, such as "\\d"
            tree = ast.parse(text)
    except SyntaxError as error:
        where = f"{path}, line {error.lineno}" if error.lineno else str(path)
        raise InputError(f"{where} is not Python ({error.msg}): mend that line") from None
    except (ValueError, RecursionError, MemoryError):  # null bytes; nested too deeply
        raise InputError(f"{path} is not Python: mend it, or begin again") from None
    words = _claim_in(tree)
    if not words:
        raise InputError(f'{path} has no line CLAIM = "..." with your sentence: add it')
    return OwnClaim(id, path, text, words)


def _claim_in(tree: ast.Module) -> str:
    """Return the words that a file assigns to CLAIM, or "" if there are none."""
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
            continue
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if names == ["CLAIM"] and isinstance(node.value.value, str):
            return " ".join(node.value.value.split())
    return ""


def states() -> dict[str, tuple[str, str]]:
    """Return for each claim how far it is, and its words.

    A claim with verdicts shows these; a file that cannot be read shows why instead of its words.
    """
    judged = [one for one in verdicts.read_all() if one.rules == verdicts.rules_hash()]
    found = {}
    for id, path in paths().items():
        try:
            own = read(id, path)
        except InputError as error:
            found[id] = ("broken", str(error))
            continue
        rows = {one.model: one.claims[own.key] for one in judged if own.key in one.claims}
        if rows:
            state = ", ".join(f"{row['verdict']} ({model})" for model, row in rows.items())
        else:
            state = "to be filled in" if own.unfinished else "not judged"
        found[id] = (state, own.words)
    return found


def for_ledger() -> dict[str, dict[str, str]]:
    """Return all claims by id as `known_claims` has them: claim, lesson, source."""
    found = {}
    for id, path in paths().items():
        try:
            words = read(id, path).words
        except InputError as error:
            words = f"(no claim can be read: {error})"
        found[id] = {"claim": words, "lesson": LESSON, "source": f"Your own claim, {path}"}
    return found


def keys() -> dict[str, str]:
    """Return the id of each claim by the name of the present version of its file."""
    found = {}
    for id, path in paths().items():
        try:
            found[read(id, path).key] = id
        except InputError:
            continue  # a file that is broken has no verdict
    return found


def is_own(key: str) -> bool:
    """Return whether this names a version of a learner's own claim, among verdicts on disk."""
    return " " in key


def under_ids(rows: dict[str, Row]) -> dict[str, Row]:
    """Return rows of verdicts on disk by the ids of their claims.

    Verdicts on other versions of a claim's file, and on files that are gone, are left out.
    """
    ids = keys()
    return {ids.get(key, key): row for key, row in rows.items() if key in ids or not is_own(key)}


def other_versions(rows: dict[str, Row]) -> list[str]:
    """Return the ids of claims that have verdicts, but not on the present version of their file."""
    ids = keys()
    judged = {key.split()[0] for key in rows if is_own(key)}
    valid = {ids[key] for key in rows if key in ids}
    return sorted(judged - valid)
