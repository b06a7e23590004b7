// The pieces that pictures are made of: axes, lines, markers, words, HTML elements.
"use strict";

/** How a curve is drawn: class for its colour, dashes of its line, shape of its markers. */
const STYLES = {
  main: { dash: "", marker: "circle" },
  other: { dash: "9 3 2 3", marker: "square" },
  third: { dash: "", marker: "triangle" },
  chance: { dash: "2 3", marker: "dot" },
  baseline: { dash: "6 4", marker: "diamond" },
  untrained: { dash: "6 4", marker: "cross" },
  guess: { dash: "3 2", marker: "star" },
  now: { dash: "", marker: "ring" },
};

/** Outlines of the markers around (0, 0). */
const MARKERS = {
  circle: "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0Z",
  square: "M-3.2 -3.2H3.2V3.2H-3.2Z",
  triangle: "M0 -4L3.8 3.2H-3.8Z",
  dot: "M-1.8 0a1.8 1.8 0 1 0 3.6 0a1.8 1.8 0 1 0 -3.6 0Z",
  diamond: "M0 -4.2L3.4 0L0 4.2L-3.4 0Z",
  cross: "M-3.2 -3.2L3.2 3.2M3.2 -3.2L-3.2 3.2",
  ring: "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0Z",
  star: "M0 -7L1.8 -2.4L6.7 -2.2L2.9 .9L4.1 5.7L0 3L-4.1 5.7L-2.9 .9L-6.7 -2.2L-1.8 -2.4Z",
};

/** Pixels around a plot. */
const MARGIN = { left: 52, right: 14, top: 10, bottom: 40 };

// --- axes ------------------------------------------------------------------------------------

/** From values to places on the screen: {place, min, max, ticks}. */
function makeScale(axis, values, from, to) {
  const known = values.filter((v) => v !== null && Number.isFinite(v) && (!axis.log || v > 0));
  let min = axis.min ?? Math.min(...known);
  let max = axis.max ?? Math.max(...known);
  if (axis.max === undefined && !axis.log) max += (max - min) * 0.05;
  if (axis.max === undefined && axis.log) max *= 1.1;
  if (axis.min === undefined && axis.log) min /= 1.1;
  if (!(max > min)) max = min + (axis.log ? min : 1);
  const f = axis.log ? Math.log : (v) => v;
  const place = (v) =>
    v === null || !Number.isFinite(v) || (axis.log && v <= 0)
      ? null
      : from + ((f(v) - f(min)) / (f(max) - f(min))) * (to - from);
  const ticks = axis.ticks || (axis.log ? logTicks(min, max) : linearTicks(min, max));
  return { place, min, max, ticks: ticks.filter(({ at }) => at >= min && at <= max) };
}

/** About five round numbers between two bounds. */
function linearTicks(min, max) {
  const rough = (max - min) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const ticks = [];
  for (let i = Math.ceil(min / step); i * step <= max; i++) {
    ticks.push({ at: i * step, label: String(Number((i * step).toPrecision(6))) });
  }
  return ticks;
}

/** Powers of ten between two bounds, with 2 and 5 in between if there are few. */
function logTicks(min, max) {
  const digits = max / min > 300 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power++) {
    for (const digit of digits) {
      const at = digit * 10 ** power;
      ticks.push({ at, label: String(Number(at.toPrecision(3))) });
    }
  }
  return ticks;
}

function drawAxes(svg, x, y, spec, width, height) {
  drawXAxis(svg, x, spec.xAxis, MARGIN.left, width, height);
  for (const { at, label } of y.ticks) {
    const py = y.place(at);
    svg.append(line(MARGIN.left, py, width - MARGIN.right, py, "grid"));
    svg.append(text(MARGIN.left - 6, py, label, "end"));
  }
  const middle = (MARGIN.top + height - MARGIN.bottom) / 2;
  const label = text(12, middle, spec.yAxis.label);
  label.setAttribute("transform", `rotate(-90 12 ${middle})`);
  svg.append(label);
}

function drawXAxis(svg, x, axis, left, width, height) {
  const bottom = height - MARGIN.bottom;
  svg.append(line(left, bottom, width - MARGIN.right, bottom, "axis"));
  let free = -Infinity; // labels that would touch the one before are left out
  for (const { at, label } of x.ticks) {
    const px = x.place(at);
    const half = label.length * 3.6 + 3;
    if (px - half < free) continue;
    free = px + half;
    svg.append(line(px, bottom, px, bottom + 4, "axis"), text(px, bottom + 13, label));
  }
  svg.append(text((left + width - MARGIN.right) / 2, height - 8, axis.label));
}

// --- small pieces of SVG -----------------------------------------------------------------------

function svgElement(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function picture(width, height) {
  return svgElement("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
}

function line(x1, y1, x2, y2, kind) {
  return svgElement("line", { x1, y1, x2, y2, class: kind });
}

function rectangle(x, y, width, height, kind) {
  return svgElement("rect", { x, y, width, height, class: kind });
}

function text(x, y, words, anchor = "middle") {
  const node = svgElement("text", { x, y, "text-anchor": anchor, "dominant-baseline": "central" });
  node.textContent = words;
  return node;
}

function marker(x, y, style) {
  if (x === null || y === null) return svgElement("g", {});
  const outline = MARKERS[STYLES[style].marker];
  return svgElement("path", { d: outline, transform: `translate(${x} ${y})`, class: `marker ${style}` });
}

/** A line through points, with a gap where a place is null, and markers on some of them. */
function curve(points, style) {
  let path = "";
  let pen = "M";
  for (const [x, y] of points) {
    if (x === null || y === null) pen = "M";
    else {
      path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    }
  }
  const stroke = svgElement("path", {
    d: path, class: `curve ${style}`, "stroke-dasharray": STYLES[style].dash,
  });
  const every = Math.ceil(points.length / 16);
  const markers = points.filter((_, i) => i % every === 0).map(([x, y]) => marker(x, y, style));
  return [stroke, ...markers];
}

/** What each curve, bar or point stands for. */
function legendOf(spec) {
  return [...(spec.series || []), ...(spec.marks || [])].map(({ label, style }) => {
    const sample = svgElement("svg", { width: 30, height: 14, "aria-hidden": "true" });
    if (spec.kind === "cells") sample.append(rectangle(6, 2, 18, 10, `outline ${style}`));
    else if (spec.kind === "bars") sample.append(rectangle(4, 2, 22, 10, `bar ${style}`));
    else if ((spec.marks || []).some((mark) => mark.label === label)) sample.append(marker(15, 7, style));
    else sample.append(...curve([[1, 7], [15, 7], [29, 7]], style).slice(0, 1), marker(15, 7, style));
    return element("li", {}, [sample, label]);
  });
}

// --- words and numbers ---------------------------------------------------------------------------

/** An HTML element; strings among its children become text, never HTML. */
function element(name, attributes = {}, children = []) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** A number in as many digits as people read. */
function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "none";
  const size = Math.abs(value);
  if (size < 1e-6) return "0"; // rounding of the forward pass
  if (size < 0.0005 || size >= 1e6) return value.toExponential(1);
  if (size >= 100) return value.toFixed(0);
  return String(Number(value.toFixed(size >= 10 ? 1 : 3)));
}

/** As much of a string as fits into a width in pixels. */
function fit(words, width) {
  const room = Math.max(1, Math.floor(width / 6.5));
  const characters = Array.from(words);
  return characters.length <= room ? words : `${characters.slice(0, Math.max(1, room - 1)).join("")}…`;
}

function capitalised(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function nearest(places, wanted) {
  let best = 0;
  places.forEach((place, i) => {
    if (Math.abs(place - wanted) < Math.abs(places[best] - wanted)) best = i;
  });
  return best;
}
