"""Training: its arithmetic by hand, its bits in every order, and what stops it."""

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from minitx import objective, train
from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import make_mesh, on_all_devices
from minitx.errors import InputError
from minitx.explain import explain, forward_order
from minitx.model import Transformer, named_arrays

CONTEXT, VOCAB = 6, 7
TINY = ModelConfig(width=8, depth=1, heads=2, mlp_width=10, context=CONTEXT, vocab=VOCAB)
DROPPING = dataclasses.replace(TINY, dropout=0.25)
TWO_BLOCKS = dataclasses.replace(TINY, depth=2)
BIGRAM = ModelConfig(width=8, depth=0, heads=1, context=CONTEXT, vocab=VOCAB, norm="none",
                     positions="none")  # fmt: skip
ROUND = np.tile(np.arange(VOCAB), 40)  # 0 1 2 3 4 5 6 0 1 ...: each token says which comes next
NOISE = np.random.default_rng(0).integers(0, VOCAB, 200)


def copy(tree):
    """The arrays on the host, where training cannot use them up."""
    return jax.tree.map(lambda a: np.array(a), tree)


def assert_same_bits(one, other) -> None:
    """The same tree, and the same bits in every leaf."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
"""jit for what is compiled to run once: the compiler takes half the time."""


def differ(one, other) -> bool:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any((np.asarray(a) != np.asarray(b)).any() for a, b in leaves)


# --- losses -----------------------------------------------------------------------------------

LOGITS_BTV = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
TARGET_BT = np.random.default_rng(2).integers(0, 5, (3, 4))


def test_cross_entropy_is_minus_the_log_probability_of_the_target():
    found = objective.losses("cross_entropy", LOGITS_BTV, TARGET_BT)
    assert found.shape == (3, 4)
    for b, t in itertools.product(range(3), range(4)):
        z = LOGITS_BTV[b, t].astype(float)
        expected = math.log(np.exp(z).sum()) - z[TARGET_BT[b, t]]
        assert found[b, t] == pytest.approx(expected, rel=1e-5)


def test_squared_error_is_half_the_squared_distance_to_the_one_hot_target():
    found = objective.losses("squared_error", LOGITS_BTV, TARGET_BT)
    assert found.shape == (3, 4)
    for b, t in itertools.product(range(3), range(4)):
        hot = [float(v == TARGET_BT[b, t]) for v in range(5)]
        expected = sum((LOGITS_BTV[b, t].astype(float) - hot) ** 2) / 2
        assert found[b, t] == pytest.approx(expected, rel=1e-5)


# --- batches ----------------------------------------------------------------------------------


def batch_of(tokens, seed: int, step: int, batch: int = 3, context: int = CONTEXT):
    tokens = jnp.asarray(tokens, jnp.int32)
    inputs, targets = objective.make_batch(tokens, jax.random.key(seed), step, batch, context)
    return np.asarray(inputs), np.asarray(targets)


def test_targets_are_the_tokens_after_the_inputs():
    inputs, targets = batch_of(10 + np.arange(50), seed=0, step=0)
    assert inputs.shape == targets.shape == (3, CONTEXT)
    np.testing.assert_array_equal(inputs, inputs[:, :1] + np.arange(CONTEXT))  # a run of the text
    np.testing.assert_array_equal(targets, inputs + 1)
    assert inputs.min() >= 10 and targets.max() < 60


def test_a_batch_follows_from_the_key_and_the_step_alone():
    text = np.arange(1000)
    first = batch_of(text, seed=0, step=5)
    for step in (0, 4, 6):
        assert (batch_of(text, seed=0, step=step)[0] != first[0]).any()
    assert (batch_of(text, seed=1, step=5)[0] != first[0]).any()
    np.testing.assert_array_equal(batch_of(text, seed=0, step=5), first)
    assert len(np.unique(first[0][:, 0])) == 3  # and its rows are not all the same


@pytest.mark.parametrize("spare", [0, 1, 4])
def test_every_place_of_the_text_can_be_drawn_and_no_other(spare):
    text = np.arange(CONTEXT + 1 + spare)
    inputs, targets = batch_of(text, seed=0, step=0, batch=300)
    assert set(inputs[:, 0]) == set(range(spare + 1))
    assert targets.max() == text[-1]


# --- the rate ---------------------------------------------------------------------------------


def rate_by_hand(recipe: TrainConfig, step: int) -> float:
    rising = (step + 1) / (recipe.warmup + 1) if step < recipe.warmup else 1.0
    done = 0.0
    if recipe.steps > recipe.warmup:
        done = min(1.0, max(0.0, (step - recipe.warmup) / (recipe.steps - recipe.warmup)))
    if recipe.decay == "cosine":
        left = (1 + math.cos(math.pi * done)) / 2
    elif recipe.decay == "linear":
        left = 1 - done
    else:
        left = 1.0
    return min(rising, recipe.final_lr + (1 - recipe.final_lr) * left)


DECAYS = ("cosine", "linear", "constant")


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize(("steps", "warmup"), [(20, 5), (20, 0), (7, 6), (5, 9), (4, 4), (1, 0)])
@pytest.mark.parametrize("final_lr", [0.0, 0.1, 1.0])
def test_the_rate_rises_and_falls_as_the_recipe_says(decay, steps, warmup, final_lr):
    recipe = TrainConfig(steps=steps, warmup=warmup, decay=decay, final_lr=final_lr)
    step = np.arange(steps)
    expected = [rate_by_hand(recipe, n) for n in step]
    assert train.rate(recipe, step) == pytest.approx(expected, abs=1e-6)


def test_the_rate_rises_in_equal_steps_to_its_peak_and_then_falls():
    recipe = TrainConfig(steps=30, warmup=4, final_lr=0.1)
    found = np.asarray(train.rate(recipe, np.arange(30)))
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert (np.diff(found[4:]) < 0).all()


def test_without_warmup_the_first_step_has_the_whole_rate():
    assert train.rate(TrainConfig(warmup=0), 0) == 1


@pytest.mark.parametrize("decay", ["cosine", "linear"])
@pytest.mark.parametrize(("steps", "warmup"), [(20, 5), (20, 0), (10, 8)])
def test_when_the_last_step_is_done_the_rate_has_reached_its_final_share(decay, steps, warmup):
    recipe = TrainConfig(steps=steps, warmup=warmup, decay=decay, final_lr=0.1)
    assert train.rate(recipe, steps) == pytest.approx(0.1, abs=1e-6)


# --- the optimiser ----------------------------------------------------------------------------

PLAIN = TrainConfig(lr=0.5, warmup=0, decay="constant", clip=0, weight_decay=0, momentum=0)
SHAPES = {  # as in a model: matrices are called weight, tables table, vectors gain and bias
    "embedding": {"table": (7, 4)},
    "mlp": {"weight": (4, 6), "bias": (6,), "gain": (4,)},
    "down": {"weight": (6, 4)},
    "other": {"weight": (4, 6)},  # as the mlp's: muon takes matrices of one shape together
}


def tree_of(seed: int):
    """Random arrays of SHAPES."""
    rng = np.random.default_rng(seed)
    shapes, structure = jax.tree.flatten(SHAPES, is_leaf=lambda x: isinstance(x, tuple))
    return structure.unflatten([jnp.float32(rng.normal(size=shape)) for shape in shapes])


PARAMS, GRADIENT = tree_of(0), tree_of(1)


def updates_of(recipe: TrainConfig, *gradients):
    """What each gradient in turn adds to the parameters, which stay at PARAMS."""
    optimizer = train.make_optimizer(recipe)
    state, found = optimizer.init(PARAMS), []
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, PARAMS)
        found.append(updates)
    return found


def assert_near(one, other) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), one, other)


def test_plain_sgd_goes_against_the_gradient_by_the_rate():
    [update] = updates_of(dataclasses.replace(PLAIN, optimizer="sgd"), GRADIENT)
    assert_near(update, jax.tree.map(lambda g: -0.5 * g, GRADIENT))


def test_momentum_adds_what_is_left_of_the_gradients_before():
    recipe = dataclasses.replace(PLAIN, optimizer="sgd", momentum=0.75)
    found = updates_of(recipe, GRADIENT, PARAMS, GRADIENT)
    last = jax.tree.map(
        lambda g, p: -0.5 * (g + 0.75 * (p + 0.75 * g)), GRADIENT, PARAMS
    )  # fmt: skip
    assert_near(found[-1], last)


def test_adamw_divides_the_mean_gradient_by_the_root_of_its_mean_square():
    recipe = dataclasses.replace(PLAIN, optimizer="adamw", beta1=0.8, beta2=0.9, weight_decay=0.3)
    found = updates_of(recipe, GRADIENT, PARAMS)

    def second(first_gradient, gradient):  # Kingma and Ba 2015, with p = gradient as the weights
        m = 0.8 * 0.2 * first_gradient + 0.2 * gradient
        v = 0.9 * 0.1 * first_gradient**2 + 0.1 * gradient**2
        adam = (m / (1 - 0.8**2)) / (np.sqrt(v / (1 - 0.9**2)) + 1e-8)
        return -0.5 * (adam + 0.3 * gradient * (gradient.ndim == 2))

    assert_near(found[1], jax.tree.map(second, GRADIENT, PARAMS))


def test_each_step_has_the_rate_of_its_place_in_the_schedule():
    recipe = dataclasses.replace(PLAIN, optimizer="sgd", warmup=3, decay="linear", steps=10)
    for n, update in enumerate(updates_of(recipe, *[GRADIENT] * 10)):
        rate = -0.5 * rate_by_hand(recipe, n)
        np.testing.assert_allclose(update["mlp"]["gain"], rate * GRADIENT["mlp"]["gain"], rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_weight_decay_shrinks_matrices_and_tables_and_nothing_else(optimizer):
    recipe = dataclasses.replace(PLAIN, optimizer=optimizer, weight_decay=0.2)
    zero = jax.tree.map(jnp.zeros_like, PARAMS)
    [update] = updates_of(recipe, zero)
    assert_near(update, jax.tree.map(lambda p: -0.5 * 0.2 * p * (p.ndim == 2), PARAMS))


def test_weight_decay_is_not_part_of_the_gradient():
    recipe = dataclasses.replace(PLAIN, optimizer="adamw")
    [without] = updates_of(recipe, GRADIENT)
    [with_decay] = updates_of(dataclasses.replace(recipe, weight_decay=0.2), GRADIENT)
    decay = jax.tree.map(lambda p: -0.5 * 0.2 * p * (p.ndim == 2), PARAMS)
    assert_near(with_decay, jax.tree.map(jnp.add, without, decay))


@pytest.mark.parametrize(("size", "clip", "length"), [(40, 8, 8), (3, 8, 3), (40, 0, 40)])
def test_a_gradient_longer_than_the_clip_is_shortened_to_it(size, clip, length):
    gradient = jax.tree.map(lambda g: size * g / optax.tree.norm(GRADIENT), GRADIENT)
    recipe = dataclasses.replace(PLAIN, optimizer="sgd", clip=clip)
    [update] = updates_of(recipe, gradient)
    assert optax.tree.norm(update) == pytest.approx(0.5 * length, rel=1e-5)
    shorter = jax.tree.map(lambda g: g * length / size, gradient)  # in the same direction
    assert_near(update, jax.tree.map(lambda g: -0.5 * g, shorter))


MUON = dataclasses.replace(PLAIN, optimizer="muon", momentum=0.9)


def test_muon_turns_the_updates_of_matrices_into_near_orthogonal_ones():
    wide = math.sqrt(6 / 4)
    for update in updates_of(MUON, GRADIENT, PARAMS):
        for name, scale in (("mlp", wide), ("down", 1.0), ("other", wide)):
            values = np.linalg.svd(update[name]["weight"], compute_uv=False) / (0.5 * scale)
            assert (values > 0.6).all() and (values < 1.3).all(), name


def test_muon_goes_down_the_orthogonal_matrix_next_to_each_gradient():
    # However different their lengths: no matrix may borrow the scale of another.
    lengths = {"embedding": 1.0, "mlp": 1e3, "down": 1.0, "other": 1e-3}
    gradient = {part: jax.tree.map(lambda g, part=part: lengths[part] * g, GRADIENT[part])
                for part in GRADIENT}  # fmt: skip
    [update] = updates_of(MUON, gradient)
    for name in ("mlp", "down", "other"):
        u, _, v = np.linalg.svd(GRADIENT[name]["weight"], full_matrices=False)
        step = np.asarray(update[name]["weight"])
        assert np.sum(step * (u @ v)) / np.linalg.norm(step) / math.sqrt(4) < -0.97, name


@pytest.mark.parametrize(("adam_lr", "expected"), [(0.125, 0.125), (None, 0.5)])
def test_muon_leaves_tables_and_vectors_to_adam_at_a_rate_of_its_own(adam_lr, expected):
    [update] = updates_of(dataclasses.replace(MUON, adam_lr=adam_lr), GRADIENT)
    for array, gradient in (
        (update["embedding"]["table"], GRADIENT["embedding"]["table"]),
        (update["mlp"]["bias"], GRADIENT["mlp"]["bias"]),
        (update["mlp"]["gain"], GRADIENT["mlp"]["gain"]),
    ):
        # Adam's first step goes by the rate in each direction, however long the gradient is.
        np.testing.assert_allclose(array, -expected * jnp.sign(gradient), rtol=1e-4)


def test_adam_lr_changes_no_matrix():
    [one] = updates_of(MUON, GRADIENT)
    [other] = updates_of(dataclasses.replace(MUON, adam_lr=0.125), GRADIENT)
    assert_same_bits(one["mlp"]["weight"], other["mlp"]["weight"])


def test_muon_takes_the_matrices_of_a_model_and_adam_the_rest():
    @quick
    def first_updates():
        params = train.initial_params(dataclasses.replace(TINY, bias=True), 0)
        ones = jax.tree.map(jnp.ones_like, params)
        optimizer = train.make_optimizer(dataclasses.replace(MUON, adam_lr=0.125))
        return optimizer.update(ones, optimizer.init(params), params)[0]

    updates = first_updates()
    for name, update in named_arrays(updates).items():
        by_adam = np.allclose(update, -0.125, rtol=1e-4)
        assert by_adam == (not name.endswith(".weight")), name


# --- the loss on a whole text -------------------------------------------------------------------


@given(st.integers(2, 60), st.integers(1, 17))
def test_windows_hold_every_prediction_of_a_text_exactly_once(length, context):
    text = np.arange(100, 100 + length)
    inputs, targets, counts = objective.windows(text, context)
    assert inputs.shape == targets.shape == counts.shape == (math.ceil((length - 1) / context),
                                                             context)  # fmt: skip
    np.testing.assert_array_equal(inputs[counts == 1], text[:-1])
    np.testing.assert_array_equal(targets[counts == 1], text[1:])
    assert set(np.unique(counts)) <= {0, 1}


def loss_by_loop(kind: str, params, text) -> float:
    """Window by window, prediction by prediction, with the numpy model."""
    total, predictions = 0.0, 0
    for start in range(0, len(text) - 1, CONTEXT):
        piece = text[start : start + CONTEXT + 1]
        [logits_TV] = reference.run(TINY, params, piece[None, :-1])["logits_BTV"]
        for z_V, target in zip(logits_TV, piece[1:], strict=True):
            if kind == "cross_entropy":
                total += math.log(np.exp(z_V).sum()) - z_V[target]
            else:
                total += 0.5 * np.sum((z_V - np.eye(VOCAB)[target]) ** 2)
            predictions += 1
    assert predictions == len(text) - 1
    return total / predictions


@pytest.fixture(scope="module")
def sharp():
    """Parameters whose predictions are far from even, so that each position matters."""
    return train.initial_params(dataclasses.replace(TINY, init_std=0.7), 0)


@pytest.mark.parametrize(
    ("kind", "length"),  # in windows of 6 predictions: 2 are left over, 1 is, none is
    [("cross_entropy", 21), ("cross_entropy", 20), ("cross_entropy", 19), ("squared_error", 21)],
)
def test_an_evaluation_is_the_mean_over_every_prediction_of_the_text(kind, length, sharp):
    found = objective.evaluate(TINY, kind, sharp, NOISE[:length])
    assert found == pytest.approx(loss_by_loop(kind, sharp, NOISE[:length]), rel=1e-5)


@pytest.mark.parametrize("at_once", [1, 8])  # 4 windows one by one; 2, 2 and none
def test_how_much_an_evaluation_reads_at_once_does_not_matter(at_once, sharp, monkeypatch):
    whole = objective.evaluate(TINY, "cross_entropy", sharp, NOISE[:21])
    monkeypatch.setattr(objective, "EVAL_TOKENS", at_once)
    parts = objective.evaluate(TINY, "cross_entropy", sharp, NOISE[:21])
    assert parts == pytest.approx(whole, rel=1e-6)


# --- the loop -----------------------------------------------------------------------------------

# Dropout is on, so that its keys are tried too; evaluations at 4, 8 and, out of turn, 11.
LOOP = TrainConfig(steps=11, batch=3, warmup=2, lr=0.01, eval_every=4)


class Clock:
    """A clock that goes on by so many seconds each time it is looked at."""

    def __init__(self, tick: float):
        self.now, self.tick = 0.0, tick

    def perf_counter(self) -> float:
        self.now += self.tick
        return self.now


def reports(monkeypatch, tick: float, state=None, seconds: float = 0.0):
    """The reports of the LOOP, with a clock of our own; each state copied while it is there."""
    monkeypatch.setattr(train, "time", Clock(tick))
    loop = train.train(DROPPING, LOOP, NOISE, NOISE[:30], state, seconds=seconds)
    return [report._replace(state=copy(report.state)) for report in loop]


def test_the_length_of_the_stretches_changes_no_bit(monkeypatch):
    slow, fast = reports(monkeypatch, tick=10.0), reports(monkeypatch, tick=1e-6)
    assert [r.step for r in slow] == list(range(1, 12))
    assert [r.step for r in fast] == [1, 3, 4, 8, 11]
    assert_same_bits(slow[-1].state, fast[-1].state)
    for report in fast:
        assert report.state.step == report.step
        assert_same_bits(report.state, slow[report.step - 1].state)
        assert report.train_loss == slow[report.step - 1].train_loss


def test_training_twice_gives_the_same_bits(monkeypatch):
    once, again = (reports(monkeypatch, tick=10.0)[-1].state for _ in range(2))
    assert_same_bits(once, again)


def test_training_changes_every_parameter(monkeypatch):
    start = train.initial_params(DROPPING, LOOP.seed)
    end = reports(monkeypatch, tick=1e-6)[-1].state.params
    after = named_arrays(end)
    for name, before in named_arrays(start).items():
        assert (before != after[name]).any(), name


@pytest.mark.parametrize("at", [1, 4, 6, 8, 10])
def test_going_on_from_any_state_gives_the_same_bits_as_going_through(at, monkeypatch):
    through = reports(monkeypatch, tick=10.0)
    rest = reports(monkeypatch, tick=1e-6, state=through[at - 1].state)
    assert rest[0].step == at + 1
    assert_same_bits(rest[-1].state, through[-1].state)
    evaluations = {r.step: r.evaluation for r in through if r.evaluation}
    for report in rest:
        if report.evaluation:
            expected = evaluations[report.step]._replace(seconds=report.evaluation.seconds)
            assert report.evaluation == expected


def test_a_state_at_the_end_needs_no_more_steps(monkeypatch):
    end = reports(monkeypatch, tick=10.0)[-1].state
    assert reports(monkeypatch, tick=10.0, state=end) == []


def test_a_seed_may_take_all_32_bits():
    near, far = (train.init_state(BIGRAM, LOOP, seed).params for seed in (5, 2**31 + 5))
    assert (jax.tree.leaves(near)[0] != jax.tree.leaves(far)[0]).any()
    [(_, history)] = train.fit_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], [2**32 - 1])
    assert history[-1].step == LOOP.steps


def test_another_seed_has_other_weights_other_batches_and_other_dropout():
    recipe, other = TrainConfig(seed=1), TrainConfig(seed=2)
    assert differ(train.init_state(TINY, recipe).params, train.init_state(TINY, other).params)
    both = (objective.step_keys(r.seed, 3) for r in (recipe, other))
    for one, two in zip(*both, strict=True):
        assert differ(jax.random.key_data(one), jax.random.key_data(two))


def test_dropout_differs_from_step_to_step_and_from_the_batch():
    batch_3, dropout_3 = map(jax.random.key_data, objective.step_keys(LOOP.seed, 3))
    batch_4, dropout_4 = map(jax.random.key_data, objective.step_keys(LOOP.seed, 4))
    assert not differ(batch_3, batch_4)  # make_batch takes the step itself
    assert differ(dropout_3, dropout_4)
    assert differ(batch_3, dropout_3)


def test_evaluations_tell_what_was_trained_and_measured(monkeypatch):
    through = reports(monkeypatch, tick=10.0, seconds=5000.0)
    found = [r.evaluation for r in through if r.evaluation]
    assert [e.step for e in found] == [4, 8, 11]
    assert [e.tokens for e in found] == [18 * 4, 18 * 8, 18 * 11]
    for e in found:
        report = through[e.step - 1]
        assert e.lr == pytest.approx(LOOP.lr * rate_by_hand(LOOP, e.step - 1), rel=1e-5)
        val_loss = objective.evaluate(DROPPING, LOOP.loss, report.state.params, NOISE[:30])
        assert e.val_loss == val_loss
        assert e.grad_norm == report.state.grad_norm
        assert e.train_loss == report.train_loss
        assert report.state.loss_sum == 0  # counting starts anew
    assert 5000 < found[0].seconds < found[1].seconds < found[2].seconds


def test_the_training_loss_is_the_mean_over_the_steps_since_the_last_evaluation(monkeypatch):
    through = reports(monkeypatch, tick=10.0)
    states = [copy(train.init_state(DROPPING, LOOP)), *(r.state for r in through)]
    text = jnp.asarray(NOISE, jnp.int32)

    @quick
    def loss_of(params, step):
        batch_key, dropout_key = objective.step_keys(LOOP.seed, step)
        batch = objective.make_batch(text, batch_key, step, LOOP.batch, CONTEXT)
        dropout_key = jax.random.fold_in(dropout_key, 0)  # the first device's
        return objective.batch_loss(DROPPING, LOOP, params, *batch, dropout_key)

    losses = []
    for n, report in enumerate(through):
        losses.append(float(loss_of(states[n].params, n)))
        since = losses[n // 4 * 4 :]
        assert report.train_loss == pytest.approx(np.mean(since), rel=1e-5)


def test_reports_tell_the_speed(monkeypatch):
    first, second, *_ = reports(monkeypatch, tick=0.25)
    assert (first.step, second.step) == (1, 3)
    assert first.tokens_per_second == pytest.approx(18 / 0.25)
    assert second.tokens_per_second == pytest.approx(2 * 18 / 0.25)


def test_stretches_grow_to_about_half_a_second(monkeypatch):
    recipe = dataclasses.replace(LOOP, steps=40, eval_every=40)
    seen = []

    def run_steps(config, recipe, mesh, states, tokens, until):
        seen.append(until - int(states.step[0]))
        train.time.now += 0.08 * seen[-1]  # seconds
        return states._replace(step=jnp.full(1, until, jnp.int32))

    monkeypatch.setattr(train, "time", Clock(0.0))
    monkeypatch.setattr(train, "run_steps", run_steps)
    list(train.train(DROPPING, recipe, NOISE, NOISE[:30]))
    assert seen[:5] == [1, 2, 4, 6, 6]


def test_a_step_is_the_gradient_given_to_the_optimiser():
    recipe = TrainConfig(steps=9, batch=3, lr=0.1, optimizer="sgd", warmup=0, momentum=0)
    text = jnp.asarray(NOISE, jnp.int32)
    state = train.init_state(BIGRAM, recipe)
    step = on_all_devices(functools.partial(train.step, BIGRAM, recipe), make_mesh(1))
    new = quick(step)(text, state)
    inputs, targets = (np.asarray(a) for a in objective.make_batch(
        text, objective.step_keys(recipe.seed, 0)[0], 0, 3, CONTEXT))  # fmt: skip
    embed = np.float64(state.params["embedding"]["table"])
    unembed = np.float64(state.params["unembedding"]["table"])
    d_embed, d_unembed, loss = np.zeros_like(embed), np.zeros_like(unembed), 0.0
    for i, j in zip(inputs.reshape(-1), targets.reshape(-1), strict=True):
        z = unembed @ embed[i]
        p = np.exp(z) / np.exp(z).sum()
        error = (p - np.eye(VOCAB)[j]) / inputs.size
        loss += -math.log(p[j]) / inputs.size
        d_embed[i] += error @ unembed
        d_unembed += np.outer(error, embed[i])
    norm = math.sqrt(np.sum(d_embed**2) + np.sum(d_unembed**2))
    assert norm < recipe.clip
    assert new.grad_norm == pytest.approx(norm, rel=1e-4)
    assert new.loss_sum == pytest.approx(loss, rel=1e-5)
    assert (int(new.step), int(new.bad_step)) == (1, -1)
    for name, table, gradient in (
        ("embedding", embed, d_embed), ("unembedding", unembed, d_unembed)
    ):  # fmt: skip
        expected = table - 0.1 * (gradient + 0.1 * table)  # weight decay is 0.1
        np.testing.assert_allclose(new.params[name]["table"], expected, rtol=1e-4, atol=1e-7)


# --- several seeds ------------------------------------------------------------------------------

SEEDS = [5, 3, 11]


@pytest.fixture(params=["in turn", "at once"])
def over_seeds(request, monkeypatch):
    """One after the other, as on a CPU, or all at once, as on accelerators."""
    if request.param == "at once":
        for room in (train, objective):
            monkeypatch.setattr(room, "over_seeds", lambda f, mesh: jax.vmap(f))
    train.run_steps.clear_cache(), objective._sum_losses.clear_cache()
    yield
    train.run_steps.clear_cache(), objective._sum_losses.clear_cache()


def test_seeds_trained_together_are_what_each_is_alone(over_seeds):
    """To rounding: parameters and losses within 1e-5 of their size after 11 steps with dropout."""
    together = train.fit_seeds(DROPPING, LOOP, NOISE, NOISE[:30], SEEDS)
    assert len(together) == len(SEEDS)
    for seed, (model, history) in zip(SEEDS, together, strict=True):
        alone, alone_history = train.fit(
            DROPPING, dataclasses.replace(LOOP, seed=seed), NOISE, NOISE[:30]
        )
        for name, array in named_arrays(model.params()).items():
            wanted = named_arrays(alone.params())[name]
            np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-6, err_msg=name)
        assert [e.step for e in history] == [4, 8, 11]
        for e, wanted in zip(history, alone_history, strict=True):
            numbers, wanted = e._replace(seconds=0), wanted._replace(seconds=0)
            np.testing.assert_allclose(numbers, wanted, rtol=1e-5)
    assert differ(together[0][0].params(), together[1][0].params())


def test_a_seed_that_cannot_go_on_says_why_and_holds_up_no_other(over_seeds):
    good, bad = (train.init_state(BIGRAM, LOOP, seed) for seed in SEEDS[:2])
    table = bad.params["embedding"]["table"].at[:, 1].set(1e38)
    bad = copy(bad._replace(params={**bad.params, "embedding": {"table": table}}))
    alone = [r[0] for r in train.train_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], [5], [copy(good)])]
    both = list(train.train_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], SEEDS[:2], [good, bad]))
    assert [r.evaluation is None for r, _ in both] == [r.evaluation is None for r in alone]
    np.testing.assert_allclose(
        both[-1][0].state.params["embedding"]["table"],
        alone[-1].state.params["embedding"]["table"], rtol=1e-5, atol=1e-7,
    )  # fmt: skip
    for report, stopped in both:
        assert report.failure is None
        assert "training stopped at step 0: " in stopped.failure
        assert stopped.evaluation is None
        assert_same_bits(stopped.state._replace(bad_step=bad.bad_step), bad)
    with pytest.raises(train.NonFinite, match="seed 5: training stopped at step"):
        train.fit_seeds(BIGRAM, WILD, NOISE, NOISE, SEEDS)


def test_training_ends_when_no_seed_can_go_on():
    seen = list(train.train_seeds(BIGRAM, WILD, NOISE, NOISE, SEEDS))
    assert all(report.failure for report in seen[-1])
    assert all(not report.failure for report in seen[0]) or len(seen) == 1


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize("positions", ["none", "learned", "sinusoidal", "rope"])
def test_bfloat16_is_what_passes_compute_in_and_parameters_are_not_kept_in(norm, positions):
    config = dataclasses.replace(DROPPING, norm=norm, positions=positions, qk_norm=True, bias=True)
    recipe = dataclasses.replace(LOOP, precision="bfloat16")
    params = train.initial_params(config, 0)
    model = Transformer.of(config, objective.in_precision(recipe, params))
    trace = jax.eval_shape(lambda: model.trace(NOISE[None, :CONTEXT], jax.random.key(0)))
    assert trace.stream_RBTD.dtype == trace.logits_BTV.dtype == jnp.bfloat16
    assert trace.pattern_NBHTS.dtype == jnp.float32  # the softmax needs the digits
    if positions == "rope":
        short, (_, exact) = (train.fit(config, r, NOISE, NOISE[:30]) for r in (recipe, LOOP))
        assert {leaf.dtype for leaf in jax.tree.leaves(short[0].params())} == {np.dtype("float32")}
        assert short[1][-1].val_loss == pytest.approx(exact[-1].val_loss, rel=0.02)
        assert short[1][-1].val_loss != exact[-1].val_loss


# --- what stops it ------------------------------------------------------------------------------

WILD = TrainConfig(steps=9, batch=3, lr=1e30, optimizer="sgd", clip=0, warmup=0)


@pytest.fixture(scope="module")
def stopped():
    """How a training with a huge rate ends."""
    with pytest.raises(train.NonFinite) as caught:
        list(train.train(BIGRAM, WILD, NOISE, NOISE))
    return caught.value


def test_a_huge_rate_stops_with_the_step_a_tensor_and_a_cure(stopped):
    step = int(stopped.state.step)
    assert 1 <= step < WILD.steps
    assert isinstance(stopped, InputError)
    assert str(stopped) == (
        f"training stopped at step {step}: the logits is not finite first; lower --lr (now 1e+30), "
        "raise --warmup (now 0), or clip gradients with --clip 1"
    )


def test_a_stopped_training_hands_back_the_last_good_state(stopped):
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(stopped.state))
    assert stopped.state.bad_step == stopped.state.step
    good, text = train.init_state(BIGRAM, WILD), jnp.asarray(NOISE, jnp.int32)
    good = jax.tree.map(lambda a: a[None], good)
    good = train.run_steps(BIGRAM, WILD, make_mesh(1), good, text, int(stopped.state.step))
    (good,) = train.unstack(good)
    assert_same_bits(stopped.state._replace(bad_step=np.int32(-1)), good)


def test_a_state_that_was_stopped_stops_again(stopped):
    state = jax.tree.map(jnp.array, stopped.state)
    with pytest.raises(train.NonFinite) as again:
        next(train.train(BIGRAM, WILD, NOISE, NOISE, state))
    assert str(again.value) == str(stopped)


def test_a_validation_loss_that_is_no_number_stops_training_too():
    recipe = dataclasses.replace(WILD, steps=1)
    with pytest.raises(train.NonFinite):
        list(train.train(BIGRAM, recipe, NOISE, NOISE))


NAMES = [name for name, _ in forward_order(train.initial_params(TWO_BLOCKS, 0))]


def explained(**planted) -> str:
    """What `explain` says once a parameter, named with __ for dots, begins with this value."""
    params = train.initial_params(TWO_BLOCKS, 0)
    names, structure = list(named_arrays(params)), jax.tree.structure(params)
    leaves = [
        leaf.at[(0,) * leaf.ndim].set(planted[name]) if name in planted else leaf
        for name, leaf in zip(names, jax.tree.leaves(params), strict=True)
    ]
    return why(structure.unflatten(leaves))


def why(params, recipe=WILD) -> str:
    state = train.init_state(TWO_BLOCKS, recipe)._replace(params=params, step=jnp.int32(4))
    return explain(TWO_BLOCKS, recipe, state, jnp.asarray(NOISE, jnp.int32))


def larger(scales: dict[str, float]):
    """The first parameters, those whose names end so multiplied."""
    params = train.initial_params(TWO_BLOCKS, 0)
    leaves = []
    for name, leaf in named_arrays(params).items():
        factors = [factor for end, factor in scales.items() if name.endswith(end)]
        leaves.append(leaf * math.prod(factors))
    return jax.tree.structure(params).unflatten(leaves)


@pytest.mark.parametrize("name", NAMES)
def test_a_nan_in_a_parameter_is_named_first(name):
    said = explained(**{name: np.nan})
    assert f"stopped at step 4: the parameter {name} is not finite first; lower --lr" in said


@pytest.mark.parametrize(
    ("scales", "first"),
    [
        ({"blocks.1.attention.query.weight": 1e22, "blocks.1.attention.key.weight": 1e22},
         "the attention pattern of block 1"),
        ({"blocks.1.attention.value.weight": 1e22, "blocks.1.attention.out.weight": 1e22},
         "the attention update of block 1"),
        ({"blocks.0.mlp.up.weight": 1e22, "blocks.0.mlp.down.weight": 1e22},
         "the MLP update of block 0"),
        ({"final_norm.gain": 3e38}, "the final norm's output"),
        ({"final_norm.gain": 1e22, "unembedding.table": 1e22}, "the logits"),
        ({"unembedding.table": 1e25}, "the gradient's norm overflows"),
    ],
)  # fmt: skip
def test_the_first_tensor_of_the_forward_pass_that_overflows_is_named(scales, first):
    assert f"step 4: {first}" in why(larger(scales))


def test_a_loss_that_overflows_is_named():
    recipe = dataclasses.replace(WILD, loss="squared_error")
    assert "step 4: the loss is not finite first" in why(
        larger({"unembedding.table": 1e25}), recipe
    )


def test_the_first_gradient_on_the_way_back_that_overflows_is_named():
    # Large rows of the unembedding, which the final norm amplifies: all before it overflows.
    assert "step 4: the gradient of blocks.1.mlp." in why(larger({"unembedding.table": 1e38}))


def test_parameters_are_listed_in_the_order_in_which_the_forward_pass_meets_them():
    parts = list(dict.fromkeys(name.split(".")[0] for name in NAMES))
    assert parts == ["embedding", "position", "blocks", "final_norm", "unembedding"]


def test_the_cure_mentions_clipping_only_where_it_is_off():
    params = larger({"unembedding.table": np.nan})
    assert "or clip gradients with --clip 1" in why(params)
    assert "clip" not in why(params, dataclasses.replace(WILD, clip=0.5))


@pytest.mark.parametrize(
    ("train_length", "val_length", "message"),
    [
        (CONTEXT, 50, f"training split has {CONTEXT} tokens, but context={CONTEXT} needs 7"),
        (0, 50, "training split has 0 tokens"),
        (50, 1, "validation split has 1 tokens"),
        (50, 0, "validation split has 0 tokens"),
    ],
)
def test_a_text_too_short_for_the_context_is_refused(train_length, val_length, message):
    with pytest.raises(InputError, match=message):
        next(train.train(BIGRAM, TrainConfig(), NOISE[:train_length], NOISE[:val_length]))


def test_the_shortest_texts_that_are_allowed_train():
    recipe = TrainConfig(steps=2, batch=3)
    *_, last = train.train(BIGRAM, recipe, NOISE[: CONTEXT + 1], NOISE[:2])
    assert math.isfinite(last.evaluation.val_loss)


# --- what it is for -----------------------------------------------------------------------------

LEARN = TrainConfig(steps=80, batch=6, lr=0.02, warmup=5, eval_every=40)


@pytest.mark.parametrize(
    ("config", "recipe", "below"),
    [
        (TINY, LEARN, 0.05),
        (TINY, dataclasses.replace(LEARN, optimizer="muon", adam_lr=0.02), 0.05),
        (BIGRAM, dataclasses.replace(LEARN, optimizer="sgd", lr=3.0, momentum=0.9), 0.1),
        (BIGRAM, dataclasses.replace(LEARN, loss="squared_error"), 0.02),  # from about 0.5
    ],
    ids=["adamw", "muon", "sgd", "squared error"],
)
def test_a_sequence_that_can_be_known_is_learned(config, recipe, below):
    model, history = train.fit(config, recipe, ROUND, ROUND[:50])
    assert [e.step for e in history] == [40, 80]
    assert history[-1].val_loss < below
    params = model.params()
    assert history[-1].val_loss == objective.evaluate(config, recipe.loss, params, ROUND[:50])
    tokens = np.array([[3, 4, 5, 6, 0, 1]])
    logits_BTV = reference.run(config, params, tokens)["logits_BTV"]
    assert np.argmax(logits_BTV, axis=-1).tolist() == [[4, 5, 6, 0, 1, 2]]


PLACES = [(n, p) for n in ("layernorm", "rmsnorm") for p in ("pre", "post", "final")]
SHORT = TrainConfig(steps=40, batch=4, optimizer="sgd", lr=1.0, momentum=0.9, warmup=3)


@pytest.mark.parametrize(("norm", "place"), [("none", "pre"), *PLACES])
def test_every_ablation_trains(norm, place):
    """Tied or not, with a residual or not: four models side by side, because compiling is slow."""
    base = dataclasses.replace(TWO_BLOCKS, norm=norm, norm_place=place, mlp="relu")
    configs = [
        dataclasses.replace(base, tied=tied, residual=residual)
        for tied, residual in itertools.product((True, False), (True, False))
    ]

    def run(states, text, steps):
        def body(n, states):
            same = [state._replace(step=n) for state in states]  # lets them share their batches
            return [train.step(c, SHORT, text, s) for c, s in zip(configs, same, strict=True)]

        return jax.lax.fori_loop(0, steps, body, states)

    run = quick(on_all_devices(run, make_mesh(1)))

    text = jnp.asarray(ROUND, jnp.int32)
    start = [train.init_state(config, SHORT) for config in configs]
    half, whole = run(start, text, 20), run(start, text, 40)
    for config, first, then in zip(configs, half, whole, strict=True):
        assert (int(first.step), int(first.bad_step)) == (20, -1), config
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((first, then)))
        if config.residual and place == "pre":
            assert then.loss_sum - first.loss_sum < 0.8 * first.loss_sum, config


def test_without_a_norm_its_place_is_no_difference():
    batch = jax.ShapeDtypeStruct((4, CONTEXT), jnp.int32)
    for tied, residual in itertools.product((True, False), (True, False)):
        base = dataclasses.replace(TWO_BLOCKS, norm="none", tied=tied, residual=residual)
        programs = set()
        for place in ("pre", "post", "final"):
            config = dataclasses.replace(base, norm_place=place)
            params = jax.eval_shape(functools.partial(train.initial_params, config, 0))
            loss = functools.partial(objective.batch_loss, config, SHORT, key=None)
            programs.add(jax.jit(loss).lower(params, batch, batch).as_text())
        assert len(programs) == 1, (tied, residual)


def test_the_one_ablation_that_could_not_learn_is_refused_with_a_reason():
    with pytest.raises(InputError, match="nothing could be learned"):
        dataclasses.replace(TINY, init="zero", residual=False)
