// The numbers of the run, or of the client that is looked at.

import { byId, el, part } from "./element.js";
import { GAP, NONE, countText, durationText, plural, rateText, sizeText, three } from "./format.js";
import { atWork, clientsBySession, perSecond, report, series, seriesOf, unwhole } from "./model.js";
import { view } from "./view.js";

export function drawFigures() {
  const entry = clientsBySession.get(view.session);
  const of = entry ? entry.client : report.totals;
  const latency = of.chunk_write, beats = of.heartbeats, response = of.response;
  const wrote = latency.count > 0;
  const missed = beats.missed + beats.late + beats.stalled;
  const list = [
    ["Throughput", rateText(of.bytes_per_second), "over " + durationText(of.writing_nano) + " of writing"],
    ["Written", sizeText(of.bytes), plural(of.chunks, "chunk") + ", " + plural(of.files, "file")],
    ["Latency p50", wrote ? durationText(latency.p50_nano) : NONE, wrote ? "mean " + durationText(latency.mean_nano) : "nothing written"],
    ["Latency p99", wrote ? durationText(latency.p99_nano) : NONE, wrote ? "p99.9 " + durationText(latency.p999_nano) : ""],
    ["Latency max", wrote ? durationText(latency.max_nano) : NONE, wrote ? "of " + plural(latency.count, "chunk write") : ""],
    response ? ["Response p99", durationText(response.p99_nano), "since a chunk was due; p50 " + durationText(response.p50_nano)] : null,
    of.verified_bytes || of.corrupt_blocks || of.unverified_files ? contentFigure(of) : null,
    ...readFigures(of),
    ["Write errors", countText(of.errors), of.last_error || "none", of.errors > 0 ? "bad" : ""],
    ["Heartbeats missed", countText(beats.missed), beats.late + " late, " + beats.stalled + " stalled, " + countText(beats.answered) + " in time", beats.missed > 0 ? "bad" : missed > 0 ? "warn" : ""],
    ["Rate, middle 90 %", middleRates(), "of intervals while writing"],
    entry ? ["Outcome", ...outcomeOf(of)] : clientsFigure(),
    ["Resumes", countText(of.resumes), plural(of.kept_through_restarts, "connection") + " kept through restarts"],
  ].filter(Boolean);
  byId("figures").querySelector("dl").style.setProperty("--columns", Math.ceil(list.length / 2)); // no row is left with one
  part("figures", "dl").append(...list.map(([name, value, note, tone]) =>
    el("div", {}, el("dt", { text: name }), el("dd", { class: "value" + (tone ? " " + tone : ""), text: value }), el("dd", { class: "note", text: note, title: note }))));
}

// readFigures returns what was read beside the writing, if anything was to be.
function readFigures(of) {
  const reads = of.reads;
  if (!reads) return [];
  const from = !reads.told_bytes ? "from where is not told" : three((reads.cached_bytes / reads.told_bytes) * 100) + GAP + "% from the page cache";
  const known = reads.latency.count > 0;
  const others = reads.neighbours ? ", files of " + plural(reads.neighbours, "other client") + " on " + plural(reads.neighbour_hosts || 0, "other host") : "";
  return [
    ["Reads", rateText(reads.bytes_per_second), plural(reads.operations, "read") + ", " + from + others, reads.errors > 0 ? "bad" : ""],
    ["Read p99", known ? durationText(reads.latency.p99_nano) : NONE, reads.response ? "response p99 " + durationText(reads.response.p99_nano) : known ? "p50 " + durationText(reads.latency.p50_nano) : "nothing read"],
  ];
}

// contentFigure returns what verification found.
function contentFigure(of) {
  const note = sizeText(of.verified_bytes) + " read back" + (of.verified_cached_bytes ? ", " + sizeText(of.verified_cached_bytes) + " perhaps from cache" : "");
  if (of.corrupt_blocks) return ["Corrupt blocks", countText(of.corrupt_blocks), note, "bad"];
  if (of.unverified_files) return ["Files not as written", countText(of.unverified_files), note, "bad"];
  return ["Content", "as written", note, of.verified_cached_bytes ? "warn" : ""];
}

function outcomeOf(client) {
  return atWork(client) ? ["at work", "", ""] : [client.outcome + (unwhole(client) ? ", " + client.load : ""), client.cause, client.outcome === "closed" && !unwhole(client) ? "" : "bad"];
}

function clientsFigure() {
  const expected = report.run.expected_clients, joined = report.run.joined_clients;
  const came = joined + " came, " + expected + " expected";
  if (report.verdict.running) return ["Clients at work", countText(report.clients.filter(atWork).length), came];
  const closed = report.clients.filter((client) => client.outcome === "closed").length;
  return ["Clients closed", closed + " of " + Math.max(expected, joined), came, closed < report.clients.length || joined < expected ? "bad" : ""];
}

// middleRates returns the range of rates without the lowest and highest twentieth, of the
// intervals between the first and the last with writes.
function middleRates() {
  if (!series) return NONE;
  const own = view.session ? seriesOf(view.session) : series.total;
  const nano = view.session ? series.client_interval_nano : series.interval_nano;
  const bytes = own ? own.bytes : [];
  const first = bytes.findIndex((n) => n > 0), last = bytes.findLastIndex((n) => n > 0);
  const inner = perSecond(bytes.slice(first + 1, last), nano).sort((a, b) => a - b);
  if (first < 0 || inner.length < 3) return NONE;
  const edge = Math.floor(inner.length / 20);
  const from = rateText(inner[edge]), to = rateText(inner[inner.length - 1 - edge]);
  const [number, unit] = from.split(GAP);
  return (to.split(GAP)[1] === unit ? number : from) + " – " + to;
}
