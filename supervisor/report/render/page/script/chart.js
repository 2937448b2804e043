// A chart of lines over time, with its legend in the rail beside it.

import { byId, el, swatch } from "./element.js";
import { NONE, countText, offsetText, plural } from "./format.js";
import { GUTTER, axisStyle, decadeGrid, timePlot } from "./plot.js";
import { dataTable, under } from "./table.js";
import { color, faint } from "./theme.js";
import { axis, choose, marks, readout, tip, view } from "./view.js";

// LINES_AT_ONCE are as many as can be told apart.
export const LINES_AT_ONCE = 8;

// lineChart draws lines of { name, values, color, width, dash, area, dots, session, off }
// in the panel with that id; text(value) says a value. A click on a line's name hides it,
// or filters by its client if it has a session.
export function lineChart(id, { times, lines, text, label, logarithmic, height, ticks, floor, extra, named }) {
  const body = byId(id).querySelector(".body");
  const now = lines.map(() => el("span", { class: "now" }));
  const names = el("ul", { class: "legend" });
  let plot = null;
  lines.forEach((line, i) => {
    const button = el("button", { type: "button", title: line.session ? "Filter by " + line.name : "Show or hide " + line.name },
      swatch(line.color), el("span", { class: "name", text: line.name }), now[i]);
    if (line.session) button.addEventListener("click", () => choose(view.session === line.session ? 0 : line.session));
    else {
      button.setAttribute("aria-pressed", String(!line.off));
      button.addEventListener("click", () => {
        const show = !plot.series[i + 1].show;
        plot.setSeries(i + 1, { show });
        button.setAttribute("aria-pressed", String(show));
      });
    }
    names.append(el("li", {}, button));
  });
  setLegend(id, names, extra);
  plot = timePlot(body, {
    label,
    height: height || 220,
    data: [times, ...lines.map((line) => line.values)],
    series: lines.map((line) => ({
      scale: "y", stroke: line.color, width: line.width || 1.5, dash: line.dash, show: !line.off,
      fill: line.area ? faint(line.color, Number(color("fill"))) : undefined,
      paths: line.dots ? () => null : undefined,
      points: line.dots ? { show: (p, i, from, to) => drawDots(p, p.data[i], from, to, line), size: line.dots, fill: line.color } : { size: 4, fill: line.color, width: 0, show: lonely },
    })),
    scales: { y: logarithmic ? { distr: 3, range: decades } : { range: (_, min, max) => [0, max > 0 ? max * 1.08 : floor || 1] } },
    axes: [{ ...axisStyle(), ...(logarithmic ? { grid: decadeGrid() } : {}), scale: "y", size: GUTTER, space: logarithmic ? 26 : 30, values: (_, splits) => splits.map((v) => (v === null ? "" : text(v))) }],
    padding: named ? [marks.room, 24, 0, 0] : undefined,
    hooks: { drawAxes: [named ? (p) => { marks.draw(p); marks.name(p); } : marks.draw], draw: ticks ? [(p) => drawTicks(p, times, ticks)] : [] },
    moved(p, idx, at, pointer) {
      lines.forEach((line, i) => { now[i].textContent = idx === null ? "" : valueText(line, idx, text); });
      if (at === null || !(pointer || document.activeElement === p.root.parentNode)) return;
      const rows = lines.filter((line, i) => p.series[i + 1].show && line.values[idx] !== null && line.values[idx] !== undefined);
      const spoken = rows.slice(0, 4).map((line) => line.name + " " + valueText(line, idx, text)).join(", ");
      readout(axis.whenText(times[idx]) + (pointer ? "" : ": " + (spoken || "nothing")));
      if (!pointer) return;
      tip.show(pointer.clientX, pointer.clientY,
        el("div", { class: "when", text: axis.whenText(times[idx]) }),
        ...rows.slice(0, 10).map((line) => el("div", { class: "row" }, swatch(line.color), el("span", { class: "clip", text: line.name }), el("span", { text: valueText(line, idx, text) }))),
        ticks && ticks[idx] ? el("div", { text: plural(ticks[idx], "rollover") }) : null,
        ...marks.linesAt(p, at).slice(0, 4).map((text) => el("div", { text })));
    },
  });
  body.append(under("Values as a table", () => dataTable({
    label: label,
    rows: Array.from(times, (at, i) => ({ at, i })),
    columns: [
      { name: "from", number: true, value: (row) => row.at, text: (row) => offsetText(row.at - (times.length > 1 ? (times[1] - times[0]) / 2 : 0)) },
      ...lines.map((line) => ({ name: line.name, number: true, value: (row) => line.values[row.i], text: (row) => valueText(line, row.i, text) })),
      ...(ticks ? [{ name: "rollovers", number: true, value: (row) => ticks[row.i], text: (row) => countText(ticks[row.i]) }] : []),
    ],
  })));
  return plot;
}

export function setLegend(id, ...nodes) {
  const rail = byId(id).querySelector(".rail");
  for (const old of rail.querySelectorAll(".legend")) old.remove();
  rail.append(...nodes.filter(Boolean));
}

function valueText(line, i, text) {
  const value = line.values[i];
  return value === null || value === undefined ? NONE : text(value);
}

// drawDots draws points as squares: tens of thousands of circles take a browser long.
function drawDots(plot, values, from, to, { color: ink, dots }) {
  const { ctx, bbox } = plot;
  const size = Math.round(dots * devicePixelRatio);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = ink;
  for (let i = from; i <= to; i++) {
    if (values[i] === null) continue;
    ctx.fillRect(Math.round(plot.valToPos(plot.data[0][i], "x", true) - size / 2), Math.round(plot.valToPos(values[i], "y", true) - size / 2), size, size);
  }
  ctx.restore();
  return false;
}

// lonely shows the points of what is no line because both its neighbours are missing.
function lonely(plot, series, from, to) {
  const values = plot.data[series];
  if (to - from < 3) return true;
  for (let i = from; i <= to; i++) {
    if (values[i] !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) return true;
  }
  return false;
}

export function decades(_, min, max) {
  if (!(min > 0)) return [1e3, 1e6];
  const low = 10 ** Math.floor(Math.log10(min)), high = 10 ** Math.ceil(Math.log10(max) + 1e-9);
  return [low, Math.max(high, low * 10)];
}

// drawTicks draws a tick at the foot for each interval in which files were finished,
// higher for more of them.
function drawTicks(plot, times, counts) {
  const { ctx, bbox } = plot;
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = color("ink");
  for (let i = 0; i < counts.length; i++) {
    if (!counts[i]) continue;
    const height = (5 + 9 * (counts[i] / most)) * devicePixelRatio;
    ctx.fillRect(Math.round(plot.valToPos(times[i], "x", true)) - devicePixelRatio / 2, bbox.top + bbox.height - height, 1.5 * devicePixelRatio, height);
  }
  ctx.restore();
}

// empty writes in a panel that there is nothing to draw.
export function empty(id, text) {
  setLegend(id);
  byId(id).querySelector(".body").append(el("p", { class: "empty", text }));
}

export function summary(values) {
  let least = Infinity, most = -Infinity, sum = 0, n = 0;
  for (const value of values) {
    if (value === null || value === undefined) continue;
    least = Math.min(least, value);
    most = Math.max(most, value);
    sum += value;
    n++;
  }
  return n ? { least, most, mean: sum / n } : null;
}

// orNull turns what was not measured, -1, into a gap.
export function orNull(values) {
  return values.map((value) => (value < 0 ? null : value));
}
