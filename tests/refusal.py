"""What every refusal of bad input has in common, for all test files."""

from contextlib import contextmanager

import pytest

from minitx.errors import InputError


@contextmanager
def refused(*words):
    """Pass if the block raises InputError with one line that has all the words in it."""
    with pytest.raises(InputError) as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message
