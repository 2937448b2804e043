// What the run was to keep, and how that was kept.

import { byId, el, part } from "./element.js";
import { NONE, offsetText } from "./format.js";
import { report, timeOf } from "./model.js";
import { dataTable } from "./table.js";

const STATES = { open: "kept so far", holds: "holds", broken: "broken", unknown: "not known" };

export function drawAsserted() {
  const rows = report.run.assertions || [];
  byId("asserted").hidden = rows.length === 0;
  if (rows.length === 0) return;
  const at = (row) => row.breached_at ? timeOf(row.breached_at) : null;
  part("asserted").append(dataTable({
    label: "Assertions", rows,
    columns: [
      { name: "assertion", value: (row) => row.assertion, text: (row) => row.assertion },
      { name: "state", value: (row) => row.state, cell: (row) => el("span", { class: "word" + (row.state === "broken" ? " bad" : ""), text: STATES[row.state] || row.state }) },
      { name: "of the whole run", wrap: true, value: (row) => row.value, text: (row) => row.value || NONE },
      { name: "broken at", number: true, value: at, text: (row) => at(row) === null ? NONE : offsetText(at(row)) },
      { name: "measured then", wrap: true, text: (row) => row.breach || NONE },
    ],
  }));
}
