// The controls, and the first drawing.

function fillPick() {
  const pick = byId("client-pick");
  pick.append(el("option", { value: "0", text: "all " + report.clients.length }),
    ...report.clients.map((client) => el("option", { value: String(client.session), text: client.label })));
  pick.addEventListener("change", () => choose(Number(pick.value)));
}

function bindControls() {
  byId("client-clear").addEventListener("click", () => { choose(0); byId("client-pick").focus(); });
  byId("zoom-in").addEventListener("click", () => zoomBy(0.5));
  byId("zoom-out").addEventListener("click", () => zoomBy(2));
  byId("zoom-left").addEventListener("click", () => zoomBy(1, -0.5));
  byId("zoom-right").addEventListener("click", () => zoomBy(1, 0.5));
  byId("zoom-reset").addEventListener("click", () => zoom(0, span));
  addEventListener("scroll", tip.hide, { passive: true });
}

// PAPER is the width of an A4 page between its margins, in CSS pixels.
const PAPER = 690;

function bindPaper() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const print = (on) => {
    if (document.documentElement.classList.contains("paper") === on) return;
    document.documentElement.classList.toggle("paper", on);
    redraw();
    resize(on ? PAPER : 0);
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  matchMedia("print").addEventListener("change", (event) => print(event.matches));
}

function resize(width) {
  fit(width);
  if (distributionPlot) {
    const room = width || distributionPlot.root.parentNode.clientWidth;
    if (room > 0 && room !== distributionPlot.width) distributionPlot.setSize({ width: Math.max(160, room), height: distributionPlot.height });
  }
}

fillPick();
fillDistributionPick();
bindControls();
drawVerdict();
drawRun();
redraw();
bindPaper();
new ResizeObserver(() => {
  if (!document.documentElement.classList.contains("paper")) resize(0);
}).observe(byId("main"));
