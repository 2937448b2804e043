// What happened, and when.

import { empty } from "./chart.js";
import { byId, el, part } from "./element.js";
import { durationText, leftOutText, offsetText, plural, words } from "./format.js";
import { laneChart } from "./lanes.js";
import { EVENT_STYLES, eventColor, eventLine, eventName, shownEvents } from "./marks.js";
import { axisFrom, axisTo, series, span } from "./model.js";
import { dataTable, under } from "./table.js";
import { zoom } from "./view.js";

export function drawEvents() {
  part("events");
  const list = shownEvents();
  if (list.length === 0) return empty("events", series ? "Nothing went wrong and nobody intervened." : "Nothing was recorded over time.");
  const kinds = Object.keys(EVENT_STYLES).filter((kind) => list.some((event) => event.kind === kind));
  for (const event of list) if (!kinds.includes(event.kind)) kinds.push(event.kind);
  laneChart("events", {
    label: "Timeline of " + plural(list.length, "event") + ": " + kinds.map((kind) => eventName(kind) + " " + list.filter((event) => event.kind === kind).length).join(", "),
    noun: "kinds",
    rowHeight: 19,
    rows: kinds.map((kind) => ({
      name: shortNames[kind] || words(kind),
      title: eventName(kind),
      spans: list.filter((event) => event.kind === kind).map((event) => ({
        from: event.from, to: event.to, color: eventColor(kind), size: 0.66, joined: true, text: eventLine(event),
      })),
    })),
  });
  byId("events").querySelector(".body").append(under("All " + plural(list.length, "event") + " as a table" + leftOutText(series.events_left_out), () => dataTable({
    label: "Events", rows: list, sort: 0,
    columns: [
      { name: "at", number: true, value: (event) => event.from, cell: (event) => (onAxis(event) ? el("button", { type: "button", class: "link", title: "Zoom to it", text: offsetText(event.from), onclick: () => zoomTo(event) }) : el("span", { text: offsetText(event.from) })) },
      { name: "for", number: true, value: (event) => (event.to === null ? 0 : event.to - event.from), text: (event) => (event.to === null ? "" : durationText((event.to - event.from) * 1e9)) },
      { name: "what", value: (event) => event.kind, text: (event) => eventName(event.kind) },
      { name: "client", value: (event) => event.client, text: (event) => event.client },
      { name: "detail", wrap: true, value: (event) => event.text, text: (event) => event.text },
    ],
  })));
}

const shortNames = { corruption: "corrupt", handler_death: "handler", restart: "restart", upgrade: "upgrade", rejected: "rejected", quarantined: "quarantine" };

// onAxis reports whether an event is within the time that the charts show: the supervisor may
// have been disturbed while it waited for clients.
function onAxis(event) {
  return event.from <= axisTo && (event.to === null ? event.from : event.to) >= axisFrom;
}

function zoomTo(event) {
  const to = event.to === null ? event.from : event.to;
  const margin = Math.max((to - event.from) / 2, span / 40);
  zoom(event.from - margin, to + margin);
}
