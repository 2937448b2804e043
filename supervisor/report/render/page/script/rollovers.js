// What a finished file cost: its four phases, at the moment it was closed.

import { empty, lineChart, summary } from "./chart.js";
import { byId, part } from "./element.js";
import { countText, durationText, offsetText, plural, sizeText } from "./format.js";
import { report, timeOf } from "./model.js";
import { dataTable, under } from "./table.js";
import { color } from "./theme.js";
import { shown } from "./view.js";

const PHASES = [["create", "s5"], ["write", "s0"], ["sync", "s3"], ["close", "s2"]];

export function drawRollovers() {
  part("rollovers");
  const files = [];
  let leftOut = 0, finished = 0;
  for (const client of report.clients) {
    if (!shown(client.session)) continue;
    leftOut += client.rollovers_left_out;
    for (const process of client.processes) {
      if (!process.rollovers) continue;
      finished += process.rollovers.files;
      leftOut += process.rollovers.left_out;
      for (const file of process.rollovers.list) files.push({ client, process, file, at: timeOf(file.closed_at, client) });
    }
  }
  byId("rollovers").querySelector(".rail p").textContent = "A point for each phase of each file, when it was closed. Logarithmic." +
    (leftOut && files.length ? " " + countText(files.length) + " of " + countText(finished) + " files are drawn: of neighbours the slowest." : "");
  if (files.length === 0) return empty("rollovers", "No file was finished.");
  files.sort((a, b) => a.at - b.at);
  const took = (file, phase) => file[phase + "_nano"];
  lineChart("rollovers", {
    times: files.map((entry) => entry.at),
    lines: PHASES.map(([phase, ink]) => ({ name: phase, color: color(ink), dots: files.length > 2000 ? 2 : 4, values: files.map(({ file }) => took(file, phase) || null) })),
    text: durationText,
    logarithmic: true,
    height: 220,
    label: "Rollover phases of " + plural(files.length, "file") + ": " + PHASES.map(([phase]) => {
      const sums = summary(files.map(({ file }) => took(file, phase)));
      return phase + " " + durationText(sums.least) + " to " + durationText(sums.most);
    }).join(", "),
  });
  const body = byId("rollovers").querySelector(".body");
  body.querySelector("details").remove(); // the tables below say more
  body.append(
    under("By consumer", () => dataTable({
      label: "Rollover phases by consumer",
      rows: report.clients.filter((client) => shown(client.session)).flatMap((client) => client.processes.filter((process) => process.rollovers && process.rollovers.files).map((process) => ({ client, process, all: process.rollovers }))),
      columns: [
        { name: "client", value: (row) => row.client.label, text: (row) => row.client.label },
        { name: "consumer", number: true, value: (row) => row.process.index, text: (row) => String(row.process.index) },
        { name: "files", number: true, value: (row) => row.all.files, text: (row) => countText(row.all.files) },
        ...PHASES.flatMap(([phase]) => [
          { name: phase + " p50", number: true, value: (row) => row.all[phase].p50_nano, text: (row) => durationText(row.all[phase].p50_nano) },
          { name: "max", number: true, value: (row) => row.all[phase].max_nano, text: (row) => durationText(row.all[phase].max_nano) },
        ]),
      ],
    })),
    under("Files", () => dataTable({
      label: "Files, the newest first", rows: files, sort: 0, falling: true,
      columns: [
        { name: "closed", number: true, value: (row) => row.at, text: (row) => offsetText(row.at) },
        { name: "client", value: (row) => row.client.label, text: (row) => row.client.label },
        { name: "consumer", number: true, value: (row) => row.process.index, text: (row) => String(row.process.index) },
        { name: "size", number: true, value: (row) => row.file.size_bytes, text: (row) => sizeText(row.file.size_bytes) },
        ...PHASES.map(([phase]) => ({ name: phase, number: true, value: (row) => took(row.file, phase), text: (row) => durationText(took(row.file, phase)) })),
        { name: "notes", text: (row) => [row.file.partial ? "partial" : "", row.file.generation > 1 ? "generation " + row.file.generation : "", row.file.verification === "failed" ? "not as written" : row.file.verification === "ok" ? "verified" : ""].filter(Boolean).join(", ") },
        { name: "path", wrap: true, value: (row) => row.file.path, text: (row) => row.file.path },
      ],
    })));
}
