"""Texts that are hard on a tokenizer, and the property that all tokenizers share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FABLE = (
    "The fox saw the crow. The crow had cheese; the fox had none.\r\n"
    '"Sing," said the fox, "for I\'ve heard that you sing 100 songs!"\n\n'
    "  The crow didn't sing: it knew 1001 foxes. Naïve foxes, 狐 🦊.<|endoftext|>\n"
) * 3
END, ODD = "<|endoftext|>", "<ï>"  # the second is garbled by the decoder of `tokenizers`

unicode = st.text(st.characters(codec="utf-8"))
# Few characters, so that the rules of splitting are met often.
awkward = st.text("ab1 '\u2019\t\r\n_-.é\u0301\u00a0\u2028狐🦊")
any_text = unicode | awkward
with_special = st.lists(any_text | st.sampled_from([END, ODD, "<|", "<"])).map("".join)


def holds_for(*strategies):
    """Test a property on 25 drawn examples, and on 1000 in the long run."""

    def decorate(check):
        @pytest.mark.parametrize("examples", [25, pytest.param(1000, marks=pytest.mark.long)])
        def test(examples):
            settings(max_examples=examples)(given(*strategies)(check))()

        test.__name__ = check.__name__
        return test

    return decorate


def assert_exact(t, text):
    ids_T = t.encode(text)
    assert ids_T.dtype == np.int32 and ids_T.ndim == 1
    assert all(0 <= id < len(t) for id in ids_T)
    assert t.decode(ids_T) == t.decode(ids_T.tolist()) == text


def split(t, text) -> list[str]:
    """The tokens of a text, readable."""
    return [t.tokens[id] for id in t.encode(text)]
