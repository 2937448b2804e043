// How long chunk writes took, over time; with a rate also since they were due.

import { empty, lineChart, orNull, summary } from "./chart.js";
import { byId, part } from "./element.js";
import { durationText } from "./format.js";
import { clientTimes, phasesByName, series, seriesOf, totalTimes } from "./model.js";
import { color } from "./theme.js";
import { view } from "./view.js";

export function drawLatency() {
  part("latency");
  if (!series) return empty("latency", "Nothing was recorded over time.");
  const own = seriesOf(view.session);
  const total = series.total, response = phasesByName.get("response");
  byId("latency").querySelector(".rail p").textContent = "How long a chunk's write call took. Logarithmic." +
    (response ? " The response is since the chunk was due, of consumers with a rate." : "") +
    (own ? " The p99 of one client is the highest of its messages in an interval: never too low." : "");
  const lines = own
    ? [
        own.response_p99_nano && own.response_p99_nano.length ? { name: "response p99", values: orNull(own.response_p99_nano), color: color("s6") } : null,
        own.p99_nano ? { name: "p99", values: orNull(own.p99_nano), color: color("p99") } : null,
        { name: "max", values: orNull(own.max_nano), color: color("max"), width: 1.2, dash: [2, 3] },
      ].filter(Boolean)
    : [
        { name: "max", values: orNull(total.max_nano), color: color("max"), width: 1.2, dash: [2, 3] },
        { name: "p99.9", values: orNull(total.p999_nano), color: color("p999") },
        { name: "p99", values: orNull(total.p99_nano), color: color("p99") },
        { name: "p50", values: orNull(total.p50_nano), color: color("p50"), width: 2 },
        response ? { name: "response p99", values: orNull(response.p99_nano), color: color("s6") } : null,
        response ? { name: "response p50", values: orNull(response.p50_nano), color: color("s6"), dash: [6, 3], width: 1.2 } : null,
      ].filter(Boolean);
  if (lines.every((line) => summary(line.values) === null)) return empty("latency", "Nothing was written.");
  lineChart("latency", {
    times: own ? clientTimes : totalTimes,
    lines,
    text: durationText,
    logarithmic: true,
    height: 240,
    label: "Chunk-write latency over time. " + lines.map((line) => {
      const sums = summary(line.values);
      return sums ? line.name + " from " + durationText(sums.least) + " to " + durationText(sums.most) : "";
    }).filter(Boolean).join(", "),
  });
}
