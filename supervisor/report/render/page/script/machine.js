// What the clients' machines did beside the load: devices, network, memory and throttling.

import { LINES_AT_ONCE, lineChart, orNull, summary } from "./chart.js";
import { byId, part } from "./element.js";
import { GAP, rateText, sizeText, three } from "./format.js";
import { clientTimes, report, series } from "./model.js";
import { seriesColor } from "./theme.js";
import { shown, view } from "./view.js";

export function drawMachine() {
  const percent = (value) => three(100 * value) + GAP + "%";
  machineChart("devices", "Busy devices", percent, (machine) => (machine.devices || []).map((device) => (
    { name: device.name, values: orNull(device.busy) })));
  machineChart("device-bytes", "Bytes of devices", rateText, (machine) => (machine.devices || []).flatMap((device) => [
    { name: device.name + " written", values: rates(device.written_bytes) },
    { name: device.name + " read", values: rates(device.read_bytes) },
  ]));
  machineChart("network", "Bytes of the network", rateText, (machine) => (machine.interfaces || []).flatMap((own) => [
    { name: own.name + " sent", values: rates(own.sent_bytes) },
    { name: own.name + " received", values: rates(own.received_bytes) },
  ]));
  machineChart("dirty", "Dirty memory", sizeText, (machine) => list(machine.dirty_bytes).map((values) => ({ name: "dirty", values })));
  machineChart("throttled", "Waiting and throttling", percent, (machine) => [
    ...list(machine.memory_pressure).map((values) => ({ name: "waits for memory", values: orNull(values) })),
    ...list(machine.throttled).map((values) => ({ name: "throttled", values: orNull(values) })),
  ]);
}

// list returns a list of one, or of none if there are no values.
function list(values) {
  return values && values.length ? [values] : [];
}

// rates returns amounts of an interval per second.
function rates(amounts) {
  const seconds = series.client_interval_nano / 1e9;
  return amounts.map((amount) => amount / seconds);
}

// machineChart draws lines of the machines in a panel, those with the highest mean; what clients
// of one machine say of the same thing is drawn once.
function machineChart(id, what, text, linesOf) {
  part(id);
  const entries = [], drawn = new Set();
  report.clients.forEach((client, index) => {
    const own = series ? series.clients[index] : null;
    if (!own || !own.machine || !shown(client.session)) return;
    const system = client.machine && client.machine.system || client.host;
    for (const line of linesOf(own.machine)) {
      const sums = summary(line.values);
      if (!sums || !sums.most || drawn.has(system + " " + line.name)) continue;
      drawn.add(system + " " + line.name);
      entries.push({ ...line, sums, name: (view.session ? "" : (client.host || client.label) + " ") + line.name });
    }
  });
  byId(id).hidden = entries.length === 0;
  if (entries.length === 0) return;
  const listed = entries.sort((a, b) => b.sums.mean - a.sums.mean).slice(0, LINES_AT_ONCE);
  lineChart(id, {
    times: clientTimes,
    lines: listed.map((entry, i) => ({ name: entry.name, values: entry.values, color: seriesColor(i), width: 1.3 })),
    text,
    height: 170,
    label: what + " over time: " + listed.map((entry) => entry.name + " mean " + text(entry.sums.mean) + ", highest " + text(entry.sums.most)).join("; "),
  });
}
