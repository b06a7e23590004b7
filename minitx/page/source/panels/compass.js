// Compass: cosines along the stream, and a gain on one update at the chosen position.
"use strict";

/** The states at position t, station by station. */
function statesAt(lab, t, trace = lab.trace) {
  return trace.stream_RTD.map((stream_TD) => row(stream_TD, t, lab.sizes.D));
}

/** The states at t and the logits there if the update of station r is multiplied by a gain. */
function withGain(lab, t, r, gain) {
  const states_RD = statesAt(lab, t);
  const update_D = scale(row(lab.update(r), t, lab.sizes.D), gain);
  const edited_D = lab.join(r, states_RD[r - 1], update_D);
  const { stations, logits_V } = lab.model.continueAt(lab.trace, r, t, edited_D);
  return { states_RD: [...states_RD.slice(0, r), ...stations], logits_V };
}

/** The cosine of each state with the station before: null at the embedding. */
function cosinesWithBefore(states_RD) {
  return alongStations(states_RD, cosine);
}

/** The cosine of each state with the embedding. */
function cosinesWithEmbedding(states_RD) {
  return states_RD.map((x_D) => cosine(x_D, states_RD[0]));
}

/** Compare each state with the station before: null at the embedding. */
function alongStations(states_RD, compare) {
  return states_RD.map((x_D, r) => (r === 0 ? null : compare(x_D, states_RD[r - 1])));
}

/** The norm of a vector divided by that of another: null if the other is zero. */
function normRatio(x_D, before_D) {
  return norm(before_D) > 0 ? norm(x_D) / norm(before_D) : null;
}

/** The change from a state to the next. */
function difference(x_D, before_D) {
  return x_D.map((value, d) => value - before_D[d]);
}

/** The cosine that updates at right angles leave between two states at their growth. */
function atThisGrowth(x_D, before_D) {
  const growth = normRatio(x_D, before_D);
  return growth === null ? null : orthogonalBaseline(growth);
}

/** The cosine that an update at right angles leaves between two states at their distance. */
function atThisStep(x_D, before_D) {
  const step = normRatio(difference(x_D, before_D), before_D);
  return step === null ? null : orthogonalStepBaseline(step);
}

/** The cosine with the embedding if all steps so far stood at right angles to each other. */
function atTheseSteps(states_RD) {
  let square = 0; // of the norm of all steps together, divided by the embedding's
  return states_RD.map((x_D, r) => {
    if (r > 0) square += normRatio(difference(x_D, states_RD[r - 1]), states_RD[0]) ** 2;
    return normRatio(x_D, states_RD[0]) === null ? null : orthogonalStepBaseline(Math.sqrt(square));
  });
}

/** The mean cosine between different positions after 0, with each station's partner. */
function pairCosines(lab, partnerOf) {
  const later_RZD = lab.trace.stream_RTD.map((stream_TD) => stream_TD.subarray(lab.sizes.D));
  return later_RZD.map((later_ZD, r) =>
    partnerOf(r) < 0 ? null : randomPairCosine(later_ZD, later_RZD[partnerOf(r)], lab.sizes.D),
  );
}

/** The curves that no gain changes: for the station before, and for the embedding. */
function fixedCurves(lab, t) {
  const before = [];
  const embedding = [];
  if (lab.tokens.length > 2) {
    const pairs = { label: "states at different positions", style: "chance" };
    before.push({ ...pairs, values: pairCosines(lab, (r) => r - 1) });
    embedding.push({ ...pairs, values: pairCosines(lab, () => 0) });
  }
  if (lab.untrained) {
    const states_RD = statesAt(lab, t, lab.untrainedTrace);
    const untrained = { label: "the untrained model", style: "untrained" };
    before.push({ ...untrained, values: cosinesWithBefore(states_RD) });
    embedding.push({ ...untrained, values: cosinesWithEmbedding(states_RD) });
  }
  return { before, embedding };
}

/** The curves that the gain changes: for the station before, and for the embedding. */
function gainCurves(name, states_RD, unedited_RD) {
  const is_edited = states_RD !== unedited_RD;
  const own = { label: is_edited ? `${name}, edited` : name, style: "main" };
  const growth = { label: "baseline: at right angles, 1/growth", style: "baseline" };
  const step = { label: "baseline: at right angles, same steps", style: "third" };
  const before = [
    { ...own, values: cosinesWithBefore(states_RD) },
    { ...growth, values: alongStations(states_RD, atThisGrowth) },
    { ...step, values: alongStations(states_RD, atThisStep) },
  ];
  const embedding = [
    { ...own, values: cosinesWithEmbedding(states_RD) },
    { ...growth, values: states_RD.map((x_D) => atThisGrowth(x_D, states_RD[0])) },
    { ...step, values: atTheseSteps(states_RD) },
  ];
  if (is_edited) {
    const unedited = { label: "unedited", style: "other" };
    before.splice(1, 0, { ...unedited, values: cosinesWithBefore(unedited_RD) });
    embedding.splice(1, 0, { ...unedited, values: cosinesWithEmbedding(unedited_RD) });
  }
  return { before, embedding };
}

/** An axis of cosines up to 1, from 0 unless some are below. */
function cosineRange(series, marks = []) {
  const values = [...series.flatMap((curve) => curve.values), ...marks.map(({ y }) => y)];
  const lowest = Math.min(0, ...values.filter((value) => value !== null));
  return { min: Math.floor(4 * lowest) / 4, max: 1 };
}

/** The most likely token, with its probability. */
function topToken(lab, logits_V) {
  const [id] = largest(logits_V, 1);
  return `“${lab.show(id)}” (${short(softmax(logits_V)[id])})`;
}

/** What a gain on the update of station r did to the prediction. */
function gainInWords(lab, t, r, gain, logits_V) {
  const top = topToken(lab, logits_V);
  if (gain === 1) return `At gain 1 nothing is edited. The top token is ${top}.`;
  const unedited_V = lab.logits(t);
  return (
    `With ${lab.station(r)} at gain ${short(gain)}, the prediction has a KL of ` +
    `${short(kl(unedited_V, logits_V))} nats from the unedited one. The top token was ` +
    `${topToken(lab, unedited_V)} and is ${top}.`
  );
}

/** The update of station r as a direction: the cosines there, beside both baselines. */
function updateInWords(lab, t, r, states_RD) {
  const [before_D, x_D] = [states_RD[r - 1], states_RD[r]];
  const update_D = row(lab.update(r), t, lab.sizes.D);
  return (
    `The update of ${lab.station(r)} has a cosine of ${short(cosine(update_D, before_D))} with ` +
    `the state before it. The states before and after it have a cosine of ` +
    `${short(cosine(x_D, before_D))}; an update at right angles would leave ` +
    `${short(atThisGrowth(x_D, before_D))} at this growth and ` +
    `${short(atThisStep(x_D, before_D))} at this size of the step.`
  );
}

PANELS.push({
  id: "compass",
  figures: ["before", "embedding"],
  prediction: {
    ask: "What is the cosine between the last state and the embedding at your position?",
    min: -1, max: 1, step: 0.001, unit: "from -1 to 1 (1: the same direction)",
    truth(lab, view) {
      const t = lab.position(view);
      const states_RD = statesAt(lab, t);
      const last_D = states_RD[states_RD.length - 1];
      const value = cosine(last_D, states_RD[0]);
      const steps_R = atTheseSteps(states_RD);
      const words =
        `It is ${short(value)}; updates at right angles would leave ` +
        `${short(atThisGrowth(last_D, states_RD[0]))} at this growth and ` +
        `${short(steps_R[steps_R.length - 1])} with the same steps.`;
      return { value, words };
    },
  },
  controls: [
    {
      name: "writer", label: "Edit the update of", standard: 1,
      choices(labs) {
        const stations = [...new Set(labs.flatMap((lab) => lab.writers))].sort((a, b) => a - b);
        if (stations.length === 0) return [{ value: 1, label: "nothing: the model has no blocks" }];
        return stations.map((r) => ({ value: r, label: labs[0].station(r) }));
      },
    },
    {
      name: "gain", label: "Gain", standard: 1, min: 0, max: 2, step: 0.05,
      say: (gain) => `× ${short(gain)}`,
    },
  ],
  show(lab, view, guess) {
    const t = lab.position(view);
    const r = view.get("writer");
    const has_writer = lab.writers.includes(r);
    const gain = has_writer ? view.get("gain") : 1;
    const unedited_RD = statesAt(lab, t);
    const { states_RD, logits_V } =
      gain === 1 ? { states_RD: unedited_RD, logits_V: lab.logits(t) } : withGain(lab, t, r, gain);
    const fixed = lab.once(`compass ${t}`, () => fixedCurves(lab, t));
    const own = gainCurves(`position ${t}: “${lab.show(lab.tokens[t])}”`, states_RD, unedited_RD);
    const last = states_RD.length - 1;
    const guesses = [];
    if (guess !== null) {
      guesses.push({ label: "your prediction", style: "guess", x: last, y: Number(guess) });
    }
    const lines = (partner, series, marks = []) => ({
      kind: "lines", title: `Cosine of the state with ${partner}, by station`,
      x: states_RD.map((_, station) => station), names: lab.stations,
      xAxis: { label: "after block", ticks: stationTicks(lab) },
      yAxis: { label: `cosine with ${partner}`, ...cosineRange(series, marks) },
      series, marks,
      here: has_writer ? r : undefined,
    });
    const sentence = has_writer
      ? `${gainInWords(lab, t, r, gain, logits_V)} ${updateInWords(lab, t, r, states_RD)}`
      : "This model does not have the writer that you chose: nothing is edited.";
    return {
      sentence,
      before: lines("the station before", [...own.before, ...fixed.before]),
      embedding: lines("the embedding", [...own.embedding, ...fixed.embedding], guesses),
    };
  },
});
