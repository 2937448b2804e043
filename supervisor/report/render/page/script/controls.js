// Zoom, paper and width: of every page.

import { byId } from "./element.js";
import { fit } from "./plot.js";
import { axis, redraw, tip, view, zoom, zoomBy } from "./view.js";

export function bindZoom() {
  byId("zoom-in").addEventListener("click", () => zoomBy(0.5));
  byId("zoom-out").addEventListener("click", () => zoomBy(2));
  byId("zoom-left").addEventListener("click", () => zoomBy(1, -0.5));
  byId("zoom-right").addEventListener("click", () => zoomBy(1, 0.5));
  byId("zoom-reset").addEventListener("click", () => zoom(axis.from, axis.to));
  addEventListener("scroll", tip.hide, { passive: true });
}

// PAPER is the width of an A4 page between its margins, in CSS pixels.
const PAPER = 690;

export function bindPaper() {
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
  for (const plot of view.others) {
    const room = width || plot.root.parentNode.clientWidth;
    if (room > 0 && room !== plot.width) plot.setSize({ width: Math.max(160, room), height: plot.height });
  }
}

export function bindWidth() {
  new ResizeObserver(() => {
    if (!document.documentElement.classList.contains("paper")) resize(0);
  }).observe(byId("main"));
}
