// Rows of spans over time: events, heartbeats, lives of processes.

import { setLegend } from "./chart.js";
import { byId, el, swatch } from "./element.js";
import { countText } from "./format.js";
import { GUTTER, axisStyle, fit, timePlot } from "./plot.js";
import { color } from "./theme.js";
import { axis, marks, readout, tip, view } from "./view.js";

// laneChart draws rows of { name, heading, spans } in a panel. A span has from, to (null
// for a moment), color, size (0 to 1 of the row's height), split, joined to its neighbours or not, and text. More rows than
// fit are turned like pages, and spans may be a function, called when its row is turned to.
export function laneChart(id, { rows, label, legend, noun, rowHeight, atOnce }) {
  const body = byId(id).querySelector(".body");
  const height = rowHeight || 18;
  const most = atOnce || 24;
  let first = 0;
  let plot = null;
  setLegend(id, legend ? el("ul", { class: "legend" }, ...legend.map(([ink, name, shape]) =>
    el("li", { class: "key" }, swatch(ink, shape || "block"), el("span", { text: name })))) : null);
  const place = el("div");
  body.append(place);
  function draw() {
    if (plot) { view.plots.delete(plot); plot.destroy(); }
    place.replaceChildren();
    const page = rows.slice(first, first + most).map((row) => ({ ...row, spans: typeof row.spans === "function" ? row.spans() : row.spans }));
    plot = timePlot(place, {
      label,
      height: page.length * height + 26 + 6,
      padding: [4, 24, 0, 0],
      data: [[axis.from, axis.to], [null, null]],
      series: [{ scale: "y", show: false }],
      scales: { y: { range: () => [0, 1] } },
      axes: [{ ...axisStyle(), scale: "y", size: GUTTER, splits: () => [0, 1], values: () => ["", ""], grid: { show: false }, ticks: { show: false } }],
      hooks: { drawAxes: [marks.draw], draw: [(p) => drawLanes(p, page, height)] },
      moved(p, _, at, pointer) {
        if (!pointer || at === null) return;
        readout(axis.whenText(at));
        const row = page[Math.floor(p.cursor.top / height)];
        const near = Math.abs(p.posToVal(5, "x") - p.posToVal(0, "x"));
        const hit = row && row.spans.findLast((s) => (s.to === null ? Math.abs(s.from - at) <= near : s.from - near / 3 <= at && at <= s.to + near / 3));
        if (!row || (!hit && row.heading)) return tip.hide();
        tip.show(pointer.clientX, pointer.clientY,
          el("div", { class: "when", text: axis.whenText(hit && hit.to === null ? hit.from : at) }),
          el("div", { text: (row.title || row.name) + (hit ? ": " + hit.text : "") }));
      },
    });
    if (rows.length > most) place.append(pager());
  }
  function pager() {
    const turn = (by) => { first += by; draw(); fit(); };
    return el("div", { class: "pager" },
      el("button", { type: "button", text: "Previous", disabled: first === 0, onclick: () => turn(-most) }),
      el("button", { type: "button", text: "Next", disabled: first + most >= rows.length, onclick: () => turn(most) }),
      el("span", { text: noun + " " + countText(first + 1) + " to " + countText(Math.min(first + most, rows.length)) + " of " + countText(rows.length) }));
  }
  draw();
}

function drawLanes(plot, rows, rowHeight) {
  const { ctx, bbox } = plot;
  const dpr = devicePixelRatio, height = rowHeight * dpr;
  ctx.save();
  ctx.textBaseline = "middle";
  rows.forEach((row, i) => {
    const middle = bbox.top + (i + 0.5) * height;
    if (row.heading) {
      ctx.font = "600 " + 11.5 * dpr + "px " + color("sans");
      ctx.fillStyle = color("ink");
      ctx.textAlign = "left";
      ctx.fillText(cut(ctx, row.name, bbox.width - 10 * dpr), bbox.left + 4 * dpr, middle + 2 * dpr);
      return;
    }
    ctx.font = 11.5 * dpr + "px " + color("sans");
    ctx.fillStyle = color("quiet");
    ctx.textAlign = "right";
    ctx.fillText(cut(ctx, row.name, bbox.left - 10 * dpr), bbox.left - 8 * dpr, middle);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top + i * height, bbox.width, height);
    ctx.clip();
    for (const item of row.spans) drawSpan(plot, item, middle, height - 4 * dpr);
    ctx.restore();
  });
  ctx.restore();
}

function drawSpan(plot, item, middle, room) {
  if (item.from > view.to || (item.to === null ? item.from : item.to) < view.from) return;
  const { ctx } = plot;
  const dpr = devicePixelRatio, left = plot.valToPos(item.from, "x", true);
  ctx.fillStyle = item.color;
  if (item.to === null) {
    const r = Math.min(room / 2, 4.5 * dpr);
    ctx.beginPath();
    ctx.moveTo(left, middle - r);
    ctx.lineTo(left + r, middle);
    ctx.lineTo(left, middle + r);
    ctx.lineTo(left - r, middle);
    ctx.fill();
    return;
  }
  const right = plot.valToPos(item.to, "x", true), high = room * (item.size || 1);
  const gap = item.joined ? 0 : Math.min(dpr, (right - left) / 4);
  const width = Math.max(1.5 * dpr, right - left - gap);
  ctx.fillRect(left, middle - high / 2, width, high);
  if (item.split) { // so that it is not told by its colour alone
    ctx.fillStyle = color("surface");
    ctx.fillRect(left, middle - dpr, width, 2 * dpr);
  }
}

// cut shortens a text to a width in canvas pixels.
function cut(ctx, text, width) {
  if (ctx.measureText(text).width <= width) return text;
  let low = 0, high = Math.min(text.length, 200);
  while (low < high) {
    const half = (low + high + 1) >> 1;
    if (ctx.measureText(text.slice(0, half) + "…").width <= width) low = half;
    else high = half - 1;
  }
  return text.slice(0, low) + "…";
}
