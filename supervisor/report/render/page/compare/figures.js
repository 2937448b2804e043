// Each figure of both runs, with its spread.

import { el, part } from "../script/element.js";
import { dataTable } from "../script/table.js";
import { color } from "../script/theme.js";
import { data } from "./model.js";

export function drawDifferences() {
  part("differences").append(dataTable({
    label: "Figures of intervals, of both runs",
    rows: data.rows,
    columns: [
      { name: "figure", text: (row) => row.cells[0] },
      { name: "A", number: true, text: (row) => row.cells[1] },
      { name: "B", number: true, text: (row) => row.cells[2] },
      { name: "spread", cell: spreadsOf },
      { name: "change", number: true, text: (row) => row.cells[3] },
      { name: "p", number: true, text: (row) => row.cells[4] },
      { name: "judgement", wrap: true, cell: (row) => el("span", { class: "word " + toneOf(row.cells[5]), text: row.cells[5] }) },
    ],
  }));
}

function toneOf(judgement) {
  return judgement.endsWith("better") ? "good" : judgement.endsWith("worse") ? "bad" : "";
}

// spreadsOf draws both runs on one scale that begins at 0; the cells beside say the same.
function spreadsOf(row) {
  const top = Math.max(row.a.high, row.b.high, 1);
  const share = (x) => Math.min(100, Math.max(0, (x / top) * 100)) + "%";
  return el("span", { class: "spreads", "aria-hidden": "true" }, ...[row.a, row.b].map((of, i) => {
    const bar = el("i"), dot = el("b");
    bar.style.left = share(of.low);
    bar.style.width = share(of.high - of.low);
    dot.style.left = share(of.mean);
    const line = el("span", { class: "spread" }, of.intervals > 0 ? bar : null, of.intervals > 0 ? dot : null);
    line.style.setProperty("--c", color("s" + i));
    return line;
  }));
}
