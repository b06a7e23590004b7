"""Panels in the book: a frame in a page, and the files of the panel, its code and its model.

A model's weights lie in one file that all its panels load with a plain <script>, because a browser
loads neither modules nor data for a page on disk.
"""

import json
import re
import urllib.parse
from pathlib import Path
from typing import Any

from minitx import files
from minitx.classroom import panels as classroom_panels
from minitx.page import writer
from minitx.page.contents import contents
from minitx.runs import zoo

FOLDER = "panels"
SOURCE = Path(__file__).parent / "source"


def frame(shown: dict[str, Any]) -> str:
    """Return the frame of a panel, and what a print says instead."""
    heading = re.search(r"<h2>(.*)</h2>", writer.source(f"panels/{shown['name']}.html"))[1]
    address = f"{FOLDER}/{file_of(shown)}"
    if shown["view"]:
        address += f"#{urllib.parse.urlencode(shown['view'])}"
    return (
        f'<div class="panel"><iframe src="{address.replace("&", "&amp;")}" loading="lazy" '
        f'title="{heading}: a panel that computes"></iframe>\n'
        f'<p class="small on-paper">On a screen, the panel “{heading}” computes here.</p></div>'
    )


def file_of(shown: dict[str, Any]) -> str:
    """Return the file of a panel that looks into a family of the zoo."""
    return f"{shown['name']}-{shown['family']}.html"


def write(folder: Path, shown: list[dict[str, Any]]) -> None:
    """Write the files of all panels that were shown. Raises InputError as `writer.write` does."""
    if not shown:
        return
    for script in writer.scripts(sorted({panel["name"] for panel in shown})):
        files.write(folder / FOLDER / script, writer.source(script))
    files.write(folder / FOLDER / "frame.js", (SOURCE / "frame.js").read_text("utf-8"))
    for family in sorted({panel["family"] for panel in shown}):
        model = contents(classroom_panels.as_run(zoo.load(family)))
        weights = f"{family}.js"
        carried = json.dumps(writer.model_scripts(0, model))
        put = f'document.currentScript.insertAdjacentHTML("beforebegin", {carried});\n'
        files.write(folder / FOLDER / weights, put)
        for name in sorted({panel["name"] for panel in shown if panel["family"] == family}):
            page = writer.linked_panel(model, name, weights, ["frame.js"])
            files.write(folder / FOLDER / file_of({"name": name, "family": family}), page)
