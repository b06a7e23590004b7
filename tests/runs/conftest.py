"""One trained run for all tests of what lies on disk."""

import shutil

import kept_programs
import pytest
from tiny_run import fit, write_text

from minitx.text.data import prepare


@pytest.fixture(scope="module", autouse=True)
def _programs_are_kept(tmp_path_factory):
    with kept_programs.kept_in(kept_programs.folder(tmp_path_factory)):
        yield


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "text.txt")


@pytest.fixture(scope="session")
def data(text):
    return prepare(str(text))


@pytest.fixture(scope="session")
def reference(tmp_path_factory, data):
    """A run that was left alone."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    with kept_programs.kept_in(kept_programs.folder(tmp_path_factory)):
        fit(folder, data)
    return folder


@pytest.fixture
def copy(reference, tmp_path):
    """A copy of that run, to be spoilt."""
    shutil.copytree(reference, tmp_path / "run")
    return tmp_path / "run"
