"""Files that are written whole or not at all, and JSON that is read or refused by name."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from minitx.errors import InputError, reason


def write(path: Path, content: bytes | str) -> None:
    """Write content to `path` atomically: a reader sees the whole old file or the whole new one.

    Makes the folder if needed. Raises InputError if the file cannot be written (full disk, no
    permission); the old file then stays.
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
        sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):
            raise  # for example Ctrl-C
        raise InputError(
            f"cannot write {path} ({reason(error)}); the file that was there is unchanged: free "
            "some space, check permissions, or choose another folder"
        ) from None


def sync_folder(folder: Path) -> None:
    """Make sure that a new name in a folder survives a power cut, where the system allows it."""
    with contextlib.suppress(OSError):  # some systems cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically. Raises ValueError for NaN and infinity: JSON has neither."""
    write(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; InputError if it is missing, unreadable or broken."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give the folder of a trained run") from None
    except OSError as error:
        raise InputError(f"cannot read {path} ({reason(error)}): check its permissions") from None
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested too deeply
        raise InputError(
            f"{path} is not a complete JSON file: restore it or make it again"
        ) from None
