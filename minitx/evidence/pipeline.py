"""What happens to a text between going in and coming out as a prediction?"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from minitx import measure
from minitx.config import ModelConfig
from minitx.evidence.evidence import Untestable, evidence, three_way
from minitx.evidence.reading import Reading
from minitx.model import Params, Transformer

# Layers of published models, by their papers and configurations: Biderman 2023 (Pythia), Radford
# 2019 (GPT-2), Zhang 2022 (OPT), config.json (SmolLM2), Jiang 2023 (Mistral), Touvron 2023 (Llama
# 2), Brown 2020 (GPT-3), Llama team 2024 (Llama 3.1).
LAYERS = {
    "Pythia 70M": 6,
    "GPT-2 124M": 12,
    "OPT 125M": 12,
    "SmolLM2 135M": 30,
    "GPT-2 1.5B": 48,
    "Mistral 7B": 32,
    "Llama 2 70B": 80,
    "GPT-3 175B": 96,
    "Llama 3.1 405B": 126,
}
# Rows and width of the embedding of published models, by the same sources.
TABLES = {
    "GPT-2 124M": (50257, 768),
    "OPT 125M": (50272, 768),
    "SmolLM2 135M": (49152, 576),
    "Mistral 7B": (32000, 4096),
    "Llama 2 70B": (32000, 8192),
    "GPT-3 175B": (50257, 12288),
    "Llama 3.1 405B": (128256, 16384),
}
POSITIONS = 24  # of a window that are recomputed, so that a large model takes seconds
ROUNDING = 1e-4  # of a vector's length, or nats: what float32 leaves uncertain


def sublayer_steps(reading: Reading, window: int) -> np.ndarray:
    """Return how far each attention and each MLP moves the state, in units of its length: step_XN.

    X is attention or MLP; medians over tokens, without position 0.
    """
    stations_RTD = np.asarray(reading.trace.stream_RBTD[:, window, 1:], np.float64)
    before_NTD, after_NTD = stations_RTD[:-1], stations_RTD[1:]
    length_NT = np.maximum(measure.norms(before_NTD), 1e-30)
    step_N = np.median(measure.norms(after_NTD - before_NTD) / length_NT, axis=1)
    return step_N.reshape(-1, 2).T


def a7(fewest_on_record, most_on_record, layers, least_attention, least_mlp):
    """The number of layers is a matter of record: models that were published decide it, and one
    more model can only add to them. Whether each layer is an attention and an MLP is measured on
    this model. Each should move the state by at least 1 % of its length, because less makes no new
    state. An attention or an MLP that moves the state by 0.01 % or less does nothing. Supported if
    the smallest model on record has at least 32 layers, the largest has more than 100, and each
    attention and each MLP moves the state by at least 1 % of its length. Refuted if the smallest
    model on record has fewer than 32 layers and the largest has at most 100, or if an attention or
    an MLP moves the state by 0.01 % of its length or less."""
    small, large = fewest_on_record >= 32, most_on_record > 100
    least = min(least_attention, least_mlp)
    return three_way(
        supported=small and large and least >= 0.01,
        refuted=(not small and not large) or least <= 1e-4,
    )


@evidence(
    "A7",
    rule=a7,
    baseline="a sublayer that does nothing: it moves the state by 0",
    sentence="On record, models have from {fewest_on_record:.0f} (Pythia 70M) to "
    "{most_on_record:.0f} layers (Llama 3.1 405B). The model that is judged here has {layers:.0f}. "
    "In each of its layers, the attention moves the state by at least {least_attention:.1%} of the "
    "state's length, and the MLP by at least {least_mlp:.1%}.",
)
def measure_a7(reading: Reading, window: int) -> dict[str, float]:
    if not reading.config.depth:
        raise Untestable("it has no blocks")
    attention_N, mlp_N = sublayer_steps(reading, window)
    return {
        "fewest_on_record": float(min(LAYERS.values())),
        "most_on_record": float(max(LAYERS.values())),
        "layers": float(reading.config.depth),
        "least_attention": float(attention_N.min()),
        "least_mlp": float(mlp_N.min()),
    }


def first_station(model: Transformer, tokens_T) -> tuple[np.ndarray, np.ndarray]:
    """Return token_TD and position_TD, written out from the tables: their sum is station 0."""
    c = model.config
    place_T = np.arange(len(tokens_T))
    token_TD = np.asarray(model.embedding.table[...], np.float64)[np.asarray(tokens_T)]
    position_TD = np.zeros_like(token_TD)
    if c.positions == "learned":
        position_TD = np.asarray(model.position.table[...], np.float64)[place_T + c.position_offset]
    if c.positions == "sinusoidal":  # Vaswani 2017, sections 3.4 and 3.5
        token_TD = token_TD * math.sqrt(c.width)
        angle_TK = place_T[:, None] / 10000.0 ** (np.arange(0, c.width, 2) / c.width)
        position_TD[:, 0::2], position_TD[:, 1::2] = np.sin(angle_TK), np.cos(angle_TK)
    return token_TD, position_TD


def c12(error, error_of_row_alone, share_of_position):
    """The claim is a question, and this is the answer. A token becomes its row of the table,
    multiplied by a constant if the model scales it. Some models also add a vector for its place.
    Nothing else is computed, so the sum is the first state. The check allows 0.0001 of the state's
    length for the rounding of float32. By algebra if the sum is off by less than 0.0001 of the
    state's length. Refuted if the sum is off by 0.0001 or more of the state's length."""
    return "by algebra" if error < ROUNDING else "refuted"


@evidence(
    "C12",
    rule=c12,
    baseline="none: it holds for any table",
    sentence="The first state is the token's row of the table plus a vector for its place: the sum "
    "is off by {error:.1g} of the state's length, the row alone by {error_of_row_alone:.2g}. The "
    "vectors for the place have {share_of_position:.0%} of the squared length of both (0 if "
    "positions enter later, as with RoPE).",
    species=("positions-learned",),
)
def measure_c12(reading: Reading, window: int) -> dict[str, float]:
    token_TD, position_TD = first_station(reading.model, reading.tokens_WT[window])
    state_TD = np.asarray(reading.trace.stream_RBTD[0, window], np.float64)
    length = np.sqrt(np.mean(state_TD**2))
    position, token = np.mean(position_TD**2), np.mean(token_TD**2)

    def error(answer_TD) -> float:
        return float(np.sqrt(np.mean((answer_TD - state_TD) ** 2)) / length)

    return {
        "error": error(token_TD + position_TD),
        "error_of_row_alone": error(token_TD),
        "share_of_position": float(position / (position + token)),
    }


def b9(rows, width, ratio, least_on_record):
    """The number of rows of this model's table is divided by its width. Far taller means ten times,
    an order of magnitude. The flattest table on record is shown for comparison and does not decide.
    Supported if the table is at least 10 times as tall as wide. Refuted if the table is not taller
    than wide."""
    return three_way(supported=ratio >= 10, refuted=ratio <= 1)


@evidence(
    "B9",
    rule=b9,
    baseline="a square table: as many rows as numbers in a row",
    sentence="The table has {rows:.0f} rows of width {width:.0f}: it is {ratio:.1f} times as tall "
    "as wide. The flattest on record is {least_on_record:.1f} times as tall as wide (Llama 2 70B).",
    of="model",
    species=("bpe",),
)
def measure_b9(reading: Reading) -> dict[str, float]:
    rows, width = reading.embedding_VD.shape
    return {
        "rows": float(rows),
        "width": float(width),
        "ratio": rows / width,
        "least_on_record": min(height / across for height, across in TABLES.values()),
    }


@functools.partial(jax.jit, static_argnums=0)
def way_through(config: ModelConfig, params: Params, first_TD, norms_B, residual_B):
    """Return the logits_BTV by the article's steps, B times: with norms or without, and with
    residual connections or without.

    The steps: the first station, then for each block attention and MLP, then a dot product with
    each row of the unembedding. Norms and residual connections that the model lacks stay away.
    """
    model = Transformer.of(config, params)
    place_T = jnp.arange(len(first_TD))
    norms_B11 = norms_B[:, None, None]
    residual_B11 = residual_B[:, None, None] & config.residual
    x_TD = first_TD.astype(model.embedding.table.dtype)
    x_BTD = jnp.broadcast_to(x_TD, (len(norms_B), *x_TD.shape))

    def if_there(norm, x_BTD):
        return jnp.where(norms_B11, norm(x_BTD), x_BTD)

    def sublayer(x_BTD, norm, f):
        is_post = config.norm_place == "post"
        y_BTD = f(x_BTD if is_post else if_there(norm, x_BTD))
        x_BTD = jnp.where(residual_B11, x_BTD + y_BTD, y_BTD)
        return if_there(norm, x_BTD) if is_post else x_BTD

    for block in model.blocks:
        attend = functools.partial(block.attention, position_T=place_T)
        x_BTD = sublayer(x_BTD, block.attention_norm, lambda x, attend=attend: attend(x)[0])
        if block.mlp is not None:
            x_BTD = sublayer(x_BTD, block.mlp_norm, block.mlp)
    return if_there(model.final_norm, x_BTD) @ model.unembedding_VD.T


def b3(error, the_list_alone, with_norms, with_residual, commonest):
    """The steps of the list are carried out with the model's weights. The list names neither norm
    layers, such as LayerNorm, nor residual connections, the additions around each attention and
    each MLP. If the list is the way through, it chooses the model's token without them, at 99 % of
    the positions or more. With norm layers and residual connections added, the steps should give
    the model's predictions. The check for this allows 0.0001 nats for rounding. Supported if the
    check holds, and the list alone chooses the model's token at 99 % of the positions or more.
    Refuted if the check fails: the steps are off by more than 0.0001 nats even with norm layers and
    residual connections. Qualified if the check holds, but the list alone chooses the model's token
    at less than 99 % of the positions: then the list leaves out what the way through depends on."""
    return three_way(supported=the_list_alone >= 0.99, refuted=error > ROUNDING)


@evidence(
    "B3",
    rule=b3,
    baseline="always naming the token that the model names most often",
    sentence="With norm layers and residual connections, the article's steps give the model's "
    "predictions (off by {error:z.0g} nats). The list names neither of them. The list alone "
    "chooses the model's token at {the_list_alone:.0%} of positions, with norm layers at "
    "{with_norms:.0%}, with residual connections at {with_residual:.0%}. Always naming the same "
    "token is right at {commonest:.0%}.",
)
def measure_b3(reading: Reading, window: int) -> dict[str, float]:
    if not reading.config.depth:
        raise Untestable("it has no blocks")
    model, tokens_T = reading.model, reading.tokens_WT[window, :POSITIONS]
    first_TD = sum(first_station(model, tokens_T)).astype(np.float32)
    norms_B, residual_B = np.array([[1, 0, 1, 0], [1, 0, 0, 1]], bool)
    found_BTV = way_through(reading.config, model.params(), first_TD, norms_B, residual_B)
    found_BTV = np.asarray(found_BTV, np.float64)
    expected_TV = np.asarray(reading.trace.logits_BTV[window, :POSITIONS], np.float64)
    top_T = expected_TV.argmax(axis=-1)
    is_finite_BT = np.isfinite(found_BTV).all(axis=-1)  # without norms, states may overflow
    agree_B = (is_finite_BT & (found_BTV.argmax(axis=-1) == top_T)).mean(axis=-1)
    return {
        "error": float(measure.kl(expected_TV, found_BTV[0]).mean()),
        "the_list_alone": float(agree_B[1]),
        "with_norms": float(agree_B[2]),
        "with_residual": float(agree_B[3]),
        "commonest": float(np.bincount(top_T).max() / len(top_T)),
    }
