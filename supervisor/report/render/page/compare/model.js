// Two runs, on one time axis: seconds since each wrote its first byte.

import { byId } from "../script/element.js";

export const data = JSON.parse(byId("report").textContent);
export const comparison = data.comparison;
export const SIDES = ["A", "B"].map((name, i) => ({ name, ink: "s" + i, ...data.sides[i] }));

export const span = Math.max(1, ...SIDES.map((side) => (side.bytes_per_second.length * side.interval_nano) / 1e9));

// together puts lists of both runs, one value an interval, on one axis: times has the
// middles of all intervals, and a list is undefined where the other run alone has one.
export function together(lists) {
  const at = lists.map((list, i) => list.map((_, n) => ((n + 0.5) * SIDES[i].interval_nano) / 1e9));
  const times = [...new Set(at.flat())].sort((a, b) => a - b);
  return {
    times,
    values: lists.map((list, i) => {
      const known = new Map(at[i].map((time, n) => [time, list[n]]));
      return times.map((time) => known.get(time));
    }),
  };
}

