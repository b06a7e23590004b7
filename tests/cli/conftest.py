"""One trained run for all commands, and an empty folder for each test."""

import shutil

import kept_programs
import pytest
from command_line import SHORT, keep_to, works, write_text


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder to work in; nothing outside it is read or written."""
    monkeypatch.chdir(tmp_path)
    keep_to(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A folder with a text and a run that was trained on it; and what training said."""
    folder = tmp_path_factory.mktemp("world")
    text = write_text(folder / "text.txt")
    programs = kept_programs.kept_in(kept_programs.folder(tmp_path_factory))
    with pytest.MonkeyPatch.context() as patch, programs:
        keep_to(folder, patch)
        said = works("train", "--corpus", text, "--out", folder / "run", "--json", *SHORT)
    return folder, said


@pytest.fixture
def text(world):
    """The text that the run was trained on."""
    return world[0] / "text.txt"


@pytest.fixture
def run(world, home):
    """A copy of the run, to be spoilt."""
    shutil.copytree(world[0] / "run", home / "run")
    return home / "run"


@pytest.fixture(scope="module", autouse=True)
def _programs_are_kept(tmp_path_factory):
    with kept_programs.kept_in(kept_programs.folder(tmp_path_factory)):
        yield
