// The prompt, its tokens, and the position that all panels speak of.
"use strict";

class PromptBar {
  constructor(labs, view) {
    this.labs = labs;
    this.view = view;
    this.node = document.getElementById("prompt-bar");
    this.box = element("textarea", { id: "prompt", rows: "2", spellcheck: "false", dir: "auto" });
    this.message = element("p", { class: "message", role: "alert" });
    this.position = element("input", { id: "position", type: "range", min: "0", step: "1" });
    this.said = element("output", { for: "position" });
    this.chips = element("div", { class: "chips" });
    this.box.addEventListener("input", () => {
      view.change({ prompt: this.box.value, drawn: "", position: -1 });
    });
    this.position.addEventListener("input", () => {
      const chosen = Number(this.position.value);
      view.change({ position: chosen === Number(this.position.max) ? -1 : chosen });
    });
    this.node.append(
      labelled("prompt", "Prompt", this.box, this.exampleMenu(), ...this.modelMenu()),
      this.message,
      this.chips,
      labelled("position", "Position", this.position, this.said),
    );
  }

  exampleMenu() {
    const texts = [...new Set(this.labs.flatMap((lab) => lab.facts.examples))];
    const choices = texts.map((text) => ({ value: text, label: visible(text).slice(0, 40) }));
    const select = menu("examples", [{ value: "", label: "other texts …" }, ...choices]);
    select.setAttribute("aria-label", "Other texts");
    select.addEventListener("change", () => {
      if (select.value) this.view.change({ prompt: select.value, drawn: "", position: -1 });
      select.value = "";
    });
    return select;
  }

  /** A menu of models, if there are several. */
  modelMenu() {
    if (this.labs.length === 1) return [];
    const names = this.labs.map((lab) => ({ value: lab.name, label: lab.name }));
    this.models = menu("models", [{ value: "", label: "all models, side by side" }, ...names]);
    this.models.setAttribute("aria-label", "Models to show");
    this.models.addEventListener("change", () => this.view.change({ models: this.models.value }));
    return [this.models];
  }

  /** Let all models read the prompt, if it changed, and show its tokens. */
  update(changed) {
    if (!changed || changed.has("prompt") || changed.has("drawn")) this.read();
    if (this.box.value !== this.view.get("prompt")) this.box.value = this.view.get("prompt");
    if (this.models) this.models.value = this.view.get("models");
    const labs = shownLabs(this.labs, this.view);
    if (labs.length === 0) return;
    this.position.max = labs[0].tokens.length - 1;
    this.position.value = labs[0].position(this.view);
    const t = labs[0].position(this.view);
    const said = `${t} of ${labs[0].tokens.length - 1}: “${labs[0].show(labs[0].tokens[t])}”`;
    this.said.textContent = said;
    this.position.setAttribute("aria-valuetext", said);
    this.showChips(labs);
  }

  /** Each model reads the text; the first that cannot says why, and keeps what it read before. */
  read() {
    const drawn = drawnIds(this.view);
    const problems = [];
    for (const lab of this.labs) {
      try {
        if (sameTokens(lab, this.labs[0])) lab.read(this.view.get("prompt"), drawn);
        else lab.read(this.view.get("prompt") + this.labs[0].tokenizer.decode(drawn));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        const shown = lab.trace ? " (the panels show the text before)" : " (the panels show another text)";
        problems.push(`${this.labs.length > 1 ? `${lab.name}: ` : ""}${error.message}${shown}`);
        if (!lab.trace) lab.read(lab.facts.examples[0]);
      }
    }
    this.message.textContent = problems.join("\n");
  }

  /** The tokens, once for each way in which the shown models cut the text. */
  showChips(labs) {
    const different = labs.filter((lab, i) => labs.findIndex((l) => sameTokens(l, lab)) === i);
    this.chips.replaceChildren(
      ...different.map((lab) =>
        element("ol", { "aria-label": `Tokens of ${lab.name}` }, lab.tokens.map((id, t) => {
          const chip = element("button", { type: "button", tabindex: "-1", class: "chip" }, [
            element("bdi", { class: "token" }, [lab.show(id)]),
            element("span", { class: "id" }, [String(id)]),
          ]);
          chip.classList.toggle("drawn", t >= lab.prompt_length);
          chip.setAttribute("aria-pressed", String(t === lab.position(this.view)));
          chip.addEventListener("click", () => {
            this.view.change({ position: t === lab.tokens.length - 1 ? -1 : t });
          });
          return element("li", {}, [chip]);
        })),
      ),
    );
  }
}

/** The ids of the tokens that were sampled after the prompt. */
function drawnIds(view) {
  return view.get("drawn").split(".").filter((id) => /^\d+$/.test(id)).map(Number);
}

/** Whether two models have the same vocabulary. */
function sameTokens(lab, other) {
  const [a, b] = [lab.tokenizer, other.tokenizer];
  return a.constructor === b.constructor && a.tokens.join("\0") === b.tokens.join("\0");
}

function labelled(id, label, ...nodes) {
  return element("div", { class: "control" }, [element("label", { for: id }, [label]), ...nodes]);
}
