// What is looked at: the range of time, and one client or all. All charts over time have
// it in common.

import { byId } from "./element.js";
import { durationText, offsetText } from "./format.js";

// axis is the time axis of the page, in seconds, and how a moment of it is said. Each page
// says its own as it is opened, and so its sessions and marks.
export const axis = { from: 0, to: 1, span: 1, whenText: offsetText };

// sessions are those that can be looked at; the page of a comparison has none.
export const sessions = new Set();

// marks is what charts over time show of their page beside lines: drawn behind them, named
// above them in room pixels, and said in lines at a moment.
export const marks = { draw() {}, name() {}, room: 8, linesAt: () => [] };

export const view = {
  from: axis.from,
  to: axis.to,
  session: 0,
  plots: new Set(),
  others: new Set(), // charts over something else than time
  // drawers build a part anew for another client or other colours.
  drawers: [],
};

export const TIME_SYNC = uPlot.sync("time");

// shown reports whether something of that session is looked at; 0 is nobody's, and always is.
export function shown(session) {
  return view.session === 0 || session === 0 || session === view.session;
}

export function zoom(from, to) {
  const least = Math.min(axis.span, Math.max(axis.span / 5000, 0.002));
  let width = Math.min(Math.max(to - from, least), axis.span);
  view.from = Math.min(Math.max(from, axis.from), axis.to - width);
  view.to = view.from + width;
  for (const plot of view.plots) plot.setScale("x", { min: view.from, max: view.to });
  showRange();
}

export function zoomBy(factor, shift) {
  const width = (view.to - view.from) * factor;
  const middle = (view.from + view.to) / 2 + (view.to - view.from) * (shift || 0);
  zoom(middle - width / 2, middle + width / 2);
}

function showRange() {
  const whole = view.from <= axis.from && view.to >= axis.to;
  byId("zoom-reset").disabled = whole;
  byId("range").textContent = whole
    ? "whole run, " + durationText(axis.span * 1e9) + (axis.from > 0 ? " from " + offsetText(axis.from) : "")
    : offsetText(view.from) + " to " + offsetText(view.to);
}

export function choose(session) {
  view.session = sessions.has(session) ? session : 0;
  byId("client-pick").value = String(view.session);
  byId("client-clear").hidden = view.session === 0;
  redraw();
}

export function redraw() {
  for (const plot of view.plots) plot.destroy();
  view.plots.clear();
  for (const draw of view.drawers) draw();
  showRange();
}

// readout writes in the bar what is under the cursor.
export function readout(text) {
  byId("readout").textContent = text;
}

export const tip = {
  show(x, y, ...children) {
    const node = byId("tip");
    node.replaceChildren(...children.filter(Boolean));
    node.hidden = false;
    const box = node.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth - 8 ? x - 16 - box.width : x + 16;
    node.style.left = Math.max(8, left) + "px";
    node.style.top = Math.max(8, Math.min(y + 14, innerHeight - box.height - 8)) + "px";
  },
  hide() {
    byId("tip").hidden = true;
  },
};
