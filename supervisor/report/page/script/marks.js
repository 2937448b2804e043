// Events as bands and lines behind the lines of a chart.

const EVENT_STYLES = {
  corruption: ["bad", "corrupt content"],
  handler_death: ["bad", "handler died"],
  lost: ["bad", "client lost"],
  quarantined: ["bad", "quarantined"],
  rejected: ["warn-mark", "rejected"],
  away: ["warn-mark", "client away"],
  stall: ["violet", "write stalled"],
  missed: ["bad", "heartbeats missed"],
  shed: ["warn-mark", "connections shed"],
  restart: ["blue", "supervisor restarted"],
  upgrade: ["blue", "supervisor upgraded"],
  drain: ["grey", "drained"],
  resume: ["good", "client resumed"],
};

function eventColor(kind) {
  return color((EVENT_STYLES[kind] || ["grey"])[0]);
}

function eventName(kind) {
  return (EVENT_STYLES[kind] || [null, words(kind)])[1];
}

const events = (series ? series.events : []).map((event) => ({
  ...event, from: timeOf(event.at), to: event.end_at ? timeOf(event.end_at) : null,
}));

function shownEvents() {
  return events.filter((event) => shown(event.session));
}

// drawMarks draws a band for what lasted and a line for a moment. What falls on the same
// column of pixels as another of its kind is drawn once.
function drawMarks(plot) {
  const { ctx, bbox } = plot;
  const last = new Map();
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const event of shownEvents()) {
    if (event.kind === "resume" || event.from > view.to || (event.to === null ? event.from : event.to) < view.from) continue;
    const left = Math.round(plot.valToPos(event.from, "x", true));
    const right = event.to === null ? left : Math.round(plot.valToPos(event.to, "x", true));
    if (right <= (last.has(event.kind) ? last.get(event.kind) : -Infinity)) continue;
    last.set(event.kind, right);
    const ink = eventColor(event.kind);
    if (event.to !== null) {
      ctx.fillStyle = faint(ink, 0.13);
      ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
    }
    ctx.strokeStyle = faint(ink, 0.75);
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(event.to === null ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(left + 0.5, bbox.top);
    ctx.lineTo(left + 0.5, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

// nameMarks writes above the plot what the marks are, as far as there is room.
function nameMarks(plot) {
  const { ctx, bbox } = plot;
  const dpr = devicePixelRatio;
  let edge = bbox.left;
  ctx.save();
  ctx.font = 11 * dpr + "px " + color("sans");
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  for (const event of shownEvents()) {
    const at = plot.valToPos(event.from, "x", true), text = eventName(event.kind);
    if (event.kind === "resume" || at < bbox.left || at > bbox.left + bbox.width) continue;
    const width = ctx.measureText(text).width, left = Math.min(at - dpr, bbox.left + bbox.width + 20 * dpr - width);
    if (left < edge) continue;
    ctx.fillStyle = color((EVENT_STYLES[event.kind] || ["grey"])[0].replace("-mark", "")); // text needs the darker shade
    ctx.fillText(text, left, bbox.top - 3 * dpr);
    edge = left + width + 10 * dpr;
  }
  ctx.restore();
}

// eventsAt are the events within a few pixels of a moment.
function eventsAt(plot, seconds) {
  const near = Math.abs(plot.posToVal(4, "x") - plot.posToVal(0, "x"));
  return shownEvents().filter((event) => event.from - near <= seconds && seconds <= (event.to === null ? event.from : event.to) + near);
}

function eventLine(event) {
  return aboutClient(event.client, event.text || eventName(event.kind));
}
