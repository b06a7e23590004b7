// Growth: the norm of the state at every station, beside updates at right angles.
"use strict";

/** The norm at position t by station, in a trace. */
function normsAt(lab, trace, t) {
  return trace.stream_RTD.map((stream_TD) => norm(row(stream_TD, t, lab.sizes.D)));
}

/** The median norm of the positions after 0, by station. */
function medianNorms(lab, trace) {
  const later = [...lab.tokens.keys()].slice(1);
  const norms_T = later.map((t) => normsAt(lab, trace, t));
  return norms_T[0].map((_, r) => median(norms_T.map((norms_R) => norms_R[r])));
}

/** Whether each station is the one before plus an update. */
function isSum(lab) {
  return lab.config.residual && lab.config.norm_place !== "post";
}

/** The norm by station if the same updates stood at right angles to all before them. */
function rightAngleNorms(lab, t) {
  const { D } = lab.sizes;
  let square = norm(lab.state(0, t)) ** 2;
  const norms_R = [Math.sqrt(square)];
  lab.trace.attention_update_NTD.forEach((attention_TD, n) => {
    for (const update_TD of [attention_TD, lab.trace.mlp_update_NTD[n]]) {
      square += norm(row(update_TD, t, D)) ** 2;
      norms_R.push(Math.sqrt(square));
    }
  });
  return norms_R;
}

/** All curves for a position. */
function growthCurves(lab, t) {
  const series = [
    { label: `position ${t}: “${lab.show(lab.tokens[t])}”`, style: "main", values: normsAt(lab, lab.trace, t) },
    { label: "median of positions after 0", style: "third", values: medianNorms(lab, lab.trace) },
    { label: "position 0", style: "other", values: normsAt(lab, lab.trace, 0) },
  ];
  if (isSum(lab)) {
    series.push({
      label: "baseline: the same updates at right angles", style: "baseline",
      values: rightAngleNorms(lab, t),
    });
  }
  if (lab.untrained) {
    const values = normsAt(lab, lab.untrainedTrace, t);
    series.push({ label: "the untrained model", style: "untrained", values });
  }
  return series;
}

/** The last norm divided by the first. */
function growthOf(norms_R) {
  return norms_R[norms_R.length - 1] / norms_R[0];
}

PANELS.push({
  id: "growth",
  figures: ["norms"],
  prediction: {
    ask: "How many times as long as its embedding is the last state at your position?",
    min: 0.001, max: 1000000, unit: "times as long",
    truth(lab, view) {
      const growth = growthOf(normsAt(lab, lab.trace, lab.position(view)));
      return { value: growth, words: `It is ${short(growth)} times as long.` };
    },
  },
  controls: [
    {
      name: "axis", label: "Axis of the norm", standard: "log",
      choices: () => [
        { value: "log", label: "logarithmic" },
        { value: "linear", label: "linear, from 0" },
      ],
    },
  ],
  show(lab, view, guess) {
    const t = lab.position(view);
    const series = lab.once(`growth ${t}`, () => growthCurves(lab, t));
    const own_R = series[0].values;
    const last = own_R.length - 1;
    const right_angles = series.find(({ style }) => style === "baseline");
    const untrained = series.find(({ style }) => style === "untrained");
    const comparisons = [
      right_angles && `updates at right angles would give x ${short(growthOf(right_angles.values))}`,
      untrained && `the untrained model has x ${short(growthOf(untrained.values))}`,
    ].filter(Boolean);
    const marks = [];
    if (guess !== null) {
      const said = Number(guess) * own_R[0];
      marks.push({ label: "your prediction", style: "guess", x: last, y: said });
    }
    return {
      sentence:
        `At position ${t} the norm goes from ${short(own_R[0])} to ${short(own_R[last])}, ` +
        `x ${short(growthOf(own_R))}. ${capitalised(comparisons.join("; "))}` +
        (comparisons.length ? "." : ""),
      norms: {
        kind: "lines", title: "Norm of the state at every station",
        x: own_R.map((_, r) => r), names: lab.stations,
        xAxis: { label: "station", ticks: stationTicks(lab) },
        yAxis: view.get("axis") === "log" ? { label: "norm", log: true } : { label: "norm", min: 0 },
        series, marks,
      },
    };
  },
});
