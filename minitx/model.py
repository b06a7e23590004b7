"""One causal transformer in which everything that the lessons argue about is a switch.

`Transformer.trace` is the forward pass and the record of it in one; `Block.write` shows every
ablation of the residual stream; the parts are in `layers.py`. Letters in names are dimensions;
`minitx/__init__.py` has their key.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from minitx.config import ModelConfig
from minitx.errors import InputError
from minitx.layers import HEADS, MLP, Attention, NoPositions, Sinusoids, Table, drop, make_norm

Params = dict[str, Any]  # nested dictionaries of arrays, as `model.params()` gives them


class Trace(NamedTuple):
    """Everything that happened in one forward pass.

    Stations of the stream: 0 after the embedding, 2n+1 after the attention of block n, 2n+2 after
    its MLP. With the residual on and norms not post, each station is the one before it plus an
    update; with it off, it is the update; post norms that sum.
    """

    token_BTD: jax.Array  # the embedding's token part
    position_BTD: jax.Array  # its position part; zero unless positions are added to the stream
    stream_RBTD: jax.Array
    attention_update_NBTD: jax.Array  # what each attention wrote to the stream
    mlp_update_NBTD: jax.Array  # what each MLP wrote; zero where there is none
    pattern_NBHTS: jax.Array  # attention weights; each row sums to 1
    key_NBSGK: jax.Array  # as attention used them: normed and rotated
    value_NBSGK: jax.Array
    before_final_norm_BTD: jax.Array  # the last station
    after_final_norm_BTD: jax.Array  # what the unembedding reads
    logits_BTV: jax.Array

    @property
    def states_LBTD(self):
        """The states by layer: the embedding, then the stream after each block."""
        return self.stream_RBTD[::2]


class Cache(NamedTuple):
    """Keys and values of the tokens read so far; the first `length` of the S slots are filled.

    One array (B, S, G, K) a block, not one for all, so that a step updates each in place.
    """

    keys: tuple[jax.Array, ...]
    values: tuple[jax.Array, ...]
    length: jax.Array


class Block(nnx.Module):
    """An attention and an MLP, each reading the residual stream and writing to it."""

    def __init__(self, config: ModelConfig, key: jax.Array):
        attention_key, mlp_key = jax.random.split(key)
        self.attention_norm = make_norm(config, "block")
        self.attention = Attention(config, attention_key)
        self.mlp_norm = make_norm(config, "block") if config.mlp != "none" else None
        self.mlp = MLP(config, mlp_key) if config.mlp != "none" else None
        self.config = config

    def write(self, x_BTD, norm, f, key):
        """Run one sublayer f: return the next station, the update y, and what f saw."""
        c = self.config
        y_BTD, seen = f(norm(x_BTD)) if c.norm_place != "post" else f(x_BTD)
        y_BTD = drop(y_BTD, c.dropout, key)
        x_BTD = x_BTD + y_BTD if c.residual else y_BTD
        return norm(x_BTD) if c.norm_place == "post" else x_BTD, y_BTD, seen

    def attend(self, x_BTD, position_T, past, key):
        pattern_key, update_key = (None, None) if key is None else jax.random.split(key)
        f = functools.partial(self.attention, position_T=position_T, past=past, key=pattern_key)
        return self.write(x_BTD, self.attention_norm, f, update_key)

    def feed(self, x_BTD, key):
        if self.mlp is None:  # the station exists, but nothing happens on the way to it
            return x_BTD, jnp.zeros_like(x_BTD), None
        return self.write(x_BTD, self.mlp_norm, lambda x: (self.mlp(x), None), key)


class Transformer(nnx.Module):
    """Tokens in, logits out: `model(tokens_BT)`, or `model.trace(tokens_BT)` to see everything.

    The key alone fixes the initial weights. Parts that two configs share start alike in both, so
    that ablations can be paired.
    """

    def __init__(self, config: ModelConfig, key: jax.Array | int = 0):
        c = config
        key = jax.random.key(key) if isinstance(key, int) else key
        embed, position, unembed, blocks = jax.random.split(key, 4)
        self.embedding = Table(c.vocab, c.width, c.init_std, embed)
        # Sinusoids have amplitude 1; Vaswani 2017 brings the tokens up to them.
        self.embedding_scale = math.sqrt(c.width) if c.positions == "sinusoidal" else 1.0
        if c.positions == "learned":
            rows = c.context + c.position_offset
            self.position = Table(rows, c.width, c.init_std, position)
        else:
            kind = Sinusoids if c.positions == "sinusoidal" else NoPositions
            self.position = kind(c.width)
        self.blocks = nnx.List([Block(c, jax.random.fold_in(blocks, n)) for n in range(c.depth)])
        self.final_norm = make_norm(c, "final")
        self.unembedding = None if c.tied else Table(c.vocab, c.width, c.init_std, unembed)
        self.head = HEADS[c.head]()
        self.config = c

    def __call__(self, tokens_BT, key=None):
        """Return the logits_BTV of the token after each position; a key switches dropout on."""
        return self.trace(tokens_BT, key).logits_BTV

    def trace(self, tokens_BT, key=None) -> Trace:
        """Run the forward pass and return everything that happened; a key switches dropout on.

        Under `jax.jit` the fields that nobody reads cost nothing: the compiler drops them.
        """
        position_T = self._positions(tokens_BT)
        token_BTD, position_BTD = self.embed(tokens_BT, position_T)
        embed_key, key = (None, None) if key is None else jax.random.split(key)
        x_BTD = drop(token_BTD + position_BTD, self.config.dropout, embed_key)
        stations, updates, seen = self._run(x_BTD, position_T, key=key)
        B, T, D = x_BTD.shape
        size = self.config.sizes
        after_final_norm_BTD = self.final_norm(stations[-1])
        return Trace(
            token_BTD=token_BTD,
            position_BTD=position_BTD,
            stream_RBTD=jnp.stack(stations),
            attention_update_NBTD=_stack(updates[0::2], (B, T, D)),
            mlp_update_NBTD=_stack(updates[1::2], (B, T, D)),
            pattern_NBHTS=_stack([s.pattern_BHTS for s in seen], (B, size["H"], T, T)),
            key_NBSGK=_stack([s.key_BSGK for s in seen], (B, T, size["G"], size["K"])),
            value_NBSGK=_stack([s.value_BSGK for s in seen], (B, T, size["G"], size["K"])),
            before_final_norm_BTD=stations[-1],
            after_final_norm_BTD=after_final_norm_BTD,
            logits_BTV=self.unembed(after_final_norm_BTD),
        )

    def continue_from(self, station: int, stream_BTD):
        """Return the logits_BTV that follow if the stream at `station` is `stream_BTD`.

        Every intervention is trace, edit, continue. Raises InputError for a station that does not
        exist.
        """
        last = self.config.sizes["R"] - 1
        if not 0 <= station <= last:
            raise InputError(f"station {station} does not exist: choose from 0 to {last}")
        stations, _, _ = self._run(stream_BTD, jnp.arange(stream_BTD.shape[1]), first=station)
        return self.readout(stations[-1])

    def readout(self, x_BTD):
        """Return the logits_BTV of any states: final norm, then unembedding."""
        return self.unembed(self.final_norm(x_BTD))

    def unembed(self, x_BTD):
        """Return the logits_BTV: the head compares each state with each row of the unembedding."""
        x_ZD = x_BTD.reshape(-1, x_BTD.shape[-1])  # two axes, as in Linear
        return self.head(x_ZD, self.unembedding_VD).reshape(*x_BTD.shape[:-1], -1)

    @property
    def unembedding_VD(self):
        """The rows that states are compared with; a tied model uses those of the embedding."""
        return (self.embedding if self.unembedding is None else self.unembedding).table[...]

    def logit_terms(self, trace: Trace):
        """Take the logits apart: return terms_CBTV, which add up to them over C.

        C is 2N + 3: token, position, then attention and MLP of each block in turn, then the final
        norm's bias. The final norm divides each state by one number; once that is known, it is
        linear. Raises InputError if the last state is not a sum of updates: with post norms, or
        without residual connections. Raises InputError too for a head that is not linear.
        """
        c = self.config
        if c.head != "dot":
            raise InputError(
                f"head={c.head}: the logits are not linear in the last state, so they have no "
                "terms: use head=dot"
            )
        if c.depth and (c.norm_place == "post" or not c.residual):
            raise InputError(
                f"norm_place={c.norm_place} with residual={c.residual}: the last state is not the "
                "sum of the updates, so its logits have no terms: use pre or final, and a residual"
            )
        parts = [trace.token_BTD, trace.position_BTD]
        for n in range(c.depth):
            parts += [trace.attention_update_NBTD[n], trace.mlp_update_NBTD[n]]
        x_BTD = trace.before_final_norm_BTD
        terms = [self.unembed(self.final_norm.frozen(part_BTD, x_BTD)) for part_BTD in parts]
        bias_BTD = trace.after_final_norm_BTD - self.final_norm.frozen(x_BTD, x_BTD)
        return jnp.stack([*terms, self.unembed(bias_BTD)])

    def empty_cache(self, batch: int, slots: int) -> Cache:
        """Return an empty cache for `slots` tokens S of each of `batch` sequences."""
        size = self.config.sizes
        dtype = self.embedding.table.dtype
        empty = jnp.zeros((batch, slots, size["G"], size["K"]), dtype)
        return Cache((empty,) * self.config.depth, (empty,) * self.config.depth, jnp.int32(0))

    def extend(self, tokens_BT, cache: Cache):
        """Return the logits_BTV of tokens that follow those in the cache, and the longer cache."""
        position_T = cache.length + jnp.arange(tokens_BT.shape[1])
        x_BTD = sum(self.embed(tokens_BT, position_T))
        stations, _, seen = self._run(x_BTD, position_T, past=cache)
        grown = Cache(
            tuple(s.key_BSGK for s in seen),
            tuple(s.value_BSGK for s in seen),
            cache.length + tokens_BT.shape[1],
        )
        return self.readout(stations[-1]), grown

    def embed(self, tokens_BT, position_T):
        """Return the two parts of station 0: token_BTD and position_BTD."""
        token_BTD = self.embedding(tokens_BT) * self.embedding_scale
        position_TD = self.position(position_T + self.config.position_offset)
        position_TD = position_TD.astype(token_BTD.dtype)  # states are of the weights' type
        return token_BTD, jnp.broadcast_to(position_TD[None], token_BTD.shape)

    def _positions(self, tokens_BT):
        T, context = tokens_BT.shape[1], self.config.context
        if context < T:
            raise InputError(f"{T} tokens are longer than the context of {context}: shorten them")
        return jnp.arange(T)

    def _run(self, x_BTD, position_T, first: int = 0, past=None, key=None):
        """Run sublayers `first` to 2N-1: return the stations, the updates, what attention saw."""
        stations, updates, seen = [x_BTD], [], []
        for r in range(first, 2 * self.config.depth):
            block = self.blocks[r // 2]
            sub_key = None if key is None else jax.random.fold_in(key, r)
            if r % 2 == 0:
                block_past = past and (past.keys[r // 2], past.values[r // 2])
                x_BTD, y_BTD, s = block.attend(x_BTD, position_T, block_past, sub_key)
                seen.append(s)
            else:
                x_BTD, y_BTD, _ = block.feed(x_BTD, sub_key)
            stations.append(x_BTD)
            updates.append(y_BTD)
        return stations, updates, seen

    # --- parameters as plain nested dictionaries, for optax, jit, vmap and files --------------

    def params(self) -> Params:
        """Return the parameters as nested dictionaries of arrays."""
        return nnx.to_pure_dict(nnx.state(self, nnx.Param))

    @classmethod
    def of(cls, config: ModelConfig, params: Params) -> "Transformer":
        """Return the model with these parameters; cheap, and works under jit, grad and vmap."""
        return nnx.merge(_graph(config), params)


@functools.cache
def _graph(config: ModelConfig):
    return nnx.split(nnx.eval_shape(lambda: Transformer(config)))[0]


def init_params(config: ModelConfig, key: jax.Array) -> Params:
    """Return the parameters of an untrained model."""
    return Transformer(config, key).params()


def _stack(arrays: list, shape: tuple[int, ...]):
    """Stack arrays along a new first axis; a model without blocks gets (0, *shape)."""
    return jnp.stack(arrays) if arrays else jnp.zeros((0, *shape))
