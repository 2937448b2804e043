// What consumers do beside writing chunks, over time.

import { lineChart, orNull, summary } from "./chart.js";
import { byId, part } from "./element.js";
import { durationText } from "./format.js";
import { phasesByName, totalTimes } from "./model.js";
import { color } from "./theme.js";

export function drawPhases() {
  part("phases");
  const drawn = [["create", "s5"], ["sync", "s3"], ["close", "s2"], ["unlink", "s4"]].filter(([name]) => phasesByName.has(name));
  byId("phases").hidden = drawn.length === 0;
  if (drawn.length === 0) return;
  const lines = drawn.flatMap(([name, ink]) => {
    const phase = phasesByName.get(name);
    return [
      { name: name + " p99", values: orNull(phase.p99_nano), color: color(ink) },
      { name: name + " max", values: orNull(phase.max_nano), color: color(ink), width: 1.2, dash: [2, 3], off: true },
    ];
  });
  lineChart("phases", {
    times: totalTimes, lines, text: durationText, logarithmic: true, height: 200,
    label: "Latency of create, sync, close and unlink over time. " + lines.filter((line) => !line.off).map((line) => {
      const sums = summary(line.values);
      return sums ? line.name + " from " + durationText(sums.least) + " to " + durationText(sums.most) : "";
    }).filter(Boolean).join(", "),
  });
}
