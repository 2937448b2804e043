// What all charts over time have in common: edges, axis, cursor, zoom, keyboard.

import { el } from "./element.js";
import { pad } from "./format.js";
import { canvasFont, color } from "./theme.js";
import { TIME_SYNC, axis, readout, tip, view, zoom, zoomBy } from "./view.js";

export const GUTTER = 86; // of the value axis and of row names, in CSS pixels
const TIME_STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

function timeAxis() {
  return {
    ...axisStyle(),
    incrs: TIME_STEPS,
    space: 70,
    size: 26,
    values: (plot, splits) => splits.map((at) => axisTimeText(at, splits[1] - splits[0])),
  };
}

// decadeGrid draws the lines of a logarithmic axis at powers of ten alone.
export function decadeGrid() {
  return { stroke: color("line"), width: 1, filter: (_, splits) => splits.map((v) => (Math.abs(Math.log10(v) % 1) < 1e-9 ? v : null)) };
}

function axisTimeText(at, step) {
  if (axis.to < 120) return Number(at.toFixed(3)) + "s";
  const s = Math.round(at), hours = Math.floor(s / 3600);
  const rest = (step < 1 ? pad((at % 60).toFixed(1), 4) : pad(s % 60, 2));
  return (hours ? hours + ":" + pad(Math.floor(s / 60) % 60, 2) : Math.floor(s / 60)) + ":" + rest;
}

export function axisStyle() {
  return {
    stroke: color("quiet"),
    font: canvasFont(),
    grid: { stroke: color("line"), width: 1 },
    ticks: { stroke: color("line"), width: 1, size: 4 },
  };
}

// timePlot makes a chart over time in host. moved(plot, index, seconds, pointer) is
// called as the cursor moves; pointer is null but in the chart under it.
export function timePlot(host, { label, height, data, series: lines, scales, axes, hooks, moved, padding }) {
  const node = el("div", { class: "plot", tabindex: "0", role: "img", "aria-label": label });
  host.append(node);
  let pointer = null;
  const options = {
    width: Math.max(160, node.clientWidth),
    height,
    padding: padding || [8, 24, 0, 0],
    legend: { show: false },
    scales: { x: { time: false, range: () => [view.from, view.to] }, ...scales },
    axes: [timeAxis(), ...axes],
    series: [{}, ...lines],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: 5 },
      sync: { key: TIME_SYNC.key, setSeries: false, scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      points: { size: 6 },
      bind: { dblclick: () => () => { zoom(axis.from, axis.to); return null; } },
    },
    hooks: {
      ...hooks,
      setSelect: [(plot) => {
        if (plot.select.width < 5) return;
        const from = plot.posToVal(plot.select.left, "x"), to = plot.posToVal(plot.select.left + plot.select.width, "x");
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        zoom(from, to);
      }],
      setScale: [(plot, key) => {
        if (key !== "x") return;
        node.dataset.from = plot.scales.x.min;
        node.dataset.to = plot.scales.x.max;
      }],
      setCursor: [(plot) => {
        const { left, idx } = plot.cursor;
        const inside = left !== undefined && left >= 0;
        moved(plot, inside ? idx : null, inside ? plot.posToVal(left, "x") : null, pointer);
      }],
    },
  };
  const plot = new uPlot(options, data, node);
  plot.over.addEventListener("pointermove", (event) => { pointer = event; });
  plot.over.addEventListener("pointerdown", (event) => { pointer = event; touch(event); });
  plot.over.addEventListener("pointerleave", () => { pointer = null; tip.hide(); readout(""); });
  function touch(event) {
    if (event.pointerType !== "touch") return;
    const box = plot.over.getBoundingClientRect();
    plot.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top }, true, true);
  }
  node.addEventListener("keydown", (event) => onPlotKey(event, plot));
  node.addEventListener("blur", () => plot.setCursor({ left: -10, top: -10 }, true, true));
  view.plots.add(plot);
  return plot;
}

function onPlotKey(event, plot) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const times = plot.data[0];
  const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
  if (step !== undefined) {
    const first = times.findIndex((at) => at >= view.from), current = plot.cursor.left >= 0 ? plot.cursor.idx : null;
    moveTo(plot, current === null ? (step > 0 ? first : times.length - 1) : current + step);
  } else if (event.key === "Home") moveTo(plot, times.findIndex((at) => at >= view.from));
  else if (event.key === "End") moveTo(plot, times.length - 1);
  else if (event.key === "+" || event.key === "=") zoomBy(0.5);
  else if (event.key === "-") zoomBy(2);
  else if (event.key === "Escape") zoom(axis.from, axis.to);
  else return;
  event.preventDefault();
}

function moveTo(plot, index) {
  const i = Math.min(Math.max(index, 0), plot.data[0].length - 1);
  plot.setCursor({ left: plot.valToPos(plot.data[0][i], "x"), top: plot.over.clientHeight / 2 }, true, true);
}

// fit gives every chart the width of its place, or a given one.
export function fit(width) {
  for (const plot of view.plots) {
    const room = width || plot.root.parentNode.clientWidth;
    if (room > 0 && room !== plot.width) plot.setSize({ width: Math.max(160, room), height: plot.height });
  }
}
