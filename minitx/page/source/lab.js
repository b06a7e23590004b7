// One model on the page, with the prompt that it has read: what every panel looks into.
"use strict";

const SLICE = 8; // milliseconds of computing at a time: half a frame

class Lab {
  /** @param {object} facts what contents.py says of the model  @param {string} twin weights */
  constructor(facts, weights, twin) {
    this.name = facts.name;
    this.facts = facts;
    this.config = facts.config;
    this.sizes = facts.sizes;
    this.tokenizer = makeTokenizer(facts.tokenizer);
    this.model = new Transformer(facts.config, facts.sizes, unpacked(facts.tensors, weights));
    this.twin_weights = twin;
  }

  /** The model before training, or null if the page was made without it. */
  get untrained() {
    if (this.twin === undefined) {
      const { config, sizes, tensors } = this.facts;
      this.twin = this.twin_weights
        ? new Transformer(config, sizes, unpacked(tensors, this.twin_weights))
        : null;
    }
    return this.twin;
  }

  /**
   * Read a text. Throws an InputError if this model cannot; what it read before then stays.
   * @param {number[]} drawn ids of tokens that were sampled and follow the prompt
   */
  read(prompt, drawn = []) {
    const prompt_ids = this.tokenizer.encode(prompt);
    if (prompt_ids.length < 2) {
      throw new InputError(`the prompt has ${prompt_ids.length} tokens: type at least 2`);
    }
    const known = drawn.filter((id) => id >= 0 && id < this.sizes.V);
    const tokens = [...prompt_ids, ...known];
    const trace = this.model.trace(tokens);
    this.prompt_length = prompt_ids.length;
    this.tokens = tokens;
    this.trace = trace;
    this.twin_trace = undefined;
    this.memory = new Map();
  }

  /**
   * Compute a list without stopping the page: a few items a frame, null for those to come.
   * @param {string} key under which the list is kept for this text
   * @param {number} count of its items
   * @param {(i: number) => any} compute
   * @param {() => void} refresh called when there are more items
   */
  gradually(key, count, compute, refresh) {
    const list = this.once(key, () => ({ items: Array(count).fill(null), done: 0 }));
    const { memory } = this;
    const compute_some = () => {
      if (memory !== this.memory) return; // the text has changed
      const start = performance.now();
      while (list.done < count && performance.now() - start < SLICE) {
        list.items[list.done] = compute(list.done);
        list.done += 1;
      }
      list.is_running = false;
      refresh();
    };
    if (list.done < count && !list.is_running) {
      list.is_running = true;
      setTimeout(compute_some); // after the frame that asked for the list
    }
    return list.items;
  }

  /** The trace of the untrained model on the same tokens, or null. */
  get untrainedTrace() {
    if (this.twin_trace === undefined) {
      this.twin_trace = this.untrained ? this.untrained.trace(this.tokens) : null;
    }
    return this.twin_trace;
  }

  /** Compute something once for this text: what `compute` returned is kept under the key. */
  once(key, compute) {
    if (!this.memory.has(key)) this.memory.set(key, compute());
    return this.memory.get(key);
  }

  /** The position that the reader chose, or the last one: -1 stands for it. */
  position(view) {
    const chosen = view.get("position");
    const last = this.tokens.length - 1;
    return chosen < 0 ? last : Math.min(chosen, last);
  }

  /** The state at a station and a position. */
  state(station, t, trace = this.trace) {
    return row(trace.stream_RTD[station], t, this.sizes.D);
  }

  /** The logits of the token after position t. */
  logits(t, trace = this.trace) {
    return row(trace.logits_TV, t, this.sizes.V);
  }

  /** A token as people can see it: “the”, with signs for white space. */
  show(id) {
    return visible(this.tokenizer.tokens[id]);
  }

  /** What a station is called. */
  station(r) {
    if (r === 0) return "embedding";
    return `${r % 2 ? "attention" : "MLP"} ${Math.ceil(r / 2)}`;
  }

  /** What each position is called: “the” at position 3. */
  get places() {
    return this.tokens.map((id, t) => `“${this.show(id)}” at position ${t}`);
  }

  get stations() {
    return Array.from({ length: this.sizes.R }, (_, r) => this.station(r));
  }

  /** The stations that follow an attention or an MLP: each has a writer of that name. */
  get writers() {
    const later = [...Array(this.sizes.R).keys()].slice(1);
    return later.filter((r) => r % 2 === 1 || this.config.mlp !== "none");
  }

  /** The update_TD that the writer of a station wrote. */
  update(r) {
    const { attention_update_NTD, mlp_update_NTD } = this.trace;
    return r % 2 ? attention_update_NTD[(r - 1) / 2] : mlp_update_NTD[r / 2 - 1];
  }

  /** The states at a station if its writer wrote update_TD to the states x_TD before it. */
  join(r, x_TD, update_TD) {
    const block = this.model.blocks[Math.ceil(r / 2) - 1];
    return block.join(x_TD, r % 2 ? block.attention_norm : block.mlp_norm, update_TD);
  }
}

/** Choices of a menu: the model as it is, or before training if the page has that. */
function trainedOrNot(labs) {
  const choices = [{ value: "trained", label: "the trained model" }];
  if (labs.some((lab) => lab.untrained)) {
    choices.push({ value: "untrained", label: "the untrained model" });
  }
  return choices;
}

/** Ticks for an axis of stations: the embedding, then the end of each block. */
function stationTicks(lab) {
  return lab.stations
    .map((_, r) => ({ at: r, label: r === 0 ? "emb" : String(r / 2) }))
    .filter(({ at }) => at % 2 === 0);
}

/** White space and control characters as signs that can be seen. */
function visible(token) {
  const signs = { " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍" };
  return token.replace(/[ \n\t\r]/g, (c) => signs[c]).replace(/\p{Cc}/gu, "�");
}

/** Nested objects of Float32Arrays from float16 numbers in base64, as packed by contents.py. */
function unpacked(tensors, weights) {
  const bytes = atob(weights);
  const params = {};
  let at = 0;
  for (const { name, shape } of tensors) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < values.length; i++, at += 2) {
      values[i] = HALVES[bytes.charCodeAt(at) | (bytes.charCodeAt(at + 1) << 8)];
    }
    const path = name.split(".");
    const last = path.pop();
    const parent = path.reduce((node, key) => (node[key] ??= {}), params);
    parent[last] = values;
  }
  return params;
}

/** The value of each of the 65536 numbers of type float16 (IEEE 754). */
const HALVES = Float32Array.from({ length: 65536 }, (_, bits) => {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
});
