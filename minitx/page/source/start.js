// Put the page together: labs from the models in it, the prompt, the panels; then listen.
"use strict";

/** Read the models that the page carries. */
function readLabs() {
  const nodes = [...document.querySelectorAll("script[data-model]")];
  return nodes.map((node) => {
    const number = node.dataset.model;
    const textOf = (id) => document.getElementById(id)?.textContent ?? "";
    return new Lab(JSON.parse(node.textContent), textOf(`weights-${number}`), textOf(`untrained-${number}`));
  });
}

function start() {
  const labs = readLabs();
  const defaults = { prompt: labs[0].facts.examples[0], drawn: "", position: -1, models: "" };
  const view = new View(Object.assign(defaults, ...PANELS.map(defaultsOf)));
  const prompt = new PromptBar(labs, view);
  const panels = PANELS.map((panel) => new MountedPanel(panel, labs, view));
  const update = (changed) => {
    prompt.update(changed);
    for (const panel of panels) panel.update(changed);
  };
  view.onChange(update);
  update(null);
  document.getElementById("status").remove();
  document.body.classList.add("running");
  return { labs, view, panels };
}

const page = start();
