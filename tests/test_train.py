"""The training loop: the same bits in every order, several seeds, and what stops it."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from training import (
    BIGRAM,
    CONTEXT,
    DROPPING,
    LOOP,
    NOISE,
    ROUND,
    TINY,
    WILD,
    assert_same_bits,
    copy,
    differ,
    quick,
    rate_by_hand,
    states_of,
)

from minitx import objective, step, train
from minitx.config import TrainConfig
from minitx.devices.mesh import make_mesh
from minitx.errors import InputError
from minitx.parameters import named_arrays
from minitx.progress import NonFinite
from minitx.step import init_state, initial_params, run_steps


class Clock:
    """A clock that goes on by so many seconds each time it is looked at."""

    def __init__(self, tick: float):
        self.now, self.tick = 0.0, tick

    def perf_counter(self) -> float:
        self.now += self.tick
        return self.now


def reports(monkeypatch, tick: float, state=None, seconds: float = 0.0):
    """The reports of the LOOP, with a clock of our own; each state read while it is there."""
    monkeypatch.setattr(train, "time", Clock(tick))
    loop = train.train(DROPPING, LOOP, NOISE, NOISE[:30], state, seconds=seconds)
    return [report for report in loop if report.state]


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


def test_step_and_evaluation_are_compiled_beside_the_initial_weights_and_not_again(caplog):
    """What is compiled for shapes alone has to be the very programs that the loop runs."""
    config = dataclasses.replace(DROPPING, width=20)  # that no other test has compiled
    with jax.log_compiles(), caplog.at_level("WARNING"):  # of this thread
        *_, last = train.train(config, LOOP, NOISE, NOISE[:30])
    assert last.evaluation
    said = "".join(record.getMessage() for record in caplog.records)
    assert "XLA compilation of jit(_scaled_normal)" in said
    for name in ("compiled_steps", "_sum_losses"):
        assert f"XLA compilation of jit({name})" not in said, name


def test_training_changes_every_parameter(monkeypatch):
    start = initial_params(DROPPING, LOOP.seed)
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
    near, far = (init_state(BIGRAM, LOOP, seed).params for seed in (5, 2**31 + 5))
    assert (jax.tree.leaves(near)[0] != jax.tree.leaves(far)[0]).any()
    [(_, history)] = train.fit_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], [2**32 - 1])
    assert history[-1].step == LOOP.steps


def test_another_seed_has_other_weights_other_batches_and_other_dropout():
    recipe, other = TrainConfig(seed=1), TrainConfig(seed=2)
    assert differ(init_state(TINY, recipe).params, init_state(TINY, other).params)
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
        assert report.state.loss_sum == 0  # the next mean starts from zero
    assert 5000 < found[0].seconds < found[1].seconds < found[2].seconds


def test_the_training_loss_is_the_mean_over_the_steps_since_the_last_evaluation(monkeypatch):
    through = reports(monkeypatch, tick=10.0)
    states = [copy(init_state(DROPPING, LOOP)), *(r.state for r in through)]
    text = jnp.asarray(NOISE, jnp.int32)

    @quick
    def loss_of(params, step):
        batch_key, dropout_key = objective.step_keys(LOOP.seed, step)
        batch = objective.make_batch(text, batch_key, step, LOOP.batch, CONTEXT)
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


# --- several seeds ------------------------------------------------------------------------------

SEEDS = [5, 3, 11]


@pytest.fixture(params=[pytest.param("in turn", marks=pytest.mark.long), "at once"])
def over_seeds(request, monkeypatch):
    """One after the other, as on a CPU, or all at once, as on accelerators."""
    if request.param == "at once":
        for room in (step, objective):
            monkeypatch.setattr(room, "over_seeds", lambda f, mesh: jax.vmap(f))
    step.compiled_steps.clear_cache(), objective._sum_losses.clear_cache()
    yield
    step.compiled_steps.clear_cache(), objective._sum_losses.clear_cache()


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
    good, bad = (init_state(BIGRAM, LOOP, seed) for seed in SEEDS[:2])
    table = bad.params["embedding"]["table"].at[:, 1].set(1e38)
    bad = copy(bad._replace(params={**bad.params, "embedding": {"table": table}}))
    alone = [r[0] for r in train.train_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], [copy(good)])]
    both = train.train_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], [good, bad])
    both = [pair for pair in both if all(report.state for report in pair)]
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
    with pytest.raises(NonFinite, match="seed 5: training stopped at step"):
        train.fit_seeds(BIGRAM, WILD, NOISE, NOISE, SEEDS)


def test_training_ends_when_no_seed_can_go_on():
    seen = list(train.train_seeds(BIGRAM, WILD, NOISE, NOISE, states_of(BIGRAM, WILD, SEEDS)))
    assert all(report.failure for report in seen[-1])
    assert all(not report.failure for report in seen[0]) or len(seen) == 1


@pytest.mark.parametrize("seeds", [[], [-1], [3, 2**32], [0.5], ["one"]])
def test_seeds_that_cannot_be_are_refused(seeds):
    with pytest.raises(InputError, match="seed"):
        train.fit_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], seeds)


def test_a_seed_that_has_stopped_does_not_count_in_the_speed(monkeypatch):
    good, bad = states_of(BIGRAM, LOOP, SEEDS[:2])
    table = bad.params["embedding"]["table"].at[:, 1].set(1e38)
    bad = bad._replace(params={**bad.params, "embedding": {"table": table}})
    monkeypatch.setattr(train, "time", Clock(0.25))
    reports = next(train.train_seeds(BIGRAM, LOOP, NOISE, NOISE[:30], [good, bad]))
    assert reports[0].tokens_per_second == pytest.approx(18 / 0.25)


def test_a_rate_travels_in_the_state_and_needs_no_program_of_its_own():
    recipe = dataclasses.replace(LOOP, optimizer="muon", adam_lr=0.004)
    train.fit(BIGRAM, recipe, NOISE, NOISE[:30])
    compiled = step.compiled_steps._cache_size()
    faster = recipe.at_rate(0.03)
    assert (faster.lr, faster.adam_lr) == (0.03, pytest.approx(0.012))
    _, history = train.fit(BIGRAM, faster, NOISE, NOISE[:30])
    assert history[-1].lr == pytest.approx(0.03 * rate_by_hand(recipe, 10))
    assert step.compiled_steps._cache_size() == compiled


# --- what stops it ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped():
    """How a training with a huge rate ends."""
    with pytest.raises(NonFinite) as caught:
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
    good, text = init_state(BIGRAM, WILD), jnp.asarray(NOISE, jnp.int32)
    good = jax.tree.map(lambda a: a[None], good)
    good = run_steps(BIGRAM, WILD, make_mesh(1), good, text, int(stopped.state.step))
    good = jax.tree.map(lambda leaf: leaf[0], good)
    assert_same_bits(stopped.state._replace(bad_step=np.int32(-1)), good)


def test_a_state_that_was_stopped_stops_again(stopped):
    state = jax.tree.map(jnp.array, stopped.state)
    with pytest.raises(NonFinite) as again:
        next(train.train(BIGRAM, WILD, NOISE, NOISE, state))
    assert str(again.value) == str(stopped)


def test_a_validation_loss_that_is_no_number_stops_training_too():
    recipe = dataclasses.replace(WILD, steps=1)
    with pytest.raises(NonFinite):
        list(train.train(BIGRAM, recipe, NOISE, NOISE))


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
