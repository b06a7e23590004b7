"""Verdicts on disk: a file for each model that was judged on this machine, in the cache.

An interrupted `judge` goes on from its file, and the ledger shows all files. A file belongs to the
weights, the windows and the rules that its verdicts came from; if one of them has changed, nothing
of the file is taken over.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minitx import files
from minitx.errors import InputError, reason
from minitx.evidence.evidence import VERDICTS, Evidence
from minitx.text.corpus import cache_folder

ZOO = "zoo"
# They show verdicts and keep them, but do not decide them.
PRESENTATION = {"__init__.py", "claims.py", "ledger_page.py", "summary.py", "verdicts.py"}


@dataclass
class Judged:
    """A model with the verdicts on it."""

    model: str
    """Its name for people."""
    origin: str
    """Where it came from: a folder, a file, or the name of a pulled model. One file for each."""
    weights: str
    """A hash of its weights; for the zoo, of everything that decides them."""
    measured_on: str
    """What it read, in words, with a hash."""
    rules: str
    """A hash of the code that judged."""
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    """A row for each claim, by its id."""

    @property
    def label(self) -> str:
        """The name with the first letters of the weights' hash."""
        return f"{self.model} {self.weights[:8]}"

    @property
    def path(self) -> Path:
        if self.origin == ZOO:
            return folder() / f"{ZOO}.json"
        mark = hashlib.sha256(self.origin.encode()).hexdigest()[:8]
        return folder() / f"{self.model}-{mark}.json"

    def take_over(self) -> None:
        """Add the verdicts that are on disk, if they came from the same weights, text and rules.

        Raises InputError for a file that is something else.
        """
        if not self.path.exists():
            return
        kept = read(self.path)
        if asdict(kept) | {"claims": {}} == asdict(self) | {"claims": {}}:
            self.claims = kept.claims | self.claims

    def judge(
        self, claims: Iterable[Evidence], judge_claim: Callable[[Evidence], dict[str, Any]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each claim's id and its row, as soon as it is judged and on disk.

        A claim that has a verdict already is not judged again.
        """
        for claim in claims:
            if claim.id not in self.claims:
                self.claims[claim.id] = judge_claim(claim)
                self.take_over()  # what another process has judged meanwhile
                self.write()
            yield claim.id, self.claims[claim.id]

    def write(self) -> None:
        """Write the verdicts so far. Raises InputError if that is impossible."""
        files.write(self.path, self.as_text())

    def as_text(self) -> str:
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


def folder() -> Path:
    """Return the folder of all verdicts on this machine."""
    return cache_folder() / "judged"


def read(path: Path) -> Judged:
    """Return a file of verdicts. Raises InputError for a file that is something else."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path} ({reason(error)}): check its permissions") from None
    except (ValueError, RecursionError):  # not UTF-8, cut off, or nested too deeply
        content = None
    names = set(Judged.__dataclass_fields__)
    is_whole = isinstance(content, dict) and content.keys() == names
    if not is_whole or not are_rows(content["claims"]):
        raise InputError(
            f"{path} is not a whole file of verdicts of this version of minitx: delete it, and "
            "judge the model again"
        )
    return Judged(**content)


def are_rows(claims: Any) -> bool:
    """Return whether these are rows by claim, each with a verdict and a sentence."""
    if not isinstance(claims, dict):
        return False
    return all(
        isinstance(row, dict) and row.get("verdict") in VERDICTS and "sentence" in row
        for row in claims.values()
    )


def read_all() -> list[Judged]:
    """Return all models that were judged on this machine, the zoo first."""
    judged = [read(path) for path in sorted(folder().glob("*.json"))]
    return sorted(judged, key=lambda one: one.origin != ZOO)


@functools.cache
def rules_hash() -> str:
    """Return a hash of the code that measures and judges, 12 characters."""
    room = Path(__file__).parent
    judging = [path for path in sorted(room.glob("*.py")) if path.name not in PRESENTATION]
    shared = [room.parent / name for name in ("measure.py", "geometry.py")]
    digest = hashlib.sha256()
    for path in [*judging, *shared]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
