// Package compare says what of two runs differs, and which differences are more than
// chance: their configurations, their totals, and the figures of their intervals.
package compare
