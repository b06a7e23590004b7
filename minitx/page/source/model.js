// The transformer: tokens in, logits out, and everything that happened on the way.
//
// The same model as in minitx/model.py, with the same names, for one text instead of a batch. The
// parts and the meaning of the letters are in layers.js.
"use strict";

/** Input that cannot be used; the message says what, where, and the cure, in one line. */
class InputError extends Error {}

/**
 * Everything that happened in one forward pass. A list over N or R has one array for each block or
 * station. Stations: 0 after the embedding, 2n+1 after the attention of block n, 2n+2 after its MLP.
 * @typedef {object} Trace
 * @property {Float32Array} token_TD the embedding's token part
 * @property {Float32Array} position_TD its position part; zero unless added to the stream
 * @property {Float32Array[]} stream_RTD
 * @property {Float32Array[]} attention_update_NTD what each attention wrote to the stream
 * @property {Float32Array[]} mlp_update_NTD what each MLP wrote; zero where there is none
 * @property {Float32Array[]} pattern_NHTS attention weights; each row sums to 1
 * @property {Float32Array[]} key_NSGK as attention used them: normed and rotated
 * @property {Float32Array[]} value_NSGK
 * @property {Float32Array} before_final_norm_TD the last station
 * @property {Float32Array} after_final_norm_TD what the unembedding reads
 * @property {Float32Array} logits_TV
 */

/** An attention and an MLP, each reading the residual stream and writing to it. */
class Block {
  constructor(config, sizes, params) {
    this.attention_norm = makeNorm(config, "block", sizes.D, params.attention_norm);
    this.attention = new Attention(config, sizes, params.attention);
    this.mlp_norm = makeNorm(config, "block", sizes.D, params.mlp_norm);
    this.mlp = config.mlp === "none" ? null : new MLP(config, sizes, params.mlp);
    this.config = config;
  }

  /** Run one sublayer f: the next station, the update y, and what f saw. */
  write(x_TD, norm, f) {
    const { y_TD, seen } = this.config.norm_place === "post" ? f(x_TD) : f(norm.apply(x_TD));
    return { x_TD: this.join(x_TD, norm, y_TD), y_TD, seen };
  }

  /** The next station, from a station and an update. */
  join(x_TD, norm, y_TD) {
    const next_TD = this.config.residual ? add(x_TD, y_TD) : y_TD;
    return this.config.norm_place === "post" ? norm.apply(next_TD) : next_TD;
  }

  attend(x_TD, position_T, past) {
    return this.write(x_TD, this.attention_norm, (x) => this.attention.apply(x, position_T, past));
  }

  feed(x_TD) {
    if (!this.mlp) return { x_TD, y_TD: new Float32Array(x_TD.length) };
    return this.write(x_TD, this.mlp_norm, (x) => ({ y_TD: this.mlp.apply(x) }));
  }
}

class Transformer {
  /**
   * @param {object} config as in the run's config.json
   * @param {Object<string, number>} sizes the letters that the config fixes
   * @param {object} params nested objects of Float32Arrays, named as in the run's weights
   */
  constructor(config, sizes, params) {
    this.config = config;
    this.sizes = sizes;
    this.embedding_VD = params.embedding.table;
    this.embedding_scale = config.positions === "sinusoidal" ? Math.sqrt(sizes.D) : 1;
    this.position_table = params.position && params.position.table;
    this.blocks = Array.from({ length: sizes.N }, (_, n) => new Block(config, sizes, params.blocks[n]));
    this.final_norm = makeNorm(config, "final", sizes.D, params.final_norm);
    this.unembedding_VD = config.tied ? this.embedding_VD : params.unembedding.table;
    this.head = makeHead(config, params.head);
  }

  /** The norms of the rows of the unembedding. */
  get row_norm_V() {
    this.row_norms ??= Float64Array.from({ length: this.sizes.V }, (_, id) =>
      norm(row(this.unembedding_VD, id, this.sizes.D)),
    );
    return this.row_norms;
  }

  /**
   * Run the forward pass and return everything that happened.
   * @param {number[]} tokens_T
   * @returns {Trace}
   */
  trace(tokens_T) {
    if (tokens_T.length > this.config.context) {
      throw new InputError(
        `the prompt has ${tokens_T.length} tokens, but this model reads ` +
          `${this.config.context}: shorten it`,
      );
    }
    const position_T = [...tokens_T.keys()];
    const { token_TD, position_TD } = this.embed(tokens_T, position_T);
    const { stations, updates, seen } = this.run(add(token_TD, position_TD), position_T);
    const before_final_norm_TD = stations[stations.length - 1];
    const after_final_norm_TD = this.final_norm.apply(before_final_norm_TD);
    return {
      token_TD,
      position_TD,
      stream_RTD: stations,
      attention_update_NTD: updates.filter((_, r) => r % 2 === 0),
      mlp_update_NTD: updates.filter((_, r) => r % 2 === 1),
      pattern_NHTS: seen.map((s) => s.pattern_HTS),
      key_NSGK: seen.map((s) => s.key_SGK),
      value_NSGK: seen.map((s) => s.value_SGK),
      before_final_norm_TD,
      after_final_norm_TD,
      logits_TV: this.unembed(after_final_norm_TD),
    };
  }

  /** The logits_TV that follow if the stream at `station` is stream_TD. */
  continueFrom(station, stream_TD) {
    const position_T = [...Array(stream_TD.length / this.sizes.D).keys()];
    const { stations } = this.run(stream_TD, position_T, station);
    return this.readout(stations[stations.length - 1]);
  }

  /**
   * The same for an edit at one position t: what follows there if its state at `station` is x_D.
   * States before t cannot change, so their keys and values are taken from the trace.
   * @returns {{stations: Float32Array[], logits_V: Float32Array}} the states at t from `station` on
   */
  continueAt(trace, station, t, x_D) {
    const width = this.sizes.G * this.sizes.K;
    const past_N = this.blocks.map((_, n) => ({
      key_SGK: trace.key_NSGK[n].subarray(0, t * width),
      value_SGK: trace.value_NSGK[n].subarray(0, t * width),
    }));
    const { stations } = this.run(x_D, [t], station, past_N);
    return { stations, logits_V: this.readout(stations[stations.length - 1]) };
  }

  /** The logits_TV of any states: final norm, then unembedding. */
  readout(x_TD) {
    return this.unembed(this.final_norm.apply(x_TD));
  }

  /** The logits_TV: the head compares each state with each row of the unembedding. */
  unembed(x_TD) {
    const { D, V } = this.sizes;
    const product_TV = matmul(x_TD, this.unembedding_VD, D);
    if (this.head instanceof Dot) return product_TV; // its logits need no norms
    const norm_V = this.row_norm_V;
    const logits_TV = new Float32Array(product_TV.length);
    for (let t = 0; t < x_TD.length / D; t++) {
      const norm_x = norm(row(x_TD, t, D));
      for (let id = 0; id < V; id++) {
        const i = t * V + id;
        logits_TV[i] = this.head.logit(product_TV[i], norm_x, norm_V[id]);
      }
    }
    return logits_TV;
  }

  /** The two parts of station 0. */
  embed(tokens_T, position_T) {
    const D = this.sizes.D;
    const token_TD = new Float32Array(tokens_T.length * D);
    const position_TD = new Float32Array(tokens_T.length * D);
    tokens_T.forEach((token, t) => {
      const scaled_D = row(this.embedding_VD, token, D).map((value) => value * this.embedding_scale);
      token_TD.set(scaled_D, t * D);
      position_TD.set(this.positionVector(position_T[t]), t * D);
    });
    return { token_TD, position_TD };
  }

  /** What is added to the stream for a position: zero for none and for rope. */
  positionVector(position) {
    const { positions, position_offset } = this.config;
    if (positions === "learned") {
      return row(this.position_table, position + position_offset, this.sizes.D);
    }
    if (positions === "sinusoidal") return sinusoids(position, this.sizes.D);
    return new Float32Array(this.sizes.D);
  }

  /** Run sublayers `first` to 2N-1: the stations, the updates, and what each attention saw. */
  run(x_TD, position_T, first = 0, past_N = []) {
    const stations = [x_TD];
    const updates = [];
    const seen = [];
    for (let r = first; r < 2 * this.sizes.N; r++) {
      const n = Math.floor(r / 2);
      const block = this.blocks[n];
      const written = r % 2 === 0 ? block.attend(x_TD, position_T, past_N[n]) : block.feed(x_TD);
      x_TD = written.x_TD;
      stations.push(x_TD);
      updates.push(written.y_TD);
      if (r % 2 === 0) seen.push(written.seen);
    }
    return { stations, updates, seen };
  }
}
