// What is looked at: the range of time, and one client or all. All charts over time have
// it in common.

const view = {
  from: axisFrom,
  to: axisTo,
  session: 0,
  plots: new Set(),
  others: new Set(), // charts over something else than time
  // drawers build a part anew for another client or other colours.
  drawers: [],
};

const TIME_SYNC = uPlot.sync("time");

// shown says whether something of that session is looked at; 0 is nobody's, and always is.
function shown(session) {
  return view.session === 0 || session === 0 || session === view.session;
}

function zoom(from, to) {
  const least = Math.min(span, Math.max(span / 5000, 0.002));
  let width = Math.min(Math.max(to - from, least), span);
  view.from = Math.min(Math.max(from, axisFrom), axisTo - width);
  view.to = view.from + width;
  for (const plot of view.plots) plot.setScale("x", { min: view.from, max: view.to });
  showRange();
}

function zoomBy(factor, shift) {
  const width = (view.to - view.from) * factor;
  const middle = (view.from + view.to) / 2 + (view.to - view.from) * (shift || 0);
  zoom(middle - width / 2, middle + width / 2);
}

function showRange() {
  const whole = view.from <= axisFrom && view.to >= axisTo;
  byId("zoom-reset").disabled = whole;
  byId("range").textContent = whole
    ? "whole run, " + durationText(span * 1e9) + (axisFrom > 0 ? " from " + offsetText(axisFrom) : "")
    : offsetText(view.from) + " to " + offsetText(view.to);
}

function choose(session) {
  view.session = clientsBySession.has(session) ? session : 0;
  byId("client-pick").value = String(view.session);
  byId("client-clear").hidden = view.session === 0;
  redraw();
}

function redraw() {
  for (const plot of view.plots) plot.destroy();
  view.plots.clear();
  for (const draw of view.drawers) draw();
  showRange();
}

function onView(draw) {
  view.drawers.push(draw);
}

// readout says in the bar what is under the cursor.
function readout(text) {
  byId("readout").textContent = text;
}

const tip = {
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
