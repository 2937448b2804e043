// The handlers' lives.

import { byId, el, part } from "./element.js";
import { NONE, countText, durationText, leftOutText, offsetText, plural, sizeText, words } from "./format.js";
import { laneChart } from "./lanes.js";
import { axisTo, report, timeOf } from "./model.js";
import { dataTable, under } from "./table.js";
import { color } from "./theme.js";
import { view } from "./view.js";

const GOOD_EXITS = new Set(["clean", ""]);

function ill({ handler, state }) {
  return handler.exit !== null && !GOOD_EXITS.has(state);
}

export function drawHandlers() {
  part("handlers");
  const ends = attachments();
  const list = report.handlers.filter((handler) => view.session === 0 || handler.session === view.session).map((handler) => {
    const exit = handler.exit;
    const seen = ends.get(handler.pid + "/" + handler.connection_id);
    const from = exit && exit.started_at ? timeOf(exit.started_at) : seen ? seen.from : null;
    const to = exit && exit.ended_at ? timeOf(exit.ended_at) : axisTo;
    return { handler, from, to, state: exit ? exit.class : "no end recorded", cause: exit ? exit.cause : "" };
  });
  byId("handlers").hidden = list.length === 0;
  if (list.length === 0) return;
  const ink = ({ handler, state }) => (state === "no end recorded" ? color("grey") : !GOOD_EXITS.has(state) ? color("bad") : handler.session ? color("s4") : color("line-strong"));
  const drawn = list.filter((entry) => entry.from !== null).sort((a, b) => Number(ill(b)) - Number(ill(a)) || a.from - b.from);
  const bad = list.filter(ill);
  if (drawn.length) {
    laneChart("handlers", {
      label: "Lives of " + plural(list.length, "handler") + ", " + bad.length + " of which did not end clean",
      legend: [[color("s4"), "served a client"], [color("line-strong"), "served no session"], [color("bad"), "did not end clean"], ...(list.length > drawn.length || list.some((e) => !e.handler.exit) ? [[color("grey"), "no end recorded"]] : [])],
      noun: "handlers",
      rowHeight: 16,
      rows: drawn.map((entry) => ({
        name: entry.handler.client || (entry.handler.connection_id ? "rejected" : "unused"),
        title: "handler " + entry.handler.pid + (entry.handler.client ? ", " + entry.handler.client : ""),
        spans: [{ from: entry.from, to: entry.to, color: ink(entry), size: 0.62, joined: true, text: [entry.state, entry.cause].filter(Boolean).join(", ") }],
      })),
    });
  }
  byId("handlers").querySelector(".body").append(under(plural(list.length, "handler") + " as a table" + leftOutText(report.handlers_left_out), () => dataTable({
    label: "Handlers", rows: list,
    columns: [
      { name: "pid", number: true, value: (row) => row.handler.pid, text: (row) => String(row.handler.pid) },
      { name: "client", value: (row) => row.handler.client, text: (row) => row.handler.client || NONE },
      { name: "started", number: true, value: (row) => row.from, text: (row) => (row.from === null ? NONE : offsetText(row.from)) },
      { name: "lived", number: true, value: (row) => (row.from === null ? null : row.to - row.from), text: (row) => (row.from === null ? NONE : durationText((row.to - row.from) * 1e9)) },
      { name: "end", value: (row) => row.state, cell: (row) => el("span", { class: "word " + (GOOD_EXITS.has(row.state) ? "" : row.handler.exit ? "bad" : "warn"), text: words(row.state) }) },
      { name: "messages", number: true, value: (row) => row.handler.durable_messages, text: (row) => countText(row.handler.durable_messages) },
      { name: "received", number: true, value: (row) => row.handler.received_bytes, text: (row) => sizeText(row.handler.received_bytes) },
      { name: "peak memory", number: true, value: (row) => (row.handler.exit ? row.handler.exit.max_resident_bytes : null), text: (row) => (row.handler.exit ? sizeText(row.handler.exit.max_resident_bytes) : NONE) },
      { name: "cause", wrap: true, value: (row) => row.cause, text: (row) => row.cause || row.handler.connection_end },
    ],
  })));
}

// attachments returns when handlers got a session: all there is of one without an end.
function attachments() {
  const seen = new Map();
  for (const client of report.clients) {
    for (const connection of client.connections) seen.set(connection.handler_pid + "/" + connection.id, { from: timeOf(connection.attached_at) });
  }
  return seen;
}

export function drawRejections() {
  const body = part("rejections");
  byId("rejections").hidden = report.rejections.length === 0 || view.session !== 0;
  if (report.rejections.length === 0) return;
  body.append(dataTable({
    label: "Rejected connections", rows: report.rejections, sort: 0,
    columns: [
      { name: "at", number: true, value: (row) => timeOf(row.at), text: (row) => offsetText(timeOf(row.at)) },
      { name: "peer", value: (row) => row.peer, text: (row) => row.peer },
      { name: "client", value: (row) => row.client_name, text: (row) => row.client_name || NONE },
      { name: "handler", number: true, value: (row) => row.handler_pid, text: (row) => String(row.handler_pid) },
      { name: "reason", wrap: true, value: (row) => row.reason, text: (row) => row.reason },
    ],
  }));
  if (report.rejections_left_out) body.append(el("p", { class: "quiet", text: countText(report.rejections_left_out) + " older ones are left out." }));
}
