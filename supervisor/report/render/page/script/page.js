// The controls of one report, and the first drawing.

function fillPick() {
  const pick = byId("client-pick");
  pick.append(el("option", { value: "0", text: "all " + report.clients.length }),
    ...report.clients.map((client) => el("option", { value: String(client.session), text: client.label })));
  pick.addEventListener("change", () => choose(Number(pick.value)));
}

function bindControls() {
  byId("client-clear").addEventListener("click", () => { choose(0); byId("client-pick").focus(); });
  bindZoom();
}

fillPick();
fillDistributionPick();
bindControls();
drawVerdict();
drawRun();
redraw();
bindPaper();
bindWidth();
