// Who answered: a row a process, a cell an interval.

import { empty } from "./chart.js";
import { byId, part } from "./element.js";
import { countText, durationText, plural } from "./format.js";
import { laneChart } from "./lanes.js";
import { axisFrom, clientsBySession, processName, report, series } from "./model.js";
import { dataTable, under } from "./table.js";
import { color } from "./theme.js";
import { shown, view } from "./view.js";

function beatStyles() {
  return {
    a: [color("good-soft"), 0.42, "answered in time", "low"],
    l: [color("warn-mark"), 0.72, "late", "mid"],
    s: [color("violet"), 1, "stalled: a write was stuck", "block"],
    m: [color("bad"), 1, "missed", "split"],
  };
}

export function drawHeartbeats() {
  part("heartbeats");
  const styles = beatStyles();
  const rows = [];
  let processes = 0;
  for (const { client, own } of beatClients()) {
    const list = own.processes.filter((process) => /[^.]/.test(process.beats));
    if (list.length === 0) continue;
    rows.push({ heading: true, name: client.label, spans: [] });
    for (const process of list) {
      processes++;
      rows.push({ name: process.name, title: client.label + ", " + process.name, spans: () => beatSpans(process.beats, styles) });
    }
  }
  if (rows.length === 0) return empty("heartbeats", "No heartbeat was recorded.");
  const of = view.session ? clientsBySession.get(view.session).client : report.totals;
  const beats = of.heartbeats;
  laneChart("heartbeats", {
    label: "Heartbeats of " + plural(processes, "process") + ": " + countText(beats.answered) + " answered in time, " + beats.late + " late, " + beats.stalled + " stalled, " + beats.missed + " missed",
    legend: Object.values(styles).map(([ink, , name, shape]) => [ink, name, shape]),
    noun: "rows",
    rowHeight: 15,
    atOnce: 42,
    rows,
  });
  byId("heartbeats").querySelector(".body").append(under("Counts as a table", () => dataTable({
    label: "Heartbeats of each process",
    rows: report.clients.filter((client) => shown(client.session)).flatMap((client) => client.processes.filter((process) => process.heartbeats).map((process) => ({ client, process, beats: process.heartbeats }))),
    columns: [
      { name: "client", value: (row) => row.client.label, text: (row) => row.client.label },
      { name: "process", value: (row) => processName(row.process), text: (row) => processName(row.process) },
      { name: "in time", number: true, value: (row) => row.beats.answered, text: (row) => countText(row.beats.answered) },
      { name: "late", number: true, value: (row) => row.beats.late, text: (row) => countText(row.beats.late) },
      { name: "stalled", number: true, value: (row) => row.beats.stalled, text: (row) => countText(row.beats.stalled) },
      { name: "missed", number: true, value: (row) => row.beats.missed, text: (row) => countText(row.beats.missed) },
      { name: "slowest answer", number: true, value: (row) => row.beats.max_nano, text: (row) => durationText(row.beats.max_nano) },
      { name: "missed because", wrap: true, text: (row) => row.beats.missed_why.map((why) => why.text + " ×" + why.count).join("; ") },
    ],
  })));
}

// beatClients returns the clients that are looked at, with most trouble first.
function beatClients() {
  const trouble = (client) => client.heartbeats.missed * 1e6 + client.heartbeats.stalled * 1e3 + client.heartbeats.late;
  return report.clients.map((client, index) => ({ client, own: series ? series.clients[index] : null }))
    .filter(({ client, own }) => own && shown(client.session))
    .sort((a, b) => trouble(b.client) - trouble(a.client));
}

// beatSpans returns a cell for each interval; neighbours that are alike are one span as far as
// the pointer goes, and are drawn as cells where there is room.
function beatSpans(beats, styles) {
  const length = series.client_interval_nano / 1e9;
  const spans = [];
  for (let i = 0; i < beats.length; i++) {
    const style = styles[beats[i]];
    if (!style) continue;
    spans.push({ from: axisFrom + i * length, to: axisFrom + (i + 1) * length, color: style[0], size: style[1], text: style[2], split: beats[i] === "m" });
  }
  return spans;
}
