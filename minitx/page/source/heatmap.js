// A heat map: cells with colours and texts, redrawn in place, because a new picture of 800 cells would
// take longer than a frame.
"use strict";

/** Where the cells of a heat map lie. */
function cellPlaces(spec, width) {
  const cell_height = 20;
  const count = spec.rows.length;
  const longest_name = Math.max(...spec.rows.map((name) => name.length));
  const names_width = Math.min(104, width * 0.32, longest_name * 6.5 + 10);
  const longest_text = Math.max(1, ...(spec.texts || [[]]).flat().map((words) => words.length));
  const least = longest_text > 2 ? 36 : 14;
  const fitting = (width - names_width - 4) / spec.columns.length;
  const cell_width = Math.max(least, Math.min(56, fitting));
  return {
    cell_height, cell_width, names_width,
    width: Math.max(width, names_width + cell_width * spec.columns.length + 4),
    height: MARGIN.top + cell_height * count + 22,
    topOf: (r) => MARGIN.top + (count - 1 - r) * cell_height,
    leftOf: (c) => names_width + c * cell_width,
  };
}

/** Empty cells, row by row. */
function emptyCells(spec, { cell_height, cell_width, topOf, leftOf }) {
  return spec.rows.flatMap((_, r) => spec.columns.map((_, c) => {
    const middle = leftOf(c) + cell_width / 2;
    return {
      back: rectangle(leftOf(c), topOf(r), cell_width - 1, cell_height - 1, "cell"),
      words: spec.texts ? text(middle, topOf(r) + cell_height / 2, "") : null,
    };
  }));
}

/** Give cells their colours and texts. What stays as it is costs the browser nothing. */
function fillCells(cells, spec, { cell_width }) {
  cells.forEach((cell, i) => {
    const [r, c] = [Math.floor(i / spec.columns.length), i % spec.columns.length];
    const value = spec.values[r][c];
    const share = value === null ? 0 : clamp(value / spec.max, 0, 1);
    const opacity = value === null ? "0" : (0.06 + 0.94 * share).toFixed(3);
    if (cell.opacity !== opacity) cell.back.setAttribute("fill-opacity", opacity);
    cell.opacity = opacity;
    if (!cell.words) return;
    const written = fit(spec.texts[r][c], cell_width - 3);
    if (cell.words.textContent !== written) cell.words.textContent = written;
    cell.words.setAttribute("class", share > 0.72 ? "on-dark" : "on-light");
  });
}

/** The names of the columns and the marked cells. */
function cellMarks(spec, { cell_height, cell_width, height, topOf, leftOf }) {
  const names = spec.columns.map((name, c) => {
    const label = text(leftOf(c) + cell_width / 2, height - 12, fit(name, cell_width - 3));
    if (spec.marked && c === spec.marked.column) label.classList.add("marked");
    return label;
  });
  const outlines = (spec.marks || []).map(({ row, column, style }) =>
    rectangle(leftOf(column), topOf(row), cell_width - 1, cell_height - 1, `outline ${style}`),
  );
  return [...names, ...outlines];
}

/** The names of the rows, on paper that hides the cells that are scrolled under them. */
function rowNames(spec, { cell_height, names_width, height, topOf }) {
  const names = spec.rows.map((name, r) => {
    const label = text(names_width - 6, topOf(r) + cell_height / 2, name, "end");
    if (spec.marked && r === spec.marked.row) label.classList.add("marked");
    return label;
  });
  return [rectangle(0, 0, names_width - 1, height, "paper"), ...names];
}

/** A heat map. It fills the cells of the drawing before if they lie in the same places. */
function drawCells(spec, width, before) {
  const places = cellPlaces(spec, width);
  const { cell_height, cell_width, names_width, topOf, leftOf } = places;
  const count = spec.rows.length;
  const has_texts = Boolean(spec.texts);
  const shape = [count, spec.columns.length, width, names_width, cell_width, has_texts].join(" ");
  const is_kept = before && before.shape === shape;
  const svg = is_kept ? before.svg : picture(places.width, places.height);
  const cells = is_kept ? before.cells : emptyCells(spec, places);
  const over = is_kept ? before.over : svgElement("g", {});
  const names = is_kept ? before.names : svgElement("g", {});
  if (!is_kept) {
    const grid = svgElement("g", {});
    grid.append(...cells.flatMap(({ back, words }) => (words ? [back, words] : [back])));
    svg.append(grid, over, names);
  }
  fillCells(cells, spec, places);
  const cursor = rectangle(0, 0, cell_width, cell_height, "cell-cursor");
  cursor.setAttribute("visibility", "hidden");
  over.replaceChildren(...cellMarks(spec, places), cursor);
  names.replaceChildren(...rowNames(spec, places));
  return {
    svg, shape, cells, over, names,
    placeAt: (px, py) => [
      clamp(count - 1 - Math.floor((py - MARGIN.top) / cell_height), 0, count - 1),
      clamp(Math.floor((px - names_width) / cell_width), 0, spec.columns.length - 1),
    ],
    step: (place, [dx, dy]) =>
      place === null
        ? [0, 0]
        : [clamp(place[0] + dy, 0, count - 1), clamp(place[1] + dx, 0, spec.columns.length - 1)],
    read([r, c]) {
      if (r >= count || c >= spec.columns.length) return null;
      cursor.setAttribute("visibility", "visible");
      cursor.setAttribute("x", leftOf(c) - 0.5);
      cursor.setAttribute("y", topOf(r) - 0.5);
      const written = spec.texts && spec.texts[r][c] ? `${spec.texts[r][c]}, ` : "";
      const name = (spec.columnNames || spec.columns)[c];
      return `${spec.rows[r]}, ${name}: ${written}${spec.what} ${short(spec.values[r][c])}`;
    },
    /** Keep the names of the rows in sight. */
    scrolled: (left) => names.setAttribute("transform", `translate(${left} 0)`),
    /** How far to scroll so that a column is in sight; `left` if it is. */
    scrollTo([, c], left) {
      const [from, to] = [leftOf(c) - names_width, leftOf(c) + cell_width - width];
      return clamp(left, to, from);
    },
  };
}
