// How a page is opened: every page.

import { bindPaper, bindWidth, bindZoom } from "./controls.js";
import { axis, marks, redraw, sessions, view } from "./view.js";

// openPage draws a page for the first time. Its axis, sessions and marks are those of
// view.js. Its parts come in the order in which they are drawn: once is called now, and draw
// now and for another client or other colours.
export function openPage(page) {
  Object.assign(axis, page.axis);
  Object.assign(marks, page.marks);
  for (const session of page.sessions) sessions.add(session);
  view.from = axis.from;
  view.to = axis.to;
  view.drawers = page.parts.filter((part) => part.draw).map((part) => part.draw);
  bindZoom();
  for (const part of page.parts) if (part.once) part.once();
  redraw();
  bindPaper();
  bindWidth();
}
