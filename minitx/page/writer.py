"""Put a page together: one HTML file from the models' contents and the files in `source/`."""

import html
import json
import re
import string
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from minitx import files
from minitx.errors import InputError
from minitx.page.contents import Contents, contents, size_of
from minitx.runs.run import Run

SOURCE = Path(__file__).parent / "source"
LIMIT = 64 * 2**20  # bytes of weights; a browser computes larger models too slowly to be touched

# What there is to try, in the order of the page. Each is a text and a script in `source/panels/`.
PANELS = (
    "next", "dial", "attention", "growth", "compass", "turn", "silence", "lens", "arrow",
)  # fmt: skip

# In the order in which they use each other, before the panels. They share one scope, because a
# browser loads no modules from a file on disk.
SCRIPTS = (
    "measure.js", "layers.js", "model.js", "tokenizers.js",
    "svg.js", "heatmap.js", "plots.js", "view.js", "lab.js", "prompt.js", "panel.js",
)  # fmt: skip


def write(
    path: Path, models: Sequence[Run], prompt: str | None = None, untrained: bool = True
) -> int:
    """Write a page for one or several models; return its size in bytes.

    Raises InputError for models that are too large or that a page does not support, for two models
    of one name, for a prompt that a model cannot read, and for a path that cannot be written.
    """
    check_size(models, untrained)
    text = page([contents(run, prompt, untrained) for run in distinct(models)])
    files.write(path, text)
    return len(text.encode())


def address(path: Path, panel: str = "", **view: str | float) -> str:
    """Return the address of a page that opens at a panel, with values of its view.

    >>> address(Path("/a b/page.html"), "dial", c=2, prompt="The fox")
    'file:///a%20b/page.html#panel=dial&c=2&prompt=The+fox'
    """
    values = {"panel": panel, **view} if panel else view
    fragment = urllib.parse.urlencode(values)
    return path.absolute().as_uri() + (f"#{fragment}" if fragment else "")


def distinct(models: Sequence[Run]) -> Sequence[Run]:
    """Return the models. Raises InputError if two of them have the same name."""
    names = [run.name for run in models]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two models are called {name}: rename the folder of one of them")
    return models


def check_size(models: Sequence[Run], untrained: bool) -> None:
    """Raise InputError if the weights of the models are too large for a page."""
    total = sum(size_of(run, untrained) for run in models)
    if total > LIMIT:
        names = ", ".join(run.name for run in models)
        cure = "choose smaller models"
        if untrained and total <= 2 * LIMIT:
            cure = "add --no-untrained, or choose smaller models"
        raise InputError(
            f"{names}: the page would be {total / 2**20:,.0f} MiB, and its limit is "
            f"{LIMIT / 2**20:.0f} MiB: {cure}"
        )


def one_panel(run: Run, panel: str, view: dict[str, str | float]) -> str:
    """Return the HTML of a page with one model and one panel, to be shown inside another page.

    `view` is what it shows at first. Raises InputError for a model that is too large
    or that a page does not support.
    """
    check_size([run], untrained=False)
    prompt = view.get("prompt")
    return page([contents(run, prompt, untrained=False)], (panel,), view)


def page(
    models: Sequence[Contents],
    panels: Sequence[str] = PANELS,
    view: dict[str, str | float] | None = None,
) -> str:
    """Return the HTML of a page with these models and panels.

    `view` is what the page shows at first, if its address says nothing else.
    """
    carried = [model_scripts(number, model) for number, model in enumerate(models)]
    return fill(models, panels, view, [*carried, *map(script, scripts(panels))])


def linked_panel(model: Contents, panel: str, weights: str, more_scripts: Sequence[str]) -> str:
    """Return the HTML of a page with one panel that loads its model and its code from files.

    `weights` is the script that puts the model into the page. It lies beside the page, as the files
    of `scripts` and `more_scripts` do. So many panels can share one model.
    """
    names = [weights, *scripts([panel]), *more_scripts]
    linked = [f'<script src="{name}"></script>' for name in names]
    return fill([model], (panel,), {}, linked, "'unsafe-inline' 'self' file:")


def fill(
    models: Sequence[Contents],
    panels: Sequence[str],
    view: dict[str, str | float] | None,
    elements: Sequence[str],
    allowed: str = "'unsafe-inline'",
) -> str:
    """Return the HTML of a page that carries these script elements; `allowed` scripts may run."""
    names = [model.facts["name"] for model in models]
    return string.Template(source("page.html")).substitute(
        allowed=allowed,
        title=html.escape(f"{', '.join(names)}: inside a transformer"),
        heading=html.escape(" and ".join(names)),
        style=source("style.css"),
        facts=facts_table(models),
        kind="whole" if len(panels) > 1 else "single",
        view=as_json(view or {}),
        contents="\n".join(contents_line(name) for name in panels),
        panels="\n".join(source(f"panels/{name}.html") for name in panels),
        scripts="\n".join(elements),
    )


def scripts(panels: Sequence[str]) -> list[str]:
    """Return the scripts of a page with these panels, in the order in which they use each other."""
    return [*SCRIPTS, *(f"panels/{name}.js" for name in panels), "start.js"]


def contents_line(panel: str) -> str:
    """Return an entry of the table of contents: a link to a panel, under its heading."""
    heading = re.search(r"<h2>(.*)</h2>", source(f"panels/{panel}.html"))[1]
    return f'<li><a href="#{panel}">{heading}</a></li>'


def source(name: str) -> str:
    """Return the text of a file in `source/`."""
    return (SOURCE / name).read_text("utf-8")


def script(name: str) -> str:
    """Return one of our scripts as an element of the page, under its name."""
    return f'<script data-file="{name}">\n{source(name)}</script>'


def model_scripts(number: int, model: Contents) -> str:
    """Return a model as elements that a browser keeps as text and never runs."""
    facts = as_json(model.facts)
    parts = [f'<script type="application/json" data-model="{number}">{facts}</script>']
    for kind, weights in (("weights", model.weights), ("untrained", model.untrained)):
        if weights:
            parts.append(f'<script type="text/plain" id="{kind}-{number}">{weights}</script>')
    return "\n".join(parts)


def as_json(value) -> str:
    """Return a value as JSON that can stand in a script, even if it contains "</script>"."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def facts_table(models: Sequence[Contents]) -> str:
    """Return the models side by side as an HTML table: what they are and where they differ."""
    rows = {"name": [model.facts["name"] for model in models]}
    rows["parameters"] = [f"{model.facts['parameters']:,}" for model in models]
    for name in models[0].facts["config"]:
        rows[name] = [plain(model.facts["config"][name]) for model in models]
    lines = []
    for name, values in rows.items():
        cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
        lines.append(f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>')
    return f"<table>\n{chr(10).join(lines)}\n</table>"


def plain(value) -> str:
    """Return a value of a config in words.

    >>> plain(True), plain(None), plain(1e-05)
    ('yes', 'default', '1e-05')
    """
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
