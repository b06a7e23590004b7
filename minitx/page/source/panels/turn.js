// Stretch or turn: one state made longer, shorter or turned, by the same distance.
"use strict";

const DISTANCES = Array.from({ length: 11 }, (_, i) => i / 5); // in units of the state's own norm
const RANDOM_TURNS = 4;

const CHANGES = {
  longer: { label: "made longer", style: "main" },
  shorter: { label: "made shorter", style: "third" },
  turned: { label: "turned towards another token's state", style: "other" },
  random: { label: "baseline: turned in random directions", style: "baseline" },
};

/** The angle of a turn that moves a state by a distance, in radians. */
function angleOf(distance) {
  return 2 * Math.asin(Math.min(1, distance / 2));
}

/** The position whose state is turned to: the chosen one, or the neighbour. */
function targetPosition(lab, view, t) {
  const chosen = view.get("towards");
  if (chosen >= 0 && chosen < lab.tokens.length && chosen !== t) return chosen;
  return t === 0 ? 1 : t - 1;
}

/** The station that the reader chose; the middle of the model if none. */
function chosenStation(lab, view) {
  const chosen = view.get("station");
  return chosen < 0 ? lab.sizes.N : Math.min(Math.round(chosen), lab.sizes.R - 1);
}

/**
 * A state moved by a distance, or null if that is impossible: a state cannot lose more than its
 * whole length, and no turn leads towards a parallel state.
 * @param {number} seed which of the random directions
 */
function moved(lab, station, t, target, change, distance, seed = 0) {
  const x_D = lab.state(station, t);
  if (change === "longer") return scale(x_D, 1 + distance);
  if (change === "shorter") return distance <= 1 ? scale(x_D, 1 - distance) : null;
  const towards =
    change === "turned" ? lab.state(station, target) : randomVector(x_D.length, randomNumbers(seed));
  return turned(x_D, towards, angleOf(distance));
}

/** KL over the distance for each change; null where it is still being computed. */
function turnCurves(lab, view, station, t, target) {
  const changes = Object.keys(CHANGES);
  const count = changes.length * DISTANCES.length;
  const compute = (i) => {
    const change = changes[Math.floor(i / DISTANCES.length)];
    return klOfChange(lab, station, t, target, change, DISTANCES[i % DISTANCES.length]);
  };
  const key = `turn ${station} ${t} ${target}`;
  const kl_I = lab.gradually(key, count, compute, () => view.refresh("distance"));
  const curves = changes.map((change, i) => [
    change,
    kl_I.slice(i * DISTANCES.length, (i + 1) * DISTANCES.length),
  ]);
  return Object.fromEntries(curves);
}

/** How far a change moves the prediction; for random directions, the mean of a few. */
function klOfChange(lab, station, t, target, change, distance) {
  const seeds = change === "random" ? [...Array(RANDOM_TURNS).keys()] : [0];
  let sum = 0;
  for (const seed of seeds) {
    const x_D = moved(lab, station, t, target, change, distance, seed);
    if (x_D === null) return null;
    sum += kl(lab.logits(t), lab.model.continueAt(lab.trace, station, t, x_D).logits_V);
  }
  return sum / seeds.length;
}

/** What a distance means for a change: a factor or an angle. */
function inWords(change, distance) {
  if (change === "longer") return `${short(1 + distance)} times as long`;
  if (change === "shorter") return `${short(Math.max(0, 1 - distance))} times as long`;
  return `turned by ${Math.round((angleOf(distance) * 180) / Math.PI)}°`;
}

PANELS.push({
  id: "turn",
  figures: ["kl", "probabilities"],
  prediction: {
    ask:
      "Both move the state in the middle of the model equally far. Which changes the prediction at " +
      "your position more?",
    choices: () => [
      { value: "longer", label: "making the state twice as long" },
      { value: "turned", label: "turning it by 60 degrees towards another token's state" },
    ],
    truth(lab, view) {
      const t = lab.position(view);
      const station = chosenStation(lab, view);
      const target = targetPosition(lab, view, t);
      const [longer, turn] = ["longer", "turned"].map((change) =>
        klOfChange(lab, station, t, target, change, 1),
      );
      const value = turn > longer ? "turned" : "longer";
      const words =
        `At ${lab.station(station)}, twice the length moves the prediction by ${short(longer)} ` +
        `nats, the turn by ${short(turn)}.`;
      return { value, words };
    },
  },
  controls: [
    {
      name: "station", label: "Station", standard: -1, min: 0, step: 1,
      max: (labs) => Math.max(...labs.map((lab) => lab.sizes.R - 1)),
      say: (_, labs, view) => labs.map((lab) => lab.station(chosenStation(lab, view))).join(", "),
      value: (labs, view) => chosenStation(labs[0], view),
    },
    {
      name: "change", label: "The state is", standard: "turned",
      choices: () => Object.entries(CHANGES).map(([value, { label }]) => ({ value, label })),
    },
    {
      name: "towards", label: "Towards", standard: -1,
      choices: ([lab]) => [
        { value: -1, label: "the token before" },
        ...lab.tokens.map((id, t) => ({ value: t, label: `position ${t}: “${lab.show(id)}”` })),
      ],
    },
    {
      name: "distance", label: "Distance", standard: 1, min: 0, max: 2, step: 0.05,
      say: (distance, _, view) => inWords(view.get("change"), distance),
    },
  ],
  show(lab, view, guess) {
    const t = lab.position(view);
    const station = chosenStation(lab, view);
    const target = targetPosition(lab, view, t);
    const change = view.get("change") in CHANGES ? view.get("change") : "turned";
    const distance = view.get("distance");
    const curves = turnCurves(lab, view, station, t, target);
    const x_D = moved(lab, station, t, target, change, distance);
    const logits_V = x_D && lab.model.continueAt(lab.trace, station, t, x_D).logits_V;
    const effect = logits_V && kl(lab.logits(t), logits_V);
    const apart = (angleBetween(lab.state(station, t), lab.state(station, target)) * 180) / Math.PI;
    const marks = [];
    if (effect !== null) {
      marks.push({ label: "the change that you made", style: "now", x: distance, y: effect });
    }
    if (guess !== null && guess in CHANGES) {
      const said = curves[guess][DISTANCES.indexOf(1)];
      marks.push({ label: "your prediction: this is larger", style: "guess", x: 1, y: said });
    }
    const before = softmax(lab.logits(t));
    const after = logits_V && softmax(logits_V);
    const ids = [...new Set([...largest(before, 5), ...largest(after || before, 5)])];
    return {
      sentence:
        effect === null
          ? "This change is impossible: no state has a negative length, and no turn leads towards " +
            "a state that points the same way."
          : `At ${lab.station(station)}, position ${t}, the state is ${inWords(change, distance)}: ` +
            `the prediction moves by ${short(effect)} nats. The state of “${lab.show(lab.tokens[target])}” ` +
            `at position ${target} is ${Math.round(apart)}° away.`,
      kl: {
        kind: "lines", title: "How far the prediction moves over how far the state is moved",
        x: DISTANCES, names: DISTANCES.map((d) => `moved by ${short(d)} of its norm`),
        xAxis: { label: "distance (1: the state's own norm)", min: 0, max: 2 },
        yAxis: { label: "KL (nats)", min: 0 },
        series: Object.entries(CHANGES).map(([name, { label, style }]) => ({
          label, style, values: curves[name],
        })),
        marks, here: distance,
      },
      probabilities: {
        kind: "bars", title: "Probability of the next token, as it is and after the change",
        names: ids.map((id) => lab.show(id)),
        xAxis: { label: "probability", min: 0, max: 1 },
        series: [
          { label: "as it is", style: "untrained", values: ids.map((id) => before[id]) },
          { label: "after the change", style: "main", values: ids.map((id) => (after ? after[id] : null)) },
        ],
      },
    };
  },
});
