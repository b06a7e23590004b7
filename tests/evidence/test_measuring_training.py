"""What training changes, what norms hide, and gradients: on made-up models with known answers."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from minitx import compiled, measure
from minitx.config import ModelConfig, TrainConfig
from minitx.evidence import gradients, heads, judging, training
from minitx.evidence.evidence import EVIDENCE, Untestable
from minitx.model import Transformer, init_params
from minitx.objective import batch_loss

# Sizes are pairwise distinct: context 13, width 16, vocabulary 11, MLP 20, 3 windows, 2 blocks.
CONFIG = ModelConfig(width=16, depth=2, heads=4, mlp_width=20, context=13, vocab=11, init_std=0.3)


def model(seed: int = 0, **switches) -> Transformer:
    config = dataclasses.replace(CONFIG, **switches)
    return Transformer.of(config, init_params(config, jax.random.key(seed)))


class Made(SimpleNamespace):
    """What the measurements use of a family; each is another one, as families are."""

    __hash__ = object.__hash__


def family(trained: Transformer, untrained: Transformer | None = None) -> Made:
    """Return a family of one seed, with random text."""
    rng = np.random.default_rng(4)
    data = SimpleNamespace(
        train_tokens=rng.integers(0, 11, 500), val_tokens=rng.integers(0, 11, 400)
    )
    return Made(name="made", models=[trained], untrained=[untrained or trained],
                config=trained.config, data=data)  # fmt: skip


@pytest.mark.parametrize("residual", [True, False])
def test_gradients_block_by_block_are_those_of_the_whole_model(residual):
    config = dataclasses.replace(CONFIG, depth=3, residual=residual)
    tokens_BT = np.random.default_rng(0).integers(0, 11, (3, 9))
    found = gradients.first_block_gradient(config, 5, tokens_BT)
    params = init_params(config, jax.random.key(5))
    inputs_BT, target_BT = tokens_BT[:, :-1], tokens_BT[:, 1:]
    tree = jax.grad(lambda p: batch_loss(config, TrainConfig(), p, inputs_BT, target_BT, None))
    leaves = jax.tree.leaves(tree(params)["blocks"][0])
    assert found == pytest.approx(np.sqrt(sum(float((leaf**2).sum()) for leaf in leaves)), rel=1e-4)


def test_a_gradient_of_zero_counts_as_the_smallest_number():
    assert gradients.kept_by_block([1.0, 0.0, 0.0]) < 0.05


def test_hybrids_of_one_model_with_itself_are_its_logits():
    one, two = model(), model(1)
    found = EVIDENCE["C4"].measure(0, family(two, one))
    tokens_BT = training.windows_of(family(two), training.WINDOWS)
    next_Z = tokens_BT[:, 2:].ravel()
    for name, made in {"untrained": one, "trained": two}.items():
        logits_BTV = np.asarray(compiled.trace(made, tokens_BT).logits_BTV[:, 1:-1], float)
        assert found[name] == pytest.approx(training.loss_of(logits_BTV.reshape(-1, 11), next_Z))
    # The second model is the first with states and rows three times as long: only lengths differ.
    long = model(norm="none", positions="none", depth=0)
    short = model(norm="none", positions="none", depth=0)
    params = jax.tree.map(lambda leaf: 3 * leaf, short.params())
    long = Transformer.of(short.config, params)
    found = EVIDENCE["C4"].measure(0, family(long, short))
    assert found["lengths"] == pytest.approx(found["trained"])
    assert found["directions"] == pytest.approx(found["untrained"])
    assert found["trained"] != pytest.approx(found["untrained"], rel=0.01)


def test_right_and_wrong_values_are_told_apart():
    values_ZV = np.array([[5.0, 1.0, 2.0], [0.0, 7.0, 3.0]])
    assert training.right_and_wrong(values_ZV, np.array([0, 1])) == (6.0, 1.5)


def test_moves_have_the_length_that_is_asked_for_and_match():
    rng = np.random.default_rng(1)
    x_ZD = rng.standard_normal((7, 5)) * rng.uniform(0.5, 5, 7)[:, None]
    x_ZD[3] *= 0.01
    order = np.roll(np.arange(7), 1)
    longer, turned = training.moved(x_ZD, measure.norms(x_ZD)[order], order)
    expected = np.minimum(measure.norms(x_ZD)[order], 3 * measure.norms(x_ZD))
    assert measure.norms(longer) == pytest.approx(expected)
    assert measure.cosines(longer, x_ZD) == pytest.approx(1)
    assert measure.norms(turned) == pytest.approx(measure.norms(x_ZD))
    assert measure.norms(turned - x_ZD) == pytest.approx(measure.norms(longer - x_ZD))


def test_sublayers_that_read_what_they_read_before_change_nothing():
    made = model()
    tokens_BT = np.random.default_rng(2).integers(0, 11, (3, 13))
    trace = compiled.trace(made, tokens_BT)
    read_RBTD = trace.stream_RBTD[:-1]
    same = training.predict_from(made.config, made.params(), tokens_BT, read_RBTD)
    assert np.asarray(same) == pytest.approx(trace.logits_BTV, abs=1e-5)
    edited = read_RBTD.copy()
    edited[3] = 0  # without biases an MLP that reads zeros writes zeros
    found = training.predict_from(made.config, made.params(), tokens_BT, edited)
    without_BTD = trace.stream_RBTD[3]
    assert np.asarray(found) == pytest.approx(compiled.readout(made, without_BTD), abs=1e-5)
    nothing = training.predict_from(made.config, made.params(), tokens_BT, 0 * read_RBTD)
    embedded_BTD = trace.stream_RBTD[0]
    assert np.asarray(nothing) == pytest.approx(compiled.readout(made, embedded_BTD), abs=1e-5)


def test_norms_hide_lengths_and_their_absence_shows_them():
    normed, bare = family(model(norm_epsilon=1e-12)), family(model(norm="none"))
    found = EVIDENCE["C6"].measure(0, normed, bare)
    assert found["kl_normed"] < 1e-6 < found["kl_normed_turned"]
    effects = training.effects(bare.models[0], training.windows_of(bare, 10))
    assert effects["kl_lengths"] > 1e-4
    assert found["added_bare"] == pytest.approx(effects["added_lengths"])


def test_what_leaves_a_norm_has_the_root_of_the_width():
    made = family(model())
    assert heads.lengths_after_norm(made, 0) == pytest.approx(np.full(30 * 13, 4), rel=1e-3)


def knowing(head: str, lengths) -> Made:
    """A family without blocks that knows: token n is followed by n + 1 in a cycle of 11."""
    config = dataclasses.replace(CONFIG, depth=0, norm="none", positions="none", head=head)
    params = init_params(config, jax.random.key(0))
    rows_VD = np.zeros((11, 16), np.float32)
    rows_VD[:, :11] = np.eye(11)
    params["unembedding"]["table"] = 2 * rows_VD
    params["embedding"]["table"] = np.asarray(lengths)[:, None] * np.roll(rows_VD, -1, axis=0)
    made = family(Transformer.of(config, jax.tree.map(np.float32, params)))
    made.data.val_tokens = np.arange(400) % 11
    made.data.train_tokens = np.arange(500) % 11
    return made


def test_lengths_that_hold_nothing_keep_everything():
    kept, turned = heads.knowledge_kept(knowing("dot", np.full(11, 3.0)), 0)
    assert kept == pytest.approx(1) and turned == pytest.approx(1)


def test_one_length_keeps_what_directions_know():
    """Half the states are short; at one length all are as sure as the median one."""
    lengths = np.array([0.5, 1.0] * 5 + [1.0])
    kept, turned = heads.knowledge_kept(knowing("dot", lengths), 0)

    def loss(length):
        return np.log(1 + 10 * np.exp(-2 * length))

    share_short = 5 / 11
    whole = np.log(11) - share_short * loss(0.5) - (1 - share_short) * loss(1)
    assert kept == pytest.approx((np.log(11) - loss(1)) / whole, rel=0.01)
    assert turned < 1 < kept
    cosine_kept, _ = heads.knowledge_kept(knowing("cosine", lengths), 0)
    assert cosine_kept == pytest.approx(1)


def test_a_model_that_knows_nothing_is_not_asked():
    with pytest.raises(Untestable, match="made predicts no better"):
        heads.knowledge_kept(family(model()), 0)


def test_untrained_models_support_nothing():
    made, bare = family(model(), model(1)), family(model(norm="none"))
    verdict = judging.ruled(EVIDENCE["C4"], EVIDENCE["C4"].measure(0, made))
    assert verdict != "supported"
    assert judging.ruled(EVIDENCE["C6"], EVIDENCE["C6"].measure(0, made, bare)) == "refuted"
