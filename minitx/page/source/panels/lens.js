// The lens: what each station would predict if it were the last (the logit lens).
"use strict";

/** The logits of all positions at every station, as if it were the last: a list over stations. */
function lensLogits(model, trace) {
  return trace.stream_RTD.map((stream_TD) => model.readout(stream_TD));
}

/** The id of the largest value. */
function topOf(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** The probability of one id under softmax(logits). */
function probabilityOf(id, logits_V) {
  let sum = 0;
  for (const z of logits_V) sum += Math.exp(z - logits_V[id]);
  return 1 / sum;
}

/**
 * The lens of a model over the text of a lab.
 * @typedef {{logits_RTV: Float32Array[], top_RT: number[][], p_RT: number[][],
 *     texts_RT: string[][]}} Lens the top tokens, their probabilities, and what they look like
 * @returns {Lens}
 */
function lensOf(lab, model, trace) {
  const { V } = lab.sizes;
  const logits_RTV = lensLogits(model, trace);
  const positions = [...lab.tokens.keys()];
  const top_RT = logits_RTV.map((logits_TV) => positions.map((t) => topOf(row(logits_TV, t, V))));
  const p_RT = logits_RTV.map((logits_TV, r) =>
    positions.map((t) => probabilityOf(top_RT[r][t], row(logits_TV, t, V))),
  );
  const texts_RT = top_RT.map((top_T) => top_T.map((id) => lab.show(id)));
  return { logits_RTV, top_RT, p_RT, texts_RT };
}

/** The lens of the trained model and, if the page has it, of the untrained one. */
function lenses(lab) {
  return lab.once("lens", () => ({
    trained: lensOf(lab, lab.model, lab.trace),
    untrained: lab.untrained ? lensOf(lab, lab.untrained, lab.untrainedTrace) : null,
  }));
}

/** KL(final prediction || prediction at a station) at position t, by station. */
function lensKl({ logits_RTV }, t, V) {
  const final_V = row(logits_RTV[logits_RTV.length - 1], t, V);
  return logits_RTV.map((logits_TV) => kl(final_V, row(logits_TV, t, V)));
}

/** The share of positions whose top token is the final one, by station. */
function lensAgreement({ top_RT }) {
  const final_T = top_RT[top_RT.length - 1];
  return top_RT.map((top_T) => top_T.filter((id, t) => id === final_T[t]).length / final_T.length);
}

/** The first station from which on the top token at position t is the final one. */
function settledAt({ top_RT }, t) {
  let r = top_RT.length - 1;
  while (r > 0 && top_RT[r - 1][t] === top_RT[r][t]) r -= 1;
  return r;
}

/**
 * Log-frequencies of the tokens in the training text, or null if the page does not know them. Each
 * token counts once more than it occurs, because the divergence from a zero is infinite.
 */
function unigramLogits(lab) {
  const counts = lab.facts.frequencies;
  return counts && Float64Array.from(counts, (count) => Math.log(count + 1));
}

/** The heat map of one lens. */
function lensMap(lab, lens, whose, t, marks, choose) {
  return {
    kind: "cells", title: `Top token at every station and position, ${whose} model`,
    what: "probability",
    rows: lab.stations,
    columns: lab.tokens.map((id) => lab.show(id)), columnNames: lab.places,
    values: lens.p_RT,
    texts: lens.texts_RT,
    max: 1, marked: { column: t }, marks, choose,
  };
}

/** The curves of the chosen position: KL by station. */
function lensKlSeries(lab, t) {
  const { trained, untrained } = lenses(lab);
  const { V } = lab.sizes;
  const series = [{ label: "trained", style: "main", values: lensKl(trained, t, V) }];
  if (untrained) {
    series.push({
      label: "untrained, from its own final prediction", style: "untrained",
      values: lensKl(untrained, t, V),
    });
  }
  const unigram_V = unigramLogits(lab);
  if (unigram_V) {
    const distance = kl(lab.logits(t), unigram_V);
    series.push({
      label: "baseline: token frequencies", style: "baseline",
      values: lab.stations.map(() => distance),
    });
  }
  return series;
}

/** The curves of the whole text: share of positions with the final top token, by station. */
function lensAgreementSeries(lab) {
  const { trained, untrained } = lenses(lab);
  const series = [{ label: "trained", style: "main", values: lensAgreement(trained) }];
  if (untrained) {
    series.push({
      label: "untrained, with its own final prediction", style: "untrained",
      values: lensAgreement(untrained),
    });
  }
  const unigram_V = unigramLogits(lab);
  if (unigram_V) {
    const frequent = topOf(unigram_V);
    const final_T = trained.top_RT[trained.top_RT.length - 1];
    const share = final_T.filter((id) => id === frequent).length / final_T.length;
    series.push({
      label: `baseline: always “${lab.show(frequent)}”, the most frequent token`,
      style: "baseline",
      values: lab.stations.map(() => share),
    });
  }
  return series;
}

PANELS.push({
  id: "lens",
  figures: ["map", "kl", "agreement"],
  prediction: {
    ask: "From which station on is the top token at your position the final one, and stays it?",
    choices(labs) {
      const deepest = labs.reduce((a, b) => (b.sizes.R > a.sizes.R ? b : a));
      return deepest.stations.map((label, r) => ({ value: r, label }));
    },
    truth(lab, view) {
      const r = settledAt(lenses(lab).trained, lab.position(view));
      return { value: r, words: `In the trained model it is so from “${lab.station(r)}” on.` };
    },
  },
  controls: [
    {
      name: "lens-model", label: "Lens of", standard: "trained",
      choices: (labs) => trainedOrNot(labs),
    },
  ],
  show(lab, view, guess) {
    const t = lab.position(view);
    const { trained, untrained } = lenses(lab);
    const shows_untrained = view.get("lens-model") === "untrained" && untrained;
    const lens = shows_untrained ? untrained : trained;
    const kl_series = lab.once(`lens kl ${t}`, () => lensKlSeries(lab, t));
    const agreement_series = lab.once("lens agreement", () => lensAgreementSeries(lab));
    const whose = shows_untrained ? "untrained" : "trained";
    const shown = shows_untrained ? "untrained" : "main";
    const kl_R = kl_series.find(({ style }) => style === shown).values;
    const places = [
      { label: "from here on the final token", style: "third", r: settledAt(lens, t) },
    ];
    if (guess !== null && !shows_untrained) {
      const said = Math.min(Number(guess), lab.sizes.R - 1);
      places.push({ label: `your prediction: ${lab.station(said)}`, style: "guess", r: said });
    }
    const cells = places.map(({ label, style, r }) => ({ label, style, row: r, column: t }));
    const points = places.map(({ label, style, r }) => ({ label, style, x: r, y: kl_R[r] }));
    const choose = (_, column) => {
      view.change({ position: column === lab.tokens.length - 1 ? -1 : column });
    };
    const stations = {
      kind: "lines", x: lab.stations.map((_, r) => r), names: lab.stations,
      xAxis: { label: "station", ticks: stationTicks(lab) },
    };
    return {
      sentence: lensSentence(lab, t, lens, whose, kl_R, kl_series),
      map: lensMap(lab, lens, whose, t, cells, choose),
      kl: {
        ...stations,
        title: `KL from the final prediction to that of each station, at position ${t}`,
        yAxis: { label: `KL at position ${t} (nats)`, min: 0 }, series: kl_series, marks: points,
      },
      agreement: {
        ...stations, title: "Share of all positions whose top token is the final one",
        yAxis: { label: "share with the final top token", min: 0, max: 1 },
        series: agreement_series,
      },
    };
  },
});

/** What the lens says in words. */
function lensSentence(lab, t, { top_RT, p_RT }, whose, kl_R, kl_series) {
  const last = top_RT.length - 1;
  const settled = lab.station(settledAt({ top_RT }, t));
  const frequencies = kl_series.find(({ style }) => style === "baseline");
  const baseline =
    frequencies && whose === "trained"
      ? `; token frequencies have ${short(frequencies.values[0])}`
      : "";
  return (
    `After ${lab.places[t]} the ${whose} model predicts “${lab.show(top_RT[last][t])}” ` +
    `(${short(p_RT[last][t])}), and this stays the top token from the station “${settled}” on. ` +
    `KL from the final prediction to that of the embedding is ${short(kl_R[0])} nats${baseline}.`
  );
}
