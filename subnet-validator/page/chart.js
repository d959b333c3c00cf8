// A bar for each hour or day, as SVG with a text for each bar; the same numbers stand in a table below for whoever cannot see it.

import { el, svg } from "./dom.js";
import { count } from "./format.js";

const [HEIGHT, LEFT, BOTTOM, TOP] = [220, 46, 24, 10];
const HOUR = 3_600_000;

/// The nearest round number above.
function ceiling(value) {
  if (value <= 5) return 5;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * size).find((step) => step >= value);
}

const label = (ms, step) => (step === HOUR ? new Date(ms).toISOString().slice(11, 16) : new Date(ms).toISOString().slice(5, 10));

/// `rows` are {key, delivered, failed}; `start` and `end` in milliseconds; `step` an hour or a day; `width` in pixels, so that texts
/// keep their size.
export function chart(rows, { start, end, step, name, width }) {
  const WIDTH = Math.max(width, 280);
  const known = new Map(rows.map((row) => [Number(row.key), row]));
  const first = Math.floor(start / step) * step;
  const places = [];
  for (let at = first; at <= end; at += step) places.push(at);
  const top = ceiling(Math.max(1, ...rows.map((row) => row.delivered + row.failed)));
  const inner = HEIGHT - BOTTOM - TOP;
  const slot = (WIDTH - LEFT) / places.length;
  const y = (value) => TOP + inner * (1 - value / top);
  const grid = [0, 0.5, 1].map((part) => [
    svg("line", { x1: LEFT, x2: WIDTH, y1: y(top * part), y2: y(top * part), class: "grid" }),
    svg("text", { x: LEFT - 8, y: y(top * part) + 4, class: "axis end" }, count(Math.round(top * part))),
  ]);
  const every = Math.ceil(places.length / Math.max(3, Math.floor(WIDTH / 90)));
  const bars = places.map((at, place) => {
    const row = known.get(at) ?? { delivered: 0, failed: 0 };
    const x = LEFT + place * slot;
    const text = `${label(at, step)}: ${row.delivered} delivered, ${row.failed} not`;
    return svg("g", null,
      svg("title", null, text),
      svg("rect", { x: x + slot * 0.1, y: y(row.delivered), width: slot * 0.8, height: y(0) - y(row.delivered), class: "ok", rx: 1.5 }),
      svg("rect", { x: x + slot * 0.1, y: y(row.delivered + row.failed), width: slot * 0.8, height: y(row.delivered) - y(row.delivered + row.failed), class: "bad" }),
      place % every === 0 ? svg("text", { x: x + slot / 2, y: HEIGHT - 6, class: "axis" }, label(at, step)) : null);
  });
  const text = `${name}: ${rows.length} of ${places.length} ${step === HOUR ? "hours" : "days"} had calls.`;
  return el("figure", { class: "chart" },
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": text }, grid, bars),
    el("figcaption", null, el("span", { class: "key ok" }, "delivered"), el("span", { class: "key bad" }, "not delivered"), " calls, times in UTC"));
}
