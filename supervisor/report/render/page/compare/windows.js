// What of each run is compared, as a band: of A at the top, of B at the foot.

import { color, faint } from "../script/theme.js";
import { SIDES } from "./model.js";

export function drawWindows(plot) {
  const { ctx, bbox } = plot;
  const height = 5 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  SIDES.forEach((side, i) => {
    if (side.to_nano <= side.from_nano) return;
    const left = plot.valToPos(side.from_nano / 1e9, "x", true), right = plot.valToPos(side.to_nano / 1e9, "x", true);
    ctx.fillStyle = faint(color(side.ink), 0.45);
    ctx.fillRect(left, i === 0 ? bbox.top : bbox.top + bbox.height - height, right - left, height);
  });
  ctx.restore();
}
