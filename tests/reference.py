"""The model a second time: slow, obvious, in plain numpy float64, sharing no code with minitx.

Written from the meaning of the config's fields and the names of the parameters alone. It takes one
sequence at a time, one position at a time, one head at a time, and one switch at a time.
"""

import math

import numpy as np


def run(config, params, tokens_BT):
    """All that `Transformer.trace` records, by the same names: logits, stations and the rest."""
    params = as_float64(params)
    records = [run_one(config, params, tokens_T) for tokens_T in np.asarray(tokens_BT)]
    return {
        name: np.stack([record[name] for record in records], axis=name.split("_")[-1].index("B"))
        for name in records[0]
    }


def as_float64(params):
    if isinstance(params, dict):
        return {name: as_float64(value) for name, value in params.items()}
    return np.asarray(params, dtype=np.float64)


def run_one(c, params, tokens_T):
    """One sequence; the arrays lack the letter B."""
    token_TD = np.array([params["embedding"]["table"][token] for token in tokens_T])
    if c.positions == "sinusoidal":  # Vaswani 2017, section 3.4
        token_TD = token_TD * math.sqrt(c.width)
    position_TD = np.array([position_vector(c, params, t) for t in range(len(tokens_T))])
    x_TD = token_TD + position_TD

    stations, attention_updates, mlp_updates, patterns, keys, values = [x_TD], [], [], [], [], []
    for n in range(c.depth):
        block = params["blocks"][n]
        x_TD, y_TD, seen = sublayer(c, block, "attention", attention, x_TD)
        stations.append(x_TD)
        attention_updates.append(y_TD)
        for kept, new in zip((patterns, keys, values), seen, strict=True):
            kept.append(new)
        if c.mlp == "none":
            y_TD = np.zeros_like(x_TD)
        else:
            x_TD, y_TD, _ = sublayer(c, block, "mlp", mlp, x_TD)
        stations.append(x_TD)
        mlp_updates.append(y_TD)

    final_TD = x_TD
    if c.norm_place in ("pre", "final"):
        final_TD = norm(c, params.get("final_norm"), x_TD)
    return {
        "token_BTD": token_TD,
        "position_BTD": position_TD,
        "stream_RBTD": np.array(stations),
        "attention_update_NBTD": np.array(attention_updates),
        "mlp_update_NBTD": np.array(mlp_updates),
        "pattern_NBHTS": np.array(patterns),
        "key_NBSGK": np.array(keys),
        "value_NBSGK": np.array(values),
        "before_final_norm_BTD": x_TD,
        "after_final_norm_BTD": final_TD,
        "logits_BTV": unembed(c, params, final_TD),
    }


def position_vector(c, params, t):
    """What is added to the token at position t."""
    if c.positions == "learned":
        return params["position"]["table"][t + c.position_offset]
    vector_D = np.zeros(c.width)
    if c.positions == "sinusoidal":
        for d in range(0, c.width, 2):
            angle = t / 10000 ** (d / c.width)
            vector_D[d], vector_D[d + 1] = math.sin(angle), math.cos(angle)
    return vector_D


def sublayer(c, block, name, f, x_TD):
    """The next station, the update, and what f saw: where the norm stands, and the residual."""

    def block_norm(x_TD):
        return norm(c, block.get(f"{name}_norm"), x_TD)

    if c.norm_place == "pre":
        y_TD, seen = f(c, block[name], block_norm(x_TD))
        return (x_TD + y_TD if c.residual else y_TD), y_TD, seen
    if c.norm_place == "post":
        y_TD, seen = f(c, block[name], x_TD)
        return block_norm(x_TD + y_TD if c.residual else y_TD), y_TD, seen
    if c.norm_place == "final":
        y_TD, seen = f(c, block[name], x_TD)
        return (x_TD + y_TD if c.residual else y_TD), y_TD, seen


def norm(c, weights, x_TD):
    """Every position by itself."""
    if c.norm == "none":
        return x_TD
    out_TD = np.zeros_like(x_TD)
    for t, x_D in enumerate(x_TD):
        if c.norm == "layernorm":
            x_D = x_D - sum(x_D) / len(x_D)
        out_TD[t] = x_D / math.sqrt(sum(x_D**2) / len(x_D) + c.norm_epsilon)
        if c.norm_gain:
            out_TD[t] = out_TD[t] * weights["gain"]
        if c.norm_gain and c.norm == "layernorm" and c.bias:
            out_TD[t] = out_TD[t] + weights["bias"]
    return out_TD


def unembed(c, params, x_TD):
    """The logits, from what stands after the final norm."""
    rows_VD = params["embedding" if c.tied else "unembedding"]["table"]
    return np.array([[head(c, params, x_D, row_D) for row_D in rows_VD] for x_D in x_TD])


def head(c, params, x_D, row_D):
    """The logit of one token."""
    if c.head == "dot":
        return x_D @ row_D
    if c.head == "cosine":
        lengths = math.sqrt(x_D @ x_D) * math.sqrt(row_D @ row_D)
        return params["head"]["scale"] * (x_D @ row_D) / lengths
    if c.head == "distance":
        return -sum((x_D - row_D) ** 2) / 2


def attention(c, weights, x_TD):
    """The update, and (pattern, keys, values)."""
    T, K, G = len(x_TD), c.head_width or c.width // c.heads, c.kv_heads or c.heads
    bias = c.bias if c.qkv_bias is None else c.qkv_bias
    query_THK = linear(weights["query"], x_TD, bias).reshape(T, c.heads, K)
    key_SGK = linear(weights["key"], x_TD, bias).reshape(T, G, K)
    value_SGK = linear(weights["value"], x_TD, bias).reshape(T, G, K)
    for t in range(T):
        for h in range(c.heads):
            query_THK[t, h] = prepare(c, weights.get("query_norm"), query_THK[t, h], t)
        for g in range(G):
            key_SGK[t, g] = prepare(c, weights.get("key_norm"), key_SGK[t, g], t)

    pattern_HTS = np.zeros((c.heads, T, T))
    head_THK = np.zeros((T, c.heads, K))
    for h in range(c.heads):
        g = h // (c.heads // G)  # neighbouring query heads share a key/value head
        for t in range(T):
            scores = [query_THK[t, h] @ key_SGK[s, g] / math.sqrt(K) for s in range(t + 1)]
            weight = np.exp(np.array(scores) - max(scores))
            weight = weight / sum(weight)
            for s in range(t + 1):
                pattern_HTS[h, t, s] = weight[s]
                head_THK[t, h] += weight[s] * value_SGK[s, g]
    y_TD = linear(weights["out"], head_THK.reshape(T, c.heads * K), c.bias)
    return y_TD, (pattern_HTS, key_SGK, value_SGK)


def prepare(c, weights, x_K, t):
    """A query or key at position t as attention uses it: normed, then turned."""
    if c.qk_norm:
        x_K = x_K / math.sqrt(sum(x_K**2) / len(x_K) + c.norm_epsilon)
        if c.norm_gain:
            x_K = x_K * weights["gain"]
    if c.positions == "rope":  # channels k and k + K/2 are one complex number
        half = len(x_K) // 2
        turn = [np.exp(1j * t * c.rope_base ** (-k / half)) for k in range(half)]
        z = [(x_K[k] + 1j * x_K[k + half]) * turn[k] for k in range(half)]
        x_K = np.concatenate([np.real(z), np.imag(z)])
    return x_K


def mlp(c, weights, x_TD):
    """The update, and nothing more to see."""
    bias = c.bias if c.mlp_bias is None else c.mlp_bias
    up_TF = linear(weights["up"], x_TD, bias)
    if c.mlp == "gelu":
        hidden_TF = np.vectorize(lambda u: u * (1 + math.erf(u / math.sqrt(2))) / 2)(up_TF)
    elif c.mlp == "gelu_tanh":
        inner_TF = math.sqrt(2 / math.pi) * (up_TF + 0.044715 * up_TF**3)
        hidden_TF = up_TF * (1 + np.tanh(inner_TF)) / 2
    elif c.mlp == "relu":
        hidden_TF = np.where(up_TF > 0, up_TF, 0)
    elif c.mlp == "relu2":
        hidden_TF = np.where(up_TF > 0, up_TF, 0) ** 2
    elif c.mlp == "swiglu":
        gate_TF = linear(weights["gate"], x_TD, bias)
        hidden_TF = gate_TF / (1 + np.exp(-gate_TF)) * up_TF
    return linear(weights["down"], hidden_TF, bias), None


def linear(weights, x_TI, bias):
    """Weights have shape (inputs, outputs)."""
    y_TO = np.array([x_I @ weights["weight"] for x_I in x_TI])
    return y_TO + weights["bias"] if bias else y_TO
