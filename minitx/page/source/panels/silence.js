// Silence a writer: replace the update of an attention, a head or an MLP, at all positions.
"use strict";

const SILENCE_DRAWS = 3; // random changes for the baseline of each writer

/**
 * Something that writes to the stream.
 * @typedef {object} Writer
 * @property {string} key its value in the menu
 * @property {string} group writers with one group are drawn together
 * @property {number} station the station that follows its update
 * @property {number|null} head null for all heads together, and for an MLP
 * @property {string} name
 */

/** All writers of a model: attentions and MLPs, then the heads. */
function writersOf(lab) {
  const whole = lab.writers.map((station) => ({
    key: String(station), group: "whole", station, head: null, name: lab.station(station),
  }));
  const heads = [];
  for (let n = 0; n < lab.sizes.N; n++) {
    for (let head = 0; head < lab.sizes.H; head++) {
      const station = 2 * n + 1;
      heads.push({
        key: `${station}.${head}`, group: `${station}.`, station, head,
        name: `block ${n + 1}, head ${head + 1}`,
      });
    }
  }
  return [...whole, ...heads];
}

/** The group of the writer with a key, whether or not a model has this writer. */
function groupOf(key) {
  return key.includes(".") ? `${key.split(".")[0]}.` : "whole";
}

/** A menu of the writers of all models. */
function writerChoices(labs, group) {
  const labels = new Map();
  for (const lab of labs) {
    for (const { key, group: own, name } of writersOf(lab)) {
      if (!group || own === group) labels.set(key, name);
    }
  }
  if (labels.size === 0) return [{ value: "1", label: "nothing: the model has no blocks" }];
  const choices = [...labels].map(([value, label]) => ({ value, label }));
  return choices.sort((a, b) => a.value.includes(".") - b.value.includes(".") || a.value - b.value);
}

// --- the edit ------------------------------------------------------------------------------------

/** A copy of x_TW with some columns replaced, by zero or by their mean over the rows. */
function replaced(x_TW, W, { from, to }, replacement) {
  const T = x_TW.length / W;
  const y_TW = x_TW.slice();
  for (let w = from; w < to; w++) {
    let sum = 0;
    for (let t = 0; t < T; t++) sum += x_TW[t * W + w];
    for (let t = 0; t < T; t++) y_TW[t * W + w] = replacement === "mean" ? sum / T : 0;
  }
  return y_TW;
}

/** The update of a writer's station without this writer. */
function updateWithout(lab, { station, head }, replacement) {
  const { D, H, K } = lab.sizes;
  if (head === null) return replaced(lab.update(station), D, { from: 0, to: D }, replacement);
  const n = (station - 1) / 2;
  const { attention } = lab.model.blocks[n];
  const z_THK = attention.mix(lab.trace.pattern_NHTS[n], lab.trace.value_NSGK[n]);
  const columns = { from: head * K, to: (head + 1) * K };
  return attention.out.apply(replaced(z_THK, H * K, columns, replacement));
}

/** The states at a writer's station without this writer. */
function statesWithout(lab, writer, replacement) {
  const before_TD = lab.trace.stream_RTD[writer.station - 1];
  return lab.join(writer.station, before_TD, updateWithout(lab, writer, replacement));
}

/** States moved as far as from x_TD to edited_TD at each position, in random directions. */
function movedAsFar(x_TD, edited_TD, D, random) {
  const moved_TD = x_TD.slice();
  for (let t = 0; t < x_TD.length; t += D) {
    const distance = norm(x_TD.slice(t, t + D).map((value, d) => edited_TD[t + d] - value));
    const direction_D = randomVector(D, random);
    const factor = distance / norm(direction_D);
    for (let d = 0; d < D; d++) moved_TD[t + d] += factor * direction_D[d];
  }
  return moved_TD;
}

/** What other states at a station do: KL by position, and the change of the loss. */
function effectOf(lab, station, stream_TD) {
  const { V } = lab.sizes;
  const logits_TV = lab.model.continueFrom(station, stream_TD);
  const kl_T = lab.tokens.map((_, t) => kl(lab.logits(t), row(logits_TV, t, V)));
  const change = loss(logits_TV, lab.tokens, V) - loss(lab.trace.logits_TV, lab.tokens, V);
  return { kl_T, loss: change };
}

function meanOf(numbers) {
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

/** The mean of several effects, number by number. */
function meanEffect(effects) {
  return {
    kl_T: effects[0].kl_T.map((_, t) => meanOf(effects.map((effect) => effect.kl_T[t]))),
    loss: meanOf(effects.map((effect) => effect.loss)),
  };
}

// --- measured in slices, because all of it takes seconds -----------------------------------------

/** Measure a writer; yields after every forward pass, so that the page can answer in between. */
function* measureWriter(lab, writer, replacement) {
  const x_TD = lab.trace.stream_RTD[writer.station];
  const edited_TD = statesWithout(lab, writer, replacement);
  const silenced = effectOf(lab, writer.station, edited_TD);
  yield;
  const draws = [];
  for (let seed = 0; seed < SILENCE_DRAWS; seed++) {
    const moved_TD = movedAsFar(x_TD, edited_TD, lab.sizes.D, randomNumbers(seed));
    draws.push(effectOf(lab, writer.station, moved_TD));
    yield;
  }
  return { silenced, random: meanEffect(draws) };
}

/** The effects that were measured on the text of a lab, and those that somebody waits for. */
class Silencing {
  constructor(lab, view) {
    this.lab = lab;
    this.view = view;
    this.memory = lab.memory;
    this.effects = new Map();
    this.wanted = [];
  }

  get(writer, replacement) {
    return this.effects.get(`${replacement} ${writer.key}`);
  }

  /** Measure these writers next; what was wanted before and is missing here can wait. */
  want(writers, replacement) {
    this.wanted = writers.map((writer) => ({ writer, replacement }));
    this.timer ??= setTimeout(() => this.step(), 50);
  }

  /** Run one forward pass, then let the page answer. */
  step() {
    this.timer = null;
    if (this.lab.memory !== this.memory) return; // it has read another text
    this.current ??= this.start();
    if (!this.current) return;
    const { done, value } = this.current.steps.next();
    if (done) {
      this.effects.set(this.current.key, value);
      this.current = null;
      this.view.refresh("silenced");
    }
    this.timer = setTimeout(() => this.step());
  }

  /** The next measurement, or null if all that is wanted is there. */
  start() {
    const next = this.wanted.find(({ writer, replacement }) => !this.get(writer, replacement));
    if (!next) return null;
    const { writer, replacement } = next;
    const steps = measureWriter(this.lab, writer, replacement);
    return { key: `${replacement} ${writer.key}`, steps };
  }
}

/** The measurements of a lab on its text. */
function silencing(lab, view) {
  return lab.once("silencing", () => new Silencing(lab, view));
}

// --- words ---------------------------------------------------------------------------------------

/** What silencing a writer did, beside its baseline. */
function silenceInWords(lab, t, writer, replacement, effect) {
  if (!effect) return "";
  const { silenced, random } = effect;
  const before = loss(lab.trace.logits_TV, lab.tokens, lab.sizes.V);
  const by = replacement === "mean" ? "its mean" : "zero";
  return (
    `${capitalised(writer.name)}, replaced by ${by}, changes the predictions by a KL of ` +
    `${short(meanOf(silenced.kl_T))} nats on average; a random change as large, by ` +
    `${short(meanOf(random.kl_T))}. At position ${t} the KL is ${short(silenced.kl_T[t])}; with ` +
    `the random change, ${short(random.kl_T[t])}. The loss of this text goes from ` +
    `${short(before)} to ${short(before + silenced.loss)}; with the random change, to ` +
    `${short(before + random.loss)}.`
  );
}

/** Attentions and MLPs with their mean KL, the largest first; null while one is missing. */
function silenceRanking(lab, view) {
  const replacement = view.get("replacement");
  const ranking = [];
  for (const writer of writersOf(lab).filter(({ group }) => group === "whole")) {
    const effect = silencing(lab, view).get(writer, replacement);
    if (!effect) return null;
    ranking.push({ writer, kl: meanOf(effect.silenced.kl_T) });
  }
  return ranking.sort((a, b) => b.kl - a.kl);
}

PANELS.push({
  id: "silence",
  figures: ["kl", "loss"],
  prediction: {
    ask:
      "You silence one attention or one MLP at every position. Which one changes the predictions " +
      "for this text most?",
    choices: (labs) => writerChoices(labs, "whole"),
    truth(lab, view) {
      const ranking = silenceRanking(lab, view);
      if (ranking === null) return { value: "", words: "The page is still computing the answer." };
      if (ranking.length === 0) return { value: "", words: "This model has no writers." };
      const { writer, kl: most } = ranking[0];
      const rank = ranking.findIndex(({ writer: { key } }) => key === view.get("guess.silence"));
      const own = rank > 0 ? ` Your choice comes as number ${rank + 1} of ${ranking.length}.` : "";
      const words = `It is ${writer.name}, with a mean KL of ${short(most)} nats.${own}`;
      return { value: writer.key, words };
    },
  },
  controls: [
    { name: "silenced", label: "Silence", standard: "1", choices: (labs) => writerChoices(labs) },
    {
      name: "replacement", label: "Replace its update by", standard: "zero",
      choices: () => [
        { value: "zero", label: "zero" },
        { value: "mean", label: "its mean over the positions" },
      ],
    },
  ],
  show(lab, view, guess) {
    const t = lab.position(view);
    const replacement = view.get("replacement");
    const chosen = view.get("silenced");
    const all = writersOf(lab);
    const group = all.filter((writer) => writer.group === groupOf(chosen));
    const writer = all.find(({ key }) => key === chosen);
    const measured = silencing(lab, view);
    const whole = all.filter((other) => other.group === "whole");
    measured.want(guess === null ? group : [...group, ...whole], replacement);
    const effects = group.map((one) => measured.get(one, replacement));
    const known = effects.filter(Boolean);

    const valuesOf = (number) => effects.map((effect) => (effect ? number(effect) : null));
    const label = replacement === "mean" ? "replaced by its mean" : "replaced by zero";
    const baseline = { label: "baseline: a random change as large", style: "baseline" };
    const bars = (title, axis, number) => ({
      kind: "bars", title, names: group.map(({ name }) => name), xAxis: { label: axis },
      series: [
        { label, style: "main", values: valuesOf(({ silenced }) => number(silenced)) },
        { ...baseline, values: valuesOf(({ random }) => number(random)) },
      ],
      marked: writer && group.indexOf(writer),
    });
    const mean_kl = bars(
      "KL from the unedited predictions, mean over positions", "mean KL (nats)",
      ({ kl_T }) => meanOf(kl_T),
    );
    const guessed = group.findIndex(({ key }) => key === guess);
    if (guessed >= 0 && known.length) {
      const most = Math.max(...mean_kl.series[0].values);
      const values = group.map((_, i) => (i === guessed ? most : null));
      mean_kl.series.push({ label: "your prediction: the largest", style: "guess", values });
    }
    const progress =
      known.length < group.length ? `Computing ${known.length + 1} of ${group.length} … ` : "";
    const words = writer
      ? silenceInWords(lab, t, writer, replacement, measured.get(writer, replacement))
      : "This model does not have the writer that you chose.";
    return {
      sentence: progress + words,
      kl: mean_kl,
      loss: bars(
        "Change of the loss of this text", "change of the loss (nats)", (effect) => effect.loss,
      ),
    };
  },
});
