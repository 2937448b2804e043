// Stages as bands behind the lines of a chart.

import { report, timeOf } from "./model.js";
import { color, faint } from "./theme.js";
import { view } from "./view.js";

export const stages = (report.stages || []).map((stage) => ({
  ...stage, from: timeOf(stage.from_at), to: timeOf(stage.to_at),
}));

const begun = stages.filter((stage) => stage.from !== null);

// inView returns those that are to be seen, with their edges in canvas pixels.
function inView(plot) {
  const { bbox } = plot;
  const place = (at) => Math.min(Math.max(plot.valToPos(at, "x", true), bbox.left), bbox.left + bbox.width);
  return begun.filter((stage) => stage.from < view.to && stage.to > view.from)
    .map((stage) => ({ stage, left: place(stage.from), right: place(stage.to) }));
}

// shadeStages shades every other stage, and draws a line where each begins; one that is not reported is
// hatched.
export function shadeStages(plot) {
  const { ctx, bbox } = plot;
  const dpr = devicePixelRatio, ink = color("grey");
  for (const { stage, left, right } of inView(plot)) {
    ctx.fillStyle = faint(ink, stage.number % 2 ? 0.05 : 0.11);
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = faint(ink, 0.5);
    ctx.fillRect(Math.round(left), bbox.top, dpr, bbox.height);
    if (!stage.told.unreported) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, bbox.top, right - left, bbox.height);
    ctx.clip();
    ctx.strokeStyle = faint(ink, 0.25);
    ctx.setLineDash([]);
    ctx.beginPath();
    for (let x = left - bbox.height; x < right; x += 9 * dpr) {
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x + bbox.height, bbox.top);
    }
    ctx.stroke();
    ctx.restore();
  }
}

// nameStages writes the names of the stages at the top of a plot, as far as there is room. What has a
// name is noted, for tests.
export function nameStages(plot) {
  if (begun.length === 0) return;
  const { ctx, bbox } = plot;
  const dpr = devicePixelRatio, gap = 4 * dpr;
  const named = [];
  let edge = -Infinity;
  ctx.save();
  ctx.font = 11 * dpr + "px " + color("sans");
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  ctx.fillStyle = color("quiet");
  for (const { stage, left, right } of inView(plot)) {
    const width = ctx.measureText(stage.name).width;
    if (left + gap < edge || width + 2 * gap > right - left) continue;
    ctx.fillText(stage.name, left + gap, bbox.top + gap);
    edge = left + gap + width;
    named.push(stage.name);
  }
  ctx.restore();
  plot.root.parentNode.dataset.stages = named.join(", ");
}

// stagesAt returns the names of the stages at a moment.
export function stagesAt(seconds) {
  return begun.filter((stage) => stage.from <= seconds && seconds <= stage.to).map((stage) => "stage " + stage.name);
}
