"""Generators: what they say about themselves against what they do, and against formulas."""

import math

import numpy as np
import pytest
from streams import LENGTH, MAKERS, get_stream

from minitx.errors import InputError
from minitx.text import corpus, sources


@pytest.fixture(params=MAKERS, scope="module")  # so that all tests of one source come in a row
def stream(request):
    return get_stream(request.param)


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
    often = ~sure & (variance_VV > 10)  # a normal bound needs many events
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


# ---------------------------------------------------------------- zipf


ZIPFS = [("zipf", 200, 20, 1), ("zipf of 13 and 6", 13, 6, 0.7)]


@pytest.mark.parametrize("name, size, unseen, exponent", ZIPFS)
def test_the_law_of_zipf_holds_for_both_members_of_a_pair(name, size, unseen, exponent):
    s = get_stream(name)
    share_V, never = s.source.stationary_V, list(s.source.unseen)
    weights = [1 / rank**exponent for rank in range(1, size + 1)]
    by_rank = np.sort(share_V)[::-1]
    np.testing.assert_allclose(by_rank[:size], np.array(weights) / sum(weights), rtol=1e-12)
    assert len(share_V) == len(s.source.words) == size + unseen
    assert never == np.flatnonzero(share_V == 0).tolist() and len(never) == unseen
    pair_VV = share_V[:, None] * s.source.transition_VV  # p(present, next)
    np.testing.assert_allclose(pair_VV.sum(axis=1), share_V, rtol=0, atol=1e-12)
    np.testing.assert_allclose(pair_VV.sum(axis=0), share_V, rtol=0, atol=1e-12)
    assert not s.source.transition_VV[never].any()
    count_V = np.bincount(s.ids_T, minlength=size + unseen)
    assert not count_V[never].any()
    seen = share_V > 0
    assert np.abs(count_V / LENGTH - share_V)[seen].max() < 0.01
    np.testing.assert_array_equal(s.probs_TV, s.source.transition_VV[s.ids_T])


@pytest.mark.parametrize("name, least", [("zipf", 1.5), ("zipf of 13 and 6", 0.5)])
def test_the_present_token_says_much_about_the_next(name, least):
    """Unigram entropy minus entropy rate is the mutual information of neighbours."""
    source = get_stream(name).source
    share_V = source.stationary_V[source.stationary_V > 0]
    unigram = -(share_V * np.log(share_V)).sum()
    pair_VV = source.stationary_V[:, None] * source.transition_VV
    both = pair_VV[pair_VV > 0]
    pair_entropy = -(both * np.log(both)).sum()
    assert source.entropy() == pytest.approx(pair_entropy - unigram, abs=1e-12)
    assert unigram - source.entropy() > least
    if name == "zipf":
        assert unigram == pytest.approx(4.149, abs=1e-3)
        assert source.entropy() == pytest.approx(2.371, abs=1e-3)


def test_ids_say_nothing_about_frequencies():
    a, b = sources.zipf(seed=0), sources.zipf(seed=1)
    order = np.argsort(-a.stationary_V)
    assert abs(np.corrcoef(order, np.arange(220))[0, 1]) < 4 / math.sqrt(220)
    assert a.unseen != b.unseen and np.ptp(a.unseen) > 100
    assert a.words == b.words and a.words[17] == "w017"
    assert sources.zipf(vocab=3, unseen=0).unseen == ()
    even = sources.zipf(vocab=8, unseen=0, exponent=0)
    np.testing.assert_allclose(even.stationary_V, 1 / 8)
    np.testing.assert_allclose(even.transition_VV.sum(axis=0), 1, atol=1e-11)
    loose = sources.zipf(concentration=10).entropy()
    assert a.entropy() < 3 < loose


def test_no_such_zipf():
    for wrong in (
        {"vocab": 1}, {"unseen": -1}, {"concentration": 0}, {"concentration": math.inf},
        *({"exponent": e} for e in (-1, 4, math.nan)),
    ):  # fmt: skip
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
    source = sources.chain(vocab=50, noise=1.0)
    ids_T = source.sample(100, seed=0)
    echo_T = (np.random.default_rng(0).random(100) * 50).astype(int)
    assert (ids_T == echo_T).mean() < 0.2
