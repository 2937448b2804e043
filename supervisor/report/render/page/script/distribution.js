// How long chunk writes took, all of them; or what else has a distribution.

import { empty, setLegend } from "./chart.js";
import { byId, el, part, swatch } from "./element.js";
import { GAP, countText, durationText, plural, three } from "./format.js";
import { phasesByName, report, series } from "./model.js";
import { GUTTER, axisStyle, decadeGrid } from "./plot.js";
import { dataTable, under } from "./table.js";
import { color, faint } from "./theme.js";
import { tip, view } from "./view.js";

let distributionPlot = null;
let distributionOf = "chunk_write";

// DISTRIBUTED are what it can be of: what one value of it is called, and where its
// percentiles are.
const DISTRIBUTED = {
  chunk_write: ["chunk write", (of) => of.chunk_write],
  response: ["response", (of) => of.response],
  create: ["create", (of) => of.phases.create],
  sync: ["sync", (of) => of.phases.sync],
  close: ["close", (of) => of.phases.close],
  unlink: ["unlink", (of) => of.phases.unlink],
  read: ["read", (of) => of.reads.latency],
  read_response: ["read response", (of) => of.reads.response],
};

export function fillDistributionPick() {
  const names = ["chunk_write", ...phasesByName.keys()].filter((name) => DISTRIBUTED[name]);
  byId("distribution-of").hidden = names.length < 2;
  byId("distribution-pick").append(...names.map((name) => el("option", { value: name, text: plural(2, DISTRIBUTED[name][0]).split(GAP).slice(1).join(" ") })));
  byId("distribution-pick").addEventListener("change", (event) => { distributionOf = event.target.value; drawDistribution(); });
}

export function drawDistribution() {
  const body = part("distribution");
  const [noun, percentiles] = DISTRIBUTED[distributionOf];
  const everything = distributionOf === "chunk_write" ? (series ? series.distribution : []) : phasesByName.get(distributionOf).distribution;
  const bins = everything.filter((bin) => bin.count > 0);
  byId("distribution").querySelector(".rail p").textContent = "All " + plural(2, noun).split(GAP).slice(1).join(" ") + " of all clients in the whole run. Both axes logarithmic.";
  if (distributionPlot) {
    view.others.delete(distributionPlot);
    distributionPlot.destroy();
    distributionPlot = null;
  }
  if (bins.length === 0) return empty("distribution", "Nothing was written.");
  const all = bins.reduce((sum, bin) => sum + bin.count, 0);
  const steps = binSteps(bins);
  const latency = percentiles(report.totals);
  const marks = [["p50", latency.p50_nano], ["p99", latency.p99_nano], ["p99.9", latency.p999_nano], ["max", latency.max_nano]];
  setLegend("distribution", el("ul", { class: "legend" }, ...marks.map(([name, nano]) =>
    el("li", { class: "key" }, swatch(color(MARK_COLORS[name])), el("span", { class: "name", text: name }), el("span", { class: "now", text: durationText(nano) })))));
  const label = "Distribution of " + plural(all, noun) + ": " + marks.map(([name, nano]) => name + " " + durationText(nano)).join(", ");
  const node = el("div", { class: "plot", role: "img", "aria-label": label });
  body.append(node);
  distributionPlot = new uPlot({
    width: Math.max(160, node.clientWidth), height: 200, padding: [16, 24, 0, 0], legend: { show: false },
    scales: { x: { time: false, distr: 3, range: (_, min, max) => [min, max] }, y: { distr: 3, range: (_, min, max) => [0.7, Math.max(10, 10 ** Math.ceil(Math.log10(max)))] } },
    axes: [
      { ...axisStyle(), grid: decadeGrid(), size: 26, splits: (_, axis, min, max) => decadeSplits(min, max), filter: (_, splits) => splits, values: (_, splits) => splits.map((v) => (v === null ? "" : durationText(v))) },
      { ...axisStyle(), grid: decadeGrid(), size: GUTTER, space: 24, values: (_, splits) => splits.map((v) => (v === null ? "" : countText(v))) },
    ],
    series: [{}, { scale: "y", stroke: color("s0"), width: 1, fill: faint(color("s0"), 0.3), fillTo: 0.7, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } }],
    cursor: { y: false, drag: { x: true, y: false }, points: { show: false } },
    hooks: {
      draw: [(plot) => drawQuantiles(plot, marks)],
      setCursor: [(plot) => {
        if (!(plot.cursor.left >= 0) || !plot.over.matches(":hover")) return;
        const nano = plot.posToVal(plot.cursor.left, "x");
        const below = bins.reduce((sum, bin) => sum + (bin.to_nano <= nano ? bin.count : 0), 0);
        const bin = bins.find((b) => b.from_nano <= nano && nano <= b.to_nano);
        const box = plot.over.getBoundingClientRect();
        tip.show(box.left + plot.cursor.left, box.top + plot.cursor.top,
          el("div", { text: bin ? plural(bin.count, noun) + " took " + durationText(bin.from_nano) + " to " + durationText(bin.to_nano) : "no " + noun + " took " + durationText(nano) }),
          el("div", { class: "when", text: three((below / all) * 100) + GAP + "% took less" }));
      }],
    },
  }, steps, node);
  view.others.add(distributionPlot);
  distributionPlot.over.addEventListener("pointerleave", () => tip.hide());
  body.append(under("Bins as a table", () => dataTable({
    label: "Bins of the latency distribution", rows: bins,
    columns: [
      { name: "from", number: true, value: (bin) => bin.from_nano, text: (bin) => durationText(bin.from_nano) },
      { name: "to", number: true, value: (bin) => bin.to_nano, text: (bin) => durationText(bin.to_nano) },
      { name: "count", number: true, value: (bin) => bin.count, text: (bin) => countText(bin.count) },
    ],
  })));
}

// decadeSplits returns the powers of ten in a range, and 2 and 5 times them in a narrow one.
function decadeSplits(min, max) {
  const times = max / min > 1000 ? [1] : max / min > 30 ? [1, 3] : [1, 2, 5];
  const splits = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power++) {
    for (const t of times) if (t * 10 ** power >= min && t * 10 ** power <= max) splits.push(t * 10 ** power);
  }
  return splits;
}

const MARK_COLORS = { p50: "p50", p99: "p99", "p99.9": "p999", max: "max" };

// binSteps returns the corners of the bins, with a foot where bins are missing between.
function binSteps(bins) {
  const x = [], y = [];
  for (const bin of bins) {
    const from = Math.max(1, bin.from_nano);
    if (x.length && x[x.length - 1] >= from - 1) { x.pop(); y.pop(); }
    x.push(from, Math.max(from + 1, bin.to_nano));
    y.push(bin.count, 0.7);
  }
  return [x, y];
}

function drawQuantiles(plot, marks) {
  const { ctx, bbox } = plot;
  const dpr = devicePixelRatio;
  ctx.save();
  ctx.font = 11.5 * dpr + "px " + color("sans");
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  let edge = -Infinity;
  for (const [name, nano] of marks) {
    const left = plot.valToPos(Math.max(1, nano), "x", true);
    if (left < bbox.left || left > bbox.left + bbox.width + 1) continue;
    ctx.strokeStyle = ctx.fillStyle = color(MARK_COLORS[name]);
    ctx.lineWidth = 1.25 * dpr;
    ctx.beginPath();
    ctx.moveTo(left, bbox.top);
    ctx.lineTo(left, bbox.top + bbox.height);
    ctx.stroke();
    const half = ctx.measureText(name).width / 2;
    if (left - half < edge) continue; // it would cover the name before it
    edge = left + half + 6 * dpr;
    ctx.fillText(name, Math.min(left, bbox.left + bbox.width + 10 * dpr - half), bbox.top - 4 * dpr);
  }
  ctx.restore();
}
