"""Panels in a lesson: an address in the terminal, a frame in a notebook."""

import html
import re
import sys
import types
import urllib.parse
from pathlib import Path

import pytest

from minitx.classroom import panel
from minitx.classroom.learner import session
from minitx.errors import InputError
from minitx.page import browser


@pytest.fixture
def opened(monkeypatch):
    """The addresses that a browser was asked to open."""
    addresses = []
    monkeypatch.setattr(browser, "open_address", lambda address: addresses.append(address) or True)
    return addresses


def test_a_terminal_shows_an_address_of_a_page_on_disk(untrained_zoo, opened, capsys):
    panel("dial", "fables", c=2, prompt="The fox")
    out = capsys.readouterr().out
    address = re.fullmatch(r"PANEL (file://\S+)\n", out)[1]
    path, fragment = address.removeprefix("file://").split("#")
    assert urllib.parse.parse_qs(fragment) == {
        "panel": ["dial"], "c": ["2"], "prompt": ["The fox"],
    }  # fmt: skip
    text = Path(urllib.parse.unquote(path)).read_text()
    assert 'id="dial"' in text and 'id="compass"' in text and '"name": "fables"' in text
    assert opened == []


def test_a_learner_at_a_screen_sees_it_at_once(untrained_zoo, opened, capsys):
    session.opens = True
    panel("dial")
    assert capsys.readouterr().out == f"PANEL {opened[0]}\n" and len(opened) == 1


def test_a_page_is_written_again_when_minitx_has_changed(untrained_zoo, opened, capsys):
    panel("dial")
    path = Path(re.search(r"file://([^#]+)", capsys.readouterr().out)[1])
    path.write_text("of an older version")
    panel("dial")
    assert path.read_text().startswith("<!DOCTYPE html>")


def test_a_notebook_shows_one_panel_in_place(untrained_zoo, opened, monkeypatch, capsys):
    shown = []
    display = types.SimpleNamespace(HTML=lambda text: text, display=shown.append)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    session.opens = True
    assert panel("dial", c=2) is None
    frame = re.fullmatch(
        r'<div><iframe title="[^"<>]+" [^<>]*srcdoc="([^"]*)"></iframe></div>', shown[0]
    )
    page = html.unescape(frame[1])
    assert page.startswith("<!DOCTYPE html>") and 'id="dial"' in page
    assert 'id="compass"' not in page and '{"c": 2}' in page
    assert capsys.readouterr().out == "" and opened == [] and len(shown) == 1


def test_a_panel_that_does_not_exist_is_named(opened):
    with pytest.raises(InputError, match=r"the page has no panel 'dail'.*did you mean.*dial"):
        panel("dail")
