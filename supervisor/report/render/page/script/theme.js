// Colours of the canvases, from the style sheet; on paper they are those of daylight.

export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

const SERIES_COLORS = 8;

export function seriesColor(i) {
  return color("s" + (i % SERIES_COLORS));
}

export function faint(hex, alpha) {
  return hex + Math.round(alpha * 255).toString(16).padStart(2, "0");
}

export function canvasFont(size) {
  return (size || 11.5) + "px " + color("sans");
}
