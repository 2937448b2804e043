// Numbers and moments as a person says them; as in report.txt.

export const NONE = "–";
export const GAP = "\u00a0";

export function three(x) {
  const text = x >= 99.95 ? x.toFixed(0) : x >= 9.995 ? x.toFixed(1) : x.toFixed(2);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export function pad(n, width) {
  return String(n).padStart(width, "0");
}

// durationText takes nanoseconds.
export function durationText(nano) {
  if (nano === 0) return "0" + GAP + "s";
  if (nano < 0) return "-" + durationText(-nano);
  const rounded = Number(nano.toPrecision(3));
  if (rounded < 1e3) return Math.round(rounded) + GAP + "ns";
  if (rounded < 1e6) return three(rounded / 1e3) + GAP + "µs";
  if (rounded < 1e9) return three(rounded / 1e6) + GAP + "ms";
  if (rounded < 60e9) return three(rounded / 1e9) + GAP + "s";
  return clockText(nano / 1e9);
}

// clockText takes seconds, of about a minute or more.
function clockText(seconds) {
  const s = Math.round(seconds);
  const days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24, minutes = Math.floor(s / 60) % 60;
  if (days > 0) return days + "d" + pad(hours, 2) + "h" + pad(minutes, 2) + "m";
  if (hours > 0) return hours + "h" + pad(minutes, 2) + "m" + pad(s % 60, 2) + "s";
  return minutes + "m" + pad(s % 60, 2) + "s";
}

export function sizeText(bytes) {
  let x = Number(Number(bytes).toPrecision(3));
  for (const unit of ["B", "kB", "MB", "GB", "TB", "PB"]) {
    if (x < 1000) return three(x) + GAP + unit;
    x /= 1000;
  }
  return three(x) + GAP + "EB";
}

export function rateText(bytesPerSecond) {
  return sizeText(bytesPerSecond) + "/s";
}

export function countText(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function plural(n, word) {
  return countText(n) + GAP + word + (n === 1 ? "" : /(s|x|ch|sh)$/.test(word) ? "es" : "s");
}

// offsetText takes seconds since the start of the run.
export function offsetText(seconds) {
  if (seconds < 0) return "-" + durationText(-seconds * 1e9);
  return "+" + (seconds < 60 ? seconds.toFixed(seconds < 10 ? 2 : 1).replace(/\.?0+$/, "") + GAP + "s" : clockText(seconds));
}

export function words(kind) {
  return kind.replaceAll("_", " ");
}

// aboutClient puts the client's name before a text that does not say it.
export function aboutClient(client, text) {
  return client && !text.includes(client) ? client + ": " + text : text;
}

// momentOf reads a time of report.json as seconds since 1970, less the whole seconds in
// base: a double holds microseconds of it then. It is null for no time.
export function momentOf(stamp, base) {
  if (!stamp) return null;
  const fraction = /\.(\d+)/.exec(stamp);
  return Date.parse(stamp.slice(0, 19) + "Z") / 1000 - base + (fraction ? Number("0." + fraction[1]) : 0);
}

export function leftOutText(n) {
  return n > 0 ? " (" + countText(n) + " more are left out)" : "";
}
