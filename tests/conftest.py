"""Strict settings for all tests: warnings are errors, rank promotion raises, four CPU devices.

They are environment variables, so that processes started by a test are strict too, and so that a
test file that needs no jax does not import it.
"""

import os
import sys

import hypothesis
import pytest

DEVICES = "--xla_force_host_platform_device_count"

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")  # float32 means it on a GPU too
if DEVICES not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {DEVICES}=4".strip()

collect_ignore = [
    "pretrained/fixtures/make_fixtures.py"
]  # run by hand: it needs torch and transformers

# The same examples every time, and no time limit for one: machines are shared, and jax compiles.
hypothesis.settings.register_profile("minitx", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("minitx")


# Files that take longest come first, so that no process is left alone with one of them at the end.
LONGEST = (
    "test_model.py", "test_cells.py", "test_processes.py", "test_step.py", "test_train.py",
    "test_page.py", "test_devices.py", "test_smollm2.py", "test_all_lessons.py",
    "test_trained_lessons.py", "test_reading.py",
    "test_training.py",
    "test_report.py", "test_sample.py", "test_explain.py", "test_zoo.py",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_configure(config):
    config.getini("filterwarnings").insert(0, "error")  # first, so that exceptions can follow


def pytest_terminal_summary(terminalreporter):
    """Say in one line that tests in a browser were skipped, and how to run them."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if "page/" in report.nodeid or "book/" in report.nodeid
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests in a browser need a Chromium and were skipped: README.md, "
            "'Two commands', says how to get one"
        )


@pytest.fixture(autouse=True, scope="session")
def _no_workers():
    """Run in this process what workers would run: each takes seconds to start, and to compile.

    The tests of workers undo this.
    """
    from minitx.devices import workers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "in_this_process", lambda: True)
        yield


@pytest.fixture(autouse=True, scope="module")
def _programs_are_let_go():
    """Drop what a file's tests compiled: the next file does not use it, and it fills the memory."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


@pytest.fixture(scope="session")
def browser():
    """A Chromium. Without one, tests are skipped, or fail if MINITX_NEEDS_BROWSER is set."""
    from minitx.errors import InputError
    from minitx.page import browser as browsers

    try:
        with browsers.chromium() as chromium:
            yield chromium
    except InputError as error:
        if os.environ.get("MINITX_NEEDS_BROWSER"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def tab(browser):
    """A page of the browser that fails the test if a script fails or anything is requested."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: problems.append(request.url))
    page.problems = problems
    yield page
    context.close()
    own = [p for p in problems if not p.startswith(("file:", "data:"))]
    assert not own, own
