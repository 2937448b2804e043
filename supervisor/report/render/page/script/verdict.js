// Did it work, and what should be known about it.

import { byId, el } from "./element.js";
import { aboutClient, countText, durationText, plural } from "./format.js";
import { report, stampText } from "./model.js";

const LISTED = 5;

export function drawVerdict() {
  const { verdict, run } = report;
  const word = verdict.word ? verdict.word.toLowerCase() : verdict.running ? "running" : verdict.complete ? "complete" : "partial";
  const running = word === "running", interruptions = verdict.interruptions || [];
  const closed = report.clients.filter((client) => client.outcome === "closed").length;
  byId("verdict-line").replaceChildren(
    el("span", { class: "state " + word, text: word.charAt(0).toUpperCase() + word.slice(1) }),
    el("span", { text: verdict.headline || (report.clients.length === 0 ? "no client came" : closed + " of " + plural(report.clients.length, "client") + " closed") }));
  const findings = (report.findings || []).map((finding) => ({
    text: aboutClient(finding.client, finding.text),
    severity: finding.severity,
    small: [finding.evidence, finding.threshold && "threshold: " + finding.threshold].filter(Boolean).join(" · "),
  }));
  byId("verdict-body").replaceChildren(...[
    judged(running ? "open" : "reasons", running ? "If it ended now, it would be partial" : "Why it is partial", verdict.reasons.map((text) => ({ text }))),
    judged("interruptions", word === "interrupted" ? "Why it is interrupted" : "What operators did", interruptions.map((text) => ({ text }))),
    judged("warnings", "Warnings", verdict.warnings.map((text) => ({ text }))),
    judged("findings", "Findings", findings),
  ].filter(Boolean));
  byId("run-name").textContent = run.id;
  byId("run-when").textContent = [stampText(run.started_at), durationText(run.length_nano), run.host.name && "on " + run.host.name].filter(Boolean).join(" · ");
}

function judged(kind, title, items) {
  if (items.length === 0) return null;
  const list = el("ul");
  const more = el("button", { type: "button", class: "more", text: "Show all " + countText(items.length), onclick: () => show(items.length) });
  function show(n) {
    list.replaceChildren(...items.slice(0, n).map((item) => el("li", { class: item.severity || null }, el("span", { text: item.text }), item.small ? el("small", { text: item.small }) : null)));
    more.hidden = n >= items.length;
  }
  show(items.length <= LISTED + 1 ? items.length : LISTED);
  return el("div", { class: "judged " + kind }, el("h2", {}, document.createTextNode(title), el("span", { class: "count", text: countText(items.length) })), list, more);
}
