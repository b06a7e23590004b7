// The confidence dial: the last state made c times as long, before and after the final norm.
"use strict";

const DIAL_SCALES = Array.from({ length: 25 }, (_, i) => 2 ** ((i - 12) / 4)); // 1/8 to 8
const DIAL_TICKS = [
  [1 / 8, "1/8"], [1 / 4, "1/4"], [1 / 2, "1/2"], [1, "1"], [2, "2"], [4, "4"], [8, "8"],
].map(([at, label]) => ({ at, label }));

/** The logits at position t if the last state is made c times as long at a place. */
function dialled(lab, t, c, place) {
  const { trace, model, sizes } = lab;
  if (place === "before") return model.readout(scale(row(trace.before_final_norm_TD, t, sizes.D), c));
  return model.unembed(scale(row(trace.after_final_norm_TD, t, sizes.D), c));
}

/** Entropy over the scale at one position, at both places. */
function dialCurves(lab, t) {
  const curve = (place) => DIAL_SCALES.map((c) => entropy(dialled(lab, t, c, place)));
  return { before: curve("before"), after: curve("after") };
}

PANELS.push({
  id: "dial",
  figures: ["entropy", "probabilities"],
  prediction: {
    ask:
      "You make the last state 4 times as long before the final norm reads it. By how much does " +
      "the entropy of the prediction change?",
    min: -10, max: 10, step: 0.01, unit: "nats (0: not at all, below 0: the model becomes surer)",
    truth(lab, view) {
      const t = lab.position(view);
      const change = entropy(dialled(lab, t, 4, "before")) - entropy(lab.logits(t));
      return { value: change, words: `It changes by ${short(change)} nats.` };
    },
  },
  controls: [
    {
      name: "c", label: "The last state, times c", standard: 0, min: -3, max: 3, step: 0.25,
      say: (log_c) => `c = ${short(2 ** log_c)}`,
    },
    {
      name: "place", label: "Where", standard: "after",
      choices: () => [
        { value: "after", label: "after the final norm" },
        { value: "before", label: "before the final norm" },
      ],
    },
  ],
  show(lab, view, guess) {
    const t = lab.position(view);
    const c = 2 ** view.get("c");
    const place = view.get("place");
    const curves = lab.once(`dial ${t}`, () => dialCurves(lab, t));
    const now = dialled(lab, t, c, place);
    const ids = largest(lab.logits(t), 8);
    const before = softmax(lab.logits(t));
    const after = softmax(now);
    const marks = [{ label: "where the dial stands", style: "now", x: c, y: entropy(now) }];
    if (guess !== null) {
      const said = entropy(lab.logits(t)) + Number(guess);
      marks.push({ label: "your prediction, before the norm", style: "guess", x: 4, y: said });
    }
    const colder = lab.logits(t).map((z) => z * c);
    return {
      sentence:
        `Scaled ${place} the final norm by ${short(c)}, the entropy is ${short(entropy(now))} nats, ` +
        `unscaled ${short(entropy(lab.logits(t)))}. A softmax at temperature 1/c = ${short(1 / c)} ` +
        `has ${short(entropy(colder))}.`,
      entropy: {
        kind: "lines", title: "Entropy of the prediction over the scale c of the last state",
        x: DIAL_SCALES, names: DIAL_SCALES.map((s) => `c = ${short(s)}`),
        xAxis: { label: "scale c of the last state", log: true, min: 1 / 8, max: 8, ticks: DIAL_TICKS },
        yAxis: { label: "entropy (nats)", min: 0 },
        series: [
          { label: "scaled after the final norm", style: "main", values: curves.after },
          { label: "scaled before the final norm", style: "other", values: curves.before },
          {
            label: "baseline: softmax at temperature 1/c", style: "baseline",
            values: DIAL_SCALES.map((s) => entropy(scale(lab.logits(t), s))),
          },
        ],
        marks, here: c,
      },
      probabilities: {
        kind: "bars", title: "Probability of the next token, as it is and scaled",
        names: ids.map((id) => lab.show(id)),
        xAxis: { label: "probability", min: 0, max: 1 },
        series: [
          { label: "as it is", style: "untrained", values: ids.map((id) => before[id]) },
          { label: `scaled ${place} the norm`, style: "main", values: ids.map((id) => after[id]) },
        ],
      },
    };
  },
});
