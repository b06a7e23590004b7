"""The way through the model, measured on made-up models whose answers are known."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_measurements import CONFIG, numbers, reading

from minitx import measure
from minitx.config import ModelConfig, TrainConfig
from minitx.evidence import passes, pipeline, positions
from minitx.evidence.claims import known_claims
from minitx.evidence.evidence import Evidence, Untestable
from minitx.evidence.judging import EVIDENCE  # all claims
from minitx.evidence.reading import Reading
from minitx.model import Transformer, init_params

# --- A7, B9 ---------------------------------------------------------------------------------------


def test_how_far_each_sublayer_moves_the_state_is_found():
    """Attention doubles every state, the MLPs of the two blocks add 30 % and 20 %."""
    x_TD = np.random.default_rng(0).standard_normal((5, 8))
    factors = np.cumprod([1, 2, 1.3, 2, 1.2])
    stations_RBTD = np.array([[factor * x_TD] for factor in factors])
    made = SimpleNamespace(
        trace=SimpleNamespace(stream_RBTD=stations_RBTD), config=SimpleNamespace(depth=2)
    )
    found = EVIDENCE["A7"].measure(made, 0)
    assert found["least_attention"] == pytest.approx(1)
    assert found["least_mlp"] == pytest.approx(0.2)
    assert found["layers"] == 2 and found["fewest_on_record"] == 6


def test_a_model_without_mlps_refutes_that_each_layer_has_one():
    found = numbers("A7", mlp="none")
    assert found["least_mlp"] == 0 < found["least_attention"]
    assert EVIDENCE["A7"].rule(**found) == "refuted"


def test_the_shape_of_the_table_is_found():
    found = numbers("B9", width=6, heads=3, head_width=2)
    assert (found["rows"], found["width"], found["ratio"]) == (11, 6, 11 / 6)
    assert found["least_on_record"] == pytest.approx(3.9, abs=0.05)


# --- C12 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "switches",
    [
        {"positions": "learned"}, {"positions": "learned", "position_offset": 2},
        {"positions": "sinusoidal"}, {"positions": "rope"}, {"positions": "none"},
    ],
    ids=str,
)  # fmt: skip
def test_the_first_state_is_a_row_and_a_vector_for_its_place(switches):
    found = numbers("C12", **switches)
    assert found["error"] < 1e-6
    adds = switches["positions"] in ("learned", "sinusoidal")
    assert (found["share_of_position"] > 0.01) == (found["error_of_row_alone"] > 0.01) == adds


def test_an_answer_that_leaves_something_out_is_found(monkeypatch):
    """Station 0 has a part along a channel that neither table knows, half as long as the rest."""
    seen = reading()
    stations_RBTD = np.array(seen.trace.stream_RBTD)
    length = np.sqrt(np.mean(np.sum(stations_RBTD[0, 1] ** 2, axis=-1)))
    stations_RBTD[0, 1, :, 0] += length / 2
    made = SimpleNamespace(model=seen.model, tokens_WT=seen.tokens_WT,
                           trace=SimpleNamespace(stream_RBTD=stations_RBTD))  # fmt: skip
    found = EVIDENCE["C12"].measure(made, 1)
    assert 0.4 < found["error"] < 0.6
    assert EVIDENCE["C12"].rule(**found) == "refuted"


# --- B3 -------------------------------------------------------------------------------------------

SWITCHES = [
    {}, {"norm": "rmsnorm", "positions": "rope", "mlp": "swiglu", "kv_heads": 1},
    {"norm_place": "post", "bias": True}, {"norm_place": "final"}, {"residual": False},
    {"norm": "none"}, {"mlp": "none", "tied": True}, {"positions": "sinusoidal", "qk_norm": True},
]  # fmt: skip


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_the_steps_with_norms_and_residual_connections_give_the_predictions(switches):
    assert abs(numbers("B3", **switches)["error"]) < 1e-6


def test_what_the_list_leaves_out_is_told_apart():
    bare = numbers("B3", norm="none", residual=False)
    assert bare["the_list_alone"] == 1
    without_norms = numbers("B3", norm="none")
    assert without_norms["with_residual"] == 1 > without_norms["the_list_alone"]
    without_residual = numbers("B3", residual=False)
    assert without_residual["with_norms"] == 1 > without_residual["the_list_alone"]
    whole = numbers("B3")
    assert whole["the_list_alone"] < 0.99 > whole["with_norms"]
    assert whole["with_residual"] < 0.99
    tokens_T = reading().trace.logits_BTV[1].argmax(-1)
    assert whole["commonest"] == max(np.mean(tokens_T == token) for token in range(11))


def test_other_predictions_are_found():
    seen = reading()
    made = Reading(reading(norm="none").model, seen.tokens_WT, seen.text_W)
    made.trace = seen.trace
    assert EVIDENCE["B3"].measure(made, 1)["error"] > 0.01


def test_a_state_that_overflows_agrees_with_nothing(monkeypatch):
    whole = pipeline.way_through

    def overflowing(config, params, first_TD, norms_B, residual_B):
        logits_BTV = whole(config, params, first_TD, norms_B, residual_B)
        return jnp.where(norms_B[:, None, None], logits_BTV, jnp.nan)

    monkeypatch.setattr(pipeline, "way_through", overflowing)
    found = numbers("B3")
    assert found["the_list_alone"] == found["with_residual"] == 0 and abs(found["error"]) < 1e-6


# --- B15 ------------------------------------------------------------------------------------------


def test_the_story_are_claims_of_its_lessons_that_one_model_can_be_asked():
    assert len(set(positions.STORY)) == len(positions.STORY)
    for id in positions.STORY:
        lessons = known_claims()[id]["lesson"].split(", ")
        assert EVIDENCE[id].of == "windows" and set(lessons) & {f"L0{n}" for n in range(4, 10)}


def test_verdicts_that_change_are_counted(monkeypatch):
    """Of four verdicts one differs between the kinds, and three or two without positions."""
    told = {"none": ["a", "b", "b", "b"], "x": ["a", "a", "a", "a"], "y": ["a", "a", "a", "b"]}
    monkeypatch.setattr(positions, "story", lambda family, seed: told[family.name])
    families = [
        SimpleNamespace(name=name, val_losses=np.array([[9, 9], [8, loss]]))
        for name, loss in {"none": 2.5, "x": 2.0, "y": 2.2}.items()
    ]
    found = EVIDENCE["B15"].measure(1, *families)
    assert found["changed_without"] == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert found["changed_by_kind"] == 1 / 4
    assert found["loss_without"] == pytest.approx(0.4)


def test_the_story_is_what_rules_say_of_the_means(monkeypatch):
    def above(size):
        return "supported" if size > 1 else "refuted"

    def impossible(reading, window):
        raise Untestable("no")

    claims = {
        "X1": Evidence("X1", lambda r, w: {"size": [0, 9][w % 2]}, above, "", ""),
        "X2": Evidence("X2", lambda r, w: {"size": r}, above, "", ""),
        "X3": Evidence("X3", impossible, above, "", ""),
    }
    monkeypatch.setattr(positions, "EVIDENCE", claims)
    monkeypatch.setattr(positions, "STORY", tuple(claims))
    monkeypatch.setattr(
        positions, "read_held_out", lambda model, family: SizedReading(model, ["one"] * 4)
    )
    family = SimpleNamespace(models=[0.5, 2.0])
    assert positions.story(family, 0) == ["supported", "refuted", "untested"]
    assert positions.story(family, 1) == ["supported", "supported", "untested"]


class SizedReading(float):
    """A number that has windows."""

    def __new__(cls, size, text_W):
        made = super().__new__(cls, size)
        made.text_W = text_W
        return made


# --- B17, B19 -------------------------------------------------------------------------------------


def counting_model(V=11) -> Transformer:
    """A model that predicts the token after its own: 4 after 3, and 0 after the last."""
    config = ModelConfig(
        width=V, heads=1, depth=0, context=13, vocab=V, norm="none", positions="none"
    )
    params = init_params(config, jax.random.key(0))
    params["embedding"]["table"] = jnp.eye(V)
    params["unembedding"]["table"] = jnp.roll(jnp.eye(V), 1, axis=0)
    return Transformer.of(config, params)


def test_a_loop_by_hand_appends_what_it_predicts():
    model = counting_model()
    found_BT = passes.continue_by_hand(model, np.array([[5, 3], [0, 9]]), 4)
    assert found_BT.tolist() == [[4, 5, 6, 7], [10, 0, 1, 2]]
    made = Reading(model, np.array([[1, 2, 3, 4, 5, 6, 7], [3, 3, 3, 3, 3, 3, 3]]), ["one"] * 2)
    found = EVIDENCE["B17"].measure(made)
    assert found == {"same": 1, "same_without_appending": 1 / 4}


@pytest.mark.parametrize("positions", ["rope", "learned"])
def test_the_loop_makes_the_tokens_of_the_library(positions, monkeypatch):
    assert numbers("B17", positions=positions)["same"] == 1
    library = passes.generate

    def one_in_seven_differs(*arguments, **settings):
        made_BT = np.concatenate(list(library(*arguments, **settings)), axis=1)
        made_BT[:, 3] += 1
        return [made_BT]

    monkeypatch.setattr(passes, "generate", one_in_seven_differs)
    assert numbers("B17", positions=positions)["same"] == pytest.approx(6 / 7)


@pytest.mark.parametrize("first", [0, -1])
def test_a_step_learns_from_the_chosen_predictions(first):
    config = dataclasses.replace(CONFIG, depth=1, context=6)
    recipe = TrainConfig(optimizer="sgd", momentum=0.0, lr=0.5, warmup=0, clip=0, weight_decay=0,
                         decay="constant", steps=5)  # fmt: skip
    params = init_params(config, jax.random.key(3))
    tokens_BT = np.random.default_rng(4).integers(0, 11, (5, 7))

    def surprise(params):
        logits_BTV = Transformer.of(config, params)(tokens_BT[:, :-1])
        log_p_BTV = jax.nn.log_softmax(logits_BTV)
        right_BT = jnp.take_along_axis(log_p_BTV, tokens_BT[:, 1:, None], axis=-1)[..., 0]
        return -right_BT[:, first:].mean()

    gradient = jax.grad(surprise)(params)
    expected = jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient)
    found = passes.learn(config, recipe, first, params, tokens_BT[None])
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_every_position_teaches_more_than_the_last(monkeypatch):
    """A text that repeats: and the loss is that of the last position, on text held out."""
    monkeypatch.setattr(passes, "PASSES", 12)
    config = dataclasses.replace(CONFIG, depth=1, context=6)
    tokens = np.tile(np.arange(11), 30)
    family = SimpleNamespace(
        config=config,
        untrained=[None, Transformer(config, 7)],
        data=SimpleNamespace(train_tokens=tokens, val_tokens=tokens[5:80]),
    )
    found = EVIDENCE["B19"].measure(1, family)
    assert found["predictions"] == 6
    assert found["loss_every"] < found["loss_last"] < np.log(11) + 0.1


def test_the_loss_of_each_prediction_is_what_it_says():
    model = counting_model()
    tokens_BT = np.array([[3, 4, 5, 9]])
    expected = -measure.log_softmax(np.eye(11)[0])
    found_BT = passes.losses(model.config, model.params(), tokens_BT)
    assert found_BT.tolist()[0] == pytest.approx([expected[0], expected[0], expected[1]])
