// What did not read back as it was written: before everything but the verdict.

import { byId, el, part } from "./element.js";
import { countText, offsetText, plural, words } from "./format.js";
import { clientsBySession, report, timeOf } from "./model.js";
import { dataTable } from "./table.js";
import { shown, view } from "./view.js";

export function drawCorruption() {
  const rows = report.clients.filter((client) => shown(client.session))
    .flatMap((client) => (client.corruptions || []).map((place) => ({ client, place, at: timeOf(place.found_at, client) })));
  const of = clientsBySession.has(view.session) ? clientsBySession.get(view.session).client : report.totals;
  const leftOut = report.clients.filter((client) => shown(client.session)).reduce((sum, client) => sum + (client.corruptions_left_out || 0), 0);
  byId("corruption").hidden = rows.length === 0 && !of.corrupt_blocks && !of.unverified_files;
  if (byId("corruption").hidden) return part("corruption");
  byId("corruption-title").textContent = of.corrupt_blocks ? plural(of.corrupt_blocks, "corrupt block") : plural(of.unverified_files, "file") + " not as written";
  part("corruption").append(rows.length === 0 ? el("p", { text: "The clients did not say where." }) : dataTable({
    label: "Places that are not as written", rows,
    columns: [
      { name: "found", number: true, value: (row) => row.at, text: (row) => offsetText(row.at) },
      { name: "client", value: (row) => row.client.label, text: (row) => row.client.label },
      { name: "by", value: (row) => row.place.process, text: (row) => row.place.process },
      ...(rows.some((row) => row.place.owner) ? [
        { name: "read on", value: readOn, text: readOn },
        { name: "written by", value: writtenBy, text: writtenBy },
      ] : []),
      { name: "kind", value: (row) => row.place.kind, cell: (row) => el("span", { class: "word bad", text: words(row.place.kind) }) },
      { name: "at byte", number: true, value: (row) => row.place.offset_bytes, text: (row) => countText(row.place.offset_bytes) },
      { name: "bytes", number: true, value: (row) => row.place.length_bytes, text: (row) => countText(row.place.length_bytes) },
      { name: "expected", wrap: true, text: (row) => row.place.expected },
      { name: "found there", wrap: true, text: (row) => row.place.found },
      { name: "path", wrap: true, value: (row) => row.place.path, text: (row) => row.place.path },
    ],
  }), leftOut ? el("p", { class: "quiet", text: plural(leftOut, "place") + " more are counted and not listed." }) : document.createTextNode(""));
}

// Of a file of another client: on which hosts it was read and written.
const readOn = (row) => row.place.owner ? "host " + row.place.owner.reader_host : "";
const writtenBy = (row) => row.place.owner ? row.place.owner.name + " on host " + row.place.owner.host : "";
