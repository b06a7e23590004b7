// Put the page together: labs from the models in it, the prompt, the panels; then listen.
"use strict";

/** Read the models that the page carries. */
function readLabs() {
  const nodes = Array.from(document.querySelectorAll("script[data-model]"));
  return nodes.map((node) => {
    const number = node.getAttribute("data-model");
    const textOf = (id) => document.getElementById(id)?.textContent ?? "";
    return new Lab(JSON.parse(node.textContent), textOf(`weights-${number}`), textOf(`untrained-${number}`));
  });
}

/** What a page shows at first, if it was written for one panel with certain values. */
function firstView() {
  return JSON.parse(document.getElementById("view").textContent);
}

/** Links to panels scroll, because the address belongs to the view. */
function followLinks() {
  for (const link of document.querySelectorAll("nav a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      scrollToPanel(link.getAttribute("href").slice(1));
    });
  }
}

function scrollToPanel(id) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  /** @type {HTMLElement|null} */
  const heading = document.querySelector(`#${CSS.escape(id)} h2`);
  if (!heading) return;
  heading.scrollIntoView({ behavior: still ? "auto" : "smooth" });
  heading.setAttribute("tabindex", "-1");
  heading.focus({ preventScroll: true });
}

/** A button that opens all panels without predictions. */
function offerToSkip(view) {
  const button = document.getElementById("skip-all");
  const open = () => PANELS.filter((panel) => view.get(`guess.${panel.id}`) === "");
  const update = () => (button.hidden = open().length === 0);
  button.addEventListener("click", () => {
    view.change(Object.fromEntries(open().map((panel) => [`guess.${panel.id}`, SKIPPED])));
  });
  view.onChange(update);
  update();
}

function start() {
  const labs = readLabs();
  const defaults = { panel: "", prompt: labs[0].facts.examples[0], drawn: "", position: -1, models: "" };
  const limits = { position: { is_whole: true } };
  const view = new View(
    Object.assign(defaults, ...PANELS.map(defaultsOf)),
    Object.assign(limits, ...PANELS.map(limitsOf)),
    firstView(),
  );
  const prompt = new PromptBar(labs, view);
  prompt.read();
  const panels = PANELS.map((panel) => new MountedPanel(panel, labs, view));
  const update = (changed) => {
    prompt.update(changed);
    for (const panel of panels) panel.update(changed);
  };
  view.onChange(update);
  update(null);
  offerToSkip(view);
  followLinks();
  document.getElementById("status").remove();
  document.body.classList.add("running");
  if (view.get("panel")) scrollToPanel(view.get("panel"));
  return { labs, view, panels };
}

const page = start();
