// Tables: sortable by keyboard and pointer, and cut to what a person reads at once.

import { el } from "./element.js";
import { countText } from "./format.js";

const TABLE_ROWS = 50;

// dataTable returns a table of rows. A column has a name, text(row) and, to sort by,
// value(row); number sets it right; cell(row) may return an element in place of the text.
// sort is the index of the column it begins with, rising unless falling is set.
export function dataTable({ label, columns, rows, sort, falling, chosen }) {
  let order = { column: sort === undefined ? -1 : sort, falling: Boolean(falling) };
  let all = false;
  const head = el("tr");
  const body = el("tbody");
  const more = el("button", { type: "button", class: "more", onclick: () => { all = true; fill(); } });
  columns.forEach((column, i) => {
    const name = column.value
      ? el("button", { type: "button", text: column.name, onclick: () => {
          order = { column: i, falling: order.column === i ? !order.falling : Boolean(column.number) };
          fill();
        } })
      : document.createTextNode(column.name);
    head.append(el("th", { scope: "col", class: column.number ? "n" : null }, name));
  });
  function fill() {
    const sorted = rows.slice();
    if (order.column >= 0) {
      const value = columns[order.column].value;
      const sign = order.falling ? -1 : 1;
      sorted.sort((a, b) => sign * compareValues(value(a), value(b)));
    }
    [...head.children].forEach((cell, i) => {
      if (!columns[i].value) return;
      cell.setAttribute("aria-sort", order.column !== i ? "none" : order.falling ? "descending" : "ascending");
    });
    body.replaceChildren(...sorted.slice(0, all ? undefined : TABLE_ROWS).map((row) =>
      el("tr", { class: chosen && chosen(row) ? "chosen" : null }, ...columns.map((column) =>
        el("td", { class: [column.number ? "n" : "", column.wrap ? "wrap" : ""].join(" ").trim() || null },
          column.cell ? column.cell(row) : document.createTextNode(column.text(row)))))));
    more.hidden = all || rows.length <= TABLE_ROWS;
    more.textContent = "Show all " + countText(rows.length) + " rows";
  }
  fill();
  return el("div", {},
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table: " + label },
      el("table", {}, el("thead", {}, head), body)),
    more);
}

function compareValues(a, b) {
  if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b), "en", { numeric: true });
  return (a === null ? -1 : a) - (b === null ? -1 : b);
}

// under returns a table that is made when it is opened.
export function under(summary, make) {
  const node = el("details", {}, el("summary", { text: summary }));
  node.addEventListener("toggle", () => {
    if (node.open && node.children.length === 1) node.append(make());
  });
  return node;
}
