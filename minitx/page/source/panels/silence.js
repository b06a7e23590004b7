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
        name: `block ${n + 1} head ${head + 1}`,
      });
    }
  }
  return [...whole, ...heads];
}

/** The group of the writer with a key, whether or not a model has this writer. */
function groupOf(key) {
  return key.includes(".") ? `${key.split(".")[0]}.` : "whole";
}

/** The writers of a model that are drawn together. */
function groupMembers(lab, group) {
  return writersOf(lab).filter((writer) => writer.group === group);
}

/** A menu of the writers that at least one model has: attentions and MLPs, then the heads. */
function writerChoices(writers) {
  const by_key = new Map(writers.map((writer) => [writer.key, writer]));
  if (by_key.size === 0) return [{ value: "1", label: "nothing: the model has no blocks" }];
  const isHead = ({ head }) => (head === null ? 0 : 1);
  const sorted = [...by_key.values()].sort(
    (a, b) => isHead(a) - isHead(b) || a.station - b.station || a.head - b.head,
  );
  return sorted.map(({ key, name }) => ({ value: key, label: name }));
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

/** One forward pass: a writer is silenced (pass 0), or states move as far at random (later). */
function silencePass(lab, writer, replacement, pass) {
  const edited_TD = statesWithout(lab, writer, replacement);
  if (pass === 0) return effectOf(lab, writer.station, edited_TD);
  const x_TD = lab.trace.stream_RTD[writer.station];
  const moved_TD = movedAsFar(x_TD, edited_TD, lab.sizes.D, randomNumbers(pass));
  return effectOf(lab, writer.station, moved_TD);
}

/**
 * What silencing each writer of a group does, and the baseline; null for those to come.
 * @returns {({silenced: object, random: object}|null)[]}
 */
function silenceEffects(lab, view, group) {
  const replacement = view.get("replacement");
  const writers = groupMembers(lab, group);
  const passes = 1 + SILENCE_DRAWS;
  const all = lab.gradually(
    `silence ${replacement} ${group}`,
    writers.length * passes,
    (i) => silencePass(lab, writers[Math.floor(i / passes)], replacement, i % passes),
    () => view.refresh("silenced"),
  );
  return writers.map((_, w) => {
    const [silenced, ...draws] = all.slice(w * passes, (w + 1) * passes);
    return draws.every(Boolean) ? { silenced, random: meanEffect(draws) } : null;
  });
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
  const writers = groupMembers(lab, "whole");
  const effects = silenceEffects(lab, view, "whole");
  if (effects.includes(null)) return null;
  const ranking = writers.map((writer, w) => ({ writer, kl: meanOf(effects[w].silenced.kl_T) }));
  return ranking.sort((a, b) => b.kl - a.kl);
}

PANELS.push({
  id: "silence",
  figures: ["kl", "loss"],
  prediction: {
    ask:
      "You silence one attention or one MLP at every position. Which one changes the predictions " +
      "for this text most?",
    choices: (labs) => writerChoices(labs.flatMap((lab) => groupMembers(lab, "whole"))),
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
    {
      name: "silenced", label: "Silence", standard: "1",
      choices: (labs) => writerChoices(labs.flatMap(writersOf)),
    },
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
    const group = groupMembers(lab, groupOf(chosen));
    const writer = group.find(({ key }) => key === chosen);
    const effects = silenceEffects(lab, view, groupOf(chosen));
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
      ? silenceInWords(lab, t, writer, replacement, effects[group.indexOf(writer)])
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
