"""The model against a second implementation, and what must hold whatever the weights are."""

import dataclasses
import functools
import itertools
import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from minitx.config import ModelConfig
from minitx.errors import InputError
from minitx.layers import COSINE_SCALE, rope
from minitx.model import Trace, Transformer, init_params
from minitx.parameters import count_params
from minitx.presets import PRESETS

# All sizes differ, and so do their products, except H x K = D: a swap of two axes is noticed.
SMALL = dict(width=24, depth=2, heads=6, kv_heads=3, mlp_width=10, context=11, vocab=17, bias=True)
SIZES = dict(B=8, T=9, S=9, D=24, H=6, G=3, K=4, F=10, V=17, N=2, R=5, C=7)

BOTH = (True, False)
NORMS, PLACES = ("none", "layernorm", "rmsnorm"), ("pre", "post", "final")
POSITIONS = ("none", "learned", "sinusoidal", "rope")
HEADS = ("dot", "cosine", "distance")
MLPS = ("gelu", "gelu_tanh", "relu", "relu2", "swiglu", "none")


def config_of(**changes) -> ModelConfig:
    return ModelConfig(**SMALL | changes)


def name_of(changes) -> str:
    return " ".join(f"{name}={value}" for name, value in changes.items()) or "small"


def over(*cases):
    """Parametrise a test over configs, each given by what it changes in SMALL."""
    configs = [pytest.param(config_of(**changes), id=name_of(changes)) for changes in cases]
    return pytest.mark.parametrize("config", configs)


GRID = [
    dict(norm=norm, norm_place=place, tied=tied, residual=residual)
    for norm, place, tied, residual in itertools.product(NORMS, PLACES, BOTH, BOTH)
]
LLAMA = dict(norm="rmsnorm", positions="rope", mlp="swiglu", bias=False, rope_base=500.0)
OTHERS = [
    *(dict(positions=positions) for positions in POSITIONS),
    *(dict(mlp=mlp) for mlp in MLPS),
    *(dict(mlp=mlp, bias=False) for mlp in ("swiglu", "relu")),
    *(dict(mlp="none", norm_place=place, residual=False) for place in PLACES),
    *(dict(kv_heads=kv_heads) for kv_heads in (None, 6)),
    *(dict(norm=norm, norm_gain=False, qk_norm=True) for norm in ("layernorm", "rmsnorm")),
    *(dict(norm=norm, norm_epsilon=0.5, qk_norm=True) for norm in ("layernorm", "rmsnorm")),
    *(dict(depth=0, norm=norm, norm_place=place) for norm in NORMS for place in PLACES),
    dict(positions="learned", position_offset=2),
    dict(positions="rope", rope_base=50.0, qk_norm=True),
    dict(qk_norm=True, norm="none"),
    dict(qkv_bias=False),
    dict(qkv_bias=True, bias=False),
    *(dict(mlp_bias=not bias, bias=bias, mlp="swiglu") for bias in BOTH),
    dict(bias=False, norm="layernorm"),
    *(
        dict(head=head, tied=tied, norm=norm)
        for head in HEADS[1:]
        for tied in BOTH
        for norm in ("none", "layernorm")
    ),
    dict(dropout=0.5),
    dict(depth=1),
    dict(depth=3, norm_place="post"),
    LLAMA,
    LLAMA | dict(tied=True, qk_norm=True),
    dict(mlp="gelu_tanh", tied=True, kv_heads=None),  # GPT-2
    dict(mlp="relu", tied=True, kv_heads=None, position_offset=2),  # OPT
]
ODD = [  # other sizes than SMALL: slow without jit
    *(dict(kv_heads=kv_heads, positions="rope") for kv_heads in (1, 2)),
    dict(width=12, positions="rope"),  # heads of one pair
    dict(width=15, heads=3, kv_heads=None, mlp_width=7, vocab=1, context=9),
    dict(width=1, heads=1, kv_heads=1, mlp_width=1, vocab=2, norm="rmsnorm"),
    dict(mlp_width=None),
    dict(head_width=14, positions="rope", qk_norm=True),
    dict(head_width=5, width=7, kv_heads=2),
    dict(mlp_width=None, mlp="swiglu"),
    dict(depth=0, width=7, heads=1, kv_heads=1),
]


def flat(params, prefix="") -> dict:
    """Parameters by their names in a checkpoint."""
    if not isinstance(params, dict):
        return {prefix: params}
    named = [flat(value, f"{prefix}.{name}".strip(".")) for name, value in params.items()]
    return {name: array for part in named for name, array in part.items()}


def random_params(config: ModelConfig, seed: int = 1):
    """Far from any start: a gain that is not 1 and a bias that is not 0 hide nothing."""
    rng = np.random.default_rng(seed)

    def draw(path, array):
        start = 1.0 if path[-1].key == "gain" else 0.0
        return jnp.asarray(rng.normal(start, 0.3, array.shape), array.dtype)

    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    return jax.tree_util.tree_map_with_path(draw, shapes)


@functools.cache
def model_of(config: ModelConfig) -> Transformer:
    return Transformer.of(config, random_params(config))


def tokens_for(config: ModelConfig, B: int = SIZES["B"], T: int = SIZES["T"]):
    return jnp.asarray(np.random.default_rng(2).integers(0, config.vocab, (B, T)))


def random_like(array, seed: int = 3):
    return jnp.asarray(np.random.default_rng(seed).normal(size=array.shape), array.dtype)


def close(actual, expected, tolerance: float = 1e-5) -> bool:
    """Whether the largest difference is small against the largest expected value."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    return np.abs(actual - expected).max(initial=0) <= tolerance * np.abs(expected).max(initial=0)


def updates_of(trace: Trace) -> list:
    """Attention and MLP of each block in turn."""
    pairs = zip(trace.attention_update_NBTD, trace.mlp_update_NBTD, strict=True)
    return [update_BTD for pair in pairs for update_BTD in pair]


# --- the settings of the tests themselves ---------------------------------------------------------


def test_tests_are_strict():
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 3)) + jnp.ones(3)
    with pytest.raises(UserWarning):
        warnings.warn("a warning is an error", stacklevel=1)
    assert jax.default_backend() != "cpu" or jax.device_count() == 4


# --- against the reference ------------------------------------------------------------------------


def assert_agrees_with_reference(config: ModelConfig, params, tokens_BT, trace: Trace):
    """Every field of the trace, not only the logits."""
    expected = reference.run(config, params, tokens_BT)
    assert set(expected) == set(Trace._fields)
    for name in Trace._fields:
        actual = getattr(trace, name)
        if 0 in actual.shape:  # no blocks
            assert config.depth == 0 and expected[name].size == 0
        else:
            assert close(actual, expected[name]), name


@over(*GRID, *OTHERS)
def test_model_agrees_with_the_reference(config):
    model, tokens_BT = model_of(config), tokens_for(config)
    assert_agrees_with_reference(config, model.params(), tokens_BT, model.trace(tokens_BT))


@over(*ODD, LLAMA, dict(positions="sinusoidal", norm_place="post"))
def test_model_agrees_with_the_reference_under_jit(config):
    params, tokens_BT = random_params(config), tokens_for(config)
    trace = jax.jit(lambda params: Transformer.of(config, params).trace(tokens_BT))(params)
    assert_agrees_with_reference(config, params, tokens_BT, trace)


@over(
    *(dict(init=init, init_std=None) for init in ("plain", "scaled", "zero")),
    *(dict(head=head, tied=tied) for head in HEADS[1:] for tied in BOTH),
)
def test_untrained_model_agrees_with_the_reference(config):
    model, tokens_BT = Transformer(config), tokens_for(config)
    assert_agrees_with_reference(config, model.params(), tokens_BT, model.trace(tokens_BT))


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        dict(
            norm=st.sampled_from(NORMS),
            norm_place=st.sampled_from(PLACES),
            norm_gain=st.booleans(),
            norm_epsilon=st.sampled_from((1e-6, 0.1)),
            qk_norm=st.booleans(),
            tied=st.booleans(),
            head=st.sampled_from(HEADS),
            residual=st.booleans(),
            positions=st.sampled_from(POSITIONS),
            mlp=st.sampled_from(MLPS),
            bias=st.booleans(),
            qkv_bias=st.sampled_from((None, False, True)),
            mlp_bias=st.sampled_from((None, False, True)),
            head_width=st.sampled_from((None, 14)),
            kv_heads=st.sampled_from((None, 3)),
            depth=st.sampled_from((0, 1, 2)),
        )
    )
)
def test_model_agrees_with_the_reference_in_any_combination(changes):
    model, tokens_BT = model_of(config := config_of(**changes)), tokens_for(config)
    assert_agrees_with_reference(config, model.params(), tokens_BT, model.trace(tokens_BT))


@pytest.mark.parametrize("base", (100.0, 10000.0))
def test_rope_makes_scores_depend_on_the_distance_alone(base):
    q_BTHK, k_BTHK = (random_like(jnp.zeros((1, 1, 1, 8)), seed) for seed in (1, 2))

    def score(t, s):
        return jnp.vdot(rope(q_BTHK, jnp.array([t]), base), rope(k_BTHK, jnp.array([s]), base))

    assert close(score(0, 0), jnp.vdot(q_BTHK, k_BTHK))
    assert close(score(9, 2), score(12, 5))
    assert not close(score(9, 2), score(9, 3), 1e-2)


# --- causality ------------------------------------------------------------------------------------


@over(
    *GRID,
    *(dict(positions=positions) for positions in POSITIONS),
    dict(depth=0, norm="none"),
    dict(kv_heads=None, qk_norm=True),
    dict(depth=3, norm_place="final", bias=False),
    *(dict(head=head) for head in HEADS[1:]),
    LLAMA,
)
def test_logits_depend_on_no_later_state_and_on_every_earlier_one(config):
    model, tokens_BT = model_of(config), tokens_for(config)
    logits_BTV, pull = jax.vjp(
        lambda x_BTD: model.continue_from(0, x_BTD), model.trace(tokens_BT).stream_RBTD[0]
    )
    T, weight_BTV = logits_BTV.shape[1], random_like(logits_BTV)
    one_position_TBTV = jnp.eye(T)[:, None, :, None] * weight_BTV[None]
    (gradient_TBSD,) = jax.vmap(pull)(one_position_TBTV)
    reach_TBS = np.abs(gradient_TBSD).max(axis=-1)
    later_TS = np.arange(T)[:, None] < np.arange(T)[None, :]
    assert np.all(reach_TBS.swapaxes(0, 1)[:, later_TS] == 0)
    earlier_TS = ~later_TS if config.depth else np.eye(T, dtype=bool)
    assert np.all(reach_TBS.swapaxes(0, 1)[:, earlier_TS] > 0)
    if not config.depth:
        assert np.all(reach_TBS.swapaxes(0, 1)[:, ~earlier_TS] == 0)


@over(*(dict(positions=positions) for positions in POSITIONS))
def test_a_later_token_changes_no_earlier_logit(config):
    model, tokens_BT = model_of(config), tokens_for(config)
    changed_BT = tokens_BT.at[:, 5].add(1) % config.vocab
    difference_BTV = np.abs(model(changed_BT) - model(tokens_BT))
    assert np.all(difference_BTV[:, :5] == 0)
    assert np.all(difference_BTV[:, 5:].max(axis=-1) > 0)


# --- the trace ------------------------------------------------------------------------------------


@over({}, LLAMA, dict(depth=0), *(dict(head=head) for head in HEADS[1:]))
def test_calling_the_model_gives_the_logits_of_its_trace(config):
    model, tokens_BT = model_of(config), tokens_for(config)
    trace = model.trace(tokens_BT)
    assert np.array_equal(model(tokens_BT), trace.logits_BTV)
    assert np.array_equal(trace.token_BTD + trace.position_BTD, trace.stream_RBTD[0])
    assert np.array_equal(trace.before_final_norm_BTD, trace.stream_RBTD[-1])
    assert np.array_equal(model.readout(trace.before_final_norm_BTD), trace.logits_BTV)
    assert np.array_equal(model.unembed(trace.after_final_norm_BTD), trace.logits_BTV)


@over(*GRID, *(dict(mlp="none", norm_place=p, residual=r) for p in PLACES for r in BOTH))
def test_each_station_is_the_one_before_it_and_an_update(config):
    config = dataclasses.replace(config, norm_gain=False)
    trace = model_of(config).trace(tokens_for(config))
    for r, update_BTD in enumerate(updates_of(trace)):
        before_BTD, after_BTD = trace.stream_RBTD[r], trace.stream_RBTD[r + 1]
        if config.mlp == "none" and r % 2:
            assert np.all(update_BTD == 0) and np.array_equal(before_BTD, after_BTD)
            continue
        expected_BTD = np.asarray(before_BTD + update_BTD if config.residual else update_BTD)
        if config.norm_place == "post":
            expected_BTD = np.apply_along_axis(plain_norm, -1, expected_BTD, config)
        assert close(after_BTD, expected_BTD)


def plain_norm(x_D, config):
    if config.norm == "none":
        return x_D
    if config.norm == "layernorm":
        x_D = x_D - x_D.mean()
    return x_D / np.sqrt((x_D**2).mean() + config.norm_epsilon)


SUMS = [c for c in GRID if c["norm_place"] != "post" and c["residual"]]
NO_SUMS = [c for c in GRID if c["norm"] != "none" and c not in SUMS]


@over(
    *SUMS,
    *(dict(depth=0, norm=norm, norm_place=place) for norm in NORMS for place in PLACES),
    dict(norm_gain=False),
    dict(positions="sinusoidal", mlp="none"),
)
def test_logit_terms_add_up_to_the_logits(config):
    model, tokens_BT = model_of(config), tokens_for(config)
    trace = model.trace(tokens_BT)
    terms_CBTV = model.logit_terms(trace)
    assert terms_CBTV.shape == (2 * config.depth + 3, *trace.logits_BTV.shape)
    assert close(terms_CBTV.sum(axis=0), trace.logits_BTV)


@over(*SUMS)
def test_each_logit_term_is_what_its_part_writes_through_the_final_norm(config):
    model = model_of(config)
    trace, weights = model.trace(tokens_for(config)), model.params().get("final_norm", {})
    x_BTD = np.asarray(trace.before_final_norm_BTD, np.float64)
    gain_D = np.asarray(weights.get("gain", 1.0))
    bias_D = np.asarray(weights.get("bias", np.zeros(config.width)))
    if config.norm == "none":
        center_DD, scale_BT1 = np.eye(config.width), 1.0
    elif config.norm == "layernorm":
        center_DD = np.eye(config.width) - 1 / config.width
        scale_BT1 = x_BTD.std(axis=-1, keepdims=True)
    else:
        center_DD, scale_BT1 = np.eye(config.width), np.sqrt((x_BTD**2).mean(-1, keepdims=True))
    parts = [trace.token_BTD, trace.position_BTD, *updates_of(trace)]
    unembedding_DV = np.asarray(model.unembedding_VD).T
    *terms, bias_BTV = model.logit_terms(trace)
    assert len(parts) == len(terms) == SIZES["C"] - 1
    for part_BTD, term_BTV in zip(parts, terms, strict=True):
        normed_BTD = np.asarray(part_BTD) @ center_DD / scale_BT1 * gain_D
        assert close(term_BTV, normed_BTD @ unembedding_DV, 1e-4)
    whole_BTV = np.broadcast_to(bias_D @ unembedding_DV, bias_BTV.shape)
    assert np.abs(bias_BTV - whole_BTV).max() < 1e-5 * np.abs(trace.logits_BTV).max()


@over(*NO_SUMS)
def test_logits_of_a_state_that_is_no_sum_have_no_terms(config):
    model = model_of(config)
    with pytest.raises(InputError, match=r"^norm_place=\w+ with residual=\w+: .*: use "):
        model.logit_terms(model.trace(tokens_for(config)))


@over(*(dict(head=head) for head in HEADS[1:]))
def test_logits_that_are_not_linear_in_the_state_have_no_terms(config):
    model = model_of(config)
    with pytest.raises(InputError, match=rf"^head={config.head}: .*: use head=dot$"):
        model.logit_terms(model.trace(tokens_for(config)))


@over({}, LLAMA, dict(positions="none", qk_norm=True))
def test_patterns_are_causal_and_sum_to_one(config):
    pattern_NBHTS = np.asarray(model_of(config).trace(tokens_for(config)).pattern_NBHTS)
    later_TS = np.triu(np.ones(pattern_NBHTS.shape[-2:], bool), k=1)
    assert np.all(pattern_NBHTS[..., later_TS] == 0)
    assert np.all(pattern_NBHTS[..., ~later_TS] > 0)
    assert np.allclose(pattern_NBHTS.sum(axis=-1), 1, rtol=0, atol=1e-6)
    assert pattern_NBHTS.std() > 0.01  # and they are not all uniform


# --- continuing from a station --------------------------------------------------------------------


@over({}, LLAMA, dict(norm_place="post"), dict(residual=False), dict(mlp="none"), dict(depth=0))
def test_continuing_from_any_station_gives_the_plain_logits_until_it_is_edited(config):
    model, tokens_BT = model_of(config), tokens_for(config)
    trace = model.trace(tokens_BT)
    assert len(trace.stream_RBTD) == config.sizes["R"]
    for r, x_BTD in enumerate(trace.stream_RBTD):
        assert np.array_equal(model.continue_from(r, x_BTD), trace.logits_BTV)
        edited_BTV = model.continue_from(r, x_BTD + random_like(x_BTD))
        assert np.all(np.abs(edited_BTV - trace.logits_BTV).max(axis=-1) > 0)


@over({}, dict(depth=0))
def test_a_station_that_does_not_exist_is_refused(config):
    model, last = model_of(config), 2 * config.depth
    x_BTD = model.trace(tokens_for(config)).stream_RBTD[0]
    for station in (-1, last + 1):
        with pytest.raises(InputError, match=rf"^station {station} .*: choose from 0 to {last}$"):
            model.continue_from(station, x_BTD)


# --- tying ----------------------------------------------------------------------------------------


def test_a_tied_model_has_no_unembedding_and_is_otherwise_the_same():
    tied, untied = (flat(model_of(config_of(tied=t)).params()) for t in (True, False))
    assert set(untied) - set(tied) == {"unembedding.table"}
    assert set(tied) <= set(untied)


def test_the_gradient_of_a_tied_table_is_the_sum_from_both_its_ends():
    tied, untied = config_of(tied=True), config_of(tied=False)
    params = model_of(tied).params()
    both = params | {"unembedding": params["embedding"]}
    tokens_BT = tokens_for(tied).clip(max=9)  # so that the rest of the vocabulary is never read

    def gradient(config, params):
        def loss(params):
            logits_BTV = Transformer.of(config, params)(tokens_BT)
            return jnp.vdot(logits_BTV, random_like(logits_BTV))

        return jax.jit(jax.grad(loss))(params)

    whole, parts = gradient(tied, params), gradient(untied, both)
    reading_VD, writing_VD = parts["embedding"]["table"], parts["unembedding"]["table"]
    assert close(whole["embedding"]["table"], reading_VD + writing_VD)
    assert np.all(np.abs(reading_VD[:10]).max(axis=-1) > 0) and np.all(reading_VD[10:] == 0)
    assert np.all(np.abs(writing_VD).max(axis=-1) > 0)


# --- the final norm -------------------------------------------------------------------------------

FINAL = [dict(norm=norm, norm_place=place) for norm in NORMS[1:] for place in ("pre", "final")]


@over(*(dict(final, norm_epsilon=1e-12) for final in FINAL))
def test_scale_before_a_final_norm_is_lost(config):
    model = model_of(config)
    x_BTD = model.trace(tokens_for(config)).before_final_norm_BTD
    for factor in (0.1, 7.0):
        assert close(model.readout(factor * x_BTD), model.readout(x_BTD))


@over(dict(norm="none"), *(dict(norm=norm, norm_place="post") for norm in NORMS))
def test_scale_before_the_unembedding_is_kept_without_a_final_norm(config):
    model = model_of(config)
    x_BTD = model.trace(tokens_for(config)).before_final_norm_BTD
    assert np.array_equal(model.readout(4 * x_BTD), 4 * model.readout(x_BTD))


@over(*(dict(final, bias=False) for final in FINAL))
def test_scale_after_the_final_norm_scales_the_logits_exactly(config):
    params, tokens_BT = model_of(config).params(), tokens_for(config)
    louder = params | {"final_norm": {"gain": 4 * params["final_norm"]["gain"]}}
    logits_BTV = Transformer.of(config, louder)(tokens_BT)
    assert np.array_equal(logits_BTV, 4 * Transformer.of(config, params)(tokens_BT))


# --- the head -------------------------------------------------------------------------------------


def test_what_the_heads_say_of_three_rows_by_hand():
    """x = (3, 4): a long row in another direction, the row itself, and a short row along it."""
    rows_VD = jnp.array([[24.0, 7.0], [3.0, 4.0], [0.3, 0.4]])
    expected = {"dot": [100, 25, 2.5], "cosine": [8, 10, 10], "distance": [-225, 0, -10.125]}
    for name, logits_V in expected.items():
        config = ModelConfig(width=2, heads=1, depth=0, vocab=3, norm="none", head=name)
        params = Transformer(config).params() | {"unembedding": {"table": rows_VD}}
        if name == "cosine":
            params["head"] = {"scale": jnp.float32(10)}
        model = Transformer.of(config, params)
        assert close(model.unembed(jnp.array([[[3.0, 4.0]]]))[0, 0], np.array(logits_V)), name


def test_a_cosine_knows_no_lengths():
    model = model_of(config_of(head="cosine"))
    x_BTD = model.trace(tokens_for(model.config)).after_final_norm_BTD
    params, stretch_V1 = model.params(), jnp.linspace(0.1, 9, SIZES["V"])[:, None]
    stretched_VD = params["unembedding"]["table"] * stretch_V1
    stretched = Transformer.of(model.config, params | {"unembedding": {"table": stretched_VD}})
    assert close(model.unembed(7 * x_BTD), model.unembed(x_BTD))
    assert close(stretched.unembed(x_BTD), model.unembed(x_BTD))
    assert np.abs(model.unembed(x_BTD)).max() <= 1.00001 * abs(params["head"]["scale"])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@over(*(dict(head=head, tied=tied) for head in HEADS for tied in BOTH))
def test_a_vector_of_zeros_makes_neither_a_logit_nor_a_gradient_infinite(config, dtype):
    """A state that is zero, a row that is zero, and both."""
    params = jax.tree.map(lambda a: a.astype(dtype), random_params(config))
    table = params["embedding" if config.tied else "unembedding"]
    table["table"] = table["table"].at[5].set(0)
    x_BTD = jnp.zeros((1, 2, config.width), dtype).at[0, 1].set(1)

    def f(params, x_BTD):
        logits_BTV = Transformer.of(config, params).unembed(x_BTD)
        return jax.nn.logsumexp(logits_BTV.astype(jnp.float32)), logits_BTV

    (_, logits_BTV), gradients = jax.value_and_grad(f, (0, 1), has_aux=True)(params, x_BTD)
    for leaf in jax.tree.leaves((logits_BTV, gradients)):
        assert np.isfinite(np.asarray(leaf, np.float32)).all()
    if config.head == "cosine":
        assert np.all(logits_BTV[0, 0] == 0) and np.all(logits_BTV[..., 5] == 0)


@pytest.mark.long
def test_the_distance_keeps_its_digits_in_bfloat16():
    """Its logits are far from zero, where bfloat16 is coarse; only their differences count."""
    config = config_of(width=128, heads=4, kv_heads=2, head="distance", init_std=None)
    params = jax.tree.map(lambda a: a.astype("bfloat16"), Transformer(config).params())
    x_BTD = random_like(jnp.zeros((1, 40, 128))).astype("bfloat16")
    short_BTV = Transformer.of(config, params).unembed(x_BTD)
    exact = Transformer.of(config, jax.tree.map(lambda a: a.astype("float32"), params))
    exact_BTV = exact.unembed(x_BTD.astype("float32"))
    assert short_BTV.dtype == jnp.float32 and np.abs(exact_BTV).max() > 50
    p, q = (jax.nn.softmax(logits_BTV) for logits_BTV in (short_BTV, exact_BTV))
    assert np.abs(p - q).max() < 1e-3


@over(dict(head="cosine"), dict(head="cosine", width=6, heads=1, kv_heads=1))
def test_the_scale_of_the_cosine_begins_at_its_constant_whatever_the_width(config):
    assert Transformer(config).params()["head"] == {"scale": COSINE_SCALE}


# --- shapes and names -----------------------------------------------------------------------------


def letters_of(name: str) -> str:
    """The shape suffix of a name: 'stream_RBTD' has 'RBTD'."""
    suffix = name.rsplit("_", 1)[-1]
    assert suffix.isupper() and suffix.isalpha(), f"{name} has no shape suffix"
    return suffix


def test_every_field_of_the_trace_has_the_shape_that_its_suffix_says():
    config = config_of()
    assert config.sizes.items() <= SIZES.items()
    assert SIZES["S"] == SIZES["T"] and len(set(SIZES.values())) == len(SIZES) - 1
    trace = model_of(config).trace(tokens_for(config))
    for name in Trace._fields:
        assert getattr(trace, name).shape == tuple(SIZES[a] for a in letters_of(name)), name
    assert model_of(config).logit_terms(trace).shape == tuple(SIZES[a] for a in "CBTV")


# What a checkpoint holds. P is the number of rows of a position table; HK is the product of two.
BLOCK = {
    "attention_norm.gain": "D",
    "attention_norm.bias": "D",
    "attention.query.weight": "D HK",
    "attention.query.bias": "HK",
    "attention.key.weight": "D GK",
    "attention.key.bias": "GK",
    "attention.value.weight": "D GK",
    "attention.value.bias": "GK",
    "attention.query_norm.gain": "K",
    "attention.key_norm.gain": "K",
    "attention.out.weight": "HK D",
    "attention.out.bias": "D",
    "mlp_norm.gain": "D",
    "mlp_norm.bias": "D",
    "mlp.gate.weight": "D F",
    "mlp.gate.bias": "F",
    "mlp.up.weight": "D F",
    "mlp.up.bias": "F",
    "mlp.down.weight": "F D",
    "mlp.down.bias": "D",
}
FULL = {
    "embedding.table": "V D",
    "position.table": "P D",
    **{f"blocks.0.{name}": letters for name, letters in BLOCK.items()},
    **{f"blocks.1.{name}": letters for name, letters in BLOCK.items()},
    "final_norm.gain": "D",
    "final_norm.bias": "D",
    "unembedding.table": "V D",
    "head.scale": "",
}
FULLEST = dict(mlp="swiglu", qk_norm=True, head="cosine")


def test_parameter_names_and_shapes_are_frozen():
    config = config_of(**FULLEST, position_offset=2)
    sizes = SIZES | {"P": config.context + 2}
    expected = {
        name: tuple(math.prod(sizes[letter] for letter in axis) for axis in letters.split())
        for name, letters in FULL.items()
    }
    assert {name: a.shape for name, a in flat(model_of(config).params()).items()} == expected
    assert count_params(config) == sum(math.prod(shape) for shape in expected.values())


@pytest.mark.parametrize(
    "changes, absent",
    [
        (dict(tied=True), ("unembedding",)),
        *((dict(head=head), ("head.",)) for head in ("dot", "distance")),
        (dict(positions="none"), ("position",)),
        (dict(positions="sinusoidal"), ("position",)),
        (dict(positions="rope"), ("position",)),
        (dict(mlp="none"), ("mlp.", "mlp_norm")),
        (dict(mlp="gelu"), ("gate",)),
        (dict(norm="none"), ("attention_norm", "mlp_norm", "final_norm")),
        (dict(norm="rmsnorm"), ("norm.bias",)),
        (dict(norm_place="post"), ("final_norm",)),
        (dict(norm_place="final"), ("attention_norm", "mlp_norm")),
        (dict(norm_gain=False), ("gain", "norm.bias")),
        (dict(qk_norm=False), ("query_norm", "key_norm")),
        (dict(bias=False), ("bias",)),
        (dict(qkv_bias=False), ("query.bias", "key.bias", "value.bias")),
        (dict(mlp_bias=False), ("up.bias", "gate.bias", "down.bias")),
        (dict(depth=1), ("blocks.1.",)),
        (dict(depth=0), ("blocks.",)),
    ],
    ids=lambda value: name_of(value) if isinstance(value, dict) else "",
)
def test_a_part_that_is_switched_off_has_no_parameters(changes, absent):
    config = config_of(**FULLEST | changes)
    expected = {name for name in FULL if not any(word in name for word in absent)}
    assert set(flat(model_of(config).params())) == expected


@over({}, LLAMA)
def test_a_model_made_of_its_parameters_is_the_same_model(config):
    model, tokens_BT = Transformer(config, key=5), tokens_for(config)
    assert np.array_equal(Transformer.of(config, model.params())(tokens_BT), model(tokens_BT))
    again = flat(init_params(config, jax.random.key(5)))
    assert all(np.array_equal(array, again[name]) for name, array in flat(model.params()).items())


def test_many_models_run_as_one_under_vmap():
    config = config_of()
    tokens_BT, seeds = tokens_for(config), [random_params(config, seed) for seed in (1, 2)]
    params_E = jax.tree.map(lambda *arrays: jnp.stack(arrays), *seeds)
    run = jax.jit(jax.vmap(lambda params: Transformer.of(config, params)(tokens_BT)))
    for params, logits_BTV in zip(seeds, run(params_E), strict=True):
        assert close(logits_BTV, Transformer.of(config, params)(tokens_BT))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_a_model(preset):
    config = PRESETS[preset].model
    tokens_BT = jax.ShapeDtypeStruct((3, config.context), jnp.int32)
    logits_BTV = jax.eval_shape(lambda t: Transformer(config)(t), tokens_BT)
    assert logits_BTV.shape == (3, config.context, config.vocab)


# --- the cache ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunks", [(4, 4, 1), pytest.param((1, 4, 4), marks=pytest.mark.long), (1,) * 9], ids=str
)
@over(
    *(dict(positions=positions) for positions in POSITIONS),
    dict(position_offset=2, kv_heads=None),
    LLAMA | dict(kv_heads=1, qk_norm=True),
    dict(norm_place="post", mlp="none"),
    *(dict(head=head) for head in HEADS[1:]),
    dict(depth=0),
)
def test_reading_in_chunks_with_a_cache_equals_reading_at_once(config, chunks):
    model, tokens_BT = model_of(config), tokens_for(config)
    B, T = tokens_BT.shape
    trace, slots = model.trace(tokens_BT), config.context
    cache, read, logits = model.empty_cache(B, slots), 0, []
    for size in chunks:
        more_BTV, cache = model.extend(tokens_BT[:, read : read + size], cache)
        logits.append(more_BTV)
        read += size
        assert cache.length == read
    assert close(jnp.concatenate(logits, axis=1), trace.logits_BTV)
    assert len(cache.keys) == len(cache.values) == config.depth
    for n in range(config.depth):
        for kept_BSGK, seen_BSGK in (
            (cache.keys[n], trace.key_NBSGK[n]),
            (cache.values[n], trace.value_NBSGK[n]),
        ):
            assert kept_BSGK.shape == (B, slots, config.sizes["G"], config.sizes["K"])
            assert close(kept_BSGK[:, :T], seen_BSGK)
            assert np.all(kept_BSGK[:, T:] == 0)


def test_one_compiled_step_extends_a_cache_of_any_length():
    config = config_of(**LLAMA)
    model, tokens_BT = model_of(config), tokens_for(config)
    steps_traced = []

    @jax.jit
    def step(params, tokens_BT, cache):
        steps_traced.append(1)
        return Transformer.of(config, params).extend(tokens_BT, cache)

    cache = model.empty_cache(len(tokens_BT), config.context)
    for t in range(4):
        logits_BTV, cache = step(model.params(), tokens_BT[:, t : t + 1], cache)
    assert close(logits_BTV[:, 0], model(tokens_BT)[:, 3])
    assert len(steps_traced) == 1


# --- dropout --------------------------------------------------------------------------------------

DROP = 0.3
CHANCE = DROP / 8  # about five standard deviations of a share of at least 300 elements


def dropping(**changes) -> Transformer:
    return model_of(config_of(dropout=DROP, **changes))


def test_dropout_happens_with_a_key_and_is_made_by_it():
    model, tokens_BT = dropping(), tokens_for(config_of())
    without, one, again, other = (
        model(tokens_BT, key=key if key is None else jax.random.key(key)) for key in (None, 1, 1, 2)
    )
    assert np.array_equal(without, model_of(config_of())(tokens_BT))
    assert np.array_equal(one, again)
    assert not close(one, without, 0.01) and not close(one, other, 0.01)


def test_no_dropout_with_a_key_equals_no_key():
    model, tokens_BT = model_of(config_of()), tokens_for(config_of())
    assert np.array_equal(model(tokens_BT, key=jax.random.key(1)), model(tokens_BT))


def test_dropout_of_the_embedding_keeps_its_mean():
    trace = dropping().trace(tokens_for(config_of()), key=jax.random.key(1))
    whole_BTD, dropped_BTD = trace.token_BTD + trace.position_BTD, trace.stream_RBTD[0]
    gone_BTD = np.asarray(dropped_BTD == 0)
    assert abs(gone_BTD.mean() - DROP) < CHANCE
    assert close(dropped_BTD[~gone_BTD], whole_BTD[~gone_BTD] / (1 - DROP))


def test_dropout_of_the_updates_differs_from_one_to_the_next():
    trace = dropping().trace(tokens_for(config_of()), key=jax.random.key(1))
    gone = [np.asarray(trace.stream_RBTD[0] == 0), *(np.asarray(u == 0) for u in updates_of(trace))]
    for one in gone:
        assert abs(one.mean() - DROP) < CHANCE
    for one, other in itertools.combinations(gone, 2):  # drawn independently
        assert abs((one & other).mean() - DROP**2) < CHANCE


def test_dropout_of_the_patterns_leaves_the_recorded_patterns_whole():
    """The first token reads only itself, so where its pattern is dropped a head writes nothing."""
    params = dropping(mlp="none", depth=1, bias=False).params()
    params["blocks"][0]["attention"]["out"]["weight"] = jnp.eye(SIZES["D"])
    model = Transformer.of(config_of(dropout=DROP, mlp="none", depth=1, bias=False), params)
    heads, silences = (SIZES["B"], SIZES["H"], SIZES["K"]), []
    for seed in range(20):
        trace = model.trace(tokens_for(config_of()), key=jax.random.key(seed))
        assert np.allclose(trace.pattern_NBHTS.sum(axis=-1), 1, rtol=0, atol=1e-6)
        head_BHK = np.asarray(trace.attention_update_NBTD)[0, :, 0].reshape(heads)
        value_BHK = np.repeat(np.asarray(trace.value_NBSGK)[0, :, 0], 2, axis=1)
        kept = head_BHK != 0
        assert close(head_BHK[kept], value_BHK[kept] / (1 - DROP) ** 2)
        silences.append(~kept.any(axis=-1))
    silent = DROP + (1 - DROP) * DROP**4  # all four of its channels can also be dropped one by one
    assert abs(np.mean(silences) - silent) < 2 * CHANCE


# --- the start ------------------------------------------------------------------------------------

WIDE = dict(width=128, depth=3, kv_heads=2, mlp_width=256, context=256, vocab=256, bias=True)


@pytest.mark.parametrize("init_std", (0.02, 0.1, None))
@pytest.mark.parametrize("init", ("plain", "scaled", "zero"))
def test_weights_start_as_wide_as_the_config_says(init, init_std):
    config = ModelConfig(**WIDE, init=init, init_std=init_std, mlp="swiglu", qk_norm=True)
    for name, array in flat(Transformer(config, key=0).params()).items():
        *_, part, kind = name.split(".")
        if kind == "gain":
            assert np.all(array == 1), name
        elif kind == "bias":
            assert np.all(array == 0), name
        else:
            inputs = array.shape[1] if kind == "table" else array.shape[0]
            std = init_std or inputs**-0.5
            if part in ("out", "down"):
                std *= {"plain": 1, "scaled": 1 / math.sqrt(2 * 3), "zero": 0}[init]
            assert np.isclose(array.std(), std, rtol=0.03, atol=0), name
            assert abs(array.mean()) <= 5 * std / math.sqrt(array.size), name


@over(*(dict(init="zero", norm_place=place, mlp=mlp) for place in PLACES for mlp in MLPS[-2:]))
def test_a_zero_start_makes_every_update_zero_and_can_still_learn(config):
    params, tokens_BT = init_params(config, jax.random.key(0)), tokens_for(config)
    trace = Transformer.of(config, params).trace(tokens_BT)
    assert all(np.all(update_BTD == 0) for update_BTD in updates_of(trace))

    def loss(params):
        logits_BTV = Transformer.of(config, params)(tokens_BT)
        return jnp.vdot(logits_BTV, random_like(logits_BTV))

    gradient = flat(jax.grad(loss)(params))
    assert all(np.any(gradient[f"blocks.{n}.attention.out.weight"] != 0) for n in (0, 1))


def test_the_key_alone_makes_the_start():
    one, again, other = (flat(Transformer(config_of(), key=key).params()) for key in (0, 0, 1))
    for name in one:
        assert np.array_equal(one[name], again[name])
        if name.endswith(("weight", "table")):
            assert not np.any(one[name] == other[name]), name


def test_no_two_weights_start_alike():
    config = config_of(mlp="swiglu", init="plain", kv_heads=None, mlp_width=24, vocab=11)
    weights = [a for a in flat(Transformer(config, key=0).params()).values() if a.ndim == 2]
    for one, other in itertools.combinations(weights, 2):
        rows = min(len(one), len(other))
        assert abs(np.corrcoef(one[:rows].ravel(), other[:rows].ravel())[0, 1]) < 0.35


@pytest.mark.parametrize(
    "changes",
    [
        *({"norm": norm} for norm in ("none", "rmsnorm")),
        *({"norm_place": place} for place in ("post", "final")),
        *({"positions": positions} for positions in ("none", "sinusoidal", "rope")),
        *({"mlp": mlp} for mlp in ("none", "relu", "swiglu")),
        {"tied": True},
        *({"head": head} for head in ("cosine", "distance")),
        {"residual": False},
        {"bias": False},
        {"qkv_bias": False},
        {"mlp_bias": False},
        {"norm_gain": False},
        {"qk_norm": True},
        {"dropout": 0.1},
        {"kv_heads": 6},
        {"mlp_width": 12},
        {"depth": 3},
        {"init": "zero"},
    ],
    ids=name_of,
)
def test_what_two_configs_share_starts_alike(changes):
    base = config_of(init="plain")
    one, other = (
        flat(Transformer(config, key=0).params())
        for config in (base, dataclasses.replace(base, **changes))
    )
    shared = {name for name in one.keys() & other.keys() if one[name].shape == other[name].shape}
    if "init" in changes:
        shared = {name for name in shared if "out.weight" not in name and "down.weight" not in name}
    assert {"embedding.table", "blocks.1.attention.query.weight"} <= shared
    for name in shared:
        assert np.array_equal(one[name], other[name]), name


# --- costs and limits -----------------------------------------------------------------------------


def test_fields_of_the_trace_that_nobody_reads_cost_nothing():
    config = config_of()
    params, tokens_BT = model_of(config).params(), tokens_for(config)

    def cost(f):
        def run(params, tokens_BT):
            return f(Transformer.of(config, params), tokens_BT)

        compiled = jax.jit(run).lower(params, tokens_BT).compile()
        memory, analysis = compiled.memory_analysis(), compiled.cost_analysis()
        working = memory.temp_size_in_bytes + memory.output_size_in_bytes
        return analysis["flops"], analysis["bytes accessed"], working

    def by_hand(model, tokens_BT):  # no trace is ever built
        x_BTD = sum(model.embed(tokens_BT, jnp.arange(tokens_BT.shape[1])))
        for block in model.blocks:
            x_BTD, _, _ = block.attend(x_BTD, jnp.arange(tokens_BT.shape[1]), None, None)
            x_BTD, _, _ = block.feed(x_BTD, None)
        return model.readout(x_BTD)

    logits_alone = cost(lambda model, tokens_BT: model(tokens_BT))
    assert logits_alone == cost(by_hand)
    whole_trace = cost(lambda model, tokens_BT: model.trace(tokens_BT))
    _, more_bytes, more_memory = (w - a for w, a in zip(whole_trace, logits_alone, strict=True))
    assert more_bytes > 0 and more_memory > 0


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_sequence_longer_than_the_context_is_refused(positions):
    config = config_of(positions=positions)
    model = model_of(config)
    assert model(tokens_for(config, T=11)).shape == (8, 11, 17)
    with pytest.raises(InputError, match=r"^12 tokens .* context of 11: "):
        model(tokens_for(config, T=12))


def test_gelu_is_exact_unless_the_tanh_form_is_asked_for():
    x = np.linspace(-4, 4, 81)
    bends = [
        model_of(config_of(mlp=mlp)).blocks[0].mlp.nonlinearity for mlp in ("gelu", "gelu_tanh")
    ]
    exact, tanh = (np.asarray(bend(x)) for bend in bends)
    by_erf = np.array([u * (1 + math.erf(u / math.sqrt(2))) / 2 for u in x])
    assert np.abs(exact - by_erf).max() < 1e-6
    assert 1e-4 < np.abs(tanh - by_erf).max() < 1e-3
