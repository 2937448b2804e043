// Events as bands and lines behind the lines of a chart.

import { nameStages, shadeStages, stagesAt } from "./bands.js";
import { aboutClient, words } from "./format.js";
import { report, series, timeOf } from "./model.js";
import { color, faint } from "./theme.js";
import { shown, view } from "./view.js";

// What matters most comes first.
export const EVENT_STYLES = {
  corruption: ["bad", "corrupt content"],
  handler_death: ["bad", "handler died"],
  lost: ["bad", "client lost"],
  quarantined: ["bad", "quarantined"],
  stall: ["violet", "write stalled"],
  missed: ["bad", "heartbeats missed"],
  away: ["warn-mark", "client away"],
  silent: ["warn-mark", "client silent"],
  paused: ["blue", "supervisor paused"],
  unavailable: ["bad", "journal not reached"],
  joined: ["blue", "supervisor joined"],
  left: ["blue", "supervisor left"],
  moved: ["blue", "client moved"],
  restart: ["blue", "supervisor restarted"],
  shed: ["warn-mark", "connections shed"],
  rejected: ["warn-mark", "rejected"],
  upgrade: ["blue", "supervisor upgraded"],
  drain: ["grey", "drained"],
  rate_divided: ["grey", "rate divided"],
  resume: ["good", "client resumed"],
};

export function eventColor(kind) {
  return color((EVENT_STYLES[kind] || ["grey"])[0]);
}

export function eventName(kind) {
  return (EVENT_STYLES[kind] || [null, words(kind)])[1];
}

const events = (series ? series.events : []).map((event) => ({
  ...event, from: timeOf(event.at), to: event.end_at ? timeOf(event.end_at) : null,
}));

export function shownEvents() {
  return events.filter((event) => shown(event.session));
}

// bandOf returns how dark the band of an event is. Of all clients together the bands add up to a
// darker one, the more of them it is about, but never hide the lines.
function bandOf(event) {
  return event.session && !view.session ? Math.max(0.09, 0.13 / Math.sqrt(report.clients.length)) : 0.13;
}

const DARKEST = 0.3;

const common = report.common_window && report.common_window.text && report.common_window.length_nano > 0
  ? { from: timeOf(report.common_window.from_at), to: timeOf(report.common_window.to_at),
    apart: (report.common_window.apart || []).map((one) => ({ from: timeOf(one.from_at), to: timeOf(one.to_at) })) } : null;

// shadeApart shades the time in which not every client wrote, or was to, if there are several.
function shadeApart(plot) {
  if (!common) return;
  const { ctx, bbox } = plot;
  const right = bbox.left + bbox.width;
  const place = (at) => Math.min(Math.max(plot.valToPos(at, "x", true), bbox.left), right);
  ctx.fillStyle = faint(color("grey"), 0.12);
  ctx.fillRect(bbox.left, bbox.top, place(common.from) - bbox.left, bbox.height);
  ctx.fillRect(place(common.to), bbox.top, right - place(common.to), bbox.height);
  for (const one of common.apart) ctx.fillRect(place(one.from), bbox.top, place(one.to) - place(one.from), bbox.height);
  plot.root.parentNode.dataset.common = [common.from, ...common.apart.flatMap((one) => [one.from, one.to]), common.to].join(" "); // for tests
}

// drawMarks draws a band for what lasted and a line for a moment. What falls on the same
// column of pixels as another of its kind is drawn once.
function drawMarks(plot) {
  const { ctx, bbox } = plot;
  const width = Math.ceil(bbox.width), bands = new Map(), lines = new Set();
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineWidth = devicePixelRatio;
  shadeStages(plot);
  shadeApart(plot);
  for (const event of shownEvents()) {
    if (event.kind === "resume" || event.from > view.to || (event.to === null ? event.from : event.to) < view.from) continue;
    const left = Math.round(plot.valToPos(event.from, "x", true));
    if (event.to !== null) {
      if (!bands.has(event.kind)) bands.set(event.kind, new Float64Array(width + 2));
      const from = Math.min(Math.max(left - Math.round(bbox.left), 0), width);
      const to = Math.min(Math.max(Math.round(plot.valToPos(event.to, "x", true) - bbox.left), from + 1), width + 1);
      bands.get(event.kind)[from] += bandOf(event);
      bands.get(event.kind)[to] -= bandOf(event);
    }
    if (lines.has(event.kind + left)) continue;
    lines.add(event.kind + left);
    ctx.strokeStyle = faint(eventColor(event.kind), 0.75);
    ctx.setLineDash(event.to === null ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(left + 0.5, bbox.top);
    ctx.lineTo(left + 0.5, bbox.top + bbox.height);
    ctx.stroke();
  }
  for (const [kind, steps] of bands) {
    let dark = 0, from = 0;
    for (let x = 0; x < steps.length; x++) {
      if (steps[x] === 0) continue;
      if (dark > 1e-9) {
        ctx.fillStyle = faint(eventColor(kind), Math.min(dark, DARKEST));
        ctx.fillRect(Math.round(bbox.left) + from, bbox.top, x - from, bbox.height);
      }
      dark += steps[x];
      from = x;
    }
  }
  ctx.restore();
}

// MARK_ROW is how high a row of names above a plot is, in pixels. NAMED of a kind have one.
const MARK_ROW = 14;
const NAMED = 5;

// markRows returns how many rows of names are above a plot: more where it is narrow.
function markRows(plot) {
  const kinds = new Set(shownEvents().map((event) => event.kind));
  kinds.delete("resume");
  return Math.min(Math.max(kinds.size, 1), plot.width < 500 ? 3 : 2);
}

function marksRoom(plot) {
  return 6 + MARK_ROW * markRows(plot);
}

// inOrderOfNaming returns the events that are to be seen: the first of each kind, what matters
// most before the rest, then the second of each, and so on.
function inOrderOfNaming() {
  const order = Object.keys(EVENT_STYLES), seen = new Map();
  return shownEvents().filter((event) => event.kind !== "resume" && event.from <= view.to && (event.to === null ? event.from : event.to) >= view.from)
    .map((event) => {
      const nth = (seen.get(event.kind) || 0) + 1, place = order.indexOf(event.kind);
      seen.set(event.kind, nth);
      return { event, nth, place: place < 0 ? order.length : place };
    })
    .filter(({ nth }) => nth <= NAMED)
    .sort((a, b) => a.nth - b.nth || a.place - b.place);
}

// rowsOfFlags gives each flag, from one place to another, a row: the lowest in which it
// touches none to its right, so that the pole of a flag goes through no other. It says
// whether there are that many rows.
function rowsOfFlags(flags, rows) {
  const done = [];
  for (const flag of flags.slice().sort((a, b) => b.from - a.from)) {
    flag.row = 0;
    for (const other of done) if (other.from < flag.to) flag.row = Math.max(flag.row, other.row + 1);
    done.push(flag);
  }
  return flags.every((flag) => flag.row < rows);
}

// nameMarks writes above the plot what the marks are, as flags, as far as there is room.
// What has a name is noted, for tests.
function nameMarks(plot) {
  const { ctx, bbox } = plot;
  const dpr = devicePixelRatio, gap = 3 * dpr, edge = bbox.left + bbox.width + 20 * dpr;
  const widths = new Map(), rows = markRows(plot);
  let flags = [];
  ctx.save();
  ctx.font = 11 * dpr + "px " + color("sans");
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  for (const { event } of inOrderOfNaming()) {
    const text = eventName(event.kind);
    if (!widths.has(text)) widths.set(text, ctx.measureText(text).width);
    const width = widths.get(text), at = Math.max(plot.valToPos(event.from, "x", true), bbox.left);
    const left = at + gap + width > edge ? at - gap - width : at + gap;
    const more = [...flags, { event, text, at, left, from: Math.min(at, left), to: Math.max(at, left + width) + 2 * gap }];
    if (rowsOfFlags(more, rows)) flags = more;
  }
  rowsOfFlags(flags, rows);
  for (const { event, text, at, left, row } of flags) {
    ctx.fillStyle = color((EVENT_STYLES[event.kind] || ["grey"])[0].replace("-mark", "")); // text needs the darker shade
    ctx.fillText(text, left, bbox.top - (2 + row * MARK_ROW) * dpr);
    ctx.fillRect(Math.round(at), bbox.top - (row + 1) * MARK_ROW * dpr, dpr, (row + 1) * MARK_ROW * dpr);
  }
  ctx.restore();
  plot.root.parentNode.dataset.named = [...new Set(flags.map((flag) => flag.text))].join(", ");
}

// eventsAt returns the events within a few pixels of a moment.
function eventsAt(plot, seconds) {
  const near = Math.abs(plot.posToVal(4, "x") - plot.posToVal(0, "x"));
  return shownEvents().filter((event) => event.from - near <= seconds && seconds <= (event.to === null ? event.from : event.to) + near);
}

export function eventLine(event) {
  return aboutClient(event.client, event.text || eventName(event.kind));
}

export const eventMarks = {
  draw: drawMarks, name(plot) { nameStages(plot); nameMarks(plot); }, room: marksRoom,
  linesAt: (plot, seconds) => [...stagesAt(seconds), ...eventsAt(plot, seconds).map(eventLine)],
};
