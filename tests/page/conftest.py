"""What the tests of the page share: one model, its trace, and a page with it."""

import kept_programs
import pages
import pytest

from minitx import compiled

# One model and one page for all tests that only look at them. They are made once in a session, and
# a test that needs another model or another page makes its own. The arrays of a trace cannot be
# written to.


@pytest.fixture(scope="session")
def run():
    """A model with the sizes of `pages.BASE`."""
    return pages.run_of()


@pytest.fixture(scope="session")
def trace(run, tmp_path_factory):
    """The trace of the run's model on `pages.TOKENS`."""
    with kept_programs.kept_in(kept_programs.folder(tmp_path_factory)):
        return compiled.trace(run.model, [pages.TOKENS])


@pytest.fixture(scope="session")
def untrained_trace(run, tmp_path_factory):
    """The trace of the same model before training."""
    with kept_programs.kept_in(kept_programs.folder(tmp_path_factory)):
        return compiled.trace(pages.untrained_model(run), [pages.TOKENS])


@pytest.fixture(scope="session")
def path(run, tmp_path_factory):
    """A page with the run and its untrained model, which reads `pages.PROMPT`."""
    with kept_programs.kept_in(kept_programs.folder(tmp_path_factory)):
        return pages.write_page(tmp_path_factory.mktemp("shared") / "page.html", run)


@pytest.fixture(scope="module")
def shared_tab(browser):
    """A page that the tests of a module use one after the other."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module", autouse=True)
def _programs_are_kept(tmp_path_factory):
    """Share compiled programs: all files measure the same few models."""
    with kept_programs.kept_in(kept_programs.folder(tmp_path_factory)):
        yield
