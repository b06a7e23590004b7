"""A small book for all tests that only look at it, and a classroom for those that change it."""

import pytest
import small_book

from minitx.book import site


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The folder of a book with one lesson of two."""
    folder = tmp_path_factory.mktemp("book")
    with small_book.classroom(folder):
        site.build(folder / "site", ["L03"], say=small_book.silent)
    return folder / "site"


@pytest.fixture
def classroom(tmp_path):
    """The folder of two lessons, which a test may change."""
    with small_book.classroom(tmp_path) as folder:
        yield folder
