// The facts of the run.

import { byId, facts, part } from "./element.js";
import { countText, durationText, offsetText, plural, sizeText } from "./format.js";
import { loadsOf } from "./load.js";
import { report, series, stampText, timeOf } from "./model.js";

// windowFacts returns what is to be said of the time in which every client wrote.
function windowFacts(window) {
  if (!window || !window.text) return [];
  const latency = window.chunk_write;
  return [["in common", [window.text, window.rate_text,
    latency.count > 0 ? "chunk write p50 " + durationText(latency.p50_nano) + ", p99 " + durationText(latency.p99_nano) + ", p99.9 " + durationText(latency.p999_nano) + ", max " + durationText(latency.max_nano) : "",
    window.length_nano > 0 ? "the charts are shaded before and after it" + ((window.apart || []).length ? ", and between stages" : "") : ""].filter(Boolean).join("\n")]];
}

export function drawRun() {
  const { run, journal, totals } = report;
  part("run", "dl").append(...facts([
    ["run", run.id],
    ["started", stampText(run.started_at)],
    ["ended", [stampText(run.ended_at), run.end, run.end_detail].filter(Boolean).join(", ") || "its end is not in the journal"],
    ["supervisor", "bulkhead " + run.version + " (" + run.go_version + "), pid " + run.pid + ", listening on " + run.listen],
    ["host", run.host.name + ", " + run.host.os + "/" + run.host.arch + ", kernel " + run.host.kernel + ", " + plural(run.host.cpus, "CPU") + ", " + sizeText(run.host.memory_bytes) + " memory"],
    ...(run.sandbox ? [["sandbox", [run.sandbox.state, ...(run.sandbox.missing || []).map((gap) => "no " + gap.layer + " (" + gap.reason + ")")].join("; ")]] : []),
    ["clients", run.expected_clients + " expected, " + run.joined_clients + " joined"],
    ...(run.job ? [["job", run.job.text]] : []),
    ...(run.fleet_rate ? [["fleet rate", run.fleet_rate.text]] : []),
    ...(run.gather ? [["gather", run.gather.text]] : []),
    ...windowFacts(report.common_window),
    ...(totals.warm_up ? [["warm-up", sizeText(totals.warm_up.bytes) + " in " + plural(totals.warm_up.chunks, "chunk") + "; they are in the run over time alone, and in none of the figures"]] : []),
    ...run.restarts.map((restart) => [restart.kind, offsetText(timeOf(restart.at)) + ": bulkhead " + restart.version + " (" + restart.go_version + "), pid " + restart.pid + "; " +
      restart.handlers_kept + " of " + plural(restart.handlers_kept + restart.handlers_gone, "handler") + " adopted"]),
    ...(run.supervisors || []).map((supervisor) => ["taking part", supervisor.text]),
    ...run.shed.map((shed) => ["shed", plural(shed.count, "connection") + ": " + shed.reason]),
    ...loadsOf(report.clients),
    ["messages", countText(totals.messages) + (totals.malformed ? ", and " + countText(totals.malformed) + " left out as malformed" : "")],
    ["journal", plural(journal.records, "record") + (journal.damage ? "; " + (journal.damage.torn ? "torn end" : "damage") + " in " + journal.damage.segment + " at byte " + journal.damage.offset_bytes + ": " + journal.damage.why : ", whole") +
      (journal.violations.length ? "\n" + journal.violations.join("\n") : "") + (journal.violations_left_out ? "\nand " + countText(journal.violations_left_out) + " more" : "")],
  ]));
  byId("reduced").textContent = (series && series.reduced_text) || "";
}
