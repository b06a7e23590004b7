"""One step of training: its arithmetic by hand, in every ablation."""

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training import (
    BIGRAM,
    CONTEXT,
    DROPPING,
    LOOP,
    NOISE,
    ROUND,
    TINY,
    TWO_BLOCKS,
    VOCAB,
    quick,
)

from minitx import objective, train
from minitx.config import ModelConfig, TrainConfig
from minitx.devices.mesh import make_mesh
from minitx.errors import InputError
from minitx.model import Transformer, init_params
from minitx.step import init_state, initial_params, step


def test_a_step_is_the_gradient_given_to_the_optimiser():
    recipe = TrainConfig(steps=9, batch=3, lr=0.1, optimizer="sgd", warmup=0, momentum=0)
    text = jnp.asarray(NOISE, jnp.int32)
    state = init_state(BIGRAM, recipe)
    new = quick(functools.partial(step, BIGRAM, recipe, make_mesh(1)))(text, state)
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


@pytest.mark.parametrize("norm", ["layernorm", pytest.param("rmsnorm", marks=pytest.mark.long)])
@pytest.mark.parametrize("positions", ["none", "learned", "sinusoidal", "rope"])
def test_bfloat16_is_what_passes_compute_in_and_parameters_are_not_kept_in(norm, positions):
    config = dataclasses.replace(DROPPING, norm=norm, positions=positions, qk_norm=True, bias=True)
    recipe = dataclasses.replace(LOOP, precision="bfloat16")
    params = initial_params(config, 0)
    model = Transformer.of(config, objective.in_precision(recipe, params))
    trace = jax.eval_shape(lambda: model.trace(NOISE[None, :CONTEXT], jax.random.key(0)))
    assert trace.stream_RBTD.dtype == trace.logits_BTV.dtype == jnp.bfloat16
    assert trace.pattern_NBHTS.dtype == jnp.float32  # the softmax needs the digits
    if (norm, positions) == ("rmsnorm", "rope"):
        short, (_, exact) = (train.fit(config, r, NOISE, NOISE[:30]) for r in (recipe, LOOP))
        assert {leaf.dtype for leaf in jax.tree.leaves(short[0].params())} == {np.dtype("float32")}
        assert short[1][-1].val_loss == pytest.approx(exact[-1].val_loss, rel=0.02)
        assert short[1][-1].val_loss != exact[-1].val_loss


def uncompiled_state(config: ModelConfig, recipe: TrainConfig):
    """A state to start from, as `init_state` gives it, without compiling a program for it."""
    shapes = jax.eval_shape(functools.partial(init_state, config, recipe))
    params = init_params(config, jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return zeros._replace(params=params, peak_lr=jnp.float32(recipe.lr), bad_step=jnp.int32(-1))


PLACES = [(n, p) for n in ("layernorm", "rmsnorm") for p in ("pre", "post", "final")]
SHORT = TrainConfig(steps=40, batch=4, optimizer="sgd", lr=1.0, momentum=0.9, warmup=3)


QUICK = (("none", "pre"), ("layernorm", "pre"))
ABLATIONS = [
    pytest.param(*one, marks=() if one in QUICK else pytest.mark.long)
    for one in (("none", "pre"), *PLACES)
]


@pytest.mark.parametrize(("norm", "place"), ABLATIONS)
def test_every_ablation_trains(norm, place):
    """Tied or not, with a residual or not: four models side by side, because compiling is slow."""
    base = dataclasses.replace(TINY, norm=norm, norm_place=place, mlp="relu")
    configs = [
        dataclasses.replace(base, tied=tied, residual=residual)
        for tied, residual in itertools.product((True, False), (True, False))
    ]

    def run(states, text, steps):
        def body(n, states):
            same = [state._replace(step=n) for state in states]  # lets them share their batches
            return [
                step(c, SHORT, make_mesh(1), text, s) for c, s in zip(configs, same, strict=True)
            ]

        return jax.lax.fori_loop(0, steps, body, states)

    run = quick(run)
    text = jnp.asarray(ROUND, jnp.int32)
    start = [uncompiled_state(config, SHORT) for config in configs]
    half, whole = run(start, text, 20), run(start, text, 40)
    for config, first, then in zip(configs, half, whole, strict=True):
        assert (int(first.step), int(first.bad_step)) == (20, -1), config
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((first, then)))
        if config.residual and place == "pre":
            assert then.loss_sum - first.loss_sum < 0.8 * first.loss_sum, config


HEADS = ("dot", "cosine", "distance")


@pytest.mark.long
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_every_head_learns(tied):
    """In 20 steps on a text in which each token says which comes next."""
    configs = [dataclasses.replace(TINY, head=head, tied=tied) for head in HEADS]
    recipe = dataclasses.replace(SHORT, optimizer="adamw", lr=0.02, steps=20)

    def run(states, text):
        def body(_, states):
            pairs = zip(configs, states, strict=True)
            return [step(config, recipe, make_mesh(1), text, state) for config, state in pairs]

        return jax.lax.fori_loop(0, 20, body, states)

    text = jnp.asarray(ROUND, jnp.int32)
    start = [uncompiled_state(config, recipe) for config in configs]
    end = quick(run)(start, text)
    for config, before, after in zip(configs, start, end, strict=True):
        assert int(after.bad_step) == -1
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(after)), config
        losses = [
            objective.evaluate(config, "cross_entropy", s.params, ROUND) for s in (before, after)
        ]
        assert losses[1] < 0.8 * losses[0], (config.head, losses)
        if config.head == "cosine":
            assert after.params["head"]["scale"] != before.params["head"]["scale"]


def test_without_a_norm_its_place_is_no_difference():
    batch = jax.ShapeDtypeStruct((4, CONTEXT), jnp.int32)
    for tied, residual in itertools.product((True, False), (True, False)):
        base = dataclasses.replace(TWO_BLOCKS, norm="none", tied=tied, residual=residual)
        programs = set()
        for place in ("pre", "post", "final"):
            config = dataclasses.replace(base, norm_place=place)
            params = jax.eval_shape(functools.partial(initial_params, config, 0))
            loss = functools.partial(objective.batch_loss, config, SHORT, key=None)
            programs.add(jax.jit(loss).lower(params, batch, batch).as_text())
        assert len(programs) == 1, (tied, residual)


def test_the_one_ablation_that_could_not_learn_is_refused_with_a_reason():
    with pytest.raises(InputError, match="nothing could be learned"):
        dataclasses.replace(TINY, init="zero", residual=False)
