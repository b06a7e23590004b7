// Arrow or point: one token's row of the unembedding made longer or shorter.
"use strict";

const STRETCHES = Array.from({ length: 17 }, (_, i) => 2 ** ((i - 8) / 4)); // 1/4 to 4
const STRETCH_TICKS = [
  [1 / 4, "1/4"], [1 / 2, "1/2"], [1, "1"], [2, "2"], [4, "4"],
].map(([at, label]) => ({ at, label }));
const NEIGHBOURS = 8;

const MEASURES = {
  dot: { label: "dot product", joined: "dot product with", largest_is_near: true },
  cosine: { label: "cosine similarity", joined: "cosine similarity with", largest_is_near: true },
  distance: { label: "distance", joined: "distance from", largest_is_near: false },
};

/** The chosen token, or the top prediction at position t: -1 stands for it. */
function stretchedToken(lab, view, t) {
  const chosen = view.get("arrow-token");
  return chosen >= 0 && chosen < lab.sizes.V ? chosen : largest(lab.logits(t), 1)[0];
}

/** A menu of the top prediction and all tokens. */
function tokenChoices(lab) {
  const tokens = Array.from({ length: lab.sizes.V }, (_, id) => ({
    value: id, label: `${lab.show(id)} (${id})`,
  }));
  return [{ value: -1, label: "the top prediction" }, ...tokens];
}

/** The dot products of a vector with all rows of the unembedding, and the norms of both. */
function compareWithRows(model, x_D) {
  const dot_V = matmul(x_D, model.unembedding_VD, model.sizes.D);
  return { dot_V, norm_V: model.row_norm_V, norm: norm(x_D) };
}

/** How near each row is to a row made c times as long, by a measure. */
function nearnessToStretched({ dot_V, norm_V, norm }, c, measure) {
  return Float64Array.from(dot_V, (product, id) => {
    if (measure === "dot") return c * product;
    if (measure === "cosine") return cosineOf(product, norm * norm_V[id]);
    return distanceOf(c * product, c * norm, norm_V[id]);
  });
}

/** How near a state is to the row of a token made c times as long, by a measure. */
function nearnessToState({ dot_V, norm_V, norm }, id, c, measure) {
  if (measure === "dot") return c * dot_V[id];
  if (measure === "cosine") return cosineOf(dot_V[id], norm * norm_V[id]);
  return distanceOf(c * dot_V[id], norm, c * norm_V[id]);
}

function cosineOf(product, lengths) {
  return lengths > 0 ? product / lengths : 0;
}

/** The distance of two vectors from their dot product and norms. */
function distanceOf(product, norm_a, norm_b) {
  return Math.sqrt(Math.max(0, norm_a ** 2 + norm_b ** 2 - 2 * product));
}

/** The place of a value in the order of nearness, from 1; others_V are what it competes with. */
function rankOf(value, others_V, measure) {
  const sign = MEASURES[measure].largest_is_near ? 1 : -1;
  let rank = 1;
  for (const other of others_V) if (sign * other > sign * value) rank += 1;
  return rank;
}

/** The ids of the rows next to a token's row, without the token itself. */
function neighboursOf(token, nearness_V, measure) {
  const sign = MEASURES[measure].largest_is_near ? 1 : -1;
  const others = largest(nearness_V.map((value) => sign * value), NEIGHBOURS + 1);
  return others.filter((id) => id !== token).slice(0, NEIGHBOURS);
}

/** The logits of a state that was compared with all rows, if the row of one token is stretched. */
function stretchedLogits(model, { dot_V, norm_V, norm }, token, c) {
  return dot_V.map((product, id) => {
    const stretch = id === token ? c : 1;
    return model.head.logit(stretch * product, norm, stretch * norm_V[id]);
  });
}

/** The logits at position t if all rows had the mean length of the rows. */
function equalLengthLogits(lab, t) {
  const { dot_V, norm_V, norm } = compareWithState(lab, t);
  const mean = norm_V.reduce((a, b) => a + b, 0) / norm_V.length;
  return dot_V.map((product, id) => {
    const as_long = norm_V[id] > 0 ? (product * mean) / norm_V[id] : 0;
    return lab.model.head.logit(as_long, norm, mean);
  });
}

/** The state that the unembedding reads at position t, compared with all rows. */
function compareWithState(lab, t) {
  return lab.once(`arrow state ${t}`, () => {
    const x_D = row(lab.trace.after_final_norm_TD, t, lab.sizes.D);
    return compareWithRows(lab.model, x_D);
  });
}

/** The same for the untrained model. */
function compareUntrained(lab, t) {
  const x_D = row(lab.untrainedTrace.after_final_norm_TD, t, lab.sizes.D);
  return compareWithRows(lab.untrained, x_D);
}

/** The probabilities at position t if the row of one token is c times as long. */
function stretchedProbabilities(lab, t, token, c) {
  return softmax(stretchedLogits(lab.model, compareWithState(lab, t), token, c));
}

/** The probability of the token over the stretch: at t, with rows of one length, and untrained. */
function arrowProbabilities(lab, t, token) {
  const over = (model, state) =>
    STRETCHES.map((c) => softmax(stretchedLogits(model, state, token, c))[token]);
  const directions = softmax(equalLengthLogits(lab, t))[token];
  const series = [
    {
      label: `“${lab.show(token)}”`, style: "main",
      values: over(lab.model, compareWithState(lab, t)),
    },
    {
      label: "baseline: all rows of one length", style: "baseline",
      values: STRETCHES.map(() => directions),
    },
  ];
  if (lab.untrained) {
    series.push({
      label: `“${lab.show(token)}”, untrained model`, style: "untrained",
      values: over(lab.untrained, compareUntrained(lab, t)),
    });
  }
  return series;
}

/** The rank of the token as seen from the state, over the stretch, by each measure. */
function arrowRanks(lab, t, token) {
  const state = compareWithState(lab, t);
  const ids = [...Array(lab.sizes.V).keys()].filter((id) => id !== token);
  const ranks = (measure) => {
    const others = ids.map((id) => nearnessToState(state, id, 1, measure));
    return STRETCHES.map((c) => rankOf(nearnessToState(state, token, c, measure), others, measure));
  };
  const head = lab.config.head; // the measure of its name makes the prediction
  const rest = ["distance", "dot", "cosine"].filter((measure) => measure !== head);
  const [other, last] = rest;
  const is_baseline = last === "cosine"; // the rank by cosine never changes
  return [
    { label: `by ${MEASURES[head].label}: the prediction`, style: "main", values: ranks(head) },
    { label: `by ${MEASURES[other].label}`, style: "other", values: ranks(other) },
    {
      label: is_baseline ? "baseline: by cosine" : `by ${MEASURES[last].label}`,
      style: is_baseline ? "baseline" : "third", values: ranks(last),
    },
  ];
}

/** The nearest rows of the stretched row, and the mean of all other rows. */
function neighbourBars(lab, token, c, measure) {
  const { D } = lab.sizes;
  const rows = lab.once(`arrow row ${token}`, () =>
    compareWithRows(lab.model, row(lab.model.unembedding_VD, token, D)),
  );
  const before_V = nearnessToStretched(rows, 1, measure);
  const after_V = nearnessToStretched(rows, c, measure);
  const ids = neighboursOf(token, after_V, measure);
  const was = neighboursOf(token, before_V, measure);
  const meanOfOthers = (values_V) => {
    const sum = values_V.reduce((a, b) => a + b, 0) - values_V[token];
    return sum / Math.max(1, values_V.length - 1);
  };
  const valuesOf = (values_V) => [...ids.map((id) => values_V[id]), meanOfOthers(values_V)];
  const { label, joined } = MEASURES[measure];
  return {
    kept: ids.filter((id) => was.includes(id)).length,
    is_same_order: ids.every((id, i) => id === was[i]),
    count: ids.length,
    spec: {
      kind: "bars", title: `Rows nearest to that of “${lab.show(token)}”, by ${label}`,
      names: [...ids.map((id) => lab.show(id)), "mean of others"],
      xAxis: { label: `${joined} the row of “${lab.show(token)}”` },
      series: [
        { label: "row as it is", style: "untrained", values: valuesOf(before_V) },
        { label: `row x ${short(c)}`, style: "main", values: valuesOf(after_V) },
      ],
    },
  };
}

PANELS.push({
  id: "arrow",
  figures: ["neighbours", "ranks", "probabilities", "curve"],
  prediction: {
    ask([lab], view) {
      const t = lab.position(view);
      const token = stretchedToken(lab, view, t);
      const p = short(softmax(lab.logits(t))[token]);
      return (
        `The token “${lab.show(token)}” has probability ${p} after your position. You make ` +
        "its row of the unembedding twice as long. What is its probability then?"
      );
    },
    min: 0, max: 1, step: "any", unit: "(between 0 and 1)",
    truth(lab, view) {
      const t = lab.position(view);
      const token = stretchedToken(lab, view, t);
      const before = softmax(lab.logits(t))[token];
      const value = stretchedProbabilities(lab, t, token, 2)[token];
      const words = `“${lab.show(token)}” goes from ${short(before)} to ${short(value)}.`;
      return { value, words };
    },
  },
  controls: [
    {
      name: "arrow-token", label: "Token", standard: -1,
      choices: ([lab]) => lab.once("arrow choices", () => tokenChoices(lab)),
    },
    {
      name: "stretch", label: "Its row, times", standard: 1, min: -2, max: 2, step: 0.25,
      say: (log_c) => short(2 ** log_c),
    },
    {
      name: "measure", label: "Neighbours by", standard: "distance",
      choices: () => Object.entries(MEASURES).map(([value, { label }]) => ({ value, label })),
    },
  ],
  show(lab, view, guess) {
    const t = lab.position(view);
    const token = stretchedToken(lab, view, t);
    const c = 2 ** view.get("stretch");
    const measure = view.get("measure") in MEASURES ? view.get("measure") : "distance";
    const neighbours = neighbourBars(lab, token, c, measure);
    const series = lab.once(`arrow curve ${t} ${token}`, () => arrowProbabilities(lab, t, token));
    const ranks = lab.once(`arrow ranks ${t} ${token}`, () => arrowRanks(lab, t, token));
    const before_V = softmax(lab.logits(t));
    const after_V = stretchedProbabilities(lab, t, token, c);
    const equal_V = lab.once(`arrow equal ${t}`, () => softmax(equalLengthLogits(lab, t)));
    const top = largest(before_V, NEIGHBOURS);
    const ids = top.includes(token) ? top : [token, ...top.slice(0, NEIGHBOURS - 1)];
    const marks = [{ label: "where the slider stands", style: "now", x: c, y: after_V[token] }];
    if (guess !== null) {
      marks.push({ label: "your prediction", style: "guess", x: 2, y: Number(guess) });
    }
    const over_stretch = {
      kind: "lines", x: STRETCHES, names: STRETCHES.map((s) => `row x ${short(s)}`),
      xAxis: { label: "the row, times", log: true, min: 1 / 4, max: 4, ticks: STRETCH_TICKS },
      here: c,
    };
    return {
      sentence: arrowSentence(lab, t, token, c, measure, neighbours),
      neighbours: neighbours.spec,
      ranks: {
        ...over_stretch, title: "Rank of the token among all rows, as seen from the state",
        yAxis: { label: "rank from the state", min: 1 }, series: ranks,
      },
      probabilities: {
        kind: "bars", title: "Probabilities with the row as it is and stretched",
        names: ids.map((id) => lab.show(id)), marked: ids.indexOf(token),
        xAxis: { label: "probability", min: 0, max: 1 },
        series: [
          { label: "as it is", style: "untrained", values: ids.map((id) => before_V[id]) },
          { label: `row x ${short(c)}`, style: "main", values: ids.map((id) => after_V[id]) },
          {
            label: "baseline: all rows of one length", style: "baseline",
            values: ids.map((id) => equal_V[id]),
          },
        ],
      },
      curve: {
        ...over_stretch, title: "Probability of the token over the length of its row",
        yAxis: { label: "probability of the token", min: 0, max: 1 }, series, marks,
      },
    };
  },
});

/** What the stretch does in words. */
function arrowSentence(lab, t, token, c, measure, { kept, is_same_order, count }) {
  const z = lab.logits(t)[token];
  const stretched_V = stretchedLogits(lab.model, compareWithState(lab, t), token, c);
  const before = softmax(lab.logits(t))[token];
  const after = softmax(stretched_V)[token];
  let order = "";
  if (kept === count) order = is_same_order ? ", in the same order" : ", in another order";
  const tied = lab.config.tied
    ? " In this model the same row also embeds the token; only the unembedding is stretched here."
    : "";
  return (
    `The logit of “${lab.show(token)}” goes from ${short(z)} to ${short(stretched_V[token])} and its ` +
    `probability from ${short(before)} to ${short(after)}. By ${MEASURES[measure].label}, ` +
    `${kept} of its ${count} nearest rows stay the nearest${order}.${tied}`
  );
}
