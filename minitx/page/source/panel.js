// A panel: a question, a prediction, controls, and a figure for each model that is shown.
//
// A panel of the page is an object in PANELS: what it asks, which choices it offers, and `show`,
// which turns a lab and a view into figures and a sentence. Everything here is the same for all.
"use strict";

/**
 * @typedef {{value: string|number, label: string}} Choice of a menu
 *
 * @typedef {object} Prediction
 * @property {string|((labs: Lab[], view: View) => string)} ask
 * @property {(labs: Lab[]) => Choice[]} [choices] or a number:
 * @property {number} [min]
 * @property {number} [max]
 * @property {number|"any"} [step]
 * @property {string} [unit]
 * @property {(lab: Lab, view: View) => {value: string|number, words: string}} truth
 *
 * @typedef {object} Control
 * @property {string} name of the value in the view
 * @property {string} label
 * @property {number|string} standard the value at the start
 * @property {number} [min] of a slider
 * @property {number|((labs: Lab[]) => number)} [max]
 * @property {number} [step]
 * @property {(value: number, labs: Lab[], view: View) => string} [say] its value in words
 * @property {(labs: Lab[], view: View) => number} [value] where it stands, if not at its value
 * @property {(labs: Lab[], view: View) => Choice[]} [choices] of a menu
 *
 * @typedef {object} Panel
 * @property {string} id of its section in page.html
 * @property {string[]} figures names of its figures
 * @property {Control[]} controls
 * @property {Prediction} [prediction]
 * @property {{label: string, run: (labs: Lab[], view: View) => void,
 *     isOff?: (labs: Lab[], view: View) => boolean}[]} [actions] buttons
 * @property {(lab: Lab, view: View, guess: string|null) => Object<string, object>} show what each
 *     figure shows, and `sentence`: what it says in words
 */

/** @type {Panel[]} in the order of the page */
const PANELS = [];

/** The names in the view that a panel adds: its controls and its prediction. */
function defaultsOf(panel) {
  const defaults = { [`guess.${panel.id}`]: "" };
  for (const control of panel.controls) defaults[control.name] = control.standard;
  return defaults;
}

/** What values from an address may be: between bounds, and whole numbers in menus. */
function limitsOf(panel) {
  const limits = {};
  for (const { name, min, max, standard, choices } of panel.controls) {
    if (choices) limits[name] = { is_whole: true };
    else limits[name] = { min: Math.min(min, standard), max: typeof max === "number" ? max : Infinity };
  }
  return limits;
}

/** What the view holds in place of a prediction that was skipped; "" before there is one. */
const SKIPPED = "skipped";

class MountedPanel {
  constructor(panel, labs, view) {
    this.panel = panel;
    this.labs = labs;
    this.view = view;
    this.node = document.getElementById(panel.id);
    this.stage = this.node.querySelector(".stage");
    this.gate = element("div", { class: "gate" });
    this.controls = element("div", { class: "controls" });
    this.views = element("div", { class: "views" });
    this.stage.append(this.gate, this.controls, this.views);
    this.seats = [];
    if (!panel.prediction) view.change({ [`guess.${panel.id}`]: SKIPPED });
    this.makeControls();
    this.makeActions();
    this.watch();
  }

  /** Redraw what has changed while nobody saw it, once it comes into view. */
  watch() {
    this.is_visible = false;
    const look = ([entry]) => {
      this.is_visible = entry.isIntersecting;
      if (this.is_visible && this.is_stale) this.update(null);
    };
    new IntersectionObserver(look, { rootMargin: "20%" }).observe(this.node);
    window.addEventListener("beforeprint", () => this.is_stale && this.draw());
  }

  get guess() {
    return this.view.get(`guess.${this.panel.id}`);
  }

  /** Draw what is in view, or with a set of changed names only if one of them matters here. */
  update(changed) {
    const own = Object.keys(defaultsOf(this.panel));
    const matters = [...own, "prompt", "drawn", "position", "models"];
    if (changed && !matters.some((name) => changed.has(name))) return;
    const is_open = this.guess !== "";
    this.controls.hidden = this.views.hidden = !is_open;
    this.drawGate(is_open);
    if (!is_open) return;
    this.is_stale = this.seats.length > 0 && !this.is_visible;
    if (!this.is_stale) this.draw();
  }

  /** Draw the figures and the sentence for every model that is shown. */
  draw() {
    this.is_stale = false;
    const labs = shownLabs(this.labs, this.view);
    this.seat(labs);
    this.syncControls(labs);
    const guess = this.guess === SKIPPED ? null : this.guess;
    labs.forEach((lab, i) => {
      const { sentence, ...specs } = this.panel.show(lab, this.view, guess);
      const seat = this.seats[i];
      for (const [name, figure] of Object.entries(seat.figures)) figure.show(specs[name]);
      seat.sentence.textContent = sentence;
      seat.answer.textContent = guess === null ? "" : this.compare(lab, guess);
    });
  }

  /** One column for each model that is shown. */
  seat(labs) {
    const key = labs.map((lab) => lab.name).join("\n");
    if (this.seated === key) return;
    this.seated = key;
    this.seats = labs.map((lab) => {
      const figures = Object.fromEntries(this.panel.figures.map((name) => [name, new Figure()]));
      const sentence = element("p", { class: "sentence", "aria-live": "polite" });
      const answer = element("p", { class: "answer" });
      const heading = this.labs.length > 1 ? [element("h3", {}, [lab.name])] : [];
      const nodes = Object.values(figures).map((figure) => figure.node);
      const drawings = element("div", { class: "figures" }, nodes);
      const column = element("div", { class: "column" }, [...heading, answer, sentence, drawings]);
      return { figures, sentence, answer, column };
    });
    this.views.replaceChildren(...this.seats.map((seat) => seat.column));
  }

  /** "You said 0.5; it is 0.31: ..." */
  compare(lab, guess) {
    const { prediction } = this.panel;
    const truth = prediction.truth(lab, this.view);
    const label = prediction.choices
      ? prediction.choices([lab]).find(({ value }) => String(value) === guess)?.label ?? guess
      : short(Number(guess));
    return `You said ${label}. ${truth.words}`;
  }

  // --- the prediction -----------------------------------------------------------------------------

  drawGate(is_open) {
    const { prediction } = this.panel;
    this.gate.hidden = is_open;
    if (is_open) return;
    if (!this.gate.childElementCount) this.makeGate();
    const { ask } = prediction;
    const question = typeof ask === "function" ? ask(shownLabs(this.labs, this.view), this.view) : ask;
    this.question.textContent = question;
  }

  makeGate() {
    const { prediction, id } = this.panel;
    const name = `guess.${id}`;
    this.question = element("label", { for: `${id}-guess` });
    const input = prediction.choices
      ? menu(`${id}-guess`, prediction.choices(this.labs))
      : element("input", {
          id: `${id}-guess`, type: "number", required: "",
          min: prediction.min, max: prediction.max, step: prediction.step ?? "any",
        });
    const form = element("form", { class: "prediction" }, [
      this.question,
      element("span", { class: "row" }, [
        input,
        ...(prediction.unit ? [element("span", { class: "unit" }, [prediction.unit])] : []),
        element("button", { type: "submit" }, ["Predict"]),
        element("button", { type: "button", class: "quiet skip" }, ["Skip"]),
      ]),
    ]);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.open(name, String(input.value));
    });
    form.querySelector(".skip").addEventListener("click", () => this.open(name, SKIPPED));
    this.gate.replaceChildren(form);
  }

  /** Show what was hidden behind the prediction, and go on from there with the keyboard. */
  open(name, value) {
    this.view.change({ [name]: value });
    requestAnimationFrame(() => {
      /** @type {HTMLElement|null} */
      const first = this.stage.querySelector(".controls input, .controls select, svg");
      first?.focus();
    });
  }

  // --- the controls ------------------------------------------------------------------------------

  makeControls() {
    for (const control of this.panel.controls) {
      const id = control.name;
      const input = control.choices
        ? menu(id, control.choices(this.labs, this.view))
        : slider(control, this.labs);
      input.addEventListener("input", () => {
        const value = typeof control.standard === "number" ? Number(input.value) : input.value;
        this.view.change({ [control.name]: value });
      });
      const said = element("output", { for: id });
      this.controls.append(
        element("div", { class: "control" }, [element("label", { for: id }, [control.label]), input, said]),
      );
    }
  }

  makeActions() {
    this.buttons = (this.panel.actions || []).map((action) => {
      const button = element("button", { type: "button", class: "quiet" }, [action.label]);
      button.addEventListener("click", () => action.run(shownLabs(this.labs, this.view), this.view));
      return button;
    });
    if (this.buttons.length) this.controls.append(element("div", { class: "row" }, this.buttons));
  }

  syncControls(labs) {
    this.buttons.forEach((button, i) => {
      const { isOff } = this.panel.actions[i];
      button.disabled = isOff ? isOff(labs, this.view) : false;
    });
    for (const control of this.panel.controls) {
      const input = /** @type {HTMLInputElement} */ (document.getElementById(control.name));
      if (control.choices) {
        const choices = control.choices(labs, this.view);
        const key = JSON.stringify(choices);
        if (input.dataset.choices !== key) {
          input.replaceChildren(...choices.map(option));
          input.dataset.choices = key;
        }
      }
      const chosen = control.value ? control.value(labs, this.view) : this.view.get(control.name);
      if (input.value !== String(chosen)) input.value = String(chosen);
      const said = control.say ? control.say(chosen, labs, this.view) : "";
      input.parentNode.querySelector("output").textContent = said;
      if (control.say) input.setAttribute("aria-valuetext", said);
    }
  }
}

/** The labs that the reader wants to see: all, or the one that was chosen. */
function shownLabs(labs, view) {
  const chosen = labs.filter((lab) => lab.name === view.get("models"));
  const wanted = chosen.length ? chosen : labs;
  return wanted.filter((lab) => lab.trace);
}

function slider({ name, min, max, step }, labs) {
  const most = typeof max === "function" ? max(labs) : max;
  return element("input", { id: name, type: "range", min, max: most, step });
}

function menu(id, choices) {
  return element("select", { id }, choices.map(option));
}

function option({ value, label }) {
  return element("option", { value }, [label]);
}
