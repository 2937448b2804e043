// The page of a comparison: its parts, in the order in which they are drawn.

import { offsetText } from "../script/format.js";
import { openPage } from "../script/opening.js";
import { drawDifferences } from "./figures.js";
import { drawLatency, drawThroughput, fillLatencyPicks } from "./lines.js";
import { span } from "./model.js";
import { drawPercentiles } from "./percentiles.js";
import { drawSummary } from "./summary.js";
import { drawWindows } from "./windows.js";

openPage({
  axis: { from: 0, to: span, span, whenText: offsetText },
  sessions: [],
  marks: { draw: drawWindows },
  parts: [
    { once: drawSummary },
    { draw: drawDifferences },
    { draw: drawThroughput },
    { draw: drawLatency, once: fillLatencyPicks },
    { draw: drawPercentiles },
  ],
});
