// Which client is looked at.

import { byId, el } from "./element.js";
import { report } from "./model.js";
import { choose } from "./view.js";

export function bindPick() {
  const pick = byId("client-pick");
  pick.append(el("option", { value: "0", text: "all " + report.clients.length }),
    ...report.clients.map((client) => el("option", { value: String(client.session), text: client.label })));
  pick.addEventListener("change", () => choose(Number(pick.value)));
  byId("client-clear").addEventListener("click", () => { choose(0); byId("client-pick").focus(); });
}
