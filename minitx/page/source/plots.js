// Pictures as SVG: a description goes in, a figure comes out; nothing here knows what a model is.
//
// A figure has a legend, a picture that is read by pointing at it or with the arrow keys, and its
// numbers as a table. Curves differ in colour (Okabe and Ito's, which colour-blind people can tell
// apart) and in line style and marker, as in minitx/plots.py. The colours are in style.css.
"use strict";

/**
 * @typedef {object} Axis
 * @property {string} label
 * @property {boolean} [log]
 * @property {number} [min]
 * @property {number} [max]
 * @property {{at: number, label: string}[]} [ticks] chosen automatically if left out
 *
 * @typedef {object} Lines curves over one list of x
 * @property {"lines"} kind
 * @property {string} title said to those who cannot see the picture
 * @property {number[]} x
 * @property {string[]} [names] of the values of x, for reading and for the table
 * @property {Axis} xAxis
 * @property {Axis} yAxis
 * @property {{label: string, style: string, values: (number|null)[]}[]} series
 * @property {{label: string, style: string, x: number, y: number}[]} [marks] single points
 * @property {number} [here] where the reader stands: a vertical line
 *
 * @typedef {object} Bars one row of horizontal bars for each name
 * @property {"bars"} kind
 * @property {string} title
 * @property {string[]} names
 * @property {Axis} xAxis
 * @property {{label: string, style: string, values: (number|null)[]}[]} series
 * @property {{label: string, style: string, x: number}[]} [marks] vertical lines
 * @property {number} [marked] the row that the reader chose
 *
 * @typedef {object} Cells a heat map
 * @property {"cells"} kind
 * @property {string} title
 * @property {string} what the values are
 * @property {string[]} rows names of the rows, the lowest first
 * @property {string[]} columns
 * @property {string[]} [columnNames] of the columns, for reading and for the table
 * @property {(number|null)[][]} values by row and column
 * @property {string[][]} [texts] written into the cells
 * @property {number} max the value of the darkest colour
 * @property {{row?: number, column?: number}} [marked]
 * @property {{label: string, style: string, row: number, column: number}[]} [marks] outlined cells
 * @property {(row: number, column: number) => void} [choose] called for a click and for Enter
 */

/** A figure in the page; `show` draws a description, and draws it again when the width changes. */
class Figure {
  constructor() {
    this.legend = element("ul", { class: "legend" });
    this.plot = element("div", { class: "plot" });
    this.reading = element("output", { class: "reading" });
    this.table = element("table");
    this.details = element("details", { class: "numbers" }, [
      element("summary", {}, ["The numbers as a table"]),
      element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Numbers" }, [
        this.table,
      ]),
    ]);
    this.details.addEventListener("toggle", () => this.fillTable());
    this.node = element("figure", {}, [this.legend, this.plot, this.reading, this.details]);
    this.cursor = null; // the place that is being read
    this.width = 0;
    this.plot.addEventListener("scroll", () => this.drawing.scrolled?.(this.plot.scrollLeft));
    new ResizeObserver(() => this.redraw()).observe(this.plot);
  }

  /** @param {any} spec Lines, Bars or Cells */
  show(spec) {
    this.spec = spec;
    this.node.classList.toggle("wide", spec.kind === "cells");
    this.width = this.plot.clientWidth;
    this.drawing = DRAWINGS[spec.kind](spec, Math.max(260, this.width), this.drawing);
    if (this.drawing.svg !== this.plot.firstChild) {
      const had_focus = this.plot.firstChild === document.activeElement && this.plot.firstChild;
      this.plot.replaceChildren(this.listening(this.drawing.svg));
      if (had_focus) this.plot.firstChild.focus();
    }
    const title = `${spec.title}. The arrow keys read its values.`;
    this.drawing.svg.setAttribute("aria-label", title);
    this.reveal();
    this.legend.replaceChildren(...legendOf(spec));
    if (this.cursor !== null) this.read(this.cursor);
    else this.reading.textContent = "Point at the picture, or use the arrow keys in it, to read it.";
    this.fillTable();
  }

  redraw() {
    if (this.spec && this.plot.clientWidth !== this.width) this.show(this.spec);
  }

  /** Make a picture answer to the pointer and to the arrow keys. */
  listening(svg) {
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("role", "img");
    const point = (event) => {
      const box = svg.getBoundingClientRect();
      this.read(this.drawing.placeAt(event.clientX - box.left, event.clientY - box.top));
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("click", (event) => {
      point(event);
      this.choose();
    });
    svg.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.choose();
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (!(event.key in step)) return;
      event.preventDefault();
      this.read(this.drawing.step(this.cursor, step[event.key]));
      this.scrollTo(this.cursor);
    });
    return svg;
  }

  /** Put the cursor somewhere and say in words what is there. */
  read(place) {
    const found = place === null ? null : this.drawing.read(place);
    this.cursor = found && place;
    if (found) this.reading.textContent = found;
  }

  /** Scroll to the marked column of a heat map where it is new. */
  reveal() {
    const column = this.spec.marked?.column;
    if (column === undefined) return;
    if (column !== this.revealed) this.scrollTo([0, column]);
    this.revealed = column;
    this.drawing.scrolled(this.plot.scrollLeft);
  }

  /** Bring a place of a heat map into sight. */
  scrollTo(place) {
    if (!this.drawing.scrollTo) return;
    this.plot.scrollLeft = this.drawing.scrollTo(place, this.plot.scrollLeft);
  }

  /** Tell the panel that the reader chose the place of the cursor. */
  choose() {
    if (this.cursor !== null && this.spec.choose) this.spec.choose(...this.cursor);
  }

  fillTable() {
    if (!this.details.open || !this.spec) return;
    const [heading, ...rows] = tableOf(this.spec);
    this.table.replaceChildren(
      element("thead", {}, [
        element("tr", {}, heading.map((name) => element("th", { scope: "col" }, [name]))),
      ]),
      element("tbody", {}, rows.map(([name, ...cells]) =>
        element("tr", {}, [
          element("th", { scope: "row" }, [name]),
          ...cells.map((cell) => element("td", {}, [cell])),
        ]),
      )),
    );
  }
}

// --- two of the three kinds of pictures; heat maps are in heatmap.js ----------------------------

/** Curves over a list of x. */
function drawLines(spec, width) {
  const height = Math.round(Math.min(300, Math.max(210, width * 0.55)));
  const all_y = [...spec.series.flatMap((s) => s.values), ...(spec.marks || []).map((m) => m.y)];
  const x = makeScale(spec.xAxis, spec.x, MARGIN.left, width - MARGIN.right);
  const y = makeScale(spec.yAxis, all_y, height - MARGIN.bottom, MARGIN.top);
  const svg = picture(width, height);
  drawAxes(svg, x, y, spec, width, height);
  if (spec.here !== undefined) {
    const at = x.place(spec.here);
    svg.append(line(at, MARGIN.top, at, height - MARGIN.bottom, "here"));
  }
  for (const series of spec.series) {
    const points = spec.x.map((value, i) => [x.place(value), y.place(series.values[i])]);
    svg.append(...curve(points, series.style));
  }
  for (const mark of spec.marks || []) svg.append(marker(x.place(mark.x), y.place(mark.y), mark.style));
  const cursor = line(0, MARGIN.top, 0, height - MARGIN.bottom, "cursor");
  cursor.setAttribute("visibility", "hidden");
  svg.append(cursor);
  const places = spec.x.map(x.place);
  return {
    svg,
    placeAt: (px) => nearest(places, px),
    step: (i, [dx]) => (i === null ? 0 : clamp(i + dx, 0, places.length - 1)),
    read(i) {
      if (i >= places.length) return null;
      cursor.setAttribute("visibility", "visible");
      cursor.setAttribute("x1", places[i]);
      cursor.setAttribute("x2", places[i]);
      const name = spec.names ? spec.names[i] : `${spec.xAxis.label} ${short(spec.x[i])}`;
      const values = spec.series.map((s) => `${s.label} ${short(s.values[i])}`);
      return `${name}: ${values.join("; ")}`;
    },
  };
}

/** A row of horizontal bars for each name. */
function drawBars(spec, width) {
  const names_width = Math.min(130, width * 0.34);
  const bar = spec.series.length > 1 ? 9 : 15;
  const band = bar * spec.series.length + 7;
  const height = MARGIN.top + band * spec.names.length + MARGIN.bottom;
  const values = [0, ...spec.series.flatMap((s) => s.values)];
  const x = makeScale(spec.xAxis, values, names_width, width - MARGIN.right);
  const svg = picture(width, height);
  drawXAxis(svg, x, spec.xAxis, names_width, width, height);
  const rows = spec.names.map((name, i) => {
    const top = MARGIN.top + i * band;
    const back = rectangle(0, top - 3, width, band, "row");
    const label = text(names_width - 6, top + (bar * spec.series.length) / 2, name, "end");
    if (i === spec.marked) label.classList.add("marked");
    svg.append(back, label);
    spec.series.forEach((series, s) => {
      const from = x.place(Math.max(0, x.min));
      const to = x.place(series.values[i] ?? 0);
      const left = Math.min(from, to);
      svg.append(rectangle(left, top + s * bar, Math.abs(to - from), bar - 1, `bar ${series.style}`));
    });
    return back;
  });
  for (const mark of spec.marks || []) {
    const at = x.place(mark.x);
    svg.append(line(at, MARGIN.top - 4, at, height - MARGIN.bottom, `curve ${mark.style}`));
    svg.append(marker(at, MARGIN.top - 2, mark.style));
  }
  return {
    svg,
    placeAt: (_, py) => clamp(Math.floor((py - MARGIN.top + 3) / band), 0, rows.length - 1),
    step: (i, [dx, dy]) => (i === null ? 0 : clamp(i + dx - dy, 0, rows.length - 1)),
    read(i) {
      if (!rows[i]) return null;
      rows.forEach((back, other) => back.classList.toggle("read", other === i));
      const values = spec.series.map((s) => `${s.label} ${short(s.values[i])}`);
      return `${spec.names[i]}: ${values.join("; ")}`;
    },
  };
}

const DRAWINGS = { lines: drawLines, bars: drawBars, cells: drawCells };

/** The numbers of a figure as rows of strings, the heading first. */
function tableOf(spec) {
  if (spec.kind === "cells") {
    const cell = (r, c) => {
      const written = spec.texts && spec.texts[r][c] ? `${spec.texts[r][c]} ` : "";
      return `${written}${short(spec.values[r][c])}`;
    };
    const rows = spec.rows.map((name, r) => [name, ...spec.columns.map((_, c) => cell(r, c))]);
    return [[spec.what, ...(spec.columnNames || spec.columns)], ...rows];
  }
  const names = spec.names || spec.x.map(short);
  const rows = names.map((name, i) => [name, ...spec.series.map((s) => short(s.values[i]))]);
  const marks = (spec.marks || []).map((mark) => [
    `${mark.label}: ${short(mark.y ?? mark.x)}`,
    ...spec.series.map(() => ""),
  ]);
  return [[spec.xAxis.label, ...spec.series.map((s) => s.label)], ...rows, ...marks];
}
