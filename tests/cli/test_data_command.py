"""`minitx data`: the corpora by name, and the beginning of each."""

import re

from command_line import listing, works


def test_data_lists_and_shows(home):
    listed = works("data").out
    assert works("data", "list").out == listed
    for name in ("fables", "tinyshakespeare", "kingdom", "errands", "zipf", "chain"):
        assert re.search(rf"^{name}\b", listed, re.MULTILINE)
    shown = works("data", "show", "fables")
    assert len(shown.out) == 1001 and "sha256" in shown.err
    assert "entropy" in works("data", "show", "kingdom").err
    assert listing(home) == {}
