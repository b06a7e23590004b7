"""Panels of the page in a lesson: a figure that computes on the lesson's own model."""

import html
from pathlib import Path

from minitx.classroom.learner import collected, in_notebook, session
from minitx.errors import InputError, suggest
from minitx.page import browser, writer
from minitx.runs import zoo
from minitx.runs.run import Run
from minitx.text.corpus import cache_folder

HEIGHT = 760  # pixels of a panel in a notebook


def panel(name: str, family: str = "fables", **view: str | float) -> None:
    """Show a panel of the page, with a model of the zoo in it.

    `view` sets the panel's controls, the prompt and the position. A notebook shows the panel in
    place; elsewhere its address is printed, and the browser opens it if a learner is there.
    Raises InputError for a panel that does not exist.
    """
    if name not in writer.PANELS:
        raise InputError(f"the page has no panel {name!r}{suggest(name, writer.PANELS)}")
    if collected("panel", name=name, family=family, view=view):
        return
    models = zoo.load(family)
    run = as_run(models)
    if in_notebook():
        _show_in_notebook(run, name, view)
        return
    path = cache_folder() / "pages" / f"{models.hash}.html"
    writer.write(path, [run])
    address = writer.address(path, name, **view)
    print(f"PANEL {address}")
    if session.opens:
        browser.open_address(address)


def as_run(family: zoo.Family) -> Run:
    """Return the first model of a family as a run, which a page can be made of."""
    data = family.data
    return Run(
        Path(family.name), family.models[0], family.config, zoo.ZOO[family.name].train,
        data.tokenizer, data.config, data.sha256, family.name,
    )  # fmt: skip


def _show_in_notebook(run: Run, name: str, view: dict) -> None:
    """Show one panel inside the notebook, as a page of its own in a frame."""
    from IPython.display import HTML, display

    page = writer.one_panel(run, name, view)
    attributes = f'title="The panel {name}" width="100%" height="{HEIGHT}" style="border: 0"'
    # Without the div, IPython would advise to show a file by its address.
    display(HTML(f'<div><iframe {attributes} srcdoc="{html.escape(page)}"></iframe></div>'))
