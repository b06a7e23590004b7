"""Rules for phrases become a source of words."""

import math

import pytest

from minitx.text import phrases, sources


def test_rules_unfold_phrase_by_phrase():
    def rules(state):
        if state == "start":
            yield 0.5, "one two three", "end"
            yield 0.5, "four", "end"
            yield 0.0, "never", "nowhere"
        else:
            yield 1, ".", "start"

    words, moves, share = phrases.unfold(rules)
    assert words == (".", "four", "one", "three", "two")
    # Sentences have 4 or 2 words, 3 on average. One of the 3 is the full stop.
    assert share == pytest.approx(
        {"start": 1 / 3, "end": 1 / 3}
        | {phrases.Rest(rest, "end"): 1 / 6 for rest in ("two three", "three")}
    )
    assert moves["start"] == ((0.5, "one", phrases.Rest("two three", "end")), (0.5, "four", "end"))
    assert sources.Source("own", words, moves, share).entropy() == pytest.approx(math.log(2) / 3)
