// Package judge says what the numbers of a report.Report mean: its verdict with the
// reasons, the findings, and whether an assertion holds. It reads a Report and a few facts
// of the fold, never a journal, and decides by numbers and enumerations alone.
package judge
