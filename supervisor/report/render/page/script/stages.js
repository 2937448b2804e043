// The stages of the load, side by side.

import { stages } from "./bands.js";
import { byId, el, part } from "./element.js";
import { NONE, durationText, offsetText, rateText, sizeText } from "./format.js";
import { dataTable } from "./table.js";
import { zoom } from "./view.js";

function p99(latency) {
  return latency && latency.count > 0 ? latency.p99_nano : null;
}

// latencyColumn shows a latency of a stage, if one of the stages has it.
function latencyColumn(name, of) {
  if (stages.every((stage) => of(stage) === null)) return null;
  return { name, number: true, value: of, text: (stage) => (of(stage) === null ? "" : durationText(of(stage))) };
}

export function drawStages() {
  const body = part("stages");
  byId("stages").hidden = stages.length === 0;
  if (stages.length === 0) return;
  const offered = stages.some((stage) => stage.offered_bytes_per_second > 0);
  const reads = stages.some((stage) => stage.read_bytes > 0);
  body.append(dataTable({
    label: "Stages", rows: stages, sort: 0,
    columns: [
      { name: "#", number: true, value: (stage) => stage.number, text: (stage) => String(stage.number) },
      {
        name: "stage", value: (stage) => stage.name,
        cell: (stage) => (stage.from === null ? el("span", { text: stage.name })
          : el("button", { type: "button", class: "link", title: "Zoom to " + stage.name + ": " + stage.told.text, text: stage.name, onclick: () => zoom(stage.from, stage.to) })),
      },
      { name: "from", number: true, value: (stage) => stage.from, text: (stage) => (stage.from === null ? NONE : offsetText(stage.from)) },
      { name: "length", number: true, value: (stage) => stage.length_nano, text: (stage) => (stage.from === null ? "" : durationText(stage.length_nano)) },
      { name: "written", number: true, value: (stage) => stage.bytes, text: (stage) => (stage.from === null ? "" : sizeText(stage.bytes)) },
      { name: "throughput", number: true, value: (stage) => stage.bytes_per_second, text: (stage) => (stage.from === null ? "" : rateText(stage.bytes_per_second)) },
      offered ? { name: "offered", number: true, value: (stage) => stage.offered_bytes_per_second, text: (stage) => (stage.offered_bytes_per_second ? rateText(stage.offered_bytes_per_second) : "") } : null,
      latencyColumn("p99", (stage) => p99(stage.chunk_write)),
      latencyColumn("response p99", (stage) => p99(stage.response)),
      latencyColumn("sync p99", (stage) => p99(stage.phases.sync)),
      reads ? { name: "read beside", number: true, value: (stage) => stage.read_bytes_per_second, text: (stage) => (stage.read_bytes ? rateText(stage.read_bytes_per_second) : "") } : null,
      { name: "as told", wrap: true, text: (stage) => stage.told.text },
      { name: "note", wrap: true, text: (stage) => [stage.note, stage.gather && stage.gather.text].filter(Boolean).join("; ") },
    ].filter(Boolean),
  }));
}
