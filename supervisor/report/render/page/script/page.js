// The page of one report: its parts, in the order in which they are drawn.

import { drawAsserted } from "./asserted.js";
import { drawClient } from "./client.js";
import { drawClients } from "./clients.js";
import { drawCorruption } from "./corruption.js";
import { drawCurves } from "./curves.js";
import { drawDistribution, fillDistributionPick } from "./distribution.js";
import { drawEvents } from "./events.js";
import { drawFigures } from "./figures.js";
import { drawHandlers, drawRejections } from "./handlers.js";
import { drawHeartbeats } from "./heartbeats.js";
import { drawLatency } from "./latency.js";
import { drawMachine } from "./machine.js";
import { eventMarks } from "./marks.js";
import { axisFrom, axisTo, clientsBySession, span, whenText } from "./model.js";
import { openPage } from "./opening.js";
import { drawPhases } from "./phases.js";
import { drawReads } from "./reads.js";
import { bindPick } from "./pick.js";
import { drawRollovers } from "./rollovers.js";
import { drawRun } from "./run.js";
import { drawStages } from "./stages.js";
import { drawByClient, drawThroughput } from "./throughput.js";
import { drawUsage } from "./usage.js";
import { drawVerdict } from "./verdict.js";

openPage({
  axis: { from: axisFrom, to: axisTo, span, whenText },
  sessions: clientsBySession.keys(),
  marks: eventMarks,
  parts: [
    { once: bindPick },
    { once: drawVerdict },
    { once: drawAsserted },
    { draw: drawCorruption },
    { draw: drawFigures },
    { draw: drawStages },
    { draw: drawCurves },
    { draw: drawEvents },
    { draw: drawThroughput },
    { draw: drawByClient },
    { draw: drawPhases },
    { draw: drawReads },
    { draw: drawLatency },
    { draw: drawDistribution, once: fillDistributionPick },
    { draw: drawClients },
    { draw: drawHeartbeats },
    { draw: drawUsage },
    { draw: drawMachine },
    { draw: drawRollovers },
    { draw: drawHandlers },
    { draw: drawRejections },
    { draw: drawClient },
    { once: drawRun },
  ],
});
