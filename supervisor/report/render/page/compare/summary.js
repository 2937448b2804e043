// What is different, and what limits the comparison.

import { byId, el, part, swatch } from "../script/element.js";
import { NONE } from "../script/format.js";
import { dataTable } from "../script/table.js";
import { color } from "../script/theme.js";
import { SIDES, comparison, data } from "./model.js";

function differencesTable(label, list) {
  return dataTable({
    label, rows: list,
    columns: [
      { name: "what", value: (row) => row.name, text: (row) => row.name },
      { name: "A", wrap: true, text: (row) => row.a || NONE },
      { name: "B", wrap: true, text: (row) => row.b || NONE },
    ],
  });
}

export function drawSummary() {
  byId("summary-line").textContent = comparison.summary.charAt(0).toUpperCase() + comparison.summary.slice(1);
  part("summary").append(
    dataTable({
      label: "The two runs", rows: data.runs,
      columns: [
        { name: "side", cell: (row) => el("span", {}, swatch(color(row[0] === "A" ? "s0" : "s1"), "block"), document.createTextNode(" " + row[0])) },
        ...["run", "started", "verdict", "compared intervals"].map((name, i) => ({ name, text: (row) => row[i + 1] })),
        { name: "clients", wrap: true, text: (row) => SIDES[row[0] === "A" ? 0 : 1].headline },
      ],
    }),
    comparison.notes.length === 0 ? document.createTextNode("") : el("div", { class: "judged warnings" },
      el("h2", { text: "What limits the comparison" }), el("ul", {}, ...comparison.notes.map((text) => el("li", { text })))));
  part("configured").append(comparison.configured.length === 0 ? el("p", { text: "Nothing." })
    : el("div", {}, el("p", { class: "quiet", text: "Where the load or the machines differ, the figures compare those." }), differencesTable("Configured differently", comparison.configured)));
  byId("stages").hidden = data.stages.length === 0;
  part("stages").append(dataTable({
    label: "Stages of both runs", rows: data.stages,
    columns: ["stage", "A MB/s", "B MB/s", "change", "A p99", "B p99", "A response p99", "B response p99", "note"].map((name, i) => ({ name, number: i > 0 && i < 8, text: (row) => row[i] })),
  }));
  part("whole").append(differencesTable("Figures of the whole runs", comparison.whole));
  byId("test").textContent = comparison.test + ".";
}
