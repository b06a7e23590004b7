"""What a config refuses, in which words, and how it travels."""

import dataclasses
import doctest
import json
import math
import subprocess
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minitx.config
from minitx.config import (
    SCHEMA_VERSION,
    DataConfig,
    ModelConfig,
    TrainConfig,
    from_json,
    to_json,
)
from minitx.errors import InputError
from minitx.presets import PRESETS

KINDS = pytest.mark.parametrize("kind", (ModelConfig, TrainConfig, DataConfig))
POSITIVE, NOT_NEGATIVE, BELOW_1 = "at least 1", "at least 0", "at least 0 and below 1"
CHOICES = {
    "norm": "none, layernorm, rmsnorm",
    "norm_place": "pre, post, final",
    "head": "dot, cosine, distance",
    "positions": "none, learned, sinusoidal, rope",
    "mlp": "gelu, gelu_tanh, relu, relu2, swiglu, none",
    "init": "plain, scaled, zero",
}
TRAIN_CHOICES = {
    "optimizer": "adamw, muon, sgd",
    "decay": "cosine, linear, constant",
    "loss": "cross_entropy, squared_error",
}


def out_of_range(kind, name, wanted, *values):
    return [(kind, {name: value}, f"it must be {wanted}") for value in values]


def not_among(kind, name, choices):
    return [
        (kind, {name: value}, f"choose from {choices}")
        for value in ("", choices.split(", ")[0].upper(), None, True, 1, [], {})
    ]


def not_of_type(kind, name, wanted, *values):
    return [(kind, {name: value}, f"{wanted}: give it one") for value in values]


# The first field is the one at fault; the words are the cure.
REFUSED = [
    *(
        case
        for name in ("width", "heads", "kv_heads", "head_width", "mlp_width", "context", "vocab")
        for case in out_of_range(ModelConfig, name, POSITIVE, 0, -1)
    ),
    *out_of_range(ModelConfig, "depth", NOT_NEGATIVE, -1),
    *out_of_range(ModelConfig, "position_offset", NOT_NEGATIVE, -1),
    *out_of_range(ModelConfig, "norm_epsilon", "above 0", 0.0, -1e-5),
    *out_of_range(ModelConfig, "rope_base", "above 0", 0.0, -1.0),
    *out_of_range(ModelConfig, "init_std", "above 0", 0.0, -0.02),
    *out_of_range(ModelConfig, "dropout", BELOW_1, 1.0, -0.1, 1.5),
    *(case for name in CHOICES for case in not_among(ModelConfig, name, CHOICES[name])),
    *not_of_type(ModelConfig, "width", "int", 128.0, "128", None, True, [128]),
    *not_of_type(ModelConfig, "kv_heads", "int or None", 2.0, "None", False),
    *not_of_type(ModelConfig, "mlp_width", "int or None", 2.5, {}),
    *not_of_type(ModelConfig, "tied", "bool", 1, 0, "true", None),
    *not_of_type(ModelConfig, "residual", "bool", 1.0),
    *not_of_type(ModelConfig, "head_width", "int or None", 4.0, "4"),
    *not_of_type(ModelConfig, "qkv_bias", "bool or None", 1, "no"),
    *not_of_type(ModelConfig, "mlp_bias", "bool or None", 0, "yes"),
    *not_of_type(ModelConfig, "dropout", "float", "0.1", None, False),
    *not_of_type(ModelConfig, "init_std", "float or None", "0.02", True),
    *not_of_type(ModelConfig, "norm_epsilon", "finite number", math.inf, math.nan),
    *not_of_type(ModelConfig, "rope_base", "finite number", -math.inf),
    (ModelConfig, dict(heads=5, width=12), "choose heads from 1, 2, 3, 4, 6, 12"),
    (ModelConfig, dict(heads=24, width=12), "choose heads from 1, 2, 3, 4, 6, 12"),
    (ModelConfig, dict(kv_heads=3, heads=8), "choose kv_heads from 1, 2, 4, 8"),
    (ModelConfig, dict(kv_heads=16, heads=8), "choose kv_heads from 1, 2, 4, 8"),
    (ModelConfig, dict(positions="rope", width=12, heads=4), "make that even"),
    (ModelConfig, dict(positions="sinusoidal", width=9, heads=3), "make it even"),
    *(
        (ModelConfig, dict(position_offset=2, positions=kind), "=0 or positions=learned")
        for kind in ("none", "sinusoidal", "rope")
    ),
    (ModelConfig, dict(init="zero", residual=False), "set init=scaled or residual=true"),
    *(
        case
        for name in ("steps", "batch", "eval_every")
        for case in out_of_range(TrainConfig, name, f"{POSITIVE} and below 2^31", 0, -3, 2**31)
    ),
    *out_of_range(TrainConfig, "warmup", f"{NOT_NEGATIVE} and below 2^31", -1, 2**31),
    *out_of_range(TrainConfig, "clip", NOT_NEGATIVE, -0.5),
    *out_of_range(TrainConfig, "weight_decay", NOT_NEGATIVE, -0.1),
    *out_of_range(TrainConfig, "lr", "above 0", 0.0, -1e-3),
    *out_of_range(TrainConfig, "adam_lr", "above 0", 0.0),
    *out_of_range(TrainConfig, "final_lr", "between 0 and 1", -0.1, 1.1),
    *(
        case
        for name in ("beta1", "beta2", "momentum")
        for case in out_of_range(TrainConfig, name, BELOW_1, 1.0, -0.9)
    ),
    *out_of_range(TrainConfig, "seed", r"between 0 and 2^32 - 1", -1, 2**32),
    *(case for name in TRAIN_CHOICES for case in not_among(TrainConfig, name, TRAIN_CHOICES[name])),
    *not_of_type(TrainConfig, "steps", "int", 10.0, True, None),
    *not_of_type(TrainConfig, "lr", "float", "fast", None, True),
    *not_of_type(TrainConfig, "adam_lr", "float or None", "1e-3"),
    *not_of_type(TrainConfig, "clip", "finite number", math.inf),
    *out_of_range(DataConfig, "val_fraction", "above 0 and below 1", 0.0, 1.0, -0.1),
    *not_of_type(DataConfig, "corpus", "str", None, 3, ["fables"]),
    *not_of_type(DataConfig, "tokenizer", "str", None, True),
    *not_of_type(DataConfig, "digits", "bool", 1, "true"),
]


def name_of(part) -> str:
    return getattr(part, "__name__", str(part))


@pytest.mark.parametrize("kind, changes, cure", REFUSED, ids=name_of)
def test_a_refusal_names_the_field_the_value_and_the_cure(kind, changes, cure):
    with pytest.raises(InputError) as refusal:
        kind(**changes)
    message, (name, value) = str(refusal.value), next(iter(changes.items()))
    shown = (f"{name}={value!r}", f"{name}={value}")
    assert message.startswith(shown), message
    assert message.endswith(cure), message
    assert "\n" not in message
    for other, value in list(changes.items())[1:2]:  # what it disagrees with
        assert f"{other}={value}".lower() in message.lower(), message


@pytest.mark.parametrize(
    "changes",
    [
        dict(depth=0),
        dict(kv_heads=1),
        dict(width=1, heads=1),
        dict(vocab=1, context=1, mlp_width=1),
        dict(dropout=0.0),
        dict(dropout=0.99),
        dict(init_std=None, qkv_bias=None, mlp_bias=None, kv_heads=None, mlp_width=None),
        dict(head_width=3, width=7, heads=5),
        dict(positions="learned", position_offset=2),
        dict(positions="rope", width=6, heads=3),
        dict(positions="learned", width=9, heads=3),
        dict(init="zero", residual=False, depth=0),
        dict(init="zero", residual=True),
    ],
    ids=str,
)
def test_a_config_at_the_edge_of_sense_is_accepted(changes):
    config = ModelConfig(**changes)
    assert {name: getattr(config, name) for name in changes} == changes


def test_training_at_the_edge_of_sense_is_accepted():
    TrainConfig(steps=1, batch=1, warmup=0, clip=0, weight_decay=0, final_lr=0, eval_every=1)
    TrainConfig(final_lr=1, seed=2**32 - 1, beta1=0, beta2=0, momentum=0, adam_lr=None)


@KINDS
def test_every_number_is_checked(kind):
    """A field that a new line adds cannot be forgotten: no number may be anything at all."""
    for field in dataclasses.fields(kind):
        if isinstance(field.default, (bool, str)):
            continue
        for value in (-(10**9), math.nan, "x"):
            with pytest.raises(InputError, match=rf"^{field.name}="):
                kind(**{field.name: value})


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 100),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([word for words in CHOICES.values() for word in words.split(", ")]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)


@KINDS
@given(st.data())
def test_whatever_is_given_a_config_is_either_made_or_refused_in_one_line(kind, data):
    names = [field.name for field in dataclasses.fields(kind)]
    changes = data.draw(st.dictionaries(st.sampled_from(names), ANYTHING, max_size=3))
    try:
        config = kind(**changes)
    except InputError as refusal:
        assert "\n" not in str(refusal)
        assert any(name in str(refusal) for name in changes)
    else:
        assert from_json(kind, json.loads(json.dumps(to_json(config)))) == config


VALID = st.builds(
    dict,
    width=st.sampled_from((1, 7, 24, 64)),
    depth=st.integers(0, 3),
    heads=st.sampled_from((1, 2, 7)),
    kv_heads=st.sampled_from((None, 1, 2)),
    mlp_width=st.sampled_from((None, 5)),
    norm_epsilon=st.floats(1e-12, 1),
    residual=st.booleans(),
    positions=st.sampled_from(("none", "learned", "sinusoidal", "rope")),
    position_offset=st.sampled_from((0, 2)),
    mlp=st.sampled_from(("gelu", "swiglu", "none")),
    dropout=st.floats(0, 1, exclude_max=True),
    init=st.sampled_from(("plain", "scaled", "zero")),
    init_std=st.one_of(st.none(), st.floats(1e-6, 1)),
)


@given(VALID)
def test_a_config_that_is_accepted_fits_together(changes):
    """The conditions once more, in other words: what is accepted is what a model can be made of."""
    c = changes
    K, rest = divmod(c["width"], c["heads"])
    sensible = (
        rest == 0
        and c["heads"] % (c["kv_heads"] or 1) == 0
        and (c["positions"] != "rope" or K % 2 == 0)
        and (c["positions"] != "sinusoidal" or c["width"] % 2 == 0)
        and (c["position_offset"] == 0 or c["positions"] == "learned")
        and (c["init"] != "zero" or c["residual"] or c["depth"] == 0)
    )
    if not sensible:
        with pytest.raises(InputError):
            ModelConfig(**changes)
        return
    config = ModelConfig(**changes)
    sizes = config.sizes
    assert sizes["H"] * sizes["K"] == sizes["D"] == config.width
    assert sizes["H"] % sizes["G"] == 0
    assert sizes["R"] == 1 + 2 * sizes["N"]
    again = from_json(ModelConfig, json.loads(json.dumps(to_json(config))))
    assert again == config and hash(again) == hash(config)


# --- sizes ----------------------------------------------------------------------------------------


def test_sizes_follow_from_the_fields():
    config = ModelConfig(width=24, heads=6, kv_heads=3, mlp_width=10, vocab=17, depth=2)
    assert config.sizes == dict(D=24, H=6, G=3, K=4, F=10, V=17, N=2, R=5)
    assert ModelConfig(width=24, heads=6).sizes["G"] == 6


@pytest.mark.parametrize("mlp, F", [("gelu", 96), ("relu2", 96), ("swiglu", 64)])
def test_mlps_of_unset_width_have_about_equal_parameters(mlp, F):
    sizes = ModelConfig(width=24, mlp=mlp).sizes
    assert sizes["F"] == F
    matrices = 3 if mlp == "swiglu" else 2
    assert matrices * F == 2 * 4 * 24


# --- a config as a value --------------------------------------------------------------------------


@KINDS
def test_a_config_cannot_be_changed_but_can_be_varied(kind):
    config = kind()
    for field in dataclasses.fields(kind):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, field.name, field.default)
    assert kind() == config and hash(kind()) == hash(config)


def test_a_varied_config_is_checked_again():
    config = ModelConfig(width=64, heads=4)
    varied = dataclasses.replace(config, norm="rmsnorm", tied=True)
    assert (varied.norm, varied.tied, varied.width) == ("rmsnorm", True, 64)
    assert (config.norm, config.tied) == ("layernorm", False)
    assert varied != config and {config: "kept", varied: "too"}[config] == "kept"
    with pytest.raises(InputError, match=r"^heads=5 does not divide width=64: "):
        dataclasses.replace(config, heads=5)


@pytest.mark.parametrize(
    "kind, whole, real",
    [
        (ModelConfig, dict(dropout=0, rope_base=500), dict(dropout=0.0, rope_base=500.0)),
        (ModelConfig, dict(init_std=1), dict(init_std=1.0)),
        (TrainConfig, dict(clip=1, adam_lr=2), dict(clip=1.0, adam_lr=2.0)),
    ],
)
def test_a_whole_number_is_welcome_where_a_real_one_is_expected(kind, whole, real):
    one, other = kind(**whole), kind(**real)
    assert one == other and hash(one) == hash(other)
    assert json.dumps(to_json(one)) == json.dumps(to_json(other))
    assert all(type(getattr(one, name)) is float for name in whole)


# --- JSON -----------------------------------------------------------------------------------------

CHANGED = {
    ModelConfig: ModelConfig(kv_heads=2, norm="rmsnorm", tied=True, init_std=None, dropout=0.1),
    TrainConfig: TrainConfig(steps=7, adam_lr=3e-4, seed=2**32 - 1, loss="squared_error"),
    DataConfig: DataConfig(corpus="texts/Füße.txt", tokenizer="bpe", digits=True),
}


@KINDS
def test_json_and_back_gives_the_same_config(kind):
    for config in (kind(), CHANGED[kind]):
        values = to_json(config)
        assert set(values) == {"version", *(field.name for field in dataclasses.fields(kind))}
        again = from_json(kind, json.loads(json.dumps(values)))
        assert again == config and hash(again) == hash(config)


@KINDS
@pytest.mark.parametrize(
    "version", (0, SCHEMA_VERSION - 1, SCHEMA_VERSION + 1, None, str(SCHEMA_VERSION))
)
def test_json_of_another_version_is_refused(kind, version):
    words = rf"^here: {kind.__name__} version {version!r}, .* reads version {SCHEMA_VERSION}: \w"
    with pytest.raises(InputError, match=words):
        from_json(kind, to_json(kind()) | {"version": version}, "here")


def test_json_without_a_version_is_refused():
    values = to_json(ModelConfig())
    del values["version"]
    with pytest.raises(InputError, match=r"^config.json: ModelConfig version None, "):
        from_json(ModelConfig, values)


@KINDS
def test_json_that_lacks_any_field_is_refused(kind):
    for field in dataclasses.fields(kind):
        values = to_json(kind())
        del values[field.name]
        with pytest.raises(InputError, match=rf"^here: {kind.__name__} lacks .*'{field.name}': \w"):
            from_json(kind, values, "here")


@pytest.mark.parametrize(
    "kind, unknown, meant",
    [
        (ModelConfig, "n_heads", "heads"),
        (ModelConfig, "normm", "norm"),
        (TrainConfig, "stps", "steps"),
    ],
)
def test_json_with_an_unknown_field_is_refused_with_the_nearest_known_one(kind, unknown, meant):
    with pytest.raises(InputError) as refusal:
        from_json(kind, to_json(kind()) | {unknown: 1}, "here")
    message = str(refusal.value)
    assert message.startswith(f"here: {kind.__name__} has no field {unknown!r}")
    assert f"did you mean {meant!r}?" in message


def test_json_with_a_field_like_no_other_is_refused_with_all_known_ones():
    with pytest.raises(InputError) as refusal:
        from_json(ModelConfig, to_json(ModelConfig()) | {"zzz": 1}, "here")
    assert "'zzz'" in str(refusal.value) and "did you mean" not in str(refusal.value)
    assert all(field.name in str(refusal.value) for field in dataclasses.fields(ModelConfig))


@pytest.mark.parametrize("values", (None, [], "{}", 3), ids=str)
def test_json_that_is_no_object_is_refused(values):
    with pytest.raises(InputError, match=r"^here: expected a JSON object for TrainConfig: \w"):
        from_json(TrainConfig, values, "here")


def test_json_with_an_impossible_value_says_where_it_stands():
    with pytest.raises(InputError, match=r"^runs/a/config.json: heads=5 does not divide width=128"):
        from_json(ModelConfig, to_json(ModelConfig()) | {"heads": 5}, "runs/a/config.json")
    with pytest.raises(InputError, match=r"^config.json: width='128' is not a"):
        from_json(ModelConfig, to_json(ModelConfig()) | {"width": "128"})


@given(st.dictionaries(st.sampled_from(sorted(to_json(ModelConfig()))), ANYTHING, max_size=3))
def test_json_from_anyone_is_either_read_or_refused_in_one_line(changes):
    assume(changes)
    try:
        config = from_json(ModelConfig, to_json(ModelConfig()) | changes, "here")
    except InputError as refusal:
        assert str(refusal).startswith("here: ") and "\n" not in str(refusal)
    else:
        assert isinstance(config, ModelConfig)


# --- presets and the module -----------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_made_of_valid_configs_and_says_what_it_is_for(name):
    preset = PRESETS[name]
    assert dataclasses.replace(preset.model) == preset.model
    assert dataclasses.replace(preset.train) == preset.train
    assert preset.about and "\n" not in preset.about
    assert preset.tokenizer in ("char", "word", "bpe")
    assert preset.train.warmup <= preset.train.steps


def test_presets_are_what_they_say():
    demo, nanogpt, bigram = (PRESETS[name].model for name in ("demo", "nanogpt-cpu", "bigram"))
    assert (demo.depth, demo.norm, demo.norm_place) == (4, "rmsnorm", "pre")
    assert (nanogpt.depth, nanogpt.width, nanogpt.context) == (4, 128, 64)
    assert (PRESETS["nanogpt-cpu"].train.steps, PRESETS["nanogpt-cpu"].train.batch) == (2000, 12)
    assert bigram.depth == 0 and bigram.positions == "none"


def test_the_examples_in_the_docstrings_are_true():
    results = doctest.testmod(minitx.config)
    assert results.attempted and not results.failed


def test_config_does_not_import_jax():
    code = "import minitx.config, sys; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "minitx.config" in shown.stdout.split()
    assert not {"jax", "jaxlib", "flax", "optax", "numpy"} & set(shown.stdout.split())
