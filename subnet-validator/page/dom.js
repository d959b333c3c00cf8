// Building elements. Text only ever becomes text: nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "press") element.addEventListener("click", value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/// A figure: what is shown, and which field of which answer it shows, so that a test can compare the two.
export function figure(method, path, raw, text) {
  if (raw === null || raw === undefined) return el("span", { class: "none", "data-method": method, "data-path": path, "data-raw": "null" }, "none");
  return el("span", { class: "n", "data-method": method, "data-path": path, "data-raw": raw, title: `${method} ${path} = ${raw}` }, text ?? String(raw));
}

/// A table that becomes cards on a narrow screen. `columns` are {name, number, cell(row)}; `more(row)` may give a row below.
export function table(caption, columns, rows, more) {
  const head = el("tr", null, columns.map((column) => el("th", { scope: "col", class: column.number ? "number" : null }, column.name)));
  const body = rows.flatMap((row, index) => {
    const cells = columns.map((column, place) =>
      el(place === 0 ? "th" : "td", { scope: place === 0 ? "row" : null, class: column.number ? "number" : null, "data-label": column.name }, column.cell(row, index)),
    );
    const line = el("tr", null, cells);
    const below = more?.(row, line, columns.length);
    return below ? [line, below] : [line];
  });
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, el("table", null, el("caption", null, caption), el("thead", null, head), el("tbody", null, body)));
}

/// A share of a whole as a bar, with its text beside it.
export function bar(parts, label) {
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  let x = 0;
  const pieces = parts.filter((part) => part.value > 0).map((part) => {
    const width = (100 * part.value) / Math.max(total, part.whole ?? total);
    const piece = svg("rect", { x, y: 0, width, height: 8, class: part.kind }, svg("title", null, `${part.name}: ${part.text ?? part.value}`));
    x += width;
    return piece;
  });
  return svg("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": label }, svg("rect", { x: 0, y: 0, width: 100, height: 8, class: "rest" }), pieces);
}

export function replace(section, ...children) {
  const body = document.querySelector(`#${section} .body`);
  body.setAttribute("aria-busy", "false");
  body.replaceChildren(...children.flat(Infinity).filter(Boolean));
}

export const empty = (text) => el("p", { class: "empty" }, text);
export const failure = (text) => el("p", { class: "notice", role: "alert" }, text);
