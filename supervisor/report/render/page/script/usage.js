// What the consumers took of their machines.

import { LINES_AT_ONCE, empty, lineChart, summary } from "./chart.js";
import { byId, part } from "./element.js";
import { GAP, plural, sizeText, three } from "./format.js";
import { clientTimes, report, series } from "./model.js";
import { seriesColor } from "./theme.js";
import { shown, view } from "./view.js";

export function drawUsage() {
  usageChart("cpu", "Processor time", (process) => process.cpu, 0, (value) => three(value) + GAP + "cores",
    "Of each consumer, in processors.", 1);
  usageChart("memory", "Resident memory", (process) => process.resident_bytes, 1, sizeText,
    "Resident, of each consumer.", 1e6);
}

// usageChart draws the consumers with the highest mean; values below least were not
// sampled.
function usageChart(id, what, values, least, text, hint, floor) {
  part(id);
  const entries = [];
  report.clients.forEach((client, index) => {
    const own = series ? series.clients[index] : null;
    if (!own || !shown(client.session)) return;
    for (const process of own.processes) {
      const mean = process.kind === "consumer" ? meanOf(values(process), least) : null;
      if (mean !== null) entries.push({ client, process, mean });
    }
  });
  const listed = entries.sort((a, b) => b.mean - a.mean).slice(0, LINES_AT_ONCE).map(({ client, process }) => {
    const list = values(process).map((value) => (value < least ? null : value));
    return { name: view.session ? process.name : client.label + " " + process.name.replace("consumer ", "c"), values: list, sums: summary(list) };
  });
  byId(id).querySelector(".rail p").textContent = hint + (entries.length > listed.length ? " The " + listed.length + " highest of " + entries.length + "; look at one client for its own." : "");
  if (listed.length === 0) return empty(id, "Nothing was sampled.");
  lineChart(id, {
    times: clientTimes,
    lines: listed.map((entry, i) => ({ name: entry.name, values: entry.values, color: seriesColor(i), width: 1.3 })),
    text,
    height: 170,
    floor,
    label: what + " over time of " + plural(listed.length, "consumer") + ": " + listed.map((entry) => entry.name + " mean " + text(entry.sums.mean) + ", highest " + text(entry.sums.most)).join("; "),
  });
}

function meanOf(values, least) {
  let sum = 0, n = 0;
  for (const value of values) {
    if (value < least) continue;
    sum += value;
    n++;
  }
  return n ? sum / n : null;
}
