// What a reader does in the book: predict, answer, take hints, search. Answers stay in this browser.
"use strict";

const SKIPPED = ""; // what stands in the place of a prediction that was skipped, as in the terminal
const STORE = "minitx-book";

// --- answers ----------------------------------------------------------------------------------------

/** All answers: by lesson, then by id. Without storage they last until the page is left. */
let answers = {};
try {
  answers = JSON.parse(localStorage.getItem(STORE)) || {};
} catch (error) {
  console.info("answers are not kept:", error.message);
}

function lessonOf(id) {
  return id.split(".")[0];
}

function answerTo(id) {
  return (answers[lessonOf(id)] || {})[id];
}

function keep(id, answer) {
  const lesson = lessonOf(id);
  answers[lesson] = { ...answers[lesson], [id]: answer };
  store();
}

function store() {
  try {
    localStorage.setItem(STORE, JSON.stringify(answers));
  } catch (error) {
    console.info("answers are not kept:", error.message);
  }
}

/** The answers of a lesson as the file that the classroom reads: a line of TOML for each. */
function asFile(lesson) {
  const lines = Object.entries(answers[lesson] || {});
  return lines.map(([id, answer]) => `${JSON.stringify(id)} = ${JSON.stringify(answer)}\n`).join("");
}

function offerFile(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** What was encoded when the book was made. */
function decoded(secret) {
  const bytes = Uint8Array.from(atob(secret), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

// --- predictions ------------------------------------------------------------------------------------

/** A number with three digits. */
function short(number) {
  return Math.abs(number) >= 1000 ? Math.round(number).toLocaleString("en") : String(Number(number.toPrecision(3)));
}

function inWords(answer) {
  return typeof answer === "number" ? short(answer) : `"${answer}"`;
}

function preparePrediction(form) {
  const { id } = form.dataset;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = new FormData(form).get("answer");
    const is_number = form.querySelector('input[type="number"]') !== null;
    keep(id, is_number ? Number(typed) : String(typed));
    showAnswers();
  });
  form.querySelector(".show-me").addEventListener("click", () => {
    keep(id, SKIPPED);
    showAnswers();
  });
}

function showPrediction(form) {
  const answer = answerTo(form.dataset.id);
  const is_open = answer === undefined;
  for (const field of form.querySelectorAll("input")) field.disabled = !is_open;
  form.querySelector(".show-me").parentElement.hidden = !is_open;
  form.querySelector(".said").textContent = is_open ? "" : answer === SKIPPED ? "Skipped." : `You said ${inWords(answer)}.`;
  const number = form.querySelector('input[type="number"]');
  if (number && !is_open && answer !== SKIPPED) number.value = String(answer);
  for (const choice of form.querySelectorAll('input[type="radio"]')) choice.checked = choice.value === answer;
}

/** The reader's own words are kept while they are typed. */
function prepareWriting(section) {
  const { id } = section.dataset;
  const field = section.querySelector("textarea");
  field.value = answerTo(id) || "";
  field.addEventListener("input", () => keep(id, field.value));
}

/** A gate opens once all its predictions are made or skipped. Opening it by hand skips them. */
function prepareGate(gate) {
  const ids = gate.dataset.for.split(" ");
  gate.addEventListener("toggle", () => {
    const open = ids.filter((id) => answerTo(id) === undefined);
    if (!gate.open || gate.dataset.printing || open.length === 0) return;
    for (const id of open) keep(id, SKIPPED);
    showAnswers();
  });
}

function showGate(gate) {
  const ids = gate.dataset.for.split(" ");
  const is_answered = ids.every((id) => answerTo(id) !== undefined);
  gate.classList.toggle("locked", !is_answered);
  if (is_answered) gate.open = true;
}

/** "It is 0.949 (you said 0.5, 0.449 too low): ..." */
function showTruth(node) {
  const { words, truth } = node.dataset;
  const said = comparison(answerTo(node.dataset.for), words, truth === undefined ? null : Number(truth));
  node.querySelector(".compare").textContent = `It is ${words}${said}:`;
}

/** What the reader said, beside what it is in words and, if it is one, as a number. */
function comparison(answer, words, truth) {
  if (answer === undefined || answer === SKIPPED) return "";
  if (inWords(answer) === words) return ", as you said";
  if (truth === null) return ` (you said ${inWords(answer)})`;
  const away = short(Math.abs(answer - truth));
  return ` (you said ${inWords(answer)}, ${away} too ${answer > truth ? "high" : "low"})`;
}

// --- predictions in figures -------------------------------------------------------------------------

const STAR = "M0,-9 L2.6,-3 9,-2.8 4,1.4 5.7,7.9 0,4.2 -5.7,7.9 -4,1.4 -9,-2.8 -2.6,-3 Z";

/** Draw the reader's numbers into a figure; what lies outside is drawn at the edge and says so. */
function showGuesses(overlay) {
  overlay.replaceChildren();
  const { clientWidth: width, clientHeight: height } = overlay.parentElement;
  for (const guess of JSON.parse(overlay.dataset.guesses)) {
    const answer = answerTo(guess.id);
    if (typeof answer === "number") overlay.append(...marks(guess, answer, width, height));
  }
}

function marks(guess, answer, width, height) {
  const value = guess.scale * answer + guess.shift;
  const share = shareOf(value, guess);
  const inside = Math.min(1, Math.max(0, share));
  const box = { left: guess.left * width, right: guess.right * width, top: guess.top * height, bottom: guess.bottom * height };
  const label = `you: ${short(answer)}${inside === share ? "" : share > 1 ? ", beyond the axis ↑" : ", below the axis ↓"}`;
  if (guess.axis === "x") {
    const x = box.left + inside * (box.right - box.left);
    return [lineFrom(x, box.top, x, box.bottom), word(label, x + 6, box.top + 14, "start")];
  }
  const y = box.bottom - inside * (box.bottom - box.top);
  const above = y > box.top + 24 ? y - 12 : y + 22;
  if (guess.at === undefined) {
    return [lineFrom(box.left, y, box.right, y), word(label, box.right - 6, above, "end")];
  }
  const x = guess.at * width;
  const is_right = x > (box.left + box.right) / 2;
  return [svg("path", { d: STAR, transform: `translate(${x} ${y})` }), word(label, x + (is_right ? -14 : 14), above, is_right ? "end" : "start")];
}

/** Where a number lies on its axis: 0 at its lower limit, 1 at the upper one. */
function shareOf(value, { low, high, is_log }) {
  if (!is_log) return (value - low) / (high - low);
  return value > 0 ? Math.log(value / low) / Math.log(high / low) : -1;
}

function lineFrom(x1, y1, x2, y2) {
  return svg("line", { x1, y1, x2, y2 });
}

function word(text, x, y, anchor) {
  const node = svg("text", { x, y, "text-anchor": anchor });
  node.textContent = text;
  return node;
}

function svg(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}

// --- quizzes and exercises --------------------------------------------------------------------------

function prepareQuiz(section) {
  const { answer, words } = decoded(section.dataset.secret);
  const said = section.querySelector(".said");
  for (const button of section.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const is_right = Number(button.dataset.choice) === answer;
      if (answerTo(section.dataset.id) === undefined) keep(section.dataset.id, is_right);
      for (const other of section.querySelectorAll("button")) {
        other.classList.toggle("right", Number(other.dataset.choice) === answer);
        other.classList.toggle("wrong", other === button && !is_right);
      }
      said.textContent = `${is_right ? "Yes:" : "Not quite: it is"} ${words}`;
    });
  }
}

const HINTS = ["A nudge", "The way", "The solution"];

function prepareExercise(section) {
  const hints = decoded(section.dataset.secret);
  const list = section.querySelector(".hints");
  const button = section.querySelector(".hint");
  const id = `${section.dataset.id}.hints`;
  const show = () => {
    const level = Math.min(answerTo(id) || 0, hints.length);
    while (list.children.length < level) {
      const item = document.createElement("li");
      item.innerHTML = hints[list.children.length]; // made with the book, as the page was
      list.append(item);
    }
    button.hidden = level === hints.length;
    button.textContent = HINTS[level];
  };
  button.addEventListener("click", () => {
    keep(id, (answerTo(id) || 0) + 1);
    show();
  });
  show();
}

// --- search -----------------------------------------------------------------------------------------

const MOST = 40; // results that are shown

/** Sections that have all words, those with the words in their titles first. */
function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const scored = SECTIONS.map((section) => ({ section, score: scoreOf(section, words) }));
  return scored.filter(({ score }) => score > 0).sort((a, b) => b.score - a.score).map(({ section }) => section);
}

function scoreOf({ title, text }, words) {
  let score = words.length > 0 ? 1 : 0;
  for (const word of words) {
    const in_title = title.toLowerCase().includes(word);
    const count = text.toLowerCase().split(word).length - 1;
    if (!in_title && count === 0) return 0;
    score += (in_title ? 20 : 0) + Math.min(count, 5);
  }
  return score;
}

function showResults() {
  const box = document.getElementById("query");
  const query = box.value.trim();
  const found = search(query);
  const count = found.length === 0 ? "Nothing" : found.length === 1 ? "One part" : `${found.length} parts`;
  document.getElementById("found").textContent = query ? `${count} of the book found for “${query}”.` : "";
  document.getElementById("results").replaceChildren(...found.slice(0, MOST).map((section) => result(section, query)));
}

function result({ page, anchor, title, text }, query) {
  const link = document.createElement("a");
  link.href = anchor ? `${page}#${anchor}` : page;
  link.textContent = `${PAGES.get(page) || page}: ${title}`;
  const words = document.createElement("div");
  words.className = "small";
  const first = query.toLowerCase().split(/\s+/)[0];
  const place = Math.max(0, text.toLowerCase().indexOf(first));
  const start = Math.max(0, place - 80);
  const before = (start > 0 ? "… " : "") + text.slice(start, place);
  const mark = document.createElement("mark");
  mark.textContent = text.slice(place, place + first.length);
  words.append(before, mark, text.slice(place + first.length, place + 160) + " …");
  const item = document.createElement("li");
  item.append(link, words);
  return item;
}

/** The titles of pages, from the first section of each. */
const PAGES = new Map();

function prepareSearch() {
  for (const { page, anchor, title } of SECTIONS) if (!anchor) PAGES.set(page, title);
  const box = document.getElementById("query");
  box.value = new URLSearchParams(location.search).get("q") || "";
  box.addEventListener("input", showResults);
  box.form.addEventListener("submit", (event) => event.preventDefault());
  showResults();
}

// --- the page ---------------------------------------------------------------------------------------

function every(selector, act) {
  for (const node of document.querySelectorAll(selector)) act(node);
}

function showAnswers() {
  every(".predict", showPrediction);
  every(".gate", showGate);
  every(".truth", showTruth);
  every(".guesses", showGuesses);
}

/** A panel says how high it is. */
function fitPanel(event) {
  const height = Number(event.data && event.data.panelHeight);
  if (!Number.isFinite(height)) return;
  every(".panel iframe", (frame) => {
    if (frame.contentWindow === event.source) frame.style.height = `${Math.min(4000, Math.ceil(height) + 4)}px`;
  });
}

/** On paper, everything that is folded is open, except what a reader has not asked for yet. */
function unfoldForPrint() {
  every("details:not([open])", (node) => {
    node.dataset.printing = "yes";
    node.open = true;
  });
}

function foldAgain() {
  every("details[data-printing]", (node) => {
    node.open = false;
    setTimeout(() => delete node.dataset.printing); // after its toggle event
  });
}

function start() {
  document.documentElement.classList.add("running");
  every(".predict", preparePrediction);
  every(".write", prepareWriting);
  every(".gate", prepareGate);
  every(".quiz", prepareQuiz);
  every(".exercise", prepareExercise);
  every(".save", (button) => {
    const { lesson } = button.dataset;
    button.addEventListener("click", () => offerFile(`${lesson}.toml`, asFile(lesson)));
  });
  every(".forget", (button) => {
    button.addEventListener("click", () => {
      delete answers[button.dataset.lesson];
      store();
      location.reload();
    });
  });
  every(".chapters li", (item) => {
    const count = Object.keys(answers[item.dataset.lesson] || {}).length;
    if (count === 0) return;
    const begun = document.createElement("span");
    begun.className = "begun";
    begun.textContent = "begun";
    item.firstElementChild?.after(begun);
  });
  if (document.getElementById("query")) prepareSearch();
  showAnswers();
  window.addEventListener("message", fitPanel);
  window.addEventListener("resize", () => every(".guesses", showGuesses));
  window.addEventListener("toggle", () => every(".guesses", showGuesses), true);
  window.addEventListener("beforeprint", unfoldForPrint);
  window.addEventListener("afterprint", foldAgain);
}

start();
