// The parts of the transformer: linear maps, norms, positions, attention, MLP, heads.
//
// The same parts as in minitx/layers.py, for one text instead of a batch. Letters in names are
// dimensions:
//     T  position       S  attended position    D  stream width     F  MLP width
//     H  query heads    G  key/value heads      K  head width       V  vocabulary
//     N  blocks         R  stations of the stream: after the embedding, after every attention,
//                          after every MLP (1 + 2N)
// An array is a flat Float32Array, the last letter running fastest: channel d at position t of
// x_TD is x_TD[t * D + d].
"use strict";

/** How many products were formed and added since the page was opened: `minitx bench` reads it. */
let multiplyAdds = 0;

/** Row t of an array with rows of the given width: a view, not a copy. */
function row(x, t, width) {
  return x.subarray(t * width, (t + 1) * width);
}

/** The sum of two arrays of one shape. */
function add(a, b) {
  return a.map((value, i) => value + b[i]);
}

/**
 * y = x @ weight for every row of x. The rows of the weight are its outputs.
 * @param {Float32Array} x_TI
 * @param {Float32Array} weight_OI
 * @param {number} I width of a row of x
 * @returns {Float32Array} y_TO
 */
function matmul(x_TI, weight_OI, I) {
  const T = x_TI.length / I;
  const O = weight_OI.length / I;
  const y_TO = new Float32Array(T * O);
  multiplyAdds += T * I * O;
  for (let t = 0; t < T; t++) {
    const x = t * I;
    let o = 0;
    for (; o + 4 <= O; o += 4) { // four sums at a time, because one sum would wait for itself
      let w = o * I;
      let a = 0, b = 0, c = 0, d = 0;
      for (let i = x; i < x + I; i++, w++) {
        const value = x_TI[i];
        a += value * weight_OI[w];
        b += value * weight_OI[w + I];
        c += value * weight_OI[w + 2 * I];
        d += value * weight_OI[w + 3 * I];
      }
      const y = t * O + o;
      y_TO[y] = a;
      y_TO[y + 1] = b;
      y_TO[y + 2] = c;
      y_TO[y + 3] = d;
    }
    for (; o < O; o++) {
      let sum = 0;
      for (let i = 0; i < I; i++) sum += x_TI[x + i] * weight_OI[o * I + i];
      y_TO[t * O + o] = sum;
    }
  }
  return y_TO;
}

/** The matrix with rows and columns exchanged. */
function transpose(weight_IO, I) {
  const O = weight_IO.length / I;
  const weight_OI = new Float32Array(weight_IO.length);
  for (let i = 0; i < I; i++) {
    for (let o = 0; o < O; o++) weight_OI[o * I + i] = weight_IO[i * O + o];
  }
  return weight_OI;
}

/** x @ weight + bias for every row of x. */
class Linear {
  /** @param {{weight: Float32Array, bias?: Float32Array}} params  weight has (inputs, outputs) */
  constructor(params, inputs) {
    this.inputs = inputs;
    this.weight_OI = transpose(params.weight, inputs);
    this.bias_O = params.bias;
  }

  apply(x_TI) {
    const y_TO = matmul(x_TI, this.weight_OI, this.inputs);
    if (this.bias_O) {
      const O = this.bias_O.length;
      for (let i = 0; i < y_TO.length; i++) y_TO[i] += this.bias_O[i % O];
    }
    return y_TO;
  }
}

/** norm=none. */
class Identity {
  apply(x_TD) {
    return x_TD;
  }
}

/** Remove the mean of every row, divide by its standard deviation: norm sqrt(D). */
class LayerNorm {
  constructor(width, epsilon, params = {}) {
    this.width = width;
    this.epsilon = epsilon;
    this.gain_D = params.gain;
    this.bias_D = params.bias;
  }

  apply(x_TD) {
    return normalise(x_TD, this, (x_D) => x_D.reduce((sum, value) => sum + value, 0) / x_D.length);
  }
}

/** Divide every row by the root of its mean square: norm sqrt(D), the mean is kept. */
class RMSNorm {
  constructor(width, epsilon, params = {}) {
    this.width = width;
    this.epsilon = epsilon;
    this.gain_D = params.gain;
  }

  apply(x_TD) {
    return normalise(x_TD, this, () => 0);
  }
}

/**
 * Each row less its `centre`, divided by its root mean square, times the gain, plus the bias.
 * @param {Float32Array} x_TD
 * @param {{width: number, epsilon: number, gain_D?: Float32Array, bias_D?: Float32Array}} norm
 * @param {(x_D: Float32Array) => number} centre
 */
function normalise(x_TD, { width, epsilon, gain_D, bias_D }, centre) {
  const y_TD = new Float32Array(x_TD.length);
  for (let t = 0; t < x_TD.length; t += width) {
    const x_D = x_TD.subarray(t, t + width);
    const middle = centre(x_D);
    let square = 0;
    for (const value of x_D) square += (value - middle) ** 2;
    const scale = 1 / Math.sqrt(square / width + epsilon);
    for (let d = 0; d < width; d++) {
      y_TD[t + d] = (x_D[d] - middle) * scale;
      if (gain_D) y_TD[t + d] *= gain_D[d];
      if (bias_D) y_TD[t + d] += bias_D[d];
    }
  }
  return y_TD;
}

/** The norm at a place ("block", "final" or "head"): the identity if the config has none there. */
function makeNorm(config, place, width, params) {
  const epsilon = config.norm_epsilon;
  if (place === "head") return config.qk_norm ? new RMSNorm(width, epsilon, params) : new Identity();
  const absent = { pre: [], post: ["final"], final: ["block"] }[config.norm_place];
  if (config.norm === "none" || absent.includes(place)) return new Identity();
  const Norm = config.norm === "layernorm" ? LayerNorm : RMSNorm;
  return new Norm(width, epsilon, params);
}

/** Sines and cosines of wavelengths from 2 pi to 10000 x 2 pi (Vaswani 2017). */
function sinusoids(position, D) {
  return Float32Array.from({ length: D }, (_, d) => {
    const angle = position * 10000 ** (-(d - (d % 2)) / D);
    return d % 2 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** Turn the channel pairs (k, k + K/2) of every head by an angle that grows with the position. */
function rope(x_THK, position_T, K, base) {
  const half = K / 2;
  const y_THK = new Float32Array(x_THK.length);
  const heads = x_THK.length / K / position_T.length;
  for (let k = 0; k < half; k++) {
    const frequency = base ** (-k / half);
    position_T.forEach((position, t) => {
      const cos = Math.cos(position * frequency);
      const sin = Math.sin(position * frequency);
      for (let h = 0; h < heads; h++) {
        const i = (t * heads + h) * K + k;
        y_THK[i] = x_THK[i] * cos - x_THK[i + half] * sin;
        y_THK[i + half] = x_THK[i + half] * cos + x_THK[i] * sin;
      }
    });
  }
  return y_THK;
}

/** Causal self-attention; G key/value heads serve H query heads in groups. */
class Attention {
  constructor(config, sizes, params) {
    const { D, H, K } = sizes;
    this.sizes = sizes;
    this.query = new Linear(params.query, D);
    this.key = new Linear(params.key, D);
    this.value = new Linear(params.value, D);
    this.out = new Linear(params.out, H * K);
    this.query_norm = makeNorm(config, "head", K, params.query_norm);
    this.key_norm = makeNorm(config, "head", K, params.key_norm);
    this.rope_base = config.positions === "rope" ? config.rope_base : null;
  }

  /**
   * The update and what attention saw.
   * @param {number[]} position_T the positions of the rows of x
   * @param {{key_SGK: Float32Array, value_SGK: Float32Array}} [past] keys and values of all
   *     positions before these
   */
  apply(x_TD, position_T, past) {
    const { K } = this.sizes;
    let query_THK = this.query_norm.apply(this.query.apply(x_TD));
    let key_SGK = this.key_norm.apply(this.key.apply(x_TD));
    let value_SGK = this.value.apply(x_TD);
    if (this.rope_base) {
      query_THK = rope(query_THK, position_T, K, this.rope_base);
      key_SGK = rope(key_SGK, position_T, K, this.rope_base);
    }
    if (past) {
      key_SGK = joined(past.key_SGK, key_SGK);
      value_SGK = joined(past.value_SGK, value_SGK);
    }
    const pattern_HTS = this.attend(query_THK, key_SGK, position_T);
    const y_TD = this.out.apply(this.mix(pattern_HTS, value_SGK));
    return { y_TD, seen: { pattern_HTS, key_SGK, value_SGK } };
  }

  /** How much each position T attends to each position S at or before it: rows sum to 1. */
  attend(query_THK, key_SGK, position_T) {
    const { H, G, K } = this.sizes;
    const T = position_T.length;
    const S = key_SGK.length / (G * K);
    const pattern_HTS = new Float32Array(H * T * S);
    multiplyAdds += (H * T * S * K) / (T > 1 ? 2 : 1); // half of them lie in the future
    for (let h = 0; h < H; h++) {
      const g = Math.floor(h / (H / G)); // neighbouring query heads share a key/value head
      for (let t = 0; t < T; t++) {
        const query_K = row(query_THK, t * H + h, K);
        const score_S = pattern_HTS.subarray((h * T + t) * S, (h * T + t) * S + position_T[t] + 1);
        for (let s = 0; s <= position_T[t]; s++) {
          const key = (s * G + g) * K;
          let score = 0;
          for (let k = 0; k < K; k++) score += query_K[k] * key_SGK[key + k];
          score_S[s] = score / Math.sqrt(K);
        }
        score_S.set(softmax(score_S));
      }
    }
    return pattern_HTS;
  }

  /** What each head hands on: the values, averaged by its pattern; z_THK. */
  mix(pattern_HTS, value_SGK) {
    const { H, G, K } = this.sizes;
    const S = value_SGK.length / (G * K);
    const T = pattern_HTS.length / (H * S);
    const z_THK = new Float32Array(T * H * K);
    for (let h = 0; h < H; h++) {
      const g = Math.floor(h / (H / G));
      for (let t = 0; t < T; t++) {
        const z_K = row(z_THK, t * H + h, K);
        for (let s = 0; s < S; s++) {
          const weight = pattern_HTS[(h * T + t) * S + s];
          if (weight === 0) continue; // the future, above all
          const value = (s * G + g) * K;
          for (let k = 0; k < K; k++) z_K[k] += weight * value_SGK[value + k];
        }
      }
    }
    return z_THK;
  }
}

/** Two arrays, one after the other. */
function joined(a, b) {
  const both = new Float32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** The error function, to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26). */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const polynomial =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - polynomial * Math.exp(-x * x));
}

const NONLINEARITIES = {
  gelu: (x) => (x * (1 + erf(x * Math.SQRT1_2))) / 2,
  gelu_tanh: (x) => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2,
  relu: (x) => Math.max(x, 0),
  relu2: (x) => Math.max(x, 0) ** 2,
  swiglu: (x) => x / (1 + Math.exp(-x)),
};

/** Widen, apply the nonlinearity, narrow, at every position alike; swiglu gates the middle. */
class MLP {
  constructor(config, sizes, params) {
    this.up = new Linear(params.up, sizes.D);
    this.gate = params.gate && new Linear(params.gate, sizes.D);
    this.down = new Linear(params.down, sizes.F);
    this.nonlinearity = NONLINEARITIES[config.mlp];
  }

  apply(x_TD) {
    const up_TF = this.up.apply(x_TD);
    if (!this.gate) return this.down.apply(up_TF.map(this.nonlinearity));
    const gate_TF = this.gate.apply(x_TD);
    return this.down.apply(up_TF.map((value, i) => value * this.nonlinearity(gate_TF[i])));
  }
}

/** A norm below it counts as this, so that no cosine divides by zero; as in minitx/layers.py. */
const SHORTEST = 1e-6;

/** head=dot: the dot product of a state and a row, which grows with both norms. */
class Dot {
  logit(product) {
    return product;
  }
}

/** head=cosine: a learned scale times the cosine, which only the directions decide. */
class Cosine {
  /** @param {{scale: Float32Array}} params */
  constructor(params) {
    this.scale = params.scale[0];
  }

  logit(product, norm_x, norm_w) {
    return (this.scale * product) / (Math.max(norm_x, SHORTEST) * Math.max(norm_w, SHORTEST));
  }
}

/** head=distance: minus half the squared distance of a state and a row. */
class Distance {
  logit(product, norm_x, norm_w) {
    return product - (norm_x ** 2 + norm_w ** 2) / 2;
  }
}

/**
 * What makes a logit from a dot product and the norms of its two vectors.
 * @returns {{logit: (product: number, norm_x: number, norm_w: number) => number}}
 */
function makeHead(config, params) {
  if (config.head === "cosine") return new Cosine(params);
  return config.head === "distance" ? new Distance() : new Dot();
}
