"""Errors: the words that say why the operating system refused."""

import errno
import os

import pytest

from minitx.errors import reason


@pytest.mark.parametrize(
    "error, words",
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), os.strerror(errno.ENOSPC)),
        (OSError("the socket was closed"), "the socket was closed"),
        (TimeoutError(), "TimeoutError"),
        (OSError("two\nlines"), "two lines"),
    ],
)
def test_an_os_error_always_has_a_reason_in_words(error, words):
    assert reason(error) == words
