"""What layers do to a state, measured on made-up states and models with known answers."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from minitx import compiled, measure
from minitx.config import ModelConfig
from minitx.errors import InputError
from minitx.evidence import attribution, linear_maps, planes, tuned_lens
from minitx.evidence.channels import shares
from minitx.evidence.evidence import EVIDENCE, Untestable
from minitx.evidence.lens import input_lens, nearest_cosine, unit_rows
from minitx.evidence.reading import Reading
from minitx.model import Transformer, init_params
from minitx.runs import zoo
from minitx.text.errands import errands
from minitx.text.tokenizer import Characters, Vocabulary

# Sizes are pairwise distinct: 6 windows of 29 tokens, width 8, vocabulary 11, 3 blocks.
W, T, D, V, N = 6, 29, 8, 11, 3
CONFIG = ModelConfig(width=D, depth=N, heads=2, mlp_width=20, context=T, vocab=V)


def model(**switches) -> Transformer:
    """A model with random weights, biases included."""
    config = dataclasses.replace(CONFIG, **switches)
    rng = np.random.default_rng(2)
    params = jax.tree.map(
        lambda a: np.asarray(a + 0.3 * rng.standard_normal(a.shape), np.float32),
        init_params(config, jax.random.key(1)),
    )
    return Transformer.of(config, params)


def tokens(windows=W, length=T):
    return np.random.default_rng(3).integers(0, V, (windows, length))


class Planted(Reading):
    """A reading with states that were made up, states_LWTD."""

    def __init__(self, states_LWTD, norm="none"):
        states_LWTD = np.asarray(states_LWTD, np.float32)
        shape = states_LWTD.shape[1:3]
        super().__init__(model(norm=norm, positions="none"), tokens(*shape), ["a"] * shape[0])
        self.config = SimpleNamespace(depth=len(states_LWTD) - 1, norm=norm)
        self.planted = SimpleNamespace(
            states_LBTD=states_LWTD, position_BTD=np.zeros(states_LWTD.shape[1:])
        )

    @property
    def trace(self):
        return self.planted


def normal(*shape, seed=4):
    return np.random.default_rng(seed).standard_normal(shape)


def shares_of(u_WTD, x_WTD=None, **switches):
    """The mean shares over windows, of one block that adds u to x."""
    x_WTD = normal(W, T, D) if x_WTD is None else x_WTD
    found = shares(Planted([x_WTD, x_WTD + u_WTD], **switches))
    return {name: float(values_W.mean()) for name, values_W in found.items()}


def test_an_update_that_the_token_decides_is_explained_by_the_token():
    found = shares_of(normal(V, D)[tokens()])
    assert found["token"] > 0.99 > 0.3 > found["linear"]


def test_an_update_that_the_place_decides_is_explained_by_near_states():
    side_WT1 = np.sign(normal(W, T, 1))
    found = shares_of(side_WT1**2 * side_WT1 * normal(D), normal(W, T, D) + 9 * side_WT1)
    assert found["neighbours"] > 0.99 > 0.3 > found["token"]


def test_a_filter_is_found_in_its_own_axes_alone():
    x_WTD, factor_D = normal(W, T, D), np.array([-2.0, -1.5, -1, -0.5, 0.5, 1, 1.5, 2])
    found = shares_of(x_WTD * factor_D, x_WTD)
    assert found["diagonal"] == pytest.approx(1) == found["linear"]
    assert found["rotated"] < 0.7 and found["scalar"] < 0.1
    turned = linear_maps.rotation(D, np.random.default_rng(9))
    found = shares_of(x_WTD * factor_D @ turned, x_WTD @ turned)
    assert found["diagonal"] < 0.7 and found["linear"] == pytest.approx(1)


def test_principal_axes_find_a_filter_that_is_turned():
    turned = linear_maps.rotation(D, np.random.default_rng(9))
    x_WTD = normal(W, T, D) * 2.0 ** np.arange(D)
    found = shares_of(x_WTD * np.arange(1, D + 1) @ turned, x_WTD @ turned)
    assert found["principal"] > 0.98


def test_one_factor_and_a_map_of_rank_one_are_found():
    x_WTD = normal(W, T, D)
    assert shares_of(0.5 * x_WTD, x_WTD)["scalar"] == pytest.approx(1)
    found = shares_of(x_WTD @ np.outer(normal(D), normal(D, seed=5)), x_WTD)
    assert found["rank_one"] == pytest.approx(1) and found["diagonal"] < 0.9


def test_noise_cannot_be_explained_on_text_that_the_fit_has_not_seen():
    x_WTD, u_WTD = normal(2, 5, D), normal(2, 5, D, seed=6)  # 4 tokens of each are learned from
    found = shares_of(u_WTD, x_WTD)
    assert max(found[name] for name in ("token", "linear", "diagonal", "neighbours")) < 0.3


def test_the_mean_that_a_layer_norm_removes_does_not_count():
    x_WTD, u_WTD = normal(W, T, D), normal(V, D)[tokens()]
    same = shares_of(u_WTD + 9 * normal(W, T, 1), x_WTD + 9 * normal(W, T, 1), norm="layernorm")
    assert same["token"] == pytest.approx(shares_of(u_WTD, x_WTD, norm="layernorm")["token"])


def test_kurtosis_tells_a_channel_that_is_louder():
    x_WTD = normal(W, T, D)
    x_WTD[..., 3] += 40
    found = shares_of(np.zeros_like(x_WTD) + 1e-3 * normal(W, T, D, seed=5), x_WTD)
    assert found["kurtosis"] > 2 > found["kurtosis_rotated"]


def test_one_window_leaves_nothing_to_learn_from():
    with pytest.raises(Untestable, match="one window"):
        shares(Planted(normal(2, 1, T, D)))


def path(reading, steps_NWTD):
    """Numbers of A15 for states that start at zero."""
    start_WTD = np.zeros_like(steps_NWTD[:1])
    reading.planted.states_LBTD = np.concatenate([start_WTD, np.cumsum(steps_NWTD, axis=0)])
    reading.planted.logits_BTV = reading.readout(reading.planted.states_LBTD[-1][1])[None]
    reading.planted.logits_BTV = np.repeat(reading.planted.logits_BTV, W, axis=0)
    return EVIDENCE["A15"].measure(reading, 1)


def test_a_straight_path_and_steps_at_right_angles():
    reading = Planted(np.zeros((N + 1, W, T, D)))
    found = path(reading, np.repeat(normal(1, W, T, D), N, axis=0))
    assert found["straightness"] == pytest.approx(1)
    assert found["straightness_of_walk"] == pytest.approx(N**-0.5)
    steps_NWTD = np.zeros((N, W, T, D))
    for block in range(N):
        steps_NWTD[block, ..., block] = normal(W, T, seed=block)
    found = path(reading, steps_NWTD)
    assert found["straightness"] == pytest.approx(found["straightness_of_walk"], rel=1e-5)


def test_steps_towards_the_winner_are_counted():
    reading = Planted(np.zeros((N + 1, W, T, D)))
    row_WTD = reading.unembedding_VD[np.random.default_rng(5).integers(0, V, (W, T))]
    away_WTD = normal(W, T, D)
    found = path(reading, np.stack([away_WTD, 2 * row_WTD, 20 * row_WTD]))
    assert found["nearer"] > 0.8 and found["nearer"] > found["nearer_to_another"] + 0.2


def test_the_nearest_row_is_found_without_what_all_rows_share():
    reading = Planted(normal(N + 1, W, T, D))
    x_TD, rows_VD = normal(5, D), reading.embedding_VD - reading.embedding_VD.mean(axis=0)
    expected = measure.cosines(x_TD[:, None], rows_VD).max(axis=1).mean()
    found = nearest_cosine(x_TD, unit_rows(reading, "embedding_VD"))
    assert found == pytest.approx(expected, rel=1e-6)
    reading.embedding_VD = reading.embedding_VD + 40
    unit_rows.cache_clear()
    again = nearest_cosine(x_TD, unit_rows(reading, "embedding_VD"))
    assert again == pytest.approx(expected, rel=1e-4)


def test_states_midway_are_at_home_where_they_were_put():
    reading = Planted(normal(N + 1, W, T, D))
    ids_WT = tokens()
    mean_D = reading.embedding_VD.mean(axis=0)
    embedded_WTD = reading.embedding_VD[ids_WT]
    unembedded_WTD = reading.unembedding_VD[ids_WT]
    states = reading.planted.states_LBTD
    states[0], states[-1] = embedded_WTD, unembedded_WTD

    def halfway(x_WTD):
        states[N // 2] = x_WTD
        found = EVIDENCE["B35"].measure(reading, 1)
        return found["input_left"], found["output_reached"]

    assert halfway(mean_D + 3 * (embedded_WTD - mean_D))[0] == pytest.approx(1)
    assert halfway(3 * unembedded_WTD)[1] == pytest.approx(1)
    both = halfway(embedded_WTD + unembedded_WTD)
    assert min(both) > 0.1 and max(both) < 0.9
    states[-1] = normal(W, T, D)  # at home nowhere
    with pytest.raises(Untestable, match="no nearer to the rows of its unembedding"):
        EVIDENCE["B35"].measure(reading, 1)


def test_the_input_lens_finds_the_token_where_it_still_is():
    subject, token_Z = model(), tokens().ravel()
    embedded_ZD = np.asarray(subject.embedding.table[...])[token_Z]
    scrambled_ZD = embedded_ZD[np.random.default_rng(7).permutation(len(token_Z))]
    shares_L = input_lens(subject, np.array([3 * embedded_ZD + 1, scrambled_ZD]), token_Z)
    assert shares_L[0] > 0.9 and shares_L[1] < 0.3


def test_a_tuned_lens_undoes_a_linear_map_and_learns_nothing_from_noise():
    bare = model(norm="none")
    reading = Reading(bare, tokens(), ["a"] * W)
    final_WTD = tuned_lens.read_states(reading, reading)[-1]
    mixed_WTD = final_WTD @ normal(D, D) + 3
    assert tuned_lens.tuned_kl(reading, mixed_WTD, final_WTD) < 1e-4
    assert tuned_lens.mean_kl(reading, final_WTD, mixed_WTD) > 0.1
    noise_WTD = normal(*final_WTD.shape)
    nothing = tuned_lens.mean_kl(
        reading, final_WTD, np.broadcast_to(final_WTD.mean(axis=(0, 1)), final_WTD.shape)
    )
    assert tuned_lens.tuned_kl(reading, noise_WTD, final_WTD) > 0.9 * nothing


def test_a_tuned_lens_names_what_the_model_says_on_states_that_it_has_not_seen():
    bare = model(norm="none")
    reading = Reading(bare, tokens(), ["a"] * W)
    final_ZD = tuned_lens.read_states(reading, reading)[-1].reshape(-1, D)
    half = len(final_ZD) // 2
    mixed_ZD = final_ZD @ normal(D, D) + 3
    other_ZD = final_ZD @ normal(D, D)  # a lens for these does not serve for the mixed ones
    changed_ZD = np.concatenate([mixed_ZD[:half], other_ZD[half:]])
    shares_L = tuned_lens.share_named(bare, np.array([mixed_ZD, changed_ZD, final_ZD]), final_ZD)
    assert shares_L[[0, 2]] == pytest.approx(1, abs=0.02) and shares_L[1] < 0.5


def test_lenses_by_layer_end_where_the_prediction_is():
    columns = tuned_lens.kl_by_layer(Reading(model(), tokens(), ["a"] * W))
    assert {len(column) for column in columns.values()} == {N + 1}
    assert columns["logit"][-1] == pytest.approx(0, abs=1e-9)
    assert columns["tuned"][-1] < 1e-3 < columns["logit"][0]
    assert columns["from_embedding"][0] == columns["tuned"][0]


def some_choices() -> attribution.Choices:
    """Four prompts of different lengths, and two tokens for each."""
    last_B = np.array([T - 1, 7, 12, 20])
    return attribution.Choices(tokens(4), last_B, np.array([1, 2, 3, 4]), np.array([5, 6, 1, 2]))


def logit_differences(subject, given):
    logits_BTV = compiled.trace(subject, given.tokens_BT).logits_BTV
    rows_B = np.arange(len(given.last_B))
    last_BV = logits_BTV[rows_B, given.last_B]
    return last_BV[rows_B, given.winner_B] - last_BV[rows_B, given.loser_B]


def test_the_terms_of_an_attribution_add_up():
    subject, given = model(bias=True), some_choices()
    terms_CB = attribution.attribution(subject, given)
    assert len(terms_CB) == len(attribution.parts(subject.config)) == 2 * N + 3
    np.testing.assert_allclose(terms_CB.sum(axis=0), logit_differences(subject, given), atol=1e-4)


def test_without_a_norm_ablating_the_last_part_takes_away_what_was_attributed_to_it():
    """Up to the mean of what it writes, which stays."""
    subject, given = model(norm="none"), some_choices()
    effect_RB = attribution.mean_ablation(subject, given)
    assert effect_RB.shape == (2 * N, 4)
    trace = compiled.trace(subject, given.tokens_BT)
    is_real_BT = np.arange(T) <= given.last_B[:, None]
    mean_D = trace.mlp_update_NBTD[-1][is_real_BT].mean(axis=0)
    rows_VD = np.asarray(subject.unembedding_VD)
    of_mean_B = (rows_VD[given.winner_B] - rows_VD[given.loser_B]) @ mean_D
    last_term_B = attribution.attribution(subject, given)[-2]
    np.testing.assert_allclose(effect_RB[-1], last_term_B - of_mean_B, atol=1e-4)


def test_a_choice_is_between_receiver_and_giver():
    prompts = errands().prompts(5, seed=1)
    given = attribution.choices(prompts)
    for row_T, last, winner, loser, prompt in zip(*given, prompts, strict=True):
        assert tuple(row_T[: last + 1]) == prompt.ids and not row_T[last + 1 :].any()
        assert (winner, loser) == (prompt.answer, prompt.giver)


def test_a_model_without_terms_is_refused():
    for measured in (attribution.attribution, attribution.mean_ablation):
        with pytest.raises(InputError, match="norm_place=post"):
            measured(model(norm_place="post"), some_choices())


def test_a_plane_captures_what_lies_in_it():
    first_BD, second_BD = normal(5, D), normal(5, D, seed=1)
    inside_BD = 2 * first_BD - 3 * second_BD
    base_BDX = np.linalg.qr(np.stack([first_BD, second_BD], axis=2))[0]
    x_BD = normal(5, D, seed=2)
    outside_BD = x_BD - np.einsum("BDX,BX->BD", base_BDX, np.einsum("BD,BDX->BX", x_BD, base_BDX))
    np.testing.assert_allclose(planes.captured(inside_BD, first_BD, second_BD), 1)
    np.testing.assert_allclose(planes.captured(outside_BD, first_BD, second_BD), 0, atol=1e-9)


def names_reading(windows=2, **switches):
    """A model that knows the words of errands, and has random weights."""
    source = errands()
    subject = model(vocab=len(source.words), context=50, **switches)
    tokens_WT = np.zeros((windows, T), int)
    return Reading(subject, tokens_WT, ["a"] * windows, Vocabulary.of(source.words))


def test_prompts_come_in_pairs_that_differ_in_who_gives():
    reading = names_reading()
    found = planes.contests(reading.tokenizer, 2)
    assert len(found) == 2 and len({one.given.tokens_BT.shape for one in found}) == 1
    names = set(errands().names)
    for one in found:
        given, half = one.given, planes.PAIRS
        np.testing.assert_array_equal(given.winner_B[:half], given.loser_B[half:])
        assert (one.is_abb_B[:half] != one.is_abb_B[half:]).all()
        for row_T, last, strangers_X in zip(
            given.tokens_BT, given.last_B, one.strangers_BX, strict=True
        ):
            said = [reading.strings_V[id] for id in row_T[: last + 1]]
            absent = {reading.strings_V[id] for id in strangers_X}
            assert said[-1] == "to" and len(absent) == 2 and absent <= names - set(said)


def test_the_model_of_the_zoo_can_read_every_prompt():
    (name,) = EVIDENCE["B32"].species
    lengths = [len(prompt.ids) for prompt in errands(pairs="held_out").prompts(2000, seed=5)]
    assert max(lengths) <= zoo.ZOO[name].model.context


def test_letters_are_no_names():
    with pytest.raises(Untestable, match="single tokens"):
        planes.contests(Characters(tuple("abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVW")), 2)
    with pytest.raises(Untestable, match="words of errands"):
        planes.contests(Vocabulary.of(["king"]), 2)


def test_paths_end_at_the_prediction():
    reading = names_reading()
    one = planes.contests(reading.tokenizer, 2)[1]
    found = planes.read_paths(reading.model, one.given)
    assert found.read_RBD.shape == (2 * N + 1, 2 * planes.PAIRS, D)
    row_BD = reading.unembedding_VD[one.given.winner_B] - reading.unembedding_VD[one.given.loser_B]
    expected_B = logit_differences(reading.model, one.given)
    np.testing.assert_allclose(np.sum(found.read_RBD[-1] * row_BD, axis=-1), expected_B, atol=1e-4)
    rows_B = np.arange(2 * planes.PAIRS)
    logits_BTV = compiled.trace(reading.model, one.given.tokens_BT).logits_BTV
    p_BV = measure.softmax(logits_BTV[rows_B, one.given.last_B])
    np.testing.assert_allclose(found.probability_B, p_BV[rows_B, one.given.winner_B], rtol=1e-4)
    numbers = planes.numbers_of(reading, one)
    assert numbers["right"] == np.mean(expected_B > 0)
    assert numbers["lead_at_end"] == pytest.approx(expected_B.mean(), abs=1e-4)
    assert numbers["captured_by_chance"] == 2 / D


def test_planes_show_logits_of_the_people_they_are_named_after():
    reading = names_reading()
    one = planes.held_out_contest(reading.tokenizer, 7)
    found = planes.in_planes(reading.model, one)
    lead_RB = np.subtract(*found["receiver", "giver"])
    assert lead_RB.shape == (2 * N + 1, 7)
    np.testing.assert_allclose(lead_RB[-1], logit_differences(reading.model, one.given), atol=1e-4)
    np.testing.assert_array_equal(found["receiver", "stranger"][0], found["receiver", "giver"][0])
    leading, other = found["leading stranger", "other stranger"]
    assert (leading[-1] > other[-1]).all() and (leading[0] < other[0]).any()
    stranger = found["receiver", "stranger"][1]
    assert ((stranger == leading) | (stranger == other)).all()
    assert (stranger[-1] == leading[-1]).any() and (stranger[-1] == other[-1]).any()
    assert one.is_abb_B.any() and not one.is_abb_B.all()


def test_a_model_that_does_not_solve_the_task_cannot_be_asked():
    with pytest.raises(Untestable, match="prefers the receiver in only"):
        EVIDENCE["B32"].measure(names_reading(), 1)
    with pytest.raises(Untestable, match="tokenizer"):
        EVIDENCE["B32"].measure(Planted(normal(N + 1, W, T, D)), 1)
