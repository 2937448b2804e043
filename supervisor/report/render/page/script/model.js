// The report, and its time axis: seconds since the start of the run. It begins with the first
// interval, at axisFrom, and ends with the last one, at axisTo.

import { byId } from "./element.js";
import { momentOf, offsetText } from "./format.js";

export const report = JSON.parse(byId("report").textContent);
export const series = report.series && report.series.intervals > 0 ? report.series : null;
const startStamp = report.run.started_at || (series && series.start_at) || "1970-01-01T00:00:00Z";
const base = Date.parse(startStamp.slice(0, 19) + "Z") / 1000;
const origin = momentOf(startStamp, base);

// timeOf returns a moment of the supervisor's clock on the axis; null for none. A moment of a
// client's clock is moved by that client's offset.
export function timeOf(stamp, client) {
  const at = momentOf(stamp, base);
  if (at === null) return null;
  return at - origin - (client ? client.clock_offset_nano / 1e9 : 0);
}

export const clientsBySession = new Map(report.clients.map((client, index) => [client.session, { client, index }]));

export function seriesOf(session) {
  const entry = clientsBySession.get(session);
  return series && entry ? series.clients[entry.index] || null : null;
}

export const axisFrom = series ? timeOf(series.start_at) : 0;
export const span = series
  ? (series.intervals * series.interval_nano) / 1e9
  : Math.max(1, report.run.length_nano / 1e9);

export const axisTo = axisFrom + span;

// middles returns the middles of a number of intervals, in seconds.
function middles(intervals, nano) {
  return Float64Array.from({ length: intervals }, (_, i) => axisFrom + ((i + 0.5) * nano) / 1e9);
}

export const totalTimes = series ? middles(series.intervals, series.interval_nano) : null;
export const clientTimes = series ? middles(series.client_intervals, series.client_interval_nano) : null;

// seriesEnd is where the last interval is cut short: the run may end in the middle of it.
const seriesEnd = series && series.end_at ? timeOf(series.end_at) - axisFrom : Infinity;

// perSecond turns amounts of intervals into rates, each over what there is of its interval.
export function perSecond(amounts, nano) {
  const step = nano / 1e9;
  return amounts.map((amount, i) => {
    const length = Math.min(step, seriesEnd - i * step);
    return length > 0 ? amount / length : 0;
  });
}

// utcText returns a moment of the axis as a time of day.
function utcText(seconds) {
  const date = new Date((base + origin + seconds) * 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString().slice(11, 23);
}

// whenText returns a moment as offset and time of day.
export function whenText(seconds) {
  return offsetText(seconds) + " · " + utcText(seconds) + " UTC";
}

export function stampText(stamp) {
  return stamp ? stamp.slice(0, 10) + " " + stamp.slice(11, 19) + " UTC" : "";
}

// atWork reports whether a client of an unfinished run has its connection.
export function atWork(client) {
  const last = client.connections.at(-1);
  return Boolean(report.verdict.running && client.outcome === "open" && last && !last.detached_at);
}

// Whether a load was cut short, or could not continue.
export function unwhole(client) { return Boolean(client.load && client.load !== "whole"); }

export function processName(process) {
  return process.kind === "consumer" ? "consumer " + process.index : process.kind;
}

export const phasesByName = new Map(((series && series.phases) || []).map((phase) => [phase.name, phase]));
