// Throughput against response time, one line for each curve, with its knee.

import { decades, empty, setLegend } from "./chart.js";
import { byId, el, part, swatch } from "./element.js";
import { GAP, durationText, rateText, three } from "./format.js";
import { report } from "./model.js";
import { GUTTER, axisStyle, decadeGrid } from "./plot.js";
import { dataTable, under } from "./table.js";
import { canvasFont, color, seriesColor } from "./theme.js";
import { readout, tip, view } from "./view.js";

let curvePlot = null;
let read = null; // the point that is read: with the keyboard, or under the pointer

// drawnCurves returns the curves with those of their points that have a place in the chart.
function drawnCurves() {
  return (report.curves || []).map((curve, i) => ({
    curve, ink: seriesColor(i),
    points: curve.points.filter((point) => point.response && point.response.count > 0 && point.bytes_per_second > 0).map((point, at) => ({
      ...point, x: point.bytes_per_second, y: Math.max(1, point.response.p99_nano),
      knee: curve.knee.stage === point.stage,
      beyond: Boolean(curve.knee.beyond) && at >= curve.points.findIndex((other) => other.stage === curve.knee.beyond),
    })),
  }));
}

export function drawCurves() {
  const body = part("curves");
  const curves = drawnCurves();
  byId("curves").hidden = curves.length === 0;
  forget();
  if (curves.length === 0) return;
  const all = curves.flatMap(({ points }) => points);
  if (all.length === 0) return empty("curves", "No step of a curve has a response time.");
  setLegend("curves", el("ul", { class: "legend" }, ...curves.map(({ curve, ink }) =>
    el("li", { class: "key" }, swatch(ink), el("span", { class: "name", text: curve.name }), el("span", { class: "now", text: kneeOf(curve) })))));
  const node = el("div", { class: "plot", tabindex: "0", role: "img", "aria-label": "Throughput against response p99. " + curves.map(({ curve }) => "Curve " + curve.name + ": " + curve.text).join(". ") });
  body.append(node);
  const most = all.reduce((a, point) => Math.max(a, point.x), 0) * 1.08;
  const [low, high] = decades(null, Math.min(...all.map((point) => point.y)), Math.max(...all.map((point) => point.y)));
  curvePlot = new uPlot({
    width: Math.max(160, node.clientWidth), height: 300, padding: [16, 24, 0, 0], legend: { show: false },
    scales: { x: { time: false, range: () => [0, most] }, y: { distr: 3, range: () => [low, high] } },
    axes: [
      { ...axisStyle(), size: 26, space: 80, values: (_, splits) => splits.map((v) => (v === null ? "" : rateText(v))) },
      { ...axisStyle(), grid: decadeGrid(), scale: "y", size: GUTTER, space: 26, values: (_, splits) => splits.map((v) => (v === null ? "" : durationText(v))) },
    ],
    series: [{}, { scale: "y", show: false }],
    cursor: { x: false, y: false, drag: { x: false, y: false, setScale: false }, points: { show: false } },
    hooks: {
      draw: [(plot) => drawLines(plot, curves)],
      setCursor: [(plot) => {
        if (!(plot.cursor.left >= 0) || !plot.over.matches(":hover")) return;
        look(plot, nearest(plot, all));
      }],
    },
  }, [[0, most], [low, high]], node);
  view.others.add(curvePlot);
  curvePlot.over.addEventListener("pointerleave", () => { look(curvePlot, null); readout(""); });
  node.addEventListener("keydown", (event) => onKey(event, curvePlot, all));
  node.addEventListener("blur", () => { if (curvePlot) look(curvePlot, null); });
  node.dataset.points = String(all.length); // for tests
  node.dataset.knees = all.filter((point) => point.knee).map((point) => point.name).join(", ");
  for (const { curve } of curves) {
    body.append(el("p", { class: "quiet", text: curve.name + ": " + curve.text + "." }), stepsTable(curve));
  }
}

function stepsTable(curve) {
  return under("Steps of " + curve.name + " as a table", () => dataTable({
    label: "Steps of the curve " + curve.name, rows: curve.points,
    columns: [
      { name: "step", text: (point) => point.name },
      { name: "offered", number: true, value: (point) => point.offered_bytes_per_second, text: (point) => (point.offered_bytes_per_second ? rateText(point.offered_bytes_per_second) : "") },
      { name: "throughput", number: true, value: (point) => point.bytes_per_second, text: (point) => rateText(point.bytes_per_second) },
      { name: "delivered", number: true, value: (point) => point.delivered_percent, text: deliveredText },
      ...["p50", "p99", "p999"].map((name) => ({
        name: "response " + name.replace("p999", "p99.9"), number: true,
        value: (point) => (point.response ? point.response[name + "_nano"] : null), text: (point) => (point.response ? durationText(point.response[name + "_nano"]) : ""),
      })),
      { name: "", text: (point) => (point.stage === curve.knee.stage ? "knee" : "") },
    ],
  }));
}

function deliveredText(point) {
  return point.offered_bytes_per_second ? three(point.delivered_percent) + GAP + "%" : "";
}

function kneeOf(curve) {
  const point = curve.points.find((one) => one.stage === curve.knee.stage);
  if (point) return "knee at " + rateText(point.bytes_per_second);
  return { none: "no knee", below: "knee below " + (curve.points.length ? curve.points[0].name : "") }[curve.knee.state] || "knee not known";
}

function pointText(point) {
  return point.name + (point.knee ? ", the knee" : "") + ": " + rateText(point.x) +
    (point.offered_bytes_per_second ? " of " + rateText(point.offered_bytes_per_second) + " offered, " + deliveredText(point) : "") +
    "; response p50 " + durationText(point.response.p50_nano) + ", p99 " + durationText(point.response.p99_nano) + ", p99.9 " + durationText(point.response.p999_nano);
}

function forget() {
  read = null;
  if (!curvePlot) return;
  view.others.delete(curvePlot);
  curvePlot.destroy();
  curvePlot = null;
}

// look reads a point aloud, and shows what it is; null is none.
function look(plot, point) {
  if (read === point) return;
  read = point;
  plot.redraw(false);
  if (!point) return tip.hide();
  readout(pointText(point));
  const box = plot.over.getBoundingClientRect();
  tip.show(box.left + plot.valToPos(point.x, "x"), box.top + plot.valToPos(point.y, "y"), el("div", { text: pointText(point) }));
}

// NEAR is how far from a point the pointer may be to read it, in CSS pixels.
const NEAR = 40;

function nearest(plot, points) {
  let best = null, least = NEAR;
  for (const point of points) {
    const away = Math.hypot(plot.valToPos(point.x, "x") - plot.cursor.left, plot.valToPos(point.y, "y") - plot.cursor.top);
    if (away < least) [best, least] = [point, away];
  }
  return best;
}

function onKey(event, plot, points) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const current = points.indexOf(read), last = points.length - 1;
  const next = { ArrowRight: Math.min(current + 1, last), ArrowLeft: current < 0 ? last : Math.max(current - 1, 0), Home: 0, End: last }[event.key];
  if (next !== undefined) look(plot, points[next]);
  else if (event.key === "Escape") look(plot, null);
  else return;
  event.preventDefault();
}

function drawLines(plot, curves) {
  const { ctx } = plot, dpr = devicePixelRatio;
  const taken = [];
  ctx.save();
  for (const { points, ink } of curves) {
    ctx.strokeStyle = ctx.fillStyle = ink;
    ctx.lineWidth = 1.75 * dpr;
    ctx.beginPath();
    points.forEach((point, i) => ctx[i ? "lineTo" : "moveTo"](plot.valToPos(point.x, "x", true), plot.valToPos(point.y, "y", true)));
    ctx.stroke();
    for (const point of points) drawPoint(plot, point, ink);
  }
  for (const { points } of curves) {
    for (const point of points.slice().sort((a, b) => Number(b.knee) - Number(a.knee))) namePoint(plot, point, taken);
  }
  ctx.restore();
}

// drawPoint draws a point: a ring beyond the knee, and a ring around the knee itself.
function drawPoint(plot, point, ink) {
  const { ctx, bbox } = plot, dpr = devicePixelRatio;
  const x = plot.valToPos(point.x, "x", true), y = plot.valToPos(point.y, "y", true);
  ctx.beginPath();
  ctx.arc(x, y, (point === read ? 6 : 4) * dpr, 0, 2 * Math.PI);
  ctx.fillStyle = point.beyond ? color("surface") : ink;
  ctx.fill();
  ctx.stroke();
  if (!point.knee) return;
  ctx.save();
  ctx.strokeStyle = color("ink");
  ctx.beginPath();
  ctx.arc(x, y, 9 * dpr, 0, 2 * Math.PI);
  ctx.stroke();
  ctx.lineWidth = dpr;
  ctx.setLineDash([3 * dpr, 3 * dpr]);
  ctx.beginPath();
  ctx.moveTo(x, y + 9 * dpr);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

// namePoint writes what a point is beside it, if there is room: its percentage, or its name.
function namePoint(plot, point, taken) {
  const { ctx, bbox } = plot, dpr = devicePixelRatio;
  const text = (point.knee ? "knee, " : "") + (point.percent ? three(point.percent) + GAP + "%" : point.name);
  ctx.font = (point.knee ? "600 " : "") + canvasFont(11.5 * dpr);
  const width = ctx.measureText(text).width, height = 14 * dpr;
  const x = plot.valToPos(point.x, "x", true) - width - 10 * dpr, y = plot.valToPos(point.y, "y", true) - 12 * dpr;
  const left = Math.max(x, bbox.left + 2 * dpr), box = { left, right: left + width, top: y - height / 2, bottom: y + height / 2 };
  if (taken.some((other) => box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom)) return;
  taken.push(box);
  ctx.fillStyle = color(point.knee ? "ink" : "quiet");
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.fillText(text, left, y);
}
