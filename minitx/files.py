"""Files that are written whole or not at all, and JSON that is read or refused by name."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from minitx.errors import InputError


def write(path: Path, content: bytes | str) -> None:
    """Put content at `path` atomically: a reader sees the old file or the new one, whole.

    Raises InputError if it cannot be written (full disk, no permission); the old file then stays.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        with contextlib.suppress(OSError):  # some systems cannot open a folder; the file is there
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):
            raise  # an interrupt, say
        raise InputError(
            f"cannot write {path} ({error.strerror or error}); what was there before is untouched: "
            "free some space, check permissions, or choose another folder"
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; NaN and infinity are refused, since they are no JSON."""
    write(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises InputError for a missing, unreadable or broken file."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give the folder of a trained run") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}: check its permissions") from None
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested without end
        raise InputError(f"{path} is no whole JSON file: restore it or train again") from None
