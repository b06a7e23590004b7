// The next token: probabilities, temperature, and a continuation that is sampled token by token.
"use strict";

/** The probabilities at a temperature; 0 puts everything on the largest logit. */
function atTemperature(logits_V, temperature) {
  if (temperature > 0) return softmax(scale(logits_V, 1 / temperature));
  const [best] = largest(logits_V, 1);
  return Float64Array.from(logits_V, (_, id) => (id === best ? 1 : 0));
}

/** An id drawn with these probabilities; `number` is between 0 and 1. */
function drawn(p_V, number) {
  let sum = 0;
  for (let id = 0; id < p_V.length; id++) {
    sum += p_V[id];
    if (number < sum) return id;
  }
  return largest(p_V, 1)[0];
}

/**
 * Let the first model that is shown append tokens to what all models read.
 * @param {Lab[]} labs
 */
function sample([lab], view, count) {
  const tokens = [...lab.tokens];
  const ids = drawnIds(view);
  let text = "";
  let { trace } = lab;
  for (let i = 0; i < count && tokens.length < lab.config.context; i++) {
    if (i > 0) trace = lab.model.trace(tokens);
    const random = randomNumbers(view.get("seed") * 1000 + tokens.length);
    const logits_V = lab.logits(tokens.length - 1, trace);
    const id = drawn(atTemperature(logits_V, view.get("temperature")), random());
    tokens.push(id);
    ids.push(id);
    text += lab.tokenizer.decode([id]);
  }
  // Ids in the view are those of the first model on the page; another vocabulary appends its text.
  if (sameTokens(lab, page.labs[0])) view.change({ drawn: ids.join("."), position: -1 });
  else view.change({ prompt: view.get("prompt") + text, position: -1 });
}

/** @param {Lab[]} labs */
const isFull = ([lab]) => lab.tokens.length >= lab.config.context;

PANELS.push({
  id: "next",
  figures: ["probabilities"],
  prediction: {
    ask: "How probable is the token that the model finds most likely after your position?",
    min: 0, max: 1, step: "any", unit: "(between 0 and 1)",
    truth(lab, view) {
      const p_V = softmax(lab.logits(lab.position(view)));
      const [best] = largest(p_V, 1);
      return { value: p_V[best], words: `“${lab.show(best)}” has ${short(p_V[best])}.` };
    },
  },
  controls: [
    {
      name: "temperature", label: "Temperature", standard: 1, min: 0, max: 2, step: 0.05,
      say: (temperature) => short(temperature),
    },
    {
      name: "seed", label: "Seed of the sample", standard: 0, min: 0, max: 20, step: 1,
      say: (seed) => String(seed),
    },
  ],
  actions: [
    { label: "Sample one token", run: (labs, view) => sample(labs, view, 1), isOff: isFull },
    { label: "Sample 16", run: (labs, view) => sample(labs, view, 16), isOff: isFull },
    {
      label: "Remove what was sampled",
      run: (_, view) => view.change({ drawn: "", position: -1 }),
      isOff: (_, view) => view.get("drawn") === "",
    },
  ],
  show(lab, view, guess) {
    const t = lab.position(view);
    const p_V = softmax(lab.logits(t));
    const temperature = view.get("temperature");
    const tempered_V = atTemperature(lab.logits(t), temperature);
    const ids = largest(p_V, 10);
    const series = [{ label: "probability", style: "main", values: ids.map((id) => p_V[id]) }];
    if (temperature !== 1) {
      const values = ids.map((id) => tempered_V[id]);
      series.push({ label: `at temperature ${short(temperature)}`, style: "third", values });
    }
    const counts = lab.facts.frequencies;
    if (counts) {
      const all = counts.reduce((a, b) => a + b, 0);
      const values = ids.map((id) => counts[id] / all);
      series.push({ label: "baseline: frequency in the training text", style: "baseline", values });
    }
    const marks = guess === null ? [] : [{ label: "your prediction", style: "guess", x: Number(guess) }];
    const next = lab.tokens[t + 1];
    const came =
      next === undefined ? "" : ` The prompt goes on with “${lab.show(next)}”, which had ${short(p_V[next])}.`;
    const full = isFull([lab]) ? ` The context of ${lab.config.context} tokens is full.` : "";
    return {
      sentence:
        `After “${lab.show(lab.tokens[t])}” at position ${t} the entropy is ` +
        `${short(entropy(lab.logits(t)))} nats; the uniform distribution has ` +
        `${short(Math.log(lab.sizes.V))}.${came}${full}`,
      probabilities: {
        kind: "bars", title: "The most likely next tokens", names: ids.map((id) => lab.show(id)),
        xAxis: { label: "probability", min: 0, max: 1 }, series, marks,
        marked: ids.indexOf(next),
      },
    };
  },
});
