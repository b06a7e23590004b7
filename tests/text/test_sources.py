"""Generators: what they say about themselves against what they do, and against formulas."""

import functools
import itertools
import math

import numpy as np
import pytest

from minitx.errors import InputError
from minitx.text import corpus, grammars, phrases, sources

LENGTH = 40_000
HELD_OUT = [("queen", "palace"), ("king", "jewelled"), ("girl", "young"), ("fox", "his")]
MAKERS = {  # every kind, with its defaults and with sizes that are all different
    **corpus.GENERATORS,
    "chain of 17": lambda: sources.chain(vocab=17, concentration=0.6, seed=3),
    "noisy cycle of 7": lambda: sources.chain("cyclic", vocab=7, noise=0.3),
    "reversible chain of 5": lambda: sources.chain(
        "reversible", 5, concentration=0.5, seed=1, noise=0.1
    ),
    "kingdom with gaps": lambda: grammars.kingdom(seed=2, held_out=HELD_OUT),
    "held-out errands of 11": lambda: grammars.errands(11, seed=3, pairs="held_out"),
    "all errands of 9": lambda: grammars.errands(9, seed=1, pairs="all"),
    "zipf of 13 and 6": lambda: sources.zipf(13, unseen=6, exponent=0.7, seed=5),
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


@pytest.fixture(params=MAKERS, scope="module")  # so that all tests of one source come in a row
def stream(request):
    return get_stream(request.param)


def after(source, text):
    """The distribution after some words that begin a stream, as word -> probability."""
    ids = [source.words.index(word) for word in text.split()]
    return dict(zip(source.words, source.next_probs(ids)[-1], strict=True))


# ---------------------------------------------------------------- every source


def test_the_sample_is_a_row_of_ids_of_distinct_words(stream):
    vocab = len(stream.source.words)
    assert stream.ids_T.dtype == np.int32 and stream.ids_T.shape == (LENGTH,)
    assert stream.ids_T.min() >= 0 and stream.ids_T.max() < vocab
    assert len(set(stream.source.words)) == vocab
    assert all(word.split() == [word] for word in stream.source.words)


def test_probabilities_are_probabilities(stream):
    assert stream.probs_TV.shape == (LENGTH, len(stream.source.words))
    assert stream.probs_TV.dtype == np.float64
    assert (stream.probs_TV >= 0).all()
    np.testing.assert_allclose(stream.probs_TV.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_the_sample_follows_the_stated_distribution(stream):
    """For every pair of tokens: how often the second came after the first, against what was said.

    Given the past, each step is a coin of known bias, so count minus expectation is a martingale
    with variance sum p (1 - p): within 5.5 standard deviations in all of some 1000 cells.
    """
    vocab = len(stream.source.words)
    now_T, next_T, probs_TV = stream.ids_T[:-1], stream.ids_T[1:], stream.probs_TV[:-1]
    count_VV, expected_VV, variance_VV = np.zeros((3, vocab, vocab))
    np.add.at(count_VV, (now_T, next_T), 1)
    np.add.at(expected_VV, now_T, probs_TV)
    np.add.at(variance_VV, now_T, probs_TV * (1 - probs_TV))
    assert not count_VV[expected_VV == 0].any()  # the impossible never happened
    sure = variance_VV < 1e-9
    np.testing.assert_allclose(count_VV[sure], expected_VV[sure], atol=1e-6)
    often = ~sure & (variance_VV > 10)  # else the normal bound is none
    z = (count_VV - expected_VV)[often] / np.sqrt(variance_VV[often])
    assert often.any() or sure.all()
    assert np.abs(z).max(initial=0) < 5.5
    rare = ~sure & ~often  # all of them together: one cell
    z = (count_VV - expected_VV)[rare].sum() / np.sqrt(variance_VV[rare].sum() + 1)
    assert abs(z) < 5


def test_entropy_is_the_mean_surprise_of_a_long_sample(stream):
    surprise_T = -np.log(stream.probs_TV[np.arange(LENGTH - 1), stream.ids_T[1:]])
    batches = surprise_T[: (LENGTH - 1) // 50 * 50].reshape(50, -1).mean(axis=1)
    error = batches.std(ddof=1) / np.sqrt(50)  # batch means: neighbouring tokens are correlated
    assert error < 0.02
    assert abs(batches.mean() - stream.source.entropy()) <= 4 * error


def test_the_shares_stay_what_they_are(stream):
    """A long-run share is stationary: what flows into a state in one step is what is there."""
    source = stream.source
    inflow = dict.fromkeys(source.share, 0.0)
    for state, share in source.share.items():
        for p, _, then in source.moves[state]:
            inflow[then] += share * p
    assert inflow == pytest.approx(source.share, abs=1e-12)
    assert math.fsum(source.share.values()) == pytest.approx(1, abs=1e-12)


def test_the_seed_decides_every_byte(stream):
    sample = stream.source.sample
    assert sample(977, seed=6).tobytes() == sample(977, seed=6).tobytes()
    assert sample(977, seed=6).tobytes() == sample(1979, seed=6)[:977].tobytes()
    assert len({sample(977, seed=s).tobytes() for s in range(5)}) > 1
    assert sample(0, seed=6).shape == (0,)


def test_two_of_a_kind_are_the_same(stream, request):
    again = MAKERS[request.node.callspec.params["stream"]]()
    assert again.words == stream.source.words
    assert again.sample(983, seed=11).tobytes() == stream.ids_T[:983].tobytes()
    assert again.entropy() == stream.source.entropy()


def test_a_prefix_has_the_rows_of_the_whole(stream):
    for length in (1, 2, 29, 1013):
        probs_TV = stream.source.next_probs(stream.ids_T[:length])
        np.testing.assert_array_equal(probs_TV, stream.probs_TV[:length])
    assert stream.source.next_probs([]).shape == (0, len(stream.source.words))


def test_an_impossible_token_is_named_with_its_position(stream):
    source, vocab = stream.source, len(stream.source.words)
    prefix = stream.ids_T[:23].tolist()
    impossible = np.flatnonzero(stream.probs_TV[22] == 0).tolist()
    for wrong in [*impossible, vocab, -1]:
        with pytest.raises(InputError, match=f"position 23: id {wrong} ") as caught:
            source.next_probs([*prefix, wrong, *prefix])
        assert "\n" not in str(caught.value)
        if wrong in impossible:
            assert repr(source.words[wrong]) in str(caught.value)
    for no_ids in ([[0, 1], [1, 0]], [0.0, 1.0], ["a"], 3, [True]):
        with pytest.raises(InputError, match="whole numbers"):
            source.next_probs(no_ids)
    with pytest.raises(InputError, match="length=-1"):
        source.sample(-1, seed=0)
    for seed in (-1, 0.5, "x"):
        with pytest.raises(InputError, match="seed="):
            source.sample(5, seed=seed)


def test_a_source_of_ones_own_is_checked():
    coin = {"start": ((0.25, "heads", "start"), (0.75, "tails", "start"))}
    source = sources.Source("coin", ("tails", "heads"), coin, {"start": 1.0})
    assert source.next_probs([0, 1]).tolist() == [[0.75, 0.25]] * 2
    assert source.entropy() == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    assert "heads" not in repr(source)
    with pytest.raises(InputError, match="do not sum to one"):
        sources.Source("coin", ("a", "b"), {"start": ((0.5, "a", "start"),)}, {"start": 1.0})
    twice = {"start": ((0.5, "a", "start"), (0.5, "a", "other")), "other": ((1, "b", "start"),)}
    with pytest.raises(InputError, match="start with one word"):
        sources.Source("coin", ("a", "b"), twice, {"start": 1.0})


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
    # Sentences of 4 and of 2 words: 3 on average, of which one is the full stop.
    assert share == pytest.approx(
        {"start": 1 / 3, "end": 1 / 3}
        | {phrases.Rest(rest, "end"): 1 / 6 for rest in ("two three", "three")}
    )
    assert moves["start"] == ((0.5, "one", phrases.Rest("two three", "end")), (0.5, "four", "end"))
    assert sources.Source("own", words, moves, share).entropy() == pytest.approx(math.log(2) / 3)


# ---------------------------------------------------------------- chain

CHAINS = [name for name in MAKERS if "chain" in name or "cycle" in name]


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_its_matrix(name):
    s = get_stream(name)
    P_VV, pi_V = s.source.transition_VV, s.source.stationary_V
    np.testing.assert_array_equal(s.probs_TV, P_VV[s.ids_T])
    np.testing.assert_allclose(pi_V @ P_VV, pi_V, rtol=0, atol=1e-15)
    assert pi_V.sum() == pytest.approx(1, abs=1e-15)
    # Long since mixed, averaged over a period, since a cycle never forgets where it began.
    vocab = len(pi_V)
    far = sum(np.linalg.matrix_power(P_VV, 5000 + k) for k in range(vocab)) / vocab
    np.testing.assert_allclose(far, np.tile(pi_V, (vocab, 1)), atol=1e-9)
    surprise = -np.log(P_VV, out=np.zeros_like(P_VV), where=P_VV > 0)
    assert s.source.entropy() == pytest.approx((pi_V @ (P_VV * surprise)).sum(), abs=1e-12)


@pytest.mark.parametrize("name", CHAINS)
def test_counted_transitions_are_the_matrix(name):
    """Total variation of a row of n draws: its mean is at most half of sum sqrt(p (1 - p) / n)."""
    s = get_stream(name)
    P_VV = s.source.transition_VV
    count_VV = np.zeros_like(P_VV)
    np.add.at(count_VV, (s.ids_T[:-1], s.ids_T[1:]), 1)
    n_V = count_VV.sum(axis=1)
    assert n_V.min() > 50
    distance_V = np.abs(count_VV / n_V[:, None] - P_VV).sum(axis=1) / 2
    bound_V = np.sqrt(P_VV * (1 - P_VV) / n_V[:, None]).sum(axis=1) / 2
    assert (distance_V <= 2.5 * bound_V + 1e-12).all()
    assert bound_V.max() < 0.2


def test_the_first_token_is_drawn_from_the_stationary_distribution():
    source = sources.chain("cyclic", vocab=4)
    first = [source.sample(1, seed=s)[0] for s in range(400)]
    assert np.abs(np.bincount(first) - 100).max() < 4.5 * np.sqrt(400 * 0.25 * 0.75)


def test_the_reversible_chain_flows_alike_both_ways_and_is_the_average():
    random, reversible = (
        sources.chain(kind, vocab=19, seed=4) for kind in ("random", "reversible")
    )
    flow_VV = random.stationary_V[:, None] * random.transition_VV
    assert np.abs(flow_VV - flow_VV.T).max() > 1e-3  # the random one is not reversible
    both_VV = reversible.stationary_V[:, None] * reversible.transition_VV
    np.testing.assert_allclose(both_VV, both_VV.T, rtol=0, atol=1e-15)
    np.testing.assert_allclose(both_VV, (flow_VV + flow_VV.T) / 2, rtol=0, atol=1e-15)
    np.testing.assert_allclose(reversible.stationary_V, random.stationary_V, rtol=1e-9)


def test_the_cycle():
    source = sources.chain("cyclic", vocab=6)
    ids_T = source.sample(601, seed=3)
    assert ((ids_T[1:] - ids_T[:-1]) % 6 == 1).all()
    assert source.entropy() == 0.0 and math.copysign(1, source.entropy()) == 1
    noisy = sources.chain("cyclic", vocab=5, noise=0.2).transition_VV
    np.testing.assert_allclose(noisy, 0.8 * np.roll(np.eye(5), 1, axis=1) + 0.04)


def test_spikiness_and_seed():
    spiky, flat = (sources.chain(vocab=21, concentration=c).entropy() for c in (0.1, 10))
    assert spiky < 1.5 < flat < math.log(21)
    assert sources.chain(noise=1.0).entropy() == pytest.approx(math.log(20))
    assert sources.chain(seed=1).entropy() != sources.chain(seed=2).entropy()
    assert sources.chain(vocab=3).words == ("s0", "s1", "s2")


def test_no_such_chain():
    for wrong in ({"vocab": 1}, {"concentration": 0}, {"noise": 1.5}, {"noise": -0.1}):
        with pytest.raises(InputError, match="choose"):
            sources.chain(**wrong)
    with pytest.raises(InputError, match="'cyclical': choose random, cyclic or reversible"):
        sources.chain("cyclical")
    with pytest.raises(InputError, match="seed=-3"):
        sources.chain(seed=-3)
    seen = set()
    for seed in range(40):  # so spiky that some fall apart: those must say so
        try:
            chain = sources.chain("reversible", vocab=4, concentration=0.02, seed=seed)
        except InputError as error:
            assert "raise concentration" in str(error)
            seen.add("refused")
        else:
            np.testing.assert_allclose(chain.transition_VV.sum(axis=1), 1, atol=1e-8)
            seen.add("made")
    assert seen == {"refused", "made"}


# ---------------------------------------------------------------- kingdom

PEOPLE = grammars.kingdom().attributes
BEFORE = ("the", "in the palace , the", "the veiled", "the dutiful", "in the barn , the old")
AFTER = (
    "", " himself", " herself", " wore a", " reigned", " giggled and", " wore a gown and took",
    " prayed and went to the",
)  # fmt: skip


def cube(source, value):
    """log value(noun), arranged as rank x gender x age."""
    crossed = itertools.product(*grammars.VALUES.values())
    return np.log([value(_noun(*has)) for has in crossed]).reshape(6, 2, 2)


def _noun(rank, gender, age):
    wanted = {"rank": rank, "gender": gender, "age": age}
    (noun,) = (noun for noun, has in PEOPLE.items() if has == wanted)
    return noun


def parallelogram_error(log_rga):
    """How far the logs are from a sum of one term per attribute."""
    corner = log_rga[:1, :1, :1]
    total = log_rga[:, :1, :1] + log_rga[:1, :, :1] + log_rga[:1, :1, :] - 2 * corner
    return np.abs(log_rga - total).max()


def test_rank_gender_and_age_are_fully_crossed():
    crossed = [tuple(has[a] for a in grammars.VALUES) for has in PEOPLE.values()]
    assert sorted(crossed) == sorted(itertools.product(*grammars.VALUES.values()))
    assert len(PEOPLE) == 24
    assert PEOPLE["king"] == {"rank": "royal", "gender": "male", "age": "grown"}
    assert PEOPLE["girl"] == {"rank": "common", "gender": "female", "age": "young"}
    assert PEOPLE["monk"] == {"rank": "holy", "gender": "male", "age": "young"}


def test_context_words_follow_one_attribute_of_the_noun_and_no_other():
    source = get_stream("kingdom").source
    axis = {"rank": 0, "gender": 1, "age": 2}
    met = set()
    for ending in AFTER:
        rows = {noun: after(source, f"the {noun}{ending}") for noun in PEOPLE}
        for word in source.words:
            if not rows["king"][word]:
                assert not any(row[word] for row in rows.values())
                continue
            values = {noun: row[word] for noun, row in rows.items()}
            log_rga = cube(source, values.get)
            assert parallelogram_error(log_rga) < 1e-12
            own = source.contexts.get(word, {})
            for attribute, k in axis.items():
                if attribute in own:  # most likely, by far, where the noun has its value
                    logs = np.moveaxis(log_rga, k, 0).reshape(len(grammars.VALUES[attribute]), -1)[
                        :, 0
                    ]
                    assert grammars.VALUES[attribute][logs.argmax()] == own[attribute]
                    assert np.ptp(logs) > 1
                else:
                    assert np.ptp(log_rga, axis=k).max() < 1e-12
            met |= {word} & set(source.contexts)
    after_the_noun = set(grammars.SLOTS) - {"bearing", "looks", "years"}
    assert met == {word for slot in after_the_noun for word in slot_words()[slot]}


def slot_words():
    return {
        slot: line.partition(": ")[2].replace(",", "").split()
        for slot, line in grammars.SLOTS.items()
    }


def test_every_context_word_speaks_for_its_value():
    source = get_stream("kingdom").source
    for context in source.contexts.values():
        ((attribute, value),) = context.items()
        assert value in grammars.VALUES[attribute]
    assert source.contexts["palace"] == {"rank": "royal"}
    assert source.contexts["gown"] == {"gender": "female"}
    assert source.contexts["giggled"] == {"age": "young"}
    king, princess = after(source, "the king wore a"), after(source, "the princess")
    assert king["doublet"] + king["waistcoat"] == pytest.approx(1 - grammars.NOISE / 2)
    young = [princess[word] for word in ("giggled", "skipped", "climbed")]
    assert sum(young) == pytest.approx(0.3 * (1 - grammars.NOISE / 2))
    assert all(0 < p < 1 for p in source.next_probs([source.words.index("the")])[0] if p)


def test_nouns_given_the_words_before_them_make_parallelograms_too():
    source = get_stream("kingdom").source
    for beginning in BEFORE:
        row = after(source, beginning)
        assert parallelogram_error(cube(source, row.get)) < 1e-12
        king_and_woman = row["king"] * row["woman"]
        assert king_and_woman == pytest.approx(row["man"] * row["queen"], rel=1e-12)


def test_words_are_independent_given_the_noun():
    """Then log p(noun | a, b) - log p(noun | a) - log p(noun | b) + log p(noun) is one constant."""
    source = get_stream("kingdom").source
    everyone = [*PEOPLE, *grammars.ANIMALS]
    for place, adjective in itertools.product(("palace", "meadow"), ("veiled", "old", "pious")):
        none, first, second, both = (
            np.log([after(source, text)[noun] for noun in everyone])
            for text in ("the", f"in the {place} , the", f"the {adjective}",
                         f"in the {place} , the {adjective}")
        )  # fmt: skip
        assert np.ptp(both - first - second + none) < 1e-12
        assert np.ptp(first - none) > 1 and np.ptp(second - none) > 1


def test_an_adjective_knows_what_the_place_said_of_the_noun():
    """p(adjective | place) is the sum over nouns of p(noun | place) p(adjective | noun)."""
    source = get_stream("kingdom").source
    none, placed = after(source, "the"), after(source, "in the palace , the")
    everyone = [*PEOPLE, *grammars.ANIMALS]
    for slot in ("bearing", "looks", "years"):
        for word in slot_words()[slot]:
            described = after(source, f"the {word}")
            total = sum(placed[n] / none[n] * described[n] * none[word] for n in everyone)
            assert placed[word] == pytest.approx(total, rel=1e-12)
    assert placed["crowned"] > 3 * none["crowned"]


def test_bayes_in_the_sample():
    """Counted, not looked up: how often a garment of one gender goes with a noun of that gender."""
    s = get_stream("kingdom")
    agree = {True: 0, False: 0}
    for sentence in " ".join(s.words).split(" . "):
        words = sentence.split()
        (noun,) = [w for w in words if w in PEOPLE] or [None]
        if noun and "wore" in words[:-1]:
            garment = words[words.index("wore") + 2 :][:1]
            if garment:
                agree[s.source.contexts[garment[0]]["gender"] == PEOPLE[noun]["gender"]] += 1
    n = sum(agree.values())
    p = 1 - grammars.NOISE / 2
    assert n > 500
    assert abs(agree[True] - n * p) < 4.5 * math.sqrt(n * p * (1 - p))


def test_decoys_have_no_attributes_and_do_what_people_do():
    source = get_stream("kingdom").source
    assert set(source.decoys) <= set(source.words) and len(set(source.decoys)) == 16
    assert not set(source.decoys) & (set(PEOPLE) | set(source.contexts))
    fox = after(source, "the fox")
    assert [fox[word] for word in slot_words()["work"]] == pytest.approx([0.3 / 12] * 12)
    assert after(source, "the owl") == fox
    drum = after(source, "the king sighed and took his")["drum"]
    assert drum == after(source, "the fox sighed and took his")["drum"] == pytest.approx(1 / 8)


def test_held_out_combinations_never_meet():
    whole, gaps = get_stream("kingdom"), get_stream("kingdom with gaps")
    assert gaps.source.words == whole.source.words
    for s in (whole, gaps):
        met = set()
        for sentence in " ".join(s.words).split(" . "):
            met |= set(itertools.permutations(sentence.split(), 2))
        assert all(((pair in met) == (s is whole)) for pair in HELD_OUT)
    assert after(gaps.source, "the queen sighed and went to the")["palace"] == 0
    assert after(gaps.source, "in the palace , the")["queen"] == 0
    assert after(gaps.source, "the jewelled")["king"] == 0
    row = after(gaps.source, "the")  # with nothing heard, nothing is out of balance
    assert parallelogram_error(cube(gaps.source, row.get)) < 1e-12
    seen = {noun: after(gaps.source, f"the {noun} sighed and went to the") for noun in PEOPLE}
    castle = cube(gaps.source, lambda noun: seen[noun]["castle"])
    assert parallelogram_error(castle) > 0.01  # bent, as the docstring says


def test_what_cannot_be_held_out():
    for wrong in (("quine", "palace"), ("queen", "pallas"), ("palace", "queen")):
        with pytest.raises(InputError, match="has no use for"):
            grammars.kingdom(held_out=[wrong])
    with pytest.raises(InputError, match="leaves 'nun' no 'owner'"):
        grammars.kingdom(held_out=[("nun", "his"), ("nun", "her")])


def test_seeds_draw_other_frequencies():
    one, two = grammars.kingdom(seed=1), grammars.kingdom(seed=2)
    assert one.words == two.words and one.attributes == two.attributes
    assert after(one, "the")["king"] != after(two, "the")["king"]
    assert after(one, "the king")["reigned"] != after(two, "the king")["reigned"]


# ---------------------------------------------------------------- errands

ERRANDS = [name for name in MAKERS if "errands" in name]


def errands_told(s):
    """(first name, second name, giver, receiver, position of the receiver) of each whole errand."""
    at = [t for t, word in enumerate(s.words) if word in s.source.names]
    at = at[: len(at) // 4 * 4]
    for four in zip(*[iter(at)] * 4, strict=True):
        yield (*(s.words[t] for t in four), four[-1])


@pytest.mark.parametrize("name", ERRANDS)
def test_who_receives_is_certain_once_the_giver_is_named(name):
    s = get_stream(name)
    told = list(errands_told(s))
    assert len(told) > 1000
    for a, b, giver, receiver, t in told:
        assert {a, b} == {giver, receiver} and a != b
        assert s.words[t - 1] == "to" and s.words[t + 1 : t + 2] in (["."], [])
        assert s.probs_TV[t - 1, s.ids_T[t]] == 1


@pytest.mark.parametrize("name", ERRANDS)
def test_both_orders_are_told_alike(name):
    told = list(errands_told(get_stream(name)))
    abba = sum(b == giver for _, b, giver, _, _ in told)
    assert abs(abba - len(told) / 2) < 4.5 * math.sqrt(len(told) / 4)


def test_the_wrong_receiver_is_impossible():
    s = get_stream("errands")
    *_, receiver, t = next(errands_told(s))
    for wrong in set(s.source.names) - {receiver}:
        with pytest.raises(InputError, match=f"position {t}: .*'{wrong}'"):
            s.source.next_probs([*s.ids_T[:t], s.source.words.index(wrong)])


@pytest.mark.parametrize("name", ERRANDS)
def test_exactly_the_stated_pairs_meet(name):
    s = get_stream(name)
    met = {frozenset((a, b)) for a, b, *_ in errands_told(s)}
    assert met == set(map(frozenset, s.source.pairs))
    assert len(met) == len(s.source.pairs)
    names = s.source.names
    assert all(names.index(a) < names.index(b) for a, b in s.source.pairs)


@pytest.mark.parametrize("names", [6, 13, pytest.param(25, marks=pytest.mark.long)])
def test_held_out_pairs_are_the_rest_of_all_pairs(names):
    train, held_out, everything = (
        grammars.errands(names, seed=2, pairs=pairs) for pairs in ("train", "held_out", "all")
    )
    assert not set(train.pairs) & set(held_out.pairs)
    assert set(train.pairs) | set(held_out.pairs) == set(everything.pairs)
    assert len(everything.pairs) == names * (names - 1) // 2
    for name in train.names:  # everybody is held out from four others, and meets the rest
        assert sum(name in pair for pair in held_out.pairs) == 4
    assert train.words == held_out.words == everything.words  # a model can move from one to another
    assert grammars.errands(names, seed=3).pairs != train.pairs


def test_no_position_gives_the_receiver_away():
    """Copying from a fixed number of words back, or reading a fixed place, is mostly wrong."""
    s = get_stream("errands")
    told = [story for story in errands_told(s) if story[-1] > 40]
    for back in range(1, 41):
        hits = sum(s.words[t - back] == receiver for *_, receiver, t in told)
        assert hits / len(told) < 0.12
    starts = [0] + [t + 1 for *_, t in errands_told(s)]
    gaps = [t - start for start, (*_, t) in zip(starts, errands_told(s), strict=False)]
    _, counts = np.unique(gaps, return_counts=True)
    assert len(counts) > 20 and counts.max() / len(gaps) < 0.15


@pytest.mark.parametrize("name", ERRANDS)
def test_the_entropy_of_errands_by_hand(name):
    """All choices are even and independent: logs of their numbers over the mean length."""
    source = get_stream(name).source
    names, partners = len(source.names), 2 * len(source.pairs) / len(source.names)

    def length(phrases):
        return np.mean([len(phrase.split()) for phrase in phrases])

    choices = [
        grammars.OPENINGS,
        grammars.JOURNEYS,
        grammars.SHOPS,
        grammars.GIVING,
        grammars.GIFTS,
    ]
    nats = sum(math.log(len(c)) for c in choices) + math.log(names * partners) + math.log(2)
    words = (
        length(grammars.OPENINGS)
        + 3
        + length(grammars.JOURNEYS)
        + 2
        + 1
        + length(grammars.GIVING)
        + 1
        + 3
    )
    for maybe in (grammars.REMARKS, grammars.KINDS, grammars.MANNERS):  # taken every other time
        nats += math.log(2) + math.log(len(maybe)) / 2
        words += length(maybe) / 2
    assert source.entropy() == pytest.approx(nats / words, rel=1e-12)


def test_no_such_errands():
    for wrong in ({"names": 5}, {"names": 41}, {"pairs": "test"}):
        with pytest.raises(InputError, match="choose 6 to 40 names, and train, held_out or all"):
            grammars.errands(**wrong)


# ---------------------------------------------------------------- zipf


@pytest.mark.parametrize(
    "name, size, unseen, exponent", [("zipf", 200, 20, 1), ("zipf of 13 and 6", 13, 6, 0.7)]
)
def test_the_law_of_zipf(name, size, unseen, exponent):
    s = get_stream(name)
    law_V, never = s.source.law_V, list(s.source.unseen)
    weights = [1 / rank**exponent for rank in range(1, size + 1)]
    by_rank = np.sort(law_V)[::-1]
    np.testing.assert_allclose(by_rank[:size], np.array(weights) / sum(weights), rtol=1e-12)
    assert len(law_V) == len(s.source.words) == size + unseen
    assert never == np.flatnonzero(law_V == 0).tolist() and len(never) == unseen
    count_V = np.bincount(s.ids_T, minlength=size + unseen)
    assert not count_V[never].any()
    seen = law_V > 0
    chi2 = ((count_V - LENGTH * law_V)[seen] ** 2 / (LENGTH * law_V[seen])).sum()
    assert abs(chi2 - (size - 1)) < 4.5 * math.sqrt(2 * (size - 1))
    assert (s.probs_TV == law_V).all()
    expected = -sum(p * math.log(p) for p in law_V if p)
    assert s.source.entropy() == pytest.approx(expected, rel=1e-12)


def test_ids_say_nothing_about_frequencies():
    a, b = sources.zipf(seed=0), sources.zipf(seed=1)
    order = np.argsort(-a.law_V)
    assert abs(np.corrcoef(order, np.arange(220))[0, 1]) < 4 / math.sqrt(220)
    assert a.unseen != b.unseen and np.ptp(a.unseen) > 100
    assert a.words == b.words and a.words[17] == "w017"
    assert sources.zipf(vocab=3, unseen=0).unseen == ()
    np.testing.assert_allclose(sources.zipf(vocab=8, unseen=0, exponent=0).law_V, 1 / 8)


def test_no_such_zipf():
    for wrong in ({"vocab": 0}, {"unseen": -1}, *({"exponent": e} for e in (-1, 11, math.nan))):
        with pytest.raises(InputError, match="choose"):
            sources.zipf(**wrong)


# ---------------------------------------------------------------- by name


def test_generate_by_name():
    assert list(corpus.GENERATORS) == [
        "chain", "chain-cyclic", "chain-reversible", "kingdom", "errands", "zipf",
    ]  # fmt: skip
    for name in corpus.GENERATORS:
        assert corpus.generate(name).name == name
    with pytest.raises(InputError, match="'chian'; did you mean 'chain'\\? known names: chain, "):
        corpus.generate("chian")
    with pytest.raises(InputError, match="'qwerty'; known names: chain, "):
        corpus.generate("qwerty")


def test_the_rules_and_the_sample_are_drawn_apart():
    """The same seed for both must not make the sample an echo of the matrix."""
    source = sources.zipf(vocab=50, unseen=0, exponent=0)
    ids_T = source.sample(100, seed=0)
    echo_T = (np.random.default_rng(0).random(100) * 50).astype(int)
    assert (ids_T == echo_T).mean() < 0.2
