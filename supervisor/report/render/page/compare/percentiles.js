// Latency by percentile, both runs: the axis is stretched towards the slow end, so that
// 90, 99 and 99.9 % are equally far apart.

import { decades, empty, setLegend } from "../script/chart.js";
import { byId, el, part, swatch } from "../script/element.js";
import { GAP, NONE, durationText } from "../script/format.js";
import { GUTTER, axisStyle, decadeGrid } from "../script/plot.js";
import { dataTable, under } from "../script/table.js";
import { color } from "../script/theme.js";
import { tip, view } from "../script/view.js";
import { LATENCY_NAMES, latencyOf, looked } from "./lines.js";
import { SIDES } from "./model.js";

let percentilesPlot = null;

// stretched returns where a share of 0 to 1 lies on the axis.
function stretched(share) {
  return Math.log10(1 / (1 - share));
}

// curveOf returns, for each bin, the share of values up to its end, and its end. The last
// one would be at infinity: it stands where one value of all is left.
function curveOf(bins) {
  const all = bins.reduce((sum, bin) => sum + bin.count, 0);
  let below = 0;
  return bins.map((bin) => {
    below += bin.count;
    return [stretched(Math.min(below / all, 1 - 0.5 / all)), bin.to_nano];
  });
}

function percentText(at) {
  return Number((100 * (1 - 10 ** -at)).toFixed(Math.max(0, Math.ceil(at) - 2) + (at % 1 > 0.01 ? 1 : 0))) + GAP + "%";
}

export function drawPercentiles() {
  const body = part("percentiles");
  if (percentilesPlot) {
    view.others.delete(percentilesPlot);
    percentilesPlot.destroy();
    percentilesPlot = null;
  }
  const curves = SIDES.map((side) => (latencyOf(side) ? curveOf(latencyOf(side).distribution) : []));
  const noun = LATENCY_NAMES[looked.of];
  byId("percentiles").querySelector(".rail p").textContent = "The " + noun + " latency that a share of all did not exceed, in the whole runs. The latency is logarithmic.";
  setLegend("percentiles", el("ul", { class: "legend" }, ...SIDES.map((side) => el("li", { class: "key" }, swatch(color(side.ink)), el("span", { class: "name", text: side.name })))));
  if (curves.every((curve) => curve.length === 0)) return empty("percentiles", "Neither run has a latency of that kind.");
  const shares = [...new Set(curves.flat().map(([x]) => x))].sort((a, b) => a - b);
  const lists = curves.map((curve) => {
    const known = new Map(curve);
    return shares.map((x) => known.get(x));
  });
  const said = [0.5, 0.9, 0.99, 0.999].map((share) => ({ share, values: curves.map((curve) => (curve.find(([x]) => x >= stretched(share) - 1e-9) || [])[1]) }));
  const label = "Latency by percentile: " + said.map(({ share, values }) => percentText(stretched(share)) + " of A " + latencyText(values[0]) + ", of B " + latencyText(values[1])).join("; ");
  const node = el("div", { class: "plot", role: "img", "aria-label": label });
  body.append(node);
  percentilesPlot = new uPlot({
    width: Math.max(160, node.clientWidth), height: 240, padding: [8, 24, 0, 0], legend: { show: false },
    scales: { x: { time: false, range: (_, min, max) => [0, Math.max(2, max)] }, y: { distr: 3, range: decades } },
    axes: [
      { ...axisStyle(), size: 26, splits: (_, axis, min, max) => Array.from({ length: Math.floor(max) + 1 }, (_, i) => i), values: (_, splits) => splits.map(percentText) },
      { ...axisStyle(), grid: decadeGrid(), scale: "y", size: GUTTER, space: 26, values: (_, splits) => splits.map((v) => (v === null ? "" : durationText(v))) },
    ],
    series: [{}, ...SIDES.map((side) => ({ scale: "y", stroke: color(side.ink), width: 1.75, points: { show: false } }))],
    cursor: { y: false, drag: { x: true, y: false }, points: { show: false } },
    hooks: {
      setCursor: [(plot) => {
        if (!(plot.cursor.left >= 0) || !plot.over.matches(":hover")) return;
        const x = plot.posToVal(plot.cursor.left, "x");
        const box = plot.over.getBoundingClientRect();
        tip.show(box.left + plot.cursor.left, box.top + plot.cursor.top,
          el("div", { class: "when", text: percentText(x) + " took no longer than" }),
          ...SIDES.map((side, i) => el("div", { class: "row" }, swatch(color(side.ink)), el("span", { text: side.name }),
            el("span", { text: latencyText((curves[i].find(([at]) => at >= x) || [])[1]) }))));
      }],
    },
  }, [shares, ...lists], node);
  view.others.add(percentilesPlot);
  percentilesPlot.over.addEventListener("pointerleave", () => tip.hide());
  body.append(under("Values as a table", () => dataTable({
    label: "Latency by percentile", rows: said,
    columns: [
      { name: "percentile", number: true, value: (row) => row.share, text: (row) => percentText(stretched(row.share)) },
      ...SIDES.map((side, i) => ({ name: side.name, number: true, value: (row) => row.values[i], text: (row) => latencyText(row.values[i]) })),
    ],
  })));
}

function latencyText(nano) {
  return nano === undefined ? NONE : durationText(nano);
}
