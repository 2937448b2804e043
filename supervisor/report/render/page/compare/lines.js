// Both runs over time, on the same axes.

import { empty, lineChart, orNull, summary } from "../script/chart.js";
import { byId, el, part } from "../script/element.js";
import { durationText, rateText } from "../script/format.js";
import { color } from "../script/theme.js";
import { redraw } from "../script/view.js";
import { SIDES, together } from "./model.js";

export const LATENCY_NAMES = { chunk_write: "chunk write", response: "response", create: "create", sync: "sync", close: "close", unlink: "unlink", read: "read", read_response: "read response" };
const PERCENTILES = [["p50", "p50_nano"], ["p99", "p99_nano"], ["p99.9", "p999_nano"], ["max", "max_nano"]];
export const looked = { of: "chunk_write", at: "p99_nano" };

export function latencyOf(side) {
  return side.latencies.find((latency) => latency.name === looked.of) || null;
}

function linesOf(lists) {
  const { times, values } = together(lists);
  return { times, lines: SIDES.map((side, i) => ({ name: side.name, color: color(side.ink), values: values[i], width: 1.75 })) };
}

function rangesText(lines, text) {
  return lines.map((line) => {
    const sums = summary(line.values);
    return sums ? line.name + " from " + text(sums.least) + " to " + text(sums.most) : line.name + " nothing";
  }).join(", ");
}

export function drawThroughput() {
  part("throughput");
  const { times, lines } = linesOf(SIDES.map((side) => side.bytes_per_second));
  if (times.length === 0) return empty("throughput", "Neither run wrote anything over time.");
  lineChart("throughput", { times, lines, text: rateText, height: 240, label: "Throughput of both runs since their first byte: " + rangesText(lines, rateText) });
}

export function drawLatency() {
  part("latency");
  const { times, lines } = linesOf(SIDES.map((side) => (latencyOf(side) ? orNull(latencyOf(side)[looked.at]) : [])));
  const [percentile] = PERCENTILES.find(([, field]) => field === looked.at);
  if (lines.every((line) => summary(line.values) === null)) return empty("latency", "Neither run has a latency of that kind.");
  lineChart("latency", {
    times, lines, text: durationText, logarithmic: true, height: 240,
    label: percentile + " of the " + LATENCY_NAMES[looked.of] + " latency of both runs since their first byte: " + rangesText(lines, durationText),
  });
}

export function fillLatencyPicks() {
  const there = Object.keys(LATENCY_NAMES).filter((name) => SIDES.some((side) => side.latencies.some((latency) => latency.name === name)));
  byId("latency-of").append(...there.map((name) => el("option", { value: name, text: LATENCY_NAMES[name] })));
  byId("latency-at").append(...PERCENTILES.map(([name, field]) => el("option", { value: field, text: name })));
  byId("latency-at").value = looked.at;
  byId("latency-of").addEventListener("change", (event) => { looked.of = event.target.value; redraw(); });
  byId("latency-at").addEventListener("change", (event) => { looked.at = event.target.value; redraw(); });
}
