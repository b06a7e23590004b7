"""Every kind of generator with a long sample of it, made once for the tests of them all."""

import functools

from minitx.text import corpus, sources
from minitx.text.errands import errands
from minitx.text.kingdom import kingdom

LENGTH = 40_000
HELD_OUT = [("queen", "palace"), ("king", "jewelled"), ("girl", "young"), ("fox", "his")]
MAKERS = {  # every kind, with its defaults and with sizes that are all different
    **corpus.GENERATORS,
    "chain of 17": lambda: sources.chain(vocab=17, concentration=0.6, seed=3),
    "noisy cycle of 7": lambda: sources.chain("cyclic", vocab=7, noise=0.3),
    "reversible chain of 5": lambda: sources.chain(
        "reversible", 5, concentration=0.5, seed=1, noise=0.1
    ),
    "kingdom without taste": lambda: kingdom(seed=1, taste=0),
    "kingdom with gaps": lambda: kingdom(seed=2, held_out=HELD_OUT, taste=0),
    "held-out errands of 11": lambda: errands(11, seed=3, pairs="held_out"),
    "all errands of 9": lambda: errands(9, seed=1, pairs="all"),
    "zipf of 13 and 6": lambda: sources.zipf(13, unseen=6, exponent=0.7, concentration=0.3, seed=5),
}


class Stream:
    """A source, a long sample of it, and what the source says of that sample."""

    def __init__(self, make):
        self.source = make()
        self.ids_T = self.source.sample(LENGTH, seed=11)
        self.words = [self.source.words[i] for i in self.ids_T]
        self.probs_TV = self.source.next_probs(self.ids_T)


@functools.lru_cache(maxsize=3)  # the probabilities of one can take 70 MB
def get_stream(name):
    return Stream(MAKERS[name])


def after(source, text):
    """The distribution after some words that begin a stream, as word -> probability."""
    ids = [source.words.index(word) for word in text.split()]
    return dict(zip(source.words, source.next_probs(ids)[-1], strict=True))
