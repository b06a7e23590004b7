"""A browser on this machine: one that a person looks at, and Chromium for tests and timings."""

import contextlib
import os
import shutil
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minitx.errors import InputError

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)
HOW_TO_GET_ONE = "pip install 'minitx[browser]', and Chromium by `apt install chromium` or the like"


def open_page(path: Path) -> bool:
    """Open a file where a person sits at a screen; return whether that was possible."""
    return open_address(path.absolute().as_uri())


def open_address(address: str) -> bool:
    """Open an address where a person sits at a screen; return whether that was possible.

    In CI, over SSH and without a display, nothing is opened.
    """
    hidden = any(os.environ.get(name) for name in ("CI", "SSH_CONNECTION", "SSH_TTY"))
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if hidden or (sys.platform.startswith("linux") and not has_display):
        return False
    with contextlib.suppress(Exception):  # a browser that does not start: the address was printed
        return webbrowser.open(address)
    return False


def find_chromium() -> str | None:
    """Return the path of a Chromium: $MINITX_CHROMIUM, or one on the PATH; else None."""
    named = os.environ.get("MINITX_CHROMIUM")
    if named:
        return named
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start a Chromium without a window, as Playwright's `Browser`, and stop it at the end.

    Raises InputError if there is no Chromium, or no Playwright to drive it.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise InputError(f"Playwright is not installed: {HOW_TO_GET_ONE}") from None
    path = find_chromium()
    if path is None:
        raise InputError(f"no Chromium was found: {HOW_TO_GET_ONE}, or set MINITX_CHROMIUM to one")
    # Chromium's sandbox does not work for root, for example inside a container.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if is_root else []
        try:
            browser = playwright.chromium.launch(executable_path=path, args=arguments)
        except Error as error:
            why = str(error).splitlines()[0]
            raise InputError(f"{path} does not start ({why}): install another Chromium") from None
        try:
            yield browser
        finally:
            browser.close()
