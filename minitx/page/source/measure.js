// Measurements: arrays in, numbers out; nothing here knows what a model is.
//
// The same definitions as in minitx/measure.py. Entropies and divergences are in nats.
"use strict";

/** The sum of the products of two vectors. */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** The Euclidean norm of a vector. */
function norm(x) {
  return Math.sqrt(dot(x, x));
}

/** The cosine similarity of two vectors; 0 if one of them is zero. */
function cosine(a, b) {
  const lengths = norm(a) * norm(b);
  return lengths > 0 ? dot(a, b) / lengths : 0;
}

/** The vector times a number. */
function scale(x, factor) {
  return x.map((value) => value * factor);
}

/** The cosine between x and x + u if u is orthogonal to x and |x + u| = growth |x|. */
function orthogonalBaseline(growth) {
  return 1 / Math.max(growth, 1);
}

/** The cosine between x and x + u if u is orthogonal to x and |u| = step |x|. */
function orthogonalStepBaseline(step) {
  return 1 / Math.sqrt(1 + step ** 2);
}

/** The mean cosine between a of one token and b of another, over all pairs; null for one token. */
function randomPairCosine(a_ZD, b_ZD, D) {
  const Z = a_ZD.length / D;
  if (Z < 2) return null;
  const sum_a = new Float64Array(D);
  const sum_b = new Float64Array(D);
  let own = 0; // the cosines of each token with itself
  for (let z = 0; z < Z; z++) {
    const a_D = row(a_ZD, z, D);
    const b_D = row(b_ZD, z, D);
    const norm_a = norm(a_D) || Infinity;
    const norm_b = norm(b_D) || Infinity;
    for (let d = 0; d < D; d++) {
      sum_a[d] += a_D[d] / norm_a;
      sum_b[d] += b_D[d] / norm_b;
    }
    own += cosine(a_D, b_D);
  }
  return (dot(sum_a, sum_b) - own) / (Z * (Z - 1));
}

/** Probabilities from logits. */
function softmax(logits) {
  return logSoftmax(logits).map(Math.exp);
}

/** Log-probabilities from logits. */
function logSoftmax(logits) {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (const z of logits) sum += Math.exp(z - largest);
  const log_sum = largest + Math.log(sum);
  return Float64Array.from(logits, (z) => z - log_sum);
}

/** The entropy of softmax(logits). */
function entropy(logits) {
  return -logSoftmax(logits).reduce((sum, log_p) => sum + Math.exp(log_p) * log_p, 0);
}

/** KL(p || q) of two softmaxes. */
function kl(logits_p, logits_q) {
  const log_p = logSoftmax(logits_p);
  const log_q = logSoftmax(logits_q);
  return log_p.reduce((sum, value, i) => sum + Math.exp(value) * (value - log_q[i]), 0);
}

/** The mean of -log p of the token that comes next, over a text: T - 1 predictions. */
function loss(logits_TV, tokens_T, V) {
  let sum = 0;
  for (let t = 0; t + 1 < tokens_T.length; t++) {
    sum -= logSoftmax(row(logits_TV, t, V))[tokens_T[t + 1]];
  }
  return sum / (tokens_T.length - 1);
}

/** The middle of a list of numbers. */
function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The ids of the largest values, largest first. */
function largest(values, count) {
  const ids = [...values.keys()];
  return ids.sort((a, b) => values[b] - values[a]).slice(0, count);
}

/** The angle between two vectors, in radians. */
function angleBetween(a, b) {
  return Math.acos(Math.min(1, Math.max(-1, cosine(a, b))));
}

/**
 * x turned by an angle towards another vector, with its norm kept; null if the two are parallel.
 * @param {number} angle in radians; at the angle between the two it points as the other does
 */
function turned(x, towards, angle) {
  const unit = scale(x, 1 / norm(x));
  const along = dot(towards, unit);
  const across = towards.map((value, i) => value - along * unit[i]);
  if (!(norm(across) > 1e-5 * norm(towards))) return null;
  const sideways = scale(across, 1 / norm(across));
  return unit.map((value, i) => norm(x) * (Math.cos(angle) * value + Math.sin(angle) * sideways[i]));
}

/** A generator of numbers above 0 and below 1 that a seed fixes (xorshift, Marsaglia 2003). */
function randomNumbers(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1; // neighbouring seeds start far apart, never at 0
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 8; i++) next();
  return next;
}

/** A vector of independent normal numbers: its direction is uniform. */
function randomVector(width, random) {
  return Float32Array.from({ length: width }, () => {
    const radius = Math.sqrt(-2 * Math.log(random())); // Box and Muller 1958
    return radius * Math.cos(2 * Math.PI * random());
  });
}
