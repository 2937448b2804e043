// The client that is looked at.

import { byId, el, facts } from "./element.js";
import { GAP, NONE, countText, durationText, offsetText, plural, rateText, sizeText, three, words } from "./format.js";
import { loadText } from "./load.js";
import { clientsBySession, processName, timeOf, unwhole } from "./model.js";
import { dataTable } from "./table.js";
import { view } from "./view.js";

export function drawClient() {
  const entry = clientsBySession.get(view.session);
  byId("client").hidden = !entry;
  if (!entry) return;
  const { client } = entry;
  byId("client-title").textContent = client.label;
  byId("client-body").replaceChildren(
    el("dl", { class: "facts" }, ...facts([
      ["outcome", client.outcome + (unwhole(client) ? ", its load " + client.load : "") + (client.cause ? ": " + client.cause : "")],
      ["host", [client.host, client.version && "bulkhead " + client.version, client.pid ? "pid " + client.pid : ""].filter(Boolean).join(", ")],
      ["labels", [
        ...Object.entries(client.labels || {}).map(([name, value]) => name + "=" + value),
        ...(client.labels_left_out ? [plural(client.labels_left_out, "label") + " left out"] : []),
      ].join(", ")],
      ["load", loadText(client.workload)],
      ["stopped", [client.stop_reason, client.stop_detail].filter(Boolean).join(": ")],
      ["clock", client.clock_offset_nano === 0 ? "" : durationText(Math.abs(client.clock_offset_nano)) + (client.clock_offset_nano < 0 ? " behind" : " ahead of") + " the supervisor's as it arrived; corrected here"],
      ["messages", countText(client.messages) + (client.malformed ? ", and " + countText(client.malformed) + " left out as malformed" : "")],
    ])),
    el("h3", { text: "Processes" }),
    dataTable({
      label: "Processes of " + client.label, rows: client.processes,
      columns: [
        { name: "process", value: processName, text: processName },
        { name: "pid", number: true, value: (process) => process.pid, text: (process) => String(process.pid || NONE) },
        { name: "ran", number: true, value: (process) => process.runtime_nano, text: (process) => durationText(process.runtime_nano) },
        { name: "rate", number: true, value: (process) => (process.writes ? process.writes.bytes_per_second : null), text: (process) => (process.writes ? rateText(process.writes.bytes_per_second) : "") },
        { name: "p50", number: true, value: (process) => (process.writes ? process.writes.chunk_write.p50_nano : null), text: (process) => (process.writes ? durationText(process.writes.chunk_write.p50_nano) : "") },
        { name: "p99", number: true, value: (process) => (process.writes ? process.writes.chunk_write.p99_nano : null), text: (process) => (process.writes ? durationText(process.writes.chunk_write.p99_nano) : "") },
        { name: "max", number: true, value: (process) => (process.writes ? process.writes.chunk_write.max_nano : null), text: (process) => (process.writes ? durationText(process.writes.chunk_write.max_nano) : "") },
        ...(client.response ? [{ name: "response p99", number: true, value: (process) => (process.writes && process.writes.response ? process.writes.response.p99_nano : null), text: (process) => (process.writes && process.writes.response ? durationText(process.writes.response.p99_nano) : "") }] : []),
        ...(client.phases && client.phases.sync ? [{ name: "sync p99", number: true, value: (process) => (process.writes && process.writes.phases.sync ? process.writes.phases.sync.p99_nano : null), text: (process) => (process.writes && process.writes.phases.sync ? durationText(process.writes.phases.sync.p99_nano) : "") }] : []),
        ...(client.verified_bytes ? [{ name: "verified", number: true, value: (process) => (process.writes ? process.writes.verified_bytes : null), text: (process) => (process.writes ? sizeText(process.writes.verified_bytes) : "") }] : []),
        { name: "files", number: true, value: (process) => (process.writes ? process.writes.files : null), text: (process) => (process.writes ? countText(process.writes.files) : "") },
        { name: "cpu", number: true, value: (process) => (process.usage ? process.usage.mean_cpu_percent : null), text: (process) => (process.usage ? three(process.usage.mean_cpu_percent) + GAP + "%" : "") },
        { name: "exit", value: (process) => (process.exit ? process.exit.class : ""), text: (process) => (process.exit ? words(process.exit.class) : "") },
        { name: "cause", wrap: true, text: (process) => (process.exit ? process.exit.cause : "") },
      ],
    }),
    el("h3", { text: "Connections" }),
    dataTable({
      label: "Connections of " + client.label, rows: client.connections,
      columns: [
        { name: "from", number: true, value: (link) => timeOf(link.attached_at), text: (link) => offsetText(timeOf(link.attached_at)) },
        { name: "to", number: true, value: (link) => timeOf(link.detached_at), text: (link) => (link.detached_at ? offsetText(timeOf(link.detached_at)) : "its end") },
        { name: "peer", value: (link) => link.peer, text: (link) => link.peer },
        { name: "handler", number: true, value: (link) => link.handler_pid, text: (link) => String(link.handler_pid) },
        { name: "away", number: true, value: (link) => link.away_nano, text: (link) => (link.away_nano ? durationText(link.away_nano) : "") },
        { name: "why", wrap: true, text: (link) => [link.detach_cause, link.away_why && words(link.away_why)].filter(Boolean).join("; ") },
      ],
    }),
    client.connections_left_out ? el("p", { class: "quiet", text: countText(client.connections_left_out) + " older ones are left out." }) : document.createTextNode(""));
}
