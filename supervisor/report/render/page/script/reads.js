// How long reads beside the writing took, over time.

import { lineChart, orNull, summary } from "./chart.js";
import { byId, part } from "./element.js";
import { durationText } from "./format.js";
import { phasesByName, totalTimes } from "./model.js";
import { color } from "./theme.js";

export function drawReads() {
  part("reads");
  const read = phasesByName.get("read"), response = phasesByName.get("read_response");
  byId("reads").hidden = !read;
  if (!read) return;
  const lines = [
    { name: "p50", values: orNull(read.p50_nano), color: color("s2") },
    { name: "p99", values: orNull(read.p99_nano), color: color("s0") },
    { name: "max", values: orNull(read.max_nano), color: color("s1"), width: 1.2, dash: [2, 3] },
    response ? { name: "response p99", values: orNull(response.p99_nano), color: color("s3") } : null,
  ].filter(Boolean);
  lineChart("reads", {
    times: totalTimes, lines, text: durationText, logarithmic: true, height: 200,
    label: "Latency of reads beside the writing over time. " + lines.map((line) => {
      const sums = summary(line.values);
      return sums ? line.name + " from " + durationText(sums.least) + " to " + durationText(sums.most) : "";
    }).filter(Boolean).join(", "),
  });
}
