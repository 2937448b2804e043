// Who was slow: the clients side by side.

import { byId, el, part } from "./element.js";
import { NONE, countText, durationText, offsetText, rateText, sizeText, words } from "./format.js";
import { atWork, report, timeOf, unwhole } from "./model.js";
import { dataTable } from "./table.js";
import { choose, view } from "./view.js";

export function drawClients() {
  const body = part("clients");
  const clients = report.clients;
  byId("stragglers").textContent = stragglers(clients);
  byId("clients").hidden = clients.length === 0;
  const fastest = Math.max(1, ...clients.map((client) => client.bytes_per_second));
  const slowest = Math.max(1, ...clients.map((client) => client.chunk_write.p99_nano));
  const beats = (client) => client.heartbeats.missed * 1e6 + client.heartbeats.late * 1e3 + client.heartbeats.stalled;
  body.append(dataTable({
    label: "Clients, one a row",
    rows: clients,
    sort: 0,
    chosen: (client) => client.session === view.session,
    columns: [
      { name: "client", value: (client) => client.label, cell: (client) => el("button", {
        type: "button", class: "link", text: client.label, "aria-pressed": String(client.session === view.session),
        onclick: () => {
          choose(client.session === view.session ? 0 : client.session);
          const again = [...document.querySelectorAll("#clients .link")].find((node) => node.textContent === client.label);
          if (again) again.focus({ preventScroll: true });
        },
      }) },
      { name: "outcome", value: (client) => client.outcome, cell: (client) => el("span", {}, outcomeWord(client), tagOf(client)) },
      { name: "rate", number: true, value: (client) => client.bytes_per_second, cell: (client) => barCell(client.bytes_per_second / fastest, rateText(client.bytes_per_second)) },
      { name: "written", number: true, value: (client) => client.bytes, text: (client) => sizeText(client.bytes) },
      { name: "p50", number: true, value: (client) => client.chunk_write.p50_nano, text: (client) => writeText(client, client.chunk_write.p50_nano) },
      { name: "p99", number: true, value: (client) => client.chunk_write.p99_nano, cell: (client) => barCell(client.chunk_write.p99_nano / slowest, writeText(client, client.chunk_write.p99_nano), "late") },
      ...(clients.some((client) => client.response) ? [{ name: "response p99", number: true, value: (client) => (client.response ? client.response.p99_nano : null), text: (client) => (client.response ? durationText(client.response.p99_nano) : "") }] : []),
      ...(clients.some((client) => client.corrupt_blocks) ? [{ name: "corrupt", number: true, value: (client) => client.corrupt_blocks, cell: (client) => el("span", { class: client.corrupt_blocks ? "word bad" : null, text: client.corrupt_blocks ? countText(client.corrupt_blocks) : "" }) }] : []),
      { name: "max", number: true, value: (client) => client.chunk_write.max_nano, text: (client) => writeText(client, client.chunk_write.max_nano) },
      { name: "done", number: true, value: doneAt, text: (client) => (doneAt(client) === null ? NONE : offsetText(doneAt(client))) },
      { name: "ok/late/missed", number: true, value: beats, text: (client) => client.heartbeats.answered + "/" + client.heartbeats.late + "/" + client.heartbeats.missed },
      ...["errors", "resumes"].filter((name) => clients.some((client) => client[name])).map((name) => ({
        name, number: true, value: (client) => client[name], text: (client) => (client[name] ? countText(client[name]) : ""),
      })),
      { name: "cause", wrap: true, value: (client) => client.cause, text: (client) => client.cause },
    ],
  }));
}

// writeText returns a latency of a client's chunk writes, if there were any.
function writeText(client, nano) {
  return client.chunk_write.count > 0 ? durationText(nano) : NONE;
}

function outcomeWord(client) {
  if (atWork(client)) return el("span", { class: "word good", text: "at work" });
  const outcome = client.outcome;
  if (outcome === "closed" && unwhole(client)) return el("span", { class: "word " + (client.load === "interrupted" ? "warn" : "bad"), text: outcome + ", " + client.load });
  return el("span", { class: "word " + (outcome === "closed" ? "good" : outcome === "open" ? "warn" : "bad"), text: outcome });
}

// tagOf returns what the findings call a client.
function tagOf(client) {
  const kinds = [...new Set((report.findings || []).filter((finding) => finding.session === client.session && finding.kind !== "steady_state").map((finding) => words(finding.kind)))];
  return kinds.length ? el("span", { class: "tag", text: kinds.join(", ") }) : null;
}

function barCell(share, text, kind) {
  const bar = el("i", { class: kind || null });
  bar.style.width = Math.min(100, share * 100) + "%";
  return el("span", { class: "bars" }, el("span", { class: "track", "aria-hidden": "true" }, bar), el("span", { class: "figure", text }));
}

function doneAt(client) {
  return timeOf(client.stopped_at || client.last_message_at, client);
}

function stragglers(clients) {
  const done = clients.filter((client) => client.outcome === "closed" && !client.resent && doneAt(client) !== null).sort((a, b) => doneAt(a) - doneAt(b));
  if (done.length < 2) return "";
  const first = done[0], last = done[done.length - 1];
  return "First done: " + first.label + " at " + offsetText(doneAt(first)) + ". Last done: " + last.label + " at " + offsetText(doneAt(last)) +
    ", " + durationText((doneAt(last) - doneAt(first)) * 1e9) + " later.";
}
