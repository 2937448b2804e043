// How fast, in all and by client.

import { LINES_AT_ONCE, empty, lineChart, summary } from "./chart.js";
import { byId, el, part, swatch } from "./element.js";
import { plural, rateText } from "./format.js";
import { clientTimes, clientsBySession, perSecond, report, series, seriesOf, totalTimes } from "./model.js";
import { color, faint, seriesColor } from "./theme.js";
import { view } from "./view.js";

export function drawThroughput() {
  part("throughput");
  if (!series) return empty("throughput", "Nothing was recorded over time.");
  const own = seriesOf(view.session);
  const total = perSecond(series.total.bytes, series.interval_nano);
  const rollovers = own ? own.rollovers : series.total.rollovers;
  const times = own ? clientTimes : totalTimes;
  const values = own ? perSecond(own.bytes, series.client_interval_nano) : total;
  const name = own ? clientsBySession.get(view.session).client.label : "all clients";
  const sums = summary(values);
  const verified = series.total.verified_bytes || [];
  const read = verified.some((n) => n > 0) ? perSecond(verified, series.interval_nano) : null; // which loads the storage too
  const beside = (own ? own.read_bytes : series.total.read_bytes) || [];
  const reads = beside.some((n) => n > 0) ? perSecond(beside, own ? series.client_interval_nano : series.interval_nano) : null;
  lineChart("throughput", {
    times,
    lines: [
      { name, values, color: color("s0"), width: 1.75, area: true },
      !own && read ? { name: "read back", values: read, color: color("s4"), dash: [6, 3] } : null,
      reads ? { name: "read beside", values: reads, color: color("s3"), width: 1.5 } : null,
    ].filter(Boolean),
    text: rateText,
    ticks: rollovers,
    named: true,
    label: "Throughput of " + name + " over time" + (sums ? ": mean " + rateText(sums.mean) + ", from " + rateText(sums.least) + " to " + rateText(sums.most) : ""),
    extra: el("ul", { class: "legend" },
      el("li", { class: "key" }, swatch(color("ink"), "low"), el("span", { text: plural(rollovers.reduce((a, b) => a + b, 0), "rollover") }))),
  });
}

export function drawByClient() {
  part("by-client");
  byId("by-client").hidden = report.clients.length < 2;
  if (!series || report.clients.length < 2) return;
  const ranked = report.clients.map((client, index) => ({ client, own: series.clients[index] }))
    .filter((entry) => entry.own).sort((a, b) => b.client.bytes - a.client.bytes);
  const place = ranked.findIndex((entry) => entry.client.session === view.session);
  const listed = ranked.slice(0, LINES_AT_ONCE);
  if (place >= LINES_AT_ONCE) listed[LINES_AT_ONCE - 1] = ranked[place];
  byId("by-client").querySelector(".rail p").textContent = ranked.length > LINES_AT_ONCE
    ? "The " + LINES_AT_ONCE + " of " + ranked.length + " that wrote most" + (place >= LINES_AT_ONCE ? ", the last for the one looked at" : "") + ". Pick another above or in the table of clients."
    : "Click a name to look at one client.";
  lineChart("by-client", {
    times: clientTimes,
    lines: listed.map(({ client, own }, i) => {
      const mine = client.session === view.session, ink = seriesColor(i);
      return {
        name: client.label, session: client.session, color: view.session && !mine ? faint(ink, 0.35) : ink,
        values: perSecond(own.bytes, series.client_interval_nano), width: mine ? 2.4 : 1.4,
      };
    }),
    text: rateText,
    label: "Throughput over time of " + plural(listed.length, "client") + ": " + listed.map(({ client }) => client.label + " " + rateText(client.bytes_per_second)).join(", "),
  });
}
