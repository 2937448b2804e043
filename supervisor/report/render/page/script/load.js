// What was to be written, in words.

import { GAP, countText, durationText, plural, sizeText, three } from "./format.js";

const LOADS = 6;

// consumersText returns a line for each kind of consumer.
function consumersText(consumers) {
  const alike = new Map();
  for (const consumer of consumers) {
    if (!alike.has(consumer.text)) alike.set(consumer.text, []);
    alike.get(consumer.text).push(consumer.index);
  }
  return [...alike].map(([text, indexes]) => (consumers.length > 1 ? rangesText(indexes) + ": " : "") + text);
}

// rangesText lists numbers, neighbours as a range.
function rangesText(numbers) {
  const ranges = [];
  for (const n of numbers) {
    const last = ranges[ranges.length - 1];
    if (last && last[1] === n - 1) last[1] = n;
    else ranges.push([n, n]);
  }
  return ranges.map(([from, to]) => (from === to ? String(from) : from + "…" + to)).join(", ");
}

export function loadText(workload) {
  const leftOut = workload.consumers_left_out || 0;
  const declared = workload.consumers.length + leftOut;
  if (declared === 0) return "";
  const steady = workload.stop_when;
  return [
    [
      plural(declared, "consumer") + " for " + durationText(workload.runtime_nano),
      workload.ramp_nano ? "beginning over " + durationText(workload.ramp_nano) : "",
      workload.total_bytes ? "until " + sizeText(workload.total_bytes) + " are written" : "",
      steady ? "until the throughput varies by " + three(steady.max_variation_percent) + GAP + "% or less over " + durationText(steady.window_nano) : "",
    ].filter(Boolean).join(", "),
    ...consumersText(workload.consumers),
    ...(leftOut ? [plural(leftOut, "consumer") + " left out"] : []),
  ].join("\n");
}

// loadsOf returns the loads of clients as facts: one for those that do the same.
export function loadsOf(clients) {
  const alike = new Map();
  for (const client of clients) {
    const text = loadText(client.workload);
    if (text) alike.set(text, (alike.get(text) || 0) + 1);
  }
  const list = [...alike].slice(0, LOADS).map(([text, n]) => ["load of " + plural(n, "client"), text]);
  if (alike.size > LOADS) list.push(["other loads", countText(alike.size - LOADS) + "; pick a client to see its own"]);
  return list;
}
