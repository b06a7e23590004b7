// Attention patterns: how much each head reads each token from the chosen position.
"use strict";

/** How much each head of a block reads each token up to position t: a list for each head. */
function headsOf(pattern_HTS, t, { T, H }) {
  return Array.from({ length: H }, (_, h) => {
    const start = (h * T + t) * T;
    return Array.from(pattern_HTS.subarray(start, start + t + 1));
  });
}

/** The same for all heads of a model, the first block first. */
function attentionFrom(lab, trace, t) {
  const sizes = { T: lab.tokens.length, H: lab.sizes.H };
  return trace.pattern_NHTS.flatMap((pattern_HTS) => headsOf(pattern_HTS, t, sizes));
}

/** The names of all heads, the first block first. */
function headNames(lab) {
  const { N, H } = lab.sizes;
  const number = [...Array(N * H).keys()];
  return number.map((i) => `block ${Math.floor(i / H) + 1} head ${(i % H) + 1}`);
}

/** The mean over heads of their weight on the token `back` places before position t, by back. */
function weightByDistance(heads, t) {
  return Array.from({ length: t + 1 }, (_, back) => {
    const sum = heads.reduce((total, weights_S) => total + weights_S[t - back], 0);
    return sum / heads.length;
  });
}

/** The mean over heads of the weight on position t itself; null without heads. */
function selfAttention(lab, t) {
  const heads = attentionFrom(lab, lab.trace, t);
  return heads.length ? weightByDistance(heads, t)[0] : null;
}

/** The heat map of all heads, above a row of uniform attention. */
function attentionMap(lab, t, heads, whose) {
  const uniform_S = Array(t + 1).fill(1 / (t + 1));
  const future = Array(lab.tokens.length - t - 1).fill(null);
  return {
    kind: "cells", title: `Attention of all heads from position ${t}, ${whose}`,
    what: "attention",
    rows: ["uniform", ...headNames(lab).slice(0, heads.length)],
    columns: lab.tokens.map((id) => lab.show(id)), columnNames: lab.places,
    values: [uniform_S, ...heads].map((weights_S) => [...weights_S, ...future]),
    max: 1, marked: { column: t },
  };
}

PANELS.push({
  id: "attention",
  figures: ["pattern", "distance"],
  prediction: {
    ask: "How much of its attention does your position pay to itself, as a mean over all heads?",
    min: 0, max: 1, step: "any", unit: "(between 0 and 1)",
    truth(lab, view) {
      const weight = selfAttention(lab, lab.position(view));
      if (weight === null) return { value: 0, words: "This model has no attention." };
      return { value: weight, words: `It is ${short(weight)}.` };
    },
  },
  controls: [
    {
      name: "attention-model", label: "Patterns of", standard: "trained",
      choices: (labs) => trainedOrNot(labs),
    },
  ],
  show(lab, view, guess) {
    const t = lab.position(view);
    const trained = attentionFrom(lab, lab.trace, t);
    const untrained = lab.untrained ? attentionFrom(lab, lab.untrainedTrace, t) : [];
    const shows_untrained = view.get("attention-model") === "untrained" && lab.untrained;
    const shown = shows_untrained ? untrained : trained;
    const whose = shows_untrained ? "untrained model" : "trained model";
    const series = [];
    if (trained.length) {
      const values = weightByDistance(trained, t);
      series.push({ label: "mean of all heads", style: "main", values });
    }
    if (untrained.length) {
      const values = weightByDistance(untrained, t);
      series.push({ label: "mean of all heads, untrained", style: "untrained", values });
    }
    series.push({
      label: `baseline: uniform, 1/${t + 1} each`, style: "baseline",
      values: Array(t + 1).fill(1 / (t + 1)),
    });
    const marks = [];
    if (guess !== null) {
      marks.push({ label: "your prediction", style: "guess", x: 0, y: Number(guess) });
    }
    const distances = [...Array(t + 1).keys()];
    return {
      sentence: attentionSentence(lab, t, trained, untrained, shown, whose),
      pattern: attentionMap(lab, t, shown, whose),
      distance: {
        kind: "lines", title: "Attention by distance, as a mean over heads",
        x: distances,
        names: distances.map((back) => `${back} back, “${lab.show(lab.tokens[t - back])}”`),
        xAxis: { label: "tokens back from your position (0: itself)" },
        yAxis: { label: "attention", min: 0 },
        series, marks,
      },
    };
  },
});

/** What the patterns say in words; `shown` are those of the heat map. */
function attentionSentence(lab, t, trained, untrained, shown, whose) {
  if (trained.length === 0) {
    return "This model has no blocks and so no attention: every position sees only its own token.";
  }
  const token = lab.places[t];
  if (t === 0) return `${token} can read nothing but itself: all heads put all weight on it.`;
  const comparisons = [`uniform attention ${short(1 / (t + 1))}`];
  if (untrained.length) {
    comparisons.unshift(`untrained ${short(weightByDistance(untrained, t)[0])}`);
  }
  const peaks = shown.map((weights_S) => Math.max(...weights_S));
  const [sharpest] = largest(peaks, 1);
  const [read] = largest(shown[sharpest], 1);
  return (
    `${token} pays ${short(weightByDistance(trained, t)[0])} of its attention to itself ` +
    `(${comparisons.join(", ")}). The most focused head of the ${whose} is ` +
    `${headNames(lab)[sharpest]}: it puts ${short(peaks[sharpest])} on ${lab.places[read]}.`
  );
}
